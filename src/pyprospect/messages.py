"""Warnings of pyprospect: one category to filter on, one line each, said once per process.

A long run evaluates the model millions of times; a warning repeated for every galaxy hides all others.
``warn_once`` therefore says a sentence of a kind the first time only, whatever Python's filters are;
``forget_warnings`` makes it talk again.
"""

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
    warnings.warn(message, category, stacklevel=3)


def forget_warnings() -> None:
    """Let every warning be given again."""
    _said.clear()
