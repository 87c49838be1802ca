"""Broaden and resample observed spectra in one step, with errors and masks carried along."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev
from scipy import sparse
from scipy.special import ndtr

from pyprospect.numerics.rebin import pixel_edges, smoothing_matrix

__all__ = ["kernel", "pixel_edges", "resample"]

# A kernel is made for every spectrum: the Gaussian is cut where 1e-5 of its weight is left on each side.
_REACH_SIGMA = 4.3
# Nodes of the polynomials that stand for the kernels of even pixels, and the coefficients that follow from values there.
# They are exact to 2e-8 for Gaussians that are not narrower than so many pixels, and wider by this factor at most.
_NODES = chebyshev.chebpts1(8)
_FROM_NODES = np.linalg.inv(chebyshev.chebvander(_NODES, len(_NODES) - 1))
_NARROWEST_PIXELS, _WIDEST_RATIO = 0.9, 1.7
# Share of a pixel within which pixels are even.
_EVEN = 1e-6


def kernel(in_edges_aa: np.ndarray, out_edges_aa: np.ndarray, sigma_aa: np.ndarray) -> sparse.csr_array:
    """Return `pyprospect.numerics.rebin.smoothing_matrix`, cut at a reach that suits observed spectra.

    Parameters
    ----------
    in_edges_aa, out_edges_aa : ndarray, shape (n_in + 1,), (n_out + 1,)
        Edges of the pixels before and after.
    sigma_aa : ndarray, shape (n_out,)
        Gaussian sigma of the broadening at each pixel of the output.

    Returns
    -------
    sparse array, shape (n_out, n_in)
    """
    narrow, wide = float(sigma_aa.min()), float(sigma_aa.max())
    steps = [
        (edges[-1] - edges[0]) / (edges.size - 1)
        if np.ptp(np.diff(edges)) < _EVEN * (edges[-1] - edges[0]) / (edges.size - 1)
        else np.inf
        for edges in (in_edges_aa, out_edges_aa)
    ]
    if not narrow > _NARROWEST_PIXELS * max(steps) or wide > _WIDEST_RATIO * narrow:
        return smoothing_matrix(in_edges_aa, out_edges_aa, sigma_aa, _REACH_SIGMA)
    return _even_kernel(in_edges_aa, out_edges_aa, sigma_aa, steps=(steps[0], steps[1]))


def _even_kernel(
    in_edges_aa: np.ndarray, out_edges_aa: np.ndarray, sigma_aa: np.ndarray, *, steps: tuple[float, float]
) -> sparse.csr_array:
    """Return the matrix for even pixels: its rows depend on where in a pixel they begin and on their width alone.

    Polynomials in both stand for the integrals of the Gaussian: a sixth of the time of the integrals themselves.
    """
    n_in, n_out, (step, width) = in_edges_aa.size - 1, out_edges_aa.size - 1, steps
    narrow, wide = float(sigma_aa.min()), float(sigma_aa.max())
    log_range = max(np.log(wide / narrow), 1e-6)
    place = (0.5 * (out_edges_aa[1:] + out_edges_aa[:-1]) - in_edges_aa[0]) / step
    pixel = np.floor(place)
    side = int(np.ceil((0.5 * width + _REACH_SIGMA * wide) / step)) + 1
    # (n_node of the place in the pixel, n_node of the width, n_column + 1)
    edge = 0.5 * step * (_NODES - 1)[:, None, None] + step * np.arange(-side, side + 2)
    sigma = narrow * np.exp(0.5 * (_NODES[:, None] + 1) * log_range)
    bluer = _normal_integral(edge + 0.5 * width, sigma) - _normal_integral(edge - 0.5 * width, sigma)
    along_sigma = _FROM_NODES @ (np.diff(bluer, axis=2) / width)
    coefficients = (_FROM_NODES @ along_sigma.reshape(len(_NODES), -1)).reshape(len(_NODES) ** 2, -1)
    in_pixel = _chebyshev(1 - 2 * (place - pixel))
    in_sigma = _chebyshev(2 * np.log(sigma_aa / narrow) / log_range - 1)
    weight = (in_pixel[:, None] * in_sigma).reshape(len(_NODES) ** 2, -1).T @ coefficients

    column = pixel.astype(np.int32)[:, None] + np.arange(-side, side + 1, dtype=np.int32)
    first = np.floor((out_edges_aa[:-1] - _REACH_SIGMA * sigma_aa - in_edges_aa[0]) / step)
    last = np.ceil((out_edges_aa[1:] + _REACH_SIGMA * sigma_aa - in_edges_aa[0]) / step)
    first, last = (ends.clip(0, n_in).astype(np.int32)[:, None] for ends in (first, last))
    weight *= (column >= first) & (column < last)
    starts = np.arange(0, weight.size + 1, weight.shape[1], dtype=np.int32)
    return sparse.csr_array((weight.ravel(), column.clip(0, n_in - 1).ravel(), starts), shape=(n_out, n_in))


def _normal_integral(distance: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Integral of the cumulative normal distribution up to a distance."""
    scaled = distance / sigma
    return distance * ndtr(scaled) + sigma * np.exp(-0.5 * scaled * scaled) / np.sqrt(2 * np.pi)


def _chebyshev(x: np.ndarray) -> np.ndarray:
    """Return the first polynomials of Chebyshev, one for each node, (n_node, n)."""
    result = np.empty((len(_NODES), x.size))
    result[0], result[1] = 1.0, x
    for k in range(2, len(_NODES)):
        result[k] = 2 * x * result[k - 1] - result[k - 2]
    return result


def resample(
    matrix: sparse.csr_array,
    flux: np.ndarray,
    variance: np.ndarray,
    *,
    good: np.ndarray,
    pixel_ratio: np.ndarray | float,
    min_weight: float = 0.7,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Apply a kernel to spectra with errors and bad pixels.

    Parameters
    ----------
    matrix : sparse array, shape (n_out, n_in)
        From `kernel`.
    flux, variance : ndarray, shape (n, n_in) or (n_in,)
        Input spectra and their variances, 0 where bad.
    good : ndarray of bool, shape (n, n_in) or (n_in,)
        Good pixels.
    pixel_ratio : float or ndarray, shape (n_out,)
        Width of an input pixel over that of an output pixel.
    min_weight : float
        Share of the kernel that good pixels must hold for the output to be good.

    Returns
    -------
    flux : ndarray, shape (n, n_out) or (n_out,)
    variance : ndarray, shape (n, n_out) or (n_out,)
        Variance of one output pixel of independent noise with the noise power of the input: the kernel's mean of the
        input variance times ``pixel_ratio``. The kernel correlates neighbours; this variance is the one for which any
        average over many pixels has the right error.
    good : ndarray of bool, shape (n, n_out) or (n_out,)
    """

    def applied(values: np.ndarray) -> np.ndarray:
        return (matrix @ values.T).T

    weight = applied(good.astype(float))
    kept = weight >= min_weight
    safe = np.where(kept, weight, 1.0)
    out = applied(np.where(good, flux, 0.0)) / safe
    out_variance = applied(np.where(good, variance, 0.0)) / safe * pixel_ratio
    return np.where(kept, out, 0.0), np.where(kept, out_variance, 0.0), kept
