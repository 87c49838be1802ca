"""Checksums of files whose archive tells none: recorded beside them when they arrive, compared after."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from sfhnet.tools.atomic_files import write_text
from sfhnet.tools.provenance import sha256_file

_SAMPLE, _SAMPLES = 1 << 16, 64


def checksum_path(path: str | os.PathLike) -> Path:
    """Return where the checksum of a file is kept: beside it, as ``sha256sum`` writes and checks it."""
    path = Path(path)
    return path.with_name(path.name + ".sha256")


def recorded_checksum(path: str | os.PathLike) -> str | None:
    """Return the checksum that a file had when it arrived, or None if none was recorded."""
    kept = checksum_path(path)
    if not kept.is_file():
        return None
    words = kept.read_text(encoding="utf-8").split()
    return words[0] if words else None


def record_checksum(path: str | os.PathLike, sha256: str | None = None) -> str:
    """Record the checksum of a file beside it.

    Parameters
    ----------
    path : path
        File.
    sha256 : str, optional
        Its checksum, if it is known; computed otherwise.

    Returns
    -------
    str
        The checksum, in hexadecimal.
    """
    path = Path(path)
    sha256 = sha256 or sha256_file(path)
    write_text(checksum_path(path), f"{sha256}  {path.name}\n")
    return sha256


def sampled_sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's size and of blocks spread over it, in hexadecimal: another file has another one.

    What is asked at each start must not read cubes of many gigabytes; files below 4 MiB are read whole.
    """
    size = Path(path).stat().st_size
    digest = hashlib.sha256(str(size).encode())
    step = max(_SAMPLE, size // _SAMPLES)
    with Path(path).open("rb") as file:
        for start in (*range(0, size, step), max(0, size - _SAMPLE)):
            file.seek(start)
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


def verify(path: str | os.PathLike) -> str | None:
    """Compare a file with the checksum recorded when it arrived; record it if there is none yet.

    Returns
    -------
    str or None
        What is wrong, None if nothing is.
    """
    path = Path(path)
    if not path.is_file():
        return f"{path} is missing"
    kept, found = recorded_checksum(path), sha256_file(path)
    if kept is None:
        record_checksum(path, found)
        return None
    return None if kept == found else changed(path, kept, found)


def changed(path: str | os.PathLike, kept: str, found: str) -> str:
    """Return the sentence that says that a file is no longer what arrived, and what to do.

    Parameters
    ----------
    path : path
        File.
    kept, found : str
        Checksums recorded when it arrived, and of today.

    Returns
    -------
    str
    """
    return (
        f"{path} has sha256 {found}, but {kept} was recorded when it arrived: it is damaged or was changed. Delete it "
        f"and fetch it again, or delete {checksum_path(path).name} beside it if the change is meant"
    )


def check_recorded(path: str | os.PathLike) -> None:
    """Check a file whose checksum is recorded, quietly passing one whose is not.

    Raises
    ------
    ValueError
        If it is no longer what arrived.
    """
    kept = recorded_checksum(path)
    if kept is not None and (found := sha256_file(path)) != kept:
        raise ValueError(changed(path, kept, found))
