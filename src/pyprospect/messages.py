"""Warnings of pyprospect: one category to filter on, one line each, said once per process.

A long run evaluates the model millions of times; a warning repeated for every galaxy hides all others.
``warn_once`` therefore says a sentence of a kind the first time only, whatever Python's filters are;
``forget_warnings`` makes it talk again.
"""

import sys
import warnings

__all__ = [
    "ClampWarning",
    "CoverageWarning",
    "ProSpectWarning",
    "forget_warnings",
    "warn_once",
]

_said: set[tuple[type[Warning], str]] = set()


class ProSpectWarning(UserWarning):
    """Base of all warnings of pyprospect."""


class ClampWarning(ProSpectWarning):
    """A parameter was outside its table and the end value of the table is used."""


class CoverageWarning(ProSpectWarning):
    """A filter, line or output wavelength is not covered by the spectrum."""


def warn_once(topic: str, message: str, category: type[Warning] = ProSpectWarning) -> None:
    """Warn with `message` unless a warning of this category and topic was given before.

    Parameters
    ----------
    topic : str
        What the warning is about; the second warning on the same topic is not given.
    message : str
        The values and the remedy.
    category : type of Warning
        A subclass of `ProSpectWarning`.
    """
    key = (category, topic)
    if key in _said:
        return
    _said.add(key)
    warnings.warn(f"{message} (said once)", category, stacklevel=_callers_level())


def _callers_level() -> int:
    # The line that the user wrote, however deep in this package the trouble was found.
    level, frame = 2, sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("pyprospect."):
        level, frame = level + 1, frame.f_back
    return level


def forget_warnings() -> None:
    """Let every warning be given again."""
    _said.clear()
