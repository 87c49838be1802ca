"""Galaxies unlike those of the training: spiky histories, and families that were held out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sfhnet.config.prior_names import FAMILY_NAMES, METALLICITY_PARAMETERS
from sfhnet.priors.age_cells import constant_between
from sfhnet.priors.enrichment import HISTORIES, Z_FLOOR
from sfhnet.priors.sample import PriorSample, sample
from sfhnet.tools.random_streams import stream, stream_seed

if TYPE_CHECKING:
    from sfhnet.config import Config

__all__ = ["STRESS_MOCKS", "draw_stress"]

STRESS_MOCKS: dict[str, str] = {
    "spiky": "mass in few age bins, drawn from a Dirichlet distribution: no family of the training",
    "held_out": "the families that training did not see (prior.held_out_families)",
}


def draw_stress(kind: str, config: Config) -> PriorSample:
    """Draw histories of one kind; metallicity, dust, lines and kinematics follow the prior.

    Parameters
    ----------
    kind : str
        One of `STRESS_MOCKS`.
    config : Config
        ``validation.stress_galaxies`` of them.

    Returns
    -------
    PriorSample

    Raises
    ------
    ValueError
        If the kind is unknown, or no family is held out.
    """
    if kind not in STRESS_MOCKS:
        raise ValueError(f"no stress mocks {kind!r}; there are {', '.join(STRESS_MOCKS)}")
    prior, n = config.prior, config.validation.stress_galaxies
    seed = stream_seed("stress.galaxies", config.seed, list(STRESS_MOCKS).index(kind))
    bins_yr = np.asarray(config.age_bins_myr) * 1e6
    # A flattened prior thins its candidates; these few galaxies are wanted as they come.
    plain = prior.model_copy(update={"flattening": prior.flattening.model_copy(update={"oversample": 1})})
    if kind == "held_out":
        if not prior.held_out_families:
            raise ValueError("prior.held_out_families is empty: no family is held out of training")
        kept = {name: prior.families[name] for name in prior.held_out_families}
        return sample(
            plain.model_copy(update={"families": kept, "populations": {}}),
            n,
            seed,
            shard=0,
            age_bins_yr=bins_yr,
            hold_out=False,
        )
    drawn = sample(plain, n, seed, shard=0, age_bins_yr=bins_yr, hold_out=False)
    rng = stream("stress.spiky", config.seed)
    return _spiky(drawn, config.validation.spiky_alpha, bins_yr, rng)


def _spiky(drawn: PriorSample, alpha: float, bins_yr: np.ndarray, rng: np.random.Generator) -> PriorSample:
    """Replace the histories by constant rates in age bins with Dirichlet shares of the mass."""
    n = drawn.n
    share = rng.dirichlet(np.full(len(bins_yr) - 1, alpha), n)
    mass = np.zeros_like(drawn.mass)
    for k, (young, old) in enumerate(pairwise(bins_yr)):
        cells = constant_between(drawn.edges_yr, np.full(1, young), np.full(1, old))[0]
        mass += share[:, k, None] * cells / cells.sum()
    z = np.empty_like(drawn.z)
    for number, (name, names) in enumerate(METALLICITY_PARAMETERS.items()):
        rows = np.flatnonzero(drawn.metallicity == number)
        if rows.size:
            values = {key: drawn.parameters[f"zh_{key}"][rows] for key in names}
            z[rows] = HISTORIES[name](mass[rows], drawn.edges_yr, values)
    return replace(
        drawn,
        mass=mass,
        z=np.maximum(z, Z_FLOOR),
        parameters={name: v for name, v in drawn.parameters.items() if not name.startswith("sfh_")},
        family=np.full(n, FAMILY_NAMES.index("spiky"), dtype=np.int8),
        log_prior=np.full(n, np.nan),
    )
