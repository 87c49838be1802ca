"""Histories by their names in ProSpect."""

from collections.abc import Callable
from typing import Any

__all__ = ["by_name"]


def by_name(
    function: str | Callable[..., Any], known: dict[str, Callable[..., Any]], *, prefix: str, what: str
) -> Callable[..., Any]:
    """Return the callable itself, or the one of a name with or without ProSpect's prefix; ValueError if none.

    Parameters
    ----------
    function : callable or str
        The function, or its name.
    known : dict
        Functions by name.
    prefix : str
        What ProSpect puts before each name.
    what : str
        What the functions are, for the message.

    Returns
    -------
    callable
    """
    if callable(function):
        return function
    name = str(function).removeprefix(prefix)
    if name not in known:
        raise ValueError(f"no {what} {function!r}; there are {', '.join(known)}")
    return known[name]
