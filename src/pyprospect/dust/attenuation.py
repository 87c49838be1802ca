"""Dust attenuation: Charlot & Fall power laws for birth clouds and the screen, and the 2175 Angstrom bump.

Functions return the transmitted fraction. Source: Charlot & Fall (2000, ApJ 539, 718); bump: a Drude profile
as in Noll et al. (2009, A&A 507, 1793); defaults of ProSpect 1.11.0.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.arguments import checked
from pyprospect.constants import DUST_PIVOT_AA

__all__ = [
    "CF",
    "Attenuated",
    "CF_atten",
    "CF_birth",
    "CF_birth_atten",
    "CF_screen",
    "CF_screen_atten",
    "drude",
]


class Attenuated(NamedTuple):
    """A spectrum behind dust."""

    flux: np.ndarray
    """Spectrum behind the dust, of the shape and unit of the input."""
    total_atten: float
    """Absorbed power: sum of (flux in - flux out) times the pixel's distance to the one before it."""
    attenfrac: float
    """Transmitted power over incident power (ProSpect's name and meaning)."""


def _wave(wave: ArrayLike) -> np.ndarray:
    wave = np.asarray(wave, dtype=float)
    if not np.all(wave > 0):
        raise ValueError("dust attenuation needs positive wavelengths in Angstrom")
    return wave


@checked
def CF(wave: ArrayLike, tau: float = 0.3, pow: float = -0.7, *, pivot: float = DUST_PIVOT_AA) -> np.ndarray:
    """Return the power-law transmission exp(-tau (wave/pivot)^pow).

    Parameters
    ----------
    wave : array_like
        Rest wavelengths, Angstrom.
    tau : float
        Optical depth at `pivot`. At 0 the result is 1 everywhere (ProSpect's own function returns 0 there and
        relies on callers not to ask).
    pow : float
        Slope.
    pivot : float
        Angstrom.

    Returns
    -------
    ndarray
        Transmitted fraction, of the shape of `wave`.

    Raises
    ------
    ValueError
        Wavelengths that are not positive.
    """
    return np.exp(-tau * (_wave(wave) / pivot) ** pow)


@checked
def CF_birth(
    wave: ArrayLike, tau: float = 1.0, pow: float = -0.7, *, pivot: float = DUST_PIVOT_AA
) -> np.ndarray:
    """Return `CF` with ProSpect's defaults for birth clouds.

    Parameters
    ----------
    wave : array_like
        Rest wavelengths, Angstrom.
    tau, pow : float
        Optical depth at the pivot, and slope.
    pivot : float
        Angstrom.

    Returns
    -------
    ndarray
        Transmitted fraction, of the shape of `wave`.
    """
    return CF(wave, tau, pow, pivot=pivot)


@checked
def drude(wave: ArrayLike, Eb: float = 3.3, *, L0: float = 2175.8, LFWHM: float = 470) -> np.ndarray:
    """Return the bump Eb (LFWHM w)^2 / ((w^2-L0^2)^2 + (LFWHM w)^2), relative to the optical depth at the pivot.

    Parameters
    ----------
    wave : array_like
        Rest wavelengths, Angstrom.
    Eb : float
        Height.
    L0, LFWHM : float
        Centre and full width at half maximum, Angstrom.

    Returns
    -------
    ndarray
        Of the shape of `wave`.
    """
    wave = _wave(wave)
    width = (LFWHM * wave) ** 2
    return Eb * width / ((wave**2 - L0**2) ** 2 + width)


@checked
def CF_screen(
    wave: ArrayLike,
    tau: float = 0.3,
    pow: float = -0.7,
    *,
    pivot: float = DUST_PIVOT_AA,
    Eb: float = 0,
    L0: float = 2175.8,
    LFWHM: float = 470,
) -> np.ndarray:
    """Return `CF` of the interstellar screen: exp(-tau [(wave/pivot)^pow + drude]); the bump only if Eb > 0.

    Parameters
    ----------
    wave : array_like
        Rest wavelengths, Angstrom.
    tau, pow : float
        Optical depth at the pivot, and slope.
    pivot : float
        Angstrom.
    Eb, L0, LFWHM : float
        Bump, see `drude`.

    Returns
    -------
    ndarray
        Transmitted fraction, of the shape of `wave`.
    """
    if not Eb > 0:
        return CF(wave, tau, pow, pivot=pivot)
    return np.exp(-tau * ((_wave(wave) / pivot) ** pow + drude(wave, Eb, L0=L0, LFWHM=LFWHM)))


def _behind(wave: ArrayLike, flux: ArrayLike, transmission: np.ndarray) -> Attenuated:
    wave = np.asarray(wave, dtype=float)
    flux = np.asarray(flux, dtype=float)
    if wave.shape != flux.shape:
        raise ValueError(f"{wave.shape} wavelengths and {flux.shape} fluxes; give equal vectors")
    out = flux * transmission
    step = np.diff(wave, prepend=wave[:1])
    total = float(np.sum(step * (flux - out)))
    incident = float(np.sum(step * flux))
    return Attenuated(out, total, 1.0 - total / incident if incident else 1.0)


@checked
def CF_atten(wave: ArrayLike, flux: ArrayLike, tau: float = 0.3, pow: float = -0.7) -> Attenuated:
    """Return the spectrum behind `CF`, and the power absorbed (same shapes; ValueError otherwise).

    Parameters
    ----------
    wave, flux : (n,) array_like
        Rest wavelengths, Angstrom, and flux density, per Angstrom.
    tau, pow : float
        Optical depth at the pivot, and slope.

    Returns
    -------
    Attenuated
        Spectrum (n,) behind the dust, and the power absorbed, in the unit of `flux` times Angstrom.
    """
    return _behind(wave, flux, CF(wave, tau, pow))


@checked
def CF_birth_atten(wave: ArrayLike, flux: ArrayLike, tau: float = 1.0, pow: float = -0.7) -> Attenuated:
    """Return the spectrum behind `CF_birth`, and the power absorbed (same shapes; ValueError otherwise).

    Parameters
    ----------
    wave, flux : (n,) array_like
        Rest wavelengths, Angstrom, and flux density, per Angstrom.
    tau, pow : float
        Optical depth at the pivot, and slope.

    Returns
    -------
    Attenuated
        Spectrum (n,) behind the dust, and the power absorbed, in the unit of `flux` times Angstrom.
    """
    return _behind(wave, flux, CF_birth(wave, tau, pow))


@checked
def CF_screen_atten(
    wave: ArrayLike,
    flux: ArrayLike,
    tau: float = 0.3,
    pow: float = -0.7,
    *,
    Eb: float = 0,
    L0: float = 2175.8,
    LFWHM: float = 470,
) -> Attenuated:
    """Return the spectrum behind `CF_screen`, and the power absorbed (same shapes; ValueError otherwise).

    Parameters
    ----------
    wave, flux : (n,) array_like
        Rest wavelengths, Angstrom, and flux density, per Angstrom.
    tau, pow : float
        Optical depth at the pivot, and slope.
    Eb, L0, LFWHM : float
        Bump, see `drude`.

    Returns
    -------
    Attenuated
        Spectrum (n,) behind the dust, and the power absorbed, in the unit of `flux` times Angstrom.
    """
    return _behind(wave, flux, CF_screen(wave, tau, pow, Eb=Eb, L0=L0, LFWHM=LFWHM))
