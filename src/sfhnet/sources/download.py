"""Downloads: begun again where they broke off, checked, and under their name only when they are whole and right."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests

from sfhnet.sources.checksums import record_checksum
from sfhnet.tools.atomic_files import atomic_write, write_text
from sfhnet.tools.progress import Progress
from sfhnet.tools.provenance import sha256_file

__all__ = ["DownloadError", "download", "redacted"]

_log = logging.getLogger("sfhnet.archives")

_BLOCK = 1 << 16  # what of a block had arrived is lost when a connection breaks
_TIMEOUT_S = (10.0, 60.0)  # to connect, and between two blocks
_RETRIES, _WAIT_S = 5, 2.0
_BUSY = (429, 500, 502, 503, 504)  # a server may answer so now and otherwise in a moment


class DownloadError(OSError):
    """A file could not be had, or is not what was announced; its text is the address and the `reason`."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{redacted(url)}: {reason}")
        self.reason = reason


class _Busy(requests.exceptions.RequestException):
    """An answer that is worth another try."""


@dataclass(frozen=True)
class _State:
    """What the server said of the file that a part is of; another answer later means another file."""

    url: str
    n_bytes: int | None
    tag: str | None


@dataclass(frozen=True)
class _Source:
    """Where a file comes from and what is known of it."""

    url: str
    session: requests.Session
    n_bytes: int | None
    told_by: str


def download(
    url: str,
    path: str | os.PathLike,
    n_bytes: int | None = None,
    *,
    sha256: str | None = None,
    told_by: str = "the archive's catalogue",
    part_dir: str | os.PathLike | None = None,
    session: requests.Session | None = None,
) -> Path:
    """Download a file, going on from what an earlier attempt left.

    The unfinished file is ``.{name}.part``; it gets its name when it is whole and right. A connection that breaks is
    taken up again as long as each attempt brings something, and some times when it brings nothing; so is a server
    that says it is busy. Other processes that want the same file wait for this one.

    Parameters
    ----------
    url : str
        Address, http or https.
    path : path
        Where the file shall be; one that is there is not touched.
    n_bytes : int, optional
        Size that was announced.
    sha256 : str, optional
        Checksum that was announced, in hexadecimal. Without one, that of what arrived is recorded beside the file.
    told_by : str
        Who announced size and checksum, for messages.
    part_dir : path, optional
        Folder of the unfinished file; by default that of `path`.
    session : Session, optional
        With certificates and proxies; closed at the end. By default a new one.

    Returns
    -------
    Path

    Raises
    ------
    DownloadError
        If it cannot be had, is cut short, has another size or checksum, is a page instead of a FITS file, or does not
        fit on the disk.
    """
    path = Path(path)
    folder = Path(part_dir) if part_dir is not None else path.parent
    folder.mkdir(parents=True, exist_ok=True)
    part, note = (folder / f".{path.name}.part{end}" for end in ("", ".json"))
    with _one_at_a_time(folder / f".{path.name}.lock"), session or requests.Session() as opened:
        if path.is_file():
            return path
        source = _Source(url, opened, n_bytes, told_by)
        continued = _size(part) > 0
        _receive_all(source, part, note)
        found = sha256_file(part)
        if sha256 is not None and found != sha256 and continued:
            _log.warning("%s: what an earlier attempt left does not fit; beginning anew", path.name)
            _discard(part, note)
            _receive_all(source, part, note)
            found = sha256_file(part)
        fault = _no_fits(part, path.name)
        if fault is None and sha256 is not None and found != sha256:
            fault = (
                f"sha256 expected {sha256} ({told_by}), found {found}; the file there has changed or was altered on "
                "the way: try again"
            )
        if fault is not None:
            _discard(part, note)
            raise DownloadError(url, fault)
        if sha256 is None:
            record_checksum(path, found)
        _put(part, path)
        note.unlink(missing_ok=True)
    return path


def redacted(url: str) -> str:
    """Return an address without user name and password, for messages."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))


def _receive_all(source: _Source, part: Path, note: Path) -> None:
    """Receive until all of it is here, or no attempt brings more."""
    name, failures = part.name[1:-5], 0
    while True:
        before = _size(part)
        try:
            _receive(source, part, note)
        except requests.exceptions.RequestException as error:
            gained = _size(part) - before
            failures = 0 if gained > 0 else failures + 1
            # A host that cannot be reached at all is not waited for.
            if failures >= (_RETRIES if before or isinstance(error, _Busy) else 1):
                raise DownloadError(source.url, _short(error)) from error
            _log.warning("%s: %s; going on from %.1f MB", name, _short(error), (before + gained) / 1e6)
            time.sleep(_WAIT_S * max(failures, 0.1))
        else:
            return


def _receive(source: _Source, part: Path, note: Path) -> None:
    url, n_bytes = source.url, source.n_bytes
    start = _size(part)
    state = _State(**json.loads(note.read_text())) if note.is_file() else None
    if state is None or state.url != redacted(url):
        start = 0
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if state is not None and state.tag:
            headers["If-Range"] = state.tag
    with source.session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
        if answer.status_code == 416 and state is not None and start == state.n_bytes:
            return  # all of it is here
        if answer.status_code >= 400:
            said = f"the server answers {answer.status_code} {answer.reason}"
            if answer.status_code in _BUSY:
                raise _Busy(said)
            raise DownloadError(url, said)
        if answer.status_code != 206:
            start = 0  # the server sends the whole file: it cannot resume, or the file is another one now
        total = _total(answer, start)
        if n_bytes is not None and total is not None and total != n_bytes:
            raise DownloadError(url, f"it offers {total} bytes, {source.told_by} says {n_bytes}")
        total = total if total is not None else n_bytes
        _check_space(url, part, total, start)
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        tag = None if (tag or "").startswith("W/") else tag
        write_text(note, json.dumps(asdict(_State(redacted(url), total, tag))))
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
                if total is not None and out.tell() > total:
                    break
    size = _size(part)
    if total is not None and size != total:
        if size > total:
            _discard(part, note)
            raise DownloadError(url, f"more than the announced {total} bytes arrived")
        raise requests.exceptions.ConnectionError(f"{size} of {total} bytes arrived")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _discard(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _put(part: Path, path: Path) -> None:
    """Rename the whole file, also where the folder of parts is on another disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.open("rb") as handle:
        os.fsync(handle.fileno())
    if part.stat().st_dev == path.parent.stat().st_dev:
        part.replace(path)
        return
    with atomic_write(path) as partial:
        shutil.copyfile(part, partial)
    part.unlink()


def _total(answer: requests.Response, start: int) -> int | None:
    if answer.status_code == 206:
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(whole) if whole.isdigit() else None
    length = answer.headers.get("Content-Length")
    return int(length) + start if length and length.isdigit() else None


def _check_space(url: str, part: Path, total: int | None, start: int) -> None:
    disk = os.statvfs(part.parent)
    free = disk.f_bavail * disk.f_frsize
    if total is not None and total - start > free:
        raise DownloadError(
            url,
            f"{(total - start) / 1e9:.1f} GB are still to come, {part.parent} has {free / 1e9:.1f} GB free; make room, or "
            "put the data on a larger disk (data_dir of the configuration's sections galaxies and sources)",
        )


def _no_fits(part: Path, name: str) -> str | None:
    """Return what is wrong with a file that is named as FITS and is none."""
    if not name.lower().endswith((".fits", ".fits.gz")):
        return None
    with part.open("rb") as handle:
        begin = handle.read(80)
    gzipped = name.endswith(".gz") and begin[:2] == b"\x1f\x8b"
    if begin.startswith(b"SIMPLE  =") or gzipped:
        return None
    return f"it gives no FITS file but {begin[:30]!r}...; does the archive ask for a login or is it down?"


@contextlib.contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _short(error: Exception) -> str:
    """Return the innermost reason, in words."""
    reason: object = error
    while isinstance(reason, Exception) and (
        inner := getattr(reason, "reason", None) or (reason.args or [""])[0]
    ):
        reason = inner
    # urllib3 names the object at its start: "<...HTTPSConnection...>: Failed to resolve ...".
    return str(reason).rpartition(">: ")[2] or type(error).__name__
