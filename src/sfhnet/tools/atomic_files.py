"""Files that are whole or absent, and JSON."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["atomic_write", "plain", "read_json", "write_bytes", "write_json", "write_text"]


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path beside `path` to write to; rename it to `path` when the block ends without an error.

    A killed or failed writer leaves `path` as it was: absent, or the earlier whole file. The name of the
    unfinished file ends like `path`, for writers that choose the format by the suffix.

    Parameters
    ----------
    path : path
        Where the finished file shall be; its folder is made if needed.

    Yields
    ------
    Path
        Where to write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield partial
        if not partial.exists():
            raise FileNotFoundError(f"nothing was written for {path}")
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Write UTF-8 text atomically.

    Parameters
    ----------
    path : path
        Where the finished file shall be.
    text : str
        Its content.

    Returns
    -------
    Path
        The file.
    """
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def write_bytes(path: str | os.PathLike, data: bytes) -> Path:
    """Write bytes atomically.

    Parameters
    ----------
    path : path
        Where the finished file shall be.
    data : bytes
        Its content.

    Returns
    -------
    Path
        The file.
    """
    with atomic_write(path) as partial:
        partial.write_bytes(data)
    return Path(path)


def write_json(path: str | os.PathLike, data: Any) -> Path:
    """Write JSON atomically: indented, keys in the given order, numpy numbers and arrays as plain ones.

    Parameters
    ----------
    path : path
        Where the finished file shall be.
    data
        Its content: plain data, numpy's numbers and arrays, and paths.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: JSON has no such numbers; write None.
    """
    text = json.dumps(data, indent=2, default=plain, allow_nan=False)
    return write_text(path, text + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Read JSON.

    Raises
    ------
    ValueError
        If the file is not JSON; names the file, line and column.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: {error}; remake or repair it") from error


def plain(value: Any) -> Any:
    """Return numpy numbers and arrays and paths as plain data, for ``json.dumps(..., default=plain)``."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
