"""Star formation that goes on and off: bursts with quiet times between them, also today."""

from __future__ import annotations

import numpy as np

from sfhnet.priors.age_cells import Array, cell_centres, constant_between

N_CYCLE = 40
"""Bursts before today that are drawn one by one; before them the rate is their mean."""


def bursty(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Return the mass of a log-linear SFR that switches between bursts and quiet times.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
    p : dict of ndarray, shape (n,)
        ``start_gyr`` (look-back), ``slope_dex_per_gyr`` (rise of log10 SFR towards the present), ``spacing_myr`` (mean
        time from burst to burst), ``duty_fraction`` (mean share of the time in bursts), ``scatter_dex`` (of the rate
        from burst to burst), ``log_quiet_ratio`` (log10 of the rate between bursts over that of a middling burst).
    rng : Generator
        Draws durations and rates.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
    log_density : ndarray, shape (n,)
        Of the standard exponential durations and standard normal rates, and of the state today.

    Notes
    -----
    Exponential durations forget how long they have lasted: today falls into a burst with the probability
    ``duty_fraction``, and the time since it began or ended is as long as any. ``spacing_myr`` of 20 to 300 and quiet
    times of tens of Myr are what cosmological zoom simulations of young and of dwarf galaxies show (Pallottini et al.
    2022, MNRAS 513, 5621; Gelli et al. 2023, ApJ 954, L11; Sparre et al. 2017, MNRAS 466, 88).
    """
    n, duty = p["start_gyr"].size, p["duty_fraction"]
    today_on = rng.random(n) < duty
    length = rng.exponential(size=(n, 2 * N_CYCLE))
    step = rng.standard_normal((n, 2 * N_CYCLE))
    on = (np.arange(2 * N_CYCLE) % 2 == 0) == today_on[:, None]
    share = np.where(on, duty[:, None], 1 - duty[:, None])
    edge = np.cumsum(length * share * p["spacing_myr"][:, None] * 1e6, axis=1)
    quiet = 10.0 ** p["log_quiet_ratio"][:, None]
    rate = np.where(on, 10.0 ** (p["scatter_dex"][:, None] * step), quiet)
    # Mean of the log-normal rate of bursts, so that the years before them are as full.
    mean = duty * np.exp(0.5 * (p["scatter_dex"] * np.log(10)) ** 2) + (1 - duty) * quiet[:, 0]
    mass = np.empty((n, edges_yr.size - 1))
    for i in range(n):
        at = np.concatenate([[0.0], edge[i], [edge[i, -1] + edges_yr[-1]]])
        formed = np.concatenate([[0.0], np.cumsum(rate[i] * np.diff(at[:-1]))])
        formed = np.append(formed, formed[-1] + mean[i] * edges_yr[-1])
        mass[i] = np.diff(np.interp(edges_yr, at, formed))
    log_sfr = -p["slope_dex_per_gyr"][:, None] * cell_centres(edges_yr) / 1e9
    active = constant_between(edges_yr, np.zeros(n), p["start_gyr"] * 1e9) / np.diff(edges_yr)
    log_density = -length.sum(axis=1) - 0.5 * (step**2).sum(axis=1) - N_CYCLE * np.log(2 * np.pi)
    log_density += np.log(np.where(today_on, duty, np.maximum(1 - duty, 1e-300)))
    return mass * active * 10.0 ** np.maximum(log_sfr, -12.0), log_density
