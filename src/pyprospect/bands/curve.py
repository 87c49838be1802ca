"""One filter curve: what it is and how it is read from a file.

Curves are photon-counting system throughputs (probability that a photon is recorded); their scale
does not matter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SHORTEST_AA = 912.0
_WAVE_NAMES = ("wave", "lambda", "lam", "wl")


@dataclass(frozen=True, eq=False)
class Filter:
    """One band.

    Attributes
    ----------
    name : str
        Label.
    wave_aa : ndarray, shape (n,)
        Wavelengths [Angstrom], ascending; empty if the response is a function.
    response : ndarray, shape (n,)
        Photon-counting throughput, any scale; linear between the points, zero outside.
    func : callable, optional
        Response as a function of wavelength [Angstrom] instead of a table.
    pivot_aa : float
        Pivot wavelength, sqrt(int R l dl / int R/l dl) [Angstrom], integrals exact for the linear
        curve (Tokunaga & Vacca 2005, eq. A11); NaN for a function.
    """

    name: str
    wave_aa: NDArray[np.float64]
    response: NDArray[np.float64]
    func: Callable[[NDArray[np.float64]], ArrayLike] | None = None
    pivot_aa: float = field(init=False, default=np.nan)

    def __post_init__(self) -> None:
        if self.func is not None:
            return
        w, r = _table(self.name, self.wave_aa, self.response)
        object.__setattr__(self, "wave_aa", w)
        object.__setattr__(self, "response", r)
        object.__setattr__(
            self, "pivot_aa", float(np.sqrt(moment(w, np.abs(r), 1) / moment(w, np.abs(r), -1)))
        )

    def __call__(self, wave_aa: ArrayLike) -> NDArray[np.float64]:
        """Return the response at `wave_aa` [Angstrom]: linear between the points, 0 outside, sign dropped."""
        w = np.asarray(wave_aa, dtype=float)
        if self.func is None:
            return np.abs(np.interp(w, self.wave_aa, self.response, left=0.0, right=0.0))
        r = np.asarray(self.func(w), dtype=float)
        if r.shape != w.shape:
            raise ValueError(f"filter function {self.name} gave shape {r.shape} for {w.shape} wavelengths")
        # R's approxfun returns NA outside its table; both mean "no response"
        return np.abs(np.nan_to_num(r, nan=0.0))

    @property
    def support_aa(self) -> tuple[float, float]:
        """First and last wavelength [Angstrom] at which the tabulated curve responds."""
        on = np.flatnonzero(self.response)
        return float(self.wave_aa[max(on[0] - 1, 0)]), float(
            self.wave_aa[min(on[-1] + 1, self.wave_aa.size - 1)]
        )


def _table(name: str, wave: ArrayLike, response: ArrayLike) -> tuple[NDArray, NDArray]:
    w = np.array(wave, dtype=float)
    r = np.array(response, dtype=float)
    if w.ndim != 1 or w.shape != r.shape or w.size < 2:
        raise ValueError(
            f"filter {name}: {w.shape} wavelengths and {r.shape} responses; give two equal 1-D columns of "
            "at least 2 rows"
        )
    if not (np.all(np.isfinite(w)) and np.all(np.isfinite(r))):
        raise ValueError(f"filter {name} contains NaN or infinite values; remove those rows")
    if w.min() <= 0:
        raise ValueError(f"filter {name} has wavelength {w.min()} Angstrom; wavelengths must be positive")
    if not np.any(r):
        raise ValueError(f"filter {name} responds nowhere: all {r.size} values are zero")
    order = np.argsort(w, kind="stable")
    return w[order], r[order]


def moment(w: NDArray[np.float64], r: NDArray[np.float64], power: int) -> float:
    """Return the integral of R(l) l^power dl for a piecewise linear R(l); power 1, 0, -1 or -2, all exact.

    Parameters
    ----------
    w, r : ndarray, shape (n,)
        Wavelengths [Angstrom], ascending, and responses.
    power : int
        Power of the wavelength in the integrand.

    Returns
    -------
    float
        In the unit of R times Angstrom^(power + 1).
    """
    w0, w1, r0, r1 = w[:-1], w[1:], r[:-1], r[1:]
    use = w1 > w0
    w0, w1, r0, r1 = w0[use], w1[use], r0[use], r1[use]
    d = w1 - w0
    if power >= 0:
        # Simpson's rule, exact for this quadratic
        middle = 4.0 * 0.5 * (r0 + r1) * (0.5 * (w0 + w1)) ** power
        return float(np.sum(d * (r0 * w0**power + middle + r1 * w1**power)) / 6.0)
    slope = (r1 - r0) / d
    const = r0 - slope * w0
    log = np.log1p(d / w0)
    if power == -1:
        return float(np.sum(const * log + slope * d))
    return float(np.sum(const * d / (w0 * w1) + slope * log))


def read_curve(path: str | os.PathLike, record: int | str | None = None, name: str | None = None) -> Filter:
    """Read a filter curve from a file.

    Parameters
    ----------
    path : path-like
        Plain two-column text (Angstrom, throughput; comments with '#', commas or one header line are
        fine), a sedpy ``.par`` file, or an EAZY ``FILTER.RES`` collection. A comment or header that names nm or
        microns is believed, and so are names of columns.
    record : int or str, optional
        Which record of a collection: its 1-based number or a part of its description that fits one.
    name : str, optional
        Name of the band; default is the file's stem or the record's description.

    Returns
    -------
    Filter

    Raises
    ------
    ValueError
        If the file holds no curve, one in no optical unit, or a collection is read without a `record` that fits
        exactly one.
    """
    path = Path(path)
    lines = [ln.strip() for ln in path.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    rows = [ln for ln in lines if ln and not ln.startswith("#")]
    if rows and re.match(r"\d+\s+\S*[A-Za-z/]\S*", rows[0]) and not _are_numbers(rows[0].split()):
        try:
            return _read_collection(path, rows, record, name)
        except IndexError as error:
            raise ValueError(f"{path.name} is a collection of filters that is cut short") from error
    if record is not None:
        raise ValueError(f"{path.name} holds one curve, so record={record!r} has no meaning; leave it out")
    values: list[tuple[float, float]] = []
    words = [ln for ln in lines if ln.startswith("#")]
    wave_at, response_at = 0, 1
    for number, row in enumerate(rows):
        cells = re.split(r"\s*[,;]\s*|\s+", row.replace('"', ""))
        # sedpy's older .par files are Yanny tables: "KFILTER wave throughput"
        if cells[0] == "KFILTER":
            cells = cells[1:]
        try:
            values.append((float(cells[wave_at]), float(cells[response_at])))
        except (ValueError, IndexError):
            if values:
                raise ValueError(f"{path.name}: cannot read {row!r} as wavelength and throughput") from None
            words.append(row)
            wave_at = next((k for k, cell in enumerate(cells) if cell.lower().startswith(_WAVE_NAMES)), 0)
            response_at = wave_at + 1 if wave_at + 1 < len(cells) else 0 if wave_at else 1
            if number > 20:
                break
    if len(values) < 2:
        raise ValueError(f"{path.name} holds no two-column filter curve (Angstrom, throughput)")
    table = np.array(values)
    steps = np.diff(table[:, 0]) * np.sign(table[-1, 0] - table[0, 0])
    if np.any(steps < 0):
        back = int(np.argmax(steps < 0))
        raise ValueError(
            f"{path.name} goes back from {table[back, 0]:g} to {table[back + 1, 0]:g} in wavelength: two curves in one file, or "
            "wavelengths in air and in vacuum? Give one curve"
        )
    wave_aa = table[:, 0] * _declared_unit_aa(" ".join(words))
    # No star shines below the Lyman limit through neutral gas: such numbers are in another unit, or the other column.
    if not np.nanmax(wave_aa) >= _SHORTEST_AA:
        raise ValueError(
            f"{path.name} has wavelengths {np.nanmin(wave_aa):g} .. {np.nanmax(wave_aa):g} Angstrom: in nm or micron, or the "
            "second column? Convert, or name the unit in the header"
        )
    return Filter(name or path.stem, wave_aa, table[:, 1])


def _are_numbers(cells: list[str]) -> bool:
    try:
        return all(np.isfinite([float(cell) for cell in cells]))
    except ValueError:
        return False


def _declared_unit_aa(words: str) -> float:
    """Return how many Angstrom the unit is that comments or names of columns declare; 1 where they name none."""
    if re.search(r"(?<![A-Za-z])(angstroms?|AA)(?![A-Za-z])", words, re.IGNORECASE):
        return 1.0
    for pattern, unit_aa in (
        (r"nm|nanomet(?:er|re)s?", 10.0),
        (r"um|µm|μm|microns?|micromet(?:er|re)s?", 1e4),
    ):
        if re.search(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", words, re.IGNORECASE):
            return unit_aa
    return 1.0


def _read_collection(path: Path, rows: list[str], record: int | str | None, name: str | None) -> Filter:
    starts, at = [], 0
    while at < len(rows):
        head = rows[at].split(None, 1)
        starts.append((head[1] if len(head) > 1 else "", at + 1, int(head[0])))
        at += 1 + int(head[0])
    if record is None:
        if len(starts) > 1:
            raise ValueError(
                f"{path.name} holds {len(starts)} filters; choose one with record=NUMBER or a name"
            )
        hits = [1]
    elif isinstance(record, str):
        hits = [i for i, (info, _, _) in enumerate(starts, 1) if record.lower() in info.lower()]
    else:
        hits = [int(record)] if 1 <= int(record) <= len(starts) else []
    if len(hits) != 1:
        raise ValueError(
            f"record={record!r} fits {len(hits)} of the {len(starts)} filters in {path.name}; need one"
        )
    info, first, count = starts[hits[0] - 1]
    if first + count > len(rows):
        raise ValueError(f"{path.name} is a collection of filters that is cut short: {info} has {count} rows")
    table = np.array([[float(c) for c in row.split()[1:3]] for row in rows[first : first + count]])
    return Filter(name or info.split()[0], table[:, 0], table[:, 1])
