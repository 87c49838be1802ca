"""Files that are whole or absent, and JSON that holds its own checksum."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyprospect.content import CHECKSUM
from sfhnet.tools.reading import reading
from sfhnet.tools.verification import verifying

__all__ = ["atomic_write", "plain", "read_json", "write_bytes", "write_json", "write_text"]


# Disk full, quota used up, larger than a file may be.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path beside `path` to write to; rename it to `path` when the block ends without an error.

    A killed or failed writer leaves `path` as it was: absent, or the earlier whole file. The name of the
    unfinished file ends like `path`, for writers that choose the format by the suffix; one that a killed process of this
    machine left is taken away.

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
    begin, end = f".{path.stem}.{socket.gethostname()}-", f".part{path.suffix}"
    _take_away_left(path.parent, begin, end)
    partial = path.with_name(f"{begin}{os.getpid()}-{secrets.token_hex(4)}{end}")
    try:
        yield partial
        if not partial.exists():
            raise FileNotFoundError(f"nothing was written for {path}")
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)
    except Exception as error:
        if (number := _no_room(error)) is None:
            raise
        raise OSError(
            number,
            f"{os.strerror(number)}: free space (or raise the quota) and run again, what is finished is kept",
            str(path),
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _take_away_left(folder: Path, begin: str, end: str) -> None:
    """Delete unfinished files of processes of this machine that live no longer."""
    ours = re.compile(rf"{re.escape(begin)}(\d+)-[0-9a-f]{{8}}{re.escape(end)}")
    for path in folder.iterdir():
        found = ours.fullmatch(path.name)
        if found and not _lives(int(found[1])):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _no_room(error: Exception) -> int | None:
    """Return the number of the system's error if it says that a file cannot grow; HDF5 and astropy hide it in their words."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return error.errno
    if re.search(r"requested and \d+ written|Not enough space on disk", str(error)):
        return errno.ENOSPC
    hidden = re.search(r"errno(?: =)? (\d+)", str(error), re.IGNORECASE)
    return int(hidden[1]) if hidden and int(hidden[1]) in _NO_ROOM else None


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

    A table at the top gets a checksum of its content as its last key, which `read_json` compares and takes out again.

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
    written = json.loads(json.dumps(data, default=plain, allow_nan=False))
    if isinstance(written, dict):
        written[CHECKSUM] = _content_sha256(written)
    return write_text(path, json.dumps(written, indent=2) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Read JSON, and compare it with the checksum in it if there is one and the configuration does not say not to.

    Raises
    ------
    ValueError
        If the file is not JSON, or not what was written; names the file.
    """
    path = Path(path)
    with reading(path):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not valid JSON: {error}; remake or repair it") from error
    if isinstance(data, dict) and (written := data.pop(CHECKSUM, None)) is not None and verifying():
        found = _content_sha256(data)
        if found != written:
            raise ValueError(
                f"{path} is damaged: its content has SHA-256 {found[:16]}, written was {str(written)[:16]}; make it again, "
                f"or delete its {CHECKSUM} if you changed it on purpose"
            )
    return data


def _content_sha256(data: dict[str, Any]) -> str:
    """Return the SHA-256 of a table but for its provenance, in hexadecimal."""
    content = {key: value for key, value in data.items() if key not in ("provenance", CHECKSUM)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """Return numpy numbers and arrays and paths as plain data, for ``json.dumps(..., default=plain)``."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
