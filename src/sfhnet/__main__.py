"""Commands for people: ``python -m sfhnet sources|config|show ...``; ``--help`` lists them."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

# Each command is a module with add_arguments(parser) and run(args) -> exit status, loaded only when used.
COMMANDS = {
    "sources": ("sfhnet.commands.sources", "list, fetch and verify upstream files"),
    "phangs": ("sfhnet.commands.phangs", "list, fetch and verify public PHANGS cubes, MAPS and HST images"),
    "config": ("sfhnet.commands.config", "check configuration files; write their documentation"),
    "infer": ("sfhnet.commands.infer", "apply a trained model to spectra in a FITS, HDF5, CSV or text file"),
    "score": ("sfhnet.commands.score", "measure the answers of any other program on a benchmark set"),
    "show": (
        "sfhnet.commands.show",
        "show what is inside a product: datasets with units and axes, provenance",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="sfhnet", description="Star-formation histories with neural networks."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in argv[:1]:
            importlib.import_module(module).add_arguments(sub)
    args = parser.parse_args(argv)
    try:
        return importlib.import_module(COMMANDS[args.command][0]).run(args)
    except KeyboardInterrupt:
        print("interrupted; nothing half-written was left behind", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain again when it closes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
