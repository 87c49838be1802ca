"""Everything a spectrum and its bands say, as plain numbers: best linear estimates, continuum, errors, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sfhnet.core.batch import Batch
from sfhnet.networks.added_bands import feature_columns
from sfhnet.networks.best_linear import BestLinear, Estimate
from sfhnet.networks.projection import BandsAndContext

__all__ = ["Continuum", "FeatureBatch", "LinearFeatures", "pair_pixels"]

_CHI2_BLOCK = 16

# Pixels within which the continuum is straight.
_CELL = 16

# ASSUME: continuum below this share of the flux at 5400 AA is not measured; no stellar population has it.
_LEAST_CONTINUUM = 0.02

# A running mean needs at least this share of the weight that its pixels have on average.
_LEAST_SHARE = 0.02

# ASSUME: no pixel is known better than to S/N 1000; a smaller error is a mistake that would own the spectrum.
_MOST_SNR = 1e3


@dataclass(frozen=True)
class FeatureBatch:
    """Draws as a network on `LinearFeatures` sees them: all that its training needs, in a thirtieth of the memory.

    features (n, width) float32; labels of `sfhnet.core.batch.Batch`, by name.
    """

    features: Tensor
    labels: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.features)


class Continuum(nn.Module):
    """Split a spectrum into its continuum and what stands out of it.

    Dust and calibration errors bend the continuum and leave the rest nearly alone; in its logarithm they add up.

    Parameters
    ----------
    n_pixel, cell, half : int
        Pixels, pixels of a cell, and how many cells to each side the running mean takes.
    n_node : int
        Nodes at which the log continuum is an input.
    """

    at: Tensor
    log_mean: Tensor
    log_std: Tensor

    def __init__(self, n_pixel: int, *, cell: int, half: int, n_node: int) -> None:
        super().__init__()
        self.cell, self.n_side = cell, half
        last = -(-n_pixel // cell) - 1
        margin = min(half / 3, last / 2)
        self.register_buffer(
            "at", torch.linspace(margin, last - margin, n_node).round().long(), persistent=False
        )
        self.register_buffer("log_mean", torch.zeros(n_node))
        self.register_buffer("log_std", torch.ones(n_node))

    @torch.no_grad()
    def fit(self, values: Tensor, weight: Tensor) -> None:
        """Set zero points and scales of the nodes from mocks.

        Parameters
        ----------
        values, weight : Tensor (n, n_pixel)
            As of `forward`.
        """
        log = torch.log(self._in_cells(values, weight).index_select(1, self.at))
        self.log_mean.copy_(log.mean(0))
        self.log_std.copy_(log.std(0).clamp_min(1e-3))

    def forward(self, values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the continuum and its standardised logarithm at the nodes.

        Parameters
        ----------
        values, weight : Tensor (n, n_pixel)
            Fluxes, finite everywhere, and inverse variances, zero where masked.

        Returns
        -------
        continuum : Tensor (n, n_pixel)
            Everywhere positive.
        nodes : Tensor (n, n_node)

        Notes
        -----
        The continuum is the weighted running mean, straight between the centres of the cells; where its pixels are
        missing, the mean over four times the length, and where these are too, that of the spectrum.
        """
        cells = self._in_cells(values, weight)
        log = torch.log(cells.index_select(1, self.at))
        smooth = functional.interpolate(cells[:, None], scale_factor=self.cell, mode="linear")[:, 0]
        nodes = ((log - self.log_mean) / self.log_std).clamp(-10.0, 10.0)
        return smooth[:, : values.shape[1]], nodes

    def _in_cells(self, values: Tensor, weight: Tensor) -> Tensor:
        """Return the continuum in each cell, (n, n_cell)."""
        rest = -values.shape[1] % self.cell

        def summed(x: Tensor) -> Tensor:  # (n, n_pixel) -> (n, n_cell)
            return functional.pad(x, (0, rest)).unflatten(1, (-1, self.cell)).sum(2)

        means = _running_mean(summed(weight * values), summed(weight), (self.n_side, 4 * self.n_side))
        return means.clamp_min(_LEAST_CONTINUUM)


class LinearFeatures(BandsAndContext):
    """Components of the spectrum and of the spectrum over its continuum, log continuum, bands, errors, what is missing.

    As `sfhnet.networks.projection.Features`, with the best linear estimate and what is known of each component. ``width``
    is the number of features.

    Parameters
    ----------
    n_wave, n_component, n_band : int
        Pixels of the batches, components of each of the two views, bands.
    n_node : int
        Nodes of the continuum.
    continuum_pixels : int
        Pixels of the running mean, in steps of twice 16; 240 are 300 AA on the MUSE grid.
    pairs : bool
        Average pixels in pairs first (2.5 AA on the MUSE grid): half the cost; loses detail below 100 km/s.
    """

    def __init__(
        self,
        n_wave: int,
        n_component: int,
        n_band: int,
        *,
        n_node: int = 24,
        continuum_pixels: int = 240,
        pairs: bool = False,
    ) -> None:
        n_pixel = -(-n_wave // 2) if pairs else n_wave
        super().__init__(n_band)
        self.projection = BestLinear(n_pixel, n_component)
        self.pairs = pairs
        cell = _CELL // 2 if pairs else _CELL
        self.continuum = Continuum(
            n_pixel, cell=cell, half=round((continuum_pixels / _CELL - 1) / 2), n_node=n_node
        )
        self.lines = BestLinear(n_pixel, n_component)
        self.width = 4 * n_component + n_node + 3 * n_band + self.n_context

    @torch.no_grad()
    def fit(self, batch: Batch) -> None:
        """Set everything from mocks without white noise, every pixel and band present."""
        super().fit(batch)
        values, weight = self._pixels(batch)
        snr = 10.0 ** batch.log_snr[:, None]
        self.projection.fit(values, _noise_shape(weight, snr))
        self.continuum.fit(values, weight)
        continuum, _ = self.continuum(values, weight)
        self.lines.fit(values / continuum - 1, _noise_shape(weight * continuum**2, snr))

    def of_bands(self, names: Sequence[str], known: Sequence[str]) -> tuple[int, Tensor, Tensor]:
        """Return how many features a layer has that knows some bands, and where it finds them; see `feature_columns`.

        Parameters
        ----------
        names, known : sequence of str
            Bands of these features, and of the layer.
        """
        first = self.width - 3 * self.n_band - self.n_context
        columns, present = feature_columns(names, known, first=first, n_context=self.n_context)
        return len(columns), columns, present

    def forward(self, batch: Batch) -> tuple[Tensor, Estimate]:
        """Return features (n, width) and the estimate from the spectrum itself, for `familiarity`."""
        values, weight = self.pixels(batch)
        whole = self.projection(values, weight)
        continuum, log_continuum = self.continuum(values, weight)
        ratio = torch.where(weight > 0, values / continuum - 1, 0)
        lines = self.lines(ratio, weight * continuum**2)
        # Long tails (bursts, deep dust) would dominate a plain scaling.
        parts = [torch.asinh(whole.coefficients / self.projection.scale), whole.log_known + 1]
        parts += [torch.asinh(lines.coefficients / self.lines.scale), lines.log_known + 1]
        parts += [log_continuum, self.bands(batch).flatten(1), self.context(batch)]
        return torch.cat(parts, dim=1), whole

    def whole(self, batch: Batch) -> Estimate:
        """Return the estimate from the spectrum itself alone."""
        return self.projection(*self.pixels(batch))

    def familiarity(self, batch: Batch, whole: Estimate) -> tuple[Tensor, Tensor]:
        """Return components and the reduced chi-square of the basis.

        Parameters
        ----------
        batch : Batch
            n spectra.
        whole : Estimate
            From `forward`.

        Returns
        -------
        components : Tensor (n, n_component)
        chi2 : Tensor (n,)
        """
        values, weight = self.pixels(batch)
        block = _CHI2_BLOCK // 2 if self.pairs else _CHI2_BLOCK
        return whole.coefficients, self.projection.residual_chi2(values, weight, whole, block=block)

    def pixels(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return fluxes and inverse variances, zero where masked, (n, n_pixel); no pixel counts for more than S/N 1000."""
        values, weight = self._pixels(batch)
        return values, torch.minimum(weight, _MOST_SNR**2 / self.projection.shape**2)

    def _pixels(self, batch: Batch) -> tuple[Tensor, Tensor]:
        weight = torch.where(batch.mask, batch.sigma**-2, 0)
        values = torch.where(batch.mask, batch.flux, 0)
        return pair_pixels(values, weight) if self.pairs else (values, weight)


def pair_pixels(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Average neighbours by their inverse variances.

    Parameters
    ----------
    values, weight : Tensor (n, n_pixel)
        Fluxes, and inverse variances, zero where masked.

    Returns
    -------
    values, weight : Tensor (n, ceil(n_pixel / 2))
        Zero where both are masked.
    """
    if values.shape[1] % 2:
        values, weight = functional.pad(values, (0, 1)), functional.pad(weight, (0, 1))
    left, right = weight[:, 0::2], weight[:, 1::2]
    total = left + right
    # Of what is to be averaged, zero weights leave zero.
    summed = torch.addcmul(left * values[:, 0::2], right, values[:, 1::2])
    return summed / total.clamp_min(1e-30), total


def _noise_shape(weight: Tensor, snr: Tensor) -> Tensor:
    return (snr * weight.clamp_min(1e-30).rsqrt()).median(0).values


def _running_mean(summed: Tensor, weight: Tensor, halves: tuple[int, ...]) -> Tensor:
    # Weighted sums and weights of cells (n, n_cell) -> means over 2 half + 1 cells; the first of `halves` whose window
    # holds enough weight, else the whole spectrum. In float64: a window is a small difference of long sums.
    n_cell = weight.shape[1]
    value_sum = functional.pad(torch.cumsum(summed, 1, dtype=torch.float64), (1, 0))
    weight_sum = functional.pad(torch.cumsum(weight, 1, dtype=torch.float64), (1, 0))
    total = weight_sum[:, -1:]
    cell = torch.arange(n_cell, device=weight.device)
    result = value_sum[:, -1:] / total.clamp_min(1e-30)
    for half in reversed(halves):
        low, high = (cell - half).clamp_min(0), (cell + half + 1).clamp_max(n_cell)
        inside = weight_sum.index_select(1, high) - weight_sum.index_select(1, low)
        mean = (value_sum.index_select(1, high) - value_sum.index_select(1, low)) / inside.clamp_min(1e-30)
        result = torch.where(inside > _LEAST_SHARE * total * (high - low) / n_cell, mean, result)
    return result.to(weight)
