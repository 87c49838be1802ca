"""How warm the dust of a mock is: slopes of its emission, for bands that see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyprospect import tables
from pyprospect.dust.emission import DaleTemplates, dale_templates
from sfhnet.core.bands import see_dust
from sfhnet.tools.random_streams import stream

if TYPE_CHECKING:
    from sfhnet.config import Config

__all__ = ["draw_dust_emission", "dust_templates"]


def draw_dust_emission(config: Config, n: int, *, seed: int, shard: int) -> dict[str, NDArray[np.float64]]:
    """Draw the slopes of the dust emission.

    Parameters
    ----------
    config : Config
        Its bands and ``prior.dust_emission``.
    n : int
        Galaxies.
    seed, shard : int
        Of the random numbers.

    Returns
    -------
    dict of ndarray (n,)
        ``alpha_sf_birth`` and ``alpha_sf_screen`` of `pyprospect.fast.synthesizer.Synthesizer`; empty where no band sees dust.
    """
    if not see_dust(config.bands):
        return {}
    rng = stream("synthesis.dust_emission", seed, shard)
    prior = config.prior.dust_emission
    return {
        "alpha_sf_birth": prior.alpha_sf_birth.quantile(rng.random(n)),
        "alpha_sf_screen": prior.alpha_sf_screen.quantile(rng.random(n)),
    }


def dust_templates(config: Config) -> DaleTemplates | None:
    """Return the templates of the dust emission, from ProSpect's tables; None where no band sees dust.

    Raises
    ------
    FileNotFoundError
        If the source prospect_tables is not there.
    ModuleNotFoundError
        If the package rdata, which reads it, is not installed.
    """
    if not see_dust(config.bands):
        return None
    folder = config.sources.data_dir / "prospect_tables"
    if folder.is_dir():
        tables.set_data_dir(folder)
    return dale_templates()
