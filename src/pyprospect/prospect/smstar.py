"""Stellar masses formed and remaining, in total and in five windows of age: ProSpect's ``SMstarfunc``."""

import inspect
import os
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.arguments import checked
from pyprospect.histories.in_library_bins import History, as_library, form_stars
from pyprospect.prospect.starlight import Recipe
from pyprospect.stars.library import EVOLUTION_COLUMNS, SSPLibrary

__all__ = ["SMstar", "smstar_func", "surviving_mass"]

_WINDOWS_YR = {
    "burstage": (0.0, 1e8),
    "youngage": (1e8, 1e9),
    "midage": (1e9, 5e9),
    "oldage": (5e9, 9e9),
    "ancientage": (9e9, 1.3e10),
}


# What sfh_func knows beside these, so that one set of arguments serves both functions, as in R.
_LIGHT_ONLY = {
    *(field.name for field in fields(Recipe)),
    *("filters", "outtype", "sparse", "LumDist_Mpc", "SMstar", "outside"),
}


class SMstar(NamedTuple):
    """Masses in Msol: formed (``form``) and still in stars and remnants (``star``), per window and in total."""

    BurstSMform: float
    YoungSMform: float
    MidSMform: float
    OldSMform: float
    AncientSMform: float
    BurstSMstar: float
    YoungSMstar: float
    MidSMstar: float
    OldSMstar: float
    AncientSMstar: float
    TotSMform: float
    TotSMstar: float


def surviving_mass(
    library: SSPLibrary,
    history: History,
    *,
    windows_yr: dict[str, tuple[float, float]] | None = None,
    compat: bool = False,
) -> SMstar:
    """Return the masses of a history that is formed already; see `smstar_func`.

    Parameters
    ----------
    library : SSPLibrary
        With its evolution table.
    history : History
        What formed.
    windows_yr : dict, optional
        Windows of look-back age, yr, by name.
    compat : bool
        Fill windows without bins as ProSpect does.

    Returns
    -------
    SMstar
        Msol.
    """
    fraction = library.evolution[:, :, EVOLUTION_COLUMNS.index("SMstar")].T  # (n_age, n_z)
    if np.isnan(fraction).all():
        raise ValueError(
            f"the library {library.name!r} does not say how much mass remains in stars (evolution is NaN)"
        )
    formed = history.mass_msun
    # A weight of zero needs no known fraction.
    star = formed * np.sum(np.where(history.weights > 0, history.weights * fraction, 0.0), axis=1)
    forms: list[float] = []
    stars: list[float] = []
    for name in _WINDOWS_YR:
        lower, upper = (windows_yr or {}).get(name, _WINDOWS_YR[name])
        if not 0 <= lower < upper:
            raise ValueError(f"{name}=({lower:g}, {upper:g}): a window needs ages in yr that ascend")
        inside = (library.age_yr > lower) & (library.age_yr < upper)
        if compat and not inside.any():  # R counts from the first age above down to the last below: both
            above = int(np.searchsorted(library.age_yr, lower, side="right"))
            inside[max(above - 1, 0) : above + 1] = True
        width = library.age_weights_yr[inside].sum()
        scale = (upper - lower) / width if width > 0 else np.nan
        forms.append(float(formed[inside].sum() * scale))
        stars.append(float(star[inside].sum() * scale))
    return SMstar._make([*forms, *stars, float(np.nansum(formed)), float(np.nansum(star))])


@lru_cache(maxsize=1)
def _own_names() -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(smstar_func).parameters if name != "extra")


@checked(result=False, z=None, Z=None, burstage=None)
def smstar_func(
    massfunc: str | Callable[..., Any] = "b5",
    forcemass: float | bool | None = False,
    agescale: float = 1,
    *,
    burstage: tuple[float, float] = _WINDOWS_YR["burstage"],
    youngage: tuple[float, float] = _WINDOWS_YR["youngage"],
    midage: tuple[float, float] = _WINDOWS_YR["midage"],
    oldage: tuple[float, float] = _WINDOWS_YR["oldage"],
    ancientage: tuple[float, float] = _WINDOWS_YR["ancientage"],
    stellpop: str = "BC03lr",
    speclib: SSPLibrary | str | os.PathLike | None = None,
    Z: float | str | ArrayLike | Callable[..., Any] = 0.02,
    z: float = 0.1,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    ref: str | None = None,
    unimax: float | bool | None = 13.8e9,
    agemax: float | None = None,
    intSFR: bool = False,
    compat: bool = False,
    **extra: Any,
) -> SMstar:
    """Return the stellar masses formed and remaining today.

    Parameters
    ----------
    burstage, youngage, midage, oldage, ancientage : (float, float)
        Windows of look-back age, yr. The bins strictly inside a window stand for all of it: their sum is
        multiplied by its length over the sum of their widths. A window without bins gives NaN (`compat`: the bins
        on either side stand for it).
    massfunc, forcemass, agescale, speclib, Z, z, H0, OmegaM, OmegaL, ref, unimax, agemax, intSFR, compat
        As `pyprospect.sfh_func`; extra keyword arguments reach the histories by name, and those of `sfh_func`
        that concern light are ignored.

    Returns
    -------
    SMstar
        Totals are plain sums over bins.

    Raises
    ------
    ValueError, TypeError
        As `pyprospect.sfh_func`; and a library that does not know the remaining mass.

    Notes
    -----
    ProSpect 1.11.0, ``SMstarfunc``.
    """
    library = as_library(speclib, stellpop)
    history = form_stars(
        library,
        massfunc,
        Z,
        extra={name: value for name, value in extra.items() if name not in _LIGHT_ONLY},
        forcemass=forcemass,
        agescale=agescale,
        intSFR=bool(intSFR),
        z=z,
        H0=H0,
        OmegaM=OmegaM,
        OmegaL=OmegaL,
        ref=ref,
        unimax=unimax,
        agemax=agemax,
        own_names=_own_names(),
        compat=bool(compat),
    )
    windows = (burstage, youngage, midage, oldage, ancientage)
    return surviving_mass(
        library, history, windows_yr=dict(zip(_WINDOWS_YR, windows, strict=True)), compat=bool(compat)
    )
