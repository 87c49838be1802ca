"""Exponential and delayed declines, quenched and rejuvenated histories."""

from __future__ import annotations

import numpy as np

from sfhnet.priors.age_cells import Array, cell_centres, constant_between


def _since_start_gyr(edges_yr: Array, start_gyr: Array) -> Array:
    return start_gyr[:, None] - cell_centres(edges_yr) / 1e9


def exponential(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """SFR = exp(-t / tau) since ``start_gyr`` (look-back); (n, n_cell) masses, no extra density."""
    t = _since_start_gyr(edges_yr, p["start_gyr"])
    active = constant_between(edges_yr, np.zeros_like(p["start_gyr"]), p["start_gyr"] * 1e9)
    return active * np.exp(-np.maximum(t, 0.0) / p["tau_gyr"][:, None]), None


def delayed(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """SFR = t exp(-t / tau) since ``start_gyr`` (look-back); (n, n_cell) masses, no extra density."""
    t = np.maximum(_since_start_gyr(edges_yr, p["start_gyr"]), 1e-3)
    active = constant_between(edges_yr, np.zeros_like(p["start_gyr"]), p["start_gyr"] * 1e9)
    return active * t * np.exp(-t / p["tau_gyr"][:, None]), None


def quenched(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Delayed history cut by an exponential of time scale ``quench_tau_gyr`` from look-back ``quench_gyr`` on."""
    base, _ = delayed(edges_yr, p, rng)
    when = np.minimum(p["quench_gyr"], 0.95 * p["start_gyr"])  # something must have formed before
    after = np.maximum(when[:, None] - cell_centres(edges_yr) / 1e9, 0.0)
    return base * np.exp(-np.minimum(after / p["quench_tau_gyr"][:, None], 80.0)), None


def rejuvenated(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """A quenched history and a late episode of constant SFR with a given share of all mass."""
    base, _ = quenched(edges_yr, p, rng)
    start = p["rejuvenation_start_myr"] * 1e6
    end = np.maximum(start - p["rejuvenation_duration_myr"] * 1e6, 0.0)
    late = constant_between(edges_yr, end, start)
    share = np.minimum(10.0 ** p["log_rejuvenation_fraction"], 0.99)[:, None]
    old = base / base.sum(axis=1, keepdims=True)
    return (1 - share) * old + share * late / late.sum(axis=1, keepdims=True), None
