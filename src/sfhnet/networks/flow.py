"""The attention network with a joint posterior: a neural spline flow on its latent vector beside the quantile heads.

Point estimates and quantiles come from `Head`, as in every network. The flow (Durkan et al. 2019; coupling layers of
zuko, after a shift and a scale) is trained with them and draws histories, metallicities and dust together, as `HistoryCode` writes them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from zuko.flows import NICE
from zuko.transforms import MonotonicRQSTransform

from sfhnet.core.batch import Batch
from sfhnet.networks.attention import Attention
from sfhnet.networks.base import Spec
from sfhnet.networks.history_code import HistoryCode

__all__ = ["Flow"]

# Vectors that are decoded in one go: bounds the memory.
_ROWS = 16384


class Flow(Attention):
    """Attention trunk, quantile heads and a conditional flow.

    Options: `sfhnet.config.models.FlowConfig`.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        o = spec.options
        self.code = HistoryCode(list(spec.age_edges_myr), o["n_mh"])
        self.sample_width = self.code.width
        self.context = nn.Sequential(nn.Linear(o["width"], o["context_width"]), nn.GELU())
        # Where the posterior is and how wide: splines alone would have to squeeze their whole domain onto it.
        self.location = nn.Linear(o["width"], 2 * self.code.width)
        nn.init.normal_(self.location.weight, std=0.3 / o["width"] ** 0.5)
        nn.init.zeros_(self.location.bias)
        bins = o["flow_bins"]
        # Coupling layers: half of the numbers bends the other half by splines, as fast to draw from as to evaluate.
        self.flow = NICE(
            self.code.width,
            o["context_width"],
            transforms=o["n_transform"],
            randmask=True,
            univariate=MonotonicRQSTransform,
            shapes=[(bins,), (bins,), (bins - 1,)],
            hidden_features=(o["flow_width"],) * 2,
        )
        self.nll_weight = float(o["loss_weights"]["nll"])

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set scales and components; see `Network.fit`."""
        super().fit(clean, noisy)
        self.code.fit(noisy.labels)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss terms of the heads and ``nll`` per dimension; see `Network.loss`."""
        latent = self.encode(batch)  # (n, width)
        with torch.autocast(latent.device.type, enabled=False):
            latent = latent.float()
            terms = self.head.loss(self.head(latent), batch.labels)
            log_density = self.log_prob(latent, self.code.encode(batch.labels, noisy=self.training))
        # An outlier far in the tails must not own the step.
        terms["nll"] = -log_density.clamp_min(-20.0 * self.code.width).mean() / self.code.width
        terms["total"] = terms["total"] + self.nll_weight * terms["nll"]
        return terms

    def log_prob(self, latent: Tensor, vectors: Tensor) -> Tensor:
        """Return the log density of vectors of the code given latent vectors.

        Parameters
        ----------
        latent : Tensor (n, width)
            From `encode`.
        vectors : Tensor (n, code.width)
            From `HistoryCode.encode`.

        Returns
        -------
        Tensor (n,)
        """
        centre, log_width = self.location(latent).chunk(2, dim=1)  # (n, code.width) each
        residual = (vectors - centre) * torch.exp(-log_width)
        return self.flow(self.context(latent)).log_prob(residual) - log_width.sum(1)

    def draw(self, latent: Tensor, normal: Tensor) -> Tensor:
        """Return vectors of the code for standard normal deviates.

        Parameters
        ----------
        latent : Tensor (n, width)
            From `encode`.
        normal : Tensor (n, n_sample, code.width)
            All the randomness.

        Returns
        -------
        Tensor (n, n_sample, code.width)
        """
        n, n_sample, width = normal.shape
        # One row for each sample: (n * n_sample, context_width).
        context = self.context(latent)[:, None].expand(-1, n_sample, -1).reshape(n * n_sample, -1)
        residual = self.flow(context).transform.inv(normal.reshape(-1, width)).reshape(n, n_sample, width)
        centre, log_width = self.location(latent)[:, None].chunk(2, dim=2)  # (n, 1, code.width) each
        return centre + torch.exp(log_width) * residual

    @torch.no_grad()
    def samples(self, batch: Batch, normal: Tensor) -> dict[str, Tensor]:
        """Return joint samples; see `Network.samples`."""
        latent = self.encode(batch)
        at_once = max(1, _ROWS // normal.shape[1])
        parts: dict[str, list[Tensor]] = {}
        for start in range(0, len(latent), at_once):
            rows = slice(start, start + at_once)
            for name, value in self.code.decode(self.draw(latent[rows], normal[rows])).items():
                parts.setdefault(name, []).append(value)
        return {name: torch.cat(values) for name, values in parts.items()}
