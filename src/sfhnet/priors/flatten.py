"""Thin out the crowded regions of a prior sample, so that no corner of the labels is starved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sfhnet.core.histories import mean_log_age

if TYPE_CHECKING:
    from sfhnet.config.prior import FlatteningConfig
    from sfhnet.priors.sample import PriorSample

Array = NDArray[np.float64]

FADING = 0.8
"""ASSUME: V light per mass falls as age**-0.8 beyond 3 Myr, enough to sort galaxies by light-weighted age."""


def coordinates(drawn: PriorSample) -> Array:
    """Return light- and mass-weighted log age, young [log Z] and V attenuation, shape (n, 4)."""
    log_age = mean_log_age(drawn.edges_yr)
    light = drawn.mass * 10.0 ** (-FADING * np.maximum(log_age, 6.5))
    young = light * 10.0 ** (-FADING * np.maximum(log_age, 6.5))
    return np.stack(
        [
            (light * log_age).sum(axis=1) / light.sum(axis=1),
            (drawn.mass * log_age).sum(axis=1),
            (young * np.log10(drawn.z)).sum(axis=1) / young.sum(axis=1),
            1.086 * drawn.parameters["tau_screen"],
        ],
        axis=1,
    )


def thin(
    drawn: PriorSample, n: int, config: FlatteningConfig, *, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Array]:
    """Choose galaxies with probability proportional to density**-power.

    Parameters
    ----------
    drawn : PriorSample
        Candidates.
    n : int
        Galaxies to keep.
    config : FlatteningConfig
    rng : Generator

    Returns
    -------
    index : ndarray of int, shape (n,)
        Ascending.
    log_factor : ndarray, shape (n,)
        Log of the factor by which the density of each kept galaxy changed, up to the shard's own noise.
    """
    x = coordinates(drawn)
    low, high = np.percentile(x, [0.5, 99.5], axis=0)
    cell = np.clip((x - low) / np.maximum(high - low, 1e-12) * config.n_bins, 0, config.n_bins - 1).astype(
        np.intp
    )
    flat = np.ravel_multi_index(tuple(cell.T), (config.n_bins,) * x.shape[1])
    crowd = np.bincount(flat)[flat]
    weight = crowd ** (-config.power)
    # exponential race: weighted draw without replacement
    keep = np.sort(np.argsort(rng.exponential(size=drawn.n) / weight, kind="stable")[:n])
    return keep, np.log(weight[keep] / weight.mean())
