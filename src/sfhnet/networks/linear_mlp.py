"""An MLP on the best linear estimates of a spectrum's components."""

from __future__ import annotations

import torch
from torch import Tensor

from sfhnet.core.batch import Batch
from sfhnet.networks.base import Spec, StandardNetwork
from sfhnet.networks.baselines import Residual, residual_mlp
from sfhnet.networks.heads import Head
from sfhnet.networks.linear_features import FeatureBatch, LinearFeatures

__all__ = ["LinearMlp"]


class LinearMlp(StandardNetwork):
    """Residual MLP on `LinearFeatures`.

    Options: `sfhnet.config.models.LinearConfig`.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        o = spec.options
        view = {name: o[name] for name in ("n_node", "continuum_pixels", "pairs")}
        self.features = LinearFeatures(spec.n_wave, o["n_component"], len(spec.band_names), **view)
        self.mlp = residual_mlp(self.features.width, o["width"], o["depth"])
        self.head = Head(o["width"], list(spec.age_edges_myr), o["loss_weights"])

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set scales and components; see `Network.fit`."""
        self.features.fit(clean)
        self.head.fit(noisy.labels)

    @torch.no_grad()
    def prepared(self, batch: Batch) -> FeatureBatch:
        """Return the features and labels of a batch; see `Network.prepared`."""
        return FeatureBatch(self.features(batch)[0], batch.labels)

    def encode(self, batch: Batch | FeatureBatch) -> Tensor:
        """Return the latent vectors, (n, width)."""
        prepared = batch if isinstance(batch, FeatureBatch) else self.prepared(batch)
        return self.mlp(prepared.features)

    def encode_with_familiarity(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return what `encode` and what `latent_for_ood` return, from one projection."""
        features, whole = self.features(batch)
        return self.mlp(features), self.features.familiarity(batch, whole)

    def latent_for_ood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return components and reduced chi-square; see `Network.latent_for_ood`."""
        return self.features.familiarity(batch, self.features.whole(batch))

    def hidden_matrices(self) -> list[Tensor]:
        """Return the matrices that `sfhnet.training.muon` orthogonalises."""
        blocks = [block for block in self.mlp if isinstance(block, Residual)]
        return [matrix for block in blocks for matrix in (block.expand.weight, block.shrink.weight)]
