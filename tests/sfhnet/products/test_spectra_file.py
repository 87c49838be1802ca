"""Spectra of bins as FITS: what other programs find in it."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from explored_galaxy import make_checked
from sfhnet.config import GridConfig
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.products.spectra_file import write_bin_spectra


@pytest.fixture(scope="module")
def galaxy():
    spectra, answer, predictive, table = make_checked(4)
    mask = spectra.mask.copy()
    mask[2, 50:60] = False
    return replace(spectra, mask=mask), answer, predictive, table


@pytest.fixture(scope="module")
def grid(galaxy):
    wave = galaxy[0].wave_aa
    return TrainingGrid(wave, 2.5 + 1e-4 * (wave - wave[0]), {"lsf": GridConfig().lsf})


def written(path, galaxy, grid, **changes):
    spectra, answer, predictive, table = galaxy
    options = {"table": table, "predictive": predictive, "grid": grid} | changes
    return fits.open(write_bin_spectra(path, spectra, answer, **options))


def test_spectra_and_models_are_there_with_units(tmp_path, galaxy, grid):
    spectra, answer, predictive, table = galaxy
    with written(tmp_path / "s.fits", galaxy, grid, provenance={"git_commit": "abc"}) as hdus:
        hdus.verify("exception")
        assert "git_commit abc" in str(hdus[0].header["HISTORY"])
        cgs = u.erg / u.s / u.cm**2 / u.AA
        for name in ("FLUX", "STD", "MODEL", "MODEL_P16", "MODEL_P84"):
            assert u.Unit(hdus[name].header["BUNIT"]).to(cgs) == pytest.approx(spectra.flux_unit_cgs)
        np.testing.assert_allclose(hdus["FLUX"].data, spectra.flux, rtol=1e-6)
        np.testing.assert_allclose(hdus["STD"].data, spectra.sigma, rtol=1e-6)
        np.testing.assert_array_equal(hdus["MASK"].data == 1, ~spectra.mask)
        level = 10.0 ** answer.log_scale[:, None]
        refined = predictive.models["refined"][:, : spectra.wave_aa.size].astype(float) * level
        np.testing.assert_allclose(hdus["MODEL"].data, refined, rtol=1e-6)
        np.testing.assert_allclose(hdus["LSF"].data, 2.3548 * grid.sigma_aa, rtol=1e-4)
        np.testing.assert_array_equal(hdus["BINS"].data["flags"], np.asarray(table["flags"]))
        band = spectra.band_names[0]
        np.testing.assert_allclose(hdus["BINS"].data[band], spectra.band_flux[:, 0] * spectra.flux_unit_cgs)
        np.testing.assert_array_equal(hdus["BIN"].data, spectra.bin_map)


def test_wavelengths_are_in_the_header(tmp_path, galaxy, grid):
    spectra = galaxy[0]
    with written(tmp_path / "s.fits", galaxy, grid) as hdus:
        for name in ("FLUX", "MASK", "MODEL"):
            wcs = WCS(hdus[name].header)
            last = spectra.wave_aa.size - 1
            wave, row = wcs.wcs_pix2world([[0, 3], [last, 3]], 0).T
            np.testing.assert_allclose(wave * 1e10, spectra.wave_aa[[0, last]], rtol=1e-9)
            np.testing.assert_allclose(row, 3)
        assert hdus["FLUX"].header["CTYPE1"] == "AWAV"
        assert WCS(hdus["BIN"].header).has_celestial


def test_another_flux_unit_is_multiplied_in(tmp_path, galaxy, grid):
    spectra, *rest = galaxy
    odd = (replace(spectra, flux_unit_cgs=3.5e-18), *rest)
    with written(tmp_path / "s.fits", odd, grid) as hdus:
        np.testing.assert_allclose(hdus["FLUX"].data, 3.5e-18 * spectra.flux, rtol=1e-6)
        assert u.Unit(hdus["FLUX"].header["BUNIT"]) == u.erg / u.s / u.cm**2 / u.AA


def test_unchecked_bins_have_no_models(tmp_path, galaxy, grid):
    without = replace(galaxy[2], models={})
    with written(tmp_path / "s.fits", galaxy, grid, predictive=without) as hdus:
        assert "FLUX" in hdus
        assert "MODEL" not in hdus
    with written(tmp_path / "t.fits", galaxy, grid, predictive=None) as hdus:
        assert "MODEL" not in hdus
