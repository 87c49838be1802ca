"""Star-formation histories given by rates at ages: a constant, lines, splines, steps (of `pyprospect.histories.massfunc`)."""

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.arguments import checked
from pyprospect.constants import GYR_YR
from pyprospect.histories.ages import clipped_ages, cut, with_burst
from pyprospect.numerics.interpolation import MonotoneSpline

__all__ = ["b5", "const", "p2", "p3", "p3_burst", "p4", "p6"]


def _spline(
    age: np.ndarray, nodes_gyr: tuple[float, ...], rates: tuple[float, ...], *, log: bool
) -> np.ndarray:
    nodes = np.array(nodes_gyr, dtype=float) * GYR_YR
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            nodes = np.log10(nodes)
        return MonotoneSpline(nodes, rates)(np.log10(age))
    return MonotoneSpline(nodes, rates)(age)


@checked
def const(age: ArrayLike, mSFR: float = 1, magemax: float = 13.8) -> np.ndarray:
    """Return the constant rate `mSFR` at ages strictly below `magemax`; a negative rate is not clipped.

    Parameters
    ----------
    age : array_like
        Look-back ages in yr.
    mSFR : float
        Rate, Msol/yr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.

    Raises
    ------
    ValueError
        NaN among the ages (as all functions of this module).
    """
    age = clipped_ages(age)
    return np.where(age < magemax * GYR_YR, float(mSFR), 0.0)


@checked
def p2(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    *,
    m1age: float = 0,
    m2age: float | None = None,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return a line from rate `m1` at age `m1age` to `m2` (default `m1`) at `m2age` (default `magemax`).

    Rates in Msol/yr, ages of the nodes in Gyr; zero outside the two nodes.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2 : float
        Rates at the nodes, Msol/yr.
    m1age, m2age : float
        Ages of the nodes, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m2age = magemax if m2age is None else m2age
    age = clipped_ages(age)
    first, last = m1age * GYR_YR, m2age * GYR_YR
    with np.errstate(divide="ignore", invalid="ignore"):
        sfr = m1 + ((m2 - m1) / (np.float64(last) - first)) * (age - first)
    return cut(np.where((age < first) | (age > last), 0.0, sfr), age, magemax)


@checked
def p3(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    *,
    m1age: float = 1e-4,
    m2age: float = 7,
    m3age: float = 13,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return the monotone cubic in age through three rates; each rate defaults to the one before it.

    Rates in Msol/yr, ages of the nodes in Gyr; straight lines beyond the end nodes.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3 : float
        Rates at the nodes, Msol/yr.
    m1age, m2age, m3age : float
        Ages of the nodes, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m3 = m2 if m3 is None else m3
    age = clipped_ages(age)
    return cut(_spline(age, (m1age, m2age, m3age), (m1, m2, m3), log=False), age, magemax)


@checked
def p3_burst(
    age: ArrayLike,
    mburst: float = 0,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    *,
    m1age: float = 1e-4,
    m2age: float = 7,
    m3age: float = 13,
    mburstage: float = 0.1,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return `p3` plus a burst of rate `mburst` at ages strictly below `mburstage` (Gyr).

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3, m1age, m2age, m3age : float
        As `p3`.
    mburst, mburstage : float
        Rate of the burst, Msol/yr, and its oldest age, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    smooth = p3(age, m1, m2, m3, m1age=m1age, m2age=m2age, m3age=m3age, magemax=magemax)
    age = clipped_ages(age)
    return cut(with_burst(smooth, age, mburst, mburstage), age, magemax)


@checked
def p4(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    m4: float | None = None,
    *,
    m1age: float = 1e-4,
    m2age: float = 2,
    m3age: float = 9,
    m4age: float = 13,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return the monotone cubic in log10 age through four rates; each rate defaults to the one before it.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3, m4 : float
        Rates at the nodes, Msol/yr.
    m1age, m2age, m3age, m4age : float
        Ages of the nodes, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m3 = m2 if m3 is None else m3
    m4 = m3 if m4 is None else m4
    age = clipped_ages(age)
    return cut(_spline(age, (m1age, m2age, m3age, m4age), (m1, m2, m3, m4), log=True), age, magemax)


@checked
def p6(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    m4: float | None = None,
    m5: float | None = None,
    m6: float | None = None,
    *,
    m1age: float = 1e-4,
    m2age: float = 0.1,
    m3age: float = 1,
    m4age: float = 5,
    m5age: float = 9,
    m6age: float = 13,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return the monotone cubic in log10 age through six rates; each rate defaults to the one before it.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3, m4, m5, m6 : float
        Rates at the nodes, Msol/yr.
    m1age, m2age, m3age, m4age, m5age, m6age : float
        Ages of the nodes, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m3 = m2 if m3 is None else m3
    m4 = m3 if m4 is None else m4
    m5 = m4 if m5 is None else m5
    m6 = m5 if m6 is None else m6
    nodes = (m1age, m2age, m3age, m4age, m5age, m6age)
    age = clipped_ages(age)
    return cut(_spline(age, nodes, (m1, m2, m3, m4, m5, m6), log=True), age, magemax)


@checked
def b5(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    m4: float | None = None,
    m5: float | None = None,
    *,
    m1age: float = 0,
    m2age: float = 0.1,
    m3age: float = 1,
    m4age: float = 5,
    m5age: float = 9,
    m6age: float = 13,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return five steps between six edges (Gyr); each rate defaults to the one before it.

    Bins hold their lower edge; the last holds its upper edge too. Zero outside.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3, m4, m5 : float
        Rates of the steps, Msol/yr.
    m1age, m2age, m3age, m4age, m5age, m6age : float
        Edges, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m3 = m2 if m3 is None else m3
    m4 = m3 if m4 is None else m4
    m5 = m4 if m5 is None else m5
    edges = np.array([m1age, m2age, m3age, m4age, m5age, m6age], dtype=float) * GYR_YR
    age = clipped_ages(age)
    sfr = np.zeros(age.shape)
    for k, rate in enumerate((m1, m2, m3, m4, m5)):
        below = age <= edges[k + 1] if k == 4 else age < edges[k + 1]
        sfr = np.where((age >= edges[k]) & below, float(rate), sfr)
    return cut(sfr, age, magemax)
