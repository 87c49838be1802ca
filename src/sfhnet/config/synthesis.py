"""Section on the simulated galaxies: how they are synthesised and stored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from sfhnet.config.base import AlphaFe, Section, SomeCount
from sfhnet.config.prior import PriorConfig
from sfhnet.core.held_out_libraries import refuse_test_library

__all__ = ["LibraryMixtureConfig", "PriorConfig", "SumsConfig", "SynthesisConfig"]


class SumsConfig(Section):
    """Mocks that are sums of several galaxies, as apertures and bins are."""

    share: float = Field(0.15, ge=0, le=1)
    """Share of the mocks; 0 leaves all single."""
    parts: tuple[SomeCount, SomeCount] = (2, 8)
    """Fewest and most galaxies in a sum, drawn evenly."""
    light_scatter_dex: float = Field(0.3, ge=0, le=2)
    """Scatter of the parts' light at 5500 Angstrom, dex."""

    @model_validator(mode="after")
    def _check(self) -> SumsConfig:
        if not 2 <= self.parts[0] <= self.parts[1] <= 64:
            raise ValueError(f"parts = {list(self.parts)}; give two ascending numbers from 2 to 64")
        return self


class LibraryMixtureConfig(Section):
    """Libraries that the stars of each galaxy are mixed of, beside `ssp`; all empty: `ssp` alone.

    They are no part of the default run: no package index has them. configs/libraries.yaml takes them all.
    """

    old: tuple[Annotated[Literal["emiles_basti", "xsl"], BeforeValidator(refuse_test_library)], ...] = ()
    """Libraries of all ages (keys of data/sources.yaml): each galaxy is a random point between them and `ssp.old`."""
    beyond: float = Field(1.3, gt=0, le=2)
    """Factor by which points are moved away from the middle of these libraries; above 1 beyond them."""
    young: Annotated[Literal["bpass"], BeforeValidator(refuse_test_library)] | None = None
    """Library of stars below 40 Myr, of which a galaxy has a random share."""
    alpha_fe: tuple[AlphaFe, AlphaFe] | None = None
    """Range of [alpha/Fe] at fixed [Fe/H], by the ratios of Coelho et al. (2007) above 3 Gyr; null: that of the libraries."""

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants of the SSP library, in the order of a galaxy's weights."""
        return (*self.old, *([self.young] if self.young else []), *(["alpha"] if self.alpha_fe else []))

    @property
    def sources(self) -> tuple[str, ...]:
        """Keys of data/sources.yaml that they need."""
        return tuple("coelho07" if name == "alpha" else name for name in self.variants)

    @model_validator(mode="after")
    def _check(self) -> LibraryMixtureConfig:
        if len(set(self.old)) != len(self.old):
            raise ValueError(f"old lists a library twice: {', '.join(self.old)}")
        if self.alpha_fe is not None and not -0.3 <= self.alpha_fe[0] < self.alpha_fe[1] <= 0.6:
            raise ValueError(f"alpha_fe = {list(self.alpha_fe)}; give two ascending numbers from -0.3 to 0.6")
        return self


class SynthesisConfig(Section):
    """How many galaxies are simulated, in which shards, and how they are stored."""

    n_shards: int = Field(12, ge=4, le=100000)
    """Number of shards (files)."""
    galaxies_per_shard: int = Field(2500, ge=1, le=1000000)
    """Galaxies in each shard."""
    n_validation_shards: int = Field(1, ge=1, le=10000)
    """Shards held out of training for early stopping."""
    n_calibration_shards: int = Field(1, ge=1, le=10000)
    """Shards held out for conformal calibration."""
    n_test_shards: int = Field(1, ge=1, le=10000)
    """Shards held out for the metrics."""
    storage: Literal["float32", "float16"] = "float32"
    """Number format of the stored spectra; float16 is scaled per galaxy and rounds by at most 0.05 %."""
    chunk: int = Field(64, ge=1, le=100000)
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
    library_mixture: LibraryMixtureConfig = LibraryMixtureConfig()

    @model_validator(mode="after")
    def _check(self) -> SynthesisConfig:
        held_out = self.n_validation_shards + self.n_calibration_shards + self.n_test_shards
        if held_out >= self.n_shards:
            raise ValueError(
                f"{held_out} shards are held out (n_validation_shards + n_calibration_shards + n_test_shards) "
                f"of n_shards = {self.n_shards}: none is left to train on; raise n_shards"
            )
        return self
