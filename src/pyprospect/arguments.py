"""The one validation of arguments at the public boundary: what comes in is finite and possible, and so is what comes out.

A parameter means the same wherever it stands, so its range is told once, in `RANGES`, by its name.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

import numpy as np

__all__ = ["RANGES", "check_argument", "check_counts", "checked"]

P = ParamSpec("P")
R = TypeVar("R")

_MOST = sys.float_info.max
_LEAST = sys.float_info.min
_FINITE = (-_MOST, _MOST)
_POSITIVE = (_LEAST, _MOST)
_NOT_NEGATIVE = (0.0, _MOST)
_FRACTION = (0.0, 1.0)
# Gyr and yr: far beyond the Universe, short of what overflows.
_GYR, _YR = (-1e4, 1e4), (0.0, 1e14)
_RATE = (-1e15, 1e15)  # Msol/yr
_SLOPE = (-20.0, 20.0)
_TAU = (0.0, 1e4)
_KELVIN = (0.1, 1e9)
# Angstrom: from gamma rays to the longest radio waves.
_WAVE = (1e-6, 1e20)

RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("wave", "wave_aa", "wave_obs", "wave1", "wave2", "wave_star", "wave_dust", "wavesamp"), _WAVE
    ),
    **dict.fromkeys(("wave_observed_aa", "pivot", "L0", "LFWHM", "pivwave", "limit_aa", "Ly_limit"), _WAVE),
    **dict.fromkeys(("mburst", "mSFR", "m1", "m2", "m3", "m4", "m5", "m6"), _RATE),
    **dict.fromkeys(
        ("m1age", "m2age", "m3age", "m4age", "m5age", "m6age", "mburstage", "magemax", "mpeak"), _GYR
    ),
    **dict.fromkeys(("mpivot", "mtau", "Z1age", "Z2age", "Zagemax", "start_gyr"), _GYR),
    **dict.fromkeys(("age_yr", "Zage_yr", "burstage", "unimax", "agemax"), _YR),
    "age": (-1e14, 1e14),
    "mperiod": (1e-9, 1e4),
    "mtrunc": (1e-9, 1e9),
    "mskew": (-100.0, 100.0),
    **dict.fromkeys(("Z", "Z1", "Z2", "Zstart", "Zfinal", "Zhist"), _FRACTION),
    "Zgas": (_LEAST, 1.0),
    "yield_": (1e-9, 1.0),
    **dict.fromkeys(("tau", "tau_birth", "tau_screen", "tau_AGN"), _TAU),
    **dict.fromkeys(("pow", "pow_birth", "pow_screen", "pow_AGN", "ff_power", "sy_power", "beta"), _SLOPE),
    **dict.fromkeys(("ff_power_SF", "sy_power_SF", "ff_power_AGN", "sy_power_AGN"), _SLOPE),
    **dict.fromkeys(("alpha", "alpha1", "alpha2", "alpha3"), _SLOPE),
    "Eb": (0.0, 1e3),
    **dict.fromkeys(("alpha_SF", "alpha_SF_birth", "alpha_SF_screen", "alpha_SF_AGN"), (-1e3, 1e3)),
    **dict.fromkeys(
        ("AGNfrac", "ff_frac", "ff_frac_SF", "ff_frac_AGN", "escape_frac", "absorb", "IGMabsorb"), _FRACTION
    ),
    **dict.fromkeys(("Temp", "Te", "Te_SF", "Te_AGN", "te_k"), _KELVIN),
    **dict.fromkeys(("k850", "lumscale", "freq", "agescale", "massform", "density_cm3"), _POSITIVE),
    **dict.fromkeys(("mass", "masslow", "massmax", "mass1", "mass2"), (1e-9, 1e9)),
    **dict.fromkeys(("burstmass", "AGNlum", "SFR", "sfr_msun_yr", "photons_s", "helium"), _NOT_NEGATIVE),
    **dict.fromkeys(("z", "z_LSF"), (-0.999, 1e4)),
    **dict.fromkeys(("wavefac", "freqfac"), (1e-30, 1e30)),
    "H0": (1e-3, 1e6),
    **dict.fromkeys(("OmegaM", "OmegaR"), (0.0, 100.0)),
    "OmegaL": (-100.0, 100.0),
    **dict.fromkeys(("lum_dist_mpc", "LumDist_Mpc"), (1e-15, 1e12)),
    "area_deg2": (0.0, 41253.0),
    "DistMod": (-200.0, 200.0),
    **dict.fromkeys(("veldisp", "veldisp_kms"), (0.0, 2e5)),
    "lsf_scale": (1e-3, 1e3),
    "redshift": (-0.999, 1e4),
    "birth_age_yr": (_LEAST, 1e14),
    "compression": _FRACTION,
    # Line profiles are drawn on range / res points: more would fill the memory.
    **dict.fromkeys(("range", "reach_sigma"), (0.1, 100.0)),
    "res": (0.01, 100.0),
    "fwhm_aa": (1e-6, 1e6),
    "extrapolate": _FINITE,
}
"""Least and largest value of a parameter, by its name; others have to be finite."""


@overload
def checked(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def checked(
    *, result: bool = True, **ranges: tuple[float, float] | None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def checked(function: Any = None, /, *, result: bool = True, **ranges: tuple[float, float] | None) -> Any:
    """Make a function refuse arguments that are not finite or impossible, and results that are not finite.

    Parameters
    ----------
    function : callable
        Public function.
    result : bool
        Whether its result has to be finite; False for magnitudes, infinite where there is no light, and for what is
        NaN where nothing is known. With ``compat=True`` nothing is judged: ProSpect's answers are kept as they are.
    **ranges : (float, float) or None
        Ranges of parameters that mean something else here than in `RANGES`; None for one that the function judges itself.

    Returns
    -------
    callable
        It raises ValueError, naming the function, the argument and its value.
    """
    if function is None:
        return functools.partial(checked, result=result, **ranges)
    names = tuple(inspect.signature(function).parameters)
    known: dict[str, tuple[float, float] | None] = {**RANGES, **ranges}
    label = function.__name__

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("compat"):
            return function(*args, **kwargs)
        for name, value in zip(names, args):
            _check(label, name, value, known.get(name, _FINITE))
        for name, value in kwargs.items():
            _check(label, name, value, known.get(name, _FINITE))
        if not result:
            return function(*args, **kwargs)
        # What overflows on the way is judged by the result.
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                found = function(*args, **kwargs)
        except ArithmeticError:
            found = np.nan
        if not _is_finite(found):
            given = ", ".join(
                f"{name}={_short(value)}" for name, value in (*zip(names, args), *kwargs.items())
            )
            raise ValueError(
                f"{label} has no finite result for {given or 'its defaults'}; the values are too extreme together"
            )
        return found

    return call


def check_argument(where: str, name: str, value: Any) -> None:
    """Refuse a value that a parameter of this name cannot have, where it came as a part of another argument.

    Parameters
    ----------
    where, name : str
        What the message begins with; one of `RANGES`, otherwise it has to be finite.
    value : number or array_like

    Raises
    ------
    ValueError
        Names all three and what is allowed.
    """
    _check(where, name, value, RANGES.get(name, _FINITE))


def check_counts(where: str, *, least: int = 1, **counts: int) -> None:
    """Refuse numbers of things that are not whole, or too small.

    Parameters
    ----------
    where : str
        What the message begins with.
    least : int
        Least that makes sense.
    **counts : int
        By name.

    Raises
    ------
    ValueError
        Names the first that is wrong.
    """
    for name, value in counts.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise ValueError(f"{where}: {name}={value!r} must be a whole number of at least {least}")


def _check(label: str, name: str, value: Any, limits: tuple[float, float] | None) -> None:
    kind = type(value)
    if limits is None:
        return
    if kind is float or kind is int:
        low = high = value
    elif value is None or kind is bool or kind is str or callable(value):
        return
    else:
        if kind is not np.ndarray:
            if not isinstance(value, list | tuple | np.generic) and not hasattr(value, "__array__"):
                return
            try:
                value = np.asarray(value)
            except ValueError:
                return  # of several lengths: what it is for says so
        if value.dtype.kind not in "iuf" or not value.size:
            return
        low, high = value.min(), value.max()
    if limits[0] <= low and high <= limits[1]:
        return
    number = "" if np.isfinite(low) and np.isfinite(high) else "a finite number, "
    raise ValueError(f"{label}: {name}={_short(value)} must be {number}{_wanted(limits)}")


def _wanted(limits: tuple[float, float]) -> str:
    least, most = limits
    if limits == _FINITE:
        return "any that is known"
    if least == 0:
        return "between 0 and 1" if most == 1 else f"not negative and at most {most:g}"
    if 0 < least < 1e-5:
        return f"positive and at most {most:g}"
    return f"between {least:g} and {most:g}"


def _is_finite(found: Any) -> bool:
    if isinstance(found, float):
        return bool(np.isfinite(found))
    if isinstance(found, np.ndarray):
        return found.dtype.kind != "f" or bool(np.isfinite(found).all())
    if isinstance(found, tuple):
        return all(_is_finite(part) for part in found)
    return True


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 3:
        bad = value[~np.isfinite(value)] if value.dtype.kind == "f" else value[:0]
        odd = (
            f", {bad.size} not finite"
            if bad.size
            else f" in {value.min():g} .. {value.max():g}"
            if value.dtype.kind in "iuf"
            else ""
        )
        return f"{value.size} values{odd}"
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
