"""Comparison with the stored outputs of R ProSpect: one table at the end of the test run.

Tests take the fixture `parity` (see conftest.py) and call ``parity.check(group, ours, theirs, target)``:
it records the error under `group`, and fails the test when the error is above the target.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest


@dataclass
class Row:
    cases: int = 0
    values: int = 0
    error: float = 0.0
    target: float = 0.0
    failed: int = 0


def max_relative_error(ours, theirs, scale=None) -> float:
    """Largest |ours - theirs| / |theirs|, or / `scale` where that is given.

    Equal values (zeros, infinities, NaN at the same places) count as no error; a difference from an exact
    zero without a scale, or a NaN on one side only, is infinite.
    """
    ours = np.asarray(ours, dtype=float)
    theirs = np.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape:
        raise AssertionError(f"shape {ours.shape} is compared with the reference's {theirs.shape}")
    if ours.size == 0:
        return 0.0
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if np.all(same):
        return 0.0
    unit = np.abs(theirs) if scale is None else np.broadcast_to(np.abs(scale), theirs.shape)
    with np.errstate(all="ignore"):
        error = np.abs(ours - theirs) / unit
    error = np.where(same, 0.0, np.where(np.isnan(error), math.inf, error))
    return float(error.max())


class ParityTable:
    """Rows (group, cases, values, largest relative error, target) of one test run."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def check(self, group: str, ours, theirs, target: float, *, scale=None, label: str = "") -> float:
        """Record the error of one case under `group` and assert that it is within `target`.

        `scale` (number or array) replaces |theirs| as the unit of the error: differences of large numbers,
        as absorbed energies are, are compared in units of what they are differences of.
        """
        error = max_relative_error(ours, theirs, scale)
        row = self.rows.setdefault(group, Row(target=target))
        row.cases += 1
        row.values += int(np.size(theirs))
        row.error = max(row.error, error)
        row.target = max(row.target, target)
        row.failed += error > target
        assert error <= target, f"{group} {label}: relative error {error:.3g} > {target:.3g}"
        return error

    def to_plain(self) -> dict[str, dict[str, Any]]:
        """The rows as plain values, which a worker of pytest-xdist may send."""
        return {name: asdict(row) for name, row in self.rows.items()}

    def add(self, plain: dict[str, dict[str, Any]]) -> None:
        """Add the rows of another worker."""
        for name, values in plain.items():
            row, other = self.rows.setdefault(name, Row()), Row(**values)
            row.cases += other.cases
            row.values += other.values
            row.failed += other.failed
            row.error, row.target = max(row.error, other.error), max(row.target, other.target)

    def lines(self) -> list[str]:
        """The table as text, one group a line."""
        if not self.rows:
            return []
        width = max(len("group"), *(len(name) for name in self.rows))
        out = [f"{'group':<{width}}  cases    values  max rel. error   target"]
        for name in sorted(self.rows):
            row = self.rows[name]
            mark = f"  {row.failed} FAILED" if row.failed else ""
            out.append(
                f"{name:<{width}}  {row.cases:>5}  {row.values:>8}  {row.error:>14.2e}  {row.target:>7.0e}{mark}"
            )
        return out


TABLE = pytest.StashKey[ParityTable]()
