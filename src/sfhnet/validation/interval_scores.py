"""How well intervals and quantiles hold the truth: coverage, CRPS and log score, in plain numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import INTERVALS, LEVELS, SCALARS

__all__ = [
    "all_coverage",
    "coverage",
    "crps",
    "inside",
    "log_score",
    "strata_coverage",
    "weighted_metallicity",
]


def inside(quantiles: np.ndarray, truth: np.ndarray, nominal: float) -> np.ndarray:
    """Return whether a central interval holds the truth.

    Parameters
    ----------
    quantiles : ndarray (n, n_quant, ...)
        Quantiles at `LEVELS`.
    truth : ndarray (n, ...)
        True values.
    nominal : float
        Coverage of the interval, one of `INTERVALS`.

    Returns
    -------
    ndarray of bool (n, ...)
    """
    low, high = INTERVALS[nominal]
    # Answers stored in single precision may miss an exact bound by rounding.
    tolerance = 1e-6
    return (truth >= quantiles[:, low] - tolerance) & (truth <= quantiles[:, high] + tolerance)


def coverage(quantiles: np.ndarray, truth: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
    """Return the share of truths inside each central interval, by nominal coverage in per cent.

    Parameters
    ----------
    quantiles : ndarray (n, n_quant, ...)
        Quantiles at `LEVELS`.
    truth : ndarray (n, ...)
        True values.
    weight : ndarray (n, ...), optional
        Weights, e.g. mass for metallicities.

    Returns
    -------
    dict of float
        ``50``, ``68`` ... -> share.
    """
    result = {}
    for nominal in INTERVALS:
        hit = inside(quantiles, truth, nominal)
        value = hit.mean() if weight is None else (hit * weight).sum() / weight.sum()
        result[f"{100 * nominal:.0f}"] = float(value)
    return result


def crps(quantiles: np.ndarray, truth: np.ndarray) -> float:
    """Return the continuous ranked probability score from the quantiles: twice the mean pinball loss.

    Parameters
    ----------
    quantiles : ndarray (n, n_quant, ...)
        Quantiles at `LEVELS`.
    truth : ndarray (n, ...)
        True values.

    Returns
    -------
    float
        In the unit of the values.
    """
    level = np.asarray(LEVELS).reshape(-1, *([1] * (truth.ndim - 1)))
    error = truth[:, None] - quantiles
    return float(2 * np.maximum(level * error, (level - 1) * error).mean())


def log_score(quantiles: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean log density of the truth under the density that the quantiles draw.

    Constant between neighbouring quantiles, exponential tails that continue the outermost step.

    Parameters
    ----------
    quantiles : ndarray (n, n_quant)
        Quantiles at `LEVELS`.
    truth : ndarray (n,)
        True values.

    Returns
    -------
    float
        Natural logarithm of a density in one over the unit of the values.
    """
    levels = np.asarray(LEVELS)
    step = np.maximum(np.diff(quantiles, axis=1), 1e-4)
    density = np.diff(levels) / step
    index = np.clip((truth[:, None] > quantiles).sum(axis=1) - 1, 0, len(levels) - 2)
    value = np.log(np.take_along_axis(density, index[:, None], axis=1)[:, 0])
    for outside, end, share, near in (
        (truth < quantiles[:, 0], quantiles[:, 0], levels[0], density[:, 0]),
        (truth > quantiles[:, -1], quantiles[:, -1], 1 - levels[-1], density[:, -1]),
    ):
        scale = share / near
        tail = np.log(near) - np.abs(truth - end) / scale
        value = np.where(outside, tail, value)
    return float(value.mean())


def weighted_metallicity(truth: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return true [M/H] and its weight, the mass fraction, (n, n_age); a bin without a metallicity has none."""
    finite = np.isfinite(truth["mh"])
    return np.where(finite, truth["mh"], 0.0), np.where(finite, truth["mass_fraction"], 0.0)


def all_coverage(posterior: Posterior, truth: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the coverage of every interval: scalars, histories, [M/H] weighted by mass, cumulative mass by age.

    Parameters
    ----------
    posterior, truth
        As in `sfhnet.validation.metrics.point_metrics`.

    Returns
    -------
    dict
        By quantity, what `coverage` returns.
    """
    mass = truth["mass_fraction"]
    cum = mass.cumsum(axis=1)
    mh, weight = weighted_metallicity(truth)
    n_age = mass.shape[1]
    return {
        "scalars": {name: coverage(posterior.scalars_q[name], truth[name]) for name in SCALARS},
        "cum_mass": coverage(posterior.cum_mass_q[:, :, :-1], cum[:, :-1]),
        "mass_fraction": coverage(posterior.mass_fraction_q, mass),
        "mh": coverage(posterior.mh_q, mh, weight),
        "cum_mass_by_age": [coverage(posterior.cum_mass_q[:, :, k], cum[:, k]) for k in range(n_age - 1)],
    }


def strata_coverage(
    posterior: Posterior, truth: Mapping[str, np.ndarray], strata: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Return the coverage in each stratum: the mean over scalars by level, and ``cum_mass`` and ``mh`` beside.

    Parameters
    ----------
    posterior, truth
        As in `all_coverage`.
    strata : mapping of str to ndarray (n,) bool
        Which spectra belong to each; strata of fewer than 50 are left out.

    Returns
    -------
    dict of dict
        By stratum: coverage by level, of quantities, and ``n``.
    """
    result: dict[str, dict[str, Any]] = {}
    for name, rows in strata.items():
        if rows.sum() < 50:
            continue
        found = all_coverage(posterior.take(rows), {key: value[rows] for key, value in truth.items()})
        scalars = found["scalars"].values()
        result[name] = {key: float(np.mean([value[key] for value in scalars])) for key in found["mh"]}
        result[name] |= {quantity: found[quantity] for quantity in ("cum_mass", "mh")}
        result[name]["n"] = int(rows.sum())
    return result
