"""Absorption by intergalactic hydrogen on the way to us."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect import tables
from pyprospect.arguments import checked
from pyprospect.constants import LYMAN_ALPHA_AA, LYMAN_LIMIT_AA

__all__ = [
    "flat_igm",
    "inoue14_igm",
    "tau_igm_lcdla",
    "tau_igm_lclaf",
    "tau_igm_lsdla",
    "tau_igm_lslaf",
    "tau_igm_total",
]


@checked
def flat_igm(wave_obs: ArrayLike, z: float, absorb: float) -> NDArray[np.float64]:
    """Return a transmission of ``1 - absorb`` between the Lyman limit and Lyman alpha, and 0 below the limit.

    Parameters
    ----------
    wave_obs : array_like
        Observed wavelength [Angstrom].
    z : float
        Redshift of the source.
    absorb : float
        Absorbed fraction, 0 to 1; 0 means no absorption at all, also below the limit.

    Returns
    -------
    (n,) ndarray
        Transmission, 0 to 1.

    Raises
    ------
    ValueError
        If `absorb` lies outside 0 to 1.
    """
    if not 0.0 <= absorb <= 1.0:
        raise ValueError(f"IGMabsorb={absorb} must lie between 0 and 1, or be 'Inoue14'")
    rest = np.asarray(wave_obs, dtype=float) / (1.0 + z)
    out = np.ones(rest.shape)
    if absorb > 0:
        out[rest < LYMAN_ALPHA_AA] = 1.0 - absorb
        out[rest < LYMAN_LIMIT_AA] = 0.0
    return out


@checked
def inoue14_igm(
    wave_obs: ArrayLike, z: float, *, Inoue14_LAFcoef: Any = None, Inoue14_DLAcoef: Any = None
) -> NDArray[np.float64]:
    """Return the mean transmission of Inoue et al. (2014, MNRAS 442, 1805), ProSpect's ``Inoue14_IGM``.

    Parameters
    ----------
    wave_obs : array_like
        Observed wavelength [Angstrom].
    z : float
        Redshift of the source.
    Inoue14_LAFcoef, Inoue14_DLAcoef : table, optional
        Lyman series coefficients (columns lambda, AJ1, AJ2[, AJ3]); default ProSpect's.

    Returns
    -------
    ndarray
        Transmission, 0 below 911.75 Angstrom observed, where the fits do not hold.
    """
    w = np.asarray(wave_obs, dtype=float)
    tau = tau_igm_total(w, z, Inoue14_LAFcoef=Inoue14_LAFcoef, Inoue14_DLAcoef=Inoue14_DLAcoef)
    return np.where(w < LYMAN_LIMIT_AA, 0.0, np.exp(-tau))


@checked
def tau_igm_total(
    wave_obs: ArrayLike, z: float, *, Inoue14_LAFcoef: Any = None, Inoue14_DLAcoef: Any = None
) -> NDArray[np.float64]:
    """Return the optical depth of Lyman series and continuum, forest and damped systems (their eq. 15).

    Parameters
    ----------
    wave_obs : (n,) array_like
        Observed wavelengths, Angstrom.
    z : float
        Redshift of the source.
    Inoue14_LAFcoef, Inoue14_DLAcoef : optional
        Coefficients of the lines; default ProSpect's tables.

    Returns
    -------
    (n,) ndarray
        Optical depth.
    """
    return (
        tau_igm_lslaf(wave_obs, z, Inoue14_LAFcoef)
        + tau_igm_lsdla(wave_obs, z, Inoue14_DLAcoef)
        + tau_igm_lclaf(wave_obs, z)
        + tau_igm_lcdla(wave_obs, z)
    )


def _series(wave_obs: ArrayLike, z: float, coef: Any, name: str, ends: tuple, powers: tuple) -> NDArray:
    w = np.asarray(wave_obs, dtype=float)
    if coef is None:
        coef = tables.load(name)
    line = np.asarray(coef["lambda"], dtype=float)
    out = np.zeros(w.shape)
    columns = [np.asarray(coef[f"AJ{i + 1}"], dtype=float) for i in range(len(powers))]
    for j, centre in enumerate(line):
        on = (w > centre) & (w < centre * (1.0 + z))
        x = w[on] / centre
        piece = np.searchsorted(ends, x, side="right")
        amplitude = np.array([c[j] for c in columns])[piece]
        out[on] += amplitude * x ** np.asarray(powers)[piece]
    return out


@checked
def tau_igm_lslaf(wave_obs: ArrayLike, z: float, Inoue14_LAFcoef: Any = None) -> NDArray[np.float64]:
    """Return the Lyman series optical depth of the Lyman alpha forest (Inoue et al. 2014, eq. 21).

    Parameters
    ----------
    wave_obs : (n,) array_like
        Observed wavelengths, Angstrom.
    z : float
        Redshift of the source.
    Inoue14_LAFcoef : optional
        Coefficients of the lines; default ProSpect's table.

    Returns
    -------
    (n,) ndarray
        Optical depth.
    """
    return _series(wave_obs, z, Inoue14_LAFcoef, "Inoue14_LAFcoef", (2.2, 5.7), (1.2, 3.7, 5.5))


@checked
def tau_igm_lsdla(wave_obs: ArrayLike, z: float, Inoue14_DLAcoef: Any = None) -> NDArray[np.float64]:
    """Return the Lyman series optical depth of damped systems (Inoue et al. 2014, eq. 22).

    Parameters
    ----------
    wave_obs : (n,) array_like
        Observed wavelengths, Angstrom.
    z : float
        Redshift of the source.
    Inoue14_DLAcoef : optional
        Coefficients of the lines; default ProSpect's table.

    Returns
    -------
    (n,) ndarray
        Optical depth.
    """
    return _series(wave_obs, z, Inoue14_DLAcoef, "Inoue14_DLAcoef", (3.0,), (2.0, 3.0))


@checked
def tau_igm_lclaf(wave_obs: ArrayLike, z: float) -> NDArray[np.float64]:
    """Return the Lyman continuum optical depth of the Lyman alpha forest (Inoue et al. 2014, eqs. 25-27).

    Parameters
    ----------
    wave_obs : (n,) array_like
        Observed wavelengths, Angstrom.
    z : float
        Redshift of the source.

    Returns
    -------
    (n,) ndarray
        Optical depth.
    """
    w = np.asarray(wave_obs, dtype=float)
    s = 1.0 + z
    on = (w > LYMAN_LIMIT_AA) & (w < LYMAN_LIMIT_AA * s)
    x = w[on] / LYMAN_LIMIT_AA
    if z < 1.2:
        tau = 0.325 * (x**1.2 - s**-0.9 * x**2.1)
    elif z < 4.7:
        low = 2.55e-2 * s**1.6 * x**2.1 + 0.325 * x**1.2 - 0.250 * x**2.1
        high = 2.55e-2 * (s**1.6 * x**2.1 - x**3.7)
        tau = np.where(x < 2.2, low, high)
    else:
        low = 5.22e-4 * s**3.4 * x**2.1 + 0.325 * x**1.2 - 3.14e-2 * x**2.1
        mid = 5.22e-4 * s**3.4 * x**2.1 + 0.218 * x**2.1 - 2.55e-2 * x**3.7
        high = 5.22e-4 * (s**3.4 * x**2.1 - x**5.5)
        tau = np.where(x < 2.2, low, np.where(x < 5.7, mid, high))
    out = np.zeros(w.shape)
    out[on] = tau
    return out


@checked
def tau_igm_lcdla(wave_obs: ArrayLike, z: float) -> NDArray[np.float64]:
    """Return the Lyman continuum optical depth of damped systems (Inoue et al. 2014, eqs. 28-29).

    Parameters
    ----------
    wave_obs : (n,) array_like
        Observed wavelengths, Angstrom.
    z : float
        Redshift of the source.

    Returns
    -------
    (n,) ndarray
        Optical depth.
    """
    w = np.asarray(wave_obs, dtype=float)
    s = 1.0 + z
    on = (w > LYMAN_LIMIT_AA) & (w < LYMAN_LIMIT_AA * s)
    x = w[on] / LYMAN_LIMIT_AA
    if z < 2.0:
        tau = 0.211 * s**2 - 7.66e-2 * s**2.3 * x**-0.3 - 0.135 * x**2
    else:
        common = 4.7e-2 * s**3 - 1.78e-2 * s**3.3 * x**-0.3
        low = 0.634 + common - 0.135 * x**2 - 0.291 * x**-0.3
        high = common - 2.92e-2 * x**3
        tau = np.where(x < 3.0, low, high)
    out = np.zeros(w.shape)
    out[on] = tau
    return out
