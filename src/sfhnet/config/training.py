"""Sections on the networks: models and training."""

from __future__ import annotations

import difflib
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from sfhnet.config.base import Section

__all__ = ["LossWeights", "ModelConfig", "TrainingConfig"]


class TrainingConfig(Section):
    """How networks are trained; `models.{name}.training` overrides single keys."""

    epochs: int = Field(18, ge=1)
    """Passes through the mocks; each pass has new noise."""
    batch: int = Field(128, ge=2)
    """Mocks in a step, per process."""
    learning_rate: float = Field(2e-3, gt=0)
    """Peak of the learning rate."""
    warmup_share: float = Field(0.05, ge=0, lt=1)
    """Share of the steps spent warming up."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW weight decay."""
    clip_norm: float = Field(1.0, gt=0)
    """Largest gradient norm."""
    ema_decay: float = Field(0.995, ge=0, lt=1)
    """Decay of the averaged weights, per step."""
    patience: int = Field(15, ge=1)
    """Epochs without a better held-out loss before stopping."""
    checkpoint_minutes: float = Field(5.0, gt=0)
    """Minutes between checkpoints."""
    validation_galaxies: int = Field(1500, ge=1)
    """Held-out mocks for the loss after each epoch."""
    fit_galaxies: int = Field(6000, ge=10)
    """Mocks that set scales and principal components."""
    cache_gb: float = Field(4.0, ge=0)
    """Keep mocks in memory up to this size, read shards in pieces beyond."""
    processes: int = Field(1, ge=1)
    """Processes that share the work (torchrun), each with a GPU of its own where there are GPUs; `batch` is that of each."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Auto = a GPU if there is one."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Bfloat16 = mixed precision, GPU only."""


class LossWeights(Section):
    """Weights of the loss terms."""

    cum: float = Field(2.0, ge=0)
    """Wasserstein-1 distance of cumulative mass, dex of age."""
    mh: float = Field(1.0, ge=0)
    """Mass-weighted error of [M/H] per age bin."""
    cum_q: float = Field(2.0, ge=0)
    """Pinball loss of cumulative-mass quantiles."""
    mass_fraction_q: float = Field(1.0, ge=0)
    """Pinball loss of mass-fraction quantiles."""
    mh_q: float = Field(0.3, ge=0)
    """Pinball loss of [M/H] quantiles."""
    scalars: float = Field(2.0, ge=0)
    """Pinball loss of scalar quantiles."""
    nll: float = Field(0.3, ge=0)
    """Negative log density of the joint posterior, per dimension (flow)."""


class ModelConfig(Section):
    """One network; models of several names are trained side by side."""

    kind: Literal["prior_mean", "pca_mlp", "attention", "four_branch", "flow"]
    """Which network: the baselines prior_mean and pca_mlp, the paper's first (four_branch) and current one (attention),
    and attention with a joint posterior (flow)."""
    n_component: int = Field(64, ge=4, le=512)
    """Principal components."""
    width: int = Field(256, ge=8)
    """Length of the latent vector."""
    depth: int = Field(3, ge=0, le=20)
    """Residual blocks of the decoder."""
    token_width: int = Field(64, ge=8)
    """Length of an attention token."""
    n_head: int = Field(4, ge=1)
    """Attention heads."""
    n_layer: int = Field(2, ge=1, le=20)
    """Attention layers."""
    n_spectral_token: int = Field(6, ge=1)
    """Tokens made of the principal components."""
    patch: int = Field(48, ge=4)
    """Pixels of a patch."""
    stride: int = Field(32, ge=1)
    """Pixels between patches."""
    filters: tuple[int, int, int] = (128, 64, 32)
    """Filters of the three convolutions (four_branch)."""
    decoder: tuple[int, ...] = (512, 256, 256, 128)
    """Sizes of the layers of both decoders (four_branch)."""
    n_transform: int = Field(4, ge=1, le=16)
    """Coupling layers of the joint posterior (flow)."""
    flow_width: int = Field(256, ge=8)
    """Width of their hidden layers."""
    flow_bins: int = Field(4, ge=2, le=64)
    """Pieces of their splines."""
    context_width: int = Field(128, ge=4)
    """Numbers about the spectrum that they see."""
    n_mh: int = Field(8, ge=1)
    """Principal components of [M/H] over age in the joint posterior."""
    loss_weights: LossWeights = LossWeights()
    training: dict[str, float | int | str] = Field(default_factory=dict)
    """Keys of `training` to override."""

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
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
            TrainingConfig(**self.training)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"training.{first['loc'][0]} is {first['input']!r}: {first['msg']}") from error
        if self.token_width % self.n_head:
            raise ValueError(f"token_width {self.token_width} is no multiple of n_head {self.n_head}")
        return self
