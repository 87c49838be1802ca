"""The sample sheet, galaxies.tsv: one row a galaxy to infer, checked before any job runs."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from sfhnet.core.bands import all_bands
from sfhnet.sources.hst_file_names import weights_of
from sfhnet.sources.registry import Registry, load_registry
from sfhnet.sources.sheet_row import ARCHIVED, BINNINGS, Galaxy

__all__ = ["ARCHIVED", "BINNINGS", "Galaxy", "SheetError", "load_sheet", "row_of", "weights_of"]

_EMPTY = ("", "-")


class SheetError(ValueError):
    """A sample sheet is not valid; the message lists every fault with its row and column."""


def load_sheet(
    path: str | os.PathLike,
    bands: Sequence[str],
    registry: Registry | None = None,
    *,
    check_files: bool = True,
    data_dir: str | os.PathLike | None = None,
) -> dict[str, Galaxy]:
    """Read and check a sample sheet.

    Parameters
    ----------
    path : path
        Tab-separated table with a header line; lines that start with # are comments.
    bands : sequence of str
        Names of the bands of the configuration. Columns of other known bands are passed over.
    registry : Registry, optional
        Upstream sources, by default data/sources.yaml.
    check_files : bool
        Whether files that are not fetched must exist now.
    data_dir : path, optional
        Folder that relative paths in the sheet are taken from; by default the working directory.

    Returns
    -------
    dict
        Rows by the name of the galaxy, in the order of the sheet.

    Raises
    ------
    SheetError
        If anything is wrong; lists all faults.
    FileNotFoundError
        If there is no such sheet.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no sample sheet {path}; galaxies.sheet in the configuration names it"
        )
    registry = registry or load_registry()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SheetError(f"{path} is not UTF-8 text ({error}); save it as UTF-8, tab-separated") from error
    rows = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not rows:
        raise SheetError(f"{path} is empty; its first line names the columns, as in galaxies.tsv")
    header = [_unquoted(name) for name in rows[0][1].split("\t")]
    faults = [f"{path}, header: {fault}" for fault in _header_faults(header, bands)]
    if faults:
        raise SheetError("\n".join(faults))
    galaxies: dict[str, Galaxy] = {}
    first_row: dict[str, int] = {}
    for number, text in rows[1:]:
        where = f"{path}, line {number}"
        cells = text.split("\t")
        odd = [name for name, cell in zip(header, cells) if cell.strip().count('"') % 2]
        if odd:
            faults.append(
                f"{where}, column {odd[0]}: a quote that is not closed; remove it, write repeated values out"
            )
            continue
        cells = [_unquoted(cell) for cell in cells]
        if len(cells) > len(header):
            faults.append(
                f"{where}: {len(cells)} cells but {len(header)} columns; cells are separated by tabs"
            )
            continue
        values = {name: cell.strip() for name, cell in zip(header, cells) if cell.strip() not in _EMPTY}
        label = f"{where} ({values.get('galaxy', 'no name')})"
        try:
            galaxy = _row(values, bands)
        except ValidationError as error:
            faults.extend(f"{label}, {text}" for text in _row_faults(error, values, header))
            continue
        galaxy = galaxy if data_dir is None else galaxy.under(data_dir)
        key = galaxy.galaxy.lower()
        if key in first_row:
            faults.append(f"{label}, column galaxy: listed twice, first in line {first_row[key]}; remove one")
            continue
        first_row[key] = number
        faults.extend(f"{label}, {text}" for text in _file_faults(galaxy, registry, check_files))
        galaxies[galaxy.galaxy] = galaxy
    if faults:
        raise SheetError("\n".join(faults))
    return galaxies


def row_of(sheet: Mapping[str, Galaxy], galaxy: str, path: str | os.PathLike = "the sample sheet") -> Galaxy:
    """Look a galaxy up by name.

    Parameters
    ----------
    sheet : mapping of str to Galaxy
        From `load_sheet`.
    galaxy : str
        Name.
    path : path
        Where the sheet was read, for the message.

    Returns
    -------
    Galaxy

    Raises
    ------
    SheetError
        If it is not in the sheet; suggests the nearest name.
    """
    if galaxy in sheet:
        return sheet[galaxy]
    close = difflib.get_close_matches(galaxy, list(sheet), 1, 0.5)
    hint = f"did you mean {close[0]}?" if close else f"it lists {', '.join(sheet)}"
    raise SheetError(f"{galaxy} is not in {path}; {hint}")


def _unquoted(cell: str) -> str:
    """Return a cell without the pair of quotes that a spreadsheet puts around it."""
    cell = cell.strip()
    return cell[1:-1].replace('""', '"').strip() if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _header_faults(header: Sequence[str], bands: Sequence[str]) -> list[str]:
    own = [name for name in Galaxy.model_fields if name != "images"]
    known = own + list(bands)
    faults = [
        f"the band {name} has the name of a column; call it otherwise in band_files"
        for name in bands
        if name in own
    ]
    for name in header:
        if name not in known and name not in all_bands():
            close = difflib.get_close_matches(name, known, 1, 0.6)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            faults.append(f"unknown column {name!r}; {hint}")
    faults.extend(
        f"column {name!r} is there twice" for name in sorted({n for n in header if header.count(n) > 1})
    )
    faults.extend(f"no column {name!r}" for name in ("galaxy", "kind") if name not in header)
    return faults


def _row(values: dict[str, str], bands: Sequence[str]) -> Galaxy:
    images = {name: values[name] for name in bands if name in values}
    # A sheet may list what there is; the configuration says which bands of it are used.
    own = {name: text for name, text in values.items() if name not in images and name not in all_bands()}
    return Galaxy.model_validate({**own, "images": images})


def _row_faults(error: ValidationError, values: dict[str, str], header: Sequence[str]) -> list[str]:
    result = []
    for fault in error.errors(include_url=False):
        column = str(fault["loc"][-1]) if fault["loc"] else ""
        reason = fault["msg"].removeprefix("Value error, ")
        if not column:
            result.append(reason)
            continue
        value = values.get(column)
        if fault["type"] == "missing":
            result.append(f"column {column}: empty; give it")
            continue
        text = f"column {column} = {value!r}: {reason[0].lower()}{reason[1:]}"
        if fault["type"] == "literal_error":
            options = [
                option.strip(" '") for option in fault["ctx"]["expected"].replace(" or ", ", ").split(",")
            ]
            close = difflib.get_close_matches(value or "", options, 1, 0.5)
            text += f"; did you mean {close[0]}?" if close else ""
        result.append(text)
    return result


def _file_faults(galaxy: Galaxy, registry: Registry, check_files: bool) -> list[str]:
    faults = []
    if galaxy.source not in (None, ARCHIVED):
        try:
            galaxy.data_path(".", registry)
        except ValueError as error:
            faults.append(f"column source = {galaxy.source!r}: {error}")
    if check_files and galaxy.source != ARCHIVED:
        faults.extend(
            f"column {column}: there is no file {path}; correct the path or empty the cell"
            for column, path in galaxy.local_files().items()
            if not path.is_file()
        )
    return faults
