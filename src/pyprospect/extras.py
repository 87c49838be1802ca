"""Packages that only a part of pyprospect needs: imported there, and missed with a word on how to get them."""

import importlib
from types import ModuleType

__all__ = ["EXTRAS", "require"]

EXTRAS = {"torch": "fast", "rdata": "rda", "nautilus": "fit", "matplotlib": "figures"}
"""Package, and the extra of pyprospect that brings it."""


def require(package: str, what: str) -> ModuleType:
    """Import a package that is not there in every installation.

    Parameters
    ----------
    package : str
        A key of `EXTRAS`.
    what : str
        What needs it, for the message.

    Returns
    -------
    module

    Raises
    ------
    ModuleNotFoundError
        If it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:  # it is there, and something that it needs is not
            raise
        raise ModuleNotFoundError(
            f"{what} needs {package}, which is not installed: pip install 'pyprospect[{EXTRAS[package]}]'",
            name=package,
        ) from error
