"""Errors of spectra that come without: from the scatter of neighbouring pixels."""

from __future__ import annotations

import numpy as np

__all__ = ["scatter_variance"]

# Channels over which the scatter is one number, and how many of them must be good.
_WINDOW, _FEWEST = 75, 15
# The middle of the absolute value of a normal distribution; second differences scatter by the root of six.
_TO_SIGMA = 1 / (0.6745 * np.sqrt(6.0))
# A scatter below this share of the flux is rounding: a spectrum without noise.
_ROUNDING = 1e-6


def scatter_variance(flux: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Measure the variance of each spectrum from second differences, which stars and continuum hardly have.

    Noise that neighbouring channels share is missed; the scatter of the residuals of a fit scales it up later. Lines of the
    night sky within a window do not stand out.

    Parameters
    ----------
    flux : ndarray, shape (n_wave, ...)
        Spectra along the first axis.
    good : ndarray of bool, of the same shape
        Good pixels.

    Returns
    -------
    ndarray of float32, of the same shape
        0 where a spectrum has too few good pixels, or no scatter.
    """
    n_wave = len(flux)
    if n_wave < _WINDOW + 2:
        return np.zeros(flux.shape, dtype=np.float32)
    values, usable = flux.reshape(n_wave, -1), good.reshape(n_wave, -1)
    bend = np.abs(values[2:] - 2 * values[1:-1] + values[:-2]).astype(np.float32)
    bend[~(usable[2:] & usable[1:-1] & usable[:-2])] = np.inf
    n_window = len(bend) // _WINDOW
    # The last window takes what is left over.
    starts = np.arange(n_window) * _WINDOW
    sigma = np.stack(
        [
            _middle(bend[start : start + _WINDOW if start != starts[-1] else None]) * np.float32(_TO_SIGMA)
            for start in starts
        ]
    )
    with np.errstate(invalid="ignore"):
        level = np.abs(np.where(usable, values, 0.0)).sum(axis=0) / np.maximum(usable.sum(axis=0), 1)
        # A window with too little of it takes the middle of the others.
        whole = _middle(np.where(np.isnan(sigma), np.inf, sigma), fewest=1)
    sigma = np.where(np.isnan(sigma), whole, sigma)
    sigma = np.where(np.isfinite(sigma) & (sigma > _ROUNDING * level), sigma, 0.0)
    window = np.minimum(np.clip(np.arange(n_wave) - 1, 0, None) // _WINDOW, n_window - 1)
    return np.square(sigma[window]).astype(np.float32).reshape(flux.shape)


def _middle(values: np.ndarray, fewest: int = _FEWEST) -> np.ndarray:
    """Return the median along the first axis of what is finite; NaN where that is too little."""
    ordered = np.sort(values, axis=0)
    number = np.isfinite(values).sum(axis=0)
    middle = np.take_along_axis(ordered, np.maximum(number // 2, 0)[None].clip(max=len(values) - 1), axis=0)[
        0
    ]
    return np.where(number >= fewest, middle, np.nan)
