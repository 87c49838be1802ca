"""Errors of a simulated observation that many spaxels share: flux calibration, zero points, line ratios.

The networks are told to expect them in every spectrum (`sfhnet.mocks.noise`), and their intervals are as wide as that. A
simulated galaxy must have them too, or its intervals look too wide; and it has them as an observed galaxy has, the same
for all spaxels of a pointing or of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sfhnet.config import NoiseConfig
from sfhnet.mocks.calibration_errors import CalibrationCurves, zero_point_factors

__all__ = ["InstrumentErrors", "draw_errors"]

_N_MODE = 48
# ASSUME: line ratios vary over a kiloparsec or so, as between complexes of HII regions; in arcsec at 10 Mpc.
_LINE_SCALE_ARCSEC = 20.0


@dataclass(frozen=True)
class InstrumentErrors:
    """One draw of the errors.

    Parameters
    ----------
    pointing_arcsec : float
        Side of a MUSE pointing; the galaxy is a mosaic of them.
    calibration : ndarray, shape (n_side, n_side, n_wave)
        Factor on the flux of each pointing.
    zero_point : dict of str to float
        Factor on the flux of each HST band.
    lines : ndarray, shape (n_line + 1, _N_MODE, 4)
        Random waves of the fields of line ratios, the last one common to all lines: wave vector in 1/arcsec, phase,
        amplitude in dex.
    """

    pointing_arcsec: float
    calibration: np.ndarray
    zero_point: dict[str, float]
    lines: np.ndarray

    def calibrate(self, flux: np.ndarray, spaxel_arcsec: float) -> np.ndarray:
        """Multiply a cube by the calibration of the pointing that each spaxel belongs to.

        Parameters
        ----------
        flux : ndarray, shape (n_wave, n, n)
            The cube, changed in place.
        spaxel_arcsec : float
            Side of a spaxel.

        Returns
        -------
        ndarray, shape (n_wave, n, n)
            The same array.
        """
        n = flux.shape[1]
        number = np.arange(n) * spaxel_arcsec // self.pointing_arcsec
        number = np.minimum(number.astype(int), len(self.calibration) - 1)
        for row in np.unique(number):
            for column in np.unique(number):
                block = np.ix_(np.arange(len(flux)), number == row, number == column)
                flux[block] *= self.calibration[row, column][:, None, None].astype(flux.dtype)
        return flux

    def line_factors(self, east_arcsec: np.ndarray, north_arcsec: np.ndarray) -> np.ndarray:
        """Return the factor on each line at places on the sky.

        Parameters
        ----------
        east_arcsec, north_arcsec : ndarray, shape (n,)
            Offsets from the centre.

        Returns
        -------
        ndarray, shape (n, n_line)
        """
        fields = np.empty((len(self.lines), east_arcsec.size))
        for field, waves in zip(fields, self.lines, strict=True):
            phase = np.outer(waves[:, 0], east_arcsec) + np.outer(waves[:, 1], north_arcsec) + waves[:, 2:3]
            field[:] = waves[:, 3] @ np.cos(phase)
        return 10.0 ** (fields[:-1] + fields[-1]).T


def draw_errors(
    noise: NoiseConfig,
    wave_aa: np.ndarray,
    *,
    side_arcsec: float,
    pointing_arcsec: float,
    bands: Sequence[str],
    n_line: int,
    rng: np.random.Generator,
) -> InstrumentErrors:
    """Draw errors of the sizes that the training noise has; effects that are off there are left out.

    Parameters
    ----------
    noise : NoiseConfig
        Section ``noise``.
    wave_aa : ndarray, shape (n_wave,)
        Channels of the cube.
    side_arcsec, pointing_arcsec : float
        Sides of the cube and of a pointing.
    bands : sequence of str
    n_line : int
        Emission lines.
    rng : Generator

    Returns
    -------
    InstrumentErrors
    """
    n_side = max(1, int(np.ceil(side_arcsec / pointing_arcsec - 1e-9)))

    def uniform(*shape: int) -> Tensor:
        return torch.from_numpy(rng.random(shape))

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape))

    calibration = np.ones((n_side, n_side, wave_aa.size))
    if "calibration" not in noise.off:
        curves = CalibrationCurves(noise, torch.from_numpy(wave_aa))
        calibration = curves(n_side**2, uniform, normal).numpy().reshape(calibration.shape)
    zero_point = np.ones(len(bands))
    if "zero_points" not in noise.off:
        single, common = rng.standard_normal(len(bands)), rng.standard_normal(1)
        zero_point = zero_point_factors(noise, common, single)
    size = np.full((n_line + 1, 1), noise.line_scatter_dex)
    size[-1] = noise.line_scatter_common_dex
    if "line_scatter" in noise.off:
        size[:] = 0.0
    # A sum of waves with normal wave vectors is a random field with a Gaussian correlation function.
    waves = np.empty((n_line + 1, _N_MODE, 4))
    waves[..., :2] = rng.standard_normal((n_line + 1, _N_MODE, 2)) / _LINE_SCALE_ARCSEC
    waves[..., 2] = rng.uniform(0, 2 * np.pi, (n_line + 1, _N_MODE))
    waves[..., 3] = size * np.sqrt(2.0 / _N_MODE)
    return InstrumentErrors(
        pointing_arcsec,
        calibration,
        dict(zip(bands, zero_point.tolist(), strict=True)),
        waves,
    )
