"""Sums of spectra on different grids; pixels, and spectra broadened and averaged onto those of another grid."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import ndtr

from pyprospect.arguments import checked
from pyprospect.numerics.interpolation import FmmSpline

__all__ = ["Rebinned", "Spectrum", "addspec", "pixel_edges", "smoothing_matrix", "spec_rebin"]

Array = NDArray[np.float64]


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
    _check_ascending(wave, name)
    return wave, flux


def _check_ascending(wave: np.ndarray, name: str) -> None:
    # Equal neighbours are let pass: a union of grids, written as 10^log10, may hold a wavelength twice.
    if not wave[0] > 0 or not np.all(np.diff(wave) >= 0):
        raise ValueError(f"{name}: wavelengths must be positive and ascending; sort the spectrum")


@checked(result=False, flux1=None, flux2=None)
def addspec(
    wave1: ArrayLike,
    flux1: ArrayLike,
    wave2: ArrayLike,
    flux2: ArrayLike,
    *,
    extrap: str | float = "constant",
    waveout: ArrayLike | None = None,
) -> Spectrum:
    """Return the sum of two spectra on the union of their wavelengths.

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
def _log10(x: np.ndarray) -> np.ndarray:
    return np.fromiter(map(math.log10, x.tolist()), float, x.size)


def _exp10(x: np.ndarray) -> np.ndarray:
    return np.fromiter((math.pow(10.0, v) for v in x.tolist()), float, x.size)


def _log_interp(grid: np.ndarray, log_wave: np.ndarray, flux: np.ndarray, extrap: float | str) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        log_flux = np.log(np.where(flux > 0, flux, 0.0))
        end = None if isinstance(extrap, str) else float(np.log(extrap))  # None: the end values
        out = np.exp(np.interp(grid, log_wave, log_flux, left=end, right=end))
    return np.where(np.isnan(out), 0.0, out)


@checked
def pixel_edges(wave_aa: ArrayLike, logbin: bool = False, compat: bool = False) -> Array:
    """Return the edges of the pixels of a grid.

    They lie half way between neighbours, arithmetically or (`logbin`) geometrically; the end pixels are
    symmetric about their centres.

    Parameters
    ----------
    wave_aa : (n,) array_like
        Pixel centres in Angstrom, n >= 2, positive, ascending.
    logbin : bool
        Geometric instead of arithmetic middles.
    compat : bool
        As ProSpect 1.11.0: the last edge mirrors the lower edge of the last pixel but one, so that the last
        pixel is one pixel too wide.

    Returns
    -------
    (n + 1,) ndarray
        Angstrom.

    Raises
    ------
    ValueError
        A grid that is too short or does not ascend.
    """
    wave = np.asarray(wave_aa, dtype=float)
    if wave.ndim != 1 or wave.size < 2:
        raise ValueError(
            f"grid: pixel edges need a vector of at least 2 wavelengths, found shape {wave.shape}"
        )
    _check_ascending(wave, "grid")
    inner = np.sqrt(wave[1:] * wave[:-1]) if logbin else 0.5 * (wave[1:] + wave[:-1])
    first = wave[0] ** 2 / inner[0] if logbin else 2 * wave[0] - inner[0]
    edges = np.concatenate([[first], inner])
    mirrored = edges[-2] if compat else edges[-1]
    return np.append(edges, wave[-1] ** 2 / mirrored if logbin else 2 * wave[-1] - mirrored)


@checked(result=False)
def smoothing_matrix(
    in_edges_aa: Array, out_edges_aa: Array, sigma_aa: ArrayLike, reach_sigma: float = 6.0
) -> sparse.csr_array:
    """Return the matrix that convolves spectra with a Gaussian and averages them over new pixels.

    A spectrum is taken as constant within each of its pixels; the Gaussian and the average over the new pixel
    are integrated exactly, so that with ``sigma_aa = 0`` this is the rebinning that conserves flux.

    Parameters
    ----------
    in_edges_aa : (n_in + 1,) ndarray
        Edges of the pixels of the spectra, from `pixel_edges`.
    out_edges_aa : (n_out + 1,) ndarray
        Edges of the new pixels.
    sigma_aa : (n_out,) array_like or float
        Standard deviation of the Gaussian at each new pixel.
    reach_sigma : float
        Where the Gaussian is cut: at 6 sigma 1e-9 of it are left on each side.

    Returns
    -------
    (n_out, n_in) scipy.sparse.csr_array
        ``matrix @ flux`` is the mean flux density in the new pixels. Rows sum to 1 (less what is cut) where the
        spectrum covers the whole Gaussian, to less at its ends.
    """
    n_in, n_out = in_edges_aa.size - 1, out_edges_aa.size - 1
    sigma = np.broadcast_to(np.asarray(sigma_aa, dtype=float), (n_out,))
    low, high = out_edges_aa[:-1], out_edges_aa[1:]
    first = np.clip(np.searchsorted(in_edges_aa, low - reach_sigma * sigma, side="right") - 1, 0, n_in)
    last = np.clip(np.searchsorted(in_edges_aa, high + reach_sigma * sigma, side="left"), 0, n_in)
    width = max(int((last - first).max(initial=0)), 1)
    column = first[:, None] + np.arange(width + 1)
    edge = in_edges_aa[np.minimum(column, n_in)]
    # What is bluer than an edge of the spectrum, averaged over the new pixel.
    scaled = np.maximum(sigma, 1e-12)[:, None]
    bluer = _normal_integral(edge - low[:, None], scaled) - _normal_integral(edge - high[:, None], scaled)
    weight = np.diff(bluer, axis=1) / (high - low)[:, None]
    used = (column[:, :-1] < last[:, None]) & (weight > 0)
    row = np.broadcast_to(np.arange(n_out)[:, None], used.shape)
    return sparse.csr_array((weight[used], (row[used], column[:, :-1][used])), shape=(n_out, n_in))


def _normal_integral(distance: Array, sigma: Array) -> Array:
    """Integral of the cumulative normal distribution up to a distance."""
    scaled = distance / sigma
    return distance * ndtr(scaled) + sigma * np.exp(-0.5 * scaled * scaled) / np.sqrt(2 * np.pi)


def _auto_grid(
    wave: np.ndarray, step: float | None, middle: Callable[[np.ndarray], float], logbin: bool
) -> np.ndarray:
    axis = np.log10(wave) if logbin else wave
    step = float(middle(np.diff(axis))) if step is None else float(step)
    if not step > 0:
        raise ValueError(f"a grid needs a step > 0, not bin={step}")
    grid = axis[0] + step * np.arange(int((axis[-1] - axis[0]) / step + 1e-10) + 1)
    return 10.0**grid if logbin else grid


@checked(result=False)
def spec_rebin(
    wave: ArrayLike,
    flux: ArrayLike,
    wavegrid: ArrayLike | None = None,
    *,
    bin: float | None = None,
    binfunc: Callable[[np.ndarray], float] = np.median,
    interp: str = "approx",
    invar: ArrayLike | None = None,
    logbin: bool = True,
    rough: bool = False,
    compat: bool = False,
) -> Rebinned:
    """Return the mean flux density in the pixels of another grid (ProSpect's ``specReBin``).

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
    edges_in, edges_out = pixel_edges(wave, logbin, compat), pixel_edges(grid, logbin, compat)
    cuts = np.union1d(edges_in, edges_out)
    first, last = max(edges_in[0], edges_out[0]), min(edges_in[-1], edges_out[-1])
    cuts = cuts[(cuts >= first) & (cuts <= last)]
    i = np.searchsorted(edges_in[:-1], cuts[:-1], side="right") - 1
    k = np.searchsorted(edges_out[:-1], cuts[:-1], side="right") - 1
    length = np.diff(cuts)
    fraction = length / np.diff(edges_in)[i] * weight_in[i]
    weight = fraction if compat else length * weight_in[i]
    norm = np.bincount(k, weight, minlength=grid.size)
    summed = np.bincount(k, weight * flux[i], minlength=grid.size)
    empty = 0.0 if compat else np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(norm > 0, summed / norm, empty)
    return Rebinned(grid, mean, np.bincount(k, fraction, minlength=grid.size))


def _rough(wave: np.ndarray, flux: np.ndarray, grid: np.ndarray, interp: str) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        log_wave, log_flux, log_grid = np.log10(wave), np.log10(flux), np.log10(grid)
        log_wave, place, copies = np.unique(log_wave, return_inverse=True, return_counts=True)
        log_flux = np.bincount(place, log_flux) / copies
        if interp == "approx":
            return 10.0 ** np.interp(log_grid, log_wave, log_flux, left=np.nan, right=np.nan)
    if interp == "spline":
        return 10.0 ** FmmSpline(log_wave, log_flux)(log_grid)
    raise ValueError(f"interp={interp!r}; give 'approx' or 'spline'")
