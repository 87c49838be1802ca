"""A sky of clusters on a disc, seen sharply by HST and blurred by a cube that is shifted, turned and off in its zero point."""

import numpy as np
from scipy.special import erf

from galaxy_files import map_header
from pyprospect.constants import FWHM_PER_SIGMA
from sfhnet.observation.hst_image import HSTImage
from sfhnet.observation.registration import BandImage


def stars_on(wcs, shape, ra, dec, flux, fwhm_arcsec, pixel_arcsec):
    """Sum of stars with a Gaussian point-spread function, integrated over the pixels."""
    x, y = wcs.world_to_pixel_values(ra, dec)
    width = fwhm_arcsec / FWHM_PER_SIGMA / pixel_arcsec * np.sqrt(2)

    def share(place, size):
        edges = np.arange(size + 1) - 0.5
        return np.diff(0.5 * erf((edges[None, :] - place[:, None]) / width), axis=1)

    return np.einsum("k,ki,kj->ij", flux, share(y, shape[0]), share(x, shape[1]))


def make_scene(
    rng,
    *,
    n=60,
    pixel=0.2,
    fwhm=0.8,
    hst_pixel=0.06,
    hst_fwhm=0.09,
    shift=(0.0, 0.0),
    rotation_deg=0.0,
    zero_point=1.0,
    snr=30.0,
    n_star=120,
):
    """Return what the cube shows, the image, and the WCS that the cube's header claims."""
    n_hst = int(1.9 * n * pixel / hst_pixel)
    hst, claimed = map_header(n_hst, hst_pixel), map_header(n, pixel)
    true = claimed.deepcopy()
    angle = np.deg2rad(rotation_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Spaxel p shows what the header puts at c + R (p - c) + shift.
    true.wcs.cd = claimed.wcs.cd @ turn
    centre = np.full(2, (n + 1) / 2)
    true.wcs.crpix = centre - turn.T @ (centre + np.array(shift) - claimed.wcs.crpix)
    half = 0.8 * n * pixel / 3600
    ra = 24.17 + rng.uniform(-half, half, n_star) / np.cos(np.deg2rad(15.78))
    dec = 15.78 + rng.uniform(-half, half, n_star)
    flux = 10 ** rng.uniform(1.0, 2.3, n_star)

    def sky(wcs, size, scale, width):
        y, x = np.mgrid[:size, :size]
        east, north = wcs.pixel_to_world_values(x, y)
        radius = np.hypot((east - 24.17) * np.cos(np.deg2rad(15.78)), north - 15.78) * 3600
        disc = 8.0 * scale**2 * np.exp(-radius / (0.3 * n * pixel)) / pixel**2
        return disc + stars_on(wcs, (size, size), ra, dec, flux, width, scale)

    image = sky(hst, n_hst, hst_pixel, hst_fwhm)
    noise = 0.02 * image.max() / 10
    image = image + noise * rng.standard_normal(image.shape)
    cube = zero_point * sky(true, n, pixel, fwhm)
    sigma = np.median(cube) / snr
    cube = cube + sigma * rng.standard_normal(cube.shape)
    seen = HSTImage(
        band="F555W", path="f555w.fits", flux=image, variance=np.full(image.shape, noise**2),
        valid=np.ones(image.shape, dtype=bool), wcs=hst, pixel_arcsec=hst_pixel, pivot_aa=5300.0,
    )  # fmt: skip
    return BandImage(cube, np.full(cube.shape, sigma**2), 1.0), seen, claimed, true
