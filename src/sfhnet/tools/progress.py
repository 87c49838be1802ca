"""Progress that suits the reader: a bar on a terminal, a plain line every so often in a log."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

__all__ = ["Progress", "on_terminal", "track"]

T = TypeVar("T")
_log = logging.getLogger("sfhnet.tools.progress")


def on_terminal() -> bool:
    """Return whether standard error is a terminal that a bar can be drawn on (a pseudo-terminal may have no size)."""
    try:
        return sys.stderr.isatty() and min(os.get_terminal_size(sys.stderr.fileno())) > 0
    except (OSError, ValueError):
        return False


class Progress:
    """Count work done, as a context manager.

    On a terminal a bar is drawn on standard error. Otherwise, and in the log file of a script, one line is
    logged at most every `every_s` seconds, and one at the end.

    Parameters
    ----------
    total : int or None
        Amount of work, in `unit`.
    description : str
        What is being done, e.g. ``"training flow"``.
    unit : str
        What is counted; ``"B"`` is shown as MB.
    every_s : float
        Seconds between lines in a log.
    """

    def __init__(
        self, total: int | None, description: str, unit: str = "it", *, every_s: float = 20.0
    ) -> None:
        self.total, self.description, self.unit, self.every_s = total, description, unit, every_s
        self.done = 0
        self._note = ""
        scale = unit == "B"
        self._bar = tqdm(
            total=total,
            desc=description,
            unit=unit,
            unit_scale=scale,
            disable=not on_terminal(),
            leave=False,
            dynamic_ncols=True,
        )

    def __enter__(self) -> Progress:
        self._start = self._last = time.monotonic()
        return self

    def update(self, n: int = 1, note: str = "") -> None:
        """Report work done.

        Parameters
        ----------
        n : int
            Units done since the last report.
        note : str
            What to say beside, e.g. the loss.
        """
        self.done += n
        self._note = note or self._note
        self._bar.update(n)
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        now = time.monotonic()
        if now - self._last >= self.every_s:
            self._last = now
            self._line(now)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._bar.close()
        if kind is None:
            self._line(time.monotonic())
        else:
            _log.info("%s: stopped after %s", self.description, self._amount(self.done))

    def _amount(self, n: int) -> str:
        return f"{n / 1e6:.1f} MB" if self.unit == "B" else f"{n:,} {self.unit}"

    def _line(self, now: float) -> None:
        elapsed = max(now - self._start, 1e-9)
        rate = self.done / elapsed
        parts = [f"{self.description}: {self._amount(self.done)}"]
        if self.total:
            parts.append(f"of {self._amount(self.total)} ({100 * self.done / self.total:.0f} %)")
        parts.append(f"in {elapsed:.0f} s")
        if self.total and 0 < self.done < self.total and rate > 0:
            parts.append(f"about {(self.total - self.done) / rate:.0f} s left")
        if self._note:
            parts.append(self._note)
        _log.info(", ".join(parts))


def track(
    items: Iterable[T], description: str, total: int | None = None, *, unit: str = "it", every_s: float = 20.0
) -> Iterator[T]:
    """Iterate over `items` with progress shown.

    Parameters
    ----------
    items : iterable
        What to go through.
    description : str
        What is being done.
    total : int, optional
        How many there are; found by ``len`` where possible.
    unit : str
        What is counted, as in `Progress`.
    every_s : float
        Seconds between lines in a log.

    Yields
    ------
    T
        The items, in their order.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(total, description, unit, every_s=every_s) as progress:
        for item in items:
            yield item
            progress.update()
