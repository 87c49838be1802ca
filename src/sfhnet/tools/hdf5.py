"""Files that are whole or absent: atomic writing, and HDF5 with units, axes, schema and provenance."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike

from pyprospect.content import check_content, check_end, seal, seal_end
from sfhnet.tools.atomic_files import (
    atomic_write,
    plain,
    read_json,
    write_bytes,
    write_json,
    write_text,
)
from sfhnet.tools.reading import reading
from sfhnet.tools.verification import first_time, forget

__all__ = [
    "atomic_write",
    "create_h5",
    "open_h5",
    "open_whole",
    "put",
    "read_dataset",
    "read_json",
    "write_bytes",
    "write_json",
    "write_text",
]

# Datasets below this size gain nothing from chunks and compression.
_SMALL = 4096


@contextmanager
def create_h5(
    path: str | os.PathLike, schema: str, version: int, *, provenance: Mapping[str, Any] | None = None
) -> Iterator[h5py.File]:
    """Create an HDF5 file atomically, with schema and provenance.

    Parameters
    ----------
    path : path
        Where the finished file shall be.
    schema : str
        What kind of file it is, e.g. ``"sfhnet.mocks.shards"``.
    version : int
        Version of that layout; the file's attribute ``schema_version`` is ``"{schema}/{version}"``.
    provenance : mapping, optional
        From `sfhnet.tools.provenance.provenance`; stored as JSON.

    Yields
    ------
    h5py.File
        Open for writing; add datasets with `put`.
    """
    with atomic_write(path) as partial:
        with h5py.File(partial, "w") as file:
            file.attrs["schema_version"] = f"{schema}/{version}"
            file.attrs["provenance"] = json.dumps(dict(provenance or {}), default=plain)
            yield file
            seal(file)
        seal_end(partial)


@contextmanager
def open_h5(
    path: str | os.PathLike, schema: str, version: int, *, content: bool = True
) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading and check that it is whole and of the expected kind.

    Parameters
    ----------
    path : path
        File to read.
    schema, version : str, int
        What `create_h5` was given.
    content : bool
        Read everything and compare its checksum, unless this process has done so or the configuration says not to.

    Yields
    ------
    h5py.File
        Open for reading; what h5py raises in the block names the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, damaged, no HDF5, or of another schema or version.
    """
    with reading(path):
        unsealed = content and _unsealed(path)
    with reading(path), _open(path) as file:
        found, expected = file.attrs.get("schema_version", "none"), f"{schema}/{version}"
        if found != expected:
            raise ValueError(
                f"{path} has schema {found!r}, expected {expected!r}; make it again with this version"
            )
        if unsealed:
            try:
                check_content(file, path)
            except BaseException:
                forget(path)
                raise
        yield file


def open_whole(path: str | os.PathLike) -> h5py.File:
    """Open an HDF5 file of any kind for reading; compare its bytes with the checksum behind them, if there is one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, damaged or no HDF5.
    """
    with reading(path):
        if _unsealed(path):
            # what a file without a checksum at its end holds is compared by `open_h5`
            forget(path)
    return _open(path)


def _unsealed(path: str | os.PathLike) -> bool:
    """Return whether the content is still to be compared; compare the bytes first, where a checksum stands behind them."""
    if not Path(path).is_file() or not first_time(path):
        return False
    try:
        return not check_end(path)
    except BaseException:
        forget(path)
        raise


def _open(path: str | os.PathLike) -> h5py.File:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; correct the path, or make the file first")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"{path} is damaged or not an HDF5 file ({error}); delete it and make it again"
        ) from error


def put(
    group: h5py.Group, name: str, values: ArrayLike, *, unit: str, axes: str, **options: Any
) -> h5py.Dataset:
    """Store an array with its unit and axes.

    Parameters
    ----------
    group : h5py.Group
        File or group; missing parents in `name` are made.
    name : str
        Name of the dataset.
    values : array_like
        What to store.
    unit : str
        Unit, ``""`` if dimensionless.
    axes : str
        Names of the axes, ``"galaxy, wave"``; ``""`` for a scalar.
    **options
        For ``create_dataset``; large arrays are by default shuffled and gzipped at level 1, pass
        ``compression=None`` for none.

    Returns
    -------
    h5py.Dataset
        What was stored, for further attributes.

    Raises
    ------
    ValueError
        If the number of axes is not the number of dimensions.
    """
    array = np.asarray(values)
    n_axes = len([axis for axis in axes.split(",") if axis.strip()])
    if n_axes != array.ndim:
        raise ValueError(
            f"dataset {name!r} has {array.ndim} dimensions but axes {axes!r}; name each axis once"
        )
    if array.size > _SMALL and "compression" not in options:
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True, **options}
    dataset = group.create_dataset(name, data=array, **options)
    dataset.attrs["unit"] = unit
    dataset.attrs["axes"] = axes
    return dataset


def read_dataset(
    group: h5py.Group, name: str, unit: str | None = None, *, axes: str | None = None
) -> np.ndarray:
    """Read a dataset whole, and check its unit and axes if these are given.

    Parameters
    ----------
    group : h5py.Group
        File or group.
    name : str
        Name of the dataset.
    unit, axes : str, optional
        What `put` was given.

    Returns
    -------
    ndarray
        In the shape in which it was stored.

    Raises
    ------
    ValueError
        If it is missing or has another unit or other axes.
    """
    if name not in group:
        raise ValueError(f"{group.file.filename}: no dataset {name!r} in {group.name!r}; make the file again")
    dataset = group[name]
    for key, expected in (("unit", unit), ("axes", axes)):
        found = dataset.attrs.get(key)
        if expected is not None and found != expected:
            raise ValueError(f"{group.file.filename}: {name!r} has {key} {found!r}, expected {expected!r}")
    return dataset[()]
