"""The two distributions made here: what their pyproject.toml files ask for."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"phangs-sfh": ROOT, "pyprospect": ROOT / "src" / "pyprospect"}


def project(name: str) -> dict:
    """Table ``project`` of a distribution."""
    return tomllib.loads((FOLDERS[name] / "pyproject.toml").read_text())["project"]


def declared(name: str) -> list[Requirement]:
    """Every requirement of a distribution and of its extras, as written."""
    table = project(name)
    lists = [table["dependencies"], *table["optional-dependencies"].values()]
    return [Requirement(line) for lines in lists for line in lines]


def requirements(name: str, extras: Iterable[str] = ()) -> dict[str, Requirement]:
    """What installing ``name[extras]`` asks of the package index, by name: our own packages are followed."""
    table = project(name)
    lines = [
        *table["dependencies"],
        *(line for extra in extras for line in table["optional-dependencies"][extra]),
    ]
    found: dict[str, Requirement] = {}
    for requirement in map(Requirement, lines):
        if requirement.name in FOLDERS:
            found |= requirements(requirement.name, requirement.extras)
        else:
            found[canonicalize_name(requirement.name)] = requirement
    return found
