"""Skewed normal + burst, ProSpect's `massfunc_snorm_burst` with an end of the burst."""

from __future__ import annotations

import numpy as np

from sfhnet.priors.age_cells import Array, cell_centres, constant_between


def mass(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Return the mass in each age cell.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
    p : dict of ndarray, shape (n,)
        ``mpeak_gyr`` (look-back age of the peak), ``mperiod_gyr``, ``mskew``; ``burst_start_myr`` (look-back age
        at which the burst begins), ``burst_duration_myr``, ``log_burst_ratio`` (log10 burst SFR / peak SFR).
    rng : Generator
        Not used.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
        Arbitrary scale.
    log_density : None
        All of the history is in the parameters.

    Notes
    -----
    Robotham et al. (2020, MNRAS 495, 905), sect. 3.1: X = (age - mpeak) / mperiod, Y = X exp(mskew)^asinh(X),
    SFR = exp(-Y^2 / 2).
    """
    x = (cell_centres(edges_yr) / 1e9 - p["mpeak_gyr"][:, None]) / p["mperiod_gyr"][:, None]
    y = x * np.exp(p["mskew"][:, None] * np.arcsinh(x))
    smooth = np.exp(-0.5 * np.minimum(np.abs(y), 35.0) ** 2)
    start = p["burst_start_myr"] * 1e6
    end = np.maximum(start - p["burst_duration_myr"] * 1e6, 0.0)
    burst = constant_between(edges_yr, end, start) * (10.0 ** p["log_burst_ratio"])[:, None]
    return smooth * np.diff(edges_yr) + burst, None
