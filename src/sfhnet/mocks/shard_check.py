"""Proof that a shard is whole and was made for a configuration."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyprospect.content import check_content, check_end, verifying
from sfhnet.mocks.shard_identity import ShardError, datasets, same_identity, sha256_arrays
from sfhnet.tools import hdf5
from sfhnet.tools.verification import first_time, forget

__all__ = ["SCHEMA", "VERSION", "check_shard", "check_shard_once", "is_current"]

_log = logging.getLogger("sfhnet.mocks.shard_check")

SCHEMA, VERSION = "sfhnet.library", 2


def check_shard(path: str | Path, identity: Mapping[str, Any] | None = None, content: bool = True) -> None:
    """Prove that a shard is whole and belongs to a configuration.

    Parameters
    ----------
    path : path
    identity : mapping, optional
        What it should have been made for.
    content : bool
        Read everything and compare the checksum, unless the configuration says not to; otherwise only the header is
        looked at.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ShardError
        If it is truncated, damaged or foreign; the message names the file and the difference.
    """
    path, content = Path(path), content and verifying()
    try:
        if content and path.is_file() and check_end(path):
            content = False
        with hdf5.open_h5(path, SCHEMA, VERSION, content=False) as file:
            if "sha256" not in file.attrs:
                raise ShardError(f"{path} has no checksum: it was not finished; make it again")
            if identity is not None:
                same_identity(path, json.loads(file.attrs["identity"]), identity)
            if content:
                check_content(file, path)
                found = sha256_arrays({name: dataset[()] for name, dataset in datasets(file).items()})
                if found != file.attrs["sha256"]:
                    raise ShardError(
                        f"{path} is damaged: its content has SHA-256 {found[:16]}, written was "
                        f"{file.attrs['sha256'][:16]}; make it again"
                    )
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, ShardError):
            raise
        raise ShardError(str(error)) from error


def check_shard_once(path: str | Path) -> None:
    """Prove that a shard is whole, by its content unless this process has done so; raises what `check_shard` raises."""
    content = Path(path).is_file() and first_time(path)
    try:
        check_shard(path, content=content)
    except BaseException:
        forget(path)
        raise


def is_current(path: str | Path, identity: Mapping[str, Any]) -> bool:
    """Return whether a shard is there, whole, and made for this identity; logs why not.

    Parameters
    ----------
    path : path
    identity : mapping
        From `sfhnet.mocks.shard_identity.shard_identity`.

    Returns
    -------
    bool
    """
    try:
        check_shard(path, identity)
    except FileNotFoundError:
        return False
    except ShardError as error:
        _log.warning("remaking a shard: %s", error)
        return False
    return True
