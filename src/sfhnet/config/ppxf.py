"""Section on the optional comparison with pPXF."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from sfhnet.config.base import NotNegative, Section

__all__ = ["PpxfConfig"]


BENCHMARKS = (
    *("ideal", "real", "ripple", "spiky", "held_out", "bagpipes", "bagpipes_blue", "bagpipes_no_lines"),
    *(
        "bagpipes_short",
        "bagpipes_tilted",
        "bagpipes_real",
        "own",
        "mastar",
        "m11_stelib",
        "bc03_old",
        "peaked",
    ),
    "diffstar",
)
"""Benchmarks that mocks are made for: the keys of `sfhnet.validation.benchmark_sets.BENCHMARK_KINDS`, a test says."""


class PpxfConfig(Section):
    """The optional comparison with pPXF (`snakemake ppxf`); nothing else needs pPXF, but explorers that show it."""

    cases: tuple[str, ...] = ("ideal_snr050", "real_snr050", "ideal_snr050_nobands", "real_snr050_nobands")
    """Benchmark sets, by the names they have in `metrics.json`; their S/N must be among those of `validation`."""
    mocks: int = Field(300, ge=10, le=1000000)
    """Mocks measured of each."""
    tuning_mocks: int = Field(60, ge=4, le=1000000)
    """Others, on which the best fixed regularisation is found."""
    chunk: int = Field(50, ge=1, le=100000)
    """Mocks a job."""
    regul: tuple[NotNegative, ...] = Field((0.0, 3.0, 10.0, 30.0, 100.0), min_length=1)
    """Values of pPXF's `regul` to choose from; the one that its manual recommends is always found as well."""
    galaxy_regul: float = Field(10.0, ge=0, le=1000000.0)
    """Fixed value of `regul` for the spectra of galaxies, beside the recommended one."""
    multiplicative_degree: int = Field(0, ge=0, le=20)
    """Degree of the multiplicative polynomial where the calibration is not exact, beside the attenuation; 0 = none."""
    in_explorer: bool = False
    """Show pPXF's answers in the explorers of galaxies: these then need pPXF, and so does `all`."""

    def shares(self, available: int) -> tuple[int, int]:
        """Return how many of the mocks that there are are measured, and how many are for tuning."""
        tuning = min(self.tuning_mocks, available // 4)
        return min(self.mocks, available - tuning), tuning

    @field_validator("cases")
    @classmethod
    def _known(cls, cases: tuple[str, ...]) -> tuple[str, ...]:
        for case in cases:
            name = re.fullmatch(r"(\w+?)_snr\d{3,}(_nobands)?", case)
            if name is None:
                raise ValueError(
                    f"{case!r} is no name of a case; they read ideal_snr050, real_snr050_nobands ..."
                )
            if name[1] not in BENCHMARKS:
                raise ValueError(
                    f"{case!r}: there is no benchmark {name[1]!r}; choose from {', '.join(BENCHMARKS)}"
                )
        return cases

    @field_validator("regul")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if min(values) < 0:
            raise ValueError(f"regul holds {min(values):g}; it cannot be negative")
        return values
