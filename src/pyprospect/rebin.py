"""Sums of spectra on different grids, and spectra averaged onto the pixels of another grid."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.interpolation import FmmSpline

__all__ = ["Rebinned", "Spectrum", "addspec", "pixel_edges", "spec_rebin"]


class Spectrum(NamedTuple):
    """Wavelengths (Angstrom) and flux densities."""

    wave: np.ndarray
    flux: np.ndarray


class Rebinned(NamedTuple):
    """A spectrum on new pixels and its summed inverse variance (without `invar`: pixels that fell in)."""

    wave: np.ndarray
    flux: np.ndarray
    invar: np.ndarray


def _spectrum(wave: ArrayLike, flux: ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    wave = np.asarray(wave, dtype=float)
    flux = np.asarray(flux, dtype=float)
    if wave.ndim != 1 or wave.shape != flux.shape or wave.size < 2:
        raise ValueError(f"{name}: {wave.shape} wavelengths and {flux.shape} fluxes; need two equal vectors")
    # Equal neighbours are let pass: a union of grids, written as 10^log10, may hold a wavelength twice.
    if not wave[0] > 0 or not np.all(np.diff(wave) >= 0):
        raise ValueError(f"{name}: wavelengths must be positive and ascending; sort the spectrum")
    return wave, flux


def addspec(
    wave1: ArrayLike,
    flux1: ArrayLike,
    wave2: ArrayLike,
    flux2: ArrayLike,
    extrap: str | float = "constant",
    waveout: ArrayLike | None = None,
) -> Spectrum:
    """Sum of two spectra on the union of their wavelengths.

    Parameters
    ----------
    wave1, flux1, wave2, flux2 : (n,), (m,) array_like
        Wavelengths in Angstrom, ascending, and flux densities; NaN and negative values count as 0.
    extrap : "constant" or float
        What a spectrum is beyond its ends: its end value, or this value.
    waveout : (k,) array_like, optional
        LOG10 of the output wavelengths; default the union of both.

    Returns
    -------
    Spectrum
        On 10^(log10 wavelength), which carries rounding of 1e-15.

    Raises
    ------
    ValueError
        Vectors that do not match or ascend, or an unknown `extrap`.

    Notes
    -----
    ProSpect 1.11.0, ``addspec``: linear interpolation of log flux in log wavelength; where a neighbour is 0 the
    result is 0.
    """
    wave1, flux1 = _spectrum(wave1, flux1, "first spectrum")
    wave2, flux2 = _spectrum(wave2, flux2, "second spectrum")
    if isinstance(extrap, str) and extrap != "constant":
        raise ValueError(f"extrap={extrap!r}; give 'constant' or a number")
    log1, log2 = _log10(wave1), _log10(wave2)
    grid = np.union1d(log1, log2) if waveout is None else np.asarray(waveout, dtype=float)
    total = _log_interp(grid, log1, flux1, extrap) + _log_interp(grid, log2, flux2, extrap)
    return Spectrum(_exp10(grid), total)


# numpy's vectorised functions differ from the C library's, which R calls, in the last digit; the steep wings of
# a line turn that into 1e-10 of the flux.
def _log10(x):
    return np.fromiter(map(math.log10, x.tolist()), float, x.size)


def _exp10(x):
    return np.fromiter((math.pow(10.0, v) for v in x.tolist()), float, x.size)


def _log_interp(grid, log_wave, flux, extrap):
    with np.errstate(divide="ignore", invalid="ignore"):
        log_flux = np.log(np.where(flux > 0, flux, 0.0))
        ends = {} if extrap == "constant" else {"left": np.log(extrap), "right": np.log(extrap)}
        out = np.exp(np.interp(grid, log_wave, log_flux, **ends))
    return np.where(np.isnan(out), 0.0, out)


def pixel_edges(wave: ArrayLike, logbin: bool = True, compat: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper edges of the pixels of a grid.

    Edges lie half way between neighbours, arithmetically or (`logbin`) geometrically; the end pixels are
    symmetric.

    Parameters
    ----------
    wave : (n,) array_like
        Pixel centres, n >= 2, positive, ascending.
    logbin : bool
        Geometric instead of arithmetic middles.
    compat : bool
        As ProSpect 1.11.0: the last upper edge mirrors the lower edge of the last pixel but one, so that the
        last pixel is one pixel too wide.

    Returns
    -------
    lower, upper : (n,) ndarray
        Angstrom.

    Raises
    ------
    ValueError
        A grid that is too short or does not ascend.
    """
    wave, _ = _spectrum(wave, np.zeros(np.shape(wave)), "grid")
    inner = np.sqrt(wave[1:] * wave[:-1]) if logbin else (wave[1:] + wave[:-1]) / 2
    first = wave[0] ** 2 / inner[0] if logbin else 2 * wave[0] - inner[0]
    lower = np.concatenate([[first], inner])
    mirrored = lower[-2] if compat else lower[-1]
    last = wave[-1] ** 2 / mirrored if logbin else 2 * wave[-1] - mirrored
    return lower, np.concatenate([inner, [last]])


def _auto_grid(wave, step, middle, logbin):
    axis = np.log10(wave) if logbin else wave
    step = float(middle(np.diff(axis))) if step is None else float(step)
    if not step > 0:
        raise ValueError(f"a grid needs a step > 0, not bin={step}")
    grid = axis[0] + step * np.arange(int((axis[-1] - axis[0]) / step + 1e-10) + 1)
    return 10.0**grid if logbin else grid


def spec_rebin(
    wave: ArrayLike,
    flux: ArrayLike,
    wavegrid: ArrayLike | None = None,
    bin: float | None = None,
    binfunc: Callable[[np.ndarray], float] = np.median,
    interp: str = "approx",
    invar: ArrayLike | None = None,
    logbin: bool = True,
    rough: bool = False,
    compat: bool = False,
) -> Rebinned:
    """Mean flux density in the pixels of another grid.

    Parameters
    ----------
    wave, flux : (n,) array_like
        Wavelengths (Angstrom, ascending) and flux densities.
    wavegrid : (m,) array_like, optional
        Pixel centres of the output; default a regular grid (in log10 if `logbin`) over the range of `wave`.
    bin : float, optional
        Step of that regular grid; default `binfunc` of the steps of `wave`.
    binfunc : callable
        See `bin`.
    interp : "approx" or "spline"
        Interpolation of the `rough` result.
    invar : (n,) array_like, optional
        Inverse variances, which weight the mean.
    logbin : bool
        Geometric pixel edges (ProSpect's default even for linear grids).
    rough : bool
        Interpolate log flux in log wavelength at the pixel centres instead; flux is not conserved.
    compat : bool
        As ProSpect 1.11.0: the weight of an input pixel is the FRACTION of it inside the output pixel, which
        on uneven grids does not conserve flux (line fluxes on a union grid are off by -3 to +6 %); the last
        pixel of a grid is one too wide; output pixels without input are 0. By default the weight is the
        length of the overlap, which conserves flux, and output pixels without input are NaN.

    Returns
    -------
    Rebinned
        A pixel that is partly covered gets the mean of the part covered.

    Raises
    ------
    ValueError
        Vectors that do not match or ascend, or an unknown `interp`.
    """
    wave, flux = _spectrum(wave, flux, "spectrum")
    if wavegrid is None:
        wavegrid = _auto_grid(wave, bin, binfunc, logbin)
    grid = np.asarray(wavegrid, dtype=float)
    if rough:
        return Rebinned(grid, _rough(wave, flux, grid, interp), np.full(grid.shape, np.nan))
    weight_in = np.ones(wave.size) if invar is None else np.asarray(invar, dtype=float)
    if weight_in.shape != wave.shape:
        raise ValueError(
            f"{weight_in.shape} inverse variances for {wave.shape} wavelengths; give equal vectors"
        )
    low_in, high_in = pixel_edges(wave, logbin, compat)
    low_out, high_out = pixel_edges(grid, logbin, compat)
    cuts = np.union1d(np.append(low_in, high_in[-1]), np.append(low_out, high_out[-1]))
    first, last = max(low_in[0], low_out[0]), min(high_in[-1], high_out[-1])
    cuts = cuts[(cuts >= first) & (cuts <= last)]
    i = np.searchsorted(low_in, cuts[:-1], side="right") - 1
    k = np.searchsorted(low_out, cuts[:-1], side="right") - 1
    length = np.diff(cuts)
    fraction = length / (high_in - low_in)[i] * weight_in[i]
    weight = fraction if compat else length * weight_in[i]
    norm = np.bincount(k, weight, minlength=grid.size)
    summed = np.bincount(k, weight * flux[i], minlength=grid.size)
    empty = 0.0 if compat else np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(norm > 0, summed / norm, empty)
    return Rebinned(grid, mean, np.bincount(k, fraction, minlength=grid.size))


def _rough(wave, flux, grid, interp):
    with np.errstate(divide="ignore", invalid="ignore"):
        log_wave, log_flux, log_grid = np.log10(wave), np.log10(flux), np.log10(grid)
        log_wave, place, copies = np.unique(log_wave, return_inverse=True, return_counts=True)
        log_flux = np.bincount(place, log_flux) / copies
        if interp == "approx":
            return 10.0 ** np.interp(log_grid, log_wave, log_flux, left=np.nan, right=np.nan)
    if interp == "spline":
        return 10.0 ** FmmSpline(log_wave, log_flux)(log_grid)
    raise ValueError(f"interp={interp!r}; give 'approx' or 'spline'")
