"""Images of JWST in the layouts of its pipeline (made with the headers of i2d and cal), and images that cannot be meant."""

import numpy as np
import pytest
from astropy.io import fits

import instrument_cubes as made
from galaxy_files import map_header, write_image
from sfhnet.commands.config import run
from sfhnet.core.bands import find_band
from sfhnet.observation.hst_image import check_image, read_image

PIVOT_AA, PIXEL, N = find_band("F200W").pivot_aa, 0.031, 40
SR = PIXEL**2 / (180 / np.pi * 3600) ** 2
# 1 MJy/sr in a pixel, as f_lambda.
ONE_CGS = 1e6 * SR * 1e-23 * 2.99792458e18 / PIVOT_AA**2


def write_jwst(path, values, *, kind="i2d", unit="MJy/sr", area=SR, **cards):
    primary = fits.PrimaryHDU()
    primary.header.update(
        TELESCOP="JWST",
        INSTRUME="NIRCAM",
        DETECTOR="MULTIPLE",
        CHANNEL="SHORT",
        FILTER="F200W",
        PUPIL="CLEAR",
    )
    header = map_header(N, PIXEL).to_header()
    header.update(BUNIT=unit, PHOTMJSR=2.5, PIXAR_SR=area, PIXAR_A2=PIXEL**2)
    header.update(cards)
    error = np.full(values.shape, 0.1)
    error[0] = 0 if kind == "i2d" else np.nan
    hdus = [
        primary,
        made.image(values, header, "SCI"),
        made.image(error, fits.Header({"BUNIT": unit}), "ERR"),
    ]
    if kind == "i2d":
        hdus += [
            made.image(np.zeros((1, N, N)), None, "CON", np.int32),
            made.image(np.ones((N, N)), None, "WHT"),
        ]
    else:
        dq = np.zeros((N, N), dtype=np.uint32)
        dq[5, 5], dq[6, 6] = 1, 4
        hdus += [fits.ImageHDU(dq, name="DQ"), made.image(np.ones((N, N)), None, "AREA")]
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize("kind", ["i2d", "cal"])
def test_surface_brightness_becomes_flux(tmp_path, kind):
    image = read_image(write_jwst(tmp_path / "a.fits", np.full((N, N), 7.0), kind=kind), "F200W", "G")
    assert image.pivot_aa == PIVOT_AA
    assert image.errors == "ERR"
    np.testing.assert_allclose(image.flux[10, 10], 7 * ONE_CGS, rtol=2e-3)
    np.testing.assert_allclose(np.sqrt(image.variance[10, 10]), 0.1 * ONE_CGS, rtol=2e-3)
    assert not image.valid[0].any()
    # DO_NOT_USE spoils a pixel, a jump that was mended does not.
    assert image.valid[5, 5] == (kind == "i2d")
    assert image.valid[6, 6]


def test_other_units_of_the_same_light(tmp_path):
    values = np.full((N, N), 7.0)
    wanted = read_image(write_jwst(tmp_path / "a.fits", values), "F200W", "G").flux[9, 9]
    for unit, factor in (
        ("DN/s", 1 / 2.5),
        ("Jy", 1e6 * SR),
        ("10.0*nanoJansky", 1e14 * SR),
        ("uJy/arcsec2", 23.5045),
    ):
        path = write_jwst(tmp_path / "b.fits", values * factor, unit=unit)
        assert read_image(path, "F200W", "G").flux[9, 9] == pytest.approx(wanted, rel=2e-3), unit


def test_images_that_cannot_be_meant(tmp_path):
    ones = np.ones((N, N))
    with pytest.raises(ValueError, match=r"G: .*a.fits \[SCI\] is an image in F200W/?.*, listed as F814W"):
        check_image(write_jwst(tmp_path / "a.fits", ones), "F814W", "G")
    with pytest.raises(
        ValueError, match=r"b.fits \[SCI\] has pixels of .* arcsec2 by PIXAR_SR and .* by its WCS"
    ):
        check_image(write_jwst(tmp_path / "b.fits", ones, area=4 * SR), "F200W", "G")
    with pytest.raises(
        ValueError, match=r"c.fits \[SCI\] is in DN/s but has no PHOTFLAM \(JWST: PHOTMJSR\), its zero point"
    ):
        check_image(write_jwst(tmp_path / "c.fits", ones, unit="DN/s", PHOTMJSR=0.0), "F200W", "G")
    path = write_jwst(tmp_path / "d.fits", ones)
    with fits.open(path, mode="update") as hdus:
        hdus.append(fits.ImageHDU(ones, name="SCI", ver=2))
    with pytest.raises(
        ValueError, match=r"d.fits has 2 extensions SCI, of several chips or exposures; give one drizzled"
    ):
        check_image(path, "F200W", "G")
    path = write_image(tmp_path / "e.fits", ones, map_header(N), unit="COUNTS", EXPTIME=0.0)
    with pytest.raises(
        ValueError, match=r"e.fits .* is in COUNTS but has EXPTIME 0; .*Write the exposure time"
    ):
        check_image(path, "F555W", "G")
    with pytest.raises(ValueError, match=r"f.fits \[PRIMARY\] has no BUNIT; write ELECTRONS/S"):
        check_image(write_image(tmp_path / "f.fits", ones, map_header(N), unit=""), "F555W", "G")


def test_config_check_looks_into_the_files(tmp_path, toy_ssp, rng, monkeypatch, capsys):
    from argparse import Namespace

    monkeypatch.chdir(tmp_path)
    made.write_muse(tmp_path / "cube.fits", toy_ssp, rng)
    made.write_other(tmp_path / "other.fits", toy_ssp, rng)
    ones = np.ones((N, N))
    write_image(tmp_path / "near.fits", ones, map_header(N, 0.05), band="F555W")
    write_image(tmp_path / "far.fits", ones, map_header(N, 0.05, dec=20.0), band="F814W")
    write_image(tmp_path / "counts.fits", ones, map_header(N, 0.05), band="F275W", photflam=None)
    columns = (
        "galaxy",
        "kind",
        "path",
        "redshift",
        "distance_mpc",
        "psf_fwhm_arcsec",
        "F275W",
        "F555W",
        "F814W",
    )
    rows = [
        columns,
        ("A", "cube", "cube.fits", "0.004", "15", "0.8", "counts.fits", "near.fits", "far.fits"),
        ("B", "cube", "other.fits", "0.004", "15", "-", "-", "-", "-"),
    ]
    (tmp_path / "sheet.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    (tmp_path / "config.yaml").write_text("galaxies: {sheet: sheet.tsv}\n")
    arguments = Namespace(action="check", base=tmp_path / "config.yaml", overlays=[])
    with pytest.raises(ValueError, match=r"counts.fits") as error:
        run(arguments)
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert "counts.fits [PRIMARY] is in ELECTRONS/S but has no PHOTFLAM" in lines[0]
    assert "far.fits [PRIMARY] (F814W) does not overlap the cube: their centres are 253" in lines[1]
    assert "B: other.fits [FLUX] (FITS cube) does not say its line-spread function" in lines[2]
    text = (tmp_path / "sheet.tsv").read_text().replace("counts.fits", "-").replace("far.fits", "-")
    (tmp_path / "sheet.tsv").write_text("\n".join(text.splitlines()[:2]) + "\n")
    assert run(arguments) == 0
    assert "1 galaxies (A)" in capsys.readouterr().out
    (tmp_path / "sheet.tsv").write_text(
        (tmp_path / "sheet.tsv").read_text().replace("\t-\tnear.fits\t-", "\tnear.fits\tnear.fits\t-")
    )
    with pytest.raises(
        ValueError, match=r"near.fits is the image of F275W and F555W; give each band its own"
    ):
        run(arguments)
