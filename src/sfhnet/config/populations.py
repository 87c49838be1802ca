"""Families of histories and populations: kinds of galaxies whose history, metallicity and dust go together."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sfhnet.config.base import Section
from sfhnet.config.distributions import Distribution

__all__ = ["POPULATIONS", "FamilyConfig", "PopulationConfig"]


class FamilyConfig(Section):
    """One family of histories: how often, and the distributions of its parameters."""

    weight: float = Field(1.0, ge=0, le=1000000.0)
    """Relative number of galaxies; 0 leaves the family out."""
    parameters: dict[str, Distribution] = Field(default_factory=dict)
    """Distribution of every parameter of the family; the unit is in the name."""


class PopulationConfig(Section):
    """A kind of galaxy whose history, metallicity, dust and lines differ together from those of the rest."""

    share: float = Field(gt=0, lt=1)
    """Share of all galaxies."""
    families: dict[str, FamilyConfig] = Field(default_factory=dict)
    """Its families of star-formation histories, in place of all of the prior's; none: the prior's."""
    metallicity: dict[str, FamilyConfig] = Field(default_factory=dict)
    """Its kinds of metallicity history, in place of all of the prior's; none: the prior's."""
    nuisance: dict[str, Distribution] = Field(default_factory=dict)
    """Distributions that it does not share with the prior's nuisance."""


_OLD: dict[str, Any] = {"start_gyr": "uniform(8, 13.7)", "tau_gyr": "log_uniform(0.1, 3)"}
_OLD_ENDS: dict[str, Any] = {"log_z_start": "uniform(-2.7, -1.7)", "z_final": "log_uniform(0.012, 0.04)"}
# The same numbers stand in config.yaml, with their meaning; a test keeps the two alike.
POPULATIONS: dict[str, dict[str, Any]] = {
    "early": {
        "share": 0.3,
        "families": {
            "exponential": {"weight": 0.35, "parameters": _OLD},
            "delayed": {"weight": 0.2, "parameters": _OLD},
            "quenched": {
                "weight": 0.25,
                "parameters": {
                    "start_gyr": "uniform(8, 13.7)",
                    "tau_gyr": "log_uniform(0.3, 5)",
                    "quench_gyr": "log_uniform(1, 10)",
                    "quench_tau_gyr": "log_uniform(0.03, 1)",
                },
            },
            "rejuvenated": {
                "weight": 0.2,
                "parameters": {
                    "start_gyr": "uniform(8, 13.7)",
                    "tau_gyr": "log_uniform(0.1, 3)",
                    "quench_gyr": "log_uniform(3, 10)",
                    "quench_tau_gyr": "log_uniform(0.03, 1)",
                    "rejuvenation_start_myr": "log_uniform(20, 3000)",
                    "rejuvenation_duration_myr": "log_uniform(5, 1000)",
                    "log_rejuvenation_fraction": "uniform(-4.5, -1.5)",
                },
            },
        },
        "metallicity": {
            "constant": {"weight": 0.5, "parameters": {"z_final": "log_uniform(0.006, 0.04)"}},
            "linear": {"weight": 0.25, "parameters": _OLD_ENDS},
            "closed_box": {"weight": 0.25, "parameters": {**_OLD_ENDS, "metal_yield": 0.03}},
        },
        "nuisance": {"tau_screen": "normal(0, 0.25, 0, 2)"},
    },
    "clusters": {
        "share": 0.08,
        "families": {
            "single_burst": {
                "weight": 1.0,
                "parameters": {
                    "burst_age_myr": "log_uniform(2, 13500)",
                    "burst_width_fraction": "uniform(0.02, 0.3)",
                },
            }
        },
        "metallicity": {"constant": {"weight": 1.0, "parameters": {"z_final": "log_uniform(0.0004, 0.04)"}}},
        "nuisance": {"tau_screen": "normal(0, 0.4, 0, 2)"},
    },
}
