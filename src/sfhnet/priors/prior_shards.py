"""Prior shards on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.config.prior_names import FAMILY_PARAMETERS, METALLICITY_PARAMETERS
from sfhnet.priors.sample import PriorSample
from sfhnet.tools import hdf5

SCHEMA, VERSION = "sfhnet.prior", 1


def write_prior(
    path: str | Path,
    drawn: PriorSample,
    identity: Mapping[str, Any],
    *,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a prior shard; it appears under its name only when whole.

    Parameters
    ----------
    path : path
    drawn : PriorSample
    identity : mapping
        What it was drawn for, plain data.
    provenance : mapping, optional

    Returns
    -------
    Path
        The file.
    """
    with hdf5.create_h5(path, SCHEMA, VERSION, provenance) as file:
        file.attrs["identity"] = json.dumps(dict(identity), sort_keys=True)
        file.attrs["family_names"] = list(FAMILY_PARAMETERS)
        file.attrs["metallicity_names"] = list(METALLICITY_PARAMETERS)
        plain = {"compression": None}
        hdf5.put(file, "age_edges_yr", drawn.edges_yr, "yr", "age_edge", **plain)
        # float32 of the mass in each cell is exact to 6e-8 even where next to nothing forms
        hdf5.put(file, "mass", drawn.mass.astype(np.float32), "Msol per Msol formed", "galaxy, age", **plain)
        hdf5.put(file, "z", drawn.z.astype(np.float32), "metal mass fraction", "galaxy, age", **plain)
        hdf5.put(file, "family", drawn.family, "", "galaxy", **plain)
        hdf5.put(file, "metallicity", drawn.metallicity, "", "galaxy", **plain)
        hdf5.put(file, "log_prior", drawn.log_prior, "", "galaxy", **plain)
        for name, values in drawn.parameters.items():
            hdf5.put(file, f"parameters/{name}", values, "", "galaxy", **plain)
    return Path(path)


def read_prior(path: str | Path) -> tuple[PriorSample, dict[str, Any]]:
    """Read a prior shard and what it was drawn for.

    Returns
    -------
    drawn : PriorSample
        Masses are normalised again after the rounding to float32.
    identity : dict

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or of another kind; names the file.
    """
    with hdf5.open_h5(path, SCHEMA, VERSION) as file:
        try:
            mass = file["mass"][()].astype(np.float64)
            drawn = PriorSample(
                file["age_edges_yr"][()],
                mass / mass.sum(axis=1, keepdims=True),
                file["z"][()].astype(np.float64),
                {name: dataset[()] for name, dataset in file["parameters"].items()},
                file["family"][()],
                file["metallicity"][()],
                file["log_prior"][()],
            )
            return drawn, json.loads(file.attrs["identity"])
        except (KeyError, OSError) as error:
            raise ValueError(
                f"{path} is damaged ({error}); make it again with scripts/sample_prior.py"
            ) from error
