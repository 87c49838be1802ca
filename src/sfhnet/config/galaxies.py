"""Sections on the galaxies to infer, and on the simulated galaxy made by the workflow."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sfhnet.config.base import Section

__all__ = ["GalaxiesConfig", "SimulatedGalaxyConfig"]


class GalaxiesConfig(Section):
    """Galaxies to infer and how their spectra are prepared."""

    sheet: Path = Path("galaxies.tsv")
    """Sample sheet: one row a galaxy (docs/galaxies.md)."""
    model: str = "flow"
    """Which of the models is applied."""
    target_snr: float = Field(50.0, gt=0)
    """Median S/N per pixel that binning aims at."""


class SimulatedGalaxyConfig(Section):
    """The mock PHANGS-like galaxy (cube and HST images) whose true maps are known."""
