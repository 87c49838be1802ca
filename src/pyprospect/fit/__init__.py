"""Fits: spectra and photometry to histories, by gradients through the batch synthesizer."""

from pyprospect.extras import require

require("torch", "fits by gradients")

from pyprospect.fit.data import Data, Photometry, Spectrum  # noqa: E402
from pyprospect.fit.evidence import compare  # noqa: E402
from pyprospect.fit.fitting import Fit, fit  # noqa: E402
from pyprospect.fit.likelihood import Calibration, Likelihood  # noqa: E402
from pyprospect.fit.many import fit_many  # noqa: E402
from pyprospect.fit.model import GalaxyModel  # noqa: E402
from pyprospect.fit.nucleus import Nucleus  # noqa: E402
from pyprospect.fit.priors import (  # noqa: E402
    Dirichlet,
    FromScipy,
    LogUniform,
    Normal,
    Several,
    Student,
    TruncatedNormal,
    Uniform,
)

__all__ = [
    "Calibration",
    "Data",
    "Dirichlet",
    "Fit",
    "FromScipy",
    "GalaxyModel",
    "Likelihood",
    "LogUniform",
    "Normal",
    "Nucleus",
    "Photometry",
    "Several",
    "Spectrum",
    "Student",
    "TruncatedNormal",
    "Uniform",
    "compare",
    "fit",
    "fit_many",
]
