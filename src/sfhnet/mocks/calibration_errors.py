"""Errors of the flux calibration: one model for training, simulated galaxies, benchmarks and the predictive check.

The log of a spectrum is off by a smooth curve (Legendre polynomials, the tilt; its rms is drawn for each spectrum) and a
sine (the ripple); each band by the error of its zero point, and all bands of a spectrum by a common one against it. Sizes
are those of section ``noise``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sfhnet.config import NoiseConfig

__all__ = [
    "CalibrationCurves",
    "linear_curves",
    "ripples",
    "tilt_rms",
    "zero_point_factors",
    "zero_point_rms",
]

Numbers = TypeVar("Numbers", np.ndarray, Tensor)

# Pixels of a block in which a ripple is a rotation of that of its start.
_BLOCK = 64

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
        sizes = _tilt_sizes(noise)[:, None] * _legendre(len(wave_aa), noise.tilt_order)
        self._tilts = torch.from_numpy(sizes).to(wave_aa)

    def numbers(
        self, n: int, uniform: Callable[..., Tensor], normal: Callable[..., Tensor]
    ) -> dict[str, Tensor]:
        """Draw the random numbers of `n` curves.

        Parameters
        ----------
        n : int
            How many.
        uniform, normal : callable
            Random numbers, in [0, 1) and of unit width, of the shape that they are called with.

        Returns
        -------
        dict of Tensor, first axis n
        """
        noise = self.noise
        low, high = np.log(noise.tilt_range)
        numbers = {"tilts": normal(n, noise.tilt_order)}
        rms = torch.exp(low + (high - low) * uniform(n, 1)) if high > low else noise.tilt_range[0]
        numbers["tilts"] = numbers["tilts"] * rms
        if noise.ripple_rms > 0:
            numbers["ripple_period"] = uniform(n, 1)
            numbers["ripple"] = np.sqrt(2.0) * noise.ripple_rms * normal(n, 1).abs()
            numbers["ripple_phase"] = uniform(n, 1)
        return numbers

    def log_curves(self, numbers: dict[str, Tensor]) -> Tensor:
        """Return the natural log of the factors on the flux, (n, n_wave), from `numbers`."""
        curves = numbers["tilts"] @ self._tilts
        if "ripple" in numbers:
            curves = torch.addcmul(
                curves,
                numbers["ripple"],
                ripples(
                    self.wave_aa,
                    self.noise.ripple_period_aa,
                    of_period=numbers["ripple_period"],
                    of_phase=numbers["ripple_phase"],
                ),
            )
        return curves

    def __call__(self, n: int, uniform: Callable[..., Tensor], normal: Callable[..., Tensor]) -> Tensor:
        """Return `n` factors on the flux, (n, n_wave); arguments as of `numbers`."""
        return torch.exp(self.log_curves(self.numbers(n, uniform, normal)))


def ripples(
    wave_aa: Tensor, period_aa: tuple[float, float], *, of_period: Tensor, of_phase: Tensor
) -> Tensor:
    """Return sines of unit amplitude with log-uniform periods.

    Parameters
    ----------
    wave_aa : Tensor, shape (n_wave,)
        Evenly spaced wavelengths in Angstrom.
    period_aa : (float, float)
        Shortest and longest period in Angstrom.
    of_period, of_phase : Tensor, shape (n, 1)
        Uniform random numbers in [0, 1).

    Returns
    -------
    Tensor, shape (n, n_wave)
    """
    low, high = np.log(period_aa)
    per_aa = 2 * np.pi / torch.exp(low + (high - low) * of_period)
    # sin(a + b) of the starts of blocks and of the pixels within: a sine of every pixel takes twice the time.
    start = torch.remainder(wave_aa[::_BLOCK] * per_aa + 2 * np.pi * of_phase, 2 * np.pi)[:, :, None]
    inside = ((wave_aa[:_BLOCK] - wave_aa[0]) * per_aa)[:, None]
    waves = (torch.sin(start) * torch.cos(inside)).addcmul_(torch.cos(start), torch.sin(inside))
    return waves.flatten(1)[:, : len(wave_aa)]


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
    tilts = tilt_rms(noise) * _tilt_sizes(noise)[:order]
    # Ripples have no part in the slowest orders.
    size[: len(tilts)] = np.where(orders[: len(tilts)] <= 3, tilts, np.maximum(size[: len(tilts)], tilts))
    return size[:, None] * _legendre(n_wave, order)


def tilt_rms(noise: NoiseConfig) -> float:
    """Return the rms of the tilt over all spectra, as a fraction of the flux."""
    low, high = noise.tilt_range
    if low == high:
        return low
    return float(np.sqrt((high**2 - low**2) / (2 * np.log(high / low))))


def _tilt_sizes(noise: NoiseConfig) -> np.ndarray:
    """Sizes of the Legendre orders, of unit sum of squares, (tilt_order,)."""
    sizes = np.arange(1.0, noise.tilt_order + 1) ** -noise.tilt_slope
    return np.asarray(sizes / np.sqrt((sizes**2).sum()))


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
