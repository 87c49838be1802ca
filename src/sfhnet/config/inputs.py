"""Sections on the ingredients: upstream files, SSP library and wavelength grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sfhnet.config.base import Section
from sfhnet.core.held_out_libraries import refuse_old_bc03, refuse_test_library

__all__ = ["GridConfig", "SourcesConfig", "SspConfig"]


class SourcesConfig(Section):
    """Where upstream files are kept and looked for."""

    data_dir: Path = Path("data")
    """Folder that upstream files are fetched into, as {data_dir}/{source}/{file}."""
    data_mirror: Path | None = None
    """Local folder looked into before any download (machines without internet); null for none. The environment
    variable PHANGS_SFH_MIRROR does the same."""

    @field_validator("data_dir", "data_mirror")
    @classmethod
    def _is_folder(cls, value: Path | None) -> Path | None:
        if value is not None and value.exists() and not value.is_dir():
            raise ValueError(f"{value} is a file; give a folder")
        return value


class SspConfig(Section):
    """The library of simple stellar populations (SSPs) that spectra are built from."""

    name: str = Field("emiles_bc03", pattern=r"^[a-z0-9_]+$")
    """Name of the library file, results/ssp/{name}.h5."""
    old: Annotated[Literal["emiles"], BeforeValidator(refuse_test_library)] = "emiles"
    """Library of the old populations (key of data/sources.yaml)."""
    young: Annotated[Literal["bc03_miles"], BeforeValidator(refuse_test_library)] = "bc03_miles"
    """Library of the young populations, scaled to meet the old one at the seam."""
    seam_age_yr: float = Field(63.0957e6, ge=100000.0, le=13800000000.0)
    """Age at which the young library hands over to the old one [yr]."""

    @field_validator("seam_age_yr")
    @classmethod
    def _no_old_bc03(cls, value: float) -> float:
        refuse_old_bc03(value)
        return value


class GridConfig(Section):
    """Rest-frame wavelength grid (air) of training and inference, and the broadening of the mocks."""

    wave_min_aa: float = Field(4750.0, ge=912, le=25000)
    """First wavelength [Angstrom]."""
    wave_max_aa: float = Field(7350.0, ge=912, le=25000)
    """Last wavelength [Angstrom]."""
    wave_step_aa: float = Field(1.25, ge=0.05, le=50)
    """Step [Angstrom]."""
    veldisp_kms: float = Field(150.0, ge=0, le=1000)
    """Velocity dispersion of the mocks; observed spectra are broadened to it [km/s]."""
    veldisp_max_kms: float | None = Field(None, gt=0, le=1000)
    """Largest dispersion of the mocks, if they have all from veldisp_kms to it (prior.nuisance.veldisp_scale): observed
    spectra between the two are left as they are [km/s]."""
    lsf: Literal["muse_udf10"] = "muse_udf10"
    """Line-spread function: MUSE UDF-10, FWHM = 5.866e-8 l^2 - 9.187e-4 l + 6.040 Angstrom (Bacon+17)."""

    @model_validator(mode="after")
    def _check(self) -> GridConfig:
        n_steps = (self.wave_max_aa - self.wave_min_aa) / self.wave_step_aa
        if n_steps > 20000:
            raise ValueError(f"the grid has {n_steps:.0f} pixels; make wave_step_aa larger, MUSE has 3681")
        if n_steps < 10:
            raise ValueError(
                f"wave_min_aa {self.wave_min_aa:g} to wave_max_aa {self.wave_max_aa:g} in steps of "
                f"{self.wave_step_aa:g} gives fewer than 10 pixels"
            )
        if abs(n_steps - round(n_steps)) > 1e-6:
            raise ValueError(
                f"wave_max_aa - wave_min_aa = {self.wave_max_aa - self.wave_min_aa:g} is no whole number of "
                f"steps of {self.wave_step_aa:g} Angstrom"
            )
        return self
