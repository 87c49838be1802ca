"""HST images in the bins of a cube: matched to the resolution of MUSE, reprojected and summed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.wcs import WCS
from reproject import reproject_exact
from scipy.signal import fftconvolve

from sfhnet.config import RegistrationConfig
from sfhnet.observation.hst_image import Field, HSTImage
from sfhnet.observation.point_spread import KERNEL_REACH, PointSpread, matching_kernel
from sfhnet.observation.registration import BandImage, Registration, moved_wcs, register

_log = logging.getLogger("sfhnet.observation.hst_photometry")

# A median outside the cube above this share of the mean inside is said aloud. It is not subtracted: where the galaxy
# fills the image, it is the galaxy.
_BACKGROUND_SHARE = 0.05


@dataclass(frozen=True)
class BandFluxes:
    """Fluxes of bins in several bands.

    Parameters
    ----------
    flux, sigma : ndarray, shape (n, n_band)
        f_lambda in erg/s/cm2/Angstrom; NaN where the band is missing.
    coverage : ndarray, shape (n, n_band)
        Share of the bin's area with valid HST pixels, 0 .. 1.
    pivot_aa : ndarray, shape (n_band,)
        Pivot wavelengths, NaN for missing bands.
    background : dict
        Band -> what the background check says: numbers, where the errors come from, the detector, the kernel.
    registration : dict of str to Registration
        How the cube lies on the images, of the bands in which that was looked at.
    """

    flux: np.ndarray
    sigma: np.ndarray
    coverage: np.ndarray
    pivot_aa: np.ndarray
    background: dict[str, dict[str, float | str | None]]
    registration: dict[str, Registration]


def measure_bands(
    images: Mapping[str, Callable[[], HSTImage]],
    band_names: tuple[str, ...],
    bin_map: np.ndarray,
    *,
    n_bins: int,
    wcs: WCS,
    cube_psf: PointSpread,
    image_psf: Mapping[str, PointSpread],
    galaxy: str,
    shown: Mapping[str, BandImage] | None = None,
    registration: RegistrationConfig | None = None,
) -> BandFluxes:
    """Sum HST images in the bins of a cube, at the resolution of the cube.

    Parameters
    ----------
    images : mapping of str to callable
        Readers of the bands that exist, see `image_field` for how much of each; mosaics are large, so that one is in
        memory at a time.
    band_names : tuple of str
        Bands in the order wanted; those without an image come out missing.
    bin_map : ndarray of int, shape (ny, nx)
        Bin of each spaxel, -1 outside.
    n_bins : int
        Number of bins.
    wcs : astropy.wcs.WCS
        Celestial WCS of ``bin_map``.
    cube_psf : PointSpread
        The cube's point-spread function.
    image_psf : mapping of str to PointSpread
        That of each image.
    galaxy : str
        Name for messages.
    shown : mapping of str to BandImage, optional
        What the cube shows in the bands, with which it is registered on the images.
    registration : RegistrationConfig, optional
        How; needed with ``shown``.

    Returns
    -------
    BandFluxes

    Raises
    ------
    ValueError
        If an image is not sharper than the cube.
    """
    n_band = len(band_names)
    flux, sigma = np.full((n_bins, n_band), np.nan), np.full((n_bins, n_band), np.nan)
    coverage, pivots = np.zeros((n_bins, n_band)), np.full(n_band, np.nan)
    background, registered = {}, {}
    inside = bin_map >= 0
    bins, area = bin_map[inside], np.bincount(bin_map[inside], minlength=n_bins)
    for column, band in enumerate(band_names):
        if band not in images:
            continue
        image = images[band]()
        background[band] = _background(image, galaxy)
        _check_sharper(image, cube_psf.fwhm_arcsec, image_psf[band].fwhm_arcsec, galaxy)
        own_wcs, own_psf, zero_point = wcs, cube_psf, 1.0
        if shown and registration is not None and band in shown:
            found = register(
                shown[band],
                image,
                wcs,
                fwhm_arcsec=cube_psf.fwhm_arcsec,
                image_fwhm_arcsec=image_psf[band].fwhm_arcsec,
                config=registration,
            )
            registered[band] = found
            own_wcs = moved_wcs(wcs, (bin_map.shape[0], bin_map.shape[1]), found)
            if "fwhm" in found.applied and cube_psf.image is None:
                own_psf = PointSpread.gaussian(found.fwhm_arcsec)
            zero_point = found.zero_point if "zero_point" in found.applied else 1.0
            _say(found, galaxy)
        background[band]["kernel"] = f"{image_psf[band].name} to {own_psf.name}"
        values, variance, covered = _match_and_project(
            image, own_wcs, bin_map.shape, cube_psf=own_psf, image_psf=image_psf[band]
        )
        values, variance = values * zero_point, variance * zero_point**2
        covered_area = np.bincount(bins, weights=covered[inside], minlength=n_bins)
        share = covered_area / np.maximum(area, 1)
        some = share > 0
        total = np.bincount(bins, weights=values[inside], minlength=n_bins)
        total_variance = np.bincount(bins, weights=variance[inside], minlength=n_bins)
        # What the rim of the image does not cover is taken to be as bright as what it covers.
        flux[some, column] = total[some] / share[some]
        sigma[some, column] = np.sqrt(total_variance[some]) / share[some]
        coverage[:, column] = share
        pivots[column] = image.pivot_aa
    return BandFluxes(
        flux=flux,
        sigma=sigma,
        coverage=coverage,
        pivot_aa=pivots,
        background=background,
        registration=registered,
    )


def _say(found: Registration, galaxy: str) -> None:
    """Tell what was corrected, or should be."""
    if not found.applied and found.measured and not found.why:
        return
    if not found.measured:
        _log.warning(
            "%s: %s: the cube was not registered on the image: %s; if the two disagree, check the WCS of both, or look further "
            "with galaxies.registration.max_shift_fwhm",
            galaxy,
            found.band,
            found.why,
        )
        return
    _log.warning(
        "%s: %s: the cube lies %.2f, %.2f spaxels (errors %.2f, %.2f) beside the image, turned by %.3f degrees, its zero point is "
        "%.3f; corrected: %s%s",
        galaxy,
        found.band,
        *found.shift_pixel,
        *found.shift_err_pixel,
        found.rotation_deg,
        found.zero_point,
        ", ".join(found.applied) or "nothing",
        f" ({found.why})" if found.why else "",
    )


def image_field(
    wcs: WCS, shape: tuple[int, int], cube_fwhm_arcsec: float, max_shift_fwhm: float = 0.0
) -> Field:
    """Return the part of an image that matching it to a cube needs: the cube, and the reach of kernel and shift around it.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial WCS of the cube.
    shape : (int, int)
        (ny, nx) of the cube.
    cube_fwhm_arcsec : float
        FWHM of the cube's point-spread function.
    max_shift_fwhm : float
        How far the cube may have to be shifted, in units of that.

    Returns
    -------
    Field
    """
    return Field(wcs, shape, (KERNEL_REACH + max_shift_fwhm) * cube_fwhm_arcsec)


def _background(image: HSTImage, galaxy: str) -> dict[str, float | str | None]:
    level = float(np.mean(image.flux[image.valid], dtype=np.float64))
    share = image.sky / level if image.sky is not None and level > 0 else None
    if share is not None and abs(share) > _BACKGROUND_SHARE:
        _log.warning(
            "%s: %s (%s): the median outside the cube is %.0f %% of the mean inside; unless that is the galaxy, "
            "subtract the background from the image",
            galaxy,
            image.path,
            image.band,
            100 * share,
        )
    return {
        "n_pixels": image.n_sky,
        "share_of_source": share,
        "source_per_pixel": level,
        "errors": image.errors,
        "detector": image.detector,
    }


def _match_and_project(
    image: HSTImage,
    wcs: WCS,
    shape: tuple[int, int],
    *,
    cube_psf: PointSpread,
    image_psf: PointSpread,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flux, variance, local = image.flux, image.variance, image.wcs
    valid: np.ndarray = image.valid.astype(np.float32)
    scale = float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2)))
    factor = max(int(scale / (2 * image.pixel_arcsec)), 1)
    if factor > 1:
        # Half a spaxel samples the matched image well and makes mosaics small enough for a laptop.
        flux, variance = _block_sum(flux, factor), _block_sum(variance, factor)
        valid = _block_sum(valid, factor) / factor**2
        local = local[::factor, ::factor]
    pixel = image.pixel_arcsec * factor
    psf = matching_kernel(image_psf, cube_psf, pixel, _turn(local, wcs))
    smooth = fftconvolve(flux, psf, mode="same")
    seen = np.clip(fftconvolve(valid, psf, mode="same"), 0, 1)
    kept = seen > 0.5
    smooth = np.where(kept, smooth / np.where(kept, seen, 1.0), 0.0)
    ratio = (scale / pixel) ** 2
    target = wcs.celestial
    stack = np.stack([smooth, variance, np.where(kept, valid, 0.0)])
    projected, footprint = reproject_exact((stack, local), target, shape_out=shape)
    projected, footprint = np.nan_to_num(projected), np.nan_to_num(footprint[0])
    return projected[0] * ratio, projected[1] * ratio, np.clip(projected[2] * footprint, 0, 1)


def _check_sharper(image: HSTImage, cube_fwhm_arcsec: float, hst_fwhm_arcsec: float, galaxy: str) -> None:
    if cube_fwhm_arcsec <= hst_fwhm_arcsec:
        raise ValueError(
            f"{galaxy}: {image.path}: FWHM {hst_fwhm_arcsec} arcsec is not sharper than the cube's {cube_fwhm_arcsec}; "
            "correct psf_fwhm_arcsec in the sample sheet or galaxies.hst_fwhm_arcsec"
        )


def _turn(image: WCS, cube: WCS) -> np.ndarray:
    """Return what takes directions on an image to those on the cube, without a change of scale."""
    step = np.linalg.solve(cube.celestial.pixel_scale_matrix, image.pixel_scale_matrix)
    return step / np.sqrt(abs(np.linalg.det(step)))


def _block_sum(values: np.ndarray, factor: int) -> np.ndarray:
    height, width = (size // factor * factor for size in values.shape)
    return values[:height, :width].reshape(height // factor, factor, width // factor, factor).sum(axis=(1, 3))
