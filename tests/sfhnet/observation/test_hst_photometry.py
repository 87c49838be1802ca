"""HST images in MUSE bins: flux is conserved, what is missing is missing, what is wrong is said."""

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import gaussian_filter

from galaxy_files import map_header, write_image
from sfhnet.core.bands import declare_file
from sfhnet.observation.hst_image import read_image
from sfhnet.observation.hst_photometry import image_field, measure_bands
from sfhnet.observation.point_spread import PointSpread, matching_kernel
from sfhnet.sources.hst_file_names import weights_of

N = 24
PHOTFLAM = 1.8e-19


def turned(n, pixel_arcsec, roll_deg, offset=(0.0, 0.0)):
    wcs = map_header(n, pixel_arcsec)
    roll = np.deg2rad(roll_deg)
    wcs.wcs.cd = pixel_arcsec / 3600 * np.array([[-np.cos(roll), np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    wcs.wcs.crval = wcs.wcs.crval + np.array(offset) / 3600
    return wcs


def bins():
    labels = np.full((N, N), -1, dtype=np.int32)
    labels[4:20, 4:12], labels[4:20, 12:20] = 0, 1
    return labels


FIELD = image_field(map_header(N), (N, N), 0.9)


def measure(image, labels=None, fwhm=0.9):
    labels = bins() if labels is None else labels
    names = ("F275W", "F555W")
    return measure_bands(
        {"F555W": lambda: image},
        names,
        labels,
        n_bins=labels.max() + 1,
        wcs=map_header(N),
        cube_psf=PointSpread.gaussian(fwhm),
        image_psf={"F555W": PointSpread.gaussian(0.08)},
        galaxy="G",
    )


@pytest.mark.parametrize("roll", [0.0, 33.0])
@pytest.mark.parametrize("pixel", [0.04, 0.11])
def test_a_flat_sky_keeps_its_surface_brightness(tmp_path, roll, pixel):
    n = int(9 / pixel)
    path = write_image(
        tmp_path / "i.fits", np.full((n, n), 2.0), turned(n, pixel, roll), weight=np.full((n, n), 25.0)
    )
    found = measure(read_image(path, "F555W", "G", field=FIELD))
    expected = 2.0 * PHOTFLAM * 16 * 8 * (0.2 / pixel) ** 2
    np.testing.assert_allclose(found.flux[:, 1], expected, rtol=2e-3)
    np.testing.assert_allclose(found.coverage[:, 1], 1.0, atol=1e-6)
    # Independent pixels of variance 1/25: the error of the sum.
    error = np.sqrt(16 * 8 * (0.2 / pixel) ** 2 / 25) * PHOTFLAM
    np.testing.assert_allclose(found.sigma[:, 1], error, rtol=0.02)
    assert np.isnan(found.flux[:, 0]).all()
    assert found.pivot_aa[1] == pytest.approx(5308.15)


def test_the_flux_of_a_galaxy_is_conserved(tmp_path):
    pixel, n = 0.04, 260
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    image = 100 * np.exp(-0.5 * (x**2 + y**2) / (0.5 / pixel) ** 2)
    path = write_image(tmp_path / "i.fits", image, turned(n, pixel, 20.0), weight=np.ones((n, n)))
    found = measure(read_image(path, "F555W", "G"), np.zeros((N, N), dtype=np.int32))
    assert found.flux[0, 1] == pytest.approx(image.sum() * PHOTFLAM, rel=0.01)


def test_images_are_brought_to_the_resolution_of_the_cube(tmp_path):
    # A star between two bins: at MUSE's resolution each bin sees what a Gaussian of 0.9 arcsec puts there.
    pixel, n = 0.04, 261
    image = np.zeros((n, n))
    image[n // 2, n // 2] = 1e4
    image = gaussian_filter(image, 0.08 / 2.3548 / pixel)
    path = write_image(
        tmp_path / "i.fits", image, turned(n, pixel, 0.0, offset=(0.3, 0.0)), weight=np.ones((n, n))
    )
    found = measure(read_image(path, "F555W", "G"))
    from scipy.special import erf

    east_share = 0.5 * (1 + erf(0.3 * np.cos(np.deg2rad(15.78)) / (0.9 / 2.3548) / np.sqrt(2)))
    np.testing.assert_allclose(found.flux[:, 1].sum(), 1e4 * PHOTFLAM, rtol=0.01)
    assert found.flux[0, 1] / found.flux[:, 1].sum() == pytest.approx(east_share, abs=0.01)


def test_kernel_adds_the_missing_width():
    kernel = matching_kernel(PointSpread.gaussian(0.3), PointSpread.gaussian(0.9), 0.04)
    x = np.mgrid[: kernel.shape[0], : kernel.shape[1]][1] * 0.04
    assert kernel.sum() == pytest.approx(1)
    variance = (kernel * (x - (kernel * x).sum()) ** 2).sum()
    assert np.sqrt(variance) * 2.3548 == pytest.approx(np.sqrt(0.9**2 - 0.3**2), rel=0.02)


def test_partial_coverage(tmp_path):
    pixel, n = 0.05, 180
    image, weight = np.full((n, n), 2.0), np.ones((n, n))
    weight[:, n // 2 + 16 :] = 0  # the west of the second bin was not exposed
    path = write_image(tmp_path / "i.fits", image, turned(n, pixel, 0.0), weight=weight)
    found = measure(read_image(path, "F555W", "G"))
    assert found.coverage[0, 1] == pytest.approx(1.0, abs=0.01)
    assert found.coverage[1, 1] == pytest.approx(0.5, abs=0.05)
    # What is not covered is taken to be as bright as what is.
    np.testing.assert_allclose(found.flux[1, 1], found.flux[0, 1], rtol=0.03)


def test_flux_units_and_counts(tmp_path, rng):
    wcs, n = turned(100, 0.05, 0.0), 100
    rate = 2.0 + 0.1 * rng.standard_normal((n, n))
    plain = read_image(write_image(tmp_path / "a.fits", rate, wcs), "F555W", "G")
    counts = read_image(write_image(tmp_path / "b.fits", rate * 600, wcs, unit="ELECTRONS"), "F555W", "G")
    flux = read_image(
        write_image(tmp_path / "c.fits", rate * 1.8, wcs, unit="1e-19 erg/s/cm2/Angstrom", photflam=None),
        "F555W",
        "G",
    )
    np.testing.assert_allclose(counts.flux, plain.flux, rtol=1e-5)
    np.testing.assert_allclose(flux.flux, plain.flux, rtol=1e-5)
    # Without a weight map the noise is measured in the image; the source's photons are added to electrons/s.
    assert np.sqrt(np.median(flux.variance)) == pytest.approx(0.1 * PHOTFLAM, rel=0.05)
    assert np.sqrt(np.median(plain.variance)) == pytest.approx(np.sqrt(0.1**2 + 2 / 600) * PHOTFLAM, rel=0.05)


def test_background_is_looked_at(tmp_path, rng, caplog):
    pixel, n = 0.1, 200
    image = np.full((n, n), 0.5) + 0.01 * rng.standard_normal((n, n))
    image[50:150, 50:150] += 5
    found = measure(
        read_image(write_image(tmp_path / "i.fits", image, turned(n, pixel, 0.0)), "F555W", "G", field=FIELD)
    )
    assert found.background["F555W"]["errors"] == "measured in the image"
    assert found.background["F555W"]["share_of_source"] == pytest.approx(0.5 / 5.5, rel=0.1)
    assert "(F555W): the median outside the cube is 9 % of the mean inside" in caplog.text


def test_no_overlap(tmp_path):
    wcs = turned(50, 0.05, 0.0, offset=(1800.0, 0.0))
    path = write_image(tmp_path / "far.fits", np.ones((50, 50)), wcs)
    with pytest.raises(
        ValueError,
        match=r"G: .*far\.fits \[PRIMARY\] \(F555W\) does not overlap the cube: .* 28\.9 arcmin apart",
    ):
        read_image(path, "F555W", "G", field=FIELD)


def test_only_the_part_on_the_cube_is_read_and_measures_the_same(tmp_path, rng):
    pixel, n = 0.04, 700
    image = gaussian_filter(rng.random((n, n)), 6) + 0.5
    path = write_image(
        tmp_path / "i.fits", image, turned(n, pixel, 20.0, (2.0, -1.5)), weight=np.full((n, n), 9.0)
    )
    whole, part = read_image(path, "F555W", "G"), read_image(path, "F555W", "G", field=FIELD)
    assert part.flux.size < 0.2 * whole.flux.size
    a, b = measure(whole), measure(part)
    np.testing.assert_allclose(a.flux[:, 1], b.flux[:, 1], rtol=1e-3)
    np.testing.assert_allclose(a.sigma[:, 1], b.sigma[:, 1], rtol=1e-3)


def test_weights_published_with_an_image_are_found(tmp_path):
    wcs, n = turned(100, 0.05, 0.0), 100
    name = "hlsp_phangs-hst_hst_wfc3-uvis_ngc1087_f555w_v1_exp-drc-sci.fits"
    path = write_image(tmp_path / name, np.full((n, n), 2.0), wcs)
    assert read_image(path, "F555W", "G").errors == "measured in the image"
    weights = write_image(tmp_path / name.replace("exp-drc-sci", "err-drc-wht"), np.full((n, n), 25.0), wcs)
    assert weights_of(path) == weights
    assert weights_of(weights) is None
    image = read_image(path, "F555W", "G")
    assert image.errors == weights.name
    np.testing.assert_allclose(np.sqrt(image.variance), PHOTFLAM / 5, rtol=1e-6)
    write_image(weights, np.ones((n, 7)), wcs)
    with pytest.raises(ValueError, match=r"has shape \(100, 100\), its weights or errors have \(100, 7\)"):
        read_image(path, "F555W", "G")


def test_header_of_a_published_image(shared_dir, tmp_path):
    """A real PHANGS-HST header: electrons/s, PHOTFLAM and PHOTPLAM, WFC3/UVIS at 0.0396 arcsec."""
    text = (shared_dir / "mirror" / "hst_obs" / "ngc1087_uvis_f657n_exp_drc_sciheader.txt").read_text()
    header = fits.Header.fromstring(text)
    for key in ("NAXIS1", "NAXIS2", "EXTEND", "SIMPLE", "BITPIX", "NAXIS"):
        header.remove(key, ignore_missing=True)
    image = np.full((40, 40), 3.0, dtype=np.float32)
    fits.HDUList([fits.PrimaryHDU(image, header)]).writeto(tmp_path / "real.fits", output_verify="fix")
    # A narrow band is in no list: its user brings the curve.
    np.savetxt(tmp_path / "f657n.dat", [[6499, 0], [6500, 1], [6633, 1], [6634, 0]])
    declare_file("F657N", tmp_path / "f657n.dat")
    found = read_image(tmp_path / "real.fits", "F657N", "NGC1087")
    assert found.detector == "WFC3/UVIS"
    assert found.pixel_arcsec == pytest.approx(0.03962, abs=1e-4)
    assert found.flux[5, 5] == pytest.approx(3.0 * header["PHOTFLAM"], rel=1e-6)
    assert found.pivot_aa == pytest.approx(6566.6, abs=1)


def test_faults_of_images(tmp_path):
    wcs = turned(50, 0.05, 0.0)
    ones = np.ones((50, 50))
    with pytest.raises(ValueError, match=r"G: .*a\.fits \[PRIMARY\] is an image in F555W, listed as F814W"):
        read_image(write_image(tmp_path / "a.fits", ones, wcs), "F814W", "G")
    # Without FILTER the pivot still tells.
    other = write_image(tmp_path / "g.fits", ones, wcs, FILTER="", PHOTPLAM=3355.0)
    with pytest.raises(ValueError, match="has PHOTPLAM 3355 Angstrom, F555W has its pivot at 5308"):
        read_image(other, "F555W", "G")
    with pytest.raises(ValueError, match="has no PHOTFLAM"):
        read_image(write_image(tmp_path / "b.fits", ones, wcs, photflam=None), "F555W", "G")
    with pytest.raises(ValueError, match="BUNIT 'furlong'"):
        read_image(write_image(tmp_path / "c.fits", ones, wcs, unit="furlong"), "F555W", "G")
    with pytest.raises(ValueError, match="has no valid pixel"):
        read_image(write_image(tmp_path / "d.fits", ones * np.nan, wcs), "F555W", "G")
    with pytest.raises(FileNotFoundError, match=r"G: .*none\.fits does not exist"):
        read_image(tmp_path / "none.fits", "F555W", "G")
    path = write_image(tmp_path / "e.fits", ones, wcs)
    path.write_bytes(path.read_bytes()[:5760])
    with pytest.raises(ValueError, match=r"e\.fits is truncated"):
        read_image(path, "F555W", "G")
    image = read_image(write_image(tmp_path / "f.fits", ones, wcs), "F555W", "G")
    with pytest.raises(ValueError, match="is not sharper than the cube"):
        measure(image, fwhm=0.05)


@pytest.mark.parametrize("said", [{"WHTTYPE": "EXP"}, {}])
def test_exposure_times_are_no_inverse_variances(tmp_path, rng, said):
    wcs = turned(60, 0.05, 0.0)
    noise = 0.012
    values = 0.5 + rng.normal(0, noise, (60, 60))
    exposure = np.full((60, 60), 600.0)
    exposure[:, :10] = 150.0
    path = write_image(tmp_path / "a.fits", values, wcs, photflam=1e-19, weight=exposure, **said)
    image = read_image(path, "F555W", "G")
    assert image.errors == "measured in the image, times WHT (exposure time)"
    sigma = np.sqrt(image.variance) / 1e-19
    # Photon noise of the source, 0.5 electrons a second for 600 s, comes on top.
    assert np.median(sigma[:, 20:]) == pytest.approx(np.hypot(noise, np.sqrt(0.5 / 600)), rel=0.1)
    assert np.median(sigma[:, :10]) == pytest.approx(2 * np.median(sigma[:, 20:]), rel=0.05)
    inverse = write_image(
        tmp_path / "b.fits", values, wcs, photflam=1e-19, weight=np.full((60, 60), noise**-2)
    )
    assert np.sqrt(read_image(inverse, "F555W", "G").variance) / 1e-19 == pytest.approx(noise, rel=1e-4)
