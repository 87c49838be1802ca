"""Black and grey bodies, and the dust temperature that a Dale template stands for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma, zeta

from pyprospect.arguments import checked
from pyprospect.constants import BOLTZMANN_J_K, C_MPS, LSOL_W, MSOL_KG, PLANCK_J_S
from pyprospect.numerics.interpolation import NaturalSpline
from pyprospect.numerics.quadrature import r_integrate

__all__ = [
    "alpha_sf_to_temp",
    "blackbody",
    "blackbody_norm",
    "greybody",
    "greybody_norm",
    "temp_to_alpha_sf",
]

_HC_K_AA = PLANCK_J_S * C_MPS / BOLTZMANN_J_K * 1e10
_PIVOT_AA = 850e4

# Pairs of Dale et al. (2014) alpha_SF and dust temperature [K] behind ProSpect's alpha_SF2Temp_func.
_ALPHA_SF = (0.0625, 0.625, 1.25, 1.875, 2.5, 3.125, 4.0)
_TEMPERATURE_K = (60.0, 59.0, 55.0, 40.0, 25.0, 20.0, 18.0)


@checked
def greybody(
    wave: ArrayLike, Temp: float = 50.0, beta: float = 1.5, *, k850: float = 0.077
) -> NDArray[np.float64]:
    """Return the modified black body per mass of optically thin dust: 4 pi kappa(l) B_l(T).

    Parameters
    ----------
    wave : array_like
        Wavelength [Angstrom].
    Temp : float
        Temperature [K].
    beta : float
        Emissivity index; kappa = k850 (wave / 850 um)^-beta.
    k850 : float
        Dust mass opacity at 850 um [m^2/kg].

    Returns
    -------
    ndarray
        Lsol/Angstrom per Msol of dust, shape of `wave`.

    Raises
    ------
    ValueError
        If a wavelength or the temperature is not positive.
    """
    w = np.asarray(wave, dtype=float)
    if not np.all(w > 0) or not Temp > 0:
        raise ValueError(f"Temp={Temp} K and all wavelengths must be positive (smallest {w.min()} Angstrom)")
    with np.errstate(over="ignore"):
        planck = 2.0 * PLANCK_J_S * C_MPS**2 / (w / 1e10) ** 5 / np.expm1(_HC_K_AA / (w * Temp))
    return (w / _PIVOT_AA) ** -beta * (4.0 * np.pi * MSOL_KG * k850 / LSOL_W / 1e10) * planck


@checked
def blackbody(wave: ArrayLike, Temp: float = 50.0, k850: float = 0.077) -> NDArray[np.float64]:
    """Return the black body per mass of dust of constant opacity `k850`: `greybody` with beta = 0.

    Parameters
    ----------
    wave, Temp, k850
        As `greybody`.

    Returns
    -------
    ndarray
        As `greybody`.
    """
    return greybody(wave, Temp, 0.0, k850=k850)


def _total(Temp: float, beta: float, compat: bool) -> float:
    """Integral of `greybody` over wavelength [Lsol/Msol]."""
    if compat:
        peak_aa = _HC_K_AA / (4.965 * Temp)
        return r_integrate(
            lambda w: greybody(w, Temp, beta), peak_aa * 1e-3, peak_aa * 1e3, what="the grey body"
        )
    # int l^-(5+b) / (exp(a/l) - 1) dl = a^-(4+b) Gamma(4+b) zeta(4+b)
    a = _HC_K_AA / Temp
    order = 4.0 + beta
    scale = 4.0 * np.pi * MSOL_KG * 0.077 / LSOL_W / 1e10 * 2.0 * PLANCK_J_S * C_MPS**2 * 1e50
    return float(scale * _PIVOT_AA**beta * gamma(order) * zeta(order) / a**order)


@checked
def greybody_norm(
    wave: ArrayLike,
    Temp: ArrayLike = 50.0,
    beta: ArrayLike = 1.5,
    *,
    z: float = 0.0,
    norm: ArrayLike = 1.0,
    compat: bool = False,
) -> NDArray[np.float64]:
    """Return the sum of modified black bodies of given luminosities, redshifted.

    Parameters
    ----------
    wave : array_like, shape (n,)
        Observed wavelength [Angstrom].
    Temp, beta, norm : float or array_like, shape (m,)
        Temperatures [K], emissivity indices and the integral over wavelength of each component
        [any luminosity]; scalars hold for all.
    z : float
        Redshift; the integral over the observed wavelengths is `norm` whatever it is.
    compat : bool
        Normalise with R's quadrature at its default tolerance (up to 1e-4 off) instead of exactly.

    Returns
    -------
    ndarray, shape (n,)
        Luminosity per Angstrom.

    Raises
    ------
    ValueError
        If numbers of temperatures, indices and norms disagree or a value is out of range.
    """
    w = np.asarray(wave, dtype=float)
    if not z > -1:
        raise ValueError(f"z={z} must be above -1")
    try:
        parts = np.broadcast_arrays(np.atleast_1d(Temp), np.atleast_1d(beta), np.atleast_1d(norm))
    except ValueError:
        raise ValueError(
            f"{np.size(Temp)} temperatures, {np.size(beta)} indices and {np.size(norm)} norms do not match; "
            "give one or equally many of each"
        ) from None
    out = np.zeros(w.shape)
    for t, b, n in zip(*parts, strict=True):
        out = out + greybody(w / (1.0 + z), float(t), float(b)) * float(n) / _total(
            float(t), float(b), compat
        )
    return out / (1.0 + z)


@checked
def blackbody_norm(
    wave: ArrayLike, Temp: ArrayLike = 50.0, z: float = 0.0, *, norm: ArrayLike = 1.0, compat: bool = False
) -> NDArray[np.float64]:
    """Return the sum of black bodies of given luminosities: `greybody_norm` with beta = 0.

    Parameters
    ----------
    wave, Temp, z, norm, compat
        As `greybody_norm`.

    Returns
    -------
    ndarray
        As `greybody_norm`.
    """
    return greybody_norm(wave, Temp, 0.0, z=z, norm=norm, compat=compat)


@lru_cache(maxsize=1)
def _alpha_to_temp() -> NaturalSpline:
    return NaturalSpline(_ALPHA_SF, _TEMPERATURE_K)


@lru_cache(maxsize=1)
def _temp_to_alpha() -> NaturalSpline:
    alpha = np.arange(400, -1, -1) / 100.0
    return NaturalSpline(_alpha_to_temp()(alpha), alpha)


@checked
def alpha_sf_to_temp(alpha_SF: ArrayLike) -> float | NDArray[np.float64]:
    """Return the dust temperature [K] of a Dale template (ProSpect's ``alpha_SF2Temp_func``); straight beyond it."""
    return _alpha_to_temp()(alpha_SF)


@checked
def temp_to_alpha_sf(Temp: ArrayLike) -> float | NDArray[np.float64]:
    """Return alpha_SF of the Dale template of a dust temperature [K] (``Temp2alpha_SF_func``); straight beyond."""
    return _temp_to_alpha()(Temp)
