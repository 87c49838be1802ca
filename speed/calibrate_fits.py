"""Simulation-based calibration of fits, and their times: toy stars, a known prior, every way of sampling.

    python speed/calibrate_fits.py --mocks 200 --way nuts

The 95 % band of the table is what uniform ranks stay within; a parameter outside it is sampled wrongly.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from pyprospect import toy_library
from pyprospect.fit import Data, GalaxyModel, Photometry, Spectrum, Uniform
from pyprospect.fit.simulated import rank_test, ranks, ranks_together

WAVE_AA = np.arange(4800.0, 6400.0, 10.0)
BANDS = {
    f"box{c}": (np.array([c - 301.0, c - 300.0, c + 300.0, c + 301.0]), np.array([0.0, 1.0, 1.0, 0.0]))
    for c in (3400, 5300, 8000)
}
PARAMETERS = {
    "log_mass": Uniform(7.0, 11.0),
    "mpeak": Uniform(2.0, 12.0),
    "mperiod": 1.5,
    "mh": Uniform(-1.5, 0.3),
    "tau_screen": Uniform(0.0, 1.5),
}
OPTIONS = {
    "nuts": {"n_chain": 4, "n_draw": 100},
    "nested": {"n_live": 300, "n_effective": 400, "n_networks": 0},
    "laplace": {"n_draw": 500},
}


# Mocks after which the ranks are written; those of chains are sampled together.
_TOGETHER = {"nuts": 40, "nested": 5, "laplace": 20}


def make_model(n: int) -> GalaxyModel:
    """Return the model of n galaxies whose prior the mocks are drawn from."""
    ones = np.ones((n, WAVE_AA.size)), np.ones((n, len(BANDS)))
    data = Data(
        Spectrum(WAVE_AA, ones[0], ones[0]),
        Photometry(BANDS, *2 * (ones[1],)),
        redshift=np.full(n, 0.005),
        lum_dist_mpc=np.full(n, 20.0),
    )
    library = toy_library(np.arange(2800.0, 8700.0, 2.0), n_lines=60)
    return GalaxyModel(library, data, PARAMETERS, history="snorm")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocks", type=int, default=200)
    parser.add_argument("--way", choices=sorted(OPTIONS), default="nuts")
    parser.add_argument("--snr", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, help="file of the ranks so far (.npy); a run that was stopped goes on from it"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    options, step = OPTIONS[args.way], _TOGETHER[args.way]
    model = make_model(step if args.way == "nuts" else 1)
    warnings.simplefilter("ignore")
    began = time.process_time()
    parts = [np.zeros((0, model.parameters.n_free))]
    if args.out and args.out.is_file():
        parts = [np.load(args.out)]
    before = len(parts[0])
    for first in range(before, args.mocks, step):
        if args.way == "nuts":
            new = ranks_together(model, step, snr=args.snr, seed=args.seed, first=first, **options)
        else:
            new = ranks(
                model,
                step,
                lambda f: f.sample(args.way, **options),
                snr=args.snr,
                seed=args.seed,
                first=first,
            )
        parts.append(new)
        if args.out:
            np.save(args.out, np.concatenate(parts))
        done = first + step
        print(f"{done} mocks, {(time.process_time() - began) / (done - before):.2f} CPU s each", flush=True)
    found = np.concatenate(parts)
    result = rank_test(found)
    print(f"{len(found)} mocks by {args.way}, S/N {args.snr:g}, load {os.getloadavg()[0]:.1f}")
    print("| parameter | largest deviation | 95 % band | p |")
    print("|---|---|---|---|")
    for i, name in enumerate(model.parameters.labels):
        row = (result[k][i] for k in ("deviation", "band", "p_value"))
        print("| `{}` | {:.3f} | {:.3f} | {:.2f} |".format(name, *row))
    sys.exit(int((result["deviation"] > result["band"]).any()))
