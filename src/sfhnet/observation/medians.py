"""Medians of many spectra at once: of each over its good pixels, and running ones."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import minimum_filter1d

__all__ = ["above_medians", "beside_too", "far_medians", "good_medians"]

# Windows that are sorted in one go: bounds the memory.
_WINDOWS = 100000
# Share of the squares of a spectrum that rounding may take from the sum of some.
_ROUNDING = 1e-12


def good_medians(values: np.ndarray, good: np.ndarray, *, empty: float = np.nan) -> np.ndarray:
    """Return the median of the good pixels of each spectrum, as `numpy.median` gives it.

    Parameters
    ----------
    values : ndarray (n, n_wave)
        Spectra; good pixels are finite.
    good : ndarray of bool (n, n_wave)
        Good pixels.
    empty : float
        What a spectrum without any gets.

    Returns
    -------
    ndarray (n,)
    """
    number = good.sum(axis=1)
    ordered = np.sort(np.where(good, values, np.inf), axis=1)
    row, last = np.arange(len(values)), values.shape[1] - 1
    middle = ordered[row, np.minimum(number // 2, last)]
    below = ordered[row, np.maximum((number - 1) // 2, 0)]
    with np.errstate(invalid="ignore"):
        return np.where(number > 0, 0.5 * (below + middle), empty)


def far_medians(values: np.ndarray, n_pixel: int, *, least: np.ndarray) -> np.ndarray:
    """Return running medians about the pixels that may lie far from theirs; the others keep their own values.

    A median lies within a standard deviation of the mean: where that tells enough, nothing is sorted. Beyond the ends
    spectra go on with their last pixel.

    Parameters
    ----------
    values : ndarray (n, n_wave)
        Spectra, finite everywhere.
    n_pixel : int
        Pixels of the window, odd.
    least : ndarray (n, n_wave)
        What is far; the medians beside such pixels are given too.

    Returns
    -------
    ndarray (n, n_wave)
    """
    half = n_pixel // 2
    padded = np.pad(values, ((0, 0), (half, half)), mode="edge")
    off = padded - padded.mean(axis=1, keepdims=True)
    mean = _summed(off, n_pixel) / n_pixel
    square = off * off
    # A square that swamps the others tells nothing of them.
    variance = _summed(square, n_pixel) / n_pixel - mean**2 + _ROUNDING * square.sum(axis=1, keepdims=True)
    may = np.abs(off[:, half : half + values.shape[1]] - mean) + np.sqrt(np.maximum(variance, 0)) > least
    row, column = np.nonzero(beside_too(may))
    result = values.copy()
    if len(row):
        windows = sliding_window_view(padded, n_pixel, axis=1)
        for start in range(0, len(row), _WINDOWS):
            at = row[start : start + _WINDOWS], column[start : start + _WINDOWS]
            result[at] = np.partition(windows[at], half, axis=1)[:, half]
    return result


def above_medians(values: np.ndarray, n_pixel: int, *, ratio: float) -> np.ndarray:
    """Return where a spectrum is above a multiple of its running median.

    Parameters
    ----------
    values : ndarray (n_wave,)
        Positive; beyond the ends it goes on with its last pixel.
    n_pixel : int
        Pixels of the window, odd.
    ratio : float
        The multiple.

    Returns
    -------
    ndarray of bool (n_wave,)
    """
    half = n_pixel // 2
    # No median is below the least of its window; of the few that are left the smaller ones are counted.
    may = np.flatnonzero(values > ratio * minimum_filter1d(values, n_pixel, mode="nearest"))
    windows = sliding_window_view(np.pad(values, half, mode="edge"), n_pixel)[may]
    result = np.zeros(values.size, dtype=bool)
    result[may] = (ratio * windows < values[may, None]).sum(axis=1) > half
    return result


def beside_too(where: np.ndarray, n_pixel: int = 1) -> np.ndarray:
    """Return pixels and their neighbours within so many, (n, n_wave) bool."""
    result = where.copy()
    for step in range(1, n_pixel + 1):
        result[:, step:] |= where[:, :-step]
        result[:, :-step] |= where[:, step:]
    return result


def _summed(rows: np.ndarray, n_pixel: int) -> np.ndarray:
    """Return running sums of so many pixels, (n, n_wave - n_pixel + 1)."""
    total = np.cumsum(rows, axis=1)
    result = total[:, n_pixel - 1 :].copy()
    result[:, 1:] -= total[:, :-n_pixel]
    return result
