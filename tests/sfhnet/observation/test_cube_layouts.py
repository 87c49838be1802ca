"""Cubes of other instruments: one galaxy, seen by each, comes out the same; what a file does not say is asked for."""

from functools import partial

import numpy as np
import pytest
from astropy.io import fits

import instrument_cubes as made
from ingredients import BANDS
from sfhnet.config import GalaxiesConfig, GridConfig
from sfhnet.core.flags import Flag
from sfhnet.observation.cube import open_cube
from sfhnet.observation.cube_layout import CUBES
from sfhnet.observation.galaxy_files import Target
from sfhnet.observation.prepare import prepare
from sfhnet.observation.scatter import scatter_variance
from sfhnet.sources.sheet_row import Galaxy

OTHER = {"lsf": "R=2200"}
LAYOUTS = {
    "MUSE WFM-NOAO-N": (made.write_muse, {}),
    "MUSE WFM-AO-N": (partial(made.write_muse, mode="WFM-AO-N"), {}),
    "MUSE NFM-AO-N": (partial(made.write_muse, mode="NFM-AO-N", pixel_arcsec=0.025), {}),
    "MaNGA LOGCUBE": (made.write_manga, {}),
    "MaNGA LOGCUBE, by LSFPOST and header": (partial(made.write_manga, resolution="LSFPOST"), {}),
    "CALIFA V500": (made.write_califa, {}),
    "CALIFA COMB": (partial(made.write_califa, setup="COMB"), {}),
    "KCWI BL MEDIUM": (made.write_kcwi, {}),
    "FITS cube": (made.write_other, OTHER),
    "FITS cube, per pixel": (partial(made.write_other, unit="1e-17 erg/s/cm2/pixel"), OTHER),
    "FITS cube, f_nu": (partial(made.write_other, unit="uJy"), OTHER),
    "FITS cube, cgs": (partial(made.write_other, unit="erg/s/cm2/Angstrom"), OTHER),
    "FITS cube, no errors": (partial(made.write_other, errors=None), OTHER),
    "cube described in the sheet": (
        partial(made.write_other, errors="SECOND", names=("FIRST",), ctype="LINEAR"),
        {"lsf": "R=2200", "layout": "flux=first; sigma=SECOND; medium=air"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_instrument_sees_the_same_galaxy(tmp_path, toy_ssp, rng, name):
    write, words = LAYOUTS[name]
    path = write(tmp_path / "cube.fits", toy_ssp, rng)
    target = Target("G", "cube", path, made.REDSHIFT, 15.0, 0.0, bins="all", **words)
    config = GalaxiesConfig(kinematics_window_aa=(4700.0, 7000.0))
    found = prepare(target, config, GridConfig(), band_names=BANDS, ssp=toy_ssp)
    assert found.n == 1
    assert found.meta["instrument"] == name.split(",")[0]
    # Kinematics tell whether wavelengths are in the right medium and the line-spread function is the file's own.
    speed = found.meta["velocity_systemic_kms"] - 299792.458 * np.log1p(made.REDSHIFT)
    assert speed == pytest.approx(made.VELOCITY_KMS, abs=5)
    # CALIFA's own is twice as wide as what is to be found.
    assert found.sigma_kms[0] == pytest.approx(made.SIGMA_KMS, abs=12 if "CALIFA" in name else 8)
    # Units: the sum of all good spaxels.
    n_good = found.meta["n_spaxels_good"]
    assert n_good == (15 if "MaNGA" in name else 16)
    near = np.abs(found.wave_aa * (1 + found.redshift[0]) - 5500) < 100
    level = np.mean(found.flux[0][near & found.mask[0]]) * found.flux_unit_cgs / (1 + found.redshift[0])
    assert level == pytest.approx(made.LEVEL_CGS * n_good, rel=0.02)
    # Errors: what was put in, whatever the file calls it, and found where it says nothing.
    step_aa = np.median(np.diff(found.wave_aa))
    own = {"MaNGA": 5500 * 1e-4 * np.log(10), "CALIFA": 2.0, "KCWI": 0.5, "MUSE": 1.25}.get(
        name.split()[0], 1.5
    )
    snr = made.SNR * np.sqrt(n_good) * np.sqrt(step_aa / own)
    # Second differences take some of the weak lines of stars for noise.
    assert found.snr[0] == pytest.approx(snr, rel=0.2 if "no errors" in name else 0.1)
    measured = bool(found.flags[0] & int(Flag.ERRORS_MEASURED))
    assert measured == ("no errors" in name)
    if measured:
        assert any("no errors in the file" in note for note in found.meta["notes"])
        assert found.meta["errors_from"] == "scatter of the spectra"
    if "AO-N" in name and "NOAO" not in name:
        low, high = (5800, 5970) if "WFM" in name else (5780, 6050)
        behind = (found.wave_aa * (1 + found.redshift[0]) > low) & (
            found.wave_aa * (1 + found.redshift[0]) < high
        )
        assert not found.mask[0, behind].any()


def test_every_layout_was_tried():
    tried = {"muse", "manga", "califa", "kcwi", "fits"}
    assert set(CUBES) == tried


def test_the_line_spread_function_may_come_from_anywhere(tmp_path, toy_ssp, rng):
    path = made.write_other(tmp_path / "c.fits", toy_ssp, rng)
    with fits.open(path, mode="update") as hdus:
        hdus["FLUX"].header["SPECRES"] = 2200.0
        hdus.append(fits.ImageHDU(np.full(3067, 2200.0), name="RES"))
        hdus.append(fits.ImageHDU(np.full((3067, 4, 4), 1.1), name="LSF3D"))
    (tmp_path / "lsf.txt").write_text("# wave fwhm\n4600 2.0\n9400 4.0\n")
    (tmp_path / "power.csv").write_text("wave,R\n4600,2200\n9400,2200\n")

    def width(lsf):
        return open_cube(path, "G", lsf=lsf)

    wave = width("2.5").wave_aa
    np.testing.assert_allclose(width("2.5").fwhm_aa, 2.5)
    np.testing.assert_allclose(width("fwhm=2.5").fwhm_aa, 2.5)
    np.testing.assert_allclose(width("sigma=1").fwhm_aa, 2.3548, rtol=1e-4)
    for cell in ("R=2200", "R=header SPECRES", "R=extension RES", str(tmp_path / "power.csv")):
        np.testing.assert_allclose(width(cell).fwhm_aa, wave / 2200)
    np.testing.assert_allclose(width("poly 1.0 3e-4").fwhm_aa, 1.0 + 3e-4 * wave)
    np.testing.assert_allclose(width("sigma=extension LSF3D").fwhm_aa, 1.1 * 2.3548, rtol=1e-4)
    np.testing.assert_allclose(
        width(str(tmp_path / "lsf.txt")).fwhm_aa, np.interp(wave, [4600, 9400], [2, 4])
    )


@pytest.mark.parametrize(
    ("lsf", "words"),
    [
        (None, "FITS cube.*does not say its line-spread function; give it in the column lsf"),
        ("header NOTHING", "no header has the keyword NOTHING"),
        ("extension NOTHING", "no extension NOTHING"),
        ("1800", r"gives FWHM of 1800 \.\. 1800 Angstrom.*resolving power"),
        ("poly -5 1e-4", "gives FWHM of -"),
        ("short.txt", r"covers 5000 \.\. 6000 Angstrom, the spectra 4700 \.\. 9299; extend"),
        ("absent.txt", "absent.txt does not exist; correct the column lsf"),
        ("nonsense", "'nonsense' is not understood; write 2.6"),
        ("-2", "'-2' is not positive"),
    ],
)
def test_line_spread_functions_that_cannot_be(tmp_path, toy_ssp, rng, monkeypatch, lsf, words):
    monkeypatch.chdir(tmp_path)
    path = made.write_other(tmp_path / "c.fits", toy_ssp, rng)
    (tmp_path / "short.txt").write_text("5000 2.5\n6000 2.5\n")
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        open_cube(path, "G", lsf=lsf)


@pytest.mark.parametrize(
    ("keywords", "layout", "words"),
    [
        ({"errors": "SECOND"}, None, r"\[FLUX\] has no errors by name, but SECOND of the same shape; say what"),
        ({}, "flux=FLUX; sigma=NOISE", r"no extension NOISE, which the column layout names; it has 0 PRIMARY, 1 FLUX, 2 ERR"),
        ({}, "museum", "kind 'museum' of cubes is unknown; did you mean muse"),
        ({"unit": "1e-17 erg/s/cm2"}, None, "no flux density per wavelength: is it per Angstrom or per pixel"),
        ({"unit": "electron"}, None, r"\[FLUX\] has BUNIT 'electron', which is no flux density"),
        ({"ctype": "LINEAR"}, None, "CTYPE3 'LINEAR'; expected AWAV .*medium=... into the column layout"),
        ({}, "flux=FLUX; variance=ERR", r"\[ERR\] has BUNIT .*of a variance: that is of an error; square ERR"),
        ({}, "flux=FLUX; ivar=ERR", r"\[ERR\] has BUNIT .*that is of an error; invert and square ERR"),
    ],
)  # fmt: skip
def test_what_a_file_does_not_say_is_asked_for(tmp_path, toy_ssp, rng, keywords, layout, words):
    path = made.write_other(tmp_path / "c.fits", toy_ssp, rng, **keywords)
    with fits.open(path, mode="update") as hdus:
        hdus[2].header["BUNIT"] = hdus[1].header["BUNIT"]
    with pytest.raises(ValueError, match=f"G: .*c.fits.*{words}"):
        open_cube(path, "G", layout=layout, lsf="2.6")


def test_no_errors_and_nothing_to_measure_them_from(tmp_path, toy_ssp, rng):
    path = made.write_other(tmp_path / "flat.fits", toy_ssp, rng, errors=None)
    with fits.open(path, mode="update") as hdus:
        hdus["FLUX"].data[:] = 3.0
    target = Target("G", "cube", path, made.REDSHIFT, 15.0, 0.0, bins="all", lsf="2.6")
    with pytest.raises(
        ValueError,
        match=r"G: .*flat.fits \[FLUX\] has no good pixel: the file has no errors, and its spectra",
    ):
        prepare(target, GalaxiesConfig(), GridConfig(), band_names=BANDS, ssp=toy_ssp)


def test_scatter_is_the_noise_and_not_the_lines(rng):
    wave = np.arange(2000)
    lines = 50 * np.exp(-0.5 * ((wave - 800) / 2.0) ** 2) + 5 * np.sin(wave / 30)
    sigma = np.where(wave < 1000, 1.0, 3.0)
    flux = (100 + lines + sigma * rng.standard_normal((200, 2000))).T.astype(np.float32)
    good = np.ones(flux.shape, dtype=bool)
    good[300:330] = False
    flux[300:330] = np.nan
    found = np.sqrt(scatter_variance(flux, good))
    assert np.median(found[:900]) == pytest.approx(1.0, rel=0.05)
    assert np.median(found[1100:]) == pytest.approx(3.0, rel=0.05)
    np.testing.assert_array_equal(scatter_variance(np.full((300, 2), 7.0), np.ones((300, 2), dtype=bool)), 0)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"layout": "flux=DATA; sigma=ERR; ivar=I"}, "one of sigma, variance and ivar"),
        ({"layout": "sigma=ERR"}, "no extension of the flux is named"),
        ({"layout": "flux=DATA; sigmas=ERR"}, "'sigmas=ERR' is not understood"),
        ({"layout": "flux=DATA; medium=water"}, "medium=water: write air or vacuum"),
        ({"layout": "flux=DATA; bad=DQ&x"}, "behind & stands the sum of the bits"),
        ({"lsf": "2,6 A"}, "'2,6 A' is not understood"),
        ({"kind": "sdss", "layout": "muse"}, "layout needs a cube"),
    ],
)
def test_cells_are_checked_with_the_sheet(cells, words):
    row = {"galaxy": "G", "kind": "cube", "path": "c.fits", "redshift": 0.003, "distance_mpc": 10.0}
    with pytest.raises(ValueError, match=words):
        Galaxy(**row | cells)


def test_bits_of_a_mask_may_be_named(tmp_path, toy_ssp, rng):
    path = made.write_other(tmp_path / "c.fits", toy_ssp, rng)
    with fits.open(path, mode="update") as hdus:
        mask = np.zeros(hdus["FLUX"].shape, dtype=np.int32)
        mask[:, 0, 0], mask[:, 1, 1] = 2, 4
        hdus.append(fits.ImageHDU(mask, name="FLAGS"))
    for cell, wanted in (("FLAGS", 14), ("FLAGS&2", 15), ("FLAGS & 8", 16)):
        cube = open_cube(path, "G", layout=f"flux=FLUX; sigma=ERR; bad={cell}", lsf="2.6")
        (block,) = cube.blocks(1e9)
        assert block.good.all(axis=0).sum() == wanted
