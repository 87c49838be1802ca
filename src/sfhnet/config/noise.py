"""Section on the noise and nuisances drawn while training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sfhnet.config.base import Section, check_range

__all__ = ["NoiseConfig", "NoiseEffect"]

NoiseEffect = Literal[
    "variance_shape",
    "other_instruments",
    "correlation",
    "sky_residuals",
    "error_scatter",
    "line_scatter",
    "kinematics",
    "calibration",
    "model_error",
    "telluric",
    "pixel_dropout",
    "edges",
    "windows",
    "hidden_lines",
    "zero_points",
    "poor_bands",
    "band_dropout",
]

# Ends of ranges; most are drawn log-uniformly, so that none may be 0.
_Snr = Annotated[float, Field(ge=0.5, le=1e5)]
_Ratio = Annotated[float, Field(ge=1, le=1e4)]
_Fraction = Annotated[float, Field(ge=1e-4, le=0.5)]
_BandError = Annotated[float, Field(ge=1e-4, le=100)]
_Angstrom = Annotated[float, Field(ge=1, le=10000)]

_RANGES = (
    *("snr_range", "tilt_range", "ripple_period_aa", "model_error_range", "model_error_length_aa"),
    *("band_error_range", "poor_band_error_range", "sky_mask_ratio", "block_aa", "hidden_line_aa"),
)


class NoiseConfig(Section):
    """Noise and nuisances drawn on the fly in training; each can be switched off by name. Benchmark sets have fixed ones."""

    off: tuple[NoiseEffect, ...] = ()
    """Effects to leave out, for ablation."""
    snr_range: tuple[_Snr, _Snr] = (3.0, 200.0)
    """Median S/N per 1.25 AA pixel, drawn log-uniformly."""
    redshift_max: float = Field(0.03, ge=0, le=0.3)
    """Largest redshift: moves sky lines and telluric bands in the rest frame."""
    flat_share: float = Field(0.15, ge=0, le=1)
    """Share of spectra whose error is the same at all wavelengths, but for the source's own."""
    sdss_share: float = Field(0.15, ge=0, le=1)
    """Share of spectra with the errors of SDSS; the rest have those of MUSE."""
    correlation_sigma_aa: tuple[Annotated[float, Field(gt=0, le=10)], ...] = (1.0, 2.0, 2.8)
    """Gaussian sigma in AA of the smoothing that correlates neighbouring noise."""
    sky_residual: float = Field(0.4, ge=0, le=10)
    """Rms of sky-line residuals over the sky-line error."""
    error_scatter_dex: float = Field(0.1, ge=0, le=1)
    """Scatter of quoted over true errors, common to all pixels of a spectrum, dex."""
    error_pixel_scatter_dex: float = Field(0.03, ge=0, le=0.5)
    """The same from pixel to pixel, dex."""
    tilt_range: tuple[_Fraction, _Fraction] = (0.005, 0.15)
    """Rms of smooth flux-calibration errors, fraction, drawn log-uniformly."""
    tilt_order: int = Field(10, ge=1, le=16)
    """Highest Legendre order of smooth calibration errors."""
    tilt_slope: float = Field(0.7, ge=0, le=4)
    """Sizes of these orders fall as order to the minus this."""
    ripple_rms: float = Field(0.008, ge=0, le=0.5)
    """Rms of a sinusoidal calibration error, fraction."""
    ripple_period_aa: tuple[_Angstrom, _Angstrom] = (100.0, 2000.0)
    """Period of that ripple in AA, log-uniform."""
    model_error_range: tuple[_Fraction, _Fraction] = (0.002, 0.02)
    """Rms of what the stellar libraries lack, a Gaussian process in the log of the flux; drawn log-uniformly."""
    model_error_length_aa: tuple[_Angstrom, _Angstrom] = (6.0, 60.0)
    """Correlation length of that process, AA: Gaussian sigma of the smoothing; four lengths in even steps of its log."""
    model_error_factor: float = Field(1.5, ge=1, le=10)
    """Factor on that rms at 4750-5300 AA and redward of 7300 AA, where E-MILES does not match old galaxies."""
    telluric_rms: float = Field(0.03, ge=0, le=0.5)
    """Rms of the residuals of the telluric bands at 6870, 7200, 7600, 8200 and 9000 AA (observed), fraction."""
    velocity_sigma_kms: float = Field(10.0, ge=0, le=60)
    """Error of the velocity used to de-redshift, km/s."""
    dispersion_scatter: float = Field(0.08, ge=0, le=0.3)
    """Fractional error of dispersion and LSF."""
    dispersion_kms: float = Field(160.0, gt=0, le=1000)
    """Dispersion with LSF that this fraction refers to, km/s."""
    line_scatter_dex: float = Field(0.1, ge=0, le=1)
    """Scatter of single emission-line ratios, dex."""
    line_scatter_common_dex: float = Field(0.15, ge=0, le=2)
    """Scatter common to all lines of a spectrum, dex."""
    zero_point_mag: float = Field(0.03, ge=0, le=1)
    """Scatter of the zero point of each band, mag."""
    band_to_spectrum_mag: float = Field(0.03, ge=0, le=1)
    """Scatter common to all bands against MUSE, mag."""
    band_error_range: tuple[_BandError, _BandError] = (0.01, 0.1)
    """Fractional error of band fluxes, log-uniform."""
    poor_bands_probability: float = Field(0.3, ge=0, le=1)
    """Probability that about half of a galaxy's bands are poor."""
    poor_band_error_range: tuple[_BandError, _BandError] = (0.01, 3.0)
    """Fractional error of poor band fluxes, log-uniform; beyond 0.3 negative fluxes are common."""
    band_background: float = Field(0.01, ge=0, le=10)
    """Background error of bands at S/N 10, over the flux s."""
    band_drop_probability: float = Field(0.1, ge=0, le=1)
    """Probability that one band is absent."""
    all_bands_drop_probability: float = Field(0.15, ge=0, le=1)
    """Probability that no band is present."""
    pixel_drop_share: float = Field(0.01, ge=0, le=0.5)
    """Share of single pixels that are masked."""
    sky_mask_probability: float = Field(0.6, ge=0, le=1)
    """Probability that pixels on sky lines are masked, as the preparation of real spectra does."""
    sky_mask_ratio: tuple[_Ratio, _Ratio] = (2.0, 6.0)
    """Variance over that of the smooth sky beyond which they are, drawn evenly."""
    max_blocks: int = Field(4, ge=0, le=20)
    """Masked stretches at most."""
    block_probability: float = Field(0.4, ge=0, le=1)
    """Probability of each of them."""
    block_aa: tuple[_Angstrom, _Angstrom] = (10.0, 250.0)
    """Length of masked stretches in AA, log-uniform."""
    notch_probability: float = Field(0.15, ge=0, le=1)
    """Probability of the AO notch, 5800-5970 AA."""
    edge_probability: float = Field(0.25, ge=0, le=1)
    """Probability that an end of the range is cut."""
    red_edge_aa: float = Field(7000.0, gt=0, le=20000)
    """Deepest cut at the red end, AA rest frame."""
    blue_edge_aa: float = Field(4900.0, gt=0, le=20000)
    """Deepest cut at the blue end, AA rest frame."""
    window_probability: float = Field(0.5, ge=0, le=1)
    """Probability that only one stretch of the range is seen; in half of these cases it begins at the blue end."""
    window_min_aa: float = Field(600.0, ge=100, le=10000)
    """Shortest such stretch, AA; the length is drawn log-uniformly up to the whole range."""
    hidden_lines_probability: float = Field(0.5, ge=0, le=1)
    """Probability that emission lines are masked: all of them in half of these cases, else groups of them."""
    hidden_line_aa: tuple[_Angstrom, _Angstrom] = (8.0, 14.0)
    """How far to each side of a line is masked, AA: three widths in even steps."""

    @model_validator(mode="after")
    def _check(self) -> NoiseConfig:
        for name in _RANGES:
            check_range(getattr(self, name), name)
        if self.flat_share + self.sdss_share > 1:
            raise ValueError(
                f"flat_share and sdss_share are {self.flat_share:g} and {self.sdss_share:g}, more than 1 together; "
                "the rest is MUSE's"
            )
        return self
