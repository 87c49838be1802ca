"""What joint samples of histories say beyond the scalars: more rates, burstiness, the last burst."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from sfhnet.core.histories import history_scalars, log10_of, mean_rate_per_yr
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import (
    BURST_FACTOR,
    BURST_WITHIN_YR,
    FROM_DRAWS,
    SFR_FLOOR_PER_YR,
)

__all__ = ["last_burst_yr", "quantiles_of_draws", "quantities_from_draws"]

_LEVELS = (0.5, 0.16, 0.84)
# Spectra whose samples are looked at together: bounds the memory.
_ROWS = 512


def last_burst_yr(mass: np.ndarray, edges_yr: np.ndarray) -> np.ndarray:
    """Return the look-back time of the last burst: the youngest age bin that formed stars faster than what was before.

    Parameters
    ----------
    mass : ndarray (..., n_bin)
        Mass formed in each age bin, the youngest first; any unit.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.

    Returns
    -------
    ndarray (...)
        Middle of the youngest bin that ends by `BURST_WITHIN_YR` and in which the rate was over `BURST_FACTOR` times the
        mean of all the time before, in yr; NaN where there is none.
    """
    edges = np.asarray(edges_yr, dtype=float)
    before = np.flip(np.cumsum(np.flip(mass, axis=-1), axis=-1), axis=-1)[..., 1:] / (edges[-1] - edges[1:-1])
    rate = mass[..., :-1] / np.diff(edges)[:-1]
    recent = edges[1:-1] <= BURST_WITHIN_YR * (1 + 1e-9)
    burst = recent & (rate > BURST_FACTOR * before)
    middle = 0.5 * (edges[:-2] + edges[1:-1])
    return np.where(burst.any(axis=-1), middle[burst.argmax(axis=-1)], np.nan)


def quantities_from_draws(posterior: Posterior) -> dict[str, np.ndarray]:
    """Return the quantities `sfhnet.core.quantities.FROM_DRAWS` of each spectrum.

    Parameters
    ----------
    posterior : Posterior
        With joint samples; as they come from the network, without the calibration of the intervals.

    Returns
    -------
    dict of ndarray (n, 3)
        Median and both ends of the 68 % interval. ``p_burst`` has one column; ``log_t_burst`` is over the samples that have a
        burst, NaN where most have none. Empty without samples.
    """
    if "mass_fraction" not in posterior.samples:
        return {}
    edges_yr = 1e6 * np.asarray(posterior.age_edges_myr, dtype=float)
    width = {name: 1 if name == "p_burst" else len(_LEVELS) for name in FROM_DRAWS}
    result = {name: np.full((len(posterior), columns), np.nan) for name, columns in width.items()}
    for rows, mass in _histories(posterior):
        for name, values in _of_histories(mass, edges_yr).items():
            result[name][rows] = values
    return result


def quantiles_of_draws(
    posterior: Posterior, value_of: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return median and both ends of the 68 % interval of what follows from a history and its metallicities.

    Parameters
    ----------
    posterior : Posterior
        With joint samples.
    value_of : callable
        (shares of the mass, [M/H] in dex), both (n, n_draw, n_bin), to values (n, n_draw).

    Returns
    -------
    ndarray (n, 3)
        NaN where there is no answer.
    """
    result = np.full((len(posterior), len(_LEVELS)), np.nan)
    for rows, mass in _histories(posterior):
        mh = np.asarray(posterior.samples["mh"][rows], dtype=float)
        result[rows] = _quantiles(value_of(mass, mh))
    return result


def _histories(posterior: Posterior) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that have an answer, and their samples (n, n_draw, n_bin), some at a time."""
    samples = posterior.samples["mass_fraction"]
    for start in range(0, len(samples), _ROWS):
        mass = np.asarray(samples[start : start + _ROWS], dtype=float)
        known = np.isfinite(mass).all(axis=(1, 2))
        if known.any():
            yield start + np.flatnonzero(known), mass[known]


def _of_histories(mass: np.ndarray, edges_yr: np.ndarray) -> dict[str, np.ndarray]:
    """Quantities from histories (n, n_draw, n_bin), each (n, 3) or (n, 1)."""
    values = history_scalars(mass, edges_yr, FROM_DRAWS.values())
    rate10, rate100 = (
        mean_rate_per_yr(mass, edges_yr, window).clip(SFR_FLOOR_PER_YR) for window in (1e7, 1e8)
    )
    values["log_sfr10_over_sfr100"] = log10_of(rate10 / rate100)
    result = {name: _quantiles(value) for name, value in values.items()}
    burst = log10_of(last_burst_yr(mass, edges_yr))
    probability = np.isfinite(burst).mean(axis=1)
    likely = probability > 0.5
    result["p_burst"] = probability[:, None]
    result["log_t_burst"] = np.full((len(mass), len(_LEVELS)), np.nan)
    if likely.any():
        result["log_t_burst"][likely] = _quantiles(burst[likely])
    return result


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Quantiles along the samples, (n, n_draw) to (n, 3), over what is finite."""
    return np.nanquantile(values, _LEVELS, axis=1).T
