"""``python -m pyprospect [FILE ...]``: what is installed, which libraries and tables are at hand; describe FILEs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pyprospect import inventory, tables
from pyprospect.stars.library import SSPLibrary


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the inventory, or describe the SSP libraries named; 1 if one of these cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m pyprospect", description=__doc__)
    parser.add_argument("library", nargs="*", type=Path, help="SSP libraries to describe instead")
    args = parser.parse_args(arguments)
    if args.library:
        return _describe(args.library)
    versions = inventory.installed()
    print(
        f"pyprospect {versions.pop('phangs-sfh') or '(checkout, not installed)'}: ProSpect 1.11.0 for Python"
    )
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
        print(f"  {name:22s} {inventory.TABLES[name]:58s} {path.parent if path else 'MISSING'}")
    if None in found.values():
        print(
            "  get them in a checkout with: python scripts/fetch_source.py prospect_tables\n"
            f"  or point {tables.ENVIRONMENT_VARIABLE} at the folder data/ of the R package"
        )


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
