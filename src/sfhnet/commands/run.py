"""``sfhnet run``: start the workflow, after taking away the lock of a run that was killed."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
from pathlib import Path

from sfhnet.tools.checkout import find_checkout
from sfhnet.tools.run_lock import release
from sfhnet.tools.script_options import ABOUT_CONFIG, Parser

__all__ = ["add_arguments", "run", "split"]

# Options of Snakemake that say how much it may do at once, so that nothing must be added.
_CORES = re.compile(r"-[cj]\d*$|--(cores|jobs|profile|workflow-profile)(=|$)")


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.usage = "sfhnet run [TARGET ...] [--config FILE ...] [--cores N] [-- OPTION OF SNAKEMAKE ...]"
    parser.about_unknown = "; options of Snakemake stand behind --"
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="train, validate, figures, galaxies, report, ppxf, foreign_benchmarks, or any file that it makes (default: all but the last two)",
    )
    # Overlays as they were typed: the workflow lays them on its own config.yaml.
    parser.add_argument("--config", type=Path, nargs="+", metavar="FILE", help=ABOUT_CONFIG)
    parser.add_argument("--cores", metavar="N", help="cores to use at once (default: all)")


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Split what was typed at ``--``: the command's own words, and those for Snakemake."""
    own = words.index("--") if "--" in words else len(words)
    return words[:own], words[own + 1 :]


def run(args: argparse.Namespace) -> int:
    """Become Snakemake, so that its exit status and every signal are its own.

    Raises
    ------
    RuntimeError
        If Snakemake is not installed, or another run may be at work.
    FileNotFoundError
        If there is no workflow, or no such overlay.
    """
    if importlib.util.find_spec("snakemake") is None:
        raise RuntimeError(f"snakemake is not installed in {sys.prefix}: pip install 'phangs-sfh[workflow]'")
    here, checkout = Path.cwd(), find_checkout()
    folder = checkout if here.is_relative_to(checkout) else here
    works_in = _directory(args.passed_on, folder)
    options = [] if folder == checkout else ["--snakefile", str(checkout / "Snakefile")]
    if args.config:
        options += ["--configfile", *(_seen_from(works_in, path) for path in args.config)]
    if folder != here:
        print(f"working in {folder}", file=sys.stderr)
    command = [sys.executable, "-m", "snakemake", *args.targets, *args.passed_on]
    if args.cores or not any(map(_CORES.match, args.passed_on)):
        command += ["--cores", args.cores or "all"]
    os.chdir(folder)
    release(works_in, *options)
    sys.stdout.flush()
    return os.execv(sys.executable, [*command, *options])  # noqa: S606


def _seen_from(folder: Path, overlay: Path) -> str:
    if not overlay.is_file():
        raise FileNotFoundError(f"there is no configuration file {overlay}; targets stand before --config")
    return str(overlay if folder == Path.cwd() else overlay.resolve())


def _directory(options: list[str], folder: Path) -> Path:
    """Return where Snakemake works: the folder in which it is started, unless an option names another."""
    for position, word in enumerate(options):
        name, is_whole, value = word.partition("=")
        if name in ("-d", "--directory"):
            return folder / (value if is_whole else options[min(position + 1, len(options) - 1)])
    return folder
