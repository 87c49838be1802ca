"""Checksums of an HDF5 file, kept in the file: a byte that changes later is noticed when it is read.

One is of what the file holds, without dates, for comparisons. The other stands behind the end of the HDF5, which readers do
not mind, and is of all bytes before it: the HDF5 library can hang on a damaged file, so it is asked first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

__all__ = [
    "CHECKSUM",
    "check_content",
    "check_end",
    "content_sha256",
    "seal",
    "seal_end",
    "use_verification",
    "verifying",
]

CHECKSUM = "content_sha256"
"""Attribute of the file that holds the checksum."""
# Attributes that tell when, where and by what a file was made, not what is in it.
_NO_CONTENT = ("provenance", CHECKSUM)
_BYTES = 1 << 25
_END = re.compile(rb"\nsha256 ([0-9a-f]{64}) of ([0-9 ]{15}) bytes\n")
_END_LENGTH = len("\nsha256  of  bytes\n") + 64 + 15
_state = {"on": True}


def use_verification(on: bool) -> None:
    """Compare files with the checksums in them from now on, or leave that."""
    _state["on"] = on


def verifying() -> bool:
    """Return whether files are compared with the checksums in them."""
    return _state["on"]


def content_sha256(file: h5py.File) -> str:
    """Return the SHA-256 of all datasets and attributes of an open file, but for its provenance, in hexadecimal."""
    import h5py  # steps that write no HDF5 have none

    digest = hashlib.sha256()
    nodes: dict[str, h5py.Group | h5py.Dataset] = {"": file}
    file.visititems(nodes.__setitem__)
    for name in sorted(nodes):
        node = nodes[name]
        attributes = {key: value for key, value in node.attrs.items() if key not in _NO_CONTENT}
        digest.update(f"{name} {json.dumps(attributes, sort_keys=True, default=_plain)}\n".encode())
        if isinstance(node, h5py.Dataset):
            _add(digest, name, node)
    return digest.hexdigest()


def _add(digest: Any, name: str, dataset: h5py.Dataset) -> None:
    """Add a dataset to a checksum, a stretch of rows at a time: it may be larger than the memory."""
    import h5py
    import numpy as np

    text = h5py.check_string_dtype(dataset.dtype) is not None
    digest.update(f"{name} {dataset.dtype.str} {dataset.shape}\n".encode())
    rows = dataset.shape[0] if dataset.ndim else 1
    step = max(1, _BYTES * rows // max(int(dataset.nbytes), 1)) if dataset.ndim else 1
    for start in range(0, rows, step):
        part = (dataset.asstr() if text else dataset)[slice(start, start + step) if dataset.ndim else ()]
        values = np.ascontiguousarray(part)
        if values.dtype.hasobject:
            values = values.astype(np.str_)
        digest.update(values.reshape(-1).view(np.uint8).data)


def seal(file: h5py.File) -> None:
    """Store the checksum of what an open file holds in it; the last thing before it is closed."""
    file.attrs[CHECKSUM] = content_sha256(file)


def check_content(file: h5py.File, path: object) -> None:
    """Compare what an open file holds with the checksum in it; a file without one has nothing to compare with.

    Nothing is compared after ``use_verification(False)``.

    Parameters
    ----------
    file : h5py.File
        Open for reading.
    path : path
        Named in the error.

    Raises
    ------
    ValueError
        If it is not what was written.
    """
    written = file.attrs.get(CHECKSUM) if verifying() else None
    if written is not None and written != (found := content_sha256(file)):
        raise ValueError(
            f"{path} is damaged: its content has SHA-256 {found[:16]}, written was {str(written)[:16]}; make it again"
        )


def seal_end(path: str | os.PathLike) -> None:
    """Write the checksum of all bytes of a closed file behind them."""
    path = Path(path)
    size = path.stat().st_size
    digest = _bytes_sha256(path, size)
    with path.open("ab") as file:
        file.write(f"\nsha256 {digest} of {size:15d} bytes\n".encode())


def check_end(path: str | os.PathLike) -> bool:
    """Compare all bytes of a file with the checksum behind them, but after ``use_verification(False)``.

    Returns
    -------
    bool
        Whether there was one to compare with.

    Raises
    ------
    ValueError
        If it is not what was written.
    """
    path = Path(path)
    if not verifying():
        return False
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _END_LENGTH)
        file.seek(start)
        end = _END.fullmatch(file.read())
    if end is None:
        return False
    found = _bytes_sha256(path, start)
    if (found, start) != (end[1].decode(), int(end[2])):
        raise ValueError(
            f"{path} is damaged: its {start} bytes have SHA-256 {found[:16]}, written were {int(end[2])} with "
            f"{end[1].decode()[:16]}; make it again"
        )
    return True


def _bytes_sha256(path: Path, size: int) -> str:
    digest, left = hashlib.sha256(), size
    with path.open("rb") as file:
        while left and (part := file.read(min(_BYTES, left))):
            digest.update(part)
            left -= len(part)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
