"""What all networks share: a batch in, outputs and a loss out, and a spec that rebuilds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sfhnet.core.batch import Batch
from sfhnet.core.quantities import LEVELS, SCALARS
from sfhnet.networks.heads import Head
from sfhnet.networks.joint_posterior import JointPosterior

__all__ = ["Inferred", "Network", "Spec", "StandardNetwork"]


@dataclass(frozen=True)
class Spec:
    """Everything that rebuilds an empty network.

    kind: registry name; options: the model's own settings; n_wave, band_names, age_edges_myr: its interface; learnt: of a
    network that went on from another one, the bands that the first knew, then those that were added each time.
    """

    kind: str
    n_wave: int
    band_names: tuple[str, ...]
    age_edges_myr: tuple[float, ...]
    options: dict[str, Any] = field(default_factory=dict)
    learnt: tuple[tuple[str, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain types for JSON."""
        data = {
            **asdict(self),
            "band_names": list(self.band_names),
            "age_edges_myr": list(self.age_edges_myr),
            "learnt": [list(names) for names in self.learnt],
        }
        if not self.learnt:
            del data["learnt"]
        return data

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Spec:
        """Invert `to_json`."""
        return cls(
            kind=value["kind"],
            n_wave=int(value["n_wave"]),
            band_names=tuple(value["band_names"]),
            age_edges_myr=tuple(float(edge) for edge in value["age_edges_myr"]),
            options=dict(value["options"]),
            learnt=tuple(tuple(names) for names in value.get("learnt", ())),
        )


@dataclass(frozen=True)
class Inferred:
    """All that a network says of a batch, from one look at it.

    answer: as of `Network.answer`; samples: as of `Network.samples`, empty if none were asked for; familiarity: as of
    `Network.latent_for_ood`.
    """

    answer: dict[str, Any]
    samples: dict[str, Tensor]
    familiarity: tuple[Tensor, Tensor] | None


class Network(nn.Module, ABC):
    """One interface for all models: ``network(batch)`` gives outputs, ``network.loss(batch)`` the loss terms."""

    #: Whether there is anything to train beyond `fit`.
    trains = True
    #: Stages of training, one after the other; see `begin_stage`.
    n_stage = 1
    #: Whether its hidden layers may be trained in bfloat16.
    mixed = False

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.stage = 0
        #: Names of parameters that a trained network gave, and their learning rate over that of the others.
        self.inherited: frozenset[str] = frozenset()
        self.trunk_rate = 1.0
        #: Where joint samples come from, given latent vectors; None = the network has no joint posterior.
        self.posterior: JointPosterior | None = None

    @abstractmethod
    def fit(self, clean: Batch, noisy: Batch) -> None:
        """Set buffers (scales, components) from mocks before training.

        Parameters
        ----------
        clean : Batch
            Mocks with nuisances but no white noise and nothing missing.
        noisy : Batch
            The same mocks as training will see them.
        """

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the outputs named in `sfhnet.networks.heads.Head.forward`."""

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss terms and their sum under ``total`` for a batch with labels."""

    def begin_stage(self, stage: int) -> None:
        """Train what is trained in this stage from now on, and leave the rest as it is.

        Parameters
        ----------
        stage : int
            From 0; below `n_stage`.
        """
        self.stage = stage
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(self.trunk_rate > 0 or name not in self.inherited)

    def prepared(self, batch: Batch) -> Any:
        """Return what `loss` makes of a batch first, before any weight comes in: it can be banked and used again.

        Without gradient, and taken by `loss` in place of the batch. Here it is the batch itself.
        """
        return batch

    @abstractmethod
    def physical(self, scalars_z: Tensor) -> Tensor:
        """Turn standardised scalars (last axis) into physical ones."""

    @property
    def sample_width(self) -> int:
        """Normal deviates that one joint sample takes; 0 = the network has no joint posterior."""
        return 0 if self.posterior is None else self.posterior.code.width

    def samples(self, batch: Batch, normal: Tensor) -> dict[str, Tensor]:
        """Draw joint samples.

        Parameters
        ----------
        batch : Batch
            n spectra.
        normal : Tensor (n, n_sample, sample_width)
            Standard normal deviates: all the randomness.

        Returns
        -------
        dict of Tensor
            ``mass_fraction``, ``mh`` (n, n_sample, n_age), `SCALARS` and `DUST_AND_LINES` (n, n_sample).
        """
        raise ValueError(
            f"the network {self.spec.kind} has no joint posterior; use one of kind linear_flow or flow"
        )

    def latent_for_ood(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Return components and reduced chi-square of the linear basis, or None if the network has no basis."""
        return None

    @torch.no_grad()
    def answer(self, batch: Batch) -> dict[str, Any]:
        """Return point estimates and quantiles as numpy arrays, fields of `sfhnet.core.posterior.Posterior`."""
        return self._fields(self(batch))

    @torch.no_grad()
    def infer(self, batch: Batch, normal: Tensor | None = None) -> Inferred:
        """Return answer, joint samples and likeness to the mocks.

        Parameters
        ----------
        batch : Batch
            n spectra.
        normal : Tensor (n, n_sample, sample_width), optional
            As of `samples`; without it none are drawn.

        Returns
        -------
        Inferred
        """
        drawn = {} if normal is None else self.samples(batch, normal)
        return Inferred(self.answer(batch), drawn, self.latent_for_ood(batch))

    @staticmethod
    def upgraded(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return stored weights with the names of today, where an earlier version had others."""
        return tensors

    def _fields(self, out: dict[str, Tensor]) -> dict[str, Any]:
        cum_q = out["cum_q"]
        last = torch.ones_like(cum_q[:, :, :1])
        scalars_q = self.physical(out["scalars_z"]).double().cpu().numpy()
        median = LEVELS.index(0.5)
        return {
            "mass_fraction": out["mass_fraction"].double().cpu().numpy(),
            "mh": out["mh"].double().cpu().numpy(),
            "mass_fraction_q": out["mass_fraction_q"].double().cpu().numpy(),
            "cum_mass_q": torch.cat([cum_q, last], dim=2).double().cpu().numpy(),
            "mh_q": out["mh_q"].double().cpu().numpy(),
            "scalars": {name: scalars_q[:, median, k] for k, name in enumerate(SCALARS)},
            "scalars_q": {name: scalars_q[:, :, k] for k, name in enumerate(SCALARS)},
        }


class StandardNetwork(Network):
    """A network that makes a latent vector and decodes it with `Head`. Children set ``head`` and ``encode``."""

    mixed = True
    head: Head

    @abstractmethod
    def encode(self, batch: Batch) -> Tensor:
        """Return the latent vectors, (n, width)."""

    def encode_with_familiarity(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Return what `encode` and what `latent_for_ood` return; children do both from one projection."""
        return self.encode(batch), self.latent_for_ood(batch)

    @torch.no_grad()
    def infer(self, batch: Batch, normal: Tensor | None = None) -> Inferred:
        """Return answer, joint samples and likeness to the mocks from one encoding; see `Network.infer`."""
        latent, familiarity = self.encode_with_familiarity(batch)
        drawn = {} if normal is None else self._drawn(latent, normal)
        return Inferred(self._fields(self.head(latent)), drawn, familiarity)

    @torch.no_grad()
    def samples(self, batch: Batch, normal: Tensor) -> dict[str, Tensor]:
        """Draw joint samples; see `Network.samples`."""
        return self._drawn(self.encode(batch), normal)

    def _drawn(self, latent: Tensor, normal: Tensor) -> dict[str, Tensor]:
        if self.posterior is None:
            raise ValueError(
                f"the network {self.spec.kind} has no joint posterior; use one of kind linear_flow or flow"
            )
        return self.posterior.samples(latent, normal)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the outputs; see `Network.forward`."""
        return self.head(self.encode(batch))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss terms; see `Network.loss`."""
        return self._head_loss(self.encode(batch), batch.labels)

    def _head_loss(self, latent: Tensor, labels: dict[str, Tensor]) -> dict[str, Tensor]:
        # Quantiles near 0 and 1 and differences between them need all digits.
        with torch.autocast(latent.device.type, enabled=False):
            return self.head.loss(self.head(latent.float()), labels)

    def physical(self, scalars_z: Tensor) -> Tensor:
        """Return physical scalars; see `Network.physical`."""
        return self.head.physical(scalars_z)
