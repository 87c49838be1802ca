"""From a history in cells or bins of look-back age to formation times, rates and means.

The star-formation rate is constant within a bin. Masses may be numpy arrays or tensors with any leading axes, and the
results are the same kind: labels, samples of networks, fits of other programs and tables share one formula.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from sfhnet.core.quantities import SCALARS, Quantity

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "formation_age_quantiles",
    "formation_age_yr",
    "history_scalars",
    "log10_of",
    "mean_log_age",
    "mean_rate_per_yr",
    "scalar_from_label",
    "share_formed",
    "weighted_means",
]

# Named by texts, so that torch is not imported.
Values = TypeVar("Values", "np.ndarray", "Tensor")


def share_formed(mass: Values) -> Values:
    """Return the share of the mass that had formed by each look-back age, from 1 (today) to 0.

    Parameters
    ----------
    mass : ndarray or Tensor (..., n_bin)
        Mass formed in each age bin, the youngest first; any unit.

    Returns
    -------
    ndarray or Tensor (..., n_bin + 1)
        At the edges of the bins.
    """
    xp = _library(mass)
    older = xp.flip(xp.cumsum(xp.flip(mass, (-1,)), -1), (-1,))
    older = xp.concatenate([older, xp.zeros_like(older[..., :1])], -1)
    return older / older[..., :1]


def formation_age_yr(formed: Values, edges_yr: np.ndarray, percent: float) -> Values:
    """Return the look-back age by which a share of the mass had formed.

    Parameters
    ----------
    formed : ndarray or Tensor (..., n_bin + 1)
        From `share_formed`.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.
    percent : float
        The share, in per cent. Where nothing formed between two ages that both fit, the older one.

    Returns
    -------
    ndarray or Tensor (...)
        yr.
    """
    share = percent / 100
    edges = _like(edges_yr, formed)
    younger = (formed >= share).sum(-1)[..., None].clip(1, formed.shape[-1] - 1)
    high, low = _at(formed, younger - 1), _at(formed, younger)
    # single precision holds 1e-30, and no step between two shares is that small
    part = ((high - share) / (high - low).clip(1e-30)).clip(0, 1)
    start, end = edges[younger - 1], edges[younger]
    return (start + part * (end - start))[..., 0]


def formation_age_quantiles(cum_mass_q: np.ndarray, edges_yr: np.ndarray, percent: float) -> np.ndarray:
    """Return quantiles of the look-back age by which a share of the mass had formed, from those of the history.

    The age lies below a value exactly when the mass younger than that value exceeds the rest, so that the quantile curves
    of the cumulative mass, read the other way and in the opposite order, are the quantiles of the age.

    Parameters
    ----------
    cum_mass_q : ndarray (n, n_quant, n_bin)
        Quantiles, at levels that mirror each other about one half, of the mass fraction younger than each bin's upper edge.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.
    percent : float
        The share, in per cent.

    Returns
    -------
    ndarray (n, n_quant)
        yr, at the same levels; NaN where a curve is not finite.
    """
    curves = np.asarray(cum_mass_q, dtype=float)
    younger = np.concatenate([np.zeros_like(curves[..., :1]), curves], axis=-1)
    younger = np.maximum.accumulate(younger, axis=-1)
    younger[..., -1] = 1.0
    age = formation_age_yr(1.0 - younger, edges_yr, percent)
    return np.where(np.isfinite(curves).all(axis=-1), age, np.nan)[:, ::-1]


def mean_rate_per_yr(mass: Values, edges_yr: np.ndarray, window_yr: float) -> Values:
    """Return the mean star-formation rate over the last `window_yr`.

    Parameters
    ----------
    mass : ndarray or Tensor (..., n_bin)
        Mass formed in each age bin.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.
    window_yr : float
        Length of the time that ends today.

    Returns
    -------
    ndarray or Tensor (...)
        Unit of the mass per yr.
    """
    inside = ((window_yr - edges_yr[:-1]) / np.diff(edges_yr)).clip(0, 1)
    return mass @ _like(inside, mass) / window_yr


def history_scalars(
    mass: Values, edges_yr: np.ndarray, quantities: Iterable[Quantity] | None = None
) -> dict[str, Values]:
    """Return the formation times and star-formation rates of histories.

    Parameters
    ----------
    mass : ndarray or Tensor (..., n_bin)
        Mass fractions: each history sums to one.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.
    quantities : iterable of Quantity, optional
        Those that do not follow from a history are passed over. Default: `SCALARS`.

    Returns
    -------
    dict of ndarray or Tensor (...)
        Name -> values in the quantity's unit.
    """
    formed = share_formed(mass)
    result = {}
    for quantity in SCALARS.values() if quantities is None else quantities:
        if quantity.percent is not None:
            value = formation_age_yr(formed, edges_yr, quantity.percent)
        elif quantity.window_yr is not None:
            value = mean_rate_per_yr(mass, edges_yr, quantity.window_yr)
        else:
            continue
        result[quantity.name] = value if quantity.floor is None else _log10_above(value, quantity.floor)
    return result


def scalar_from_label(quantity: Quantity, label: Values) -> Values:
    """Return a scalar from the label that holds it (`Quantity.source`): the same, or its logarithm above the floor.

    Parameters
    ----------
    quantity : Quantity
        The scalar.
    label : ndarray or Tensor (...)
        In the label's unit.

    Returns
    -------
    ndarray or Tensor (...)
        In the scalar's unit.

    Raises
    ------
    ValueError
        If it is a logarithm without a floor.
    """
    if not quantity.log_of:
        return label
    if quantity.floor is None:
        raise ValueError(f"{quantity.name} is a logarithm; give it a floor in sfhnet.core.quantities")
    return _log10_above(label, quantity.floor)


def mean_log_age(edges_yr: np.ndarray) -> np.ndarray:
    """Return the mean of log10(age / yr) in each bin, (n_bin,), for edges (n_bin + 1,) in yr."""
    a, b = edges_yr[:-1], edges_yr[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        a_log_a = np.where(a > 0, a * np.log(a), 0.0)
    return ((b * np.log(b) - a_log_a) / (b - a) - 1.0) / np.log(10.0)


def weighted_means(weight: Values, mh: Values, edges_yr: np.ndarray, *, by: str) -> dict[str, Values]:
    """Return mean log age and mean [M/H] of histories.

    Parameters
    ----------
    weight : ndarray or Tensor (..., n_bin)
        Mass formed or light of each age bin.
    mh : ndarray or Tensor (..., n_bin)
        [M/H] of each age bin in dex.
    edges_yr : ndarray (n_bin + 1,)
        Edges of the bins of look-back age.
    by : {"mw", "lw"}
        What the weight is: mass or light.

    Returns
    -------
    dict of ndarray or Tensor (...)
        ``{by}_log_age`` in log10 yr and ``{by}_mh`` in dex.
    """
    total = weight.sum(-1)
    log_age = _like(mean_log_age(edges_yr), weight)
    return {
        f"{by}_log_age": (weight * log_age).sum(-1) / total,
        f"{by}_mh": (weight * mh).sum(-1) / total,
    }


def _library(values: Values) -> ModuleType:
    """Return the library of an array; torch is imported where there are tensors only, so that preparation needs none."""
    if isinstance(values, np.ndarray | np.generic):
        return np
    import torch

    return torch


def _like(values: np.ndarray, model: Values) -> Values:
    """Bring a numpy array to the kind of another, and to the precision and device of a tensor."""
    return values if isinstance(model, np.ndarray) else model.new_tensor(values)


def _at(values: Values, index: Values) -> Values:
    if isinstance(values, np.ndarray):
        return np.take_along_axis(values, index, axis=-1)
    return values.gather(-1, index)


def log10_of(values: Values) -> Values:
    """Return the logarithm of an array or tensor."""
    return _library(values).log10(values)


def _log10_above(values: Values, floor: float) -> Values:
    return log10_of(values.clip(floor))
