"""What a shard was made for: the part of the configuration and the inputs that its numbers depend on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfhnet.provenance import config_hash, sha256_file

if TYPE_CHECKING:
    from sfhnet.config import Config


def prior_identity(config: Config, shard: int) -> dict[str, Any]:
    """Plain data that a prior shard is a pure function of.

    Raises
    ------
    ValueError
        If there is no such shard in the configuration.
    """
    synthesis = config.synthesis
    if not 0 <= shard < synthesis.n_shards:
        raise ValueError(
            f"shard {shard} does not exist; synthesis.n_shards = {synthesis.n_shards} counts from 0"
        )
    return {
        "shard": shard,
        "seed": config.seed,
        "galaxies": synthesis.galaxies_per_shard,
        "prior": config_hash(config.prior),
        "left_out": [] if is_test_shard(config, shard) else sorted(config.prior.held_out_families),
        "age_bins_myr": list(config.age_bins_myr),
    }


def is_test_shard(config: Config, shard: int) -> bool:
    """Whether a shard is one of the last ones, which the metrics are measured on."""
    return shard >= config.synthesis.n_shards - config.synthesis.n_test_shards


def shard_identity(config: Config, shard: int, inputs: dict[str, Path]) -> dict[str, Any]:
    """Plain data that a shard of galaxies is a pure function of, its code apart.

    Parameters
    ----------
    config : Config
    shard : int
    inputs : dict of str to Path
        Library and grids that are read; their content counts, not their place.
    """
    synthesis = config.synthesis.model_dump(
        mode="json", include={"storage", "basis_tolerance", "nebular_continuum", "birth_age_myr"}
    )
    return prior_identity(config, shard) | {
        "grid": config_hash(config.grid),
        "bands": list(config.bands),
        "synthesis": synthesis,
        "inputs": {name: sha256_file(path) for name, path in inputs.items()},
    }
