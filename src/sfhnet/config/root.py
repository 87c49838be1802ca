"""The whole configuration."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from sfhnet.config.base import AgeMyr, Section, check_ascending
from sfhnet.config.figures import FiguresConfig
from sfhnet.config.foreign import ForeignConfig
from sfhnet.config.galaxies import GalaxiesConfig, SimulatedGalaxyConfig
from sfhnet.config.inputs import GridConfig, SourcesConfig, SspConfig
from sfhnet.config.models import LinearFlowConfig, ModelConfig, PcaMlpConfig, PriorMeanConfig
from sfhnet.config.noise import NoiseConfig
from sfhnet.config.ppxf import PpxfConfig
from sfhnet.config.synthesis import PriorConfig, SynthesisConfig
from sfhnet.config.training import TrainingConfig
from sfhnet.config.validation import BandValueConfig, CalibrationConfig, LearningCurveConfig, ValidationConfig
from sfhnet.core.bands import PHANGS_HST, declare_file, find_band

__all__ = ["AGE_BINS_MYR", "Config"]

AGE_BINS_MYR = (
    0.0, 10.0, 20.0, 40.0, 63.0, 100.0, 180.0, 320.0, 560.0, 1000.0, 1800.0, 3200.0, 5000.0, 7100.0, 9000.0,
    11200.0, 13800.0,
)  # fmt: skip


def _default_models() -> dict[str, ModelConfig]:
    return {
        "prior_mean": PriorMeanConfig(),
        "pca_mlp": PcaMlpConfig(training={"epochs": 11, "batch": 64}),
        "flow": LinearFlowConfig(
            pairs=True, training={"source": "stream", "draws": 1_500_000, "epochs": 12, "batch": 1024}
        ),
    }


class Config(Section):
    """Everything that can be chosen, in one place."""

    seed: int = Field(1, ge=0, le=9223372036854775807)
    """Seed of all random numbers; a shard, a training run and a mock galaxy derive theirs from it."""
    verify_checksums: bool = True
    """Compare products with the checksum that they hold when they are read; false saves that time."""
    sources: SourcesConfig = SourcesConfig()
    ssp: SspConfig = SspConfig()
    grid: GridConfig = GridConfig()
    band_files: dict[str, Path] = {}
    """Bands of your own: name, and file of the curve (wavelength and throughput), as seen from the working directory."""
    bands: tuple[str, ...] = PHANGS_HST
    """Photometric bands given to the networks beside the spectrum: names of docs/bands.md or of band_files."""
    age_bins_myr: tuple[AgeMyr, ...] = AGE_BINS_MYR
    """Edges of the look-back age bins of labels and results, ascending from 0 [Myr]."""
    prior: PriorConfig = PriorConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    noise: NoiseConfig = NoiseConfig()
    training: TrainingConfig = TrainingConfig()
    models: dict[str, ModelConfig] = Field(default_factory=_default_models)
    """Networks to train, by name."""
    calibration: CalibrationConfig = CalibrationConfig()
    validation: ValidationConfig = ValidationConfig()
    learning_curve: LearningCurveConfig = LearningCurveConfig()
    band_value: BandValueConfig = BandValueConfig()
    foreign: ForeignConfig = ForeignConfig()
    galaxies: GalaxiesConfig = GalaxiesConfig()
    simulated_galaxy: SimulatedGalaxyConfig = SimulatedGalaxyConfig()
    ppxf: PpxfConfig = PpxfConfig()
    figures: FiguresConfig = FiguresConfig()

    # Before bands and galaxies, which name them: fields are looked at in their order.
    @field_validator("band_files")
    @classmethod
    def _band_files(cls, value: dict[str, Path]) -> dict[str, Path]:
        for name, path in value.items():
            declare_file(name, path)
        return value

    @field_validator("bands")
    @classmethod
    def _bands(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            find_band(name)
        return value

    @model_validator(mode="after")
    def _check(self) -> Config:
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands lists a band twice: {', '.join(self.bands)}")
        if len(self.age_bins_myr) < 3 or self.age_bins_myr[0] != 0.0:
            raise ValueError(
                f"age_bins_myr must start at 0 and have at least 3 edges, found {list(self.age_bins_myr)}"
            )
        check_ascending(self.age_bins_myr, "age_bins_myr")
        for name in self.models:
            if not name.replace("_", "").isalnum() or not name.islower():
                raise ValueError(f"models has the name {name!r}; use lower-case letters, digits and _")
        widest_kms = self.prior.drawn_from("veldisp_scale")[1] * self.grid.veldisp_kms
        given_kms = self.grid.veldisp_max_kms
        if given_kms is not None and abs(widest_kms - given_kms) > 0.01 * given_kms:
            raise ValueError(
                f"grid.veldisp_max_kms is {given_kms:g}, but prior.nuisance.veldisp_scale reaches {widest_kms:g} km/s; "
                "give both the same end, so that what is left as observed was trained"
            )
        chosen = self.galaxies.model
        if self.models and not self.galaxies.model_is_folder and chosen not in self.models:
            raise ValueError(
                f"galaxies.model is {chosen!r}, which is not among models: {', '.join(self.models)}; a folder that "
                "holds a trained model is given with its path, such as data/models/flow"
            )
        return self
