"""Draw the rules of the workflow for docs/: ``snakemake --rulegraph | python docs_site/rule_graph.py OUT.svg``.

Rules that fetch upstream files are left out, and so are arrows that longer ways imply. Needs graphviz.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Rooms of the workflow, by what the names of their rules hold; the first that fits counts.
COLOURS = {
    "galaxy": "#cfe3f1",
    "plot|report|explore": "#e6e6e6",
    "train|calibrate|validate|learn|claims": "#fbe0c8",
    "": "#d3ecdf",
}
LEFT_OUT = ("fetch_", "all")


def read(graph: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the rules, number -> name, and the arrows between their numbers."""
    rules = dict(re.findall(r'^\s*(\d+)\[label = "([^"\\]+)', graph, flags=re.MULTILINE))
    return rules, re.findall(r"^\s*(\d+) -> (\d+)", graph, flags=re.MULTILINE)


def dot(rules: Mapping[str, str], arrows: Sequence[tuple[str, str]]) -> str:
    """Return the graph to draw."""
    kept = {number: name for number, name in rules.items() if not name.startswith(LEFT_OUT)}
    lines = [
        "digraph rules {",
        'bgcolor="transparent"; rankdir=LR; ranksep=0.35; nodesep=0.12;',
        'node [shape=box, style="filled,rounded", penwidth=0, fontname="sans-serif", fontsize=11, height=0.3];',
        'edge [color="#888888", arrowsize=0.5];',
    ]
    for name in kept.values():
        colour = next(colour for words, colour in COLOURS.items() if re.search(words, name))
        lines.append(f'"{name}" [fillcolor="{colour}"];')
    lines += [f'"{kept[a]}" -> "{kept[b]}";' for a, b in arrows if a in kept and b in kept]
    return "\n".join([*lines, "}"])


if __name__ == "__main__":
    rules, arrows = read(sys.stdin.read())
    if not rules:
        sys.exit("no rule in what was read; pipe the output of snakemake --rulegraph into this")
    short = subprocess.run(["tred"], input=dot(rules, arrows), capture_output=True, text=True, check=True)
    drawn = subprocess.run(["dot", "-Tsvg"], input=short.stdout, capture_output=True, text=True, check=True)
    # without the comments that name the version of graphviz
    Path(sys.argv[1]).write_text(re.sub(r"<!--.*?-->\n?", "", drawn.stdout, flags=re.DOTALL))
