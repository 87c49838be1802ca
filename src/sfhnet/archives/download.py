"""Large downloads: begun again where they broke off, with a checksum that is kept beside the file."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import requests

from sfhnet.archives.checksums import record_checksum
from sfhnet.atomic import write_text
from sfhnet.progress import Progress
from sfhnet.provenance import sha256_file

_log = logging.getLogger("sfhnet.archives")

_BLOCK = 1 << 16  # what of a block had arrived is lost when a connection breaks
_TIMEOUT_S = (10.0, 60.0)  # to connect, and between two blocks
_RETRIES, _WAIT_S = 5, 2.0


class DownloadError(OSError):
    """A file could not be had, or is not what was announced."""


@dataclass(frozen=True)
class _State:
    """What the server said of the file that a part is of; another answer later means another file."""

    url: str
    n_bytes: int | None
    tag: str | None


def download(url: str, path: str | os.PathLike, n_bytes: int | None = None) -> Path:
    """Download a file, going on from what an earlier attempt left.

    The unfinished file is ``.{name}.part``; it gets its name when it is whole, and its checksum is recorded beside it.
    A connection that breaks is taken up again as long as each attempt brings something.

    Parameters
    ----------
    url : str
        Address.
    path : path
        Where the file shall be.
    n_bytes : int, optional
        Size that the archive announced.

    Returns
    -------
    Path

    Raises
    ------
    DownloadError
        If it cannot be had, is cut short, is a page instead of a FITS file, or does not fit on the disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part, note = (path.with_name(f".{path.name}.part{end}") for end in ("", ".json"))
    with _one_at_a_time(path.with_name(f".{path.name}.lock")):
        if path.is_file():
            return path
        failures = 0
        while True:
            before = part.stat().st_size if part.is_file() else 0
            try:
                _receive(url, part, note, n_bytes)
                break
            except requests.exceptions.RequestException as error:
                gained = (part.stat().st_size if part.is_file() else 0) - before
                failures = 0 if gained > 0 else failures + 1
                # A host that cannot be reached at all is not waited for.
                if failures >= (_RETRIES if before else 1):
                    raise DownloadError(f"{url}: {_short(error)}") from error
                _log.warning(
                    "%s: %s; going on from %.1f MB", path.name, _short(error), (before + gained) / 1e6
                )
                time.sleep(_WAIT_S * max(failures, 0.1))
        _check_fits(part, path.name, url)
        record_checksum(path, sha256_file(part))
        part.replace(path)
        note.unlink(missing_ok=True)
    return path


def _receive(url: str, part: Path, note: Path, n_bytes: int | None) -> None:
    start = part.stat().st_size if part.is_file() else 0
    state = _State(**json.loads(note.read_text())) if note.is_file() else None
    if start and (state is None or state.url != url):
        start = 0
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if state.tag:
            headers["If-Range"] = state.tag
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
        if answer.status_code == 416 and state is not None and start == state.n_bytes:
            return  # all of it is here
        if answer.status_code >= 400:
            raise DownloadError(f"{url} answers {answer.status_code} {answer.reason}")
        if answer.status_code != 206:
            start = 0  # the server sends the whole file: it cannot resume, or the file is another one now
        total = _total(answer, start)
        if n_bytes is not None and total is not None and total != n_bytes:
            raise DownloadError(f"{url} offers {total} bytes, the archive's catalogue says {n_bytes}")
        total = total if total is not None else n_bytes
        _check_space(part, total, start)
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        write_text(
            note, json.dumps(asdict(_State(url, total, None if (tag or "").startswith("W/") else tag)))
        )
        with (
            part.open("r+b" if start else "wb") as out,
            Progress(total, f"downloading {part.name[1:-5]}", "B", every_s=30.0) as progress,
        ):
            out.seek(start)
            out.truncate()
            progress.update(start)
            for block in answer.iter_content(_BLOCK):
                out.write(block)
                progress.update(len(block))
    size = part.stat().st_size
    if total is not None and size != total:
        if size > total:
            part.unlink()
        raise requests.exceptions.ConnectionError(f"{size} of {total} bytes arrived")


def _total(answer: requests.Response, start: int) -> int | None:
    if answer.status_code == 206:
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(whole) if whole.isdigit() else None
    length = answer.headers.get("Content-Length")
    return int(length) + start if length and length.isdigit() else None


def _check_space(part: Path, total: int | None, start: int) -> None:
    disk = os.statvfs(part.parent)
    free = disk.f_bavail * disk.f_frsize
    if total is not None and total - start > free:
        raise DownloadError(
            f"{(total - start) / 1e9:.1f} GB are still to come, {part.parent} has {free / 1e9:.1f} GB free; make room, or "
            "set galaxies.data_dir to a folder on a larger disk"
        )


def _check_fits(part: Path, name: str, url: str) -> None:
    with part.open("rb") as handle:
        begin = handle.read(80)
    gzipped = name.endswith(".gz") and begin[:2] == b"\x1f\x8b"
    if name.lower().endswith((".fits", ".fits.gz")) and not begin.startswith(b"SIMPLE  =") and not gzipped:
        part.unlink()
        raise DownloadError(
            f"{url} gives no FITS file but {begin[:30]!r}...; does the archive ask for a login or is it down?"
        )


@contextlib.contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _short(error: Exception) -> str:
    """The innermost reason, in words."""
    reason: object = error
    while isinstance(reason, Exception) and (
        inner := getattr(reason, "reason", None) or (reason.args or [""])[0]
    ):
        reason = inner
    # urllib3 names the object at its start: "<...HTTPSConnection...>: Failed to resolve ...".
    return str(reason).rpartition(">: ")[2] or type(error).__name__
