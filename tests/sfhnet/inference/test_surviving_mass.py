"""The mass that is there today, from the stellar library: as the labels of mocks have it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from astropy.io import fits

from galaxy_answers import make_answer, make_spectra
from ingredients import AGE_EDGES_MYR, toy_stars
from pyprospect.constants import Z_SUN
from pyprospect.fast.synthesizer import Synthesizer
from sfhnet.config import GridConfig
from sfhnet.core.training_grid import grid_wave_aa
from sfhnet.inference.surviving_mass import SurvivingMass
from sfhnet.mocks.labels import Labeller
from sfhnet.products.bin_table import bin_columns
from sfhnet.products.maps import write_maps


@pytest.fixture(scope="module")
def stars():
    """Toy stars of which less is left the older and the richer they are."""
    library = toy_stars()
    evolution = library.evolution.copy()
    age = np.maximum(library.age_yr, 1e6)
    evolution[:, :, 0] = 1 - 0.1 * np.log10(age / 1e6) - 2.0 * library.z[:, None]
    return replace(library, evolution=evolution)


@pytest.fixture(scope="module")
def surviving(stars):
    return SurvivingMass.of_library(stars, AGE_EDGES_MYR)


def test_less_is_left_of_older_stars(stars, surviving):
    left = surviving(np.zeros(len(AGE_EDGES_MYR) - 1))
    assert (np.diff(left) <= 1e-12).all()
    assert left[-1] < left[0] < 1
    # beyond the library the nearest metallicity counts
    far = np.full(len(AGE_EDGES_MYR) - 1, 9.0)
    np.testing.assert_allclose(surviving(far), surviving.share[-1])


def test_it_agrees_with_the_labels_of_mocks(stars, surviving, rng):
    edges_yr = 1e6 * AGE_EDGES_MYR
    labeller = Labeller(Synthesizer(stars, grid_wave_aa(GridConfig())[::40]), edges_yr, edges_yr)
    mass = torch.as_tensor(rng.dirichlet(np.ones(len(edges_yr) - 1), 6))
    # nodes of the library: between them the synthesizer weighs with log Z as well
    z = torch.as_tensor(np.repeat(rng.choice(stars.z, 6)[:, None], mass.shape[1], axis=1))
    ssp_mass, ssp_z = labeller.ssp(mass, z)
    zero = torch.zeros(6)
    labels = labeller(mass, z, ssp_mass=ssp_mass, ssp_z=ssp_z, tau_birth=zero, tau_screen=zero, bump=zero)
    expected = labels["mass_fraction_surviving"].numpy()
    found = mass.numpy() * surviving(np.log10(z.numpy() / Z_SUN))
    np.testing.assert_allclose(found.sum(axis=1), expected.sum(axis=1), rtol=2e-3)


def test_a_library_that_does_not_know_gives_none(stars):
    unknown = replace(stars, evolution=np.full_like(stars.evolution, np.nan))
    assert SurvivingMass.of_library(unknown, AGE_EDGES_MYR) is None


def test_tables_and_maps_hold_it(tmp_path, surviving):
    spectra = make_spectra(4)
    answer = make_answer(spectra)
    table = bin_columns(spectra, answer, surviving=surviving)
    fraction = (answer.mass_fraction * surviving(answer.mh)).sum(axis=1)
    np.testing.assert_allclose(table["surviving_fraction"], fraction)
    shift = table["log_mass_surviving"] - table["log_mass_formed"]
    np.testing.assert_allclose(shift, np.log10(fraction))
    path = write_maps(tmp_path / "maps.fits", spectra, answer, table=table, surviving=surviving)
    with fits.open(path) as hdus:
        total = hdus["MASS_SURVIVING_PER_AGE"].data.sum()
        np.testing.assert_allclose(total, (10 ** table["log_mass_surviving"]).sum(), rtol=1e-5)
        assert (hdus["MASS_SURVIVING_PER_AGE"].data <= hdus["MASS_PER_AGE"].data).all()
        assert "living stars and remnants" in str(hdus["MASS_SURVIVING_PER_AGE"].header["COMMENT"])
        assert hdus["LOG_MASS_SURVIVING_P16"].header["BUNIT"] == "log10 Msun"
    draws = np.repeat(answer.mass_fraction[:, None], 20, axis=1)
    sampled = replace(
        answer, samples={"mass_fraction": draws, "mh": np.repeat(answer.mh[:, None], 20, axis=1)}
    )
    with_draws = bin_columns(spectra, sampled, surviving=surviving)
    np.testing.assert_allclose(with_draws["surviving_fraction_p84"], fraction, rtol=1e-6)
