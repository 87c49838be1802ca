"""The paper's first network: two encoders, a joint latent, and separate decoders of history and metallicity.

Sizes, dropout and loss are those of the authors' public code (LOGAN-SFH, 2022, MIT), rebuilt from their description. It
gives points only; so that it answers like the others, quantiles and scalars come from a linear head on its joint latent,
which is detached: it learns from that latent and does not change it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from sfhnet.core.batch import Batch
from sfhnet.networks.base import Network, Spec
from sfhnet.networks.heads import Head

__all__ = ["FourBranch", "smape_loss"]


def smape_loss(estimate: Tensor, truth: Tensor) -> Tensor:
    """Return the authors' floored SMAPE, 2 |d| / max(|y| + |p| + 0.1, 0.6), averaged.

    Parameters
    ----------
    estimate, truth : Tensor
        Of one shape.

    Returns
    -------
    Tensor ()
    """
    return (2 * (estimate - truth).abs() / (truth.abs() + estimate.abs() + 0.1).clamp_min(0.6)).mean()


def _dense(sizes: list[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class FourBranch(Network):
    """Spectral CNN, photometric branch, joint latent, two decoders.

    Options: `sfhnet.config.models.FourBranchConfig`; its ``loss_weights`` are those of the added head.
    """

    KERNELS = (30, 10, 3)
    MASS_WEIGHT, MH_WEIGHT = 1.0, 0.8

    mean: Tensor  # (n_wave,)
    std: Tensor  # ()

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        filters, decoder = list(spec.options["filters"]), list(spec.options["decoder"])
        n_age, n_band = len(spec.age_edges_myr) - 1, len(spec.band_names)
        layers: list[nn.Module] = []
        size, channels = spec.n_wave, 1
        for width, kernel in zip(filters, self.KERNELS, strict=True):
            layers += [nn.Conv1d(channels, width, kernel), nn.ReLU(), nn.BatchNorm1d(width)]
            layers += [nn.MaxPool1d(3), nn.Dropout(0.15)]
            size, channels = (size - kernel + 1) // 3, width
        self.FILTERS = tuple(filters)
        self.spectral = nn.Sequential(*layers, nn.Flatten(), nn.Linear(size * channels, 128), nn.ReLU())
        self.photometric = nn.Sequential(_dense([n_band, 64, 32], 0.25), nn.Linear(32, 32), nn.ReLU())
        self.decode_mass = nn.Sequential(_dense([160, *decoder], 0.15), nn.Linear(decoder[-1], n_age))
        self.decode_mh = nn.Sequential(_dense([160, *decoder], 0.15), nn.Linear(decoder[-1], n_age))
        self.head = Head(160, list(spec.age_edges_myr), spec.options["loss_weights"])
        self.register_buffer("mean", torch.ones(spec.n_wave))
        self.register_buffer("std", torch.ones(()))

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set the zero point and scale of the spectra, and the scales of the added head; see `Network.fit`."""
        self.mean.copy_(clean.flux.mean(0))
        self.std.copy_((clean.flux - self.mean).std())
        self.head.fit(noisy.labels)

    def latent(self, batch: Batch) -> Tensor:
        """Return the joint latent, (n, 160)."""
        spectrum = torch.where(batch.mask, (batch.flux - self.mean) / self.std, 0)
        # ASSUME: magnitudes relative to the spectrum; a band that is absent or negative counts as equal to it.
        seen = batch.band_mask & (batch.band_flux > 0)
        magnitudes = -2.5 * torch.log10(torch.where(seen, batch.band_flux, 1.0))
        return torch.cat([self.spectral(spectrum[:, None]), self.photometric(magnitudes)], dim=1)

    def _points(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        # ASSUME: a softmax makes the history a simplex; metallicity is decoded as Z over solar.
        mass = torch.softmax(self.decode_mass(latent) + self.head.mean_log_mass, dim=1)
        return mass, nn.functional.softplus(self.decode_mh(latent)) + 1e-3

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the outputs; see `Network.forward`."""
        latent = self.latent(batch)
        mass, z_solar = self._points(latent)
        return {**self.head(latent.detach()), "mass_fraction": mass, "mh": torch.log10(z_solar)}

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the authors' two terms, and those of the added head; see `Network.loss`."""
        latent = self.latent(batch)
        mass, z_solar = self._points(latent)
        truth = torch.where(torch.isfinite(batch.labels["mh"]), 10.0 ** batch.labels["mh"], z_solar.detach())
        mass_term = smape_loss(mass, batch.labels["mass_fraction"])
        mh_term = smape_loss(z_solar, truth)
        added = self.head.loss(self.head(latent.detach()), batch.labels)
        total = self.MASS_WEIGHT * mass_term + self.MH_WEIGHT * mh_term + added["total"]
        return {"smape_mass": mass_term, "smape_mh": mh_term, "added": added["total"], "total": total}

    def physical(self, scalars_z: Tensor) -> Tensor:
        """Return physical scalars; see `Network.physical`."""
        return self.head.physical(scalars_z)
