"""The nuisances of benchmark sets and of the simulated galaxy: fixed, whatever networks are trained with.

Section ``noise`` of the configuration is what a network should stand; it grows. Errors measured under these nuisances can
be compared from version to version. Every key is written out, so that no new default changes a set.
"""

from __future__ import annotations

from sfhnet.config import NoiseConfig

__all__ = ["BENCHMARK_NOISE"]

BENCHMARK_NOISE = NoiseConfig(
    off=(*("other_instruments", "model_error", "telluric", "windows", "hidden_lines", "poor_bands"),),
    snr_range=(10.0, 200.0),
    redshift_max=0.01,
    flat_share=0.0,
    sdss_share=0.0,
    correlation_sigma_aa=(1.0, 2.0, 2.8),
    sky_residual=0.4,
    error_scatter_dex=0.05,
    error_pixel_scatter_dex=0.0,
    tilt_range=(0.02, 0.02),
    tilt_order=3,
    tilt_slope=0.0,
    ripple_rms=0.008,
    ripple_period_aa=(100.0, 2000.0),
    model_error_range=(0.002, 0.02),
    model_error_length_aa=(6.0, 60.0),
    model_error_factor=1.5,
    telluric_rms=0.0,
    velocity_sigma_kms=10.0,
    dispersion_scatter=0.08,
    dispersion_kms=160.0,
    line_scatter_dex=0.1,
    line_scatter_common_dex=0.15,
    zero_point_mag=0.03,
    band_to_spectrum_mag=0.03,
    band_error_range=(0.01, 0.1),
    poor_bands_probability=0.0,
    poor_band_error_range=(0.01, 3.0),
    band_background=0.01,
    band_drop_probability=0.1,
    all_bands_drop_probability=0.15,
    pixel_drop_share=0.01,
    sky_mask_probability=0.6,
    sky_mask_ratio=(2.0, 6.0),
    max_blocks=4,
    block_probability=0.4,
    block_aa=(10.0, 250.0),
    notch_probability=0.15,
    edge_probability=0.25,
    red_edge_aa=8500.0,
    blue_edge_aa=4900.0,
    window_probability=0.0,
    window_min_aa=600.0,
    hidden_lines_probability=0.0,
    hidden_line_aa=(8.0, 14.0),
)
