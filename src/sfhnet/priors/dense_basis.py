"""Dense basis: look-back times of equal mass shares from a Dirichlet distribution, and a recent sSFR."""

from __future__ import annotations

import numpy as np
from scipy.special import betaln
from scipy.stats import beta

from sfhnet.config.prior_names import N_TX
from sfhnet.priors.age_cells import Array

RECENT_YR = 1e8


def dirichlet_times(u: Array, alpha: Array) -> tuple[Array, Array]:
    """Return ordered fractional times from uniform numbers by stick breaking.

    Parameters
    ----------
    u : ndarray, shape (n, k)
        Uniform numbers.
    alpha : ndarray, shape (n,)
        Concentration of the symmetric Dirichlet distribution of the k + 1 gaps.

    Returns
    -------
    times : ndarray, shape (n, k)
        Cumulative sums of the first k gaps, in (0, 1).
    log_density : ndarray, shape (n,)
        Log density of the gaps, less that of the uniform numbers (0).
    """
    n, k = u.shape
    left = np.ones(n)
    times = np.empty((n, k))
    log_density = np.zeros(n)
    for i in range(k):
        rest = alpha * (k - i)
        flat = np.all(alpha == 1.0)
        share = 1.0 - (1.0 - u[:, i]) ** (1.0 / rest) if flat else beta.ppf(u[:, i], alpha, rest)
        share = np.clip(share, 1e-9, 1 - 1e-9)
        log_density += (
            (alpha - 1) * np.log(share) + (rest - 1) * np.log1p(-share) - betaln(alpha, rest) - np.log(left)
        )
        left = left * (1.0 - share)
        times[:, i] = 1.0 - left
    return times, log_density


def monotone_cubic(x: Array, y: Array, at: Array) -> Array:
    """Interpolate by a monotone cubic, with its own nodes for every row.

    Parameters
    ----------
    x, y : ndarray, shape (n, k)
        Ascending nodes and values that do not fall.
    at : ndarray, shape (m,)
        Where to evaluate; must lie inside every row's nodes.

    Returns
    -------
    ndarray, shape (n, m)

    Notes
    -----
    Slopes: Fritsch & Butland (1984, SIAM J. Sci. Stat. Comput. 5, 300), as PCHIP; end slopes are the secants',
    limited to three times them.
    """
    width = np.diff(x, axis=1)
    secant = np.diff(y, axis=1) / width
    w1 = 2 * width[:, 1:] + width[:, :-1]
    w2 = width[:, 1:] + 2 * width[:, :-1]
    tiny = np.finfo(float).tiny
    inner = (w1 + w2) / (w1 / np.maximum(secant[:, :-1], tiny) + w2 / np.maximum(secant[:, 1:], tiny))
    slope = np.concatenate([secant[:, :1], inner, secant[:, -1:]], axis=1)
    k = x.shape[1]
    index = np.zeros((x.shape[0], at.size), dtype=np.intp)
    for j in range(1, k - 1):
        index += at[None, :] >= x[:, j : j + 1]

    def pick(values: Array) -> Array:
        return np.take_along_axis(values, index, axis=1)

    h = pick(width)
    t = (at[None, :] - pick(x[:, :-1])) / h
    y0, y1 = pick(y[:, :-1]), pick(y[:, 1:])
    d0, d1 = pick(slope[:, :-1]) * h, pick(slope[:, 1:]) * h
    t2 = t * t
    t3 = t2 * t
    return y0 * (2 * t3 - 3 * t2 + 1) + d0 * (t3 - 2 * t2 + t) + y1 * (3 * t2 - 2 * t3) + d1 * (t3 - t2)


def mass(edges_yr: Array, p: dict[str, Array], rng: np.random.Generator) -> tuple[Array, Array | None]:
    """Return the mass in each age cell.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
    p : dict of ndarray, shape (n,)
        ``alpha`` (Dirichlet concentration), ``u_tx1..3`` (uniform numbers that become the times at which 25, 50
        and 75 per cent of the mass stands), ``log_ssfr_per_yr`` (log10 of the mean sSFR over the last 100 Myr).
    rng : Generator
        Not used.

    Returns
    -------
    mass : ndarray, shape (n, n_cell)
        Unit total.
    log_density : ndarray, shape (n,)
        Of the Dirichlet gaps.

    Notes
    -----
    Iyer & Gawiser (2017, ApJ 838, 127); Iyer et al. (2019, ApJ 879, 116), where alpha = 1 is the flat prior.
    ASSUME: a monotone cubic through the mass quantiles instead of their Gaussian process; the mass that forms
    before the last 100 Myr has the quantiles, and at most 90 per cent forms after.
    """
    age_max = edges_yr[-1]
    u = np.stack([p[f"u_tx{i + 1}"] for i in range(N_TX)], axis=1)
    times, log_density = dirichlet_times(u, p["alpha"])
    recent = np.minimum(10.0 ** p["log_ssfr_per_yr"] * RECENT_YR, 0.9)[:, None]
    span = age_max - RECENT_YR
    ones = np.ones_like(recent)
    shares = (np.arange(1, N_TX + 1) / (N_TX + 1))[None, :]
    x = np.concatenate([0 * ones, times * span, span * ones, age_max * ones], axis=1)
    y = np.concatenate([0 * ones, shares * (1 - recent), 1 - recent, ones], axis=1)
    x = np.maximum.accumulate(x + 1e-7 * age_max * np.arange(x.shape[1]), axis=1)
    x = x / x[:, -1:] * age_max
    formed = monotone_cubic(x, y, (age_max - edges_yr)[::-1])  # against time since the start
    # inside the last 100 Myr the SFR is constant: the window is younger than the quantiles resolve
    mass_cells = np.clip(np.diff(formed, axis=1), 0.0, None)[:, ::-1]
    window = edges_yr[1:] <= RECENT_YR
    mass_cells = np.where(window, recent * np.diff(edges_yr) / RECENT_YR, mass_cells)
    return mass_cells, log_density
