"""The toy library: closed form, with the orders of magnitude of stars."""

import doctest

import numpy as np
import pytest

from pyprospect import toy_library
from pyprospect.stars import toy


def test_the_example_of_its_page_runs():
    assert doctest.testmod(toy).failed == 0


def test_it_is_the_same_each_time_and_reads_back(tmp_path):
    first, again = toy_library(), toy_library()
    np.testing.assert_array_equal(first.spectra, again.spectra)
    read = type(first).read(first.write(tmp_path / "toy.h5"))
    np.testing.assert_array_equal(read.spectra, first.spectra)
    assert read.meta == first.meta


def test_light_without_lines_is_what_the_law_of_its_age_says():
    stars = toy_library(np.geomspace(30.0, 1e8, 20_000), n_lines=0)
    light = np.trapezoid(stars.spectra, stars.wave_aa)
    np.testing.assert_allclose(light, [300 * (1 + stars.age_yr / 2e6) ** -0.9] * 4, rtol=1e-4)
    assert np.all(np.diff(light) < 0)


def test_lines_deepen_with_metallicity_and_only_take_light_away():
    wave = np.arange(4800.0, 5400.0, 0.5)
    share = toy_library(wave).spectra / toy_library(wave, n_lines=0).spectra
    assert share.max() <= 1
    magnesium = share[..., np.argmin(np.abs(wave - 5172.7))]
    assert np.all(np.diff(magnesium, axis=0) < 0)
    assert np.all(np.diff(magnesium, axis=1) < 0)
    hbeta = share[..., np.argmin(np.abs(wave - 4861.3))].mean(axis=0)
    assert 3e7 < toy_library(wave).age_yr[hbeta.argmin()] < 1e9


def test_lines_have_the_width_that_the_library_states():
    wave = np.arange(6540.0, 6586.0, 0.1)
    share = toy_library(wave, n_lines=1, fwhm_aa=4.0).spectra / toy_library(wave, n_lines=0).spectra
    depth = -np.log(share[2, 7])
    np.testing.assert_allclose(np.ptp(wave[depth > depth.max() / 2]), 4.0, atol=0.2)
    np.testing.assert_allclose(toy_library(wave, fwhm_aa=4.0).fwhm_aa([6550.0]), 4.0)


def test_no_two_ages_share_a_pattern_of_lines():
    wave = np.arange(4750.0, 7000.0, 1.0)
    depth = -np.log(toy_library(wave).spectra / toy_library(wave, n_lines=0).spectra)[2]
    assert np.corrcoef(depth)[np.triu_indices(14, 1)].max() < 0.9999


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wave_aa": np.array([0.0, 5000.0])}, r"wave_aa must be positive, it has 0"),
        ({"wave_aa": np.array([5000.0, 4000.0])}, r"wave_aa must be finite and strictly ascending"),
        ({"z": (-0.02,)}, r"z must be positive, it has -0\.02"),
        ({"fwhm_aa": 0.0}, r"fwhm_aa must be positive"),
        ({"age_edges_yr": (1e7,)}, r"at least two edges"),
        ({"age_edges_yr": (-1.0, 1e7)}, r"the first 0 or more"),
        ({"n_lines": -1}, r"n_lines is -1"),
    ],
)
def test_impossible_grids_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        toy_library(**changes)
