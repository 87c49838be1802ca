"""``sfhnet explore GALAXY``: one HTML file with every bin of a galaxy, from what a run left."""

from __future__ import annotations

import argparse
from pathlib import Path

from sfhnet.tools.script_options import Parser

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("galaxy", metavar="GALAXY", help="name in the sample sheet, or its folder in results")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="results of a run (results)"
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="HTML file (explorer.html in the galaxy's folder)"
    )


def run(args: argparse.Namespace) -> int:
    """Do it; give the exit status."""
    from sfhnet.explorer.from_files import OPTIONAL, PRODUCTS, explore
    from sfhnet.tools.provenance import provenance

    folder = Path(args.galaxy)
    if not folder.is_dir():
        folder = args.results / "galaxies" / args.galaxy
    files = {name: folder / file for name, file in PRODUCTS.items()}
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        galaxies = args.results / "galaxies"
        known = sorted(path.name for path in galaxies.iterdir() if path.is_dir()) if galaxies.is_dir() else []
        there = f"; {galaxies} holds {', '.join(known)}" if known else ""
        raise FileNotFoundError(
            f"{', '.join(missing)} not there{there}; make them by: "
            f"sfhnet run {args.results}/galaxies/{folder.name}/explorer.html --config configs/shipped.yaml"
        )
    files |= {name: folder / file for name, file in OPTIONAL.items() if (folder / file).is_file()}
    out = args.out or folder / "explorer.html"
    explore(out, folder.name, **files, provenance=provenance(modules=["sfhnet.explorer.page"], inputs=[]))
    print(f"{out}: open it in a browser ({out.stat().st_size / 1e6:.1f} MB)")
    return 0
