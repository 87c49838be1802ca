"""Section `prior`: what galaxies the training set is drawn from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from sfhnet.config.base import Section
from sfhnet.config.distributions import Distribution, Normal
from sfhnet.config.populations import POPULATIONS, FamilyConfig, PopulationConfig
from sfhnet.config.prior_names import (
    FAMILY_PARAMETERS,
    METALLICITY_PARAMETERS,
    MONOTONE_KNOTS,
    N_TX,
    NUISANCE_PARAMETERS,
)
from sfhnet.core.quantities import DUST_AND_LINES

__all__ = ["FamilyConfig", "FlatteningConfig", "PopulationConfig", "PriorConfig"]

_POSITIVE_SUFFIXES = ("_gyr", "_myr")


class FlatteningConfig(Section):
    """Thin out crowded regions of the prior, so that no corner of the labels is starved."""

    oversample: int = Field(1, ge=1, le=20)
    """Candidates drawn for every galaxy kept; 1 is no flattening."""
    power: float = Field(0.5, gt=0, le=1)
    """Candidates are kept with probability proportional to density**-power."""
    n_bins: int = Field(5, ge=2, le=12)
    """Bins in each of light-weighted age, mass-weighted age, young metallicity and A_V."""


class DustEmissionConfig(Section):
    """How warm dust is that absorbed starlight: slopes of the heating in the templates of Dale et al. (2014).

    They count where a band reaches beyond 2 um. ProSpect's are 1 and 3; normal galaxies have 1 to 2.5 as a whole.
    """

    alpha_sf_birth: Distribution = Field(default="uniform(0.5, 2)", validate_default=True)
    """Of birth clouds; small is warm."""
    alpha_sf_screen: Distribution = Field(default="uniform(1.5, 4)", validate_default=True)
    """Of the screen."""


_QUENCHED: dict[str, Any] = {
    "start_gyr": "uniform(3, 13.5)",
    "tau_gyr": "log_uniform(0.3, 10)",
    "quench_gyr": "log_uniform(0.01, 10)",
    "quench_tau_gyr": "log_uniform(0.01, 1)",
}
_DECLINE: dict[str, Any] = {"start_gyr": "uniform(1, 13.7)", "tau_gyr": "log_uniform(0.3, 20)"}
_FLAT = "uniform(0, 1)"
# The same numbers stand in config.yaml, with their meaning; a test keeps the two alike.
_FAMILIES: dict[str, dict[str, Any]] = {
    "skewed_normal": {
        "weight": 0.2,
        "parameters": {
            "mpeak_gyr": "normal(7, 5, -2, 14)",
            "mperiod_gyr": "log_uniform(0.3, 8)",
            "mskew": "uniform(-0.5, 1.5)",
            "burst_start_myr": "log_uniform(3, 500)",
            "burst_duration_myr": "log_uniform(3, 200)",
            "log_burst_ratio": "uniform(-4, 2.5)",
        },
    },
    "dense_basis": {
        "weight": 0.2,
        "parameters": {
            "alpha": 1.0,
            "log_ssfr_per_yr": "uniform(-13, -8.3)",
            **{f"u_tx{i + 1}": _FLAT for i in range(N_TX)},
        },
    },
    "exponential": {"weight": 0.06, "parameters": _DECLINE},
    "delayed": {"weight": 0.08, "parameters": _DECLINE},
    "quenched": {"weight": 0.08, "parameters": _QUENCHED},
    "rejuvenated": {
        "weight": 0.08,
        "parameters": {
            **_QUENCHED,
            "quench_gyr": "log_uniform(1, 10)",
            "rejuvenation_start_myr": "log_uniform(5, 1500)",
            "rejuvenation_duration_myr": "log_uniform(5, 1000)",
            "log_rejuvenation_fraction": "uniform(-4, -0.5)",
        },
    },
    "stochastic": {
        "weight": 0.12,
        "parameters": {
            "start_gyr": "uniform(1, 13.7)",
            "scatter_dex": "uniform(0.1, 0.7)",
            "memory_myr": "log_uniform(20, 3000)",
            "slope_dex_per_gyr": "normal(0, 0.1)",
        },
    },
    "single_burst": {
        "weight": 0.08,
        "parameters": {
            "burst_age_myr": "log_uniform(1, 12500)",
            "burst_width_fraction": "uniform(0.05, 0.5)",
        },
    },
    "bursty": {
        "weight": 0.1,
        "parameters": {
            "start_gyr": "uniform(1, 13.7)",
            "slope_dex_per_gyr": "normal(0, 0.15)",
            "spacing_myr": "log_uniform(20, 600)",
            "duty_fraction": "uniform(0.1, 0.8)",
            "scatter_dex": "uniform(0, 0.4)",
            "log_quiet_ratio": "uniform(-4, -0.3)",
        },
    },
}
_ENDS: dict[str, Any] = {"log_z_start": "uniform(-3.7, -2)", "z_final": "log_uniform(0.002, 0.04)"}
_METALLICITY: dict[str, dict[str, Any]] = {
    "constant": {"weight": 0.15, "parameters": {"z_final": "log_uniform(0.0004, 0.04)"}},
    "linear": {"weight": 0.2, "parameters": _ENDS},
    "closed_box": {"weight": 0.35, "parameters": {**_ENDS, "metal_yield": 0.03}},
    "diluted": {
        "weight": 0.15,
        "parameters": {
            **_ENDS,
            "metal_yield": 0.03,
            "dilution_gyr": "log_uniform(0.05, 8)",
            "dilution_depth": "uniform(0.1, 0.7)",
            "dilution_recovery_gyr": "log_uniform(0.2, 5)",
        },
    },
    "monotone": {
        "weight": 0.15,
        "parameters": {**_ENDS, **{f"u_rise{i + 1}": _FLAT for i in range(MONOTONE_KNOTS)}},
    },
}
_NUISANCE: dict[str, Any] = {
    "tau_birth": "normal(0.5, 1, 0, 4)",
    "tau_screen": "normal(0.2, 0.6, 0, 2.5)",
    "pow_birth": "normal(-0.9, 0.25, -1.6, -0.3)",
    "pow_screen": "normal(-0.7, 0.25, -1.5, -0.1)",
    "bump": "uniform(0, 1)",
    "log_line_scale": "normal(-0.2, 0.3, -1.5, 0.5)",
    "log_u_offset": "normal(0, 0.3, -0.9, 0.9)",
    "line_scatter_dex": "uniform(0.02, 0.2)",
    "metal_line_dex": "normal(0, 0.15, -0.5, 0.5)",
    "line_mix": "uniform(0, 1)",
    "diffuse_ew_aa": "log_uniform(0.05, 6)",
    "veldisp_scale": 1.0,
    "lsf_scale": 1.0,
    "redshift": "uniform(0, 0.01)",
    "birth_age_scale": "log_uniform(0.4, 3)",
}


class PriorConfig(Section):
    """Prior over star-formation, metallicity and dust histories."""

    sampler: Literal["sobol", "random"] = "sobol"
    """sobol: low-discrepancy, one scrambled sequence over all shards; random: independent draws."""
    n_per_dex: int = Field(30, ge=5, le=200)
    """Cells a decade of the look-back age grid on which histories are drawn."""
    families: dict[str, FamilyConfig] = Field(default_factory=lambda: dict(_FAMILIES), validate_default=True)
    """Families of star-formation histories with weights."""
    held_out_families: tuple[str, ...] = ()
    """Families that only the test shards draw: a test of unseen kinds of history."""
    metallicity: dict[str, FamilyConfig] = Field(
        default_factory=lambda: dict(_METALLICITY), validate_default=True
    )
    """Kinds of metallicity history with weights; Z is a mass fraction, log_z its log10."""
    nuisance: dict[str, Distribution] = Field(default_factory=lambda: dict(_NUISANCE), validate_default=True)
    """Dust (Charlot & Fall with bump), lines, kinematics and redshift."""
    dust_emission: DustEmissionConfig = DustEmissionConfig()
    populations: dict[str, PopulationConfig] = Field(
        default_factory=lambda: dict(POPULATIONS), validate_default=True
    )
    """Kinds of galaxies apart from the rest, each with its share; what is left of 1 is drawn from the above."""
    flattening: FlatteningConfig = FlatteningConfig()

    def drawn_from(self, name: str) -> tuple[float, float]:
        """Return the smallest and largest value of a nuisance over the prior and its populations."""
        every = [
            self.nuisance[name],
            *(p.nuisance[name] for p in self.populations.values() if name in p.nuisance),
        ]
        return min(d.support[0] for d in every), max(d.support[1] for d in every)

    @model_validator(mode="after")
    def _check(self) -> PriorConfig:
        _check_kinds("", self.families, self.metallicity)
        _check_names("nuisance", self.nuisance, NUISANCE_PARAMETERS)
        _check_supports("nuisance", self.nuisance)
        _check_supports("dust_emission", dict(self.dust_emission))
        unknown = sorted(set(self.held_out_families) - set(self.families))
        if unknown:
            raise ValueError(f"held_out_families names {unknown}, which are not in families")
        for where, families in {
            "families": self.families,
            **{
                f"populations.{name}.families": p.families
                for name, p in self.populations.items()
                if p.families
            },
        }.items():
            if not any(f.weight > 0 for name, f in families.items() if name not in self.held_out_families):
                raise ValueError(f"held_out_families leaves no family of {where} to train on")
        for name, population in self.populations.items():
            where = f"populations.{name}."
            _check_kinds(where, population.families or None, population.metallicity or None)
            extra = sorted(set(population.nuisance) - set(NUISANCE_PARAMETERS))
            if extra:
                raise ValueError(f"{where}nuisance: unknown {extra}; known: {', '.join(NUISANCE_PARAMETERS)}")
            _check_supports(f"{where}nuisance", population.nuisance)
        total = sum(population.share for population in self.populations.values())
        if total > 1:
            raise ValueError(f"the shares of populations add up to {total:g}; lower them to 1 at most")
        return self


def _check_kinds(
    where: str, families: dict[str, FamilyConfig] | None, metallicity: dict[str, FamilyConfig] | None
) -> None:
    for what, given, known in (
        ("families", families, FAMILY_PARAMETERS),
        ("metallicity", metallicity, METALLICITY_PARAMETERS),
    ):
        if given is None:
            continue
        for name, family in given.items():
            if name not in known:
                raise ValueError(f"{where}{what} has the unknown kind {name!r}; known: {', '.join(known)}")
            _check_names(f"{where}{what}.{name}.parameters", family.parameters, known[name])
            _check_supports(f"{where}{what}.{name}.parameters", family.parameters)
        if not any(family.weight > 0 for family in given.values()):
            raise ValueError(f"{where}{what}: every weight is 0; give at least one kind a weight")


def _check_supports(where: str, distributions: dict[str, Distribution]) -> None:
    for parameter, distribution in distributions.items():
        _check_support(f"{where}.{parameter}", parameter, distribution)


def _check_names(where: str, given: dict[str, Distribution], needed: tuple[str, ...]) -> None:
    missing, extra = sorted(set(needed) - set(given)), sorted(set(given) - set(needed))
    if missing or extra:
        raise ValueError(f"{where}: missing {missing}, unknown {extra}; it takes {', '.join(needed)}")


_LIMITS = {
    **{name: parameter.drawn for name, parameter in DUST_AND_LINES.items()},
    "z_final": (1e-6, 0.2),
    "metal_yield": (1e-4, 1.0),
    "alpha": (0.05, 100.0),
    "dilution_depth": (0.0, 0.99),
    "scatter_dex": (0.0, 3.0),
    "burst_width_fraction": (1e-3, 2.0),
    "line_scatter_dex": (0.0, 1.0),
    "metal_line_dex": (-2.0, 2.0),
    "line_mix": (0.0, 1.0),
    "diffuse_ew_aa": (0.0, 100.0),
    "veldisp_scale": (0.05, 50.0),
    "lsf_scale": (0.3, 3.0),
    "redshift": (0.0, 0.2),
    "birth_age_scale": (0.1, 10.0),
    "alpha_sf_birth": (0.0625, 4.0),
    "alpha_sf_screen": (0.0625, 4.0),
    "duty_fraction": (0.01, 1.0),
    "mpeak_gyr": (-100.0, 100.0),
    "mskew": (-5.0, 5.0),
    "log_line_scale": (-4.0, 4.0),
    "log_u_offset": (-4.0, 4.0),
    "start_gyr": (1e-3, 13.8),
    "quench_gyr": (1e-4, 13.8),
    "dilution_gyr": (1e-4, 13.8),
    "burst_age_myr": (0.01, 13800.0),
    "burst_start_myr": (0.01, 13800.0),
    "rejuvenation_start_myr": (0.01, 13800.0),
    "log_burst_ratio": (-10.0, 10.0),
    "log_quiet_ratio": (-10.0, 10.0),
    "log_rejuvenation_fraction": (-10.0, 0.0),
    "log_ssfr_per_yr": (-20.0, -5.0),
    "log_z_start": (-6.0, -0.7),
    "slope_dex_per_gyr": (-3.0, 3.0),
}


def _check_support(where: str, parameter: str, distribution: Distribution) -> None:
    low, high = distribution.support
    if isinstance(distribution, Normal):
        # An uncut normal is drawn no further out than this (`Normal.quantile`).
        reach = 5.5 * distribution.sd
        low, high = max(low, distribution.mean - reach), min(high, distribution.mean + reach)
    if parameter.startswith("u_"):
        allowed = (0.0, 1.0)
    elif parameter in _LIMITS:
        allowed = _LIMITS[parameter]
    elif parameter.endswith(_POSITIVE_SUFFIXES):
        allowed = (1e-6, 2e4)
    else:
        raise ValueError(f"{where} has no range in sfhnet/config/prior.py; give {parameter} one")
    if low < allowed[0] or high > allowed[1]:
        raise ValueError(
            f"{where} can be drawn from {low:g} to {high:g}, but must stay within {allowed[0]:g} .. {allowed[1]:g}; "
            "give or tighten low and high"
        )
