"""What the data said: how far the posterior is from the prior, in nats."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from sfhnet.core.posterior import Posterior

__all__ = ["information", "information_gain"]

# Step between equal quantiles, as a share of the range of the prior.
_TIE = 1e-9


def information_gain(quantiles: np.ndarray, prior: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the Kullback-Leibler divergence of posterior from prior, as far as their quantiles know it.

    The posterior's quantiles divide the axis in cells that hold known shares p of it; the prior's distribution function,
    a normal one between and beyond its own quantiles, gives its shares q; the divergence is the sum of p ln(p / q). A
    division into cells loses information, so that this is a lower bound of the divergence (the data-processing
    inequality); it is the same in any monotonic function of the quantity. For normals the bound is within 0.1
    nats: a posterior five times narrower than the prior gains 1.04 of 1.13 nats.

    Parameters
    ----------
    quantiles : ndarray, shape (n, n_quant, ...)
        Of the posterior.
    prior : ndarray, shape (n_quant, ...)
        Of the prior.
    levels : ndarray, shape (n_quant,)

    Returns
    -------
    ndarray, shape (n, ...)
        Nats, zero or more; NaN where quantiles are NaN.
    """
    quantiles, prior = np.asarray(quantiles, dtype=float), np.asarray(prior, dtype=float)
    levels = np.asarray(levels, dtype=float)
    score = ndtri(levels)
    flat = quantiles.reshape(*quantiles.shape[:2], -1)
    known = prior.reshape(len(levels), -1)
    share = np.diff(levels, prepend=0.0, append=1.0)
    gain = np.empty((flat.shape[0], flat.shape[2]))
    for column in range(flat.shape[2]):
        # Quantiles that are equal (many galaxies form nothing in a bin) are set apart by the same step in both.
        step = _TIE * (np.ptp(known[:, column]) or 1.0) * np.arange(len(levels))
        nodes = np.maximum.accumulate(known[:, column]) + step
        below = ndtr(_extrapolated(flat[:, :, column] + step, nodes, score))
        cells = np.diff(below, axis=1, prepend=0.0, append=1.0)
        gain[:, column] = (share * np.log(share / np.maximum(cells, 1e-12))).sum(axis=1)
    return np.maximum(gain, 0.0).reshape(quantiles.shape[0], *quantiles.shape[2:])


def _extrapolated(x: np.ndarray, nodes: np.ndarray, score: np.ndarray) -> np.ndarray:
    slopes = np.diff(score)[[0, -1]] / np.diff(nodes)[[0, -1]]
    low, high = score[0] + slopes[0] * (x - nodes[0]), score[-1] + slopes[1] * (x - nodes[-1])
    return np.where(x < nodes[0], low, np.where(x > nodes[-1], high, np.interp(x, nodes, score)))


def information(posterior: Posterior, prior: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the gain of each answer over the prior that the network was trained on.

    Parameters
    ----------
    posterior : Posterior
    prior : dict
        ``prior`` of ``model.json``: quantiles at the posterior's levels.

    Returns
    -------
    dict of ndarray
        ``history``, ``metallicity`` (n, n_age): of the cumulative mass at the upper edge of each age bin (the last one,
        which is always one, has none) and of [M/H]; and every scalar, (n,). Nats.

    Raises
    ------
    ValueError
        If the prior has other levels.
    """
    levels = posterior.levels
    result = {}
    for name, quantiles, known in (
        ("history", posterior.cum_mass_q, prior["cum_mass_q"]),
        ("metallicity", posterior.mh_q, prior["mh_q"]),
        *((name, value, prior["scalars_q"][name]) for name, value in posterior.scalars_q.items()),
    ):
        known = np.asarray(known, dtype=float)
        if known.shape != quantiles.shape[1:]:
            raise ValueError(
                f"the model's prior has quantiles of shape {known.shape} for {name}, the answers {quantiles.shape[1:]}; "
                "infer again with this model"
            )
        result[name] = information_gain(quantiles, known, levels)
    result["history"][:, -1] = 0.0
    return result
