"""Sections on the networks: models, training, calibration and validation."""

from __future__ import annotations

from pydantic import Field

from sfhnet.config.base import Section

__all__ = ["CalibrationConfig", "ModelConfig", "TrainingConfig", "ValidationConfig"]


class TrainingConfig(Section):
    """How networks are trained."""


class ModelConfig(Section):
    """One network; its name is the key under models."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Architecture."""


class CalibrationConfig(Section):
    """Conformal calibration of the posterior widths on held-out mocks."""


class ValidationConfig(Section):
    """Benchmarks and metrics on held-out mocks."""
