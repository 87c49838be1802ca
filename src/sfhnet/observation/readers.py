"""The mechanism by which files of spectra and cubes find their reader: one function a kind, registered by a decorator."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Readers"]

Look = TypeVar("Look")
Read = TypeVar("Read", bound=Callable[..., object])


class Readers(Generic[Look, Read]):
    """Readers by the kind of file they read, in the order in which they are asked whether they know a file.

    Parameters
    ----------
    what : str
        What they read, for messages.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._readers: dict[str, Read] = {}
        self._knows: dict[str, Callable[[Look], bool]] = {}

    def register(
        self, kind: str, knows: Callable[[Look], bool] = lambda look: False
    ) -> Callable[[Read], Read]:
        """Return the decorator that makes a function the reader of a kind.

        Parameters
        ----------
        kind : str
            Its name, as in the sample sheet and on the command line.
        knows : callable
            Whether a file is of this kind; by default it has to be named.

        Returns
        -------
        callable

        Raises
        ------
        ValueError
            If the kind has a reader already.
        """

        def registered(read: Read) -> Read:
            if kind in self._readers:
                raise ValueError(f"two readers of {self.what} are called {kind!r}; rename one")
            self._readers[kind], self._knows[kind] = read, knows
            return read

        return registered

    def __iter__(self) -> Iterator[str]:
        """Give the kinds."""
        return iter(self._readers)

    def named(self, kind: str, where: str) -> Read:
        """Return the reader of a kind.

        Parameters
        ----------
        kind : str
            Its name.
        where : str
            Galaxy and file for the error message.

        Returns
        -------
        callable

        Raises
        ------
        ValueError
            If there is none; suggests the nearest name.
        """
        if kind in self._readers:
            return self._readers[kind]
        near = difflib.get_close_matches(kind, self._readers, 1, 0.6)
        guess = f"did you mean {near[0]}? " if near else ""
        raise ValueError(
            f"{where}: kind {kind!r} of {self.what} is unknown; {guess}choose one of {', '.join(self)}"
        )

    def recognise(self, look: Look) -> str | None:
        """Return the first kind that knows a file; None if none does."""
        return next((kind for kind, knows in self._knows.items() if knows(look)), None)
