"""An MLP on the best linear estimates of a spectrum's components."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sfhnet.core.bands import find_band
from sfhnet.core.batch import Batch
from sfhnet.networks.added_bands import AddedBands
from sfhnet.networks.band_tokens import BandTokens
from sfhnet.networks.base import Spec, StandardNetwork
from sfhnet.networks.baselines import Residual, residual_mlp
from sfhnet.networks.heads import Head
from sfhnet.networks.linear_features import FeatureBatch, LinearFeatures

__all__ = ["LinearMlp"]


class LinearMlp(StandardNetwork):
    """Residual MLP on `LinearFeatures`.

    Options: `sfhnet.config.models.LinearConfig`.
    """

    columns_0: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        o = spec.options
        view = {name: o[name] for name in ("n_node", "continuum_pixels", "pairs")}
        self.features = LinearFeatures(spec.n_wave, o["n_component"], len(spec.band_names), **view)
        # Bands that came later speak through layers of their own; what was there before sees what it always saw.
        known, *added = spec.learnt or (spec.band_names,)
        self.tokens = BandTokens([find_band(name) for name in known]) if o.get("band_tokens") else None
        self._n_known = 3 * len(known)
        seen = known
        layers = []
        for number, names in enumerate((known, *added)):
            seen = seen if number == 0 else (*seen, *names)
            width, columns, present = self.features.of_bands(spec.band_names, seen)
            self.register_buffer(f"columns_{number}", columns if spec.learnt else None, persistent=False)
            if number == 0:
                width += 0 if self.tokens is None else self.tokens.WIDTH - self._n_known
                self.mlp = residual_mlp(width, o["width"], o["depth"])
            else:
                layers.append(AddedBands(width, o["width"], o["width"], present[-len(names) :]))
        self.added = nn.ModuleList(layers)
        self.head = Head(o["width"], list(spec.age_edges_myr), o["loss_weights"])
        self._scaled: frozenset[str] = frozenset()

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set scales and components; see `Network.fit`."""
        if self._scaled:
            self.features.fit_bands(clean, self._new_bands())
            return
        self.features.fit(clean)
        self.head.fit(noisy.labels)

    def go_on_from(self, base: LinearMlp, trunk_rate: float) -> None:
        """Take over all that a trained network knows; where no band is new, all of it goes on learning.

        Parameters
        ----------
        base : LinearMlp
            A network of the same kind and size, whose bands and layers are the first of ``spec.learnt``.
        trunk_rate : float
            Learning rate of what it knows over that of what is new.
        """
        own = {name: value.clone() for name, value in self.state_dict().items()}
        for name, value in base.state_dict().items():
            if name in ("features.band_mean", "features.band_std"):
                for column, band in enumerate(base.spec.band_names):
                    if band in self.spec.band_names:
                        own[name][self.spec.band_names.index(band)] = value[column]
            else:
                own[name] = value
        # What is derived from weights is made anew by loading.
        self.load_state_dict(own)
        self._scaled = frozenset(base.spec.band_names)
        if self._new_bands():
            self.inherited = frozenset(name for name, _ in base.named_parameters())
            self.trunk_rate = trunk_rate

    def _new_bands(self) -> list[int]:
        return [k for k, name in enumerate(self.spec.band_names) if name not in self._scaled]

    @torch.no_grad()
    def prepared(self, batch: Batch) -> FeatureBatch:
        """Return the features and labels of a batch; see `Network.prepared`."""
        return FeatureBatch(self.features(batch)[0], batch.labels)

    def encode(self, batch: Batch | FeatureBatch) -> Tensor:
        """Return the latent vectors, (n, width)."""
        prepared = batch if isinstance(batch, FeatureBatch) else self.prepared(batch)
        return self._latent(prepared.features)

    def _trunk(self, features: Tensor) -> Tensor:
        if self.tokens is None:
            return self.mlp(features)
        n_context = self.features.n_context
        first = features.shape[1] - self._n_known - n_context
        spectrum, bands, context = features.split((first, self._n_known, n_context), dim=1)
        return self.mlp(torch.cat([spectrum, self.tokens(bands.unflatten(1, (-1, 3))), context], dim=1))

    def _latent(self, features: Tensor) -> Tensor:
        if not self.spec.learnt:
            return self._trunk(features)
        # A column of zeros stands for the bands that are no longer there.
        padded = nn.functional.pad(features, (0, 1))
        latent = self._trunk(padded.index_select(1, self.columns_0))
        for number, layer in enumerate(self.added, 1):
            latent = latent + layer(padded.index_select(1, getattr(self, f"columns_{number}")))
        return latent

    def encode_with_familiarity(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return what `encode` and what `latent_for_ood` return, from one projection."""
        features, whole = self.features(batch)
        return self._latent(features), self.features.familiarity(batch, whole)

    def latent_for_ood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return components and reduced chi-square; see `Network.latent_for_ood`."""
        return self.features.familiarity(batch, self.features.whole(batch))

    def hidden_matrices(self) -> list[Tensor]:
        """Return the matrices that `sfhnet.training.muon` orthogonalises."""
        blocks = [block for block in self.mlp if isinstance(block, Residual)]
        return [matrix for block in blocks for matrix in (block.expand.weight, block.shrink.weight)]
