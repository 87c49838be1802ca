"""What tests make galaxies from: the default configuration's grid, bands and ages, MUSE's axis, gas lines, toy stars."""

from dataclasses import replace

import numpy as np

from pyprospect import toy_library
from pyprospect.gas.ionizing_light import with_ionizing_photons
from pyprospect.gas.ratios import LineRatios
from sfhnet.config import Config
from sfhnet.core.bands import PHANGS_HST
from sfhnet.core.training_grid import grid_wave_aa

BANDS = PHANGS_HST
BAND_CENTRES_AA = (2707.0, 3355.0, 4326.0, 5306.0, 8048.0)
AGE_EDGES_MYR = np.array(Config().age_bins_myr, dtype=float)
# Seven wide bins, for comparisons of programs that tell fewer ages apart.
WIDE_AGE_EDGES_MYR = np.array([0, 10, 40, 100, 320, 1000, 3200, 14000.0])
# The training grid, rest frame, and the axis of a MUSE cube, as observed; Angstrom in air.
WAVE_AA = grid_wave_aa(Config().grid)
MUSE_WAVE_AA = 4700.0 + 1.25 * np.arange(3761)


def toy_stars():
    """The toy library over what MUSE and the five bands see.

    With 600 weak lines a spectrum of S/N 30 tells velocities to 3.4 km/s, with the default's 250 to 4.1; steps of
    0.6 Angstrom add little to the width of the lines. Like a library that was joined, it notes the ionising photons of
    stars whose light it does not reach down to.
    """
    noted = {"ionizing_photons": ionizing_photons_of_toys()}
    stars = toy_library(np.arange(1800.0, 10700.0, 0.6), n_lines=600)
    return replace(stars, meta={**stars.meta, **noted})


def ionizing_photons_of_toys():
    """Photons per second of each toy population per Msun formed."""
    return with_ionizing_photons(toy_library()).meta["ionizing_photons"]


def top_hats():
    """The five bands as boxes of 600 Angstrom: name to (wavelengths, throughput)."""
    return {
        name: (np.array([c - 301.0, c - 300.0, c + 300.0, c + 301.0]), np.array([0, 1.0, 1.0, 0]))
        for name, c in zip(BANDS, BAND_CENTRES_AA, strict=True)
    }


def gas_lines():
    """Five lines with the same ratios at every metallicity and ionisation, by both codes and in diffuse gas."""
    ratio = np.array([0.35, 0.15, 0.45, 1.0, 0.32])
    return LineRatios(
        ("Hbeta", "OIII4959", "OIII5007", "Halpha", "NII6583"),
        np.array([4861.3, 4958.9, 5006.8, 6562.8, 6583.5]),
        np.array([0.004, 0.03]),
        np.array([-4.0, -2.0]),
        ratio * np.ones((2, 2, 1)),
        other=ratio * np.ones((2, 2, 1)),
        diffuse=ratio,
    )
