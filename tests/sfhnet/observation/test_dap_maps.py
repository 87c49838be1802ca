"""MAPS of the DAP: found by name or order, checked against cube and sheet, and used in the preparation."""

import numpy as np
import pytest
from astropy.io import fits

from galaxy_files import map_header
from sfhnet.observation.dap_maps import DapMaps, in_bins, read_maps

N = 6
WCS = map_header(N)
Y, X = np.mgrid[:N, :N]
VELOCITY, SIGMA = 10.0 * X - 20.0, 40.0 + Y
LABELS = np.where(Y < 1, -1, (Y // 3) * 2 + X // 3 + 5).astype(float)
PUBLIC = {"BINID": LABELS, "V_STARS": VELOCITY, "FORM_ERR_V_STARS": VELOCITY * 0 + 3, "SIGMA_STARS": SIGMA}


def write_maps(path, layers, names=True, place=WCS, **cards):
    primary = fits.PrimaryHDU()
    primary.header.update({"REDSHIFT": 650.0, **cards})
    header = place.to_header()
    hdus = [fits.ImageHDU(a, header, name=n if names else None) for n, a in layers.items()]
    fits.HDUList([primary, *hdus]).writeto(path, overwrite=True)
    return path


def read(path, **options):
    return read_maps(
        path, **{"shape": (N, N), "wcs": WCS, "redshift": 0.0022, "galaxy": "NGC0628", **options}
    )


@pytest.mark.parametrize("names", [True, False])
def test_public_maps(tmp_path, names):
    """REDSHIFT is the systemic velocity in km/s; extensions have names, or the order of the release."""
    maps = read(write_maps(tmp_path / "m.fits", PUBLIC, names))
    assert maps.systemic == pytest.approx(650.0 / 299792.458)
    np.testing.assert_array_equal(maps.velocity_kms, VELOCITY)
    np.testing.assert_array_equal(maps.sigma_kms, SIGMA)
    np.testing.assert_array_equal(np.unique(maps.bin_map), [-1, 0, 1, 2, 3])
    assert (maps.velocity_err_kms == 3).all()
    assert np.isnan(maps.sigma_err_kms).all()


def test_internal_maps(tmp_path):
    """Other layers come first, and there are no bins."""
    layers = {"FLUX": SIGMA, "SNR": SIGMA, **PUBLIC, "STELLAR_MASS_DENSITY": SIGMA}
    del layers["BINID"]
    maps = read(write_maps(tmp_path / "m.fits", layers))
    np.testing.assert_array_equal(maps.velocity_kms, VELOCITY)
    assert maps.bin_map is None
    assert maps.extensions == {
        "velocity": "V_STARS",
        "velocity_err": "FORM_ERR_V_STARS",
        "sigma": "SIGMA_STARS",
    }


def test_a_redshift_is_understood_and_a_missing_one_is_the_sheet_s(tmp_path):
    path = write_maps(tmp_path / "m.fits", PUBLIC, REDSHIFT=0.0023)
    assert read(path).systemic == 0.0023
    with fits.open(path, mode="update") as hdus:
        del hdus[0].header["REDSHIFT"]
    assert read(path).systemic == 0.0022


@pytest.mark.parametrize(
    ("layers", "cards", "options", "words"),
    [
        (PUBLIC, {}, {"shape": (9, 7)}, r"\[BINID\] has 6 x 6 spaxels, the cube has 9 x 7; use the MAPS"),
        ({"V_STARS": VELOCITY}, {}, {}, r"has no extension SIGMA_STARS \(found \['PRIMARY', 'V_STARS'\]\)"),
        ({**PUBLIC, "V_STARS": VELOCITY * np.nan}, {}, {}, r"\[V_STARS, SIGMA_STARS\] hold no spaxel with"),
        (
            PUBLIC,
            {"REDSHIFT": 2400.0},
            {},
            r"\[PRIMARY\] has REDSHIFT = 2400.0 .*\+17\d\d km/s from the sheet's",
        ),
        (
            PUBLIC,
            {},
            {"wcs": map_header(N, ra=24.18)},
            r"\[BINID\] begins 3\d\.\d arcsec from where the cube",
        ),
    ],
)
def test_maps_that_do_not_belong(tmp_path, layers, cards, options, words):
    with pytest.raises(ValueError, match=r"NGC0628: .*m\.fits " + words):
        read(write_maps(tmp_path / "m.fits", layers, **cards), **options)


def test_a_truncated_file(tmp_path):
    path = write_maps(tmp_path / "m.fits", PUBLIC)
    whole = path.read_bytes()
    path.write_bytes(whole[:-2800])
    with pytest.raises(ValueError, match=r"NGC0628: .*m\.fits is truncated: extension 4 \[SIGMA_STARS\]"):
        read(path)
    path.write_bytes(whole[:-5000])
    with pytest.raises(ValueError, match=r"m\.fits is truncated: the header of extension 4 begins at byte"):
        read(path)


def test_dispersion_of_a_bin_holds_the_rotation_inside():
    """Two halves at +-50 km/s of 40 km/s each: 64 km/s; light counts, and what is not measured does not."""
    velocity = np.array([[-50.0, 50.0, np.nan, 7.0]])
    maps = DapMaps("m", None, 0.002, velocity, velocity * 0 + 2, velocity * 0 + 40, velocity * 0 + 5, {})
    labels = np.array([[0, 0, 1, 2]])
    found = in_bins(maps, labels, 3, weight=np.ones((1, 4)))
    np.testing.assert_allclose(found.velocity_kms, [0.0, np.nan, 7.0])
    np.testing.assert_allclose(found.sigma_kms, [np.hypot(40, 50), np.nan, 40.0])
    np.testing.assert_allclose(found.velocity_err_kms, [2.0, np.nan, 2.0])
    assert in_bins(maps, labels, 3, weight=np.array([[3.0, 1, 1, 1]])).velocity_kms[0] == pytest.approx(-25.0)
