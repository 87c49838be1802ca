"""A star-formation history that is a table, and its exact integral (of `pyprospect.histories.massfunc`)."""

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.arguments import checked
from pyprospect.constants import GYR_YR
from pyprospect.histories.ages import check_ages

__all__ = ["custom", "integral_of_custom"]


def _table(age_yr: ArrayLike, sfr: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    nodes = np.asarray(age_yr, dtype=float)
    rates = np.asarray(sfr, dtype=float)
    if nodes.ndim != 1 or rates.ndim != 1 or nodes.size - rates.size not in (0, 1) or rates.size < 1:
        raise ValueError(
            f"custom history: {nodes.shape} ages and {rates.shape} rates; give as many ages as rates (a "
            "polygon) or one age more (the edges of steps)"
        )
    if np.isnan(nodes).any() or np.isnan(rates).any():
        raise ValueError("custom history: NaN among its ages or rates")
    if not np.all(np.diff(nodes) > 0):
        raise ValueError("custom history: the ages must ascend strictly, youngest first")
    if (rates < 0).any():
        raise ValueError(f"custom history: negative SFR {rates.min()} Msol/yr; rates must be >= 0")
    return nodes, rates


@checked
def custom(
    age: ArrayLike, age_yr: ArrayLike = (), sfr: ArrayLike = (), *, magemax: float | None = None
) -> np.ndarray:
    """Return the tabulated history.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    age_yr : (n,) or (n+1,) array_like
        Ages of the table in yr, ascending: as many as rates (straight lines between them) or one more (edges
        of steps, which hold their lower edge).
    sfr : (n,) array_like
        Rates, Msol/yr.
    magemax : float, optional
        Oldest age, Gyr; by default the table ends it.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`; zero outside the table.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, ages that do not ascend, negative rates.
    """
    nodes, rates = _table(age_yr, sfr)
    age = check_ages(age)
    if nodes.size == rates.size:
        out = np.interp(age, nodes, rates, left=0.0, right=0.0)
    else:
        k = np.searchsorted(nodes, age, side="right") - 1
        k = np.where(age == nodes[-1], rates.size - 1, k)
        out = np.where((k >= 0) & (k < rates.size), rates[np.clip(k, 0, rates.size - 1)], 0.0)
    return out if magemax is None else np.where(age > magemax * GYR_YR, 0.0, out)


@checked(lower=(-1e14, 1e14), upper=(-1e14, 1e14))
def integral_of_custom(
    lower: float, upper: float, age_yr: ArrayLike = (), sfr: ArrayLike = (), magemax: float | None = None
) -> float:
    """Return the mass that `custom` forms between two look-back ages (yr), Msol: the sum over its pieces."""
    nodes, rates = _table(age_yr, sfr)
    if magemax is not None:
        upper = min(upper, magemax * GYR_YR)
    lower, upper = max(lower, nodes[0]), min(upper, nodes[-1])
    if upper <= lower:
        return 0.0
    points = np.concatenate([[lower], nodes[(nodes > lower) & (nodes < upper)], [upper]])
    middle = custom((points[1:] + points[:-1]) / 2, nodes, rates)
    return float(np.sum(np.diff(points) * middle))
