"""The attention network with a joint posterior on its latent vector, trained together."""

from __future__ import annotations

from torch import Tensor

from sfhnet.core.batch import Batch
from sfhnet.networks.attention import Attention
from sfhnet.networks.base import Spec
from sfhnet.networks.joint_posterior import JointPosterior, upgraded

__all__ = ["Flow"]


class Flow(Attention):
    """Attention trunk, quantile heads and a joint posterior.

    Options: `sfhnet.config.models.FlowConfig`.
    """

    posterior: JointPosterior

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.posterior = JointPosterior.of(spec, n_hidden=2)
        self.nll_weight = float(spec.options["loss_weights"]["nll"])

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set scales and components; see `Network.fit`."""
        super().fit(clean, noisy)
        self.posterior.code.fit(noisy.labels)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss terms of the heads and ``nll`` per dimension; see `Network.loss`."""
        latent = self.encode(batch)  # (n, width)
        terms = self._head_loss(latent, batch.labels)
        terms["nll"] = self.posterior.nll(latent, batch.labels, noisy=self.training)
        terms["total"] = terms["total"] + self.nll_weight * terms["nll"]
        return terms

    @staticmethod
    def upgraded(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return weights with the names of today; see `Network.upgraded`."""
        return upgraded(tensors)
