"""Compare a FITS file with the sums in its headers, block by block: a cube may be larger than the memory."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from astropy.io import fits

from sfhnet.tools.verification import first_time, forget

__all__ = ["check_sums"]

_log = logging.getLogger("sfhnet.observation.fits_sums")

_BLOCK = 1 << 23
_ONES = 0xFFFFFFFF


def check_sums(hdus: fits.HDUList, path: Path, galaxy: str) -> None:
    """Compare the extensions that have a CHECKSUM or DATASUM with it, unless this process has, or the configuration says not to.

    Where several have and none is right, a program copied the headers and left the old sums, as many do that cut cubes:
    that is a warning. Where some are right, the others are damaged.

    Parameters
    ----------
    hdus : HDUList
        The file, open.
    path : Path
        Where it is; may be gzipped.
    galaxy : str
        Name for messages.

    Raises
    ------
    ValueError
        If one differs; names the extension and the remedy.
    """
    places = [info for hdu in hdus if (info := hdu.fileinfo()) is not None]
    if not places or not first_time(path):
        return
    opener = gzip.open if path.suffix == ".gz" else open
    with cast(BinaryIO, opener(path, "rb")) as file:
        checked = [(number, _wrong(file, place)) for number, place in enumerate(places)]
    wrong = {number: words for number, words in checked if words}
    n_right = sum(words == "" for _, words in checked)
    if not wrong:
        return
    what = ", ".join(
        f"{number} [{hdus[number].name or 'PRIMARY'}] ({words})" for number, words in wrong.items()
    )
    if not n_right and len(wrong) > 1:
        _log.warning(
            "%s: %s: no extension has the sums that its header gives, %s: they were not written anew when the file was "
            "changed, so that nothing tells whether it is whole (fitscheck --write FILE writes them)",
            *(galaxy, path, what),
        )
        return
    forget(path)
    raise ValueError(
        f"{galaxy}: {path} is damaged, or was changed by a program that left old sums: wrong in extension {what}. Get it "
        "again; if it is right, write new sums (fitscheck --write FILE) or set verify_checksums: false"
    )


def _wrong(file: BinaryIO, place: dict[str, Any]) -> str | None:
    """Return which keywords of an extension are wrong, in words; None if it has none of them."""
    file.seek(place["hdrLoc"])
    raw = file.read(place["datLoc"] - place["hdrLoc"])
    header = fits.Header.fromstring(raw)
    data_sum, whole_sum = (str(header.get(key, "")).strip() for key in ("DATASUM", "CHECKSUM"))
    if not (data_sum or whole_sum):
        return None
    data = _sum(file, place["datSpan"])
    wrong = [] if data >= 0 and data_sum in ("", str(data)) else ["DATASUM"]
    # Header and data together give all ones, or nothing: that is how the characters of CHECKSUM are chosen.
    if whole_sum and _folded(_added(raw) + data) not in (0, _ONES):
        wrong.append("CHECKSUM")
    return " and ".join(wrong)


def _sum(file: BinaryIO, size: int) -> int:
    """Return the sum of the next bytes of a file as FITS defines it: 32 bits, what runs over added at the low end.

    No sum is negative: -1 stands for a file that ends before.
    """
    total = 0
    for start in range(0, size, _BLOCK):
        part = file.read(min(_BLOCK, size - start))
        if len(part) < min(_BLOCK, size - start):
            return -1
        total = _folded(total + _added(part))
    return total


def _added(data: bytes) -> int:
    return int(np.frombuffer(data, dtype=">u4", count=len(data) // 4).sum(dtype=np.uint64))


def _folded(total: int) -> int:
    while total > _ONES:
        total = (total & _ONES) + (total >> 32)
    return total
