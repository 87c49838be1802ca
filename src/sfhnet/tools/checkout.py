"""Where the project's own files lie: a person works in a checkout, below it, or elsewhere."""

from __future__ import annotations

from pathlib import Path

__all__ = ["find_checkout"]

_MARKS = ("Snakefile", "rules/common/step.smk")


def find_checkout(start: Path | None = None) -> Path:
    """Return the checkout that holds a folder, else the one that this package runs from.

    Parameters
    ----------
    start : Path, optional
        Default: the working directory.

    Raises
    ------
    FileNotFoundError
        If there is none: the package was installed without its workflow.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents, Path(__file__).resolve().parents[3]):
        if all((folder / mark).is_file() for mark in _MARKS):
            return folder
    raise FileNotFoundError(
        f"the workflow is not in {start} nor above it, and the installed package has none (no Snakefile): "
        "go to a checkout of the project, or clone it"
    )
