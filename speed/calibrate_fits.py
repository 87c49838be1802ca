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

import numpy as np
import torch

from pyprospect import toy_library
from pyprospect.fit import Data, GalaxyModel, Photometry, Spectrum, Uniform
from pyprospect.fit.simulated import rank_test, ranks

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
    "nuts": {"n_chain": 6, "min_effective": 100},
    "nested": {"n_live": 300, "n_effective": 400},
    "laplace": {"n_draw": 500},
}


def make_model() -> GalaxyModel:
    """Return the model whose prior the mocks are drawn from."""
    ones = np.ones(WAVE_AA.size), np.ones(len(BANDS))
    data = Data(
        Spectrum(WAVE_AA, ones[0], ones[0]),
        Photometry(BANDS, *2 * (ones[1],)),
        redshift=0.005,
        lum_dist_mpc=20.0,
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
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = make_model()
    warnings.simplefilter("ignore")
    began = time.process_time()

    def sample(found):
        return found.sample(args.way, **OPTIONS[args.way])

    found = ranks(model, args.mocks, sample, snr=args.snr, seed=args.seed)
    seconds = (time.process_time() - began) / args.mocks
    result = rank_test(found)
    print(
        f"{args.mocks} mocks by {args.way}, S/N {args.snr:g}, {seconds:.2f} CPU s each, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'parameter':14s}{'deviation':>11s}{'95 % band':>11s}{'p':>9s}")
    for i, name in enumerate(model.parameters.labels):
        row = (result[k][i] for k in ("deviation", "band", "p_value"))
        print("{:14s}{:11.3f}{:11.3f}{:9.3f}".format(name, *row))
    sys.exit(int((result["deviation"] > result["band"]).any()))
