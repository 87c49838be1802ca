"""Whether checksums of products are compared when they are read: the key `verify_checksums` of the configuration."""

from __future__ import annotations

import os
from pathlib import Path

from pyprospect.content import use_verification, verifying

__all__ = ["first_time", "forget", "use_verification", "verifying"]

_seen: set[tuple[str, int, int]] = set()


def first_time(path: str | os.PathLike) -> bool:
    """Return whether a file should be compared now: if checksums are, and this process has not seen it as it is."""
    if not verifying():
        return False
    state = Path(path).stat()
    key = (str(Path(path).resolve()), state.st_size, state.st_mtime_ns)
    if key in _seen:
        return False
    _seen.add(key)
    return True


def forget(path: str | os.PathLike) -> None:
    """Compare a file again when it is next read, because it was found damaged."""
    name = str(Path(path).resolve())
    _seen.difference_update([key for key in _seen if key[0] == name])
