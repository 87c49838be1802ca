"""Errors of the flux calibration: one model for training, simulated galaxies, benchmarks and the predictive check.

The log of a spectrum is off by a smooth curve (Legendre polynomials, the tilt) and a sine (the ripple); each band by the
error of its zero point, and all bands of a spectrum by a common one against it. Sizes are those of section ``noise``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sfhnet.config import NoiseConfig

__all__ = ["CalibrationCurves", "linear_curves", "ripples", "zero_point_factors", "zero_point_rms"]

Numbers = TypeVar("Numbers", np.ndarray, Tensor)

_FRACTION_PER_MAG = 0.4 * np.log(10.0)


class CalibrationCurves:
    """Draw factors on the flux of spectra.

    Parameters
    ----------
    noise : NoiseConfig
        Sizes of tilt and ripple.
    wave_aa : Tensor, shape (n_wave,)
        Evenly spaced wavelengths in Angstrom; curves have their device and precision.
    """

    def __init__(self, noise: NoiseConfig, wave_aa: Tensor) -> None:
        self.noise, self.wave_aa = noise, wave_aa
        self._tilts = torch.from_numpy(_legendre(len(wave_aa), noise.tilt_order)).to(wave_aa)

    def __call__(self, n: int, uniform: Callable[..., Tensor], normal: Callable[..., Tensor]) -> Tensor:
        """Return `n` factors.

        Parameters
        ----------
        n : int
            How many.
        uniform, normal : callable
            Random numbers, in [0, 1) and of unit width, of the shape that they are called with.

        Returns
        -------
        Tensor, shape (n, n_wave)
        """
        noise, order = self.noise, len(self._tilts)
        # One rms per spectrum, shared between the polynomials: sum of squares has that expectation.
        curve = (noise.tilt_rms / np.sqrt(order)) * normal(n, order) @ self._tilts
        if noise.ripple_rms > 0:
            of_period = uniform(n, 1)
            amplitude = np.sqrt(2.0) * noise.ripple_rms * normal(n, 1).abs()
            curve = curve + amplitude * ripples(
                self.wave_aa, noise.ripple_period_aa, of_period=of_period, of_phase=uniform(n, 1)
            )
        return torch.exp(curve)


def ripples(
    wave_aa: Tensor, period_aa: tuple[float, float], *, of_period: Tensor, of_phase: Tensor
) -> Tensor:
    """Return sines of unit amplitude with log-uniform periods.

    Parameters
    ----------
    wave_aa : Tensor, shape (n_wave,)
        Wavelengths in Angstrom.
    period_aa : (float, float)
        Shortest and longest period in Angstrom.
    of_period, of_phase : Tensor, shape (n, 1)
        Uniform random numbers in [0, 1).

    Returns
    -------
    Tensor, shape (n, n_wave)
    """
    low, high = np.log(period_aa)
    period = torch.exp(low + (high - low) * of_period)
    return torch.sin(2 * np.pi * (wave_aa / period + of_phase))


def linear_curves(noise: NoiseConfig, n_wave: int, order: int) -> np.ndarray:
    """Return the same errors as a linear model: curves whose coefficients are normal and of unit width.

    Parameters
    ----------
    noise : NoiseConfig
        Sizes of tilt and ripple.
    n_wave : int
        Evenly spaced pixels.
    order : int
        Legendre polynomials to this order stand for the ripple, as far as it is as slow as they are.

    Returns
    -------
    ndarray, shape (order, n_wave)
        Fraction of the flux.
    """
    orders = np.arange(1, order + 1)
    # A ripple of log-uniform period P spreads its power evenly over log n, n = 2 * range / P; an order has not more
    # than all of it.
    low, high = noise.ripple_period_aa
    size = noise.ripple_rms / np.sqrt(np.maximum(np.log(high / low) * orders, 1.0))
    size[: noise.tilt_order] = noise.tilt_rms / np.sqrt(noise.tilt_order)
    return size[:, None] * _legendre(n_wave, order)


def _legendre(n_wave: int, order: int) -> np.ndarray:
    """Legendre polynomials of order 1 to `order` on even pixels, of unit rms there, (order, n_wave)."""
    columns = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, n_wave), order)[:, 1:]
    return np.ascontiguousarray((columns / np.sqrt((columns**2).mean(axis=0))).T)


def zero_point_factors(noise: NoiseConfig, common: Numbers, single: Numbers) -> Numbers:
    """Return factors on band fluxes.

    Parameters
    ----------
    noise : NoiseConfig
        Sizes of the errors.
    common : ndarray or Tensor, shape (..., 1)
        Normal random numbers of unit width, for all bands against the spectrum.
    single : ndarray or Tensor, shape (..., n_band)
        The same for each band.

    Returns
    -------
    ndarray or Tensor, shape (..., n_band)
    """
    return 10.0 ** (-0.4 * (noise.band_to_spectrum_mag * common + noise.zero_point_mag * single))


def zero_point_rms(noise: NoiseConfig, off: Collection[str] = ()) -> tuple[float, float]:
    """Return the rms of the errors of zero points, as fractions of the flux; 0 where they are off.

    Parameters
    ----------
    noise : NoiseConfig
        Their sizes.
    off : collection of str
        Effects that are off beside ``noise.off``.

    Returns
    -------
    common, single : float
        Of all bands against the spectrum, and of each band.
    """
    if "zero_points" in {*noise.off, *off}:
        return 0.0, 0.0
    return _FRACTION_PER_MAG * noise.band_to_spectrum_mag, _FRACTION_PER_MAG * noise.zero_point_mag
