"""The one schema of the configuration, a module for each section, and its reader.

Library modules take their own section (``from sfhnet.config import NoiseConfig``), so that the fingerprint
of their code does not change with the other sections.
"""

from sfhnet.config.figures import FiguresConfig
from sfhnet.config.galaxies import GalaxiesConfig, RegistrationConfig, SimulatedGalaxyConfig
from sfhnet.config.inputs import GridConfig, SourcesConfig, SspConfig
from sfhnet.config.load import ConfigError, config_from_dict, load_config
from sfhnet.config.models import ModelConfig
from sfhnet.config.noise import NoiseConfig, NoiseEffect
from sfhnet.config.ppxf import PpxfConfig
from sfhnet.config.root import Config
from sfhnet.config.synthesis import PriorConfig, SynthesisConfig
from sfhnet.config.training import TrainingConfig
from sfhnet.config.validation import (
    BandValueConfig,
    CalibrationConfig,
    LearningCurveConfig,
    ValidationConfig,
)

__all__ = [
    "BandValueConfig",
    "CalibrationConfig",
    "Config",
    "ConfigError",
    "FiguresConfig",
    "GalaxiesConfig",
    "GridConfig",
    "LearningCurveConfig",
    "ModelConfig",
    "NoiseConfig",
    "NoiseEffect",
    "PpxfConfig",
    "PriorConfig",
    "RegistrationConfig",
    "SimulatedGalaxyConfig",
    "SourcesConfig",
    "SspConfig",
    "SynthesisConfig",
    "TrainingConfig",
    "ValidationConfig",
    "config_from_dict",
    "load_config",
]
