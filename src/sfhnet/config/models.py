"""Section `models`: one class for each kind of network, with the options of that kind only.

The options of a kind are those that its module in `sfhnet.networks` reads; a test keeps the two alike.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from sfhnet.config.base import Section, SomeCount
from sfhnet.config.training import TrainingConfig

__all__ = [
    "AttentionConfig",
    "FlowConfig",
    "FlowLossWeights",
    "FourBranchConfig",
    "LinearConfig",
    "LinearFlowConfig",
    "LossWeights",
    "ModelConfig",
    "PcaMlpConfig",
    "PriorMeanConfig",
]


class LossWeights(Section):
    """Weights of the loss terms (`sfhnet.networks.heads`)."""

    cum: float = Field(2.0, ge=0, le=1000000.0)
    """Wasserstein-1 distance of cumulative mass, dex of age."""
    mh: float = Field(1.0, ge=0, le=1000000.0)
    """Mass-weighted error of [M/H] per age bin."""
    cum_q: float = Field(2.0, ge=0, le=1000000.0)
    """Pinball loss of cumulative-mass quantiles."""
    mass_fraction_q: float = Field(1.0, ge=0, le=1000000.0)
    """Pinball loss of mass-fraction quantiles."""
    mh_q: float = Field(0.3, ge=0, le=1000000.0)
    """Pinball loss of [M/H] quantiles."""
    scalars: float = Field(2.0, ge=0, le=1000000.0)
    """Pinball loss of scalar quantiles."""


class FlowLossWeights(LossWeights):
    """Weights of the loss terms, and of the joint posterior's."""

    nll: float = Field(0.3, ge=0, le=1000000.0)
    """Negative log density of the joint posterior, per dimension."""


class _Network(Section):
    """What all kinds take."""

    loss_weights: LossWeights = LossWeights()
    training: dict[str, float | int | str] = Field(default_factory=dict)
    """Keys of `training` to override."""

    @model_validator(mode="after")
    def _check_training(self) -> _Network:
        unknown = sorted(set(self.training) - set(TrainingConfig.model_fields))
        if unknown:
            near = difflib.get_close_matches(unknown[0], TrainingConfig.model_fields, 1)
            hint = (
                f"; did you mean {near[0]}?"
                if near
                else f"; there are {', '.join(TrainingConfig.model_fields)}"
            )
            raise ValueError(f"training has no key {unknown[0]!r}{hint}")
        try:
            TrainingConfig.model_validate(self.training)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"training.{first['loc'][0]} is {first['input']!r}: {first['msg']}") from error
        return self


class PriorMeanConfig(_Network):
    """Baseline: whatever the spectrum, answer the prior (`sfhnet.networks.baselines`)."""

    kind: Literal["prior_mean"] = "prior_mean"


class PcaMlpConfig(_Network):
    """Baseline: a multilayer perceptron on principal components (`sfhnet.networks.baselines`)."""

    kind: Literal["pca_mlp"] = "pca_mlp"
    n_component: int = Field(64, ge=4, le=512)
    """Principal components."""
    width: int = Field(256, ge=8, le=16384)
    """Length of the latent vector."""
    depth: int = Field(3, ge=0, le=20)
    """Residual blocks of the decoder."""


class LinearConfig(PcaMlpConfig):
    """A multilayer perceptron on the best linear estimate of components (`sfhnet.networks.linear_mlp`)."""

    # The discriminator of the union is another one for each kind.
    kind: Literal["linear"] = "linear"  # type: ignore[assignment]
    n_component: int = Field(64, ge=4, le=512)
    """Principal components of the spectrum, and as many of the spectrum over its continuum."""
    n_node: int = Field(24, ge=2, le=256)
    """Wavelengths at which the continuum is an input."""
    continuum_pixels: int = Field(240, ge=48, le=4096)
    """Pixels of the running mean that is the continuum, in steps of 32."""
    pairs: bool = False
    """Average pixels in pairs first: half the cost, for dispersions above 100 km/s."""
    band_tokens: bool = False
    """Let each band enter with its pivot wavelength, width and instrument, by the same function as all others, instead of by
    weights of its own."""
    start_from: Path | None = None
    """Folder of a trained network of this kind, grid and size, which learns the bands that it does not know, or with
    trunk_rate 1 learns on from more galaxies; null: a new one."""
    trunk_rate: float = Field(0.0, ge=0, le=1)
    """With start_from: learning rate of what that network knows over that of what is new; 0: answers without the new bands
    stay what they are."""


class _JointPosterior(Section):
    n_transform: int = Field(4, ge=1, le=16)
    """Coupling layers of the joint posterior."""
    flow_width: int = Field(256, ge=8, le=16384)
    """Width of their hidden layers."""
    flow_bins: int = Field(4, ge=2, le=64)
    """Pieces of their splines."""
    context_width: int = Field(128, ge=4, le=16384)
    """Numbers about the spectrum that they see."""
    n_mh: int = Field(8, ge=1, le=1024)
    """Principal components of [M/H] over age in the joint posterior."""


class LinearFlowConfig(_JointPosterior, LinearConfig):
    """The network on linear estimates with a joint posterior, trained after it (`sfhnet.networks.linear_flow`)."""

    kind: Literal["linear_flow"] = "linear_flow"  # type: ignore[assignment]


class _AttentionOptions(_Network):
    n_component: int = Field(64, ge=4, le=512)
    """Principal components."""
    width: int = Field(256, ge=8, le=16384)
    """Length of the latent vector."""
    depth: int = Field(3, ge=0, le=20)
    """Residual blocks of the decoder."""
    token_width: int = Field(64, ge=8, le=8192)
    """Length of an attention token, a multiple of n_head."""
    n_head: int = Field(4, ge=1, le=256)
    """Attention heads."""
    n_layer: int = Field(2, ge=1, le=20)
    """Attention layers."""
    n_spectral_token: int = Field(6, ge=1, le=1024)
    """Tokens made of the principal components."""
    patch: int = Field(48, ge=4, le=4096)
    """Pixels of a patch."""
    stride: int = Field(32, ge=1, le=4096)
    """Pixels between patches."""

    @model_validator(mode="after")
    def _check_heads(self) -> _AttentionOptions:
        if self.token_width % self.n_head:
            raise ValueError(f"token_width {self.token_width} is no multiple of n_head {self.n_head}")
        return self


class AttentionConfig(_AttentionOptions):
    """The paper's current network: attention between patches, components and bands (`sfhnet.networks.attention`)."""

    kind: Literal["attention"] = "attention"


class FourBranchConfig(_Network):
    """The paper's first network: two encoders, two decoders (`sfhnet.networks.four_branch`)."""

    kind: Literal["four_branch"] = "four_branch"
    filters: tuple[SomeCount, SomeCount, SomeCount] = (128, 64, 32)
    """Filters of the three convolutions."""
    decoder: tuple[SomeCount, ...] = (512, 256, 256, 128)
    """Sizes of the layers of both decoders."""


class FlowConfig(_JointPosterior, _AttentionOptions):
    """The attention network with a joint posterior beside its quantiles (`sfhnet.networks.flow`)."""

    kind: Literal["flow"] = "flow"
    loss_weights: FlowLossWeights = FlowLossWeights()


ModelConfig = Annotated[
    PriorMeanConfig
    | PcaMlpConfig
    | LinearConfig
    | LinearFlowConfig
    | AttentionConfig
    | FourBranchConfig
    | FlowConfig,
    Field(
        discriminator="kind",
        description="One network; models of several names are trained side by side.",
    ),
]
"""One network: `kind` says which class it is of."""
