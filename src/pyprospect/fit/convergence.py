"""Did the chains converge, and how many independent draws do they hold (Vehtari et al. 2021)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from pyprospect.arguments import checked

__all__ = ["effective_size", "r_hat"]

Array = NDArray[np.float64]


def _halves(draws: Array) -> Array:
    n = draws.shape[1] // 2
    return np.concatenate([draws[:, :n], draws[:, -n:]])


def _normalised(draws: Array) -> Array:
    ranks = rankdata(draws, axis=None).reshape(draws.shape)
    return ndtri((ranks - 0.375) / (draws.size + 0.25))


def _r_hat(z: Array) -> float:
    n = z.shape[1]
    within = z.var(axis=1, ddof=1).mean()
    between = z.mean(axis=1).var(ddof=1)
    return float(np.sqrt((n - 1) / n + between / within)) if within > 0 else float("nan")


@checked(result=False)
def r_hat(draws: Array) -> float:
    """Return the larger of the rank-normalised R-hats of draws (n_chain, n_draw) and of their distances from the median."""
    halves = _halves(np.asarray(draws, dtype=float))
    folded = np.abs(halves - np.median(halves))
    return max(_r_hat(_normalised(halves)), _r_hat(_normalised(folded)))


@checked(result=False)
def effective_size(draws: Array) -> float:
    """Return the effective number of independent draws among (n_chain, n_draw), rank-normalised."""
    z = _normalised(_halves(np.asarray(draws, dtype=float)))
    m, n = z.shape
    if n < 4 or not np.ptp(z) > 0:
        return float("nan")
    off = z - z.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(off, 2 * n, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n] / n
    within = covariance[:, 0].mean() * n / (n - 1)
    total = within * (n - 1) / n + z.mean(axis=1).var(ddof=1)
    rho = 1 - (within - covariance.mean(axis=0) * n / (n - 1)) / total
    # Geyer's pairs: positive and falling.
    pairs = rho[: n - n % 2].reshape(-1, 2).sum(axis=1)
    end = int(np.argmax(pairs < 0)) if np.any(pairs < 0) else len(pairs)
    tau = -1 + 2 * np.minimum.accumulate(pairs[:end]).sum()
    return float(m * n / max(tau, 1 / np.log10(m * n)))
