"""Give memory back to the system: what was freed between two pieces of a long task stays with the process otherwise."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

__all__ = ["give_back"]


@cache
def _trim() -> Any:
    """Return glibc's ``malloc_trim``; None on systems whose library has none."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None


def give_back() -> None:
    """Give freed memory back: arrays of tens of MB leave holes that the next ones of other sizes do not fill."""
    trim = _trim()
    if trim is not None:
        trim(0)
