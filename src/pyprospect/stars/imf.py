"""Stellar initial mass functions, normalised to the mass formed: ProSpect's ``IMF_Chabrier`` and its kin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad

from pyprospect.arguments import checked
from pyprospect.numerics.quadrature import r_integrate

__all__ = ["binlims", "imf_chabrier", "imf_kroupa", "imf_salpeter"]


@checked
def imf_chabrier(
    mass: ArrayLike | Mapping[str, ArrayLike],
    alpha: float = 2.3,
    a: float = 0.08,
    b: float = 0.69,
    *,
    masslow: float = 0.01,
    massmax: float = 150.0,
    massform: float = 1.0,
    massmult: bool = False,
    compat: bool = False,
) -> NDArray[np.float64]:
    """Return the Chabrier (2003) IMF: log-normal below 1 Msol, power law above.

    Parameters
    ----------
    mass : array_like, or mapping with 'lo' and 'hi'
        Stellar masses [Msol], or bins to integrate over.
    alpha : float
        Slope above 1 Msol.
    a, b : float
        Centre [Msol] and width [dex] of the log-normal: 0.08, 0.69 for single stars, 0.22, 0.57 for systems.
    masslow, massmax : float
        Range of masses that form [Msol].
    massform : float
        Mass formed [Msol].
    massmult : bool
        Mass per mass interval instead of number per mass interval.
    compat : bool
        Integrate as R does, at its default tolerance, instead of to 1e-12.

    Returns
    -------
    ndarray
        Stars (or Msol) per Msol; in bins, stars (or Msol) in each.

    Raises
    ------
    ValueError
        For masses or limits that are not positive or in the wrong order.
    """
    knee = np.exp(-(np.log10(a) ** 2) / (2.0 * b**2)) / np.log(10.0)

    def shape(m: NDArray) -> NDArray:
        lognormal = np.exp(-((np.log10(m) - np.log10(a)) ** 2) / (2.0 * b**2)) / (np.log(10.0) * m)
        return np.where(m < 1.0, lognormal, knee * m**-alpha)

    return _evaluate(mass, shape, (1.0,), masslow, massmax, massform, massmult, compat)


@checked
def imf_kroupa(
    mass: ArrayLike | Mapping[str, ArrayLike],
    alpha1: float = 0.3,
    alpha2: float = 1.3,
    alpha3: float = 2.3,
    *,
    masslow: float = 0.01,
    mass1: float = 0.08,
    mass2: float = 0.5,
    massmax: float = 150.0,
    massform: float = 1.0,
    massmult: bool = False,
    compat: bool = False,
) -> NDArray[np.float64]:
    """Return the Kroupa (2001) IMF: slopes `alpha1` to `alpha3` with breaks at `mass1` and `mass2` [Msol].

    Other arguments, result and errors as in `imf_chabrier`.

    Parameters
    ----------
    alpha1, alpha2, alpha3 : float
        Slopes below `mass1`, between, and above `mass2`.
    masslow, mass1, mass2, massmax : float
        Ends and breaks, Msol.
    mass, massform, massmult, compat
        As `imf_chabrier`.

    Returns
    -------
    ndarray
        As `imf_chabrier`.
    """
    k2 = mass1 ** (alpha2 - alpha1)
    k3 = k2 * mass2 ** (alpha3 - alpha2)

    def shape(m: NDArray) -> NDArray:
        return np.where(m < mass1, m**-alpha1, np.where(m < mass2, k2 * m**-alpha2, k3 * m**-alpha3))

    return _evaluate(mass, shape, (mass1, mass2), masslow, massmax, massform, massmult, compat)


@checked
def imf_salpeter(
    mass: ArrayLike | Mapping[str, ArrayLike],
    alpha: float = 2.35,
    *,
    masslow: float = 0.1,
    massmax: float = 150.0,
    massform: float = 1.0,
    massmult: bool = False,
    compat: bool = False,
) -> NDArray[np.float64]:
    """Return the Salpeter (1955) IMF, one power law.

    Parameters
    ----------
    alpha : float
        Slope.
    mass, masslow, massmax, massform, massmult, compat
        As `imf_chabrier`.

    Returns
    -------
    ndarray
        As `imf_chabrier`.
    """
    return _evaluate(mass, lambda m: m**-alpha, (), masslow, massmax, massform, massmult, compat)


def _evaluate(
    mass: Any,
    shape: Callable[[NDArray], NDArray],
    breaks: tuple[float, ...],
    masslow: float,
    massmax: float,
    massform: float,
    massmult: bool,
    compat: bool,
) -> NDArray[np.float64]:
    if not 0 < masslow < massmax:
        raise ValueError(f"masslow={masslow} and massmax={massmax} Msol must be positive and ascending")

    def limited(m: NDArray, times_mass: bool) -> NDArray:
        inside = (m >= masslow) & (m <= massmax)
        return np.where(inside, shape(m) * (m if times_mass else 1.0), 0.0)

    def integral(low: float, high: float, times_mass: bool) -> float:
        def integrand(m: NDArray) -> NDArray:
            return limited(np.asarray(m), times_mass)

        if compat:
            return r_integrate(integrand, low, high, what="the IMF")
        edges = sorted({low, high, *(e for e in (masslow, *breaks, massmax) if low < e < high)})
        return sum(quad(integrand, p, q, epsabs=0.0, epsrel=1e-12, limit=200)[0] for p, q in pairwise(edges))

    norm = integral(masslow, massmax, True)
    if isinstance(mass, Mapping):
        if "lo" not in mass or "hi" not in mass:
            raise ValueError(f"bins need 'lo' and 'hi', got {sorted(mass)}")
        low, high = np.atleast_1d(mass["lo"]).astype(float), np.atleast_1d(mass["hi"]).astype(float)
        if low.shape != high.shape or np.any(low > high) or np.any(low <= 0):
            raise ValueError(f"bins lo={low}, hi={high} must be equally many, positive and lo <= hi")
        values = np.array([integral(p, q, massmult) for p, q in zip(low, high, strict=True)])
        return massform * values / norm
    m = np.asarray(mass, dtype=float)
    if not np.all(m > 0):
        raise ValueError(f"stellar masses must be positive; smallest is {m.min()} Msol")
    return massform * limited(m, massmult) / norm


@checked
def binlims(centres: ArrayLike, *, log: bool = False) -> dict[str, NDArray[np.float64]]:
    """Return the limits of bins about masses, for the functions above (ProSpect's ``binlims``).

    Parameters
    ----------
    centres : array_like, shape (n,)
        Ascending, at least two.
    log : bool
        Middles and outer limits in the logarithm.

    Returns
    -------
    dict
        ``lo`` and ``hi``, (n,) each: halves between neighbours, and as far beyond the ends.

    Raises
    ------
    ValueError
        If they do not ascend, are fewer than two, or not positive with `log`.
    """
    at = np.asarray(centres, dtype=float)
    if at.ndim != 1 or at.size < 2 or np.any(np.diff(at) <= 0) or (log and not at[0] > 0):
        raise ValueError(f"binlims({centres!r}): give at least two ascending masses, positive with log=True")
    at = np.log10(at) if log else at
    step = np.diff(at) / 2
    edges = np.concatenate([[at[0] - step[0]], at[:-1] + step, [at[-1] + step[-1]]])
    edges = 10.0**edges if log else edges
    return {"lo": edges[:-1], "hi": edges[1:]}
