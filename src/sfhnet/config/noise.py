"""Section on the noise and nuisances drawn while training."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from sfhnet.config.base import Section, check_range

__all__ = ["NoiseConfig", "NoiseEffect"]

NoiseEffect = Literal[
    "variance_shape",
    "sky_residuals",
    "error_scatter",
    "line_scatter",
    "kinematics",
    "calibration",
    "pixel_dropout",
    "edges",
    "zero_points",
    "band_dropout",
]


class NoiseConfig(Section):
    """Noise and nuisances drawn on the fly for each reading of a mock."""

    off: tuple[NoiseEffect, ...] = ()
    """Effects to leave out, for ablation."""
    snr_range: tuple[float, float] = (10.0, 150.0)
    """Range of the median S/N per pixel, drawn log-uniformly."""

    @model_validator(mode="after")
    def _check(self) -> NoiseConfig:
        if self.snr_range[0] <= 0:
            raise ValueError(f"snr_range starts at {self.snr_range[0]:g}; S/N must be above 0")
        check_range(self.snr_range, "snr_range")
        return self
