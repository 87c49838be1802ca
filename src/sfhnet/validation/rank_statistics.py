"""Tests of calibration: ranks of the truth (SBC), expected coverage, and TARP for joint posteriors.

If a posterior says what it means, the truth's rank among its samples is uniform (Talts et al. 2018, arXiv:1804.06788),
central intervals cover what they say, and so do balls about any point (Lemos et al. 2023, ICML, arXiv:2302.03026).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest, norm

from sfhnet.core.quantities import LEVELS

__all__ = [
    "COVERAGE_LEVELS",
    "area_to_curve",
    "expected_coverage",
    "pit",
    "sample_ranks",
    "tarp",
    "uniformity",
]

COVERAGE_LEVELS = np.linspace(0.0, 1.0, 41)


def pit(quantiles: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the probability below the truth under the distribution that quantiles draw.

    Normal deviates run linearly between neighbouring quantiles and on beyond the outermost ones, as if each piece were
    part of a normal distribution. Where several quantiles coincide with the truth (a bound), the rank is drawn between
    them.

    Parameters
    ----------
    quantiles : ndarray (n, n_quant, ...)
        Quantiles at `sfhnet.core.posterior.LEVELS`.
    truth : ndarray (n, ...)
        True values.
    rng : Generator
        Breaks ties.

    Returns
    -------
    ndarray (n, ...)
        0 to 1.
    """
    levels, deviates = np.asarray(LEVELS), norm.ppf(LEVELS)
    below = (quantiles < truth[:, None]).sum(axis=1)
    upto = (quantiles <= truth[:, None]).sum(axis=1)
    k = np.clip(below - 1, 0, len(levels) - 2)

    def at(index: np.ndarray) -> np.ndarray:
        return np.take_along_axis(quantiles, index[:, None], axis=1)[:, 0]

    low, high = at(k), at(k + 1)
    slope = (deviates[k + 1] - deviates[k]) / np.maximum(high - low, 1e-12)
    result = norm.cdf(deviates[k] + slope * (truth - low))
    # Quantiles that coincide with the truth: somewhere between the lowest and the highest of their levels.
    first = np.where(below == 0, 0.0, levels[np.clip(below, 0, len(levels) - 1)])
    last = np.where(upto == len(levels), 1.0, levels[np.clip(upto - 1, 0, len(levels) - 1)])
    return np.where(upto > below + 1, first + (last - first) * rng.random(truth.shape), result)


def sample_ranks(samples: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rank of the truth among samples as a fraction; ties are broken at random.

    Parameters
    ----------
    samples : ndarray (n, n_sample)
        Posterior samples.
    truth : ndarray (n,)
        True values.
    rng : Generator
        Breaks ties, and spreads the discrete ranks evenly.

    Returns
    -------
    ndarray (n,)
        0 to 1.
    """
    below = (samples < truth[:, None]).sum(axis=1)
    tied = (samples == truth[:, None]).sum(axis=1)
    return (below + rng.random(len(truth)) * (tied + 1)) / (samples.shape[1] + 1)


def uniformity(ranks: np.ndarray) -> dict[str, float]:
    """Return how far ranks (n,) are from uniform: Kolmogorov-Smirnov distance and its p-value.

    The distance says how wrong probabilities are, at most; with enough mocks every network's p-value becomes small.
    """
    found = kstest(ranks, "uniform")
    return {"ks": float(found.statistic), "p": float(found.pvalue)}


def expected_coverage(ranks: np.ndarray, levels: np.ndarray = COVERAGE_LEVELS) -> np.ndarray:
    """Return how often central intervals of each level hold the truth.

    Parameters
    ----------
    ranks : ndarray (n, ...)
        Ranks of the truth, 0 to 1.
    levels : ndarray (n_level,)
        Coverage of the intervals.

    Returns
    -------
    ndarray (n_level,)
    """
    depth = np.abs(2 * np.ravel(ranks) - 1)
    return np.searchsorted(np.sort(depth), levels, side="right") / depth.size


def tarp(samples: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the credibility at which TARP's balls reach the truth; uniform if the posterior is calibrated.

    Each truth is compared with a reference point drawn at random: the share of the samples that lie closer to it than
    the truth (Lemos et al. 2023, algorithm 2). Coordinates are scaled to the spread of the truths, and the reference is
    drawn evenly from the box that they fill.

    Parameters
    ----------
    samples : ndarray (n, n_sample, n_dim)
        Joint posterior samples.
    truth : ndarray (n, n_dim)
        True values.
    rng : Generator
        Draws the reference points, breaks ties.

    Returns
    -------
    ndarray (n,)
        0 to 1.
    """
    low, high = np.quantile(truth, [0.005, 0.995], axis=0)
    width = np.where(high > low, high - low, 1.0)
    reference = rng.random(truth.shape)
    distance = np.sqrt(((((samples - low) / width) - reference[:, None]) ** 2).sum(axis=2))
    own = np.sqrt(((((truth - low) / width) - reference) ** 2).sum(axis=1))
    return sample_ranks(distance, own, rng)


def area_to_curve(credibility: np.ndarray, levels: np.ndarray = COVERAGE_LEVELS) -> float:
    """Return the area between TARP's coverage curve and the diagonal above one half: below zero = overconfident.

    The mean of (expected coverage - credibility level) over levels from one half to one, times one half.

    Parameters
    ----------
    credibility : ndarray (n,)
        From `tarp`.
    levels : ndarray (n_level,)
        Credibility levels, ascending.

    Returns
    -------
    float
    """
    coverage = np.searchsorted(np.sort(credibility), levels, side="right") / len(credibility)
    upper = levels >= 0.5
    return float(np.trapezoid(coverage[upper] - levels[upper], levels[upper]))
