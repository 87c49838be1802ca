"""Files of more spectra than the memory should hold: columns that stay in the file and are read some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sfhnet.observation.spectrum_columns import Column, SpectrumFile, spectrum_of

__all__ = ["MANY", "StoredRows", "spectra_of", "whole"]

MANY = 1024
"""Files of more spectra than this are read some at a time."""
# So many of them, spread over the file, are looked at to see what the columns are.
_LOOKED_AT = 256


class StoredRows:
    """Rows of a table that are read when they are asked for.

    Parameters
    ----------
    shape : tuple of int
        Of the whole.
    read : callable
        Gives the rows of a slice as an array.
    """

    def __init__(self, shape: tuple[int, ...], read: Callable[[slice], np.ndarray]) -> None:
        self.shape, self.ndim, self._read = shape, len(shape), read

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._read(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._read(slice(None)), dtype=dtype)


def spectra_of(columns: Mapping[str, Column], where: str, **options: Any) -> SpectrumFile:
    """Build spectra from named columns as `spectrum_of` does; those of stored columns stay in the file.

    Parameters
    ----------
    columns : mapping of str to Column
        Their values may be `StoredRows`.
    where : str
        Galaxy and file for the error message.
    **options
        As of `spectrum_of`.

    Returns
    -------
    SpectrumFile
        With `StoredRows` as flux, sigma and good if a column is stored.
    """
    stored = {name: column for name, column in columns.items() if isinstance(column.values, StoredRows)}
    if not stored:
        return spectrum_of(columns, where, **options)
    n = max(len(column.values) for column in stored.values())
    step = max(1, n // _LOOKED_AT)

    def of(rows: slice, checked: bool = False) -> SpectrumFile:
        some = {name: Column(column.values[rows], column.unit) for name, column in stored.items()}
        return spectrum_of({**columns, **some}, where, checked=checked, **options)

    last: list[tuple[slice, SpectrumFile]] = []

    def part(name: str) -> Any:
        def read(rows: slice) -> np.ndarray:
            # flux, sigma and mask of the same rows are asked for one after the other
            if not last or last[0][0] != rows:
                last[:] = [(rows, of(rows))]
            return getattr(last[0][1], name)

        return StoredRows((n, head.wave_aa.size), read)

    head = of(slice(0, n, step), checked=True)
    said = f" (of {len(head.flux)} spectra, one in {step}, that were looked at)"
    notes = tuple(f"{note}{said}" if " pixels" in note else note for note in head.notes)
    return replace(head, flux=part("flux"), sigma=part("sigma"), good=part("good"), notes=notes)


def whole(spectra: SpectrumFile) -> SpectrumFile:
    """Return the spectra as arrays."""
    if not isinstance(spectra.flux, StoredRows):
        return spectra
    return replace(spectra, **{name: np.array(getattr(spectra, name)) for name in ("flux", "sigma", "good")})
