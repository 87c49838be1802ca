"""``sfhnet config``: check configuration files, and write their documentation."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from sfhnet.commands.reference import commands_page
from sfhnet.config.docs import config_page, json_schema, model_table
from sfhnet.config.load import load_config
from sfhnet.sources.sample_sheet import Galaxy, SheetError, load_sheet
from sfhnet.tools.atomic_files import write_text
from sfhnet.tools.checkout import find_checkout
from sfhnet.tools.script_options import Parser

__all__ = ["add_arguments", "galaxies_table", "run"]

_BEGIN, _END = "<!-- columns: written by `make docs` -->", "<!-- end of columns -->"


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=("check", "docs"), help="what to do")
    parser.add_argument(
        "overlays",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="check: overlays laid in turn on --base",
    )
    parser.add_argument(
        "--base", type=Path, default=Path("config.yaml"), metavar="FILE", help="(default: config.yaml)"
    )
    parser.add_argument(
        "--check", action="store_true", help="docs: only tell whether the pages are current, write nothing"
    )
    parser.add_argument(
        "--docs-dir",
        type=Path,
        default=Path("docs"),
        metavar="DIR",
        help="where the pages are (default: docs)",
    )


def run(args: argparse.Namespace) -> int:
    """Do it; give the exit status."""
    return _check(args) if args.action == "check" else _docs(args)


def galaxies_table(page: str) -> str:
    """Put the table of columns into docs/galaxies.md, between its two marks.

    Raises
    ------
    ValueError
        If the marks are not there.
    """
    if _BEGIN not in page or _END not in page:
        raise ValueError(f"docs/galaxies.md lacks the marks {_BEGIN!r} and {_END!r}; put them back")
    before, rest = page.split(_BEGIN, 1)
    columns = [name for name in Galaxy.model_fields if name != "images"]
    table = model_table(Galaxy, columns)
    return f"{before}{_BEGIN}\n{table}{_END}{rest.split(_END, 1)[1]}"


def _check(args: argparse.Namespace) -> int:
    # Slow to import, and of no use to who writes the pages.
    from sfhnet.observation.galaxy_files import target_of
    from sfhnet.observation.header_check import header_faults

    files = list(dict.fromkeys([args.base, *args.overlays]))
    config = load_config(files)
    galaxies = load_sheet(config.galaxies.sheet, config.bands, data_dir=config.galaxies.data_dir)
    faults = []
    for row in galaxies.values():
        if row.kind != "simulated":
            data = [row.data_path(config.sources.data_dir)]
            target = target_of(
                row, data, config.galaxies, simulated=config.simulated_galaxy, bands=config.bands
            )
            faults += header_faults(target, config.galaxies)
    if faults:
        raise SheetError("\n".join(faults))
    names = " + ".join(str(path) for path in files)
    models = ", ".join(f"{name} ({model.kind})" for name, model in config.models.items()) or "none"
    print(
        f"{names}: valid; models: {models}; {config.galaxies.sheet}: {len(galaxies)} galaxies ({', '.join(galaxies)})"
    )
    return 0


def _docs(args: argparse.Namespace) -> int:
    galaxies = args.docs_dir / "galaxies.md"
    if not galaxies.is_file():
        raise FileNotFoundError(
            f"{galaxies} does not exist; go to a checkout of the project, or give its docs as --docs-dir"
        )
    # Needs torch, which `check` does not.
    from sfhnet.foreign.measure import markdown
    from sfhnet.validation.results_page import results_page

    checkout = find_checkout(args.docs_dir)
    models = sorted(path.parent for path in (checkout / "data" / "models").glob("*/metrics.json"))
    pages = {
        args.docs_dir / "commands.md": commands_page(checkout),
        args.docs_dir / "results.md": results_page(models, foreign=partial(markdown, heading="###")),
        args.docs_dir / "config.md": config_page(),
        args.docs_dir / "config.schema.json": json_schema(),
        galaxies: galaxies_table(galaxies.read_text(encoding="utf-8")),
    }
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text("utf-8") != text]
    if args.check:
        for path in stale:
            print(f"{path} is not what the code says; run `make docs` and commit it")
        return min(len(stale), 1)
    for path in stale:
        write_text(path, pages[path])
    print(f"{len(stale)} of {len(pages)} pages written, the others were current")
    return 0
