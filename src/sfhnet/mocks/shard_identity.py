"""What a shard was made for: the part of the configuration and the content of the inputs that its numbers depend on.

Identities are plain data and hold no date, path or version: the same library made again gives the same identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

import pyprospect.content
from sfhnet.core.bands import see_dust
from sfhnet.tools.provenance import config_hash, sha256_file

if TYPE_CHECKING:
    from pyprospect.bands.curve import Filter
    from sfhnet.config import Config

__all__ = [
    "ShardError",
    "content_sha256",
    "datasets",
    "first_difference",
    "is_test_shard",
    "prior_data",
    "prior_identity",
    "same_identity",
    "sha256_arrays",
    "shard_identity",
    "stress_identity",
]

_SHOWN = 80


class ShardError(ValueError):
    """A shard that is truncated, damaged, or made for another configuration."""


def prior_identity(config: Config, shard: int) -> dict[str, Any]:
    """Return plain data that a prior shard is a pure function of.

    Parameters
    ----------
    config : Config
    shard : int
        Number from 0.

    Returns
    -------
    dict

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
        "prior": config_hash(prior_data(config)),
        "left_out": [] if is_test_shard(config, shard) else sorted(config.prior.held_out_families),
        "age_bins_myr": list(config.age_bins_myr),
    }


def prior_data(config: Config) -> dict[str, Any]:
    """Return the section ``prior`` as plain data, without what no band of the configuration sees."""
    unseen = set() if see_dust(config.bands) else {"dust_emission"}
    return config.prior.model_dump(mode="json", exclude=unseen)


def is_test_shard(config: Config, shard: int) -> bool:
    """Return whether a shard is one of the last ones, which the metrics are measured on.

    Parameters
    ----------
    config : Config
    shard : int
        Number from 0.

    Returns
    -------
    bool
    """
    return shard >= config.synthesis.n_shards - config.synthesis.n_test_shards


def shard_identity(
    config: Config, shard: int, *, inputs: Mapping[str, Path], bands: Mapping[str, Filter]
) -> dict[str, Any]:
    """Return plain data that a shard of galaxies is a pure function of, its code apart.

    Parameters
    ----------
    config : Config
    shard : int
    inputs : mapping of str to Path
        Library and grids that are read; their content counts (`content_sha256`), not their place.
    bands : mapping of str to Filter
        Curves of the bands; their tables count.

    Returns
    -------
    dict
    """
    return prior_identity(config, shard) | _synthesis_identity(config, inputs, bands)


def stress_identity(
    config: Config, kind: str, *, inputs: Mapping[str, Path], bands: Mapping[str, Filter]
) -> dict[str, Any]:
    """Return plain data that the stress mocks of a kind are a pure function of.

    Parameters
    ----------
    config : Config
    kind : str
        Key of `sfhnet.priors.stress.STRESS_MOCKS`.
    inputs, bands : mapping
        As of `shard_identity`.

    Returns
    -------
    dict
    """
    return {
        "shard": kind,
        "seed": config.seed,
        "galaxies": config.validation.stress_galaxies,
        "prior": config_hash(prior_data(config)),
        "validation": config_hash(config.validation),
        "age_bins_myr": list(config.age_bins_myr),
    } | _synthesis_identity(config, inputs, bands)


def _synthesis_identity(
    config: Config, inputs: Mapping[str, Path], bands: Mapping[str, Filter]
) -> dict[str, Any]:
    options = {"storage", "basis_tolerance", "nebular_continuum", "halpha", "birth_age_myr"}
    options |= {"sums", "library_mixture"}
    return {
        "grid": config_hash(config.grid),
        "bands": {
            name: sha256_arrays({"wave_aa": bands[name].wave_aa, "response": bands[name].response})
            for name in config.bands
        },
        "synthesis": config.synthesis.model_dump(mode="json", include=options),
        "inputs": {name: content_sha256(path) for name, path in inputs.items()},
    }


def first_difference(found: Any, expected: Any, key: str = "") -> tuple[str, str, str] | None:
    """Return where two identities differ first, by key, with both values as short texts; None if they are equal.

    Parameters
    ----------
    found, expected : mapping, list or plain value
        Tuples count as lists, as in the JSON that identities are kept as.
    key : str
        Name of what is compared; names of what lies in it are put behind it.

    Returns
    -------
    key, found, expected : str
        None instead if nothing differs.
    """
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for name in sorted({*found, *expected}):
            inner = first_difference(found.get(name), expected.get(name), f"{key}.{name}" if key else name)
            if inner:
                return inner
        return None
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple) and len(found) == len(expected):
        for number, (mine, other) in enumerate(zip(found, expected)):
            inner = first_difference(mine, other, f"{key}[{number}]")
            if inner:
                return inner
        return None
    return None if found == expected else (key, str(found)[:_SHOWN], str(expected)[:_SHOWN])


def same_identity(path: str | Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Check that a shard was made for what is expected.

    Parameters
    ----------
    path : path
        Named in the error.
    found, expected : mapping
        Identities.

    Raises
    ------
    ShardError
        If it was not; names the file and what differs.
    """
    different = first_difference(found, expected)
    if different:
        key, is_, should_be = different
        raise ShardError(
            f"{path} is foreign: its {key} is {is_}, expected {should_be}; make it again with this configuration"
        )


def content_sha256(path: str | Path) -> str:
    """Return the SHA-256 of what a file holds, in hexadecimal.

    Of HDF5 datasets and attributes count, their provenance (dates, paths, versions) does not; of other files all
    bytes do.
    """
    if not h5py.is_hdf5(path):
        return sha256_file(path)
    with h5py.File(path, "r") as file:
        return pyprospect.content.content_sha256(file)


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return all datasets of a file by name, whatever group they lie in."""
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    return found


def sha256_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of arrays with their names, types and shapes, in hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        if values.dtype.hasobject:
            values = values.astype(np.str_)
        digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
