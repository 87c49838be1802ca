"""Point-spread functions from images: the kernel makes one the other, wings, shape and orientation included."""

import numpy as np
import pytest
from astropy.io import fits
from scipy.signal import fftconvolve

from galaxy_files import map_header, write_image
from sfhnet.config import GalaxiesConfig, GridConfig
from sfhnet.observation.galaxy_files import Target
from sfhnet.observation.hst_photometry import measure_bands
from sfhnet.observation.point_spread import PointSpread, matching_kernel, read_psf
from sfhnet.observation.prepare import prepare

PIXEL = 0.03


def moffat(n, pixel, fwhm, beta=2.5, axis_ratio=1.0, place=(0.0, 0.0)):
    """A Moffat profile, longer along x for an axis ratio below 1."""
    y, x = (np.mgrid[:n, :n] - (n - 1) / 2) * pixel
    radius = np.hypot((x - place[0]) * axis_ratio, y - place[1])
    scale = fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1)
    profile = (1 + (radius / scale) ** 2) ** -beta
    return profile / profile.sum()


def write_psf(path, image, pixel, **cards):
    header = fits.Header({"PIXELSCL": pixel, **cards})
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, header, name="OVERSAMP")]).writeto(
        path, overwrite=True
    )
    return path


def test_an_image_is_read_with_its_scale_width_and_centre(tmp_path):
    path = write_psf(tmp_path / "p.fits", 7 * moffat(81, 0.02, 0.2, place=(0.03, -0.02)), 0.02)
    psf = read_psf(path, "G: point-spread function of F200W")
    assert psf.fwhm_arcsec == pytest.approx(0.2, rel=0.03)
    assert psf.image.sum() == pytest.approx(1)
    assert psf.centre == pytest.approx((40 - 1.0, 40 + 1.5), abs=0.1)
    assert psf.name == "p.fits"
    by_wcs = write_image(tmp_path / "w.fits", moffat(81, 0.02, 0.2), map_header(81, 0.02))
    assert read_psf(by_wcs, "G").pixel_arcsec == pytest.approx(0.02, rel=1e-4)


def test_the_kernel_makes_the_sharp_one_the_broad_one(tmp_path):
    sharp = read_psf(write_psf(tmp_path / "a.fits", moffat(201, 0.015, 0.12), 0.015), "G")
    broad = read_psf(write_psf(tmp_path / "b.fits", moffat(161, 0.04, 0.6, beta=2.8), 0.04), "G")
    kernel = matching_kernel(sharp, broad, PIXEL)
    half = kernel.shape[0] // 2
    made = fftconvolve(sharp.sampled(half, PIXEL, np.eye(2)), kernel, mode="same")
    wanted = broad.sampled(half, PIXEL, np.eye(2))
    near = np.hypot(*(np.mgrid[: 2 * half + 1, : 2 * half + 1] - half)) * PIXEL < 1.0
    assert np.abs(made - wanted)[near].max() < 0.04 * wanted.max()
    # Encircled energy, by which fluxes in bins go: Gaussians of the same widths are off by several per cent.
    gauss = matching_kernel(PointSpread.gaussian(0.12), PointSpread.gaussian(0.6), PIXEL)
    inside = np.hypot(*(np.mgrid[: 2 * half + 1, : 2 * half + 1] - half)) * PIXEL < 0.6
    plain = fftconvolve(sharp.sampled(half, PIXEL, np.eye(2)), gauss, mode="same")
    assert made[inside].sum() == pytest.approx(wanted[inside].sum(), abs=0.01)
    assert abs(plain[inside].sum() - wanted[inside].sum()) > 0.02


def test_the_cubes_function_is_turned_into_the_image(tmp_path):
    long = read_psf(write_psf(tmp_path / "l.fits", moffat(121, 0.05, 0.6, axis_ratio=0.6), 0.05), "G")
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    kernel = matching_kernel(PointSpread.gaussian(0.1), long, PIXEL, quarter)
    half = kernel.shape[0] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    near = np.hypot(x, y) * PIXEL < 0.8
    assert (kernel * y**2)[near].sum() > 1.5 * (kernel * x**2)[near].sum()


def test_products_name_the_kernel(tmp_path, rng):
    image_psf = read_psf(write_psf(tmp_path / "f555w.fits", moffat(101, 0.01, 0.09), 0.01), "G")
    from sfhnet.observation.hst_image import read_image

    image = read_image(
        write_image(tmp_path / "i.fits", np.full((200, 200), 2.0), map_header(200, 0.05)), "F555W", "G"
    )
    labels = np.zeros((20, 20), dtype=np.int32)
    for psf, name in ((image_psf, "f555w.fits"), (PointSpread.gaussian(0.08), "Gaussian of 0.08 arcsec")):
        found = measure_bands(
            {"F555W": lambda: image},
            ("F555W",),
            labels,
            n_bins=1,
            wcs=map_header(20),
            cube_psf=PointSpread.gaussian(0.9),
            image_psf={"F555W": psf},
            galaxy="G",
        )
        assert found.background["F555W"]["kernel"] == f"{name} to Gaussian of 0.9 arcsec"
        # A flat sky stays what it is.
        assert found.flux[0, 0] == pytest.approx(2.0 * 1.8e-19 * 400 * (0.2 / 0.05) ** 2, rel=3e-3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: (np.ones((21, 21)), {"PIXELSCL": 0.02}),
            r"\[OVERSAMP\] is no point-spread function: its light has no single",
        ),
        (lambda: (moffat(21, 0.02, 0.1), {"PIXELSCL": 0.0}), "does not say its pixel scale; write PIXELSCL"),
        (lambda: (np.full((21, 21), np.nan), {"PIXELSCL": 0.02}), "pixels are not finite"),
    ],
)
def test_images_that_are_none(tmp_path, make, words):
    image, cards = make()
    path = write_psf(tmp_path / "bad.fits", image, 0.02, **cards)
    with pytest.raises(ValueError, match=rf"G: .*bad\.fits.*{words}"):
        read_psf(path, "G")


def test_a_missing_image_comes_to_light_before_the_cube_is_read(tmp_path, toy_ssp, rng):
    import instrument_cubes as made

    cube = made.write_muse(tmp_path / "cube.fits", toy_ssp, rng)
    image = write_image(tmp_path / "i.fits", np.ones((40, 40)), map_header(40, 0.05))
    target = Target("G", "cube", cube, made.REDSHIFT, 15.0, 0.0, bins="all", images={"F555W": image})
    config = GalaxiesConfig(psf_images={"F555W": "none.fits"}, data_dir=tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"G: point-spread function of F555W: .*none\.fits does not exist"
    ):
        prepare(target, config, GridConfig(), band_names=("F555W",), ssp=toy_ssp)
