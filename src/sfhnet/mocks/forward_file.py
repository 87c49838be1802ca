"""The forward model in one file of a few MB: configuration, folded synthesizer and grid, for training without upstream files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from pyprospect.fast.packed import pack, unpack
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.stars.library import SSPLibrary
from sfhnet.config import Config
from sfhnet.core.training_grid import TrainingGrid, training_grid
from sfhnet.mocks.filters_and_lines import load_bands, load_lines
from sfhnet.mocks.shard_identity import first_difference, prior_data, shard_identity
from sfhnet.mocks.synthesize import line_range_aa, make_synthesizer
from sfhnet.tools.tensor_files import load_tensors, save_tensors

__all__ = ["ForwardModel", "build_forward", "read_forward", "write_forward"]

FORWARD_SCHEMA = "sfhnet.forward/2"
_AGAIN = "pack it again (sfhnet run results/forward.safetensors)"
FORWARD_SETTINGS = {
    "basis_tolerance",
    "nebular_continuum",
    "halpha",
    "birth_age_myr",
    "sums",
    "library_mixture",
}


class ForwardModel(NamedTuple):
    """What galaxies are made with: configuration, synthesizer, grid; and ``identity``, plain data that says of what."""

    config: Config
    synthesizer: Synthesizer
    grid: TrainingGrid
    identity: dict[str, Any]


def _decides(config: Config) -> dict[str, Any]:
    """Return what galaxies depend on."""
    data = config.model_dump(mode="json", include={"seed", "age_bins_myr", "grid", "bands"})
    return data | {
        "prior": prior_data(config),
        "synthesis": config.synthesis.model_dump(mode="json", include=FORWARD_SETTINGS),
    }


def build_forward(
    config: Config,
    *,
    ssp: Path,
    filters: Path,
    mappings: Path,
    cloudy: Path,
    device: torch.device | str = "cpu",
) -> ForwardModel:
    """Build the forward model from upstream files.

    Parameters
    ----------
    config : Config
    ssp, filters, mappings, cloudy : Path
        Library of build_ssp, folder of filter curves, line grids of MAPPINGS and of Cloudy.
    device : torch.device or str
        Where spectra are made.

    Returns
    -------
    ForwardModel
    """
    library, bands = SSPLibrary.read(ssp), load_bands(filters, config.bands)
    lines = load_lines(mappings, *line_range_aa(config, bands), cloudy=cloudy)
    synthesizer = make_synthesizer(config, library, bands, lines=lines, device=device)
    inputs = {"ssp": ssp, "mappings": mappings, "cloudy": cloudy}
    identity = shard_identity(config, 0, inputs=inputs, bands=bands)
    left = {key: value for key, value in identity.items() if key not in ("shard", "galaxies")}
    return ForwardModel(config, synthesizer, training_grid(config.grid, library), left)


def write_forward(path: Path, forward: ForwardModel) -> None:
    """Write a forward model, atomically.

    Parameters
    ----------
    path : Path
        File to write.
    forward : ForwardModel
    """
    arrays, plain = pack(forward.synthesizer)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}
    meta = {
        "schema": FORWARD_SCHEMA,
        "decides": _decides(forward.config),
        "grid": forward.grid.to_json(),
        "identity": forward.identity,
        "synthesizer": plain,
    }
    save_tensors(path, tensors, meta)


def read_forward(path: Path, config: Config, *, device: torch.device | str = "cpu") -> ForwardModel:
    """Read what `write_forward` wrote.

    Parameters
    ----------
    path : Path
    config : Config
        Has to draw the galaxies that the file was packed for; in all else it may differ.
    device : torch.device or str
        Where spectra are made.

    Returns
    -------
    ForwardModel

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, of another version, or of other galaxies; says what differs.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist; make it with sfhnet run results/forward.safetensors")
    tensors, meta = load_tensors(path)
    if meta.get("schema") != FORWARD_SCHEMA:
        raise ValueError(
            f"{path} has schema {meta.get('schema')!r}, this code reads {FORWARD_SCHEMA!r}; {_AGAIN}"
        )
    different = first_difference(meta["decides"], _decides(config))
    if different:
        key, found, wanted = different
        raise ValueError(
            f"{path} was packed for another configuration: its {key} is {found}, here it is {wanted}; {_AGAIN}"
        )
    arrays = {name: values.numpy() for name, values in tensors.items()}
    return ForwardModel(
        config,
        unpack(arrays, meta["synthesizer"], device=device),
        TrainingGrid.from_json(meta["grid"]),
        meta["identity"],
    )
