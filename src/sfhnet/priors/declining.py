"""Exponential and delayed declines, quenched and rejuvenated histories."""

from __future__ import annotations

import numpy as np

from sfhnet.priors.age_cells import Array, cell_centres, constant_between


def _since_start_gyr(edges_yr: Array, start_gyr: Array) -> Array:
    return start_gyr[:, None] - cell_centres(edges_yr) / 1e9


def exponential(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Return the mass of SFR = exp(-t / tau).

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        ``start_gyr`` (look-back), ``tau_gyr``.
    rng : Generator
        Not used.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
        Arbitrary scale.
    log_density : None
        All of the history is in the parameters.
    """
    t = _since_start_gyr(edges_yr, p["start_gyr"])
    active = constant_between(edges_yr, np.zeros_like(p["start_gyr"]), p["start_gyr"] * 1e9)
    return active * np.exp(-np.maximum(t, 0.0) / p["tau_gyr"][:, None]), None


def delayed(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Return the mass of SFR = t exp(-t / tau).

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        ``start_gyr`` (look-back), ``tau_gyr``.
    rng : Generator
        Not used.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
        Arbitrary scale.
    log_density : None
        All of the history is in the parameters.
    """
    t = np.maximum(_since_start_gyr(edges_yr, p["start_gyr"]), 1e-3)
    active = constant_between(edges_yr, np.zeros_like(p["start_gyr"]), p["start_gyr"] * 1e9)
    return active * t * np.exp(-t / p["tau_gyr"][:, None]), None


def quenched(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Return the mass of a delayed history that an exponential cuts off.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        Of `delayed`, and ``quench_gyr`` (look-back at which the cut begins), ``quench_tau_gyr``.
    rng : Generator
        Not used.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
        Arbitrary scale.
    log_density : None
        All of the history is in the parameters.
    """
    base, _ = delayed(edges_yr, p, rng)
    when = np.minimum(p["quench_gyr"], 0.95 * p["start_gyr"])  # something must have formed before
    after = np.maximum(when[:, None] - cell_centres(edges_yr) / 1e9, 0.0)
    return base * np.exp(-np.minimum(after / p["quench_tau_gyr"][:, None], 80.0)), None


def rejuvenated(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Return the mass of a quenched history and a late episode of constant SFR.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        Of `quenched`, and ``rejuvenation_start_myr`` (look-back), ``rejuvenation_duration_myr``,
        ``log_rejuvenation_fraction`` (log10 of the episode's share of all mass).
    rng : Generator
        Not used.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
        Unit total.
    log_density : None
        All of the history is in the parameters.
    """
    base, _ = quenched(edges_yr, p, rng)
    start = p["rejuvenation_start_myr"] * 1e6
    end = np.maximum(start - p["rejuvenation_duration_myr"] * 1e6, 0.0)
    late = constant_between(edges_yr, end, start)
    share = np.minimum(10.0 ** p["log_rejuvenation_fraction"], 0.99)[:, None]
    old = base / base.sum(axis=1, keepdims=True)
    return (1 - share) * old + share * late / late.sum(axis=1, keepdims=True), None
