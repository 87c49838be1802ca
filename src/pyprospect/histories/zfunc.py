"""Metallicity histories: metal mass fraction Z of the stars that formed at a look-back age in yr.

The functions have ProSpect's names without the prefix ``Zfunc_`` and its argument names and defaults; the
argument ``yield`` is spelt ``yield_``. Source: ProSpect 1.11.0 (Robotham et al. 2020, MNRAS 495, 905,
Section 3.3).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.arguments import checked
from pyprospect.constants import GYR_YR
from pyprospect.histories import massfunc as massfuncs
from pyprospect.histories.ages import check_ages
from pyprospect.histories.by_name import by_name

__all__ = ["FUNCTIONS", "custom", "massmap_box", "massmap_lin", "p2", "resolve"]

ZFunction = Callable[..., np.ndarray]

_Z_FLOOR = 1e-4
_CELL_YR = 1e8


@checked
def p2(
    age: ArrayLike,
    Z1: float = 0.02,
    Z2: float | None = None,
    *,
    Z1age: float = 0,
    Z2age: float | None = None,
    Zagemax: float = 13.8,
) -> np.ndarray:
    """Return a line in age from `Z1` at `Z1age` to `Z2` (default `Z1`) at `Z2age` (default `Zagemax`).

    Constant outside the nodes, never below 1e-4, and 1e-4 before `Zagemax`.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    Z1, Z2 : float
        Metal mass fractions.
    Z1age, Z2age, Zagemax : float
        Ages, Gyr.

    Returns
    -------
    ndarray
        Metal mass fraction, of the shape of `age`.

    Raises
    ------
    ValueError
        NaN among the ages (as all functions of this module).
    """
    Z2 = Z1 if Z2 is None else Z2
    Z2age = Zagemax if Z2age is None else Z2age
    age = check_ages(age)
    first, last = Z1age * GYR_YR, Z2age * GYR_YR
    with np.errstate(divide="ignore", invalid="ignore"):
        z = Z1 + ((Z2 - Z1) / (np.float64(last) - first)) * (age - first)
    z = np.where(age < first, Z1, np.where(age > last, Z2, z))
    return np.where((age > Zagemax * GYR_YR) | ~(z >= _Z_FLOOR), _Z_FLOOR, z)


def _formed_after(
    age: np.ndarray,
    Zagemax: float,
    massfunc: str | massfuncs.MassFunction | None,
    parameters: dict[str, Any],
    fraction: float,
) -> np.ndarray | None:
    # Fraction of all stars that have formed when the stars of this age form, times `fraction`. Returns None
    # for a history without stars. The sum includes the current cell, as ProSpect's does.
    if massfunc is None:
        raise ValueError("massmap needs the star-formation history: massfunc='snorm_burst', or a callable")
    function = massfuncs.resolve(massfunc)
    oldest = Zagemax * GYR_YR
    total = massfuncs.integrate(function, 0.0, oldest, **parameters)
    if not total > 0:
        return None
    cells = np.arange(int((oldest + _CELL_YR) / _CELL_YR + 1e-10) + 1) * _CELL_YR
    formed = np.cumsum(function(cells, **parameters) * _CELL_YR) / total
    return np.interp(age, cells, np.clip((1.0 - formed) * fraction, 0.0, 1.0), right=np.nan)


def _start_age(Zagemax: float | None, parameters: dict[str, Any]) -> float:
    if Zagemax is not None:
        return Zagemax
    oldest = parameters.get("magemax")
    return 13.8 if oldest is None else oldest


def _floor(z: np.ndarray, age: np.ndarray, Zstart: float, Zagemax: float) -> np.ndarray:
    return np.where((age > Zagemax * GYR_YR) | ~(z >= Zstart), Zstart, z)


@checked
def massmap_lin(
    age: ArrayLike,
    Zstart: float = 1e-4,
    Zfinal: float = 0.02,
    *,
    Zagemax: float | None = None,
    massfunc: str | massfuncs.MassFunction | None = None,
    **parameters: Any,
) -> np.ndarray:
    """Return the metallicity that rises in step with the stellar mass formed, from `Zstart` to `Zfinal`.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    Zstart, Zfinal : float
        Metal mass fractions at the start and after the last star; `Zfinal` below `Zstart` gives `Zstart`.
    Zagemax : float, optional
        Age at which star formation starts, Gyr; default the `magemax` of the history, or 13.8.
    massfunc : str or callable
        Star-formation history, see `pyprospect.histories.massfunc`.
    **parameters
        Arguments of the history.

    Returns
    -------
    ndarray
        Metal mass fraction, of the shape of `age`; `Zfinal` everywhere for a history without stars.

    Raises
    ------
    ValueError
        No `massfunc`, NaN among the ages, or a history that cannot be integrated.

    Notes
    -----
    The mass formed is summed in cells of 0.1 Gyr that include the current one, so the youngest stars lie
    slightly below `Zfinal`.
    """
    Zagemax = _start_age(Zagemax, parameters)
    age = check_ages(age)
    formed = _formed_after(age, Zagemax, massfunc, parameters, 1.0)
    if formed is None:
        return np.full(age.shape, float(Zfinal))
    return _floor(Zstart + formed * (Zfinal - Zstart), age, Zstart, Zagemax)


@checked
def massmap_box(
    age: ArrayLike,
    Zstart: float = 1e-4,
    Zfinal: float = 0.02,
    *,
    yield_: float = 0.03,
    Zagemax: float | None = None,
    massfunc: str | massfuncs.MassFunction | None = None,
    **parameters: Any,
) -> np.ndarray:
    """Return the closed-box enrichment with the given yield: Z = Zstart - yield ln(1-F).

    F is the fraction of the gas turned into stars, which ends at 1-exp(-(Zfinal-Zstart)/yield). Arguments,
    result and errors are those of `massmap_lin`; `yield_` may also be given as ``**{"yield": 0.03}``.

    Parameters
    ----------
    age, Zstart, Zfinal, Zagemax, massfunc, **parameters
        As `massmap_lin`.
    yield_ : float
        Mass of metals made per mass of stars.

    Returns
    -------
    ndarray
        Metal mass fraction, of the shape of `age`.
    """
    yield_ = parameters.pop("yield", yield_)
    if not yield_ > 0:
        raise ValueError(f"yield_={yield_} must be > 0, such as 0.03")
    Zagemax = _start_age(Zagemax, parameters)
    age = check_ages(age)
    formed = _formed_after(age, Zagemax, massfunc, parameters, 1.0 - np.exp(-(Zfinal - Zstart) / yield_))
    if formed is None:
        return np.full(age.shape, float(Zfinal))
    with np.errstate(divide="ignore"):
        z = -yield_ * np.log(1.0 - formed) + Zstart
    return _floor(z, age, Zstart, Zagemax)


@checked
def custom(age: ArrayLike, Zage_yr: ArrayLike = (), Zhist: ArrayLike = ()) -> np.ndarray:
    """Return the tabulated metallicity history: straight lines between the ages, constant beyond them.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    Zage_yr : (n,) array_like
        Ages of the table, yr, ascending.
    Zhist : (n,) array_like
        Metal mass fractions.

    Returns
    -------
    ndarray
        Metal mass fraction, of the shape of `age`.

    Raises
    ------
    ValueError
        Shapes that differ, NaN, ages that do not ascend, metal mass fractions outside (0, 1).
    """
    nodes = np.asarray(Zage_yr, dtype=float)
    values = np.asarray(Zhist, dtype=float)
    if nodes.ndim != 1 or nodes.shape != values.shape or nodes.size < 1:
        raise ValueError(
            f"custom metallicity: {nodes.shape} ages and {values.shape} values; need equal vectors"
        )
    if np.isnan(nodes).any() or not np.all(np.diff(nodes) > 0):
        raise ValueError("custom metallicity: the ages must ascend strictly, without NaN, youngest first")
    if not np.all((values > 0) & (values < 1)):
        raise ValueError(f"custom metallicity: metal mass fractions lie in (0, 1), got {values.tolist()}")
    return np.interp(check_ages(age), nodes, values)


FUNCTIONS: dict[str, ZFunction] = {
    function.__name__: function for function in (p2, massmap_lin, massmap_box, custom)
}
"""Every metallicity history by its name."""


def resolve(zfunc: str | ZFunction) -> ZFunction:
    """Return the function of a name (with or without ProSpect's prefix ``Zfunc_``), or the callable itself.

    Raises
    ------
    ValueError
        A name that no function has.
    """
    return by_name(zfunc, FUNCTIONS, prefix="Zfunc_", what="metallicity history")
