"""From observed spectra to the rest frame, grid and resolution on which the network was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from sfhnet.core.flags import Flag
from sfhnet.observation.galaxy_kinematics import fit_kinematics
from sfhnet.observation.observed import Observed, median_snr
from sfhnet.observation.resample import kernel, pixel_edges, resample
from sfhnet.observation.sky_channels import sky_mask
from sfhnet.tools.progress import Progress

if TYPE_CHECKING:
    from sfhnet.config import GalaxiesConfig
    from sfhnet.core.training_grid import TrainingGrid
    from sfhnet.observation.kinematics import Kinematics

__all__ = [
    "Matched",
    "Observed",
    "RestFrame",
    "fit_kinematics",
    "match_training",
    "sky_mask",
    "to_rest_frame",
]

# An output pixel needs this share of its kernel in good pixels.
_MIN_KERNEL = 0.8
# A spectrum is too broad for the training resolution if more of its pixels than this miss it by over a tenth.
_MAX_TOO_BROAD = 0.1
# Spectra that go through a kernel together, at most: bounds the memory.
_ROWS = 256


@dataclass(frozen=True)
class Matched:
    """Rest-frame spectra on the training grid, at its resolution.

    Parameters
    ----------
    flux, sigma : ndarray of float32, shape (n, n_wave)
        Rest-frame f_lambda (observed f_lambda times 1 + z) and its error; 0 where masked.
    mask : ndarray of bool, shape (n, n_wave)
        True = good.
    smoothing_aa : ndarray, shape (n,)
        Gaussian sigma of the broadening applied at the middle of the range.
    flags : ndarray of uint32, shape (n,)
        `Flag.RESOLUTION` and `Flag.NO_VALID_PIXELS`.
    """

    flux: np.ndarray
    sigma: np.ndarray
    mask: np.ndarray
    smoothing_aa: np.ndarray
    flags: np.ndarray


@dataclass(frozen=True)
class RestFrame:
    """Spectra on the training grid, with what was measured on the way; the fields are those of `Spectra`."""

    wave_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    mask: np.ndarray
    redshift: np.ndarray
    velocity_kms: np.ndarray
    velocity_err_kms: np.ndarray
    sigma_kms: np.ndarray
    sigma_err_kms: np.ndarray
    snr: np.ndarray
    noise_scale: np.ndarray
    smoothing_aa: np.ndarray
    flags: np.ndarray


def match_training(
    observed: Observed,
    redshift: np.ndarray,
    dispersion_kms: np.ndarray | None,
    *,
    grid: TrainingGrid,
    name: str = "spectra",
) -> Matched:
    """De-redshift, broaden and resample spectra to the training grid: the one way, for galaxies and single spectra alike.

    Each spectrum is convolved with the Gaussian that is missing between its own width (instrument and stars) and
    that of the (narrowest) training spectra; the difference is taken in quadrature and never below zero. Spectra of which neither
    is known are taken to have the training resolution.

    Parameters
    ----------
    observed : Observed
        Spectra; ``fwhm_aa`` may be None for an instrument that is not known.
    redshift : ndarray, shape (n,)
        To be removed.
    dispersion_kms : ndarray, shape (n,), optional
        Velocity dispersion of the stars.
    grid : TrainingGrid
        Where to.
    name : str
        For the progress shown.

    Returns
    -------
    Matched
        A spectrum depends on no other one.
    """
    wave_aa = grid.wave_aa
    out_edges, in_edges = pixel_edges(wave_aa), pixel_edges(observed.wave_aa)
    middle = wave_aa.size // 2
    n = len(observed.flux)
    flux, sigma = (np.zeros((n, wave_aa.size), dtype=np.float32) for _ in range(2))
    mask = np.zeros((n, wave_aa.size), dtype=bool)
    smoothing_aa = np.zeros(n)
    flags = np.zeros(n, dtype=np.uint32)
    pixel_aa = np.gradient(observed.wave_aa)
    stars = np.zeros(n) if dispersion_kms is None else dispersion_kms
    known = observed.fwhm_aa is not None or dispersion_kms is not None
    # Equal ones share a kernel, and go through it together.
    order = np.lexsort((stars, redshift))
    begun = np.flatnonzero((np.diff(redshift[order]) != 0) | (np.diff(stars[order]) != 0)) + 1
    groups = [some for group in np.split(order, begun) for some in _split(group)]
    factor = dispersion = np.nan
    with Progress(n, f"{name}: to the training resolution", "spectra") as progress:
        for rows in groups:
            if (factor, dispersion) != (1 + redshift[rows[0]], stars[rows[0]]):
                factor, dispersion = 1 + redshift[rows[0]], stars[rows[0]]
                step_aa = np.interp(wave_aa * factor, observed.wave_aa, pixel_aa) / factor
                own_aa, extra_aa = np.zeros(wave_aa.size), np.zeros(wave_aa.size)
                if known:
                    own_aa = wave_aa * dispersion / C_KMS
                    if observed.fwhm_aa is not None:
                        fwhm_aa = np.interp(wave_aa * factor, observed.wave_aa, observed.fwhm_aa) / factor
                        own_aa = np.hypot(own_aa, fwhm_aa / FWHM_PER_SIGMA)
                    # The kernel takes pixels as boxes, which broadens by their width too.
                    extra_aa = np.sqrt(np.clip(grid.sigma_aa**2 - own_aa**2 - step_aa**2 / 12, 0, None))
                too_broad = np.mean(own_aa > 1.1 * grid.broadest_aa) > _MAX_TOO_BROAD
                matrix = kernel(in_edges / factor, out_edges, extra_aa)
            smoothing_aa[rows] = extra_aa[middle]
            if too_broad:
                flags[rows] |= np.uint32(Flag.RESOLUTION)
            out, variance, kept = resample(
                matrix,
                observed.flux[rows] * factor,
                observed.variance[rows] * factor**2,
                good=observed.good[rows],
                pixel_ratio=step_aa / np.diff(out_edges),
                min_weight=_MIN_KERNEL,
            )
            kept &= variance > 0
            flux[rows], sigma[rows], mask[rows] = out, np.sqrt(variance), kept
            progress.update(len(rows))
    flags[~mask.any(axis=1)] |= np.uint32(Flag.NO_VALID_PIXELS)
    return Matched(flux=flux, sigma=sigma, mask=mask, smoothing_aa=smoothing_aa, flags=flags)


def _split(group: np.ndarray) -> list[np.ndarray]:
    return [group[start : start + _ROWS] for start in range(0, len(group), _ROWS)]


def to_rest_frame(
    observed: Observed,
    redshift: float,
    kinematics: list[Kinematics],
    *,
    grid: TrainingGrid,
    config: GalaxiesConfig,
    galaxy: str,
) -> RestFrame:
    """Bring the spectra of a galaxy to the training grid (`match_training`), their errors to the scatter that was seen.

    Parameters
    ----------
    observed : Observed
        Spectra.
    redshift : float
        Systemic redshift.
    kinematics : list of Kinematics
        Relative to it, one a spectrum.
    grid : TrainingGrid
        Where to.
    config : GalaxiesConfig
        How errors are scaled and when flags are set.
    galaxy : str
        Name for progress.

    Returns
    -------
    RestFrame
    """
    columns = {
        name: np.array([getattr(fit, name) for fit in kinematics])
        for name in ("velocity_kms", "velocity_err_kms", "sigma_kms", "sigma_err_kms")
    }
    redshifts = (1 + redshift) * np.exp(columns["velocity_kms"] / C_KMS) - 1
    matched = match_training(observed, redshifts, columns["sigma_kms"], grid=grid, name=galaxy)
    scale = _noise_scale(kinematics, config)
    sigma = matched.sigma
    sigma *= scale[:, None].astype(sigma.dtype)
    snr = np.array(
        [
            median_snr(one_flux, one_sigma.astype(float) ** 2, good)
            for one_flux, one_sigma, good in zip(matched.flux, sigma, matched.mask, strict=True)
        ]
    )
    flags = matched.flags
    flags[[not fit.fitted for fit in kinematics]] |= np.uint32(Flag.KINEMATICS_FIXED)
    flags[(1 - matched.mask.mean(axis=1)) > config.max_masked_fraction] |= np.uint32(Flag.MASKED_PIXELS)
    flags[scale > 2] |= np.uint32(Flag.NOISE_RESCALED)
    return RestFrame(
        wave_aa=grid.wave_aa,
        flux=matched.flux,
        sigma=sigma,
        mask=matched.mask,
        redshift=redshifts,
        snr=snr,
        noise_scale=scale,
        smoothing_aa=matched.smoothing_aa,
        flags=flags,
        **columns,
    )


def _noise_scale(kinematics: list[Kinematics], config: GalaxiesConfig) -> np.ndarray:
    scale = np.array([fit.noise_scale for fit in kinematics])
    if not config.rescale_errors:
        return np.ones(scale.size)
    known = np.isfinite(scale)
    # A bin too faint to tell takes what its neighbours in signal-to-noise show.
    scale[~known] = np.median(scale[known]) if known.any() else 1.0
    return np.maximum(scale, 1.0)
