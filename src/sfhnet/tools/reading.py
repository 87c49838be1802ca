"""One wrapper for what other libraries raise at damaged files: an error that names the file and the remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["reading"]


@contextmanager
def reading(path: str | os.PathLike, name: str | None = None) -> Iterator[None]:
    """Turn any exception of the block that does not name the file into a ValueError that does.

    Parameters
    ----------
    path : path
        File that is read.
    name : str, optional
        Galaxy or other name to begin the message with.

    Raises
    ------
    ValueError
        From whatever was raised; errors that name the file pass as they are, and so do those of the system.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        if isinstance(error, ValueError) and (
            Path(path).name in str(error) or str(error).startswith(f"{name}:")
        ):
            raise
        begin = f"{name}: {path}" if name else f"{path}"
        raise ValueError(
            f"{begin} cannot be read ({type(error).__name__}: {error}); is it whole and of the kind its name says? "
            "Get or make it again"
        ) from error
