"""Fixtures of the sfhnet tests: real ingredients of the forward model, built once a session."""

import numpy as np
import pytest

from pyprospect.ssp import SSPLibrary


@pytest.fixture(scope="session")
def ssp_library(upstream):
    """The pipeline's SSP library: E-MILES, BC03-MILES below 63 Myr, as scripts/build_ssp.py builds it."""
    from pyprospect.ssp_merge import repair_holes

    old = SSPLibrary.read(upstream("emiles")).trim(1680.0, 11000.0)
    young = SSPLibrary.read(upstream("bc03_miles") / "bc03_miles_stellar_grids.fits")
    return SSPLibrary.merge(young, repair_holes(old, young), seam_age_yr=63e6).select_ages(14.1e9)


@pytest.fixture(scope="session")
def hst_bands(upstream):
    """The five WFC3/UVIS curves."""
    from sfhnet.ingredients import load_bands

    return load_bands(upstream("hst_filters"), ("F275W", "F336W", "F438W", "F555W", "F814W"))


@pytest.fixture(scope="session")
def mappings_file(upstream):
    """HII-region line ratios of MAPPINGS 5.1."""
    return upstream("mappings51") / "NB_HII_grid.fits.gz"


@pytest.fixture(scope="session")
def toy_ssp():
    """A small smooth SSP library that needs no files: 3 Z, 12 ages, 1800-9800 Angstrom, ends at 14 Gyr."""
    z = np.array([0.004, 0.019, 0.03])
    edges = np.concatenate([[0.0], np.geomspace(3e6, 1.4e10, 12)])
    edges[np.argmin(np.abs(edges - 1e7))] = 1e7
    age = 0.5 * (edges[1:] + edges[:-1])
    wave = np.arange(1800.0, 9800.0, 2.0)
    hot = 3.0e4 * (age / 1e6) ** -0.25
    planck = 1.0 / (wave / 5000.0) ** 5 / np.expm1(1.4388e8 / (wave * hot[:, None]))
    bump = 1.0 + 0.1 * np.sin(wave / 40.0) + 0.2 * z[:, None, None] / 0.03 * np.cos(wave / 65.0)
    spectra = 1e-3 * (age[:, None] / 1e7) ** -0.8 * planck / planck.mean(axis=1, keepdims=True) * bump
    evolution = np.broadcast_to((1 - 0.05 * np.arange(12))[None, :, None], (3, 12, 5)).copy()
    return SSPLibrary(z, age, edges, wave, spectra, evolution, name="toy", meta={"medium": "air"})
