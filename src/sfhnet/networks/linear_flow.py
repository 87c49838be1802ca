"""The MLP on linear features with a joint posterior, trained in two stages."""

from __future__ import annotations

import torch
from torch import Tensor

from sfhnet.core.batch import Batch
from sfhnet.networks.base import Spec
from sfhnet.networks.joint_posterior import JointPosterior
from sfhnet.networks.linear_features import FeatureBatch
from sfhnet.networks.linear_mlp import LinearMlp

__all__ = ["LinearFlow"]


class LinearFlow(LinearMlp):
    """`LinearMlp`, and on its latent vectors, once they stay as they are, a joint posterior.

    Options: `sfhnet.config.models.LinearFlowConfig`. The posterior learns latents that do not move in a tenth of the draws
    that it takes beside a trunk that is still learning, and costs nothing before.
    """

    n_stage = 2
    posterior: JointPosterior

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.posterior = JointPosterior.of(spec, n_hidden=1)

    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set scales and components; see `Network.fit`."""
        super().fit(clean, noisy)
        if self._scaled:
            return
        self.posterior.code.fit(noisy.labels)

    def go_on_from(self, base: LinearMlp, trunk_rate: float) -> None:
        """Take over all that a trained network knows; new bands are learnt in one stage."""
        super().go_on_from(base, trunk_rate)
        if self.inherited:
            self.n_stage = 1

    def loss(self, batch: Batch | FeatureBatch) -> dict[str, Tensor]:
        """Return the loss terms of the stage; see `Network.loss`.

        ``total`` is that of the heads in the first stage, and ``nll`` per dimension in the second. What a stage does not
        train is computed in evaluation mode only.
        """
        if self.inherited:
            # Heads and posterior know what latents mean: what is new has to please both.
            latent = self.encode(batch)
            terms = self._head_loss(latent, batch.labels)
            terms["nll"] = self.posterior.nll(latent, batch.labels, noisy=self.training)
            return {**terms, "total": terms["total"] + terms["nll"]}
        first, both = self.stage == 0, not self.training
        with torch.set_grad_enabled(first and torch.is_grad_enabled()):
            latent = self.encode(batch)
        terms = self._head_loss(latent, batch.labels) if first or both else {}
        if not first or both:
            terms["nll"] = self.posterior.nll(latent, batch.labels, noisy=self.training)
        return terms if first else {**terms, "total": terms["nll"]}

    def begin_stage(self, stage: int) -> None:
        """Train the trunk and heads (0) or the posterior (1) from now on; see `Network.begin_stage`."""
        super().begin_stage(stage)
        if self.inherited:
            return
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith("posterior.") is (stage == 1))
