"""Everything that the templates are made of, from the files of the workflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyprospect.stars.library import SSPLibrary
from sfhnet.config import Config
from sfhnet.core.training_grid import grid_wave_aa
from sfhnet.mocks.filters_and_lines import load_bands, load_lines
from sfhnet.ppxf.templates import Templates, make_templates

__all__ = ["load_templates"]


def load_templates(
    config: Config,
    ssp: Path,
    lines: Path,
    *,
    cloudy: Path,
    filters: Path | None,
    redshift: float | None = None,
) -> Templates:
    """Build the templates of a configuration.

    Parameters
    ----------
    config : Config
        Grid, bands, birth clouds.
    ssp, lines, cloudy : Path
        SSP library; grids of line ratios, of which only the wavelengths count.
    filters : Path, optional
        Folder of filter curves; no photometry without.
    redshift : float, optional
        At which the bands see the galaxy; the middle of the prior's range by default.

    Returns
    -------
    Templates
    """
    if redshift is None:
        redshift = float(np.mean(config.prior.nuisance["redshift"].support))
    wave = grid_wave_aa(config.grid)
    return make_templates(
        SSPLibrary.read(ssp),
        wave,
        config.grid.veldisp_kms,
        lines=load_lines(lines, wave[0] - 30, wave[-1] + 30, cloudy=cloudy),
        bands=None if filters is None else load_bands(filters, config.bands),
        redshift=redshift,
        birth_age_yr=1e6 * config.synthesis.birth_age_myr,
    )
