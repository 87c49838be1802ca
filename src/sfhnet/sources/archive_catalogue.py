"""What the archives have: names, sizes and addresses of files, asked through astroquery and the library under it.

ESO is asked by the standard protocols of the Virtual Observatory (ObsTAP, DataLink) with pyvo, which astroquery brings:
they tell original file names and sizes, which the forms that astroquery.eso fills in do not. MAST is asked with
astroquery.mast.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from astropy import units as u
from astropy.coordinates import SkyCoord

ESO_TAP = "https://archive.eso.org/tap_obs"
MAST = "https://mast.stsci.edu"
_REACH_S = 5.0
# ASSUME: a circle of this radius about the centre holds the pointings of a PHANGS galaxy.
_RADIUS_DEG = 0.1
_INSTALL = 'asking the archives needs astroquery: pip install "astroquery>=0.4.11,<0.5"'


class ArchiveError(RuntimeError):
    """An archive cannot be reached, does not have a file, or answers what is not understood."""


@dataclass(frozen=True)
class Remote:
    """A file in an archive.

    Parameters
    ----------
    name : str
        File name.
    url : str
        Address.
    n_bytes : int or None
        Size, if the archive tells it.
    """

    name: str
    url: str
    n_bytes: int | None


def check_reachable(url: str) -> None:
    """Ask whether a host answers at all, before a library waits for it for minutes.

    Raises
    ------
    ArchiveError
        If it does not.
    """
    try:
        requests.head(url, timeout=_REACH_S, allow_redirects=False).close()
    except requests.exceptions.RequestException as error:
        reason = getattr(error.args[0], "reason", error) if error.args else error
        raise ArchiveError(f"{url} cannot be reached: {str(reason).rpartition('>: ')[2]}") from error


def find_eso(prefix: str, tap_url: str = ESO_TAP) -> list[Remote]:
    """List the PHANGS products of a galaxy in the ESO Science Archive.

    Parameters
    ----------
    prefix : str
        Beginning of the original file names, e.g. ``NGC0628_``.
    tap_url : str
        Address of the ObsTAP service.

    Returns
    -------
    list of Remote
        Science products and what belongs to them.

    Raises
    ------
    ArchiveError
        If the archive cannot be reached or has no such product.
    """
    try:
        import pyvo
    except ModuleNotFoundError as error:
        raise ArchiveError(_INSTALL) from error
    check_reachable(tap_url)
    # The sample sheet lets no quotes into names.
    query = (
        "SELECT dp_id, access_url, obs_creator_did FROM ivoa.ObsCore "  # noqa: S608
        f"WHERE obs_collection = 'PHANGS' AND obs_creator_did LIKE '%{prefix}%'"
    )
    try:
        rows = pyvo.dal.TAPService(tap_url).run_sync(query)
        files: dict[str, Remote] = {}
        for row in rows:
            links = pyvo.dal.adhoc.DatalinkResults.from_result_url(str(row["access_url"]))
            for link in links.to_table():
                remote = _eso_file(link)
                if remote is not None:
                    files[remote.name] = remote
    except (pyvo.DALServiceError, pyvo.DALQueryError, pyvo.DALFormatError, KeyError, ValueError) as error:
        raise ArchiveError(f"{tap_url} answers what is not understood: {error}") from error
    if not files:
        raise ArchiveError(f"{tap_url} lists no file {prefix}* in the collection PHANGS")
    return list(files.values())


def _eso_file(link: Any) -> Remote | None:
    name, url = (str(link[column] or "") for column in ("eso_origfile", "access_url"))
    if not url.startswith("http") or not name or name in ("None", "--"):
        return None
    size = link["content_length"]
    try:
        n_bytes = int(size) or None
    except (TypeError, ValueError):
        n_bytes = None
    return Remote(name, url, n_bytes)


def find_mast(ra_deg: float, dec_deg: float) -> list[Remote]:
    """List the images of PHANGS-HST of a galaxy in MAST.

    Parameters
    ----------
    ra_deg, dec_deg : float
        Its centre.

    Returns
    -------
    list of Remote

    Raises
    ------
    ArchiveError
        If the archive cannot be reached or has no such product.
    """
    try:
        from astroquery import mast
    except ModuleNotFoundError as error:
        raise ArchiveError(_INSTALL) from error
    server = mast.conf.server
    check_reachable(server)
    observations = mast.Observations
    try:
        rows = observations.query_criteria(
            coordinates=SkyCoord(ra_deg, dec_deg, unit="deg"),
            radius=_RADIUS_DEG * u.deg,
            obs_collection="HLSP",
            provenance_name=["PHANGS-HST", "phangs-hst"],
        )
        products = observations.get_product_list(rows) if len(rows) else []
        files = {
            str(row["productFilename"]): Remote(
                str(row["productFilename"]),
                f"{server}/api/v0.1/Download/file?uri={quote(str(row['dataURI']), safe=':/')}",
                int(row["size"]) or None,
            )
            for row in products
        }
    except (requests.exceptions.RequestException, KeyError, ValueError, TimeoutError) as error:
        raise ArchiveError(f"{server} answers what is not understood: {error}") from error
    if not files:
        raise ArchiveError(
            f"{server} lists no image of PHANGS-HST within {_RADIUS_DEG} degrees of {ra_deg} {dec_deg}"
        )
    return list(files.values())


def nearest(names: Sequence[str], wanted: str) -> str:
    """Return the name in a catalogue that is nearest to one that is not there.

    Parameters
    ----------
    names : sequence of str
        Names in the catalogue.
    wanted : str
        Name that is not.

    Returns
    -------
    str
        Empty where none is near.
    """
    close = difflib.get_close_matches(wanted, names, 1, 0.6)
    return close[0] if close else ""
