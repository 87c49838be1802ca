"""ProSpect's tables one by one, and how to get them: ``python -m pyprospect fetch``."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pyprospect.tables import user_folder

__all__ = ["ADDRESS", "TABLES", "Table", "fetch"]

ADDRESS = "https://github.com/asgr/ProSpect/raw/e08bc382/data/"
"""Folder of the tables of ProSpect 1.11.0 (LGPL-3.0, so they are not part of this package)."""


class Table(NamedTuple):
    """A file of ADDRESS: what it is for, its size and its checksum."""

    what: str
    size_bytes: int
    sha256: str


TABLES = {
    "LKL10_NormHalpha.rda": Table(
        "emission lines scaled by Halpha or SFR",
        13_110,
        "04392f49f37d3aa1122954b816ae8d3202afa41a51c08969a11396a35f07b0ce",
    ),
    "LKL10_NormHbeta.rda": Table(
        "emission lines scaled by Hbeta",
        12_802,
        "24dd2aac7345ccd2c5f59ff92656373af63017f5b8f3bd3348f9eaba414627a7",
    ),
    "LKL10_NormHlines.rda": Table(
        "emission lines scaled by all hydrogen lines",
        13_452,
        "81827eaa37bae882fbd7b12fd5112d5332aa47c9a9c1b82d15c3ef3b9d85af4c",
    ),
    "LKL10_NormAll.rda": Table(
        "emission lines scaled by their sum (emission_scale='FUV')",
        13_451,
        "2dc6b2bfc29e865d29ba04451aa43622aaabfdb91fb558fff785a95ee4f8d1da",
    ),
    "EAZY_filters.rda": Table(
        "filter curves by name",
        482_478,
        "7ab6d34a4a7499345fb2ec9035fd961d5022402abfe658459d06b583ee8cd792",
    ),
    "Dale_Orig.rda": Table(
        "dust emission (prospect_sed)",
        4_118_528,
        "2fa2b1bfb3d3c019dc220b9a8f14add17277eaf103d0e2e062a31626bf9181fb",
    ),
    "AGN_UnOb_Sparse.tab": Table(
        "old-style AGN (prospect_sed)",
        18_769,
        "27e183756ea0828bac4a575cffaf6de50d70c6f8f787edd844348fed97715810",
    ),
    "Inoue14_LAFcoef.rda": Table(
        "IGM absorption of Inoue et al. (2014)",
        1_487,
        "5adaaad4105d4fce020dc68212dda9a472935bd196fe5d783b838276542ee1a6",
    ),
    "Inoue14_DLAcoef.rda": Table(
        "IGM absorption of Inoue et al. (2014)",
        1_176,
        "1e1bfd50275aef15aa3f832efb5780d718559a26d7a8d9e5745f3c3fb4c41845",
    ),
}
"""The tables that this package reads, by name of file."""


def fetch(
    names: Iterable[str] = (), *, folder: str | os.PathLike | None = None, address: str = ADDRESS
) -> list[Path]:
    """Download tables; those that are there already, with the right checksum, are left alone.

    Parameters
    ----------
    names : iterable of str
        Names of files, keys of `TABLES`; by default all.
    folder : path, optional
        Where to put them; by default `pyprospect.tables.user_folder`, which is searched without being told.
    address : str
        URL of the folder that holds them, with a slash at its end.

    Returns
    -------
    list of Path
        The files, in the order of `names`.

    Raises
    ------
    ValueError
        If there is no such table, or what came is not the file that is known.
    OSError
        If the address cannot be reached or the folder not be written.
    """
    names = list(names) or list(TABLES)
    for name in names:
        if name not in TABLES:
            raise ValueError(f"no table {name!r} of ProSpect is known; there are {', '.join(TABLES)}")
    target = user_folder() if folder is None else Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    return [_fetch_one(target / name, address) for name in names]


def _fetch_one(path: Path, address: str) -> Path:
    table = TABLES[path.name]
    if path.is_file() and _sha256(path.read_bytes()) == table.sha256:
        return path
    url = address + path.name
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 -- the caller's address, checked below
            data = answer.read(table.size_bytes + 1)
    except urllib.error.URLError as error:
        raise OSError(
            f"{url} cannot be had ({error}); fetch it elsewhere and put it into {path.parent}"
        ) from error
    if _sha256(data) != table.sha256:
        raise ValueError(
            f"{url} is not the known {path.name}: SHA-256 {_sha256(data)} instead of {table.sha256}; nothing was kept"
        )
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
    return path


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
