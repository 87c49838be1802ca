"""From observed spectra to the rest frame, grid and resolution on which the network was trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation, binary_opening, median_filter

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from sfhnet.core.flags import Flag
from sfhnet.observation.kinematics import KinematicFitter, Kinematics
from sfhnet.observation.resample import kernel, pixel_edges, resample
from sfhnet.tools.progress import track

if TYPE_CHECKING:
    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import GalaxiesConfig
    from sfhnet.core.training_grid import TrainingGrid
    from sfhnet.observation.dap_maps import BinKinematics

# Pixels over which the variance is smoothed to find sky lines.
_SKY_WINDOW = 151
# So many spectra are enough to find them.
_SKY_SPECTRA = 500
# A gap of at least so many channels (the notch of the sodium laser) is widened by so many: the light falls off there.
_GAP_CHANNELS, _GAP_EDGE = 10, 6
# An output pixel needs this share of its kernel in good pixels.
_MIN_KERNEL = 0.8
# A spectrum is too broad for the training resolution if more of its pixels than this miss it by over a tenth.
_MAX_TOO_BROAD = 0.1


@dataclass(frozen=True)
class Observed:
    """Spectra on their own wavelength axis.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Observed air wavelengths.
    fwhm_aa : ndarray, shape (n_wave,), or None
        Resolution of the instrument, if it is known.
    flux, variance : ndarray, shape (n, n_wave)
        f_lambda, free of Milky-Way extinction, and its variance.
    good : ndarray of bool, shape (n, n_wave)
        Good pixels.
    """

    wave_aa: np.ndarray
    fwhm_aa: np.ndarray | None
    flux: np.ndarray
    variance: np.ndarray
    good: np.ndarray


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


def sky_mask(
    wave_aa: np.ndarray, variance: np.ndarray, good: np.ndarray, *, config: GalaxiesConfig
) -> np.ndarray:
    """Find the channels that sky lines and telluric absorption spoil.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Observed air wavelengths.
    variance : ndarray, shape (n, n_wave)
        Variances; sky lines stand out in their median.
    good : ndarray of bool, shape (n, n_wave)
        Good pixels.
    config : GalaxiesConfig
        Windows, and the ratio of variances.

    Returns
    -------
    ndarray of bool, shape (n_wave,)
        True where the channel is spoilt.
    """
    spoilt = np.zeros(wave_aa.size, dtype=bool)
    for low, high in config.mask_windows_aa:
        spoilt |= (wave_aa >= low) & (wave_aa <= high)
    some = good.any(axis=0)
    if some.sum() > _SKY_WINDOW:
        # Every spectrum counts alike, whatever its brightness; of thousands some tell.
        told = np.flatnonzero(good.any(axis=1))
        told = told[:: max(1, told.size // _SKY_SPECTRA)]
        level = np.array([np.median(variance[i][good[i]]) for i in told])
        typical = np.median(variance[told] / level[:, None], axis=0)
        smooth = np.zeros(wave_aa.size)
        smooth[some] = median_filter(typical[some], size=_SKY_WINDOW, mode="nearest")
        spoilt |= some & (typical > config.sky_variance_ratio * smooth)
    if some.all():
        return spoilt
    gap = binary_opening(~some, np.ones(_GAP_CHANNELS, dtype=bool))
    return spoilt | binary_dilation(gap, np.ones(2 * _GAP_EDGE + 1, dtype=bool))


def fit_kinematics(
    observed: Observed,
    redshift: float,
    ssp: SSPLibrary,
    *,
    config: GalaxiesConfig,
    galaxy: str,
    given: BinKinematics | None = None,
) -> tuple[float, list[Kinematics]]:
    """Fit the systemic redshift on the sum of all spectra, then velocity and dispersion of each.

    Parameters
    ----------
    observed : Observed
        Spectra.
    redshift : float
        First guess.
    ssp : SSPLibrary
        Templates.
    config : GalaxiesConfig
        Window, mask and limits.
    galaxy : str
        Name for messages.
    given : BinKinematics, optional
        Kinematics that are known, with their systemic redshift; bins without are fitted.

    Returns
    -------
    redshift : float
        Systemic redshift: that of ``given``, else fitted where the sum allows it.
    kinematics : list of Kinematics
        Relative to that redshift, one a spectrum.
    """
    fixed = Kinematics(0.0, np.nan, config.fixed_sigma_kms, np.nan, np.nan, np.nan, False)
    if config.kinematics == "fixed":
        return redshift, [fixed] * len(observed.flux)
    redshift = redshift if given is None else given.systemic
    try:
        fitter = KinematicFitter(
            ssp,
            observed.wave_aa,
            redshift,
            fwhm_aa=observed.fwhm_aa,
            window_aa=config.kinematics_window_aa,
            line_mask_kms=config.line_mask_kms,
        )
    except ValueError as error:
        raise ValueError(f"{galaxy}: {error}") from error
    good = observed.good.all(axis=0) if observed.good.all(axis=0).mean() > 0.5 else observed.good.any(axis=0)
    whole = fitter.fit(
        observed.flux.sum(axis=0, dtype=float), observed.variance.sum(axis=0, dtype=float), good
    )
    start = whole if whole.fitted else fixed
    # The zero of velocities: what the MAPS say, else the sum of all spectra.
    zero_kms = whole.velocity_kms if given is None else 0.0
    systemic = (1 + redshift) * np.exp(zero_kms / C_KMS) - 1
    results = []
    for i in track(range(len(observed.flux)), f"{galaxy}: kinematics", unit="bin"):
        spectrum = observed.flux[i], observed.variance[i], observed.good[i]
        if given is not None and np.isfinite(given.velocity_kms[i] + given.sigma_kms[i]):
            result = _as_given(given, i, fitter, spectrum)
        elif len(observed.flux) == 1:
            result = whole
        elif _median_snr(*spectrum) < config.min_snr_kinematics:
            result = replace(
                start, fitted=False, velocity_err_kms=np.nan, sigma_err_kms=np.nan, noise_scale=np.nan
            )
        else:
            result = fitter.fit(*spectrum, start, search_kms=400.0)
        results.append(replace(result, velocity_kms=result.velocity_kms - zero_kms))
    return systemic, results


def _as_given(
    given: BinKinematics, i: int, fitter: KinematicFitter, spectrum: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> Kinematics:
    velocity, sigma = float(given.velocity_kms[i]), float(given.sigma_kms[i])
    chi2, scale = fitter.noise_at(*spectrum, velocity, sigma)
    return Kinematics(
        velocity, float(given.velocity_err_kms[i]), sigma, float(given.sigma_err_kms[i]), chi2, scale, True
    )


def _median_snr(flux: np.ndarray, variance: np.ndarray, good: np.ndarray) -> float:
    return float(np.median(flux[good] / np.sqrt(variance[good]))) if good.any() else 0.0


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
    that of the training spectra; the difference is taken in quadrature and never below zero. Spectra of which neither
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
    out_edges = pixel_edges(wave_aa)
    middle = wave_aa.size // 2
    n = len(observed.flux)
    flux, sigma = (np.zeros((n, wave_aa.size), dtype=np.float32) for _ in range(2))
    mask = np.zeros((n, wave_aa.size), dtype=bool)
    smoothing_aa = np.zeros(n)
    flags = np.zeros(n, dtype=np.uint32)
    pixel_aa = np.gradient(observed.wave_aa)
    stars = np.zeros(n) if dispersion_kms is None else dispersion_kms
    known = observed.fwhm_aa is not None or dispersion_kms is not None
    last = None
    # Equal ones follow each other and share a kernel; only one kernel is kept.
    for i in track(np.lexsort((stars, redshift)), f"{name}: to the training resolution", unit="spectra"):
        factor = 1 + redshift[i]
        if (factor, stars[i]) != last:
            last = factor, stars[i]
            step_aa = np.interp(wave_aa * factor, observed.wave_aa, pixel_aa) / factor
            own_aa, extra_aa = np.zeros(wave_aa.size), np.zeros(wave_aa.size)
            if known:
                own_aa = wave_aa * stars[i] / C_KMS
                if observed.fwhm_aa is not None:
                    fwhm_aa = np.interp(wave_aa * factor, observed.wave_aa, observed.fwhm_aa) / factor
                    own_aa = np.hypot(own_aa, fwhm_aa / FWHM_PER_SIGMA)
                # The kernel takes pixels as boxes, which broadens by their width too.
                extra_aa = np.sqrt(np.clip(grid.sigma_aa**2 - own_aa**2 - step_aa**2 / 12, 0, None))
            too_broad = np.mean(own_aa > 1.1 * grid.sigma_aa) > _MAX_TOO_BROAD
            matrix = kernel(pixel_edges(observed.wave_aa / factor), out_edges, extra_aa)
        smoothing_aa[i] = extra_aa[middle]
        if too_broad:
            flags[i] |= Flag.RESOLUTION
        out, variance, kept = resample(
            matrix,
            observed.flux[i] * factor,
            observed.variance[i] * factor**2,
            good=observed.good[i],
            pixel_ratio=step_aa / np.diff(out_edges),
            min_weight=_MIN_KERNEL,
        )
        kept &= variance > 0
        flux[i], sigma[i], mask[i] = out, np.sqrt(variance), kept
    flags[~mask.any(axis=1)] |= np.uint32(Flag.NO_VALID_PIXELS)
    return Matched(flux, sigma, mask, smoothing_aa, flags)


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
        name: np.array([getattr(found, name) for found in kinematics])
        for name in ("velocity_kms", "velocity_err_kms", "sigma_kms", "sigma_err_kms")
    }
    redshifts = (1 + redshift) * np.exp(columns["velocity_kms"] / C_KMS) - 1
    found = match_training(observed, redshifts, columns["sigma_kms"], grid=grid, name=galaxy)
    scale = _noise_scale(kinematics, config)
    sigma = found.sigma
    sigma *= scale[:, None].astype(sigma.dtype)
    snr = np.array(
        [
            _median_snr(f, s.astype(float) ** 2, m)
            for f, s, m in zip(found.flux, sigma, found.mask, strict=True)
        ]
    )
    flags = found.flags
    flags[[not one.fitted for one in kinematics]] |= np.uint32(Flag.KINEMATICS_FIXED)
    flags[(1 - found.mask.mean(axis=1)) > config.max_masked_fraction] |= np.uint32(Flag.MASKED_PIXELS)
    flags[scale > 2] |= np.uint32(Flag.NOISE_RESCALED)
    return RestFrame(
        grid.wave_aa,
        found.flux,
        sigma,
        found.mask,
        redshift=redshifts,
        snr=snr,
        noise_scale=scale,
        smoothing_aa=found.smoothing_aa,
        flags=flags,
        **columns,
    )


def _noise_scale(kinematics: list[Kinematics], config: GalaxiesConfig) -> np.ndarray:
    scale = np.array([found.noise_scale for found in kinematics])
    if not config.rescale_errors:
        return np.ones(scale.size)
    known = np.isfinite(scale)
    # A bin too faint to tell takes what its neighbours in signal-to-noise show.
    scale[~known] = np.median(scale[known]) if known.any() else 1.0
    return np.maximum(scale, 1.0)
