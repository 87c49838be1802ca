"""Broaden and resample observed spectra in one step, with errors and masks carried along."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from pyprospect.numerics.rebin import pixel_edges, smoothing_matrix

__all__ = ["kernel", "pixel_edges", "resample"]

# A kernel is made for every spectrum: the Gaussian is cut where 1e-5 of its weight is left on each side.
_REACH_SIGMA = 4.3


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
    return smoothing_matrix(in_edges_aa, out_edges_aa, sigma_aa, _REACH_SIGMA)


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
