"""Times of fits of a MUSE spectrum with five bands, by every way of answering, in CPU seconds of one thread.

    python speed/fit_times.py --what map nuts nested many

Rows of the table of docs/pyprospect/fits-measured.md come out as they are done.
"""

from __future__ import annotations

import argparse
import time
import warnings

import torch

from fitted_muse import CALIBRATION, PARAMETERS, add_ingredients, galaxies, load, set_up
from pyprospect.fit import Fit, fit, fit_many


def measure_map(found: Fit) -> str:
    """Find the mode from 16 starts."""
    best = found.map(n_start=16)
    return f"mode from 16 starts ({best['agreeing_starts']} agree)"


def measure_nuts(found: Fit) -> str:
    """Sample until every free parameter has 400 effective draws; the mode is part of it."""
    rows = found.sample("nuts", min_effective=400).rows()[: found.model.parameters.n_free]
    least, worst = min(row.effective for row in rows), max(row.r_hat for row in rows)
    return f"NUTS, {least:.0f} effective draws of every parameter, R-hat {worst:.3f}"


def measure_nested(found: Fit) -> str:
    """Sample for the evidence."""
    answer = found.sample("nested")
    about = answer.about
    return (
        f"nested, ln evidence {about['log_evidence']:.2f} +- {about['log_evidence_error']:.2f}, "
        f"{answer.weight_size:.0f} effective draws (Laplace: {found.log_evidence.get('laplace', float('nan')):.2f})"
    )


WAYS = {"map": measure_map, "nuts": measure_nuts, "nested": measure_nested}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_ingredients(parser)
    parser.add_argument("--what", nargs="+", choices=[*WAYS, "many"], default=[*WAYS, "many"])
    parser.add_argument("--snr", type=float, default=50.0)
    parser.add_argument("--galaxies", type=int, default=96, help="for `many`")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("default")
    model = set_up(PARAMETERS, args, history="snorm")
    data = galaxies(model, args.galaxies if "many" in args.what else 1, snr=args.snr, seed=args.seed)
    found = fit(data.take([0]), model, calibration=CALIBRATION)
    for way in args.what:
        began, wall = time.process_time(), time.monotonic()
        if way == "many":
            many = fit_many(data, model, calibration=CALIBRATION)
            text = f"{data.n} galaxies, mode + normal, {many.converged.mean():.0%} converged"
        else:
            text = WAYS[way](found)
        used, wall = time.process_time() - began, time.monotonic() - wall
        print(f"| {text} | {used:.1f} | {wall:.1f} | {load()} |", flush=True)
