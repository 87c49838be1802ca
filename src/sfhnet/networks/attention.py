"""Attention between spectral patches, principal components and bands, decoded in one branch (after the paper's v2).

The spectrum enters twice: as a global linear projection (components, turned into a few tokens) and as overlapping
patches of the high-passed spectrum, which a convolution turns into tokens with a wavelength encoding. The few tokens
(components, one per band, one for S/N and what is missing) attend to the patches, then to each other. An absent band is
an absent token.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sfhnet.core.batch import Batch
from sfhnet.networks.base import Spec, StandardNetwork
from sfhnet.networks.baselines import Residual, residual_mlp
from sfhnet.networks.heads import Head
from sfhnet.networks.projection import Features, Projection
from sfhnet.tools.random_streams import torch_stream

__all__ = ["Attention", "high_pass", "wavelength_code"]


def high_pass(x: Tensor, half: int) -> Tensor:
    """Subtract a running mean, from cumulative sums: cost independent of its width.

    Parameters
    ----------
    x : Tensor (n, n_wave)
        One spectrum a row.
    half : int
        The mean is over ``2 half + 1`` pixels; beyond the ends the last pixel goes on.

    Returns
    -------
    Tensor (n, n_wave)
    """
    padded = functional.pad(x, (half + 1, half), mode="replicate")  # (n, n_wave + 2 half + 1)
    total = torch.cumsum(padded, dim=1)
    size = 2 * half + 1
    return x - (total[:, size:] - total[:, :-size]) / size


def wavelength_code(position: np.ndarray, width: int) -> Tensor:
    """Return sines and cosines of places along the spectrum.

    Parameters
    ----------
    position : ndarray (n,)
        0 to 1 along the spectrum.
    width : int
        Length of a code, even.

    Returns
    -------
    Tensor (n, width)
    """
    frequency = np.pi * 2.0 ** np.linspace(0.0, 6.0, width // 2)
    angle = position[:, None] * frequency
    return torch.from_numpy(np.concatenate([np.sin(angle), np.cos(angle)], axis=1)).float()


class CrossBlock(nn.Module):
    """Tokens attend to patches, then to each other, then pass an MLP; pre-norm, residual.

    Parameters
    ----------
    width : int
        Length of a token.
    n_head : int
        Heads that share it.
    """

    def __init__(self, width: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.norm_cross, self.norm_self = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mix_cross = nn.Linear(width, width)
        self.qkv, self.mix_self = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = Residual(width, 2 * width)

    def _split(self, x: Tensor) -> Tensor:
        # (n, t, width) -> (n, n_head, t, width / n_head)
        n, t, width = x.shape
        return x.view(n, t, self.n_head, width // self.n_head).transpose(1, 2)

    def forward(self, tokens: Tensor, patches: Tensor, *, patch_mask: Tensor, token_mask: Tensor) -> Tensor:
        """Return the tokens after one round.

        Parameters
        ----------
        tokens : Tensor (n, n_token, width)
            What attends.
        patches : Tensor (n, n_patch, width)
            What it attends to.
        patch_mask, token_mask : Tensor of bool (n, n_patch), (n, n_token)
            True = may be attended to.

        Returns
        -------
        Tensor (n, n_token, width)
        """
        n, t, width = tokens.shape
        key, value = self.key_value(patches).chunk(2, dim=2)  # (n, n_patch, width) each
        query = self.query(self.norm_cross(tokens))  # (n, n_token, width)
        mixed = functional.scaled_dot_product_attention(
            self._split(query), self._split(key), self._split(value), attn_mask=patch_mask[:, None, None, :]
        )
        tokens = tokens + self.mix_cross(mixed.transpose(1, 2).reshape(n, t, width))
        query, key, value = self.qkv(self.norm_self(tokens)).chunk(3, dim=2)  # (n, n_token, width) each
        mixed = functional.scaled_dot_product_attention(
            self._split(query), self._split(key), self._split(value), attn_mask=token_mask[:, None, None, :]
        )
        tokens = tokens + self.mix_self(mixed.transpose(1, 2).reshape(n, t, width))
        return self.mlp(tokens)


class Attention(StandardNetwork):
    """Convolution, attention and one combined decoder.

    Options: `sfhnet.config.models.AttentionConfig`.
    """

    HIGH_PASS_HALF = 60

    patch_code: Tensor  # (n_patch, token_width)
    line_mean: Tensor  # (n_wave,)
    line_std: Tensor  # (n_wave,)

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        o = spec.options
        if o["token_width"] % o["n_head"]:
            raise ValueError(f"token_width {o['token_width']} is no multiple of n_head {o['n_head']}")
        n_band, width = len(spec.band_names), o["token_width"]
        self.features = Features(Projection(spec.n_wave, o["n_component"]), n_band)
        # Warm start: the learnable projection begins as the principal components (see `fit`).
        self.learned = nn.Linear(spec.n_wave, o["n_component"], bias=False)
        self.n_spectral = o["n_spectral_token"]
        self.spectral_token = nn.Linear(o["n_component"], self.n_spectral * width)
        self.patch, self.stride = o["patch"], o["stride"]
        self.stem = nn.Conv1d(2, width, self.patch, stride=self.stride)
        self.n_patch = (spec.n_wave - self.patch) // self.stride + 1
        centre = (np.arange(self.n_patch) * self.stride + self.patch / 2) / spec.n_wave
        self.register_buffer("patch_code", 0.3 * wavelength_code(centre, width))
        self.patch_mlp = Residual(width, width)
        self.band_token = nn.Linear(3, width)
        self.band_code = nn.Parameter(
            0.3 * torch.randn(n_band, width, generator=torch_stream("network.band_code", 0))
        )
        self.context_token = nn.Linear(self.features.n_context, width)
        self.kind_code = nn.Parameter(torch.zeros(self.n_spectral + 1, width))
        self.blocks = nn.ModuleList(CrossBlock(width, o["n_head"]) for _ in range(o["n_layer"]))
        self.register_buffer("line_mean", torch.zeros(spec.n_wave))
        self.register_buffer("line_std", torch.ones(spec.n_wave))
        n_token = self.n_spectral + n_band + 1
        self.direct = nn.Linear(self.features.width, o["width"])
        self.gathered = nn.Linear(n_token * width, o["width"])
        self.mlp = residual_mlp(o["width"], o["width"], o["depth"])
        self.head = Head(o["width"], list(spec.age_edges_myr), o["loss_weights"])

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set scales and components; see `Network.fit`."""
        projection = self.features.projection
        projection.fit(clean)
        self.features.fit(clean)
        self.head.fit(noisy.labels)
        with torch.no_grad():
            self.learned.weight.copy_(projection.basis / projection.scale[:, None])
            lines = high_pass(projection(noisy)[1], self.HIGH_PASS_HALF)
            self.line_mean.copy_(lines.mean(0))
            self.line_std.copy_(lines.std(0).clamp_min(1e-4))

    def encode(self, batch: Batch) -> Tensor:
        """Return the latent vectors, (n, width)."""
        return self._latent(batch, self.features.projection(batch))

    def encode_with_familiarity(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return what `encode` and what `latent_for_ood` return, from one projection."""
        projected = self.features.projection(batch)
        chi2 = self.features.projection.residual_chi2(batch, projected[0])
        return self._latent(batch, projected), (projected[0], chi2)

    def _latent(self, batch: Batch, projected: tuple[Tensor, Tensor]) -> Tensor:
        n, filled = len(batch), projected[1]
        features = self.features.given(batch, projected[0])  # (n, features.width)
        coefficients = torch.asinh(self.learned(filled))  # (n, n_component)
        lines = (high_pass(filled, self.HIGH_PASS_HALF) - self.line_mean) / self.line_std  # (n, n_wave)
        good = batch.mask.float()  # (n, n_wave)
        channels = torch.stack([lines.clamp(-8, 8) * good, good - 1.0], dim=1)  # (n, 2, n_wave)
        # Tokens of the patches: (n, n_patch, token_width).
        patches = self.patch_mlp(self.stem(channels).transpose(1, 2) + self.patch_code)
        # Patches with enough good pixels: (n, n_patch).
        patch_good = functional.avg_pool1d(good[:, None], self.patch, self.stride)[:, 0] > 0.2
        # A spectrum without one good patch still needs something to attend to.
        patch_good = patch_good | ~patch_good.any(1, keepdim=True)
        spectral = self.spectral_token(coefficients).view(n, self.n_spectral, -1)
        bands = self.band_token(self.features.bands(batch)) + self.band_code  # (n, n_band, token_width)
        context = self.context_token(self.features.context(batch))[:, None]  # (n, 1, token_width)
        # The few that attend: (n, n_token, token_width).
        tokens = torch.cat([torch.cat([spectral, context], dim=1) + self.kind_code, bands], dim=1)
        always = torch.ones(n, self.n_spectral + 1, dtype=torch.bool, device=tokens.device)
        token_good = torch.cat([always, batch.band_mask], dim=1)  # (n, n_token)
        for block in self.blocks:
            tokens = block(tokens, patches, patch_mask=patch_good, token_mask=token_good)
        tokens = tokens * token_good[:, :, None]
        return self.mlp(self.direct(features) + self.gathered(tokens.flatten(1)))

    def latent_for_ood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return components and reduced chi-square; see `Network.latent_for_ood`."""
        coefficients, _ = self.features.projection(batch)
        return coefficients, self.features.projection.residual_chi2(batch, coefficients)
