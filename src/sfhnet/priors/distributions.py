"""Quantiles and log densities of the configuration's one-dimensional distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from sfhnet.config.prior import Distribution

Array = NDArray[np.float64]


def _cut(d: Distribution) -> tuple[float, float]:
    low = 0.0 if d.low is None else float(ndtr((d.low - d.mean) / d.sd))
    high = 1.0 if d.high is None else float(ndtr((d.high - d.mean) / d.sd))
    return low, high


def quantile(d: Distribution, u: Array) -> Array:
    """Values at cumulative probabilities.

    Parameters
    ----------
    d : Distribution
    u : ndarray
        Probabilities in [0, 1].

    Returns
    -------
    ndarray
        In the parameter's unit, same shape.
    """
    if d.kind == "fixed":
        return np.full(np.shape(u), float(d.value))
    if d.kind == "uniform":
        return d.low + u * (d.high - d.low)
    if d.kind == "log_uniform":
        return np.exp(np.log(d.low) + u * np.log(d.high / d.low))
    low, high = _cut(d)
    # 3e-8 away from 0 and 1 (5.4 sigma) an uncut normal stays finite
    p = np.clip(low + u * (high - low), 3e-8, 1 - 3e-8)
    return np.clip(d.mean + d.sd * ndtri(p), *d.support)


def log_density(d: Distribution, x: Array) -> Array:
    """Natural log of the density, per unit of the parameter; 0 for a fixed one, -inf outside its range."""
    x = np.asarray(x, dtype=float)
    if d.kind == "fixed":
        return np.zeros(x.shape)
    low, high = d.support
    margin = 1e-9 * max(abs(v) for v in (low, high, 1.0) if np.isfinite(v))  # rounding in quantile
    inside = (x >= low - margin) & (x <= high + margin)
    if d.kind == "uniform":
        density = np.full(x.shape, -np.log(d.high - d.low))
    elif d.kind == "log_uniform":
        density = -np.log(np.where(inside, x, 1.0)) - np.log(np.log(d.high / d.low))
    else:
        below, above = _cut(d)
        density = -0.5 * ((x - d.mean) / d.sd) ** 2 - np.log(d.sd * np.sqrt(2 * np.pi) * (above - below))
    return np.where(inside, density, -np.inf)
