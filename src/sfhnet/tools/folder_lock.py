"""One process at a time in a folder: a lock that names host and process, and that a killed process cannot leave behind."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

__all__ = ["LOCK", "alone_in"]

_log = logging.getLogger("sfhnet.tools.folder_lock")

LOCK = ".lock"
"""Name of the file; it stays, what counts is who holds it."""
# File systems that know no locks answer so.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@contextmanager
def alone_in(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder for this process; the system lets it go when the process ends, however it does.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    what : str
        What is done there, for messages: "a training".

    Raises
    ------
    RuntimeError
        If another process holds it, on this machine or on one that shares the folder; says which.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                _log.warning("%s: this file system has no locks; start no second process there", folder)
                yield
                return
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            holder = _read(file)
            host, pid = holder.get("host", "an unknown machine"), holder.get("pid", "?")
            raise RuntimeError(
                f"{what} is at work in {folder} already: process {pid} on {host}, since {holder.get('since', 'an unknown time')}. "
                f"Wait for it, or end it there with: kill {pid}"
            ) from error
        me = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        _write(file, json.dumps(me))
        try:
            yield
        finally:
            _write(file, "")


def _read(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        return dict(json.loads(file.read()))
    except (json.JSONDecodeError, TypeError, ValueError):
        return {}


def _write(file: IO[str], text: str) -> None:
    """Say who holds it; a full disk takes nothing from the lock itself."""
    try:
        file.seek(0)
        file.truncate()
        file.write(text)
        file.flush()
    except OSError as error:
        _log.warning("%s: %s", file.name, error)
