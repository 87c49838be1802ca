"""A trained network on its way from another machine: its folder in a few files of limited size."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from sfhnet.tools.atomic_files import read_json, write_bytes, write_json
from sfhnet.training.checkpoint import CHECKPOINT

__all__ = ["LARGEST_MIB", "TOTAL_MIB", "bring", "carry"]

LARGEST_MIB, TOTAL_MIB = 16, 64
_INDEX = "carried.json"
# What is needed first; the checkpoint only lets a run go on.
_FILES = ("weights.safetensors", "model.json", "history.csv", CHECKPOINT)


def carry(folder: Path, to: Path) -> str:
    """Write a model's folder as pieces of at most 16 MiB, 64 MiB in all; the checkpoint is left out if it does not fit.

    Parameters
    ----------
    folder : Path
        Of the model; what is not there yet is not carried.
    to : Path
        Folder of the pieces.

    Returns
    -------
    str
        What was written, in words.

    Raises
    ------
    ValueError
        If even the weights are too large.
    """
    piece, room = int(LARGEST_MIB * 2**20) - 4096, int(TOTAL_MIB * 2**20) - 2**17
    files: list[Path] = []
    for path in (Path(folder, name) for name in _FILES):
        if path.is_file() and sum(p.stat().st_size for p in [*files, path]) + 2**16 <= room:
            files.append(path)
        elif path.is_file() and path.name != CHECKPOINT:
            raise ValueError(f"{path} does not fit into {TOTAL_MIB} MiB; train a smaller network")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in files:
            archive.add(path, arcname=path.name)
    data = buffer.getvalue()
    names = []
    for number, start in enumerate(range(0, len(data), piece)):
        names.append(f"carried.tar.{number}")
        write_bytes(Path(to, names[-1]), data[start : start + piece])
    about = {
        "pieces": names,
        "sha256": hashlib.sha256(data).hexdigest(),
        "files": [path.name for path in files],
    }
    write_json(Path(to, _INDEX), about)
    return f"{len(names)} pieces, {len(data) / 2**20:.1f} MiB, with {', '.join(about['files']) or 'nothing'}"


def bring(pieces: Path, folder: Path) -> list[str]:
    """Put what `carry` wrote together again.

    Parameters
    ----------
    pieces : Path
        Folder of the pieces.
    folder : Path
        Of the model.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    FileNotFoundError
        If a piece is missing.
    ValueError
        If a piece is damaged.
    """
    index = Path(pieces, _INDEX)
    if not index.is_file():
        raise FileNotFoundError(f"{index} does not exist; give the folder that sfhnet train --carry wrote")
    about = read_json(index)
    missing = [name for name in about["pieces"] if not Path(pieces, name).is_file()]
    if missing:
        raise FileNotFoundError(f"{pieces} lacks {', '.join(missing)}; copy all pieces beside {_INDEX}")
    data = b"".join(Path(pieces, name).read_bytes() for name in about["pieces"])
    if hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise ValueError(f"the pieces in {pieces} are damaged or of two runs; copy them again")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for name in about["files"]:
            if name not in _FILES:
                raise ValueError(f"{index} names {name!r}, which no training writes; copy the pieces again")
            member = archive.extractfile(name)
            if member is not None:
                write_bytes(Path(folder, name), member.read())
    return list(about["files"])
