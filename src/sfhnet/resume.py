"""Whether a finished shard can be kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfhnet.library import ShardError, check_shard

_log = logging.getLogger("sfhnet.resume")


def is_current(path: str | Path, identity: Mapping[str, Any]) -> bool:
    """Whether a shard is there, whole, and made for this identity; logs why not.

    Parameters
    ----------
    path : path
    identity : mapping
        From `sfhnet.identity.shard_identity`.
    """
    try:
        check_shard(path, identity)
    except FileNotFoundError:
        return False
    except ShardError as error:
        _log.warning("remaking a shard: %s", error)
        return False
    return True


def same_identity(path: str | Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Check that a prior shard was drawn for this configuration.

    Raises
    ------
    ValueError
        If it was not; names the file and what differs.
    """
    expected = json.loads(json.dumps(dict(expected)))
    for key in sorted({*found, *expected}):
        if found.get(key) != expected.get(key):
            raise ValueError(
                f"{path} was drawn with {key} = {str(found.get(key))[:60]}, the configuration says "
                f"{str(expected.get(key))[:60]}; draw it again with scripts/sample_prior.py"
            )
