"""Numbers in a page: small integers, compressed, as text that JavaScript reads back."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Block", "delta", "quantised", "text"]

# Kind of number in the page -> numpy type; little-endian as JavaScript's typed arrays are on every machine in use.
KINDS = {"f4": "<f4", "i4": "<i4", "u4": "<u4", "i2": "<i2", "u2": "<u2", "u1": "<u1"}


@dataclass
class Block:
    """Arrays with one row a bin, side by side in one buffer.

    Attributes
    ----------
    layout : list of (str, str, int, bool)
        Name, kind, numbers a row, whether the numbers are differences along the row.
    """

    layout: list[tuple[str, str, int, bool]] = field(default_factory=list)
    _parts: list[np.ndarray] = field(default_factory=list)

    def add(self, name: str, kind: str, values: np.ndarray, differences: bool = False) -> None:
        """Add an array of shape (n,) or (n, m); wide numbers first, so that all stay aligned."""
        rows = np.asarray(values).reshape(len(values), -1).astype(KINDS[kind])
        self.layout.append((name, kind, rows.shape[1], differences))
        self._parts.append(delta(rows) if differences else rows)

    def text(self) -> str:
        """Return the block as text."""
        width = [int(kind[1]) for _, kind, _, _ in self.layout]
        if width != sorted(width, reverse=True):
            raise ValueError(f"a block takes its widest numbers first, not {self.layout}")
        return text(b"".join(part.tobytes() for part in self._parts))


def text(data: bytes | np.ndarray) -> str:
    """Return bytes compressed and in base 64."""
    raw = data.tobytes() if isinstance(data, np.ndarray) else data
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")


def delta(rows: np.ndarray) -> np.ndarray:
    """Return differences along each row, modulo the width of the numbers; the first one stays."""
    result = rows.copy()
    result[:, 1:] = rows[:, 1:] - rows[:, :-1]
    return result


def quantised(values: np.ndarray, low: ArrayLike, high: ArrayLike, *, steps: int = 255) -> np.ndarray:
    """Return the place of values between two ends in whole steps; values beyond, and NaN, go to the ends.

    Parameters
    ----------
    values : ndarray
    low, high : array_like
        Broadcast against `values`.
    steps : int
        Steps from end to end.

    Returns
    -------
    ndarray of float64
        Whole numbers, 0 to `steps`.
    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = (values - low) / np.where(high > low, high - low, 1.0)
    return np.rint(np.clip(np.nan_to_num(place, nan=0.0, posinf=1.0, neginf=0.0), 0, 1) * steps)
