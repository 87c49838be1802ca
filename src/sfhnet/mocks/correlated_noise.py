"""White noise made to be shared by neighbouring pixels, and smooth random curves: products with band matrices, block by block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["CurveBand", "curve_band", "random_curves", "smoothed", "smoothing_band"]


def smoothing_band(sigma_pixel: float, reach: int = 8, block: int = 16) -> Tensor:
    """Return the matrix that smooths a block of pixels by a Gaussian.

    Parameters
    ----------
    sigma_pixel : float
        Gaussian sigma in pixels.
    reach : int
        Pixels to each side that count.
    block : int
        Pixels of a block.

    Returns
    -------
    Tensor (block + 2 reach, block)
        Columns of unit sum.
    """
    offset = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offset / sigma_pixel) ** 2)
    band = np.zeros((block + 2 * reach, block))
    for column in range(block):
        band[column : column + len(kernel), column] = kernel / kernel.sum()
    return torch.from_numpy(band).float()


def smoothed(rows: Tensor, band: Tensor) -> Tensor:
    """Smooth rows with a matrix of `smoothing_band`; beyond the ends there is nothing.

    A product per block of pixels: several times faster than a convolution of one channel.

    Parameters
    ----------
    rows : Tensor (n, n_wave)
        One spectrum a row.
    band : Tensor (block + 2 reach, block)
        From `smoothing_band`.

    Returns
    -------
    Tensor (n, n_wave)
    """
    n_wave = rows.shape[1]
    wide, block = band.shape
    reach = (wide - block) // 2
    n_block = -(-n_wave // block)
    padded = torch.nn.functional.pad(rows, (reach, n_block * block - n_wave + reach))
    return (padded.unfold(1, wide, block) @ band).flatten(1)[:, :n_wave]


class CurveBand(NamedTuple):
    """What makes random knots curves: band (n_knot_seen, block), knots that a block begins after the last one, knots in all."""

    band: Tensor
    step: int
    n_knot: int


def curve_band(length_pixel: float, n_wave: int) -> CurveBand:
    """Prepare curves that are white noise smoothed by a Gaussian, from as few knots as it takes.

    Parameters
    ----------
    length_pixel : float
        Gaussian sigma of the smoothing in pixels.
    n_wave : int
        Pixels of a curve.

    Returns
    -------
    CurveBand
    """
    # Knots a sigma apart: the variance between them is even to 1e-4.
    spacing = max(1, int(length_pixel))
    step = max(1, round(64 / spacing))
    reach = int(np.ceil(4 * length_pixel / spacing))
    knots = spacing * np.arange(-reach, step + reach)
    pixels = np.arange(step * spacing)
    band = np.exp(-0.5 * ((pixels - knots[:, None]) / length_pixel) ** 2)
    band /= np.sqrt((band**2).sum(axis=0).mean())
    n_block = -(-n_wave // len(pixels))
    return CurveBand(torch.from_numpy(band).float(), step, n_block * step + 2 * reach)


def random_curves(knots: Tensor, band: CurveBand, n_wave: int) -> Tensor:
    """Return curves of unit variance.

    Parameters
    ----------
    knots : Tensor (n, n_knot)
        Normal random numbers; those beyond what `band` asks for are not used.
    band : CurveBand
        From `curve_band`.
    n_wave : int
        Pixels.

    Returns
    -------
    Tensor (n, n_wave)
    """
    seen = knots[:, : band.n_knot].unfold(1, len(band.band), band.step)
    return (seen @ band.band).flatten(1)[:, :n_wave]
