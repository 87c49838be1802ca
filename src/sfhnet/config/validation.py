"""Sections on calibration and validation."""

from __future__ import annotations

from pydantic import Field

from sfhnet.config.base import LogAgeYr, LogWidth, NotNegative, Section, Snr, SomeCount

__all__ = ["BandValueConfig", "CalibrationConfig", "LearningCurveConfig", "ValidationConfig"]


class CalibrationConfig(Section):
    """Split-conformal calibration of the intervals, on mocks used for nothing else."""

    snr_edges: tuple[Snr, ...] = Field((15.0, 30.0, 60.0, 120.0), min_length=1)
    """S/N between which the factors run linearly in log S/N; edges of the strata of the limits of familiarity."""
    age_edges: tuple[LogAgeYr, ...] = (9.0, 9.5, 9.75, 9.9)
    """Inner edges of the strata of estimated mass-weighted log age [log10 yr]."""
    a_v_edges: tuple[NotNegative, ...] = (0.6,)
    """Inner edges of the strata of estimated A_V [mag]."""
    realisations: int = Field(3, ge=1, le=1000)
    """Noise realisations of each calibration mock."""
    min_stratum: int = Field(100, ge=20, le=10000000)
    """Answers a stratum needs; smaller ones use those of all A_V, then of all ages, with and without bands, of all."""
    ood_quantile: float = Field(0.995, gt=0.5, lt=1)
    """Share of mocks within the out-of-distribution limit."""
    ood_line_edges: tuple[LogWidth, ...] = (0.5, 1.0, 1.5, 2.0)
    """Inner edges of the strata of the equivalent width of Halpha [log10 AA] that have such limits of their own."""
    screen_mocks: int = Field(3000, ge=100, le=10000000)
    """Mocks on which the limits of what is checked beside the answer are learnt, at most."""
    predictive_mocks: int = Field(600, ge=100, le=1000000)
    """Mocks on which the limits of the posterior-predictive check are learnt, at most."""


class ValidationConfig(Section):
    """What validation measures."""

    galaxies: int = Field(2000, ge=10, le=10000000)
    """Test mocks used at most."""
    snr: tuple[Snr, ...] = Field((15.0, 30.0, 50.0, 100.0), min_length=1)
    """Median S/N per pixel of the benchmark sets `ideal` and `real`."""
    stress_snr: float = Field(50.0, ge=0.1, le=10000)
    """Median S/N per pixel of the other benchmark sets (`ripple`, `spiky`, `held_out`)."""
    stress_galaxies: int = Field(500, ge=10, le=10000000)
    """Mocks made for `spiky` and, if families are held out of training, for `held_out`."""
    spiky_alpha: float = Field(0.2, gt=0, le=100)
    """Concentration of the Dirichlet distribution of mass over the age bins in `spiky`; below 1 is spiky."""
    ripple: float = Field(0.02, gt=0, lt=0.5)
    """Amplitude of the sine that the fluxes of `ripple` are multiplied with, fraction; periods as in
    `noise.ripple_period_aa`."""
    n_samples: int = Field(200, ge=50, le=100000)
    """Joint posterior samples a spectrum in the tests of calibration (SBC ranks, TARP)."""
    sums: tuple[SomeCount, ...] = (1, 2, 8, 32)
    """How many galaxies are added up in the test of apertures."""
    sum_galaxies: int = Field(200, ge=10, le=10000000)
    """Sums of each kind in the test of apertures."""
    n_examples: int = Field(3, ge=1, le=12)
    """Held-out galaxies drawn in the figure of examples."""


class BandValueConfig(Section):
    """What each band brings (target `band_value`): errors and intervals with bands given and taken away."""

    snr: tuple[Snr, ...] = Field((20.0, 50.0), min_length=1)
    """Median S/N per pixel."""
    galaxies: int = Field(2000, ge=10, le=10000000)
    """Test mocks used at most."""


class LearningCurveConfig(Section):
    """How much more training helps: one network trained for more and more draws (target `learning_curve`)."""

    model: str = "flow"
    """Which of `models`."""
    epochs: tuple[SomeCount, ...] = Field((2, 4, 8, 16), min_length=1)
    """Passes through the training galaxies, one training each; four or more give the limit."""
