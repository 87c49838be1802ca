"""``sfhnet models list``: the trained models that come with the program."""

from __future__ import annotations

import argparse
import sys

from sfhnet.tools.hdf5 import read_json
from sfhnet.tools.script_options import Parser
from sfhnet.tools.shipped_files import model_names, shipped_model, verify

__all__ = ["add_arguments", "run"]


WEIGHTS = "weights.safetensors"


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=("list",), help="what to do")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: all)")


def run(args: argparse.Namespace) -> int:
    """Print a paragraph a model, its files compared with their checksums; 1 if one is damaged."""
    failed = 0
    for name in args.names or model_names():
        try:
            print("\n".join(_describe(name)))
        except (OSError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
    return failed


def _describe(name: str) -> list[str]:
    folder = shipped_model(name)
    checked = verify(folder)
    if WEIGHTS not in checked:
        raise ValueError(f"{folder} lists no checksum of {WEIGHTS}; ship it again (scripts/ship_model.py)")
    info = read_json(folder / "model.json")
    spec = info["spec"]
    size = sum(path.stat().st_size for path in folder.iterdir())
    return [
        f"{name}  [kind {spec['kind']}, {info['schema_version']}, {size / 1e6:.1f} MB]",
        f"    bands: {', '.join(spec['band_names'])}",
        f"    weights: sha256 {checked[WEIGHTS]}",
        f"    in: {folder}",
    ]
