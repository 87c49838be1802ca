"""Files of many spectra are read some rows at a time, and give what they give as a whole."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from sfhnet.observation import spectrum_files
from sfhnet.observation.spectrum_files import read_spectra
from sfhnet.observation.stored_spectra import StoredRows

N, N_WAVE = 40, 300


@pytest.fixture
def spectra(rng, monkeypatch):
    monkeypatch.setattr(spectrum_files, "MANY", 10)
    flux = rng.uniform(1, 2, (N, N_WAVE)).astype(np.float32)
    return 4800.0 + np.arange(N_WAVE), flux, (0.1 * flux).astype(np.float32), rng.random((N, N_WAVE)) < 0.1


def hdf5(path, wave, flux, sigma, mask):
    with h5py.File(path, "w") as file:
        # descending, and inverse variances: what is turned round and converted is so in every part
        file["wave"], file["flux"], file["ivar"], file["mask"] = wave[::-1], flux, sigma**-2.0, mask
        file["flux"].attrs["unit"] = file["flux"].attrs["units"] = "1e-17 erg/s/cm2/Hz"


def image(path, wave, flux, sigma, mask):
    header = fits.Header(
        {"CTYPE1": "AWAV", "CUNIT1": "Angstrom", "CRVAL1": wave[0], "CRPIX1": 1.0, "CDELT1": 1.0}
    )
    hdus = [fits.ImageHDU(flux, header, name="FLUX"), fits.ImageHDU(sigma, name="ERR")]
    fits.HDUList([fits.PrimaryHDU(), *hdus, fits.ImageHDU(mask.astype("u1"), name="DQ")]).writeto(
        path, checksum=True
    )


@pytest.mark.parametrize(("name", "write"), [("a.h5", hdf5), ("a.fits", image)])
def test_parts_are_those_of_the_whole(spectra, name, write, tmp_path):
    write(tmp_path / name, *spectra)
    there = read_spectra(tmp_path / name)
    parts = read_spectra(tmp_path / name, stored=True)
    assert isinstance(parts.flux, StoredRows)
    assert isinstance(there.flux, np.ndarray)
    for part in ("flux", "sigma", "good"):
        values = getattr(parts, part)
        assert np.shape(values) == (N, N_WAVE)
        joined = np.concatenate([values[start : start + 7] for start in range(0, N, 7)])
        assert np.array_equal(joined, getattr(there, part))
    assert np.array_equal(parts.wave_aa, there.wave_aa)
    assert parts.flux_unit_cgs == there.flux_unit_cgs
    assert any("leaves out" in note and "that were looked at" in note for note in parts.notes)


def test_a_spectrum_whose_pixels_are_all_masked_spoils_no_other(spectra, tmp_path):
    mask = np.zeros((N, N_WAVE))
    mask[10:20] = 1
    hdf5(tmp_path / "a.h5", *spectra[:3], mask)
    good = read_spectra(tmp_path / "a.h5", stored=True).good
    assert not good[10:20].any()
    assert good[20:30].all()
