"""Point-spread functions: an image of one where it is given, a Gaussian otherwise; and the kernel between two."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import map_coordinates

from pyprospect.constants import FWHM_PER_SIGMA
from sfhnet.config import GalaxiesConfig
from sfhnet.observation.fits_files import image_hdus, open_fits
from sfhnet.observation.galaxy_files import Target

__all__ = ["PointSpread", "matching_kernel", "psf_of", "read_psf"]

# Kernels reach this many FWHM of the broader function on each side; images of one may have more to say.
KERNEL_REACH, _IMAGE_REACH = 2.0, 3.0
_REGULARIZATION = 1e-3
# Frequencies that a real point-spread function hardly passes are tapered.
_TAPER = 0.5
# A pixel is the mean of so many samples along each side.
_SAMPLES = 5
# Keywords for the pixel scale in arcsec: WebbPSF and STPSF, TinyTim, others.
_SCALE_KEYS = ("PIXELSCL", "PIXSCALE", "PIXELSCALE")


@dataclass(frozen=True)
class PointSpread:
    """A point-spread function.

    Parameters
    ----------
    fwhm_arcsec : float
    image : ndarray, shape (ny, nx), or None
        None: a Gaussian.
    pixel_arcsec : float
        Pixel of the image.
    centre : (float, float)
        Where its light is centred, (y, x) in pixels.
    name : str
        What it is, for the product.
    """

    fwhm_arcsec: float
    image: np.ndarray | None = None
    pixel_arcsec: float = np.nan
    centre: tuple[float, float] = (np.nan, np.nan)
    name: str = ""

    @classmethod
    def gaussian(cls, fwhm_arcsec: float) -> PointSpread:
        """Return a Gaussian."""
        return cls(fwhm_arcsec, name=f"Gaussian of {fwhm_arcsec:.4g} arcsec")

    def sampled(self, half: int, pixel_arcsec: float, turn: np.ndarray) -> np.ndarray:
        """Return it on the pixels of an image.

        Parameters
        ----------
        half : int
            Pixels on each side of the middle one.
        pixel_arcsec : float
            Their scale.
        turn : ndarray, shape (2, 2)
            What takes (x, y) on the image to (x, y) in the orientation of the function, without a change of scale.

        Returns
        -------
        ndarray, shape (2 half + 1, 2 half + 1)
            Sums to 1.
        """
        if self.image is None:
            y, x = np.mgrid[-half : half + 1, -half : half + 1] * pixel_arcsec
            profile = np.exp(-0.5 * (x**2 + y**2) / (self.fwhm_arcsec / FWHM_PER_SIGMA) ** 2)
            return profile / profile.sum()
        n = 2 * half + 1
        place = (np.arange(n * _SAMPLES) + 0.5) / _SAMPLES - 0.5 - half
        offsets = np.stack(np.meshgrid(place, place, indexing="xy")).reshape(2, -1)
        x, y = turn @ offsets * (pixel_arcsec / self.pixel_arcsec)
        values = map_coordinates(
            self.image, [y + self.centre[0], x + self.centre[1]], order=3, mode="constant"
        )
        profile = values.reshape(n, _SAMPLES, n, _SAMPLES).mean(axis=(1, 3))
        return profile / profile.sum()


def read_psf(path: str | os.PathLike, where: str) -> PointSpread:
    """Read the image of a point-spread function, as WebbPSF, STPSF, TinyTim and stacks of stars give it.

    Parameters
    ----------
    path : path
        FITS file; its first 2-D image, with PIXELSCL, PIXSCALE or a WCS. Oriented as the image or cube it is for.
    where : str
        Galaxy and what it is for, for the error message.

    Returns
    -------
    PointSpread

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it holds no image, no scale, or no single peak of light.
    """
    path = Path(path)
    with open_fits(path, where) as hdus:
        images = image_hdus(hdus)
        if not images:
            raise ValueError(f"{where}: {path} holds no 2-D image of a point-spread function")
        hdu = images[0]
        at = f"{where}: {path} [{hdu.name or 'PRIMARY'}]"
        image = np.array(hdu.data, dtype=float)
        scale = _scale(hdu.header, hdus[0].header, at)
    if not np.isfinite(image).all() or not image.sum() > 0 or min(image.shape) < 5:
        raise ValueError(f"{at} is no point-spread function: pixels are not finite, few, or sum to nothing")
    image = image / image.sum()
    peak = np.unravel_index(int(np.argmax(image)), image.shape)
    above = image >= 0.5 * image[peak]
    fwhm_pixel = 2 * np.sqrt(np.count_nonzero(above) / np.pi)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    near = np.hypot(y - peak[0], x - peak[1]) <= max(2 * fwhm_pixel, 2)
    light = np.where(near, np.clip(image, 0, None), 0.0)
    centre = (float((light * y).sum() / light.sum()), float((light * x).sum() / light.sum()))
    if (
        np.hypot(centre[0] - peak[0], centre[1] - peak[1]) > max(fwhm_pixel, 1.0)
        or above[0].any()
        or above[-1].any()
    ):
        raise ValueError(f"{at} is no point-spread function: its light has no single peak inside the image")
    return PointSpread(fwhm_pixel * scale, image, scale, centre, path.name)


def psf_of(band: str, target: Target, config: GalaxiesConfig) -> PointSpread:
    """Return the point-spread function of an image: the one that the configuration gives, else a Gaussian.

    Parameters
    ----------
    band : str
    target : Target
        Galaxy, for its FWHM of images and for messages.
    config : GalaxiesConfig

    Returns
    -------
    PointSpread

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_psf`; or if nothing tells the FWHM.
    """
    if band in config.psf_images:
        return read_psf(
            config.data_dir / config.psf_images[band], f"{target.galaxy}: point-spread function of {band}"
        )
    return PointSpread.gaussian(target.hst_fwhm_arcsec or config.band_fwhm_arcsec(band))


def matching_kernel(
    source: PointSpread, target: PointSpread, pixel_arcsec: float, turn: np.ndarray | None = None
) -> np.ndarray:
    """Make the kernel that brings an image from one point-spread function to a broader one.

    Parameters
    ----------
    source, target : PointSpread
        Before and after.
    pixel_arcsec : float
        Pixel scale of the image.
    turn : ndarray, shape (2, 2), optional
        From the orientation of the image to that of ``target``; by default they are the same.

    Returns
    -------
    ndarray, shape (n, n), n odd
        Sums to 1.
    """
    # Of the extra `galaxies`, which checking a configuration does not need.
    from photutils.psf_matching import CosineBellWindow, make_kernel

    reach = KERNEL_REACH if source.image is None and target.image is None else _IMAGE_REACH
    half = max(int(np.ceil(reach * target.fwhm_arcsec / pixel_arcsec)), 2)
    # ASSUME: pixels average the image over themselves on both sides, so the kernel matches the profiles alone; a
    # source narrower than a pixel is sampled as if it were a third of a pixel wide.
    if source.image is None:
        source = PointSpread.gaussian(max(source.fwhm_arcsec, pixel_arcsec / 3 * FWHM_PER_SIGMA))
    before = source.sampled(half, pixel_arcsec, np.eye(2))
    after = target.sampled(half, pixel_arcsec, np.eye(2) if turn is None else turn)
    window = None if reach == KERNEL_REACH else CosineBellWindow(_TAPER)
    kernel = make_kernel(before, after, window=window, regularization=_REGULARIZATION)
    return kernel / kernel.sum()


def _scale(header: fits.Header, primary: fits.Header, where: str) -> float:
    for key in _SCALE_KEYS:
        if float(header.get(key) or primary.get(key) or 0) > 0:
            return float(header.get(key) or primary[key])
    wcs = WCS(header).celestial
    if wcs.naxis == 2 and wcs.has_celestial:
        return float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2)))
    raise ValueError(f"{where} does not say its pixel scale; write PIXELSCL [arcsec] into its header")
