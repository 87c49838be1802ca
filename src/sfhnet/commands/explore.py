"""``sfhnet explore GALAXY``: one HTML file with every bin of a galaxy, from what a run left."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sfhnet.tools.script_options import Parser, nearest

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
    """Do it; give the exit status.

    Raises
    ------
    FileNotFoundError
        If there is no run, no such galaxy in it, or its products are not there yet.
    """
    from sfhnet.explorer.from_files import PPXF, PRODUCTS, explore, is_of
    from sfhnet.tools.provenance import provenance

    folder = Path(args.galaxy)
    if not folder.is_dir():
        folder = _folder(args.results / "galaxies", args.galaxy)
    files = {name: folder / file for name, file in PRODUCTS.items()}
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} has no {', '.join(missing)}; {_remedy(folder)}")
    ppxf = folder / PPXF
    if ppxf.is_file() and is_of(ppxf, files["spectra"]):
        files["ppxf"] = ppxf
    elif ppxf.is_file():
        print(f"{ppxf} holds fits to other spectra: not shown", file=sys.stderr)
    out = args.out or folder / "explorer.html"
    explore(out, folder.name, **files, provenance=provenance(modules=["sfhnet.explorer.page"], inputs=[]))
    print(f"{out}: open it in a browser ({out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _folder(galaxies: Path, name: str) -> Path:
    """Return the folder of a galaxy of a run."""
    folder = galaxies / name
    if folder.is_dir():
        return folder
    if not galaxies.is_dir():
        raise FileNotFoundError(f"there is no {galaxies}: give --results DIR of a run, or {_remedy(folder)}")
    known = sorted(path.name for path in galaxies.iterdir() if path.is_dir())
    hint = nearest(name, known) or f"; it holds {', '.join(known) or 'none'}"
    raise FileNotFoundError(
        f"{galaxies} has no galaxy {name}{hint}. One of the sample sheet that is not there yet: {_remedy(folder)}"
    )


def _remedy(folder: Path) -> str:
    return f"make its products by: sfhnet run {folder}/explorer.html --config configs/shipped.yaml"
