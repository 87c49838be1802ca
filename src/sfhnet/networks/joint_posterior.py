"""A joint posterior on a latent vector: histories, metallicities, dust and lines drawn together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sfhnet.networks.history_code import HistoryCode
from sfhnet.networks.lean_flow import LeanFlow, lean_tensors

if TYPE_CHECKING:
    from sfhnet.networks.base import Spec

__all__ = ["JointPosterior", "upgraded"]

# Vectors that are decoded in one go: bounds the memory.
_ROWS = 16384


class JointPosterior(nn.Module):
    """A normalizing flow over vectors of `HistoryCode`, after a shift and a scale that depend on the latent vector.

    Parameters
    ----------
    width : int
        Length of the latent vector.
    age_edges_myr : list of float (n_age+1,)
        Age bins.
    n_mh, context_width, n_transform, flow_width, n_hidden, bins : int
        Components of [M/H] over age; numbers about the spectrum that the flow sees; its coupling layers, units and number
        of their hidden layers, pieces of their splines.
    """

    def __init__(
        self,
        width: int,
        age_edges_myr: list[float],
        *,
        n_mh: int,
        context_width: int,
        n_transform: int,
        flow_width: int,
        n_hidden: int,
        bins: int,
    ) -> None:
        super().__init__()
        self.code = HistoryCode(age_edges_myr, n_mh)
        self.context = nn.Sequential(nn.Linear(width, context_width), nn.GELU())
        # Where the posterior is and how wide: splines alone would have to squeeze their whole domain onto it.
        self.location = nn.Linear(width, 2 * self.code.width)
        nn.init.normal_(self.location.weight, std=0.3 / width**0.5)
        nn.init.zeros_(self.location.bias)
        # Coupling layers: half of the numbers bends the other half by splines, as fast to draw from as to evaluate.
        self.flow = LeanFlow(
            self.code.width,
            context_width,
            n_transform=n_transform,
            width=flow_width,
            n_hidden=n_hidden,
            bins=bins,
        )

    @classmethod
    def of(cls, spec: Spec, n_hidden: int) -> JointPosterior:
        """Return the one that the options of a network ask for.

        Parameters
        ----------
        spec : Spec
            Of the network whose latent vectors it is to read.
        n_hidden : int
            Hidden layers of a coupling layer.

        Returns
        -------
        JointPosterior
        """
        o = spec.options
        return cls(
            o["width"],
            list(spec.age_edges_myr),
            n_mh=o["n_mh"],
            context_width=o["context_width"],
            n_transform=o["n_transform"],
            flow_width=o["flow_width"],
            n_hidden=n_hidden,
            bins=o["flow_bins"],
        )

    def nll(self, latent: Tensor, labels: dict[str, Tensor], *, noisy: bool) -> Tensor:
        """Return the negative log density of the truth, per dimension and averaged, ().

        Parameters
        ----------
        latent : Tensor (n, width)
        labels : dict of Tensor
            True values of n mocks.
        noisy : bool
            Blur them to the resolution of the code, as training needs.
        """
        with torch.autocast(latent.device.type, enabled=False):
            log_density = self.log_prob(latent.float(), self.code.encode(labels, noisy=noisy))
        # An outlier far in the tails must not own the step.
        return -log_density.clamp_min(-20.0 * self.code.width).mean() / self.code.width

    def log_prob(self, latent: Tensor, vectors: Tensor) -> Tensor:
        """Return the log density of vectors of the code given latent vectors.

        Parameters
        ----------
        latent : Tensor (n, width)
        vectors : Tensor (n, code.width)
            From `HistoryCode.encode`.

        Returns
        -------
        Tensor (n,)
        """
        centre, log_width = self.location(latent).chunk(2, dim=1)  # (n, code.width) each
        residual = (vectors - centre) * torch.exp(-log_width)
        return self.flow.log_prob(self.context(latent), residual) - log_width.sum(1)

    def draw(self, latent: Tensor, normal: Tensor) -> Tensor:
        """Return vectors of the code for standard normal deviates.

        Parameters
        ----------
        latent : Tensor (n, width)
        normal : Tensor (n, n_sample, code.width)
            All the randomness.

        Returns
        -------
        Tensor (n, n_sample, code.width)
        """
        residual = self.flow.draw(self.context(latent), normal)
        centre, log_width = self.location(latent)[:, None].chunk(2, dim=2)  # (n, 1, code.width) each
        return torch.addcmul(centre, torch.exp(log_width), residual)

    def samples(self, latent: Tensor, normal: Tensor) -> dict[str, Tensor]:
        """Return joint samples, as of `sfhnet.networks.base.Network.samples`."""
        at_once = max(1, _ROWS // normal.shape[1])
        parts: dict[str, list[Tensor]] = {}
        for some, deviates in zip(latent.split(at_once), normal.split(at_once), strict=True):
            for name, value in self.code.decode(self.draw(some, deviates)).items():
                parts.setdefault(name, []).append(value)
        return {name: torch.cat(values) for name, values in parts.items()}


def upgraded(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a network of kind flow with the names of today.

    Until version 0.2 the posterior's parts lay in the network itself and its flow was zuko's ``NICE``.
    """
    if not any(name.startswith("flow.transform.") for name in tensors):
        return tensors
    old = {"flow", "code", "context", "location"}
    result = {name: value for name, value in tensors.items() if name.split(".")[0] not in old}
    moved = {name: value for name, value in tensors.items() if name.split(".")[0] in old - {"flow"}}
    result |= {f"posterior.{name}": value for name, value in moved.items()}
    zuko = {name.removeprefix("flow."): value for name, value in tensors.items() if name.startswith("flow.")}
    return result | {f"posterior.flow.{name}": value for name, value in lean_tensors(zuko).items()}
