"""The grid and resolution of the training spectra: one value, in configuration, mocks and models."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pyprospect.fast.folding import sigma_to_add_aa
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.config import GridConfig
from sfhnet.core.training_grid import TrainingGrid, check_same_grid, grid_wave_aa, training_grid


def test_the_grid_is_that_of_the_configuration():
    wave_aa = grid_wave_aa(GridConfig())
    assert wave_aa[0] == 4750.0
    assert wave_aa[-1] == 7350.0
    np.testing.assert_array_equal(np.diff(wave_aa), 1.25)


def test_the_resolution_is_what_broadening_the_library_gives(ssp_library):
    grid = training_grid(GridConfig(wave_max_aa=9350.0), ssp_library)
    own_aa = ssp_library.fwhm_aa(grid.wave_aa)
    added_aa = sigma_to_add_aa(grid.wave_aa, GridConfig().veldisp_kms, muse_udf10_fwhm_aa, own_fwhm_aa=own_aa)
    np.testing.assert_allclose(grid.sigma_aa, np.hypot(own_aa / np.sqrt(8 * np.log(2)), added_aa), rtol=1e-9)
    # E-MILES is 60 km/s wide beyond 8950 Angstrom: broader than MUSE, and it counts.
    found = np.interp([7000.0, 8960.0, 9350.0], grid.wave_aa, grid.sigma_aa)
    np.testing.assert_allclose(found, [3.661, 4.828, 5.039], atol=1e-3)


def test_a_library_without_a_stated_resolution_is_as_sharp_as_the_instrument(toy_ssp):
    grid = training_grid(GridConfig(veldisp_kms=0.0), replace(toy_ssp, meta={}))
    fwhm_aa = muse_udf10_fwhm_aa(grid.wave_aa)
    np.testing.assert_allclose(grid.sigma_aa * np.sqrt(8 * np.log(2)), fwhm_aa, rtol=1e-9)


def test_a_training_over_dispersions_has_a_narrowest_and_a_broadest_width(toy_ssp):
    one, many = (
        training_grid(GridConfig(veldisp_kms=20.0, veldisp_max_kms=most), toy_ssp) for most in (None, 350.0)
    )
    np.testing.assert_array_equal(many.sigma_aa, one.sigma_aa)
    np.testing.assert_array_equal(one.broadest_aa, one.sigma_aa)
    np.testing.assert_allclose(
        many.broadest_aa, training_grid(GridConfig(veldisp_kms=350.0), toy_ssp).sigma_aa, rtol=1e-12
    )
    again = TrainingGrid.from_json(json.loads(json.dumps(many.to_json())))
    np.testing.assert_array_equal(again.broadest_aa, many.broadest_aa)


@pytest.mark.parametrize("step_aa", [1.25, 1.3])
def test_a_model_keeps_it_to_the_last_digit(toy_ssp, step_aa):
    config = GridConfig(wave_step_aa=step_aa, wave_max_aa=4750.0 + 2000 * step_aa)
    grid = training_grid(config, toy_ssp)
    again = TrainingGrid.from_json(json.loads(json.dumps(grid.to_json())))
    np.testing.assert_array_equal(again.wave_aa, grid.wave_aa)
    np.testing.assert_array_equal(again.sigma_aa, grid.sigma_aa)
    assert again.made_of == {"lsf": "muse_udf10", "veldisp_kms": 150.0, "library": "toy"}


def test_the_shipped_model_has_that_of_the_default_library(root, ssp_library):
    info = json.loads((root / "data" / "models" / "flow" / "model.json").read_text("utf-8"))
    shipped, made = TrainingGrid.from_json(info), training_grid(GridConfig(), ssp_library)
    np.testing.assert_array_equal(shipped.wave_aa, made.wave_aa)
    np.testing.assert_allclose(shipped.sigma_aa, made.sigma_aa, rtol=1e-12)
    assert shipped.made_of == made.made_of


def test_a_model_of_another_grid_says_what_to_write(toy_ssp):
    long = GridConfig(wave_max_aa=9350.0)
    info = json.loads(json.dumps(training_grid(long, toy_ssp).to_json()))
    check_same_grid(info, long, "mine")
    with pytest.raises(
        ValueError, match=r"mine .* \{wave_max_aa: 7350.0\}; give grid: \{wave_max_aa: 9350.0\}"
    ):
        check_same_grid(info, GridConfig(), "mine")


def test_widths_that_are_none():
    wave_aa = grid_wave_aa(GridConfig())
    with pytest.raises(ValueError, match=r"training_sigma_aa has shape \(3,\), the training grid \(2081,\)"):
        TrainingGrid(wave_aa, np.ones(3), {})
    with pytest.raises(ValueError, match="finite and above zero"):
        TrainingGrid(wave_aa, np.zeros(wave_aa.size), {})
