"""How good are answers, given the truth: the metrics of the field, each defined once, in plain numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sfhnet.core.histories import scalar_from_label
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import INTERVALS, SCALARS
from sfhnet.validation.interval_scores import (
    all_coverage,
    coverage,
    crps,
    inside,
    log_score,
    strata_coverage,
    weighted_metallicity,
)

__all__ = [
    "AGE_RANGES_MYR",
    "age_ranges",
    "all_coverage",
    "all_metrics",
    "coverage",
    "crps",
    "inside",
    "log_score",
    "point_metrics",
    "smape_floored",
    "smape_lovell",
    "smape_textbook",
    "strata_coverage",
    "truth_from_labels",
    "wasserstein_dex",
]

# Age ranges of the metrics; a bin belongs where its middle (in log age) lies.
AGE_RANGES_MYR: dict[str, tuple[float, float]] = {
    "young": (0.0, 100.0),
    "intermediate": (100.0, 2000.0),
    "old": (2000.0, 1e5),
}

OUTLIER_DEX = 0.3


def truth_from_labels(labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return true values under the names of `Posterior`: histories and every scalar of `SCALARS`.

    Parameters
    ----------
    labels : mapping of str to ndarray
        Labels of the mocks, ``log_ml`` included.
    """
    truth = {name: np.asarray(labels[name], dtype=float) for name in ("mass_fraction", "mh")}
    return truth | {
        name: scalar_from_label(scalar, np.asarray(labels[scalar.source], dtype=float))
        for name, scalar in SCALARS.items()
    }


def widths_dex(age_edges_myr: np.ndarray) -> np.ndarray:
    """Return the widths of age bins in dex, (n_age,); the youngest counts from 1 Myr."""
    return np.diff(np.log10(np.maximum(age_edges_myr, 1.0)))


def wasserstein_dex(cum_hat: np.ndarray, cum: np.ndarray, age_edges_myr: np.ndarray) -> np.ndarray:
    """Return the Wasserstein-1 distance between histories in dex of age.

    The area between the cumulative mass fractions over log age, by the trapezoid rule on the bin edges.

    Parameters
    ----------
    cum_hat, cum : ndarray (n, n_age)
        Mass fraction younger than each bin's upper edge.
    age_edges_myr : ndarray (n_age+1,)
        Bin edges in Myr.

    Returns
    -------
    ndarray (n,)
        dex.
    """
    width = widths_dex(age_edges_myr)
    edge = 0.5 * (width[:-1] + width[1:])
    return (np.abs(cum_hat - cum)[:, :-1] * edge).sum(axis=1)


def smape_lovell(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return sum |d| / sum (|y| + |p|) over bins (Lovell et al. 2019, MNRAS 490, 5503).

    Parameters
    ----------
    estimate, truth : ndarray (n, n_age)
        Mass fractions, or any histories in bins.

    Returns
    -------
    ndarray (n,)
    """
    return np.abs(estimate - truth).sum(axis=1) / (np.abs(estimate) + np.abs(truth)).sum(axis=1)


def smape_floored(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean over bins of 2 |d| / max(|y| + |p| + 0.1, 0.6) (LOGAN-SFH, 2022).

    Parameters
    ----------
    estimate, truth : ndarray (n, n_age)
        Mass fractions, or any histories in bins.

    Returns
    -------
    ndarray (n,)
    """
    floor = np.maximum(np.abs(estimate) + np.abs(truth) + 0.1, 0.6)
    return (2 * np.abs(estimate - truth) / floor).mean(axis=1)


def smape_textbook(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean over bins of 2 |d| / (|y| + |p|); zero where both vanish.

    Parameters
    ----------
    estimate, truth : ndarray (n, n_age)
        Mass fractions, or any histories in bins.

    Returns
    -------
    ndarray (n,)
    """
    total = np.abs(estimate) + np.abs(truth)
    return np.where(total > 0, 2 * np.abs(estimate - truth) / np.where(total > 0, total, 1), 0).mean(axis=1)


def age_ranges(age_edges_myr: np.ndarray) -> dict[str, np.ndarray]:
    """Return which bins belong to each of `AGE_RANGES_MYR`, name -> (n_age,) bool."""
    edges = np.maximum(np.asarray(age_edges_myr, dtype=float), 1.0)
    middle = np.sqrt(edges[:-1] * edges[1:])
    return {name: (middle >= low) & (middle < high) for name, (low, high) in AGE_RANGES_MYR.items()}


def scalar_metrics(estimate: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return bias, scatter (standard deviation, and from the 16-84 % range), MAE, R2 and share of > 0.3 outliers.

    Parameters
    ----------
    estimate, truth : ndarray (n,)
        In the unit of the scalar, which that of the errors is too.

    Returns
    -------
    dict of float
        ``bias``, ``median_bias``, ``scatter``, ``robust_scatter``, ``mae``, ``r2``, ``outliers``.
    """
    error = estimate - truth
    low, high = np.quantile(error, [0.16, 0.84])
    variance = float(np.var(truth))
    return {
        "bias": float(error.mean()),
        "median_bias": float(np.median(error)),
        "scatter": float(error.std()),
        "robust_scatter": float(0.5 * (high - low)),
        "mae": float(np.abs(error).mean()),
        "r2": float(1 - np.mean(error**2) / variance) if variance > 0 else 0.0,
        "outliers": float((np.abs(error) > OUTLIER_DEX).mean()),
    }


def point_metrics(posterior: Posterior, truth: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return every metric of the point estimates.

    Parameters
    ----------
    posterior : Posterior
        Answers, all usable.
    truth : mapping of str to ndarray
        From `truth_from_labels`.

    Returns
    -------
    dict
        By metric; ``scalars`` and ``age_ranges`` hold those of each scalar and of each of `AGE_RANGES_MYR`.

    Raises
    ------
    ValueError
        If some answers are not usable: their share must be told apart from the errors of the others.
    """
    if not posterior.usable.all():
        raise ValueError(f"{(~posterior.usable).sum()} answers are unusable; leave them out and say how many")
    edges = np.asarray(posterior.age_edges_myr)
    mass, mass_hat = truth["mass_fraction"], posterior.mass_fraction
    cum, cum_hat = mass.cumsum(axis=1), posterior.cum_mass
    mh, weight = weighted_metallicity(truth)
    mh_error = np.abs(posterior.mh - mh)
    result: dict[str, Any] = {
        "n": len(posterior),
        "w1_dex": float(wasserstein_dex(cum_hat, cum, edges).mean()),
        "cum_mae": float(np.abs(cum_hat - cum)[:, :-1].mean()),
        "smape_lovell": float(smape_lovell(mass_hat, mass).mean()),
        "smape_floored": float(smape_floored(mass_hat, mass).mean()),
        "smape_textbook": float(smape_textbook(mass_hat, mass).mean()),
        "mh_mae": float((mh_error * weight).sum() / weight.sum()),
        "mh_smape_floored": float(smape_floored(posterior.mh, mh).mean()),
        "scalars": {name: scalar_metrics(posterior.scalars[name], truth[name]) for name in SCALARS},
        "age_ranges": {},
    }
    width = widths_dex(edges)
    for name, bins in age_ranges(edges).items():
        inner = bins[:-1]
        step = (0.5 * (width[:-1] + width[1:]))[inner]
        share, share_hat = mass[:, bins].sum(axis=1), mass_hat[:, bins].sum(axis=1)
        mass_here = weight[:, bins].sum()
        result["age_ranges"][name] = {
            "w1_dex": float((np.abs(cum_hat - cum)[:, :-1][:, inner] * step).sum(axis=1).mean()),
            "mass_share_mae": float(np.abs(share_hat - share).mean()),
            "mass_share_relative": float(np.abs(share_hat - share).mean() / max(share.mean(), 1e-12)),
            "smape_lovell": float(np.abs(mass_hat - mass)[:, bins].sum() / (mass_hat + mass)[:, bins].sum()),
            "mh_mae": float((mh_error * weight)[:, bins].sum() / max(mass_here, 1e-12)),
        }
    return result


def all_metrics(posterior: Posterior, truth: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return every metric of one set of answers: `point_metrics`, `all_coverage`, sharpness, CRPS and log score.

    Parameters
    ----------
    posterior, truth
        As in `point_metrics`, which raises.

    Returns
    -------
    dict
    """
    quantiles = posterior.scalars_q
    low, high = INTERVALS[0.68]
    return {
        **point_metrics(posterior, truth),
        "coverage": all_coverage(posterior, truth),
        "sharpness": {name: float(0.5 * (q[:, high] - q[:, low]).mean()) for name, q in quantiles.items()},
        "crps": {name: crps(quantiles[name], truth[name]) for name in SCALARS},
        "log_score": {name: log_score(quantiles[name], truth[name]) for name in SCALARS},
    }


def value_at(metrics: Mapping[str, Any], key: Sequence[str]) -> float:
    """Return the value at a path of keys in metrics.

    Parameters
    ----------
    metrics : mapping
        From `all_metrics` or the like.
    key : sequence of str
        Keys from the outermost to the innermost.

    Returns
    -------
    float
    """
    value: Any = metrics
    for step in key:
        value = value[step]
    return float(value)
