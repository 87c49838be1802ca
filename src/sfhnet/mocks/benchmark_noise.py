"""The nuisances of benchmark sets and of the simulated galaxy: fixed, whatever networks are trained with.

Section ``noise`` of the configuration is what a network should stand; it grows. Errors measured under these nuisances can
be compared from version to version. Every key is written out, so that no new default changes a set.
"""

from __future__ import annotations

from sfhnet.config import NoiseConfig

__all__ = ["BENCHMARK_NOISE"]

BENCHMARK_NOISE = NoiseConfig(
    off=(),
    snr_range=(10.0, 200.0),
    redshift_max=0.01,
    correlation_sigma_aa=(1.0, 2.0, 2.8),
    sky_residual=0.4,
    error_scatter_dex=0.05,
    tilt_rms=0.02,
    tilt_order=3,
    ripple_rms=0.008,
    ripple_period_aa=(100.0, 2000.0),
    velocity_sigma_kms=10.0,
    dispersion_scatter=0.08,
    dispersion_kms=160.0,
    line_scatter_dex=0.1,
    line_scatter_common_dex=0.15,
    zero_point_mag=0.03,
    band_to_spectrum_mag=0.03,
    band_error_range=(0.01, 0.1),
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
)
