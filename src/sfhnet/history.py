"""Histories that came without uncertainties: what they hold, and how the metrics take them."""

from __future__ import annotations

import numpy as np

from sfhnet.posterior import LEVELS, SCALARS, SFR_FLOOR_PER_YR, Posterior

__all__ = ["point_posterior", "times_and_rates"]

_FORMED = {"t10": 0.10, "t25": 0.25, "t50": 0.50, "t75": 0.75, "t90": 0.90}
_SPANS_YR = {"log_sfr10": 1e7, "log_sfr100": 1e8}


def times_and_rates(younger: np.ndarray, edges_yr: np.ndarray) -> dict[str, float]:
    """Give formation times and star-formation rates of one history, the rate constant within each bin.

    Parameters
    ----------
    younger : ndarray (n_bin + 1,)
        Share of the mass younger than each edge, from 0 to 1.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.

    Returns
    -------
    dict of float
        ``t10`` .. ``t90``, ``log_sfr10``, ``log_sfr100``, units as in `sfhnet.posterior.SCALARS`.
    """
    times = {
        name: float(np.log10(np.interp(1 - formed, younger, edges_yr))) for name, formed in _FORMED.items()
    }
    rates = {
        name: float(np.log10(max(np.interp(span_yr, edges_yr, younger) / span_yr, SFR_FLOOR_PER_YR)))
        for name, span_yr in _SPANS_YR.items()
    }
    return times | rates


def point_posterior(
    age_edges_myr: np.ndarray, mass_fraction: np.ndarray, mh: np.ndarray, scalars: dict[str, np.ndarray]
) -> Posterior:
    """Wrap point estimates as a `Posterior` whose quantiles are NaN, so that the same metrics measure them.

    Parameters
    ----------
    age_edges_myr : ndarray (n_age + 1,)
        Age bins.
    mass_fraction, mh : ndarray (n, n_age)
        Estimates.
    scalars : dict of ndarray (n,)
        The names of `sfhnet.posterior.SCALARS`.
    """
    n, n_age = mass_fraction.shape
    unknown = np.full(n, np.nan)
    no_history = np.full((n, len(LEVELS), n_age), np.nan)
    return Posterior(
        age_edges_myr=np.asarray(age_edges_myr, dtype=float),
        mass_fraction=np.asarray(mass_fraction, dtype=float),
        mh=np.asarray(mh, dtype=float),
        mass_fraction_q=no_history,
        cum_mass_q=no_history,
        mh_q=no_history,
        scalars={name: np.asarray(scalars[name], dtype=float) for name in SCALARS},
        scalars_q={name: np.full((n, len(LEVELS)), np.nan) for name in SCALARS},
        flags=np.zeros(n, dtype=np.uint32),
        snr=unknown,
        log_scale=unknown,
        chi2=unknown,
        ood_score=unknown,
    )
