"""The page docs/commands.md, written from the commands' own parsers."""

from __future__ import annotations

import argparse
from pathlib import Path

from sfhnet.commands.catalogue import groups, parser_of
from sfhnet.commands.step import steps
from sfhnet.tools.script_options import Parser

__all__ = ["commands_page"]

_HEAD = """<!-- Written by `make docs` from src/sfhnet/commands and scripts/; edit these, not this page. -->
# Commands

Everything a person types is `sfhnet COMMAND` (or `python -m sfhnet COMMAND`; `.venv/bin/sfhnet` where the environment of `make` is not active).
`sfhnet` alone lists the commands, `sfhnet COMMAND --help` explains one. A mistyped command or option is answered with the nearest one. Exit status: 0 done; 1 it could not be done, one line says why and what to
do; 2 typed wrongly; 130 interrupted with Ctrl-C.

An option means the same wherever it is taken: `--config` names overlays on `config.yaml` (of the working directory if it has one, else the project's), the
later ones on top.
"""
_STEPS = """## Steps

What `sfhnet step NAME` runs is `scripts/NAME.py`, as the workflow does ([running](running.md#steps)). Every step takes `--config`, `--log` and `--threads`.

| step | what it does |
|---|---|
"""


def commands_page(checkout: Path) -> str:
    """Write the page; the steps are those of a checkout."""
    parts = [_HEAD]
    for group, commands in groups().items():
        parts.append(f"## {group}\n")
        for name, command in commands.items():
            parts.append(f"### sfhnet {name}\n\n{command.sentence}\n\n    {command.example}\n")
            if rows := _rows(parser_of(name)):
                parts.append("| option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n")
    rows = [f"| `{name}` | {_cell(sentence)} |" for name, sentence in steps(checkout).items()]
    return "\n".join([*parts, _STEPS + "\n".join(rows) + "\n"])


def _rows(parser: Parser) -> list[str]:
    return [
        f"| {_spelled(action)} | {_cell(action.help or '')}{_required(action)} |"
        for action in parser._actions
        if action.dest != "help"
    ]


def _spelled(action: argparse.Action) -> str:
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    if action.nargs == 0:
        return names
    value = (
        "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    )
    value = f"{value} ..." if action.nargs in ("+", "*") else value
    return f"{names} `{_cell(value)}`".strip()


def _required(action: argparse.Action) -> str:
    return " (must be given)" if action.required and action.option_strings else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
