"""``sfhnet step NAME``: run one step of the workflow by hand; without a name, list them."""

from __future__ import annotations

import argparse
import ast
import os
import sys
from pathlib import Path

from sfhnet.tools.checkout import find_checkout
from sfhnet.tools.script_options import Parser, nearest

__all__ = ["add_arguments", "run", "split", "steps"]


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.usage = "sfhnet step [NAME [OPTION OF THE STEP ...]]"
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="step, followed by its own options (--help lists them); without it all steps are listed",
    )


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Split what was typed behind the name of the step: the rest is the step's own."""
    own = next((place for place, word in enumerate(words, 1) if not word.startswith("-")), len(words))
    return words[:own], words[own:]


def run(args: argparse.Namespace) -> int:
    """List the steps, or become one, so that its exit status and every signal are its own."""
    checkout = find_checkout()
    found = steps(checkout)
    if args.name is None:
        width = max(map(len, found))
        print("\n".join(f"{name:{width}}  {sentence}" for name, sentence in found.items()))
        return 0
    if args.name not in found:
        remedy = nearest(args.name, found) or "; sfhnet step lists them"
        print(f"error: there is no step {args.name}{remedy}", file=sys.stderr)
        return 2
    # The step's code is the checkout's, whatever is installed.
    paths = [str(checkout / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    script = str(checkout / "scripts" / f"{args.name}.py")
    sys.stdout.flush()
    return os.execve(sys.executable, [sys.executable, script, *args.passed_on], environment)  # noqa: S606


def steps(checkout: Path) -> dict[str, str]:
    """Return the steps by name, each with the first line of its docstring."""
    found = {}
    for script in sorted((checkout / "scripts").glob("[a-z]*.py")):
        text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
        found[script.stem] = text.partition("\n")[0]
    return found
