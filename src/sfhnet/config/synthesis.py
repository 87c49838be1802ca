"""Section on the simulated galaxies: how they are synthesised and stored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sfhnet.config.base import Section
from sfhnet.config.prior import PriorConfig

__all__ = ["PriorConfig", "SumsConfig", "SynthesisConfig"]


class SumsConfig(Section):
    """Mocks that are sums of several galaxies, as apertures and bins are."""

    share: float = Field(0.15, ge=0, le=1)
    """Share of the mocks; 0 leaves all single."""
    parts: tuple[int, int] = (2, 8)
    """Fewest and most galaxies in a sum, drawn evenly."""
    light_scatter_dex: float = Field(0.3, ge=0, le=2)
    """Scatter of the parts' light at 5500 Angstrom, dex."""

    @model_validator(mode="after")
    def _check(self) -> SumsConfig:
        if not 2 <= self.parts[0] <= self.parts[1] <= 64:
            raise ValueError(f"parts = {list(self.parts)}; give two ascending numbers from 2 to 64")
        return self


class SynthesisConfig(Section):
    """How many galaxies are simulated, in which shards, and how they are stored."""

    n_shards: int = Field(24, ge=4)
    """Number of shards (files)."""
    galaxies_per_shard: int = Field(1000, ge=1)
    """Galaxies in each shard."""
    n_validation_shards: int = Field(1, ge=1)
    """Shards held out of training for early stopping."""
    n_calibration_shards: int = Field(2, ge=1)
    """Shards held out for conformal calibration."""
    n_test_shards: int = Field(1, ge=1)
    """Shards held out for the metrics."""
    storage: Literal["float32", "float16"] = "float32"
    """Number format of the stored spectra; float16 is scaled per galaxy and rounds by at most 0.05 %."""
    chunk: int = Field(64, ge=1)
    """Galaxies in one chunk of a file: the unit in which training reads."""
    compression: Literal["none", "lzf", "gzip"] = "none"
    """Lossless compression of the stored spectra; none is fastest."""
    basis_tolerance: float = Field(1e-3, ge=0, le=0.01)
    """Bound on the relative error per pixel of the low-rank SSP basis; 0 uses the library whole. The error is
    typically ten times smaller."""
    nebular_continuum: bool = True
    """Add the continuum of the ionised gas (free-bound, free-free, two-photon), scaled by Halpha."""
    halpha: Literal["photons", "sfr"] = "photons"
    """What Halpha is scaled by: the ionising photons of the library's own young stars, or ProSpect's calibration with the
    star-formation rate of the last birth_age_myr, 2.3 times lower than Kennicutt's for the same IMF."""
    birth_age_myr: float = Field(10.0, gt=0, le=100)
    """Stars up to this age lie in their birth clouds (Charlot & Fall 2000) [Myr]; prior.nuisance.birth_age_scale is a
    factor on it."""
    sums: SumsConfig = SumsConfig()

    @model_validator(mode="after")
    def _check(self) -> SynthesisConfig:
        held_out = self.n_validation_shards + self.n_calibration_shards + self.n_test_shards
        if held_out >= self.n_shards:
            raise ValueError(
                f"{held_out} shards are held out (n_validation_shards + n_calibration_shards + n_test_shards) "
                f"of n_shards = {self.n_shards}: none is left to train on; raise n_shards"
            )
        return self
