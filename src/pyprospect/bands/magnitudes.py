"""AB magnitudes, janskys, watts per hertz, and flux per Angstrom against flux per hertz.

Fluxes are converted number by number: a NaN, a hole in a spectrum, stays one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect.arguments import checked
from pyprospect.constants import C_MPS, CGS_TO_JANSKY, JANSKY_CGS, JANSKY_SI, PC_M

__all__ = [
    "AbsoluteToWHz",
    "CGS2Jansky",
    "CGS2magAB",
    "Jansky2CGS",
    "Jansky2magAB",
    "WHzToAbsolute",
    "convert_freq2wave",
    "convert_wave2freq",
    "magAB2CGS",
    "magAB2Jansky",
]


@checked
def magAB2Jansky(mag: ArrayLike) -> NDArray[np.float64]:
    """Convert AB magnitude to jansky, with ProSpect's zero point of 8.9 mag (3631 Jy to 3e-5)."""
    return 10.0 ** (-0.4 * (np.asarray(mag, dtype=float) - 8.9))


@checked(result=False)
def Jansky2magAB(flux_jy: ArrayLike) -> NDArray[np.float64]:
    """Convert jansky to AB magnitude (zero point 8.9 mag); zero flux gives inf, negative flux NaN."""
    return _minus_2p5_log(flux_jy) + 8.9


@checked
def magAB2CGS(mag: ArrayLike) -> NDArray[np.float64]:
    """Convert AB magnitude to erg/s/cm2/Hz (zero point -48.6 mag)."""
    return 10.0 ** (-0.4 * (np.asarray(mag, dtype=float) + 48.6))


@checked(result=False, flux_nu=None)
def CGS2magAB(flux_nu: ArrayLike) -> NDArray[np.float64]:
    """Convert erg/s/cm2/Hz to AB magnitude; zero flux gives inf, negative flux NaN."""
    return _minus_2p5_log(flux_nu) - 48.6


@checked
def Jansky2CGS(flux_jy: ArrayLike) -> NDArray[np.float64]:
    """Convert jansky to erg/s/cm2/Hz."""
    return np.asarray(flux_jy, dtype=float) * JANSKY_CGS


@checked(result=False, flux_nu=None)
def CGS2Jansky(flux_nu: ArrayLike) -> NDArray[np.float64]:
    """Convert erg/s/cm2/Hz to jansky."""
    return np.asarray(flux_nu, dtype=float) * CGS_TO_JANSKY


@checked
def AbsoluteToWHz(mag: ArrayLike) -> NDArray[np.float64]:
    """Convert absolute AB magnitude to luminosity density [W/Hz]."""
    return 4.0 * np.pi * (10.0 * PC_M) ** 2 * JANSKY_SI * magAB2Jansky(mag)


@checked(result=False)
def WHzToAbsolute(lum_w_hz: ArrayLike) -> NDArray[np.float64]:
    """Convert luminosity density [W/Hz] to absolute AB magnitude."""
    return Jansky2magAB(np.asarray(lum_w_hz, dtype=float) / (4.0 * np.pi * (10.0 * PC_M) ** 2 * JANSKY_SI))


def _minus_2p5_log(flux: ArrayLike) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return -2.5 * np.log10(np.asarray(flux, dtype=float))


@checked(result=False, flux_wave=None)
def convert_wave2freq(
    flux_wave: ArrayLike, wave: ArrayLike, *, wavefac: float = 1e-10, freqfac: float = 1.0
) -> NDArray[np.float64]:
    """Convert f_lambda (per Angstrom) to f_nu (per Hz): f_lambda (wavefac/freqfac) wave^2 / c, c in m/s.

    Parameters
    ----------
    flux_wave : array_like, shape (..., n)
    wave : array_like, shape (n,)
        Wavelengths [Angstrom].
    wavefac, freqfac : float
        Metres per unit of `wave` and hertz per unit of frequency.

    Returns
    -------
    ndarray
        Of the shape of `flux_wave`.
    """
    w = np.asarray(wave, dtype=float)
    return np.asarray(flux_wave, dtype=float) * ((wavefac / freqfac) * w**2) / C_MPS


@checked(result=False, flux_freq=None)
def convert_freq2wave(
    flux_freq: ArrayLike, wave: ArrayLike, *, wavefac: float = 1e-10, freqfac: float = 1.0
) -> NDArray[np.float64]:
    """Convert f_nu (per Hz) to f_lambda (per Angstrom); inverse of `convert_wave2freq`.

    Parameters
    ----------
    flux_freq : array_like, shape (..., n)
        Flux density per Hz.
    wave : array_like, shape (n,)
        Wavelengths, Angstrom.
    wavefac, freqfac : float
        As `convert_wave2freq`.

    Returns
    -------
    ndarray
        Per Angstrom, of the shape of `flux_freq`.
    """
    w = np.asarray(wave, dtype=float)
    return np.asarray(flux_freq, dtype=float) * C_MPS / ((wavefac / freqfac) * w**2)
