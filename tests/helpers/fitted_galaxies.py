"""Small galaxies to fit: toy stars on few pixels and three bands, with a known truth and noise."""

import numpy as np
import torch

from pyprospect import toy_library
from pyprospect.fit import Data, GalaxyModel, Photometry, Spectrum, Uniform

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
    "tau_birth": lambda p: 2.0 * p["tau_screen"],
}
TRUTH = {"log_mass": 9.3, "mpeak": 7.0, "mh": -0.4, "tau_screen": 0.4}


def stars():
    """The toy library over what the grid and the bands see."""
    return toy_library(np.arange(2800.0, 8700.0, 2.0), n_lines=60)


def empty_data(n=1, *, spectrum=True, bands=True):
    """Data of the right shape whose fluxes are all one."""
    ones = np.ones((n, WAVE_AA.size)), np.ones((n, len(BANDS)))
    return Data(
        Spectrum(WAVE_AA, ones[0], ones[0]) if spectrum else None,
        Photometry(BANDS, ones[1], ones[1]) if bands else None,
        redshift=0.005,
        lum_dist_mpc=20.0,
    )


def observed(model, values, *, snr=20.0, band_error=0.03, rng, **photometry):
    """Noisy data of galaxies with these values (each (n,))."""
    with torch.no_grad():
        light = model.predict(values)
    flux, band = light.spectrum.numpy(), light.bands.numpy()
    n = len(band)
    shape = empty_data(n)
    error = flux / snr
    spectrum = None
    if flux.shape[1]:
        spectrum = Spectrum(WAVE_AA, flux + error * rng.standard_normal(flux.shape), error)
    noisy = band * (1 + band_error * rng.standard_normal(band.shape))
    to_jansky = shape.photometry.jansky_per_flam
    bands = Photometry(BANDS, noisy * to_jansky, band_error * band * to_jansky, **photometry)
    return Data(spectrum, bands, redshift=0.005, lum_dist_mpc=20.0)


def true_values(model, **changed):
    """The truth as the model takes it."""
    values = {name: torch.tensor([value], dtype=torch.float64) for name, value in (TRUTH | changed).items()}
    return model.parameters.values(model.parameters.to_normal({k: v.numpy() for k, v in values.items()}))


def make_model(library, data=None, parameters=None, **options):
    """The model of these galaxies."""
    return GalaxyModel(
        library,
        empty_data() if data is None else data,
        parameters or PARAMETERS,
        **{"history": "snorm", **options},
    )
