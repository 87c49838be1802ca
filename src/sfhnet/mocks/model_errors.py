"""What models and the reduction get wrong pixel by pixel: lacking stellar libraries, residuals of telluric absorption.

Both are factors on the flux, drawn as curves of its log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from sfhnet.config import NoiseConfig
from sfhnet.mocks.correlated_noise import curve_band, random_curves
from sfhnet.tools.random_streams import stream

__all__ = ["ModelErrors", "TelluricResiduals"]

# Rows take turns between these many correlation lengths.
N_LENGTH = 4
# ASSUME: there E-MILES does not match real old galaxies (prototypes on nine of them); AA, rest frame.
_WORSE_AA = ((4700.0, 5300.0), (7300.0, 11000.0))

# Where air absorbs (AA, observed, air): oxygen, whose bands grow with the air mass together, and water.
_TELLURIC_AA = {
    "oxygen": ((6865.0, 6950.0), (7594.0, 7700.0)),
    "water": ((7165.0, 7340.0), (8130.0, 8345.0), (8940.0, 9880.0)),
}
_TELLURIC_LSF_AA = 1.3


class ModelErrors:
    """A Gaussian process in the log of the flux: what the training's stellar library lacks.

    Parameters
    ----------
    noise : NoiseConfig
        Its rms and lengths.
    wave_aa : Tensor (n_wave,)
        Evenly spaced rest-frame wavelengths in AA, float32, on the device of the curves.
    """

    def __init__(self, noise: NoiseConfig, wave_aa: Tensor) -> None:
        self.noise, self.n_wave = noise, len(wave_aa)
        wave = wave_aa.cpu().double().numpy()
        lengths = np.geomspace(*noise.model_error_length_aa, N_LENGTH) / (wave[1] - wave[0])
        bands = [curve_band(length, self.n_wave) for length in lengths]
        self._bands = [band._replace(band=band.band.to(wave_aa)) for band in bands]
        self.n_knot = max(band.n_knot for band in bands)
        worse = np.any([(wave >= low) & (wave <= high) for low, high in _WORSE_AA], axis=0)
        self._size = torch.from_numpy(np.where(worse, noise.model_error_factor, 1.0)).to(wave_aa)

    def numbers(
        self, n: int, uniform: Callable[..., Tensor], normal: Callable[..., Tensor]
    ) -> dict[str, Tensor]:
        """Draw the random numbers of `n` curves from makers of uniform and normal ones."""
        low, high = np.log(self.noise.model_error_range)
        rms = torch.exp(low + (high - low) * uniform(n, 1))
        return {"knots": normal(n, self.n_knot) * rms}

    def add_to(self, curves: Tensor, numbers: dict[str, Tensor]) -> None:
        """Add to log factors on the flux, in place.

        Parameters
        ----------
        curves : Tensor (n, n_wave)
            Rows r, r + 4 ... have the same correlation length.
        numbers : dict
            From `numbers`.
        """
        for k, band in enumerate(self._bands):
            mine = slice(k, None, N_LENGTH)
            curves[mine].addcmul_(random_curves(numbers["knots"][mine], band, self.n_wave), self._size)


class TelluricResiduals:
    """Telluric absorption that was taken off too much or too little: one factor for oxygen, one for water.

    Parameters
    ----------
    rms : float
        Of the residual within the bands, fraction of the flux.
    wave_aa : Tensor (n_wave,)
        Rest-frame air wavelengths in AA, float32, on the device of the curves.
    redshifts : sequence of float
        Placements of the bands in the rest frame.
    """

    def __init__(self, rms: float, wave_aa: Tensor, redshifts: Sequence[float]) -> None:
        wave = wave_aa.cpu().double().numpy()
        shapes = np.array([[_absorption(name, wave * (1 + z)) for z in redshifts] for name in _TELLURIC_AA])
        seen = np.flatnonzero(shapes.any(axis=(0, 1)))
        self.first = int(seen[0]) if seen.size else len(wave)
        self._shapes = [torch.from_numpy(rms * shape[:, self.first :]).to(wave_aa) for shape in shapes]

    @staticmethod
    def numbers(n: int, normal: Callable[..., Tensor]) -> dict[str, Tensor]:
        """Draw the random numbers of `n` curves from a maker of normal ones."""
        return {name: normal(n, 1) for name in _TELLURIC_AA}

    def add_to(self, curves: Tensor, numbers: dict[str, Tensor], row: Tensor) -> None:
        """Add to log factors on the flux, in place.

        Parameters
        ----------
        curves : Tensor (n, n_wave)
        numbers : dict
            From `numbers`.
        row : Tensor of int64 (n,)
            Which of the redshifts each has.
        """
        red = curves[:, self.first :]
        for shape, amplitude in zip(self._shapes, numbers.values(), strict=True):
            red.addcmul_(shape.index_select(0, row), amplitude)


def _absorption(name: str, wave_aa: np.ndarray) -> np.ndarray:
    """Return optical depth of unit rms within the bands: unresolved lines of random strength, always the same ones."""
    grid = np.arange(6700.0, 10000.0, 0.5)
    inside = np.any([(grid >= low) & (grid <= high) for low, high in _TELLURIC_AA[name]], axis=0)
    # One line in four pixels of the grid, with the long tail of strengths that molecular bands have.
    rng = stream("noise.telluric", 0)
    depth = inside * (rng.random(grid.size) < 0.25) * rng.exponential(size=grid.size)
    offset = np.arange(-8.0, 8.5, 0.5)
    depth = np.convolve(depth, np.exp(-0.5 * (offset / _TELLURIC_LSF_AA) ** 2), mode="same")
    depth /= np.sqrt((depth[inside] ** 2).mean())
    return np.asarray(np.interp(wave_aa, grid, depth, left=0.0, right=0.0))
