"""Histories of other kinds than the prior's families: few short episodes, and Diffstar's main sequence with quenching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sfhnet.priors.sample import PriorSample
from sfhnet.tools.random_streams import stream

__all__ = ["HISTORIES", "with_histories"]

T0_GYR = 13.8
FB = 0.156
# Peak of the star-forming efficiency, log halo mass.
_CRITICAL_MASS = 12.0


def _peaked(edges_yr: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """One to four episodes with log-normal rates, 0.02 to 0.15 dex wide, at any log age from 10 Myr on."""
    middle = 0.5 * (edges_yr[1:] + edges_yr[:-1])
    mass = np.zeros((n, middle.size))
    for row in mass:
        episodes = int(rng.integers(1, 5))
        ages = 10 ** rng.uniform(7.0, 10.1, episodes)
        widths = rng.uniform(0.02, 0.15, episodes)
        shares = rng.dirichlet(np.ones(episodes))
        for age, width, share in zip(ages, widths, shares, strict=True):
            rate = np.exp(-0.5 * (np.log10(middle / age) / width) ** 2)
            cells = rate * np.diff(edges_yr)
            row += share * cells / cells.sum()
    return mass


def _diffstar(edges_yr: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return star formation that follows the growth of a halo (Alarcon et al. 2023, MNRAS 518, 562).

    The halo grows as M0 (t / t0)**alpha(t) with alpha falling from an early to a late value (Hearin et al. 2021); gas
    becomes stars with an efficiency that peaks at 1e12 Msun, and quenching lowers it within a fraction of a dex of time,
    in some galaxies only for a while.
    """
    middle = 0.5 * (edges_yr[1:] + edges_yr[:-1]) / 1e9
    t = np.maximum(T0_GYR - middle, 1e-3)
    log_t = np.log10(t)
    mass = np.empty((n, t.size))
    for row in mass:
        log_m0 = rng.uniform(11.0, 14.0)
        early, late, turn = rng.uniform(1.5, 5.0), rng.uniform(0.05, 1.2), rng.uniform(-0.2, 0.9)
        alpha = late + (early - late) / (1 + np.exp(3.5 * (log_t - turn)))
        log_m = log_m0 + alpha * np.log10(t / T0_GYR)
        grow = np.clip(np.gradient(10**log_m, t * 1e9, edge_order=1), 0.0, None)
        low, high = rng.uniform(0.7, 3.0), -rng.uniform(0.1, 2.0)
        away = log_m - _CRITICAL_MASS
        slope = low + (high - low) / (1 + np.exp(-2.5 * away))
        rate = FB * grow * 10 ** (slope * away)
        if rng.random() < 0.6:
            rate = rate * _quenching(log_t, rng)
        row[:] = np.maximum(rate, 0.0) * np.diff(edges_yr) * (middle < T0_GYR - 0.3)
    return mass / mass.sum(axis=1, keepdims=True)


def _quenching(log_t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    start, width = rng.uniform(0.2, 1.1), 10 ** rng.uniform(-2.5, -0.7)
    drop = -rng.uniform(0.5, 4.0)
    back = rng.uniform(drop, 0.0) if rng.random() < 0.25 else drop
    fall = drop / (1 + np.exp(-(log_t - start) / width))
    rise = (back - drop) / (1 + np.exp(-(log_t - start - 0.1) / width))
    return 10 ** (fall + rise)


# Kind of foreign mocks -> (edges [yr], number, random numbers) to the mass formed in each cell, summing to one.
HISTORIES: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "peaked": _peaked,
    "diffstar": _diffstar,
}


def with_histories(drawn: PriorSample, kind: str, seed: int) -> PriorSample:
    """Return the drawn galaxies with histories of another kind; metallicity, dust and gas stay.

    Parameters
    ----------
    drawn : PriorSample
    kind : str
        One of `HISTORIES`.
    seed : int
        Seed of the configuration.

    Returns
    -------
    PriorSample

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    if kind not in HISTORIES:
        raise ValueError(f"no foreign histories {kind!r}; there are {', '.join(HISTORIES)}")
    rng = stream("foreign.histories", seed, list(HISTORIES).index(kind))
    return replace(drawn, mass=HISTORIES[kind](drawn.edges_yr, drawn.n, rng))
