"""``sfhnet sources``: list, fetch and verify upstream files."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from sfhnet.config import load_config
from sfhnet.sources.fetch import MIRROR_VARIABLE, Fetcher
from sfhnet.sources.registry import load_registry
from sfhnet.tools.script_options import Parser, add_config

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=("list", "fetch", "verify"), help="what to do")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="sources; 'default' for those of the default run (default), 'all' for all",
    )
    add_config(
        parser,
        about="take sources.data_dir and sources.data_mirror from config.yaml with these overlays",
        required=False,
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where files are kept (default: data)")
    parser.add_argument(
        "--mirror", type=Path, metavar="DIR", help=f"local folder tried first (default: {MIRROR_VARIABLE})"
    )


def run(args: argparse.Namespace) -> int:
    """Do it; give the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    data_dir, mirror = args.data_dir, args.mirror
    if args.config:
        sources = load_config(args.config).sources
        data_dir, mirror = data_dir or sources.data_dir, mirror or sources.data_mirror
    fetcher = Fetcher(data_dir or "data", mirror, load_registry())
    names = args.names or (["all"] if args.action == "list" else ["default"])
    if args.action == "fetch":
        for key, paths in fetcher.fetch(names).items():
            print(f"{key}: {len(paths)} file{'s' * (len(paths) > 1)} in {paths[0].parent}")
        return 0
    keys = fetcher.select(names)
    if args.action == "list":
        for key in keys:
            _describe(fetcher, key)
        return 0
    return _verify(fetcher, keys)


def _describe(fetcher: Fetcher, key: str) -> None:
    source = fetcher.registry.source(key)
    paths = fetcher.registry.paths(key, fetcher.data_dir)
    here = sum(path.is_file() for path in paths)
    wanted = "default run" if source.default else "on request"
    print(f"{key}  [{here}/{len(paths)} files here, {source.total_bytes / 1e6:.1f} MB, {wanted}]")
    for label, text in (
        ("", source.title),
        ("version: ", source.version),
        ("used for: ", source.used_for),
        ("licence: ", source.licence),
        ("cite: ", source.citation),
        ("note: ", source.note),
    ):
        if text:
            print(f"    {label}{' '.join(text.split())}")


def _verify(fetcher: Fetcher, keys: list[str]) -> int:
    bad = 0
    for key in keys:
        problems = fetcher.problems(key)
        print(f"{key}: {'ok' if not problems else f'{len(problems)} of its files are not right'}")
        for problem in problems:
            print(f"    {problem}")
        bad += bool(problems)
    if bad:
        print(f"{bad} of {len(keys)} sources are not complete: sfhnet sources fetch NAME")
    return min(bad, 1)
