"""Which public files a sample sheet names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sfhnet.sources.hst_file_names import weights_of
from sfhnet.sources.sheet_row import ARCHIVED, Galaxy


@dataclass(frozen=True)
class Wanted:
    """A file that a row of the sheet names.

    Parameters
    ----------
    galaxy : str
        Name in the sheet.
    what : str
        Column: ``path``, ``maps`` or a band; the weights of a band end in `` weights``.
    path : Path
        Where it is kept.
    archive : {"ESO", "MAST"}
        Where it comes from.
    """

    galaxy: str
    what: str
    path: Path
    archive: str


def wanted_files(row: Galaxy) -> list[Wanted]:
    """List the files of a galaxy of source phangs; images of PHANGS-HST bring their weights."""
    if row.source != ARCHIVED:
        return []
    result = []
    for column, path in row.local_files().items():
        if column not in ("path", "maps", *row.images):
            continue
        archive = "MAST" if path.name.startswith("hlsp_") else "ESO"
        result.append(Wanted(row.galaxy, column, path, archive))
        weights = weights_of(path)
        if weights is not None:
            result.append(Wanted(row.galaxy, f"{column} weights", weights, archive))
    return result
