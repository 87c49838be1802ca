"""Section on the noise and nuisances drawn while training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sfhnet.config.base import Section, check_range

__all__ = ["NoiseConfig", "NoiseEffect"]

NoiseEffect = Literal[
    "variance_shape",
    "correlation",
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
    """Noise and nuisances drawn on the fly in training; each can be switched off by name."""

    off: tuple[NoiseEffect, ...] = ()
    """Effects to leave out, for ablation."""
    snr_range: tuple[float, float] = (10.0, 200.0)
    """Median S/N per 1.25 AA pixel, drawn log-uniformly."""
    redshift_max: float = Field(0.01, ge=0, le=0.3)
    """Largest redshift: moves sky lines in the rest frame."""
    correlation_sigma_aa: tuple[float, ...] = (1.0, 2.0, 2.8)
    """Gaussian sigma in AA of the smoothing that correlates neighbouring noise."""
    sky_residual: float = Field(0.4, ge=0)
    """Rms of sky-line residuals over the sky-line error."""
    error_scatter_dex: float = Field(0.05, ge=0)
    """Scatter of quoted over true errors, dex."""
    tilt_rms: float = Field(0.02, ge=0, le=0.5)
    """Rms of smooth flux-calibration errors, fraction."""
    tilt_order: int = Field(3, ge=1, le=8)
    """Highest Legendre order of smooth calibration errors."""
    ripple_rms: float = Field(0.008, ge=0, le=0.5)
    """Rms of a sinusoidal calibration error, fraction."""
    ripple_period_aa: tuple[float, float] = (100.0, 2000.0)
    """Period of that ripple in AA, log-uniform."""
    velocity_sigma_kms: float = Field(10.0, ge=0, le=60)
    """Error of the velocity used to de-redshift, km/s."""
    dispersion_scatter: float = Field(0.08, ge=0, le=0.3)
    """Fractional error of dispersion and LSF."""
    dispersion_kms: float = Field(160.0, gt=0)
    """Dispersion with LSF that this fraction refers to, km/s."""
    line_scatter_dex: float = Field(0.1, ge=0)
    """Scatter of single emission-line ratios, dex."""
    line_scatter_common_dex: float = Field(0.15, ge=0)
    """Scatter common to all lines of a spectrum, dex."""
    zero_point_mag: float = Field(0.03, ge=0)
    """Scatter of the zero point of each band, mag."""
    band_to_spectrum_mag: float = Field(0.03, ge=0)
    """Scatter common to all bands against MUSE, mag."""
    band_error_range: tuple[float, float] = (0.01, 0.1)
    """Fractional error of band fluxes, log-uniform."""
    band_background: float = Field(0.01, ge=0)
    """Background error of bands at S/N 10, over the flux s."""
    band_drop_probability: float = Field(0.1, ge=0, le=1)
    """Probability that one band is absent."""
    all_bands_drop_probability: float = Field(0.15, ge=0, le=1)
    """Probability that no band is present."""
    pixel_drop_share: float = Field(0.01, ge=0, le=0.5)
    """Share of single pixels that are masked."""
    sky_mask_probability: float = Field(0.6, ge=0, le=1)
    """Probability that pixels on sky lines are masked, as the preparation of real spectra does."""
    sky_mask_ratio: tuple[float, float] = (2.0, 6.0)
    """Variance over that of the smooth sky beyond which they are, drawn evenly."""
    max_blocks: int = Field(4, ge=0, le=20)
    """Masked stretches at most."""
    block_probability: float = Field(0.4, ge=0, le=1)
    """Probability of each of them."""
    block_aa: tuple[float, float] = (10.0, 250.0)
    """Length of masked stretches in AA, log-uniform."""
    notch_probability: float = Field(0.15, ge=0, le=1)
    """Probability of the AO notch, 5800-5970 AA."""
    edge_probability: float = Field(0.25, ge=0, le=1)
    """Probability that an end of the range is cut."""
    red_edge_aa: float = Field(8500.0, gt=0)
    """Deepest cut at the red end, AA rest frame."""
    blue_edge_aa: float = Field(4900.0, gt=0)
    """Deepest cut at the blue end, AA rest frame."""

    @model_validator(mode="after")
    def _check(self) -> NoiseConfig:
        for name in ("snr_range", "ripple_period_aa", "band_error_range", "block_aa"):
            values = getattr(self, name)
            if values[0] <= 0:
                raise ValueError(
                    f"{name} starts at {values[0]:g}; it is drawn log-uniformly and must be above 0"
                )
            check_range(values, name)
        if any(sigma <= 0 for sigma in self.correlation_sigma_aa):
            raise ValueError(
                f"correlation_sigma_aa has {min(self.correlation_sigma_aa):g}; give widths above 0"
            )
        return self
