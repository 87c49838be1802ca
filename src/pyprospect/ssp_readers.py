"""Recognise and read the files in which SSP libraries are published."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .ssp import SSPLibrary

LAYOUT_KEYS = ("Z", "Age", "AgeBins", "Wave", "Zspec", "Zevo")


def open_hdf5(path: Path, expected: str) -> h5py.File:
    """Open an HDF5 file; a damaged one raises a ValueError that names it and what was expected."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"{path} cannot be opened as HDF5 ({error}); expected {expected}. "
            "The file is probably truncated: fetch or build it again"
        ) from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def read_hdf5_layout(path: Path) -> SSPLibrary:
    """Read the HDF5 layout that ``SSPLibrary.write`` writes (and the reference libraries have).

    Raises
    ------
    ValueError
        If a dataset is missing or the file is damaged.
    """
    with open_hdf5(path, "the datasets " + ", ".join(LAYOUT_KEYS)) as file:
        missing = [key for key in LAYOUT_KEYS if key not in file]
        if missing:
            raise ValueError(f"{path} lacks {missing}; an SSP library has the datasets {list(LAYOUT_KEYS)}")
        try:
            values = {key: file[key][()] for key in LAYOUT_KEYS}
        except OSError as error:
            raise ValueError(f"{path} is truncated: reading its datasets failed ({error})") from error
        meta = json.loads(_text(file.attrs["meta"])) if "meta" in file.attrs else {"source": path.name}
        if "notes" in file.attrs:
            meta["notes"] = _text(file.attrs["notes"])
        name = _text(file.attrs.get("name", path.stem.removeprefix("speclib_")))
    return SSPLibrary(
        z=values["Z"],
        age_yr=values["Age"],
        age_edges_yr=values["AgeBins"],
        wave_aa=values["Wave"],
        spectra=values["Zspec"],
        evolution=values["Zevo"],
        name=name,
        meta=meta,
    )


READERS: dict[str, Callable[..., SSPLibrary]] = {
    "hdf5": read_hdf5_layout,
}


def recognise(path: Path) -> str:
    """Name the reader (a key of ``READERS``) for what lies at ``path``.

    Raises
    ------
    ValueError
        If nothing known is found there.
    """
    if path.suffix.lower() in (".h5", ".hdf5"):
        with open_hdf5(path, "an SSP library") as file:
            keys = set(file)
        if "Zspec" in keys:
            return "hdf5"
    raise ValueError(f"{path} is not a known SSP library; known formats: {sorted(READERS)}")


def read_library(path: str | os.PathLike, format: str | None = None, **options: Any) -> SSPLibrary:  # noqa: A002
    """Read an SSP library of any known format; see `SSPLibrary.read`."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no SSP library at {path}; `python -m pyprospect` lists what is at hand")
    format = format or recognise(path)  # noqa: A001
    if format not in READERS:
        raise ValueError(f"unknown format {format!r} for {path}; known: {sorted(READERS)}")
    return READERS[format](path, **options)


def unknown_evolution(n_z: int, n_age: int) -> np.ndarray:
    """Make the evolution table of a library that does not come with one: NaN, (n_z, n_age, 5)."""
    return np.full((n_z, n_age, 5), np.nan)
