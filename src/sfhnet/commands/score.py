"""``sfhnet score ANSWERS --benchmark SET``: how good are the answers of any program?"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from sfhnet.tools.hdf5 import read_json, write_json
from sfhnet.tools.script_options import Parser
from sfhnet.validation.metrics import value_at
from sfhnet.validation.other_programs import score

__all__ = ["add_arguments", "run"]

# Columns of the table: heading -> where it stands in the metrics.
_SHOWN: dict[str, tuple[str, ...]] = {
    "cum. mass": ("cum_mae",),
    "W1 [dex]": ("w1_dex",),
    "SMAPE": ("smape_lovell",),
    **{name: ("scalars", name, "scatter") for name in ("mw_log_age", "lw_log_age", "mw_mh", "lw_mh")},
    "R2 t50": ("scalars", "t50", "r2"),
}


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument(
        "answers", type=Path, metavar="ANSWERS", help="HDF5: mass_fraction, mh; see docs/validation.md"
    )
    parser.add_argument(
        "--benchmark", type=Path, required=True, metavar="FILE", help="results/benchmark_sets/CASE.h5"
    )
    parser.add_argument(
        "--beside",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="metrics.json of networks, to compare with",
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="all metrics, as JSON")


def run(args: argparse.Namespace) -> int:
    """Do it; give the exit status."""
    scores = score(args.benchmark, args.answers)
    rows = {args.answers.stem: scores}
    for path in args.beside:
        info = read_json(path)
        if (
            info["benchmarks_sha256"].get(scores["case"].removesuffix("_nobands"))
            != scores["benchmark_sha256"]
        ):
            raise ValueError(f"{path} was measured on other mocks or noise than {args.benchmark}")
        found = info["cases"][scores["case"]]
        rows |= {info["model"]: found["model"], "prior mean": found["prior_mean"]}
    print(f"{scores['case']}: {scores['n']} galaxies, {scores['failed']} failed")
    if args.beside:
        print("(the networks on all galaxies of the set)")
    print(f"{'':20s}" + "".join(f"{heading:>12s}" for heading in _SHOWN))
    for name, metrics in rows.items():
        values = [value_at(metrics, key) for key in _SHOWN.values()]
        print(f"{name[:20]:20s}" + "".join(f"{'-' if math.isnan(v) else f'{v:.3f}':>12s}" for v in values))
    if args.out:
        write_json(args.out, json.loads(json.dumps(scores), parse_constant=lambda _: None))
    return 0
