"""Redshift and width of spectra from themselves: what is believed beforehand stays unless they contradict it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyprospect.constants import C_KMS
from sfhnet.core.flags import Flag
from sfhnet.observation.observed import Observed
from sfhnet.observation.rest_frame import match_training

if TYPE_CHECKING:
    from sfhnet.inference.basis import Basis
    from sfhnet.inference.screens import Screens
    from sfhnet.inference.understand import Understood
    from sfhnet.inference.widths import WidthFitter

__all__ = ["Believed", "Kinematics", "measure_kinematics", "other_medium"]

# A redshift within this of what was believed is that one: the networks were trained with such errors.
_SAME_KMS = 10.0
# Medians of the priors: of a galaxy's dispersion, and of the width of a spectrum whose instrument is not known.
_TYPICAL_KMS = 80.0
# The width of a spectrum is that of the training within this share of it, or this many errors.
_SAME_WIDTH, _SAME_ERRORS = 0.12, 2.0
_UNKNOWN_INSTRUMENT_AA = 1e-3
# Air for vacuum moves all optical lines by 82 to 85 km/s; redshifts that are this sure tell that from rotation.
_AIR_KMS, _AIR_WITHIN_KMS, _SURE = 83.0, 15.0, 0.9


@dataclass(frozen=True)
class Believed:
    """What is known before.

    Parameters
    ----------
    redshift : ndarray (n,) or None
        None: anywhere in the range of the finder.
    redshift_err : float
        Its standard deviation; zero: it is known, and only checked.
    dispersion_kms : ndarray (n,) or None
        None: to be measured.
    fwhm_aa : ndarray (n_wave,) or None
        Resolution of the instrument.
    as_trained : bool
        The spectra have the resolution of the training.
    """

    redshift: np.ndarray | None
    redshift_err: float
    dispersion_kms: np.ndarray | None
    fwhm_aa: np.ndarray | None
    as_trained: bool = False


@dataclass(frozen=True)
class Kinematics:
    """Redshift and width of n spectra.

    Parameters
    ----------
    redshift, redshift_err : ndarray (n,)
        Adopted; NaN errors where they were given.
    probability : ndarray (n,)
        That the redshift that the spectrum itself prefers is right.
    found : ndarray (n,)
        That one; NaN where nothing was found.
    dispersion_kms, dispersion_err_kms : ndarray (n,)
        Of the stars, or of the whole spectrum where the instrument is not known.
    flags : ndarray of uint32 (n,)
    matched_as_is : ndarray of bool (n,)
        Spectra that have the width of the training already, and are not to be broadened.
    """

    redshift: np.ndarray
    redshift_err: np.ndarray
    probability: np.ndarray
    found: np.ndarray
    dispersion_kms: np.ndarray
    dispersion_err_kms: np.ndarray
    flags: np.ndarray
    matched_as_is: np.ndarray


def measure_kinematics(
    spectra: Understood,
    believed: Believed,
    *,
    basis: Basis | None,
    fitter: WidthFitter | None,
    screens: Screens,
) -> Kinematics:
    """Measure redshift and width.

    Parameters
    ----------
    spectra : Understood
        n spectra.
    believed : Believed
        What is known.
    basis, fitter : Basis, WidthFitter or None
        Of the network; without them what is believed is adopted.
    screens : Screens
        When a redshift is accepted.

    Returns
    -------
    Kinematics
    """
    n = len(spectra.flux)
    nan = np.full(n, np.nan)
    start = np.zeros(n) if believed.redshift is None else believed.redshift.astype(float)
    flags = np.zeros(n, dtype=np.uint32)
    unknown = believed.dispersion_kms is None and believed.fwhm_aa is None
    as_is = np.full(n, believed.as_trained or unknown)
    if basis is None or fitter is None:
        width = np.full(n, _TYPICAL_KMS) if believed.dispersion_kms is None else believed.dispersion_kms
        return Kinematics(start, nan, nan, nan, width, nan, flags, as_is)
    redshift, error, found, probability, flags = _redshifts(spectra, believed, start, basis, screens)
    given_width = nan if believed.dispersion_kms is None else believed.dispersion_kms
    is_known = believed.as_trained or believed.dispersion_kms is not None
    if is_known and believed.redshift_err == 0 and believed.redshift is not None:
        return Kinematics(redshift, error, probability, found, given_width, nan, flags, as_is)
    # As if the stars had no dispersion of their own: then what is left to find is never negative.
    fwhm = believed.fwhm_aa
    own_instrument = fwhm if fwhm is not None else np.full(spectra.wave_aa.size, _UNKNOWN_INSTRUMENT_AA)
    observed = Observed(spectra.wave_aa, own_instrument, spectra.flux, spectra.variance, spectra.usable)
    matched = match_training(observed, redshift, np.zeros(n), grid=basis.grid)
    fit = fitter.fit(matched.flux, matched.sigma, matched.mask)
    moved = (
        np.isfinite(fit.velocity_err_kms)
        & (fit.velocity_err_kms < 60)
        & (np.abs(fit.velocity_kms) < 150)
        & (np.abs(fit.velocity_kms) > np.maximum(_SAME_KMS, _SAME_ERRORS * fit.velocity_err_kms))
    )
    if believed.redshift is not None and believed.redshift_err == 0:
        moved[:] = False
    redshift = np.where(moved, (1 + redshift) * (1 + fit.velocity_kms / C_KMS) - 1, redshift)
    if is_known:
        return Kinematics(redshift, error, probability, found, given_width, nan, flags, as_is)
    if fwhm is not None:
        width, width_err = fit.sigma_kms(_TYPICAL_KMS)
        return Kinematics(redshift, error, probability, found, width, width_err, flags, as_is)
    trained = float(np.median(basis.grid.sigma_aa / basis.grid.wave_aa)) * C_KMS
    width, width_err = fit.sigma_kms(trained)
    as_is = np.abs(width - trained) < np.maximum(_SAME_WIDTH * trained, _SAME_ERRORS * width_err)
    return Kinematics(redshift, error, probability, found, width, width_err, flags, as_is)


def other_medium(redshift: np.ndarray, kinematics: Sequence[Kinematics], medium: str) -> tuple[str, ...]:
    """Return a note if all lines lie where wavelengths of the other medium would put them at redshifts that are known.

    Parameters
    ----------
    redshift : ndarray (n,)
        That are known.
    kinematics : sequence of Kinematics
        Of the same spectra, in parts.
    medium : {"air", "vacuum"}
        That the wavelengths are said to be in.

    Returns
    -------
    tuple of str
        Empty if not.
    """
    found = np.concatenate([part.found for part in kinematics])
    sure = np.concatenate([part.probability for part in kinematics]) > _SURE
    if not sure.any():
        return ()
    off_kms = float(np.median(((found - redshift) / (1 + redshift))[sure])) * C_KMS
    expected, other = (_AIR_KMS, "vacuum") if medium == "air" else (-_AIR_KMS, "air")
    if abs(off_kms - expected) > _AIR_WITHIN_KMS:
        return ()
    note = (
        f"all lines lie {off_kms:+.0f} km/s from where the redshift puts them, as if the wavelengths were in {other}, not in "
        f"{medium}: check --medium and the redshift"
    )
    return (note,)


def _redshifts(
    spectra: Understood, believed: Believed, start: np.ndarray, basis: Basis, screens: Screens
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n = len(start)

    # What is known is checked as if it were believed: only a clear contradiction counts.
    prior = None if believed.redshift is None else (start, believed.redshift_err or 1e-3)
    found = basis.finder.find(
        spectra.wave_aa, spectra.flux, spectra.variance, good=spectra.usable, prior=prior
    )
    seen = np.isfinite(found.z)
    clear = seen & (found.lead > screens.redshift_lead) & (found.gain > screens.redshift_gain)
    off_kms = np.where(seen, np.abs(found.z - start) * C_KMS / (1 + start), 0.0)
    flags, unknown = np.zeros(n, dtype=np.uint32), np.full(n, np.nan)
    if believed.redshift is not None and believed.redshift_err == 0:
        inside = (basis.finder.z[0] < start) & (start < basis.finder.z[-1])
        # It is used all the same: what comes out is of another galaxy.
        other = clear & inside & (off_kms > 300) & (found.probability > 0.99)
        flags[other] |= np.uint32(Flag.REDSHIFT | Flag.OUT_OF_DISTRIBUTION)
        return start.copy(), unknown, found.z, found.probability, flags
    if believed.redshift is None:
        # Too little to tell: what was believed stays, and without a belief there is no answer.
        flags[~clear] |= np.uint32(Flag.NOT_A_GALAXY)
    else:
        flags[clear & (off_kms > 5 * believed.redshift_err * C_KMS)] |= np.uint32(Flag.REDSHIFT)
    moved = clear & (off_kms > np.maximum(_SAME_KMS, 2 * found.z_err * C_KMS))
    error = np.where(clear, found.z_err, np.nan)
    return np.where(moved, found.z, start), error, found.z, found.probability, flags
