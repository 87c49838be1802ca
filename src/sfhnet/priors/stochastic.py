"""Constant SFR with a correlated random walk on it, and single short bursts."""

from __future__ import annotations

import numpy as np

from sfhnet.priors.age_cells import Array, cell_centres, constant_between


def stochastic(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Return the mass of a log-linear SFR times a damped random walk in log SFR.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
    p : dict of ndarray, shape (n,)
        ``start_gyr`` (look-back), ``scatter_dex`` (standard deviation of log10 SFR), ``memory_myr`` (time over
        which the walk forgets), ``slope_dex_per_gyr`` (rise of log10 SFR towards the present).
    rng : Generator
        Draws the steps of the walk.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
    log_density : ndarray, shape (n,)
        Of the standard-normal steps.

    Notes
    -----
    Ornstein-Uhlenbeck process, exact on the uneven grid (Caplar & Tacchella 2019, MNRAS 487, 3845, with a
    power-spectrum slope of 2; Kelson 2014, arXiv:1406.5191, for the long-memory limit).
    """
    centre = cell_centres(edges_yr)
    n, n_cell = p["start_gyr"].size, centre.size
    step = rng.standard_normal((n_cell, n))
    keep = np.exp(-np.diff(centre)[:, None] / (p["memory_myr"] * 1e6))  # (n_cell - 1, n)
    fresh = np.sqrt(-np.expm1(2 * np.log(np.maximum(keep, 1e-300))))
    walk = np.empty((n_cell, n))
    walk[-1] = step[-1]
    for i in range(n_cell - 2, -1, -1):  # forwards in time, all galaxies at once
        walk[i] = keep[i] * walk[i + 1] + fresh[i] * step[i]
    log_sfr = p["scatter_dex"][:, None] * walk.T - p["slope_dex_per_gyr"][:, None] * centre / 1e9
    log_sfr -= log_sfr.max(axis=1, keepdims=True)
    active = constant_between(edges_yr, np.zeros(n), p["start_gyr"] * 1e9)
    log_density = -0.5 * (step**2).sum(axis=0) - 0.5 * n_cell * np.log(2 * np.pi)
    return active * 10.0 ** np.maximum(log_sfr, -12.0), log_density


def single_burst(
    edges_yr: Array, p: dict[str, Array], rng: np.random.Generator
) -> tuple[Array, Array | None]:
    """Return the mass of one constant episode: a star cluster.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        ``burst_age_myr`` (look-back at its middle), ``burst_width_fraction`` (duration over that age).
    rng : Generator
        Not used.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
        Arbitrary scale.
    log_density : None
        All of the history is in the parameters.
    """
    age = p["burst_age_myr"] * 1e6
    half = 0.5 * p["burst_width_fraction"] * age
    return constant_between(edges_yr, np.maximum(age - half, 0.0), np.minimum(age + half, edges_yr[-1])), None
