"""The commands by what they are for: one sentence and one example each."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import NamedTuple

from sfhnet.tools.script_options import Parser

__all__ = ["COMMANDS", "Command", "groups", "module_of", "overview", "parser_of"]


class Command(NamedTuple):
    """What a command is for, and how it may be typed; the module of its name in this folder does it."""

    group: str
    sentence: str
    example: str


# In the order of a page. Each module has add_arguments(parser) and run(args) -> exit status; one with split(words) hands on
# the words that are not its own, as args.passed_on.
COMMANDS = {
    "infer": Command(
        "Answers",
        "Apply a trained model to spectra in a FITS, HDF5, CSV or text file.",
        "sfhnet infer spectra.csv --redshift 0.005 -o posterior.h5",
    ),
    "explore": Command(
        "Answers",
        "Write one HTML page of a galaxy on which every bin can be clicked.",
        "sfhnet explore NGC3073",
    ),
    "show": Command(
        "Answers",
        "Show what is inside a product: datasets with units and axes, provenance.",
        "sfhnet show posterior.h5",
    ),
    "score": Command(
        "Answers",
        "Measure the answers of any other program on a benchmark set.",
        "sfhnet score answers.h5 --benchmark results/benchmark_sets/real_snr050.h5",
    ),
    "run": Command(
        "Workflow",
        "Run the workflow, or what is missing of it; what stands behind -- goes to Snakemake.",
        "sfhnet run galaxies --config configs/shipped.yaml --cores 4 -- --dry-run",
    ),
    "step": Command(
        "Workflow",
        "Run one step of the workflow by hand, or list the steps.",
        "sfhnet step sample_prior --shard 0 --out prior.h5",
    ),
    "train": Command(
        "Workflow",
        "Train a network for so many seconds on galaxies that are drawn meanwhile, on a CPU or a GPU.",
        "sfhnet train linear --seconds 1800 -o results/model/linear",
    ),
    "config": Command(
        "Workflow",
        "Check configuration files; write the pages of the documentation that are made from code.",
        "sfhnet config check configs/tiny.yaml",
    ),
    "sources": Command(
        "Data",
        "List, fetch and verify upstream files.",
        "sfhnet sources fetch hst_filters",
    ),
    "phangs": Command(
        "Data",
        "List, fetch and verify public PHANGS cubes, MAPS and HST images.",
        "sfhnet phangs list NGC7496",
    ),
    "models": Command(
        "Data",
        "List the trained models that come with the program.",
        "sfhnet models list",
    ),
    "versions": Command(
        "Help",
        "Show what is installed here, for a bug report.",
        "sfhnet versions",
    ),
}


def groups() -> dict[str, dict[str, Command]]:
    """Return the commands of each group, in order."""
    found: dict[str, dict[str, Command]] = {}
    for name, command in COMMANDS.items():
        found.setdefault(command.group, {})[name] = command
    return found


def module_of(name: str) -> ModuleType:
    """Return the module that does a command; it is loaded only when used."""
    return importlib.import_module(f"sfhnet.commands.{name}")


def parser_of(name: str) -> Parser:
    """Return the parser of a command."""
    command = COMMANDS[name]
    parser = Parser(
        prog=f"sfhnet {name}", description=command.sentence, epilog=f"example:\n  {command.example}"
    )
    module_of(name).add_arguments(parser)
    return parser


def overview() -> str:
    """Return all commands with a sentence and an example each."""
    lines = ["usage: sfhnet COMMAND [...]          sfhnet COMMAND --help explains its options", ""]
    lines += ["Star-formation histories with neural networks."]
    for group, commands in groups().items():
        lines += ["", group]
        for name, command in commands.items():
            lines += [f"  {name:9s} {command.sentence}", f"            {command.example}"]
    return "\n".join(lines)
