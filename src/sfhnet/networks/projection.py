"""A global linear view of the spectrum: principal components of noise-free mocks, robust to missing pixels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sfhnet.core.batch import WINDOWS_AA, Batch
from sfhnet.tools.random_streams import torch_stream

__all__ = ["BandsAndContext", "Features", "Projection", "principal_components"]

# Band fluxes over s span 1e-3 to 1e2: logarithmic above this, linear (so that negative noise is harmless) below.
_BAND_SOFTENING = 0.01

# log10 of the largest fractional error of a band that networks are told.
_MOST_LOG_ERROR = 1.0

_TYPICAL_SNR = 50.0

_CHI2_BLOCK = 16


class Projection(nn.Module):
    """Principal components of ``(flux - mean) / shape``; masked pixels are filled from the components themselves.

    Parameters
    ----------
    n_wave, n_component : int
        Pixels and components.
    n_fill : int
        Rounds of filling masked pixels (expectation-maximisation for missing data).
    """

    mean: Tensor  # (n_wave,)
    shape: Tensor  # (n_wave,)
    basis: Tensor  # (n_component, n_wave)
    scale: Tensor  # (n_component,)

    def __init__(self, n_wave: int, n_component: int, n_fill: int = 4) -> None:
        super().__init__()
        self.n_component, self.n_fill = n_component, n_fill
        self.register_buffer("mean", torch.ones(n_wave))
        self.register_buffer("shape", torch.ones(n_wave))
        self.register_buffer("basis", torch.zeros(n_component, n_wave))
        self.register_buffer("scale", torch.ones(n_component))

    @torch.no_grad()
    def fit(self, batch: Batch) -> None:
        """Set mean, shape, basis and scale from mocks; best without white noise, every pixel present.

        Parameters
        ----------
        batch : Batch
            A few thousand normalised mocks; ``sigma`` gives the relative weight of the pixels.
        """
        self.mean.copy_(batch.flux.mean(0))
        self.shape.copy_((batch.sigma * 10.0 ** batch.log_snr[:, None]).median(0).values)
        x = (batch.flux - self.mean) / self.shape
        self.basis.copy_(principal_components(x, self.n_component))
        # Noise of a unit-norm component is 1 / (S/N); the weakest are scaled by it, not by their own tiny spread.
        spread = (x @ self.basis.T).std(0)
        self.scale.copy_(torch.sqrt(spread**2 + _TYPICAL_SNR**-2))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return coefficients (n, n_component) and the filled, standardised spectrum (n, n_wave)."""
        # The weakest components lie below the rounding of bfloat16.
        with torch.autocast(batch.flux.device.type, enabled=False):
            x = torch.where(batch.mask, (batch.flux - self.mean) / self.shape, 0)
            coefficients = x @ self.basis.T
            for _ in range(self.n_fill):
                x = torch.where(batch.mask, x, coefficients @ self.basis)
                coefficients = x @ self.basis.T
        return coefficients, x

    @torch.no_grad()
    def residual_chi2(self, batch: Batch, coefficients: Tensor) -> Tensor:
        """Return the reduced chi-square of the basis.

        Residuals are averaged over 16 pixels first: there ``sigma`` is right whether or not neighbours share noise.

        Parameters
        ----------
        batch : Batch
            n spectra.
        coefficients : Tensor (n, n_component)
            From `forward`.

        Returns
        -------
        Tensor (n,)
        """
        model = (coefficients @ self.basis) * self.shape + self.mean
        n, n_wave = batch.flux.shape
        n_block = n_wave // _CHI2_BLOCK

        def block_sum(x: Tensor) -> Tensor:
            return x[:, : n_block * _CHI2_BLOCK].view(n, n_block, _CHI2_BLOCK).sum(2)

        good = batch.mask.float()
        count = block_sum(good)
        residual = block_sum(torch.where(batch.mask, batch.flux - model, 0))
        variance = block_sum(torch.where(batch.mask, batch.sigma, 0) ** 2)
        used = count >= _CHI2_BLOCK / 2
        chi2 = torch.where(used, residual**2 / variance.clamp_min(1e-20), 0).sum(1)
        return chi2 / (used.sum(1) - self.n_component / 2).clamp_min(1)


def principal_components(x: Tensor, n_component: int) -> Tensor:
    """Return the leading components of rows whose mean is zero.

    Parameters
    ----------
    x : Tensor (n, n_wave)
        One spectrum a row.
    n_component : int
        How many.

    Returns
    -------
    Tensor (n_component, n_wave)
        Of unit norm, the largest first.

    Raises
    ------
    ValueError
        If there are no more rows than components.
    """
    if len(x) <= n_component:
        raise ValueError(f"{len(x)} mocks cannot give {n_component} components; use more")
    # Subspace iteration from a fixed start: the leading components, exact to far below the noise, in seconds.
    start = torch_stream("network.subspace", 0)
    subspace = torch.randn(x.shape[1], n_component + 24, generator=start).to(x)
    for _ in range(5):
        subspace = torch.linalg.qr(x.T @ (x @ subspace)).Q
    _, _, vectors = torch.linalg.svd(x @ subspace, full_matrices=False)
    return (vectors @ subspace.T)[:n_component]


class BandsAndContext(nn.Module):
    """What goes with a spectrum, as plain numbers: bands, their errors, S/N, what is missing.

    Parameters
    ----------
    n_band : int
        Bands.
    """

    N_BLOCK = 16

    band_mean: Tensor  # (n_band,)
    band_std: Tensor  # (n_band,)

    def __init__(self, n_band: int) -> None:
        super().__init__()
        self.n_band = n_band
        self.n_context = self.N_BLOCK + len(WINDOWS_AA) + 1 + 1
        self.register_buffer("band_mean", torch.zeros(n_band))
        self.register_buffer("band_std", torch.ones(n_band))

    @torch.no_grad()
    def fit(self, batch: Batch) -> None:
        """Set the zero points and scales of the band fluxes from mocks with every band."""
        self.fit_bands(batch, range(self.n_band))

    @torch.no_grad()
    def fit_bands(self, batch: Batch, columns: Iterable[int]) -> None:
        """Set the zero points and scales of some bands."""
        value = torch.asinh(batch.band_flux / _BAND_SOFTENING)
        mean, spread = value.mean(0), value.std(0).clamp_min(1e-3)
        for column in columns:
            self.band_mean[column], self.band_std[column] = mean[column], spread[column]

    def bands(self, batch: Batch) -> Tensor:
        """Return value, log error and presence of each band, (n, n_band, 3); zeros where absent.

        The value is drawn towards the mean of the mocks once the error is beyond their spread, so that a band that was
        measured badly says nothing, whatever its number is.
        """
        value = (torch.asinh(batch.band_flux / _BAND_SOFTENING) - self.band_mean) / self.band_std
        # Error in units of the spread, at the brightest of the measured flux and the mocks' mean: noise does not make it
        # smaller. Beyond three times the spread no flux is believed.
        usual = _BAND_SOFTENING * torch.sinh(self.band_mean)
        most = _BAND_SOFTENING * torch.sinh(self.band_mean + 3 * self.band_std)
        level = torch.minimum(torch.maximum(batch.band_flux, usual), most)
        spread = batch.band_sigma / torch.sqrt(level**2 + _BAND_SOFTENING**2) / self.band_std
        value = value / (1 + (spread - 1).clamp_min(0) ** 2)
        flux = torch.minimum(batch.band_flux.abs(), most)
        relative = batch.band_sigma / (flux + _BAND_SOFTENING)
        error = torch.log10(relative + 1e-3).clamp_max(_MOST_LOG_ERROR) + 1.0
        present = batch.band_mask.float()
        return torch.stack([value * present, error * present, present], dim=2)

    def context(self, batch: Batch) -> Tensor:
        """Return S/N, share of good pixels in 16 wavelength blocks and the window, (n, n_context)."""
        n, n_wave = batch.mask.shape
        size = n_wave // self.N_BLOCK
        share = batch.mask[:, : size * self.N_BLOCK].view(n, self.N_BLOCK, size).float().mean(2)
        window = (batch.window[:, None] == torch.arange(len(WINDOWS_AA) + 1, device=share.device)).float()
        return torch.cat([2.0 * (batch.log_snr[:, None] - 1.5), 2.0 * (share - 1.0), window], dim=1)


class Features(BandsAndContext):
    """Everything but pixels, as plain numbers: components, bands, errors, S/N, what is missing.

    ``width`` is the number of features.

    Parameters
    ----------
    projection : Projection
        Of the spectra.
    n_band : int
        Bands.
    """

    def __init__(self, projection: Projection, n_band: int) -> None:
        super().__init__(n_band)
        self.projection = projection
        self.width = projection.n_component + 3 * n_band + self.n_context

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return features (n, width) and the filled, standardised spectrum (n, n_wave)."""
        coefficients, filled = self.projection(batch)
        return self.given(batch, coefficients), filled

    def given(self, batch: Batch, coefficients: Tensor) -> Tensor:
        """Return the features (n, width) of a batch whose projection is known.

        Parameters
        ----------
        batch : Batch
        coefficients : Tensor (n, n_component)
            From `projection`.
        """
        # Long tails (bursts, deep dust) would dominate a plain scaling.
        scaled = torch.asinh(coefficients / self.projection.scale)
        return torch.cat([scaled, self.bands(batch).flatten(1), self.context(batch)], dim=1)
