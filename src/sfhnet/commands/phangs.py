"""``sfhnet phangs``: list, fetch and verify the public files of the galaxies of a sample sheet."""

from __future__ import annotations

import argparse
import logging
import sys

from sfhnet.config import load_config
from sfhnet.sources.archive_catalogue import ArchiveError, Remote
from sfhnet.sources.checksums import verify
from sfhnet.sources.phangs import PhangsFetcher, size_text
from sfhnet.sources.sample_sheet import load_sheet, row_of
from sfhnet.sources.wanted_files import Wanted, wanted_files
from sfhnet.tools.script_options import Parser, add_config

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument(
        "action", choices=("list", "fetch", "verify"), help="list: names and sizes, nothing is fetched"
    )
    parser.add_argument("galaxies", nargs="*", metavar="GALAXY", help="(default: all of the sheet)")
    add_config(parser, ("configs/phangs.yaml",))


def run(args: argparse.Namespace) -> int:
    """Do it; give the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config = load_config(args.config).galaxies
    bands = load_config(args.config).bands
    sheet = load_sheet(config.sheet, bands, data_dir=config.data_dir)
    names = args.galaxies or list(sheet)
    files = [file for name in names for file in wanted_files(row_of(sheet, name, config.sheet))]
    if not files:
        print(f"no galaxy of {config.sheet} has the source phangs; nothing to do")
        return 0
    if args.action == "verify":
        return _verify(files)
    fetcher = PhangsFetcher(sheet)
    found, faults = _find(fetcher, files)
    total = sum(remote.n_bytes or 0 for remote in found.values())
    print(f"{len(found)} files to fetch, {size_text(total)} in all, into {config.data_dir}")
    if args.action == "fetch":
        for file in found:
            try:
                fetcher.fetch(file)
            except ArchiveError as error:
                faults.append(str(error))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return min(len(faults), 1)


def _find(fetcher: PhangsFetcher, files: list[Wanted]) -> tuple[dict[Wanted, Remote], list[str]]:
    """Sizes of what is not here, before anything is fetched; one archive that fails is said once."""
    found: dict[Wanted, Remote] = {}
    faults: list[str] = []
    closed: set[str] = set()
    for file in files:
        if file.path.is_file():
            print(
                f"{file.galaxy:10} {file.what:14} {size_text(file.path.stat().st_size):>12}  here  {file.path}"
            )
            continue
        if file.archive in closed:
            continue
        try:
            found[file] = fetcher.find(file)
        except ArchiveError as error:
            faults.append(str(error))
            if "cannot be reached" in str(error) or "needs astroquery" in str(error):
                closed.add(file.archive)
            continue
        print(
            f"{file.galaxy:10} {file.what:14} {size_text(found[file].n_bytes):>12}  {file.archive}  {file.path.name}"
        )
    return found, faults


def _verify(files: list[Wanted]) -> int:
    faults = [fault for file in files if (fault := verify(file.path)) is not None]
    for fault in faults:
        print(fault)
    print(f"{len(files) - len(faults)} of {len(files)} files are as they arrived")
    return min(len(faults), 1)
