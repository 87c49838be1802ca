"""The public products of PHANGS that a sample sheet names: cubes and MAPS from ESO, HST images from MAST."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from sfhnet.sources.archive_catalogue import (
    ESO_TAP,
    ArchiveError,
    Remote,
    find_eso,
    find_mast,
    nearest,
)
from sfhnet.sources.download import DownloadError, download
from sfhnet.sources.sheet_row import Galaxy
from sfhnet.sources.wanted_files import Wanted, wanted_files

_log = logging.getLogger("sfhnet.archives")

ESO_PAGE = "https://archive.eso.org/scienceportal/home"
MAST_PAGE = "https://archive.stsci.edu/hlsp/phangs-hst"


class PhangsFetcher:
    """Fetch the files of galaxies.

    Parameters
    ----------
    sheet : mapping of str to Galaxy
        Rows of the sample sheet.
    eso_tap : str
        Address of ESO's ObsTAP service.
    """

    def __init__(self, sheet: Mapping[str, Galaxy], eso_tap: str = ESO_TAP) -> None:
        self.sheet = sheet
        self.eso_tap = eso_tap
        self._known: dict[tuple[str, str], dict[str, Remote]] = {}

    def find(self, file: Wanted) -> Remote:
        """Look a file up in its archive.

        Raises
        ------
        ArchiveError
            If the archive cannot be reached or does not have it; says what to get by hand, and where to put it.
        """
        key = file.galaxy, file.archive
        if key not in self._known:
            try:
                self._known[key] = {remote.name: remote for remote in self._ask(file)}
            except ArchiveError as error:
                raise ArchiveError(f"{error}.\n{by_hand(self._missing(file))}") from error
        known = self._known[key]
        if file.path.name not in known:
            close = nearest(list(known), file.path.name)
            hint = f"its nearest is {close}" if close else f"it has {len(known)} others"
            raise ArchiveError(
                f"{file.galaxy}: {file.archive} has no {file.path.name}; {hint}. Correct column "
                f"{file.what.split()[0]} of the sample sheet"
            )
        return known[file.path.name]

    def fetch(self, file: Wanted) -> Path:
        """Bring a file to its place, going on from what an earlier attempt left.

        Raises
        ------
        ArchiveError
            If it cannot be had.
        """
        if file.path.is_file():
            return file.path
        remote = self.find(file)
        _log.info("%s: %s from %s, %s", file.galaxy, remote.name, file.archive, size_text(remote.n_bytes))
        try:
            return download(remote.url, file.path, remote.n_bytes)
        except DownloadError as error:
            raise ArchiveError(
                f"{file.galaxy}: {file.path.name} was not fetched: {error}. What has arrived is kept: run it again to go "
                f"on.\n{by_hand(self._missing(file))}"
            ) from error

    def _ask(self, file: Wanted) -> list[Remote]:
        if file.archive == "ESO":
            return find_eso(f"{file.galaxy}_", self.eso_tap)
        row = self.sheet[file.galaxy]
        if row.ra_deg is None or row.dec_deg is None:
            raise ArchiveError(f"{file.galaxy}: ra_deg and dec_deg are empty; MAST is asked by place")
        return find_mast(row.ra_deg, row.dec_deg)

    def _missing(self, like: Wanted) -> list[Wanted]:
        files = wanted_files(self.sheet[like.galaxy])
        return [file for file in files if file.archive == like.archive and not file.path.is_file()]


def by_hand(files: list[Wanted]) -> str:
    """Return what to download from where without this program, and where to put it, in lines for people."""
    lines = ["Without a network here, get these on another machine:"]
    for archive, how in (
        ("ESO", f"{ESO_PAGE} (collection PHANGS, target {{galaxy}}; a cube has up to 70 GB)"),
        ("MAST", f"{MAST_PAGE} (target {{galaxy}}; an image has up to 1 GB)"),
    ):
        some = [file for file in files if file.archive == archive]
        if some:
            lines.append(f"  from {archive}, {how.format(galaxy=some[0].galaxy)}:")
            lines.extend(f"    {file.path.name}" for file in some)
    folders = sorted({str(file.path.parent) for file in files})
    lines.append(
        f"and put them, under these names, into {', '.join(folders)}; or name the folder that holds them in "
        "galaxies.data_dir of the configuration."
    )
    return "\n".join(lines)


def size_text(n_bytes: int | None) -> str:
    """Return a size for people, in GB."""
    return "size unknown" if n_bytes is None else f"{n_bytes / 1e9:.2f} GB"
