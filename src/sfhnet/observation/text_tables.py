"""Tables of numbers in text: what spreadsheets, numpy and astronomers' programs write, read cell by cell."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["TextTable", "decode", "read_text_table"]

_COMMENT = ("#", "%", "!")


@dataclass(frozen=True)
class TextTable:
    """Columns of numbers.

    Parameters
    ----------
    names : list of str or None
        Their names as written; None where no line names them.
    values : ndarray, shape (n_rows, n_columns)
        NaN in empty cells.
    comments : list of str
        Lines before the numbers that are comments, without their mark: the last may name the columns.
    """

    names: list[str] | None
    values: np.ndarray
    comments: list[str]


def decode(path: Path, where: str) -> str:
    """Read a text file in UTF-8 or UTF-16 (with their byte-order marks) or Latin-1, gzipped or not.

    Parameters
    ----------
    path : Path
        File.
    where : str
        Galaxy and file for the error message.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it is no text, or a gzip file that is damaged.
    """
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{where} is a damaged gzip file ({error}); get it again") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise ValueError(f"{where} is damaged UTF-16 ({error}); save it as UTF-8") from error
    if b"\x00" in data:
        raise ValueError(f"{where} is no text (it holds zero bytes); is its suffix right?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Numbers are the same in both; an umlaut or an Angstrom sign in a comment is none of ours.
        return data.decode("latin-1")


def read_text_table(path: Path, where: str) -> TextTable:
    """Read a table that is separated by commas, semicolons, tabs or blanks.

    Semicolons and tabs allow decimal commas. Empty lines are left out, and columns without name and numbers.

    Parameters
    ----------
    path : Path
        File.
    where : str
        Galaxy and file for the error message.

    Returns
    -------
    TextTable

    Raises
    ------
    ValueError
        If it is no text, has no numbers, rows of other lengths, or a cell that is no number; names line and column.
    """
    lines = [(n, line.strip(" \r")) for n, line in enumerate(decode(path, where).splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line.strip()]
    comments = []
    while lines and lines[0][1].lstrip().startswith(_COMMENT):
        comments.append(lines.pop(0)[1].lstrip().lstrip("".join(_COMMENT)).strip())
    rows = [(n, line) for n, line in lines if not line.lstrip().startswith(_COMMENT)]
    if not rows:
        raise ValueError(f"{where} holds no numbers")
    separator = _separator(rows[-1][1])
    cells = [(n, _cells(line, separator)) for n, line in rows]
    header = None if _number(cells[0][1][0], separator) is not None else cells.pop(0)[1]
    if not cells:
        raise ValueError(f"{where} holds no numbers below its header")
    width = len(cells[0][1]) if header is None else len(header)
    values = np.full((len(cells), width), np.nan)
    for row, (number, texts) in enumerate(cells):
        if len(texts) != width:
            raise ValueError(
                f"{where} line {number} has {len(texts)} cells, {width} "
                f"{'names are in its header' if header else 'are in the first'}; decimal commas, or a line cut short?"
            )
        for column, text in enumerate(texts):
            value = _number(text, separator)
            if value is None and text:
                name = f"{header[column]!r}" if header else str(column + 1)
                raise ValueError(
                    f"{where} line {number} column {name}: {text!r} is no number; leave the cell empty if there is none"
                )
            values[row, column] = np.nan if value is None else value
    if header is not None:
        keep = [k for k, name in enumerate(header) if name or not np.isnan(values[:, k]).all()]
        header, values = [header[k] for k in keep], values[:, keep]
    return TextTable(header, values, comments)


def _separator(line: str) -> str | None:
    return next((mark for mark in (";", "\t", ",") if mark in line), None)


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        # "wavelength (nm) flux (1e-17 cgs)" names two columns.
        return re.findall(r"(?:[^\s(\[]+|[(\[][^)\]]*[)\]])+", re.sub(r"\s+([(\[])", r"\1", line))
    return [
        cell.strip()
        for cell in next(csv.reader(io.StringIO(line), delimiter=separator, skipinitialspace=True))
    ]


def names_in(comments: list[str], n_columns: int) -> list[str] | None:
    """Return the names in the last comment that has as many words as there are columns, as ``numpy.savetxt`` writes it."""
    for text in reversed(comments):
        names = _cells(text, _separator(text))
        if len(names) == n_columns:
            return names
    return None


def _number(text: str, separator: str | None) -> float | None:
    if separator in (";", "\t") and "," in text and "." not in text:
        text = text.replace(",", ".", 1)
    try:
        return float(text)
    except ValueError:
        return None
