"""Lines that the page names in a spectrum: the stronger ones of gas, and features of stars."""

from __future__ import annotations

from sfhnet.core.emission_lines import NAMED_AA

__all__ = ["MARKS_AA"]

# Air wavelengths [Angstrom] of absorption by stars, rounded to what a mark needs.
_STARS_AA: tuple[tuple[str, float], ...] = (
    ("Mg b", 5175.4),
    ("Fe", 5270.0),
    ("Na D", 5892.9),
    ("TiO", 7054.0),
    ("Ca T", 8498.0),
    ("Ca T", 8542.1),
    ("Ca T", 8662.1),
)

MARKS_AA: tuple[tuple[str, float], ...] = tuple(
    sorted(
        (*((name.rstrip("0123456789"), aa) for name, aa in NAMED_AA.items()), *_STARS_AA),
        key=lambda mark: mark[1],
    )
)
