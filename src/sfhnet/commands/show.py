"""``sfhnet show FILE``: what is inside a product, with units, axes and provenance."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import h5py

from sfhnet.tools.hdf5 import open_whole
from sfhnet.tools.script_options import Parser

__all__ = ["add_arguments", "describe_file", "run"]


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="HDF5 products")
    parser.add_argument("--provenance", action="store_true", help="the whole provenance, as JSON")


def run(args: argparse.Namespace) -> int:
    """Do it; give the exit status."""
    for path in args.files:
        print(f"{path}")
        for line in describe_file(path, args.provenance):
            print(f"    {line}")
    return 0


def describe_file(path: Path, full_provenance: bool = False) -> Iterator[str]:
    """Yield lines on an HDF5 file: schema, attributes, datasets with shape, unit and axes, provenance.

    Parameters
    ----------
    path : Path
        HDF5 file.
    full_provenance : bool
        The whole record as JSON, not only what it comes to.

    Returns
    -------
    iterator of str

    Raises
    ------
    ValueError
        If it is damaged or no HDF5 file.
    FileNotFoundError
        If there is no such file.
    """
    with open_whole(path) as file:
        attributes = {key: value for key, value in file.attrs.items() if key != "provenance"}
        for key, value in attributes.items():
            text = " ".join(str(value).split())
            yield f"{key}: {text if len(text) <= 100 else text[:97] + '...'}"
        lines: list[str] = []

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                unit, axes = item.attrs.get("unit", "?"), item.attrs.get("axes", "?")
                about = item.attrs.get("description", "")
                shape = "x".join(map(str, item.shape)) or "scalar"
                lines.append(f"{name:32s} {shape:18s} ({axes}) [{unit or '-'}] {about}".rstrip())

        file.visititems(visit)
        yield from lines
        record = json.loads(file.attrs.get("provenance", "{}"))
        if full_provenance:
            yield from json.dumps(record, indent=1).splitlines()
        else:
            for key in ("made_utc", "git_commit", "config_sha256", "code_sha256", "seed"):
                if key in record:
                    yield f"{key}: {record[key]}"
