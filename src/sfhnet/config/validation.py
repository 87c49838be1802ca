"""Sections on calibration and validation."""

from __future__ import annotations

from pydantic import Field

from sfhnet.config.base import Section

__all__ = ["CalibrationConfig", "ValidationConfig"]


class CalibrationConfig(Section):
    """Split-conformal calibration of the intervals, on mocks used for nothing else."""

    snr_edges: tuple[float, ...] = (15.0, 30.0, 60.0, 120.0)
    """Inner edges of the S/N strata."""
    a_v_edges: tuple[float, ...] = (0.3, 1.0)
    """Inner edges of the A_V strata, mag (estimated A_V)."""
    realisations: int = Field(3, ge=1)
    """Noise realisations of each calibration mock."""
    min_stratum: int = Field(100, ge=20)
    """Mocks a stratum needs; smaller ones use the overall factors."""
    ood_quantile: float = Field(0.995, gt=0.5, lt=1)
    """Share of mocks within the out-of-distribution limit."""


class ValidationConfig(Section):
    """What validation measures."""

    galaxies: int = Field(2000, ge=10)
    """Test mocks used at most."""
    snr: tuple[float, ...] = Field((15.0, 30.0, 50.0, 100.0), min_length=1)
    """Median S/N per pixel of the benchmark sets `ideal` and `real`."""
    stress_snr: float = Field(50.0, gt=0)
    """Median S/N per pixel of the other benchmark sets (`ripple`, `spiky`, `held_out`)."""
    stress_galaxies: int = Field(500, ge=10)
    """Mocks made for `spiky` and, if families are held out of training, for `held_out`."""
    spiky_alpha: float = Field(0.2, gt=0)
    """Concentration of the Dirichlet distribution of mass over the age bins in `spiky`; below 1 is spiky."""
    ripple: float = Field(0.02, gt=0, lt=0.5)
    """Amplitude of the sine that the fluxes of `ripple` are multiplied with, fraction; periods as in
    `noise.ripple_period_aa`."""
    n_samples: int = Field(200, ge=50)
    """Joint posterior samples a spectrum in the tests of calibration (SBC ranks, TARP)."""
    sums: tuple[int, ...] = (1, 2, 8, 32)
    """How many galaxies are added up in the test of apertures."""
    sum_galaxies: int = Field(200, ge=10)
    """Sums of each kind in the test of apertures."""
    n_examples: int = Field(3, ge=1, le=12)
    """Held-out galaxies drawn in the figure of examples."""
