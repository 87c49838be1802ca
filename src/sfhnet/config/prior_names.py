"""Names of what a prior draws; kept apart from the numerics, because the configuration is checked with them."""

from __future__ import annotations

from sfhnet.core.quantities import DUST_AND_LINES

MONOTONE_KNOTS = 5
N_TX = 3

_QUENCHED = ("start_gyr", "tau_gyr", "quench_gyr", "quench_tau_gyr")

FAMILY_PARAMETERS: dict[str, tuple[str, ...]] = {
    "skewed_normal": (
        "mpeak_gyr",
        "mperiod_gyr",
        "mskew",
        "burst_start_myr",
        "burst_duration_myr",
        "log_burst_ratio",
    ),
    "dense_basis": ("alpha", "log_ssfr_per_yr", *(f"u_tx{i + 1}" for i in range(N_TX))),
    "exponential": ("start_gyr", "tau_gyr"),
    "delayed": ("start_gyr", "tau_gyr"),
    "quenched": _QUENCHED,
    "rejuvenated": (
        *_QUENCHED,
        "rejuvenation_start_myr",
        "rejuvenation_duration_myr",
        "log_rejuvenation_fraction",
    ),
    "stochastic": ("start_gyr", "scatter_dex", "memory_myr", "slope_dex_per_gyr"),
    "single_burst": ("burst_age_myr", "burst_width_fraction"),
    "bursty": (
        "start_gyr",
        "slope_dex_per_gyr",
        "spacing_myr",
        "duty_fraction",
        "scatter_dex",
        "log_quiet_ratio",
    ),
}
"""Families of star-formation histories; their order is the family number in files."""

FAMILY_NAMES: tuple[str, ...] = (*FAMILY_PARAMETERS, "spiky", "sum")
"""Families of mocks: those of the prior, the histories of stress mocks, and sums of galaxies."""

_ENDS = ("log_z_start", "z_final")

METALLICITY_PARAMETERS: dict[str, tuple[str, ...]] = {
    "constant": ("z_final",),
    "linear": _ENDS,
    "closed_box": (*_ENDS, "metal_yield"),
    "diluted": (*_ENDS, "metal_yield", "dilution_gyr", "dilution_depth", "dilution_recovery_gyr"),
    "monotone": (*_ENDS, *(f"u_rise{i + 1}" for i in range(MONOTONE_KNOTS))),
}
"""Kinds of metallicity history; their order is the kind's number in files."""

NUISANCE_PARAMETERS: tuple[str, ...] = (
    *DUST_AND_LINES,
    "line_scatter_dex",
    "metal_line_dex",
    "line_mix",
    "diffuse_ew_aa",
    "veldisp_scale",
    "lsf_scale",
    "redshift",
    "birth_age_scale",
)
"""Dust, emission lines, kinematics, redshift and the time that birth clouds live."""

EMISSION_PARAMETERS: tuple[str, ...] = ("alpha_sf_birth", "alpha_sf_screen")
"""Warmth of the dust, drawn apart from the others: only bands beyond 2 um see it, and no other galaxy changes with it."""
