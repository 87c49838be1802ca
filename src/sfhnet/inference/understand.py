"""From arrays as they were given to spectra that can be measured: what is no light masked, errors that are none mended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfhnet.config import GalaxiesConfig
from sfhnet.core.flags import Flag
from sfhnet.inference.arrays import Arrays
from sfhnet.observation.artefacts import error_scale, fill_values, spikes
from sfhnet.observation.medians import good_medians
from sfhnet.observation.sky_channels import sky_mask
from sfhnet.observation.wavelengths_and_units import vacuum_to_air

__all__ = ["Understood", "understand"]

# Errors are scaled to the scatter of neighbours where that is so much larger; less may be lines of the stars.
_TOO_SMALL = 2.0
# Spectra that have to agree on what their errors are.
_MAJORITY = 0.5


@dataclass(frozen=True)
class Understood:
    """Spectra ready to be brought to the rest frame.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Observed wavelengths in AA, air.
    flux, variance : ndarray (n, n_wave)
        In units of `unit`; zero where not usable.
    usable : ndarray of bool (n, n_wave)
        Pixels that hold light.
    unit : ndarray (n, 1)
        A power of two near each spectrum's errors: in it no variance overflows and no digit is lost.
    noise_scale : ndarray (n,)
        Factor that the errors were multiplied by.
    flags : ndarray of uint32 (n,)
        What was found.
    notes : tuple of str
        What was taken for what.
    """

    wave_aa: np.ndarray
    flux: np.ndarray
    variance: np.ndarray
    usable: np.ndarray
    unit: np.ndarray
    noise_scale: np.ndarray
    flags: np.ndarray
    notes: tuple[str, ...]


def understand(
    given: Arrays, *, medium: str, ebv: float, mask_sky: bool, check_errors: bool = True
) -> Understood:
    """Clean spectra.

    Parameters
    ----------
    given : Arrays
        From `sfhnet.inference.arrays.read_arrays`.
    medium : {"air", "vacuum"}
        Of the wavelengths.
    ebv : float
        Milky-Way E(B-V) in mag, to be undone.
    mask_sky : bool
        Leave out sky lines and telluric absorption.
    check_errors : bool
        Compare errors with the scatter of neighbouring pixels.

    Returns
    -------
    Understood
    """
    flux, sigma, good = given.flux, given.sigma, given.good
    notes = list(given.notes)
    flags = np.zeros(len(flux), dtype=np.uint32)
    finite, positive = np.isfinite(flux), np.isfinite(sigma) & (sigma > 0)
    flags |= _set((good & ~positive).any(axis=1), Flag.BAD_SIGMA)
    flags |= _set((good & ~finite).any(axis=1), Flag.NOT_FINITE)
    usable = good & finite & positive & ~fill_values(flux)
    scale = np.ones(len(flux))
    if check_errors:
        sigma, scale = _mended(flux, sigma, usable, notes)
        flags |= _set(scale > _TOO_SMALL, Flag.NOISE_RESCALED)
    unit = _units(sigma, usable)
    safe = np.where(usable, flux / unit, 0.0)
    error = np.where(usable, sigma / unit, 0.0) * scale[:, None]
    usable &= ~spikes(safe, error, usable)
    wave = vacuum_to_air(given.wave_aa) if medium == "vacuum" else given.wave_aa
    if ebv > 0:
        # Needs the laws of extinction, which plain inference does not load.
        from sfhnet.observation.milky_way_extinction import correction

        brighter = correction(wave, ebv)
        safe, error = safe * brighter, error * brighter
    variance = error**2
    if mask_sky:
        usable &= ~_sky_masks(wave, variance, usable)
    return Understood(
        wave,
        np.where(usable, safe, 0.0),
        np.where(usable, variance, 0.0),
        usable,
        unit,
        scale,
        flags,
        tuple(notes),
    )


def _set(where: np.ndarray, flag: Flag) -> np.ndarray:
    return np.where(where, np.uint32(int(flag)), np.uint32(0))


def _mended(
    flux: np.ndarray, sigma: np.ndarray, usable: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return errors as errors, and the factor that brings each spectrum's to the scatter of its neighbours."""
    found = error_scale(flux, sigma, usable)
    known = np.isfinite(found.ratio)
    for kind in ("variance", "ivar"):
        alike = known & (found.looks_like == kind)
        if known.any() and alike.sum() > _MAJORITY * known.sum():
            ratio = float(np.median(found.ratio[alike]))
            notes.append(
                f"the errors are {1 / ratio:.3g} times the scatter of neighbouring pixels, and right if they are the {kind}: "
                f"they were taken as such; give {kind}= if it is so, or check_errors=False if it is not"
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                sigma = np.sqrt(sigma) if kind == "variance" else sigma**-0.5
            return sigma, np.ones(len(flux))
    scale = np.where(known & (found.ratio > _TOO_SMALL), found.ratio, 1.0)
    if (scale > 1).any():
        notes.append(
            f"neighbouring pixels of {int((scale > 1).sum())} spectra scatter by up to {scale.max():.3g} times their errors, "
            "which were scaled up"
        )
    if (known & (found.ratio < 0.1)).any():
        notes.append(
            f"errors are up to {1 / np.nanmin(found.ratio):.3g} times the scatter of neighbouring pixels: correlated noise, or "
            "errors that are none"
        )
    return sigma, scale


def _units(sigma: np.ndarray, usable: np.ndarray) -> np.ndarray:
    return np.ldexp(1.0, np.frexp(good_medians(sigma, usable, empty=1.0))[1])[:, None]


def _sky_masks(wave_aa: np.ndarray, variance: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the channels to leave out of each spectrum, (n, n_wave): one is not judged by another."""
    config = GalaxiesConfig()
    pairs = zip(variance, usable, strict=True)
    return np.array([sky_mask(wave_aa, row[None], good[None], config=config) for row, good in pairs])
