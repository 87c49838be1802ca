"""Section on how networks are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sfhnet.config.base import Section

__all__ = ["TrainingConfig"]


class TrainingConfig(Section):
    """How networks are trained; `models.{name}.training` overrides single keys."""

    epochs: int = Field(18, ge=1)
    """Passes through the mocks; each pass has new noise."""
    posterior_share: float = Field(0.25, gt=0, lt=1)
    """Share of the epochs, the last ones, in which kind linear_flow trains its joint posterior; the rest stays as it is then."""
    batch: int = Field(128, ge=2)
    """Mocks in a step, per process."""
    learning_rate: float = Field(2e-3, gt=0)
    """Peak of the learning rate."""
    warmup_share: float = Field(0.05, ge=0, lt=1)
    """Share of the steps spent warming up."""
    weight_decay: float = Field(0.01, ge=0)
    """Weight decay of matrices."""
    beta2: float = Field(0.99, gt=0, lt=1)
    """Decay of AdamW's mean square of the gradient, per step."""
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
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of hidden layers: auto = bfloat16 where GPU or CPU compute in it and it is exact enough. All else is float32."""
