"""Section on how networks are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sfhnet.config.base import Section

__all__ = ["TrainingConfig"]


class TrainingConfig(Section):
    """How networks are trained; `models.{name}.training` overrides single keys."""

    source: Literal["shards", "stream"] = "shards"
    """Shards = stored mocks, again and again with new noise; stream = new galaxies all the time, drawn while training."""
    epochs: int = Field(18, ge=1, le=100000)
    """Passes through the mocks, each with new noise; of a stream: parts of the run after which the held-out loss is measured."""
    posterior_share: float = Field(0.25, gt=0, lt=1)
    """Share of the epochs, the last ones, in which kind linear_flow trains its joint posterior; the rest stays as it is then."""
    draws: int = Field(1_000_000, ge=2, le=1000000000000)
    """Of a stream: draws to train on in all, unless `seconds` are given."""
    seconds: float | None = Field(None, gt=0, le=100000000.0)
    """Train for this long, with a learning rate that follows the clock; then two runs are never the same bit for bit."""
    reuse: float = Field(3.0, gt=0, le=1000000.0)
    """Of a stream: how often a draw is used, on average."""
    pool: int = Field(524_288, ge=16, le=1000000000)
    """Of a stream: draws (on a GPU: galaxies) that a batch is mixed from; 1.5 kB each in memory."""
    realisations: int = Field(1, ge=1, le=1000)
    """Of a stream: how often a galaxy is made noisy; on a GPU each use has its own noise."""
    bank_gb: float = Field(0.0, ge=0, le=100000)
    """Of a stream: disk for draws as features, which a run that goes on and other networks take instead of drawing again."""
    batch: int = Field(128, ge=2, le=1000000)
    """Mocks in a step, per process."""
    learning_rate: float = Field(2e-3, ge=1e-08, le=10)
    """Peak of the learning rate."""
    warmup_share: float = Field(0.05, ge=0, lt=1)
    """Share of the steps spent warming up."""
    weight_decay: float = Field(0.01, ge=0, le=10)
    """Weight decay of matrices."""
    beta2: float = Field(0.99, gt=0, lt=1)
    """Decay of AdamW's mean square of the gradient, per step."""
    clip_norm: float = Field(1.0, gt=0, le=1000000.0)
    """Largest gradient norm."""
    ema_decay: float = Field(0.995, ge=0, lt=1)
    """Decay of the averaged weights, per step."""
    patience: int = Field(15, ge=1, le=100000)
    """Epochs without a better held-out loss before stopping."""
    checkpoint_minutes: float = Field(5.0, gt=0, le=10080)
    """Minutes between checkpoints."""
    validation_galaxies: int = Field(1500, ge=1, le=10000000)
    """Held-out mocks for the loss after each epoch."""
    fit_galaxies: int = Field(6000, ge=10, le=10000000)
    """Mocks that set scales and principal components."""
    cache_gb: float = Field(4.0, ge=0, le=10000)
    """Keep mocks in memory up to this size, read shards in pieces beyond."""
    processes: int = Field(1, ge=1, le=1024)
    """Processes that share the work (torchrun), each with a GPU of its own where there are GPUs; `batch` is that of each."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Auto = a GPU if there is one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of hidden layers: auto = bfloat16 where GPU or CPU compute in it and it is exact enough. All else is float32."""
