"""Foreign mocks by this project's synthesizer: another stellar library, or histories of another kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyprospect.gas.ratios import LineRatios
from sfhnet.foreign.other_histories import HISTORIES, with_histories
from sfhnet.foreign.other_libraries import LIBRARIES, in_the_light_of
from sfhnet.mocks.galaxy_library import GalaxyLibrary
from sfhnet.mocks.synthesize import make_synthesizer, synthesize
from sfhnet.priors.sample import sample
from sfhnet.tools.random_streams import stream_seed

if TYPE_CHECKING:
    from pyprospect.bands.curve import Filter
    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import Config

__all__ = ["MADE_HERE", "make_mocks"]

MADE_HERE: tuple[str, ...] = ("own", *LIBRARIES, *HISTORIES)
"""Kinds of foreign mocks that need no other code; ``own`` has nothing foreign: what the others are compared with."""


def make_mocks(
    kind: str,
    config: Config,
    ssp: SSPLibrary,
    *,
    bands: Mapping[str, Filter],
    lines: LineRatios,
    folder: Path | None = None,
) -> GalaxyLibrary:
    """Make ``foreign.mocks`` galaxies of one kind; what is not foreign about them follows the prior.

    Parameters
    ----------
    kind : str
        One of `MADE_HERE`.
    config : Config
    ssp : SSPLibrary
        Library of the training.
    bands, lines
        As of `sfhnet.mocks.synthesize.make_synthesizer`.
    folder : Path, optional
        Files of the other library, for the kinds that have one.

    Returns
    -------
    GalaxyLibrary

    Raises
    ------
    ValueError
        If the kind is unknown, or needs a folder that is not given.
    """
    if kind not in MADE_HERE:
        raise ValueError(f"no foreign mocks {kind!r} are made here; there are {', '.join(MADE_HERE)}")
    seed = stream_seed("foreign.galaxies", config.seed)
    flattening = config.prior.flattening.model_copy(update={"oversample": 1})
    drawn = sample(
        config.prior.model_copy(update={"flattening": flattening}),
        config.foreign.mocks,
        seed,
        shard=0,
        age_bins_yr=np.asarray(config.age_bins_myr) * 1e6,
    )
    if kind in HISTORIES:
        drawn = with_histories(drawn, kind, config.seed)
    elif kind in LIBRARIES and folder is None:
        raise ValueError(f"foreign mocks {kind!r} need the folder of that library's files")
    elif kind in LIBRARIES and folder is not None:
        ssp = in_the_light_of(ssp, LIBRARIES[kind](folder), config.grid)
    synthesizer = make_synthesizer(config, ssp, bands, lines=lines)
    # The number of a shard that no training has: the scatter of the lines is none of theirs.
    return synthesize(synthesizer, drawn, config, shard=config.synthesis.n_shards + 1)
