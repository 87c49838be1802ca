"""Files that come with the program: data/ of a checkout, the folder ``shipped`` of an installed package."""

from __future__ import annotations

import os
from pathlib import Path

from sfhnet.tools.provenance import CHECKOUT, SHIPPED, sha256_file
from sfhnet.tools.verification import verifying

__all__ = ["CHECKSUMS", "model_names", "shipped_file", "shipped_model", "verify", "write_checksums"]

CHECKSUMS = "SHA256SUMS"
"""List of checksums in a model's folder; ``sha256sum -c SHA256SUMS`` there reads it too."""


def shipped_file(name: str) -> Path:
    """Return where a file or folder of data/ is that comes with the program.

    Parameters
    ----------
    name : str
        Its path in data/, such as ``"sources.yaml"``.
    """
    return (SHIPPED if CHECKOUT is None else CHECKOUT / "data") / name


def model_names() -> list[str]:
    """Names of the trained models that come with the program."""
    return sorted(path.parent.name for path in shipped_file("models").glob("*/model.json"))


def shipped_model(name: str) -> Path:
    """Return the folder of a trained model that comes with the program.

    Raises
    ------
    FileNotFoundError
        If there is none of that name; names those that there are.
    """
    known = model_names()
    if name not in known:
        raise FileNotFoundError(
            f"no model {name!r}: neither a folder, nor one that comes with this program ({', '.join(known) or 'none'})"
        )
    return shipped_file("models") / name


def write_checksums(folder: str | os.PathLike, names: list[str]) -> None:
    """List the SHA-256 of files of a folder in its SHA256SUMS."""
    lines = [f"{sha256_file(Path(folder, name))}  {name}\n" for name in names]
    Path(folder, CHECKSUMS).write_text("".join(lines))


def verify(folder: str | os.PathLike) -> dict[str, str]:
    """Compare the files of a folder with its SHA256SUMS; a folder without one has nothing to compare with.

    Nothing is compared if the configuration says not to (`verify_checksums`).

    Returns
    -------
    dict
        SHA-256 by name of file.

    Raises
    ------
    ValueError
        If a file differs or is not there, or the list cannot be read.
    """
    path = Path(folder, CHECKSUMS)
    if not (path.is_file() and verifying()):
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        wanted, _, name = line.partition("  ")
        if len(wanted) != 64 or Path(name).name != name:
            raise ValueError(f"{path}: {line!r} is no checksum and name of a file; get the folder again")
        file = Path(folder, name)
        if not file.is_file():
            raise ValueError(f"{file} is missing, and {path} lists it; get the folder again")
        found[name] = sha256_file(file)
        if found[name] != wanted:
            raise ValueError(
                f"{file} is not the file that {path} lists; get the folder again, or delete {CHECKSUMS} if you "
                "changed it on purpose"
            )
    return found
