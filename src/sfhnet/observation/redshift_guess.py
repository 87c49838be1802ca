"""Is the redshift of the sample sheet that of the galaxy? Found from its spectrum, wherever the guess lies."""

from __future__ import annotations

import logging

import numpy as np

from pyprospect.constants import C_KMS
from pyprospect.stars.library import SSPLibrary
from sfhnet.observation.redshift import REDSHIFT_RANGE, RedshiftFinder, line_templates
from sfhnet.observation.resample import kernel, pixel_edges

__all__ = ["checked_guess", "library_finder"]

_log = logging.getLogger("sfhnet.observation.redshift_guess")

# Grid of the templates, and the dispersion that they get: that of the training, to which the finder's pixels belong.
_WAVE_AA = np.arange(4600.0, 9400.0, 1.25)
_SIGMA_KMS = 150.0
_AGES_YR, _LOG_Z = (1e7, 1e8, 1e9, 3e9, 1e10), (-0.7, 0.0, 0.25)
_N_TEMPLATE = 6
# Beyond this the guess is another one, not an error of it that the fit of the kinematics mends.
_FAR_KMS = 450.0
# Chi-square by which a redshift leads over all others, and that its templates save, to be believed more than a sheet.
_LEAD, _GAIN = 40.0, 100.0


def library_finder(ssp: SSPLibrary) -> RedshiftFinder:
    """Return a finder whose templates are stellar populations.

    Parameters
    ----------
    ssp : SSPLibrary
        Air wavelengths.

    Returns
    -------
    RedshiftFinder
    """
    reach = _WAVE_AA[-1] * _SIGMA_KMS / C_KMS * 5
    some = ssp.trim(_WAVE_AA[0] - reach, _WAVE_AA[-1] + reach)
    ages = sorted({int(np.argmin(np.abs(np.log(np.maximum(some.age_yr, 1.0) / age)))) for age in _AGES_YR})
    metals = sorted({int(np.argmin(np.abs(some.log_z_solar - value))) for value in _LOG_Z})
    spectra = np.array([some.spectra[z, age] for z in metals for age in ages], dtype=float)
    sigma_aa = _WAVE_AA * _SIGMA_KMS / C_KMS
    rows = (kernel(pixel_edges(some.wave_aa), pixel_edges(_WAVE_AA), sigma_aa) @ spectra.T).T
    level = np.median(rows, axis=1, keepdims=True)
    rows = rows[level[:, 0] > 0] / level[level[:, 0] > 0]
    left, _, _ = np.linalg.svd(
        rows - np.polynomial.Polynomial.fit(_WAVE_AA, rows.mean(0), 3)(_WAVE_AA), full_matrices=False
    )
    templates = left[:, :_N_TEMPLATE].T @ rows
    return RedshiftFinder(_WAVE_AA, templates, line_templates(_WAVE_AA, sigma_aa))


def checked_guess(
    wave_aa: np.ndarray,
    flux: np.ndarray,
    variance: np.ndarray,
    good: np.ndarray,
    *,
    redshift: float,
    ssp: SSPLibrary,
    galaxy: str,
) -> float:
    """Return the redshift to begin with: the one that was given, or that of the spectrum where that is clearly another.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Observed air wavelengths.
    flux, variance : ndarray (n_wave,)
        Sum of a galaxy's spectra.
    good : ndarray of bool (n_wave,)
        Good pixels.
    redshift : float
        Of the sample sheet.
    ssp : SSPLibrary
        Templates.
    galaxy : str
        Name for the warning.

    Returns
    -------
    float
    """
    low, high = REDSHIFT_RANGE
    covered = (wave_aa / (1 + high) > _WAVE_AA[0]) & (wave_aa < _WAVE_AA[-1] * (1 + low))
    # Further away, or in another range of wavelengths, the sheet is believed.
    if not low < redshift < high or ssp.meta.get("medium", "air") != "air" or covered.sum() < 800:
        return redshift
    one = library_finder(ssp).find(wave_aa, flux[None], variance[None], good=good[None])
    found = float(one.z[0])
    off_kms = abs(found - redshift) / (1 + redshift) * C_KMS
    if one.lead[0] > _LEAD and one.gain[0] > _GAIN and off_kms > _FAR_KMS:
        _log.warning(
            "%s: the spectrum lies at redshift %.5f, %.0f km/s from the %.5f of the sample sheet; %.5f is used, correct the sheet",
            galaxy,
            found,
            off_kms,
            redshift,
            found,
        )
        return found
    return redshift
