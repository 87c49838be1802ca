"""What joint samples of histories say beyond the scalars: more rates, bursts, metallicities of ages, what survives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sfhnet.core.histories import history_scalars, log10_of, mean_rate_per_yr
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import (
    BURST_FACTOR,
    BURST_WITHIN_YR,
    FROM_DRAWS,
    LEVELS,
    OLD_YR,
    SFR_FLOOR_PER_YR,
    YOUNG_YR,
)
from sfhnet.inference.surviving_mass import SurvivingMass

__all__ = [
    "AS_DRAWN",
    "as_drawn",
    "last_burst_yr",
    "of_histories",
    "quantiles_of_samples",
    "quantities_from_draws",
]

AS_DRAWN = "; interval as drawn, not calibrated"
"""What the description of a quantity says whose interval no calibration has seen."""

_SHOWN = tuple(LEVELS.index(level) for level in (0.5, 0.16, 0.84))
# Spectra whose samples are looked at together: bounds the memory.
_ROWS = 512
# Its multiples modulo one fill the unit interval evenly.
_GOLDEN = 0.5 * (5**0.5 - 1)


def last_burst_yr(mass: np.ndarray, edges_yr: np.ndarray, within: np.ndarray | float = 0.5) -> np.ndarray:
    """Return the look-back time of the last burst: the youngest age bin that formed stars faster than what was before.

    Parameters
    ----------
    mass : ndarray (..., n_bin)
        Mass formed in each age bin, the youngest first; any unit.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.
    within : ndarray (...) or float
        Where in its bin a burst is taken to be, from 0 (young end) to 1: the history does not tell. Default: the middle.

    Returns
    -------
    ndarray (...)
        Time in the youngest bin that ends by `BURST_WITHIN_YR` and in which the rate was over `BURST_FACTOR` times the
        mean of all the time before, in yr; NaN where there is none.
    """
    edges = np.asarray(edges_yr, dtype=float)
    before = np.flip(np.cumsum(np.flip(mass, axis=-1), axis=-1), axis=-1)[..., 1:] / (edges[-1] - edges[1:-1])
    rate = mass[..., :-1] / np.diff(edges)[:-1]
    recent = edges[1:-1] <= BURST_WITHIN_YR * (1 + 1e-9)
    burst = recent & (rate > BURST_FACTOR * before)
    which = burst.argmax(axis=-1)
    return np.where(burst.any(axis=-1), edges[which] + within * (edges[which + 1] - edges[which]), np.nan)


def of_histories(
    mass: np.ndarray, mh: np.ndarray, edges_yr: np.ndarray, *, surviving: SurvivingMass | None = None
) -> dict[str, np.ndarray]:
    """Return the quantities `sfhnet.core.quantities.FROM_DRAWS` of histories, but the probability of a burst.

    Parameters
    ----------
    mass, mh : ndarray (..., n_bin)
        Shares of the mass formed in each age bin, the youngest first, and [M/H] in dex.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.
    surviving : SurvivingMass, optional
        Without it there is no ``surviving_fraction``.

    Returns
    -------
    dict of ndarray (...)
        NaN where there was no burst, no star of that age, or no star formation to be bursty. Times of bursts fill their bins evenly along the last axis.
    """
    edges = np.asarray(edges_yr, dtype=float)
    values = history_scalars(mass, edges, FROM_DRAWS.values())
    rate10, rate100 = (mean_rate_per_yr(mass, edges, window).clip(SFR_FLOOR_PER_YR) for window in (1e7, 1e8))
    # A rate that cannot be told from none is neither steady nor bursty.
    values["log_sfr10_over_sfr100"] = np.where(rate100 > SFR_FLOOR_PER_YR, log10_of(rate10 / rate100), np.nan)
    within = (_GOLDEN * (1 + np.arange(mass.shape[-2]))) % 1.0
    values["log_t_burst"] = log10_of(last_burst_yr(mass, edges, within))
    for name, chosen in (("mh_young", edges[1:] <= YOUNG_YR), ("mh_old", edges[:-1] >= OLD_YR)):
        share = mass[..., chosen]
        total = share.sum(axis=-1)
        weighted = np.where(share > 0, share * mh[..., chosen], 0.0).sum(axis=-1)
        values[name] = np.divide(weighted, total, out=np.full_like(total, np.nan), where=total > 0)
    if surviving is not None:
        values["surviving_fraction"] = np.where(mass > 0, mass * surviving(mh), 0.0).sum(axis=-1)
    return values


def quantiles_of_samples(
    posterior: Posterior, surviving: SurvivingMass | None = None
) -> dict[str, np.ndarray]:
    """Return what joint samples say of the quantities `FROM_DRAWS`, as the network draws them.

    Parameters
    ----------
    posterior : Posterior
        With joint samples.
    surviving : SurvivingMass, optional
        Without it there is no ``surviving_fraction``.

    Returns
    -------
    dict of ndarray (n, n_quant)
        Quantiles at `LEVELS`; ``p_burst`` is (n,). Of what not every history has (`of_histories`), those of the samples that
        have it; NaN where most have not. Empty without samples.
    """
    if "mass_fraction" not in posterior.samples:
        return {}
    edges_yr = 1e6 * np.asarray(posterior.age_edges_myr, dtype=float)
    n = len(posterior)
    names = [name for name in FROM_DRAWS if surviving is not None or name != "surviving_fraction"]
    result = {name: np.full(n if name == "p_burst" else (n, len(LEVELS)), np.nan) for name in names}
    for rows, mass, mh in _histories(posterior):
        values = of_histories(mass, mh, edges_yr, surviving=surviving)
        result["p_burst"][rows] = np.isfinite(values["log_t_burst"]).mean(axis=1)
        for name, value in values.items():
            result[name][rows] = _quantiles(value)
    return result


def quantities_from_draws(
    posterior: Posterior, surviving: SurvivingMass | None = None
) -> dict[str, np.ndarray]:
    """Return median and 68 % interval of the quantities `sfhnet.core.quantities.FROM_DRAWS` of each spectrum.

    Parameters
    ----------
    posterior : Posterior
        Answers of a network with joint samples.
    surviving : SurvivingMass, optional
        For answers that do not tell what survives: the calibration of their network did not know it.

    Returns
    -------
    dict of ndarray (n, 3)
        Median and both ends. ``p_burst`` has one column. Empty without samples. What the answers do not hold, those of an older
        version nothing of all this, is read off their samples.
    """
    found = posterior.from_draws
    if not found or (surviving is not None and "surviving_fraction" not in found):
        found = quantiles_of_samples(posterior, surviving) | found
    return {
        name: values[:, None] if values.ndim == 1 else np.asarray(values, dtype=float)[:, _SHOWN]
        for name, values in found.items()
    }


def as_drawn(posterior: Posterior) -> set[str]:
    """Return which of the quantities of `quantities_from_draws` have intervals that are not calibrated."""
    if "mass_fraction" not in posterior.samples:
        return set()
    return set(FROM_DRAWS) - {"p_burst"} - set(posterior.meta.get("calibrated_draws", ()))


def _histories(posterior: Posterior) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows that have an answer, their masses and [M/H], both (n, n_draw, n_bin), some at a time."""
    samples = posterior.samples
    for start in range(0, len(posterior), _ROWS):
        mass, mh = (
            np.asarray(samples[name][start : start + _ROWS], dtype=float) for name in ("mass_fraction", "mh")
        )
        known = np.isfinite(mass).all(axis=(1, 2))
        if known.any():
            yield start + np.flatnonzero(known), mass[known], mh[known]


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Quantiles along the samples, (n, n_sample) to (n, n_quant), over what is finite; NaN where most is not."""
    result = np.full((len(values), len(LEVELS)), np.nan)
    finite = np.isfinite(values)
    whole, some = finite.all(axis=1), finite.mean(axis=1) > 0.5
    result[whole] = np.quantile(values[whole], LEVELS, axis=1).T
    if (some & ~whole).any():
        result[some & ~whole] = np.nanquantile(values[some & ~whole], LEVELS, axis=1).T
    return result
