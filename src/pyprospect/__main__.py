"""What is installed, which libraries and tables are at hand, and how to get the rest.

``python -m pyprospect`` says so, ``python -m pyprospect FILE ...`` describes SSP libraries, and
``python -m pyprospect fetch [TABLE ...]`` downloads ProSpect's tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pyprospect import __version__, inventory, table_files, tables
from pyprospect.stars.library import SSPLibrary


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the inventory, describe the SSP libraries named, or fetch tables; 1 if something cannot be had."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["fetch"]:
        return _fetch(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m pyprospect",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("library", nargs="*", type=Path, help="SSP libraries to describe instead")
    args = parser.parse_args(arguments)
    if args.library:
        return _describe(args.library)
    versions = inventory.installed()
    print(f"pyprospect {__version__}: ProSpect 1.11.0 for Python")
    print("\nPackages")
    for name, version in versions.items():
        print(f"  {name:12s} {version or 'MISSING':10s} {inventory.PACKAGES[name]}")
    _print_ingredients()
    _print_tables()
    return 0


def _print_ingredients() -> None:
    print("\nSSP libraries ready to use (SSPLibrary.read)")
    for path in inventory.find_libraries():
        print(f"  {path}")
    if not inventory.find_libraries():
        print("  none in results/ssp; scripts/build_ssp.py makes one of emiles and bc03_miles")
    print("\nUpstream libraries and line grids (folder, or where to get it)")
    missing = []
    for item in inventory.find_ingredients():
        print(f"  {item.key:15s} {item.what:46s} {item.found or 'MISSING: ' + item.origin}")
        if item.found is None:
            missing.append(item.key)
    if missing:
        print(f"  get them in a checkout with: python scripts/fetch_source.py {' '.join(missing)}")


def _print_tables() -> None:
    print("\nProSpect's tables")
    found = inventory.find_tables()
    for name, path in found.items():
        print(f"  {name:22s} {table_files.TABLES[name].what:58s} {path.parent if path else 'MISSING'}")
    if None in found.values():
        print(
            f"  get them with: python -m pyprospect fetch (into {tables.user_folder()})\n"
            f"  or point {tables.ENVIRONMENT_VARIABLE} at the folder data/ of the R package"
        )


def _fetch(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m pyprospect fetch", description="Download ProSpect's tables (LGPL-3.0)."
    )
    parser.add_argument("table", nargs="*", help=f"by default all: {', '.join(table_files.TABLES)}")
    parser.add_argument("--folder", type=Path, help=f"where to put them (default: {tables.user_folder()})")
    parser.add_argument("--address", default=table_files.ADDRESS, metavar="URL", help="%(default)s")
    args = parser.parse_args(arguments)
    try:
        for path in table_files.fetch(args.table, folder=args.folder, address=args.address):
            print(path)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _describe(paths: Sequence[Path]) -> int:
    failed = 0
    for path in paths:
        try:
            library = SSPLibrary.read(path)
        except (ImportError, OSError, ValueError) as error:
            print(error, file=sys.stderr)
            failed = 1
            continue
        print(library)
        for key in ("source", "imf", "isochrones", "medium"):
            print(f"  {key}: {library.meta.get(key, 'unknown')}")
        holes = library.holes(912.0)
        print(f"  spans of exactly zero light redward of 912 Angstrom: {holes.size}")
        for hole in holes[:10]:
            print(
                f"    Z={hole['z']:.4g}, {hole['age_yr']:.4g} yr: {hole['wave_min_aa']:.1f} to {hole['wave_max_aa']:.1f}"
            )
        if holes.size > 10:
            print(f"    and {holes.size - 10} more; library.holes() lists all")
    return failed


if __name__ == "__main__":
    sys.exit(main())
