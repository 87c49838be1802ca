"""Broaden and resample observed spectra in one step, with errors and masks carried along."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import erf

# A Gaussian kernel is cut where 1e-5 of its weight is left on each side.
_REACH_SIGMA = 4.3
# Below this a Gaussian is narrower than anything the pixels can show.
_MIN_SIGMA_AA = 1e-3


def pixel_edges(wave_aa: np.ndarray) -> np.ndarray:
    """Give the edges of pixels from their centres.

    Parameters
    ----------
    wave_aa : ndarray, shape (n,)
        Centres, ascending.

    Returns
    -------
    ndarray, shape (n + 1,)
        Halves between centres; the outer pixels are symmetric about theirs.
    """
    middle = 0.5 * (wave_aa[1:] + wave_aa[:-1])
    return np.concatenate([[2 * wave_aa[0] - middle[0]], middle, [2 * wave_aa[-1] - middle[-1]]])


def kernel(in_edges_aa: np.ndarray, out_edges_aa: np.ndarray, sigma_aa: np.ndarray) -> sparse.csr_array:
    """Make the matrix that convolves a spectrum with a Gaussian and averages it over new pixels.

    The input is taken as constant within each pixel; the Gaussian and the average over the output pixel are integrated
    exactly, so that with ``sigma_aa = 0`` the matrix is the flux-conserving rebinning.

    Parameters
    ----------
    in_edges_aa : ndarray, shape (n_in + 1,)
        Edges of the input pixels.
    out_edges_aa : ndarray, shape (n_out + 1,)
        Edges of the output pixels.
    sigma_aa : ndarray, shape (n_out,)
        Standard deviation of the Gaussian at each output pixel.

    Returns
    -------
    scipy.sparse.csr_array, shape (n_out, n_in)
        Rows sum to 1 where the input covers the whole kernel, to less at its ends.
    """
    n_in, n_out = in_edges_aa.size - 1, out_edges_aa.size - 1
    sigma = np.maximum(np.broadcast_to(np.asarray(sigma_aa, dtype=float), (n_out,)), _MIN_SIGMA_AA)
    low, high = out_edges_aa[:-1], out_edges_aa[1:]
    first = np.clip(np.searchsorted(in_edges_aa, low - _REACH_SIGMA * sigma, side="right") - 1, 0, n_in)
    last = np.clip(np.searchsorted(in_edges_aa, high + _REACH_SIGMA * sigma, side="left"), 0, n_in)
    width = max(int((last - first).max(initial=0)), 1)
    column = first[:, None] + np.arange(width + 1)
    edge = in_edges_aa[np.minimum(column, n_in)]
    # Weight of everything bluer than an input edge, averaged over the output pixel.
    cumulative = (_ramp(edge - low[:, None], sigma) - _ramp(edge - high[:, None], sigma)) / (high - low)[
        :, None
    ]
    weight = np.diff(cumulative, axis=1)
    inside = column[:, :-1] < last[:, None]
    row = np.broadcast_to(np.arange(n_out)[:, None], inside.shape)
    return sparse.csr_array((weight[inside], (row[inside], column[:, :-1][inside])), shape=(n_out, n_in))


def _ramp(distance: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    # Integral of the cumulative normal distribution.
    scaled = distance / sigma[:, None]
    normal = np.exp(-0.5 * scaled**2) / np.sqrt(2 * np.pi)
    return sigma[:, None] * (scaled * 0.5 * (1 + erf(scaled / np.sqrt(2))) + normal)


def resample(
    matrix: sparse.csr_array,
    flux: np.ndarray,
    variance: np.ndarray,
    good: np.ndarray,
    pixel_ratio: np.ndarray | float,
    min_weight: float = 0.7,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Apply a kernel to a spectrum with errors and bad pixels.

    Parameters
    ----------
    matrix : sparse array, shape (n_out, n_in)
        From `kernel`.
    flux, variance : ndarray, shape (n_in,)
        Input spectrum and its variance, 0 where bad.
    good : ndarray of bool, shape (n_in,)
        Good pixels.
    pixel_ratio : float or ndarray, shape (n_out,)
        Width of an input pixel over that of an output pixel.
    min_weight : float
        Share of the kernel that good pixels must hold for the output to be good.

    Returns
    -------
    flux : ndarray, shape (n_out,)
    variance : ndarray, shape (n_out,)
        Variance of one output pixel of independent noise with the noise power of the input: the kernel's mean of the
        input variance times ``pixel_ratio``. The kernel correlates neighbours; this variance is the one for which any
        average over many pixels has the right error.
    good : ndarray of bool, shape (n_out,)
    """
    weight = matrix @ good.astype(float)
    kept = weight >= min_weight
    safe = np.where(kept, weight, 1.0)
    out = matrix @ np.where(good, flux, 0.0) / safe
    out_variance = matrix @ np.where(good, variance, 0.0) / safe * pixel_ratio
    return np.where(kept, out, 0.0), np.where(kept, out_variance, 0.0), kept
