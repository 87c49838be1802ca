"""Masses and metallicities of the bins of an SSP library, from a star-formation and a metallicity history."""

import difflib
import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.histories import massfunc as massfuncs
from pyprospect.histories import zfunc as zfuncs
from pyprospect.line_of_sight import cosmology
from pyprospect.messages import ClampWarning, warn_once
from pyprospect.numerics.interpolation import InterpParam, interp_param
from pyprospect.stars.library import SSPLibrary

__all__ = ["History", "as_library", "form_stars", "split_arguments"]

_SUBCELLS = 1000
_RATE = re.compile("mSFR|mburst|m[1-6]")


@dataclass(frozen=True, eq=False)
class History:
    """What formed in each age bin of a library.

    Attributes
    ----------
    age_yr : (n_age,) ndarray
        Look-back ages, yr.
    mass_msun : (n_age,) ndarray
        Mass formed per bin, Msol; zero beyond `agemax_yr`.
    z : (n_age,) ndarray
        Metal mass fraction per bin, not clamped to the library.
    weights : (n_age, n_z) ndarray
        Weights of the library's metallicities, each row sums to 1.
    interp : InterpParam or None
        Where `z` lies between the library's metallicities (None for a metallicity given by index).
    agemax_yr : float or None
        Age limit; whole bins beyond it are empty.
    kept : (n_age,) bool ndarray
        Bins up to `agemax_yr`.
    forcescale : float
        Factor that `forcemass` brought.
    formed_msun : callable
        ``formed_msun(lower_yr, upper_yr)``: integral of the history times `forcescale`, without age limit.
    """

    age_yr: np.ndarray
    mass_msun: np.ndarray
    z: np.ndarray
    weights: np.ndarray
    interp: InterpParam | None
    agemax_yr: float | None
    kept: np.ndarray
    forcescale: float
    formed_msun: Callable[[float, float], float]

    @property
    def total_msun(self) -> float:
        """Mass formed, Msol."""
        return float(self.mass_msun.sum())


def as_library(speclib: SSPLibrary | str | os.PathLike | None, stellpop: str = "BC03lr") -> SSPLibrary:
    """Return the library itself, or the one read from a path (and kept).

    Parameters
    ----------
    speclib : SSPLibrary, path or None
        The library, or where it lies.
    stellpop : str
        R's name of a library, for the message when there is none.

    Returns
    -------
    SSPLibrary

    Raises
    ------
    ValueError
        If there is no library.
    """
    if speclib is None:
        raise ValueError(
            f"no SSP library: give speclib=SSPLibrary.read(...), or a path to one (stellpop={stellpop!r} names "
            "a library of the R package, which pyprospect does not carry)"
        )
    if isinstance(speclib, (str, os.PathLike)):
        path = Path(speclib)
        return _read(path, path.stat().st_mtime_ns if path.is_file() else 0)
    if not isinstance(speclib, SSPLibrary):
        raise ValueError(f"speclib of type {type(speclib).__name__}: give an SSPLibrary, or a path to one")
    return speclib


@lru_cache(maxsize=2)
def _read(path: Path, _changed_ns: int) -> SSPLibrary:
    return SSPLibrary.read(path)


def _named(function: Callable[..., Any]) -> tuple[list[str], bool]:
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except ValueError:  # functions written in C do not tell
        return [], False
    names = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _match(name: str, names: list[str]) -> str | None:
    # A name that Python reserves has a trailing underscore; R's spelling is taken too.
    return next((n for n in (name, f"{name}_", name.removesuffix("_")) if n in names), None)


def split_arguments(
    massfunc: Callable[..., Any],
    zfunc: Callable[..., Any] | None,
    extra: Mapping[str, Any],
    *,
    own_names: tuple[str, ...] = (),
    compat: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split extra keyword arguments between the history functions that have a parameter of their name.

    Parameters
    ----------
    massfunc, zfunc : callable
        Star-formation history and metallicity history (None: a constant).
    extra : mapping
        Arguments by name.
    own_names : tuple of str
        Names of the caller's parameters, for the hint at a misspelt one.
    compat : bool
        Ignore, as R does, an argument that belongs to a history other than the two.

    Returns
    -------
    mass_arguments, z_arguments : dict

    Raises
    ------
    TypeError
        An argument that neither function has, with the nearest name.
    """
    mass_names, mass_takes_all = _named(massfunc)
    z_names = [] if zfunc is None else [n for n in _named(zfunc)[0] if n != "massfunc"]
    mass_arguments, z_arguments = {}, {}
    for name, value in extra.items():
        in_mass, in_z = _match(name, mass_names), _match(name, z_names)
        if in_mass:
            mass_arguments[in_mass] = value
        elif mass_takes_all and not in_z:
            mass_arguments[name] = value
        if in_z:
            z_arguments[in_z] = value
        if in_mass or in_z or mass_takes_all or (compat and _match(name, _all_names())):
            continue
        known = [*mass_names, *z_names, *own_names]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        near = near or difflib.get_close_matches(name, _all_names(), n=1)
        elsewhere = "" if near == [] or near[0] in known else " (which belongs to another history)"
        hint = f"; did you mean {near[0]!r}{elsewhere}?" if near and near[0] != name else ""
        if _match(name, _all_names()):
            hint = "; it belongs to another history"
        histories = [massfunc] if zfunc is None else [massfunc, zfunc]
        label = " and ".join(getattr(h, "__name__", "the history given") for h in histories)
        raise TypeError(f"unknown argument {name!r} with {label}{hint}")
    return mass_arguments, z_arguments


@lru_cache(maxsize=1)
def _all_names() -> list[str]:
    functions = [*massfuncs.FUNCTIONS.values(), *zfuncs.FUNCTIONS.values()]
    return sorted({name for function in functions for name in _named(function)[0]} - {"massfunc"})


def _metallicity(
    zfunc: Callable[..., Any],
    age_yr: np.ndarray,
    massfunc: Callable[..., Any],
    mass_arguments: Mapping[str, Any],
    z_arguments: Mapping[str, Any],
) -> np.ndarray:
    names, takes_all = _named(zfunc)
    arguments = dict(z_arguments)
    if "massfunc" in names:
        arguments["massfunc"] = massfunc
        shared = mass_arguments if takes_all else {k: v for k, v in mass_arguments.items() if k in names}
        arguments |= {name: value for name, value in shared.items() if name not in arguments}
    z = np.asarray(zfunc(age_yr, **arguments), dtype=float)
    return np.broadcast_to(z, age_yr.shape).copy() if z.ndim == 0 else z


def _constant_metallicity(Z: object, library: SSPLibrary, compat: bool) -> tuple[int | None, np.ndarray]:
    if not isinstance(Z, SupportsFloat):
        raise ValueError(f"Z={Z!r}: give a metal mass fraction, a metallicity history or one value an age")
    value = float(Z)
    n_z = library.z.size
    if compat and value % 1 == 0:
        if not 1 <= value <= n_z:
            raise ValueError(
                f"Z={Z!r}: ProSpect takes an integer for the index of a metallicity, from 1 to {n_z} in this library"
            )
        return int(value) - 1, np.full(library.age_yr.size, library.z[int(value) - 1])
    if not 0 < value < 1:
        raise ValueError(
            f"Z={Z!r} must be a metal mass fraction between 0 and 1 (ProSpect takes an integer for a 1-based "
            f"index of the library: say Z=speclib.z[i] instead; there are {np.round(library.z, 6).tolist()})"
        )
    return None, np.full(library.age_yr.size, value)


def _weights(z: np.ndarray, library: SSPLibrary, compat: bool) -> tuple[np.ndarray, InterpParam]:
    bad = ~np.isfinite(z) if compat else ~((z >= 0) & (z < 1))
    if bad.any():
        raise ValueError(
            f"the metallicity is {z[bad][0]} at {library.age_yr[bad][0]:.3g} yr ({bad.sum()} of {z.size} ages are bad); "
            "metal mass fractions lie between 0 and 1, solar is near 0.02"
        )
    found = interp_param(z, library.z, log=True)
    if np.any(found.flag % 2 == 1):
        warn_once(
            f"metallicity of {library.name}",
            f"metallicities of {np.min(z):.3g} to {np.max(z):.3g} reach outside the library {library.name!r} "
            f"({library.z[0]:.3g} to {library.z[-1]:.3g}); its end value is used there, as ProSpect does",
            ClampWarning,
        )
    weights = np.zeros((z.size, library.z.size))
    rows = np.arange(z.size)
    weights[rows, found.id_hi] = found.wt_hi
    weights[rows, found.id_lo] = found.wt_lo
    return weights, found


def _masses(
    library: SSPLibrary,
    age_yr: np.ndarray,
    massfunc: Callable[..., Any],
    arguments: Mapping[str, Any],
    *,
    agescale: float,
    intSFR: bool,
    compat: bool,
) -> np.ndarray:
    if not intSFR:
        sfr = np.asarray(massfunc(age_yr, **arguments), dtype=float)
        if sfr.ndim and sfr.shape != age_yr.shape:
            raise ValueError(
                f"the star-formation history gives {sfr.shape} rates for {age_yr.shape} ages; give one an age"
            )
        return sfr * library.age_weights_yr
    edges = library.age_edges_yr * agescale
    mass = np.zeros(age_yr.size)
    for k, (lower, upper) in enumerate(pairwise(edges)):
        try:
            mass[k] = massfuncs.integrate(massfunc, lower, upper, **arguments)
        except ValueError:
            if not compat:  # where R counts a bin that it cannot integrate as empty
                raise
    if mass.sum() == 0:
        # A burst can slip between the nodes of the adaptive integral; many small cells find it.
        inside = (np.arange(_SUBCELLS) + 0.5) / _SUBCELLS
        points = edges[:-1, None] + np.diff(edges)[:, None] * inside
        mass = np.diff(edges) * np.asarray(massfunc(points, **arguments)).mean(axis=1)
    return mass


def age_limit(
    agemax: float | None,
    unimax: float | bool | None,
    z: float,
    *,
    H0: float,
    OmegaM: float,
    OmegaL: float | None,
    ref: str | None,
) -> float | None:
    """Return the age limit in yr: `agemax`, or `unimax` less the light travel time from `z`, or None.

    Parameters
    ----------
    agemax : float, optional
        Age limit, yr.
    unimax : float or False, optional
        Age of the universe today, yr; counts without `agemax`.
    z : float
        Redshift.
    H0, OmegaM, OmegaL, ref
        See `pyprospect.line_of_sight.cosmology.cosmology`.

    Returns
    -------
    float or None
        Age limit, yr; None without one.
    """
    if agemax is not None:
        return _in_yr("agemax", agemax)
    if unimax is None or unimax is False or unimax == 0:
        return None
    if unimax is True:
        raise ValueError("unimax must be an age in yr, or False for no limit")
    unimax = _in_yr("unimax", unimax)
    if not z > -1:
        raise ValueError(
            f"z={z}: there is no light travel time that could set the age limit; give agemax, or unimax=False"
        )
    return float(unimax) - float(cosmology.travel_time_yr(z, H0=H0, OmegaM=OmegaM, OmegaL=OmegaL, ref=ref))


def _in_yr(name: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"{name}={value} must be an age >= 0 in yr")
    if 0 < value < 1e5:
        warn_once(
            name,
            f"{name}={value} is in yr and leaves hardly any star; an age in Gyr must be multiplied by 1e9",
        )
    return float(value)


def _forced(forcemass: float | bool | None, mass: np.ndarray) -> tuple[np.ndarray, float]:
    if forcemass is None or forcemass is False or forcemass == 0:
        return mass, 1.0
    total = mass.sum()
    if forcemass is True or not forcemass > 0 or not np.isfinite(forcemass):
        raise ValueError(f"forcemass={forcemass!r} must be a mass in Msol, or False")
    if not total > 0:
        raise ValueError(
            f"forcemass={forcemass:g} Msol: the history forms no stars that could be scaled to it"
        )
    scale = float(forcemass) / total
    return mass * scale, scale


def form_stars(
    library: SSPLibrary,
    massfunc: str | Callable[..., Any] = "b5",
    Z: float | str | ArrayLike | Callable[..., Any] = 0.02,
    *,
    extra: Mapping[str, Any] | None = None,
    forcemass: float | bool | None = False,
    agescale: float = 1,
    intSFR: bool = False,
    z: float = 0.1,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    ref: str | None = None,
    unimax: float | bool | None = 13.8e9,
    agemax: float | None = None,
    own_names: tuple[str, ...] = (),
    compat: bool = False,
) -> History:
    """Return mass and metallicity of every age bin.

    Parameters
    ----------
    library : SSPLibrary
        Its age bins are filled.
    massfunc, Z
        Star-formation history and metallicity.
    extra : mapping, optional
        Arguments of the two histories by name.
    forcemass, agescale, intSFR, z, H0, OmegaM, OmegaL, ref, unimax, agemax, compat
        As `pyprospect.sfh_func`.
    own_names : tuple of str
        Names of the caller's parameters, for the hint at a misspelt one.

    Returns
    -------
    History
        Vectors (n_age,) in the order of the library.

    Raises
    ------
    ValueError
        Negative or NaN rates, a metallicity that is none, or a mass that cannot be forced.
    TypeError
        An argument in `extra` that neither history has.
    """
    function = massfuncs.resolve(massfunc)
    zfunc = zfuncs.resolve(Z) if isinstance(Z, str) or callable(Z) else None
    mass_arguments, z_arguments = split_arguments(
        function, zfunc, extra or {}, own_names=own_names, compat=compat
    )
    negative = {k: v for k, v in mass_arguments.items() if _RATE.fullmatch(k) and np.ndim(v) == 0 and v < 0}
    if negative and not compat:  # ProSpect's functions clip what comes out below 0, and say nothing
        raise ValueError(f"negative SFR: {negative}; rates must be >= 0 Msol/yr")
    if not agescale > 0:
        raise ValueError(f"agescale={agescale} must be > 0")
    age_yr = library.age_yr * agescale
    index = None
    if isinstance(Z, str) or callable(Z):
        z_of_age = _metallicity(zfuncs.resolve(Z), age_yr, function, mass_arguments, z_arguments)
    elif np.ndim(Z) == 0 and not isinstance(Z, bool):
        index, z_of_age = _constant_metallicity(Z, library, compat)
    else:
        z_of_age = np.asarray(Z, dtype=float)
    if z_of_age.shape != age_yr.shape:
        raise ValueError(f"metallicities of shape {z_of_age.shape} for {age_yr.size} ages; give one an age")
    if index is None:
        weights, interp = _weights(z_of_age, library, compat)
    else:
        weights, interp = np.zeros((age_yr.size, library.z.size)), None
        weights[:, index] = 1.0

    mass = _masses(library, age_yr, function, mass_arguments, agescale=agescale, intSFR=intSFR, compat=compat)
    limit = age_limit(agemax, unimax, z, H0=H0, OmegaM=OmegaM, OmegaL=OmegaL, ref=ref)
    kept = np.ones(age_yr.size, bool) if limit is None else library.age_yr <= limit
    mass = np.where(kept, mass, 0.0)
    if not np.isfinite(mass).all():
        raise ValueError(
            f"the star-formation history is NaN or infinite at {np.sum(~np.isfinite(mass))} of {mass.size} ages; check "
            f"its parameters {mass_arguments}"
        )
    if (mass < 0).any():
        worst = int(np.argmin(mass))
        raise ValueError(
            f"negative SFR: the history forms {mass[worst]:.3g} Msol at {age_yr[worst]:.3g} yr; rates must be >= 0"
        )
    mass, forcescale = _forced(forcemass, mass)

    def formed_msun(lower_yr: float, upper_yr: float) -> float:
        return massfuncs.integrate(function, lower_yr, upper_yr, **mass_arguments) * forcescale

    return History(
        age_yr,
        mass,
        z_of_age,
        weights,
        interp,
        limit,
        kept,
        forcescale,
        formed_msun,
    )
