"""A small library of black bodies, made on the spot, and a history to use it with."""

import numpy as np

from pyprospect import SSPLibrary

HISTORY = {"massfunc": "snorm_burst", "mSFR": 3.0, "mpeak": 5.0, "mperiod": 3.0, "mburst": 0.5}
RUN = {**HISTORY, "Z": 0.01, "z": 0.02, "sparse": 1, "filters": None}


def make_library(wave_min=100.0, wave_max=2.5e6):
    """Black-body-like populations that cool with age, on a grid that resolves 60 km/s in the optical."""
    wave = np.unique(np.concatenate([np.geomspace(100, 2.5e6, 1500), np.arange(3600.0, 7500.0, 1.0)]))
    wave = wave[(wave >= wave_min) & (wave <= wave_max)]
    age = np.array([0, 2e6, 5e6, 1e7, 3e7, 1e8, 3e8, 1e9, 3e9, 7e9, 1.2e10])
    z = np.array([0.0004, 0.004, 0.02, 0.05])
    edges = np.concatenate([[0], (age[1:] + age[:-1]) / 2, [1.4e10]])
    temperature = 4e4 * (1 + age / 1e6) ** -0.25 * (z[:, None] / 0.02) ** -0.03
    planck = wave**-5.0 / np.expm1(1.43878e8 / wave / temperature[..., None].clip(3500))
    power = 300 * (1 + age / 2e6) ** -0.9
    spectra = planck / np.trapezoid(planck, wave, axis=-1)[..., None] * power[:, None]
    lines = 1 - 0.5 * np.exp(-(((wave - 4861) / 4) ** 2) / 2) - 0.3 * np.exp(-(((wave - 5175) / 9) ** 2) / 2)
    evolution = np.full((4, 11, 5), np.nan)
    evolution[..., 0] = (1 - 0.05 * np.log10(1 + age / 1e6)) * np.ones((4, 1))
    return SSPLibrary(z, age, edges, wave, spectra * lines + 1e-30, evolution, name="black bodies")
