"""The two baselines every model stands beside: always answer the prior, and an MLP on principal components."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sfhnet.core.batch import Batch
from sfhnet.core.quantities import LEVELS, SCALARS
from sfhnet.networks.base import Network, Spec, StandardNetwork
from sfhnet.networks.heads import Head, scalar_labels
from sfhnet.networks.projection import Features, Projection

__all__ = ["PcaMlp", "PriorMean", "residual_mlp"]


class PriorMean(Network):
    """Whatever the spectrum, answer the mean and the quantiles of the training labels.

    Options: `sfhnet.config.models.PriorMeanConfig`.
    """

    trains = False

    mass_fraction: Tensor  # (n_age,)
    mh: Tensor  # (n_age,)
    cum_q: Tensor  # (n_quant, n_age - 1)
    mass_fraction_q: Tensor  # (n_quant, n_age)
    mh_q: Tensor  # (n_quant, n_age)
    scalars_q: Tensor  # (n_quant, n_scalar)

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        n_age, n_q = len(spec.age_edges_myr) - 1, len(LEVELS)
        self.register_buffer("mass_fraction", torch.full((n_age,), 1.0 / n_age))
        self.register_buffer("mh", torch.zeros(n_age))
        self.register_buffer("cum_q", torch.zeros(n_q, n_age - 1))
        self.register_buffer("mass_fraction_q", torch.zeros(n_q, n_age))
        self.register_buffer("mh_q", torch.zeros(n_q, n_age))
        self.register_buffer("scalars_q", torch.zeros(n_q, len(SCALARS)))
        self.head = Head(1, list(spec.age_edges_myr), spec.options["loss_weights"])

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set scales and components; see `Network.fit`."""
        labels = noisy.labels
        self.head.fit(labels)
        mass, levels = labels["mass_fraction"].float(), torch.tensor(LEVELS)
        finite = torch.isfinite(labels["mh"])
        weight = mass * finite
        mh = labels["mh"].float().nan_to_num(0.0)
        self.mass_fraction.copy_(mass.mean(0))
        self.mh.copy_((weight * mh).sum(0) / weight.sum(0).clamp_min(1e-12))
        self.cum_q.copy_(torch.quantile(mass.cumsum(1)[:, :-1], levels, dim=0))
        self.mass_fraction_q.copy_(torch.quantile(mass, levels, dim=0))
        self.mh_q.copy_(torch.nanquantile(labels["mh"].float(), levels, dim=0).nan_to_num(0.0))
        scalars = (scalar_labels(labels) - self.head.scalar_mean) / self.head.scalar_std
        self.scalars_q.copy_(torch.quantile(scalars, levels, dim=0))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the outputs; see `Network.forward`."""
        n = len(batch)
        names = ("mass_fraction", "mh", "cum_q", "mass_fraction_q", "mh_q")
        out = {name: getattr(self, name).expand(n, *getattr(self, name).shape) for name in names}
        return {**out, "scalars_z": self.scalars_q.expand(n, *self.scalars_q.shape)}

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss terms; see `Network.loss`."""
        return self.head.loss(self(batch), batch.labels)

    def physical(self, scalars_z: Tensor) -> Tensor:
        """Return physical scalars; see `Network.physical`."""
        return self.head.physical(scalars_z)


class Residual(nn.Module):
    """LayerNorm, two linear layers, added to the input.

    Parameters
    ----------
    width, inner : int
        Length of the vectors, and between the layers.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, inner)
        self.shrink = nn.Linear(inner, width)
        nn.init.zeros_(self.shrink.weight)
        nn.init.zeros_(self.shrink.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors of the same shape (..., width)."""
        return x + self.shrink(nn.functional.gelu(self.expand(self.norm(x))))


def residual_mlp(n_in: int, width: int, depth: int) -> nn.Sequential:
    """Return a linear layer, residual blocks and a last norm.

    Parameters
    ----------
    n_in, width : int
        Length of the vectors that come in and go out.
    depth : int
        Residual blocks.

    Returns
    -------
    Sequential
        (n, n_in) -> (n, width).
    """
    blocks: list[nn.Module] = [nn.Linear(n_in, width)]
    blocks += [Residual(width, 2 * width) for _ in range(depth)]
    return nn.Sequential(*blocks, nn.LayerNorm(width), nn.GELU())


class PcaMlp(StandardNetwork):
    """MLP on principal components, bands, S/N and what is missing.

    Options: `sfhnet.config.models.PcaMlpConfig`.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        o = spec.options
        self.features = Features(Projection(spec.n_wave, o["n_component"]), len(spec.band_names))
        self.mlp = residual_mlp(self.features.width, o["width"], o["depth"])
        self.head = Head(o["width"], list(spec.age_edges_myr), o["loss_weights"])

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set scales and components; see `Network.fit`."""
        self.features.projection.fit(clean)
        self.features.fit(clean)
        self.head.fit(noisy.labels)

    def encode(self, batch: Batch) -> Tensor:
        """Return the latent vectors, (n, width)."""
        return self.mlp(self.features(batch)[0])

    def encode_with_familiarity(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return what `encode` and what `latent_for_ood` return, from one projection."""
        familiarity = self.latent_for_ood(batch)
        return self.mlp(self.features.given(batch, familiarity[0])), familiarity

    def latent_for_ood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return components and reduced chi-square; see `Network.latent_for_ood`."""
        coefficients, _ = self.features.projection(batch)
        return coefficients, self.features.projection.residual_chi2(batch, coefficients)
