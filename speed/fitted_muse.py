"""What the measurements of fits share: a MUSE spectrum with five HST bands of a galaxy that the model itself made."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyprospect import SSPLibrary
from pyprospect.fit import Calibration, Data, GalaxyModel, Photometry, Spectrum, Uniform
from pyprospect.fit.simulated import mock, together
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.mocks.filters_and_lines import load_bands, load_lines
from sfhnet.tools import script_options
from sfhnet.tools.random_streams import stream

BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
REDSHIFT, DISTANCE_MPC = 0.002, 9.8
CALIBRATION = Calibration(8, 0.02, level=0.05)
PARAMETERS = {
    "log_mass": Uniform(5.0, 12.0),
    "mpeak": Uniform(-2.0, 13.0),
    "mperiod": Uniform(0.3, 8.0),
    "mskew": Uniform(-0.5, 1.5),
    "mh": Uniform(-1.5, 0.3),
    "tau_birth": Uniform(0.0, 3.0),
    "tau_screen": Uniform(0.0, 2.0),
    "log_line_scale": Uniform(-1.5, 0.5),
    "veldisp_kms": Uniform(60.0, 250.0),
}


def add_ingredients(parser: argparse.ArgumentParser) -> None:
    """Declare where library, curves and lines are."""
    script_options.add_options(parser, "ssp", "filters", "mappings", "cloudy", required=False)
    data = Path("data")
    parser.set_defaults(
        ssp=Path("results/ssp/emiles_bc03.h5"),
        filters=data / "hst_filters",
        mappings=data / "mappings51" / "NB_HII_grid.fits.gz",
        cloudy=next(iter(sorted((data / "cloudy_lines").glob("*.fits"))), data / "cloudy_lines"),
    )


def set_up(parameters: dict[str, Any], args: argparse.Namespace, **options: Any) -> GalaxyModel:
    """Return the model of one galaxy seen by MUSE, 4750 to 9350 Angstrom, and in five bands."""
    wave = np.arange(4750.0, 9350.0, 1.25)
    ones = np.ones(wave.size)
    bands = load_bands(args.filters, BANDS)
    data = Data(
        Spectrum(wave, ones, ones, lsf_fwhm_aa=muse_udf10_fwhm_aa),
        Photometry(bands, np.ones(len(bands)), np.ones(len(bands))),
        redshift=REDSHIFT,
        lum_dist_mpc=DISTANCE_MPC,
    )
    lines = load_lines(args.mappings, 2000.0, 10500.0, cloudy=args.cloudy)
    return GalaxyModel(SSPLibrary.read(args.ssp), data, parameters, lines=lines, **options)


def galaxies(model: GalaxyModel, n: int, *, snr: float, seed: int) -> Data:
    """Return n mocks from the middle of the model's prior."""
    rng = stream("speed.fits", seed)
    u = torch.as_tensor(0.7 * rng.standard_normal((n, model.parameters.n_free)))
    many = [mock(model, model.parameters.values(row[None]), snr=snr, band_error=0.03, rng=rng) for row in u]
    return together(many)


def load() -> str:
    """Return the machine's load, to stand beside a time."""
    return f"load {os.getloadavg()[0]:.1f}"
