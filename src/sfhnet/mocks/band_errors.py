"""Errors of band fluxes: noise that the network is told, zero points that it is not, and bands that are absent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sfhnet.config import NoiseConfig
from sfhnet.mocks.calibration_errors import zero_point_factors

__all__ = ["BandErrors"]

Random = Callable[..., Tensor]


class BandErrors:
    """Draw errors of bands.

    Parameters
    ----------
    noise : NoiseConfig
        Their sizes.
    on : callable
        Whether an effect is switched on.
    """

    def __init__(self, noise: NoiseConfig, on: Callable[[str], bool]) -> None:
        self.noise, self.on = noise, on

    def numbers(self, n: int, n_band: int, uniform: Random, *, normal: Random) -> dict[str, Tensor]:
        """Draw the random numbers of `n` galaxies, but for poor bands."""
        made = {"error": uniform(n, n_band), "noise": normal(n, n_band)}
        if self.on("zero_points"):
            made |= {"common": normal(n, 1), "single": normal(n, n_band)}
        if self.on("band_dropout"):
            made |= {"drop": uniform(n, n_band), "drop_all": uniform(n, 1)}
        return made

    def new_numbers(self, n: int, n_band: int, uniform: Random) -> dict[str, Tensor]:
        """Draw those of poor bands, which came later: those of the rest stay what they were."""
        if not self.on("poor_bands"):
            return {}
        return {
            "poor": uniform(n, 1),
            "poor_band": uniform(n, n_band),
            "poor_error": uniform(n, n_band),
        }

    def __call__(
        self, numbers: dict[str, Tensor], band_flux: Tensor, background: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return fluxes as observed, errors as stated, and which are present.

        Parameters
        ----------
        numbers : dict
            From `numbers` and `new_numbers`.
        band_flux : Tensor (n, n_band)
            Noiseless.
        background : Tensor (n, 1)
            Error of the background, in the unit of the fluxes.

        Returns
        -------
        flux, sigma, present : Tensor (n, n_band)
        """
        c = self.noise
        # ASSUME: HST errors are a fraction of the flux (log-uniform) and a background error that follows the spectrum's
        # own S/N, since both come from the same aperture.
        relative = _log_uniform(c.band_error_range, numbers["error"])
        if "poor" in numbers:
            poor = (numbers["poor"] < c.poor_bands_probability) & (numbers["poor_band"] < 0.5)
            relative = torch.where(
                poor, _log_uniform(c.poor_band_error_range, numbers["poor_error"]), relative
            )
        sigma = torch.sqrt((relative * band_flux) ** 2 + background**2)
        observed = band_flux + sigma * numbers["noise"]
        if "common" in numbers:
            observed = observed * zero_point_factors(c, numbers["common"], numbers["single"])
        present = torch.ones_like(band_flux, dtype=torch.bool)
        if "drop" in numbers:
            present &= numbers["drop"] >= c.band_drop_probability
            present &= numbers["drop_all"] >= c.all_bands_drop_probability
        return observed, sigma, present


def _log_uniform(ends: tuple[float, float], draw: Tensor) -> Tensor:
    low, high = np.log(ends)
    return torch.exp(low + (high - low) * draw)
