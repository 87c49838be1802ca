"""HST images: calibrated, matched to the resolution of MUSE, and summed in the bins of the cube."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from astropy.wcs import WCS
from photutils.psf_matching import make_kernel
from reproject import reproject_exact
from scipy.signal import fftconvolve

from pyprospect.constants import FWHM_PER_SIGMA

from .cube import open_fits, parse_flux_unit

_COUNT_RATES = ("ELECTRONS/S", "ELECTRON/S", "E-/S", "COUNTS/S", "COUNT/S", "E/S")
_COUNTS = ("ELECTRONS", "ELECTRON", "COUNTS", "COUNT", "E-", "DN")
# Kernels are sampled out to this many FWHM of the cube on each side.
_KERNEL_REACH = 2.0
_MIN_SKY_PIXELS = 1000


@dataclass(frozen=True)
class HSTImage:
    """A calibrated HST image.

    Parameters
    ----------
    band : str
        Filter, e.g. ``"F555W"``.
    path : Path
        File it came from.
    flux : ndarray, shape (ny, nx)
        f_lambda per pixel in erg/s/cm2/Angstrom; 0 where not valid.
    variance : ndarray, shape (ny, nx)
        Its variance.
    valid : ndarray of bool, shape (ny, nx)
        Exposed pixels with a finite value.
    wcs : astropy.wcs.WCS
        Celestial WCS.
    pixel_arcsec : float
        Pixel scale.
    pivot_aa : float
        PHOTPLAM, NaN if the header does not say.
    """

    band: str
    path: Path
    flux: np.ndarray
    variance: np.ndarray
    valid: np.ndarray
    wcs: WCS
    pixel_arcsec: float
    pivot_aa: float


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
        Band -> what the background check found.
    """

    flux: np.ndarray
    sigma: np.ndarray
    coverage: np.ndarray
    pivot_aa: np.ndarray
    background: dict[str, dict[str, float | None]]


def read_image(
    path: str | os.PathLike, band: str, galaxy: str, weight_path: str | os.PathLike | None = None
) -> HSTImage:
    """Read and calibrate an HST image in electrons/s (PHOTFLAM) or in flux units.

    Parameters
    ----------
    path : path
        FITS file; the image is extension SCI, else the first 2-D image.
    band : str
        Filter the file is said to be; checked against the header where that names one.
    galaxy : str
        Name for messages.
    weight_path : path, optional
        Inverse variance in the unit of the image (AstroDrizzle ``wht`` of type ERR/IVM); an extension WHT or ERR
        of the image file is used otherwise, and failing that the noise is measured in the image.

    Returns
    -------
    HSTImage

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is truncated, has no image, no calibration or no WCS, or is of another filter.
    """
    path = Path(path)
    where = f"{galaxy}: {path}"
    with open_fits(path, galaxy) as hdus:
        hdu = _image_hdu(hdus, where)
        header = hdus[0].header.copy()
        header.extend(hdu.header, update=True)
        values = np.asarray(hdu.data, dtype=np.float64)
        name = hdu.name or "PRIMARY"
        error, weight = None, None
        if "ERR" in hdus:
            error = np.asarray(hdus["ERR"].data, dtype=np.float64)
        elif "WHT" in hdus:
            weight = np.asarray(hdus["WHT"].data, dtype=np.float64)
    where = f"{where} [{name}]"
    if weight_path is not None:
        with open_fits(weight_path, galaxy) as hdus:
            weight = np.asarray(_image_hdu(hdus, f"{galaxy}: {weight_path}").data, dtype=np.float64)
    for other in (error, weight):
        if other is not None and other.shape != values.shape:
            raise ValueError(f"{where} has shape {values.shape}, its weights or errors have {other.shape}")
    _check_filter(header, band, where)
    wcs = WCS(header).celestial
    if wcs.naxis != 2 or not wcs.has_celestial:
        raise ValueError(f"{where} has no celestial WCS (CTYPE1 = {header.get('CTYPE1')!r})")
    factor = _to_flux(header, where)
    valid = np.isfinite(values)
    if weight is not None:
        valid &= np.isfinite(weight) & (weight > 0)
        variance = 1.0 / np.where(valid, weight, 1.0)
    elif error is not None:
        valid &= np.isfinite(error) & (error > 0)
        variance = np.where(valid, error, 1.0) ** 2
    else:
        # Drizzled images are exactly zero where nothing was exposed.
        valid &= values != 0
        variance = _measured_variance(np.where(valid, values, 0.0), valid, header, factor)
    if not valid.any():
        raise ValueError(f"{where} has no valid pixel; is it the science image?")
    return HSTImage(
        band,
        path,
        np.where(valid, values, 0.0) * factor,
        np.where(valid, variance, 0.0) * factor**2,
        valid,
        wcs,
        float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2))),
        float(header.get("PHOTPLAM", np.nan)),
    )


def _image_hdu(hdus: fits.HDUList, where: str) -> fits.hdu.image.ImageHDU:
    if "SCI" in hdus:
        return hdus["SCI"]
    for hdu in hdus:
        if hdu.is_image and hdu.header.get("NAXIS") == 2:
            return hdu
    raise ValueError(
        f"{where} holds no 2-D image (found {[hdu.name for hdu in hdus]}); give a drizzled image"
    )


def _check_filter(header: fits.Header, band: str, where: str) -> None:
    named = [str(header[key]).strip().upper() for key in ("FILTER", "FILTER1", "FILTER2") if key in header]
    named = [name for name in named if name.startswith("F") and name[1:4].isdigit()]
    if named and band.upper() not in named:
        raise ValueError(
            f"{where} is an image in {'/'.join(named)}, listed as {band}; correct the galaxy table"
        )


def _to_flux(header: fits.Header, where: str) -> float:
    text = str(header.get("BUNIT", "")).strip()
    plain = text.upper().replace(" ", "")
    if plain in _COUNT_RATES or plain in _COUNTS:
        photflam = header.get("PHOTFLAM")
        if not photflam or photflam <= 0:
            raise ValueError(f"{where} is in {text} but has no PHOTFLAM; use a calibrated image")
        if plain in _COUNT_RATES:
            return float(photflam)
        exposure = header.get("EXPTIME", 0)
        if exposure <= 0:
            raise ValueError(f"{where} is in {text} but has EXPTIME {exposure}; counts cannot be calibrated")
        return float(photflam) / float(exposure)
    return parse_flux_unit(text, where)


def _measured_variance(
    values: np.ndarray, valid: np.ndarray, header: fits.Header, factor: float
) -> np.ndarray:
    # Differences between neighbours hold noise and little light; sqrt(2) for two pixels.
    both = valid[:, 1:] & valid[:, :-1]
    step = (values[:, 1:] - values[:, :-1])[both] / np.sqrt(2)
    if step.size < 10:
        return np.ones(values.shape)
    _, _, noise = sigma_clipped_stats(step, sigma=3.0, maxiters=5)
    variance = np.full(values.shape, max(noise, 0.0) ** 2)
    exposure = float(header.get("EXPTIME", 0))
    if factor == header.get("PHOTFLAM") and exposure > 0:
        # ASSUME: electrons/s, so that the source adds its own photon noise.
        variance += np.clip(values, 0, None) / exposure
    return np.where(variance > 0, variance, np.finfo(float).tiny)


def measure_bands(
    images: Mapping[str, Callable[[], HSTImage]],
    band_names: tuple[str, ...],
    bin_map: np.ndarray,
    n_bins: int,
    wcs: WCS,
    cube_fwhm_arcsec: float,
    hst_fwhm_arcsec: Mapping[str, float],
    galaxy: str,
) -> BandFluxes:
    """Sum HST images in the bins of a cube, at the resolution of the cube.

    Parameters
    ----------
    images : mapping of str to callable
        Readers of the bands that exist; mosaics are large, so that one is in memory at a time.
    band_names : tuple of str
        Bands in the order wanted; those without an image come out missing.
    bin_map : ndarray of int, shape (ny, nx)
        Bin of each spaxel, -1 outside.
    n_bins : int
        Number of bins.
    wcs : astropy.wcs.WCS
        Celestial WCS of ``bin_map``.
    cube_fwhm_arcsec : float
        FWHM of the cube's (Gaussian) point-spread function.
    hst_fwhm_arcsec : mapping of str to float
        FWHM of HST's point-spread function per band.
    galaxy : str
        Name for messages.

    Returns
    -------
    BandFluxes

    Raises
    ------
    ValueError
        If an image does not overlap the cube, or is not sharper than it.
    """
    n_band = len(band_names)
    flux, sigma = np.full((n_bins, n_band), np.nan), np.full((n_bins, n_band), np.nan)
    coverage, pivots = np.zeros((n_bins, n_band)), np.full(n_band, np.nan)
    background = {}
    inside = bin_map >= 0
    bins, area = bin_map[inside], np.bincount(bin_map[inside], minlength=n_bins)
    for column, band in enumerate(band_names):
        if band not in images:
            continue
        image = images[band]()
        cut, origin = _cut_out(image, wcs, bin_map.shape, _KERNEL_REACH * cube_fwhm_arcsec, galaxy)
        background[band] = _check_background(image, cut)
        matched = _match_and_project(
            image, cut, origin, wcs, bin_map.shape, cube_fwhm_arcsec, hst_fwhm_arcsec[band]
        )
        values, variance, covered = matched
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
    return BandFluxes(flux, sigma, coverage, pivots, background)


def check_overlap(image: HSTImage, wcs: WCS, shape: tuple[int, int], galaxy: str) -> None:
    """Check that an image lies on the map of a cube.

    Parameters
    ----------
    image : HSTImage
        From `read_image`.
    wcs : astropy.wcs.WCS
        Celestial WCS of the map.
    shape : (int, int)
        (ny, nx) of the map.
    galaxy : str
        Name for messages.

    Raises
    ------
    ValueError
        If it does not; says how far apart the two are.
    """
    _cut_out(image, wcs, shape, 0.0, galaxy)


def _cut_out(
    image: HSTImage, wcs: WCS, shape: tuple[int, int], margin_arcsec: float, galaxy: str
) -> tuple[tuple[slice, slice], tuple[int, int]]:
    ny, nx = shape
    edge_x = np.concatenate([np.arange(nx), np.arange(nx), np.zeros(ny), np.full(ny, nx - 1)])
    edge_y = np.concatenate([np.zeros(nx), np.full(nx, ny - 1), np.arange(ny), np.arange(ny)])
    sky = wcs.pixel_to_world(edge_x, edge_y)
    x, y = image.wcs.world_to_pixel(sky)
    margin = margin_arcsec / image.pixel_arcsec + 2
    height, width = image.flux.shape
    low_x, high_x = (
        int(max(np.floor(np.nanmin(x) - margin), 0)),
        int(min(np.ceil(np.nanmax(x) + margin), width - 1)),
    )
    low_y, high_y = (
        int(max(np.floor(np.nanmin(y) - margin), 0)),
        int(min(np.ceil(np.nanmax(y) + margin), height - 1)),
    )
    if low_x >= high_x or low_y >= high_y or not image.valid[low_y : high_y + 1, low_x : high_x + 1].any():
        centre = wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2)
        other = image.wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2)
        raise ValueError(
            f"{galaxy}: {image.path} ({image.band}) does not overlap the cube: their centres are "
            f"{centre.separation(other).arcmin:.1f} arcmin apart ({other.to_string('hmsdms', precision=1)} against "
            f"{centre.to_string('hmsdms', precision=1)}); is it another galaxy or pointing?"
        )
    return (slice(low_y, high_y + 1), slice(low_x, high_x + 1)), (low_x, low_y)


def _check_background(image: HSTImage, cut: tuple[slice, slice]) -> dict[str, float | None]:
    outside = image.valid.copy()
    outside[cut] = False
    level = float(np.mean(image.flux[cut][image.valid[cut]]))
    share = None
    # Where the galaxy fills the image there is no sky in it to look at.
    if outside.sum() >= _MIN_SKY_PIXELS and level > 0:
        _, median, _ = sigma_clipped_stats(image.flux[outside], sigma=3.0, maxiters=5)
        share = float(median / level)
    return {"n_pixels": int(outside.sum()), "share_of_source": share, "source_per_pixel": level}


def _match_and_project(
    image: HSTImage,
    cut: tuple[slice, slice],
    origin: tuple[int, int],
    wcs: WCS,
    shape: tuple[int, int],
    cube_fwhm_arcsec: float,
    hst_fwhm_arcsec: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if cube_fwhm_arcsec <= hst_fwhm_arcsec:
        raise ValueError(
            f"{image.path}: FWHM {hst_fwhm_arcsec} arcsec is not sharper than the cube's {cube_fwhm_arcsec}; "
            "correct psf_fwhm_arcsec in the galaxy table or galaxies.hst_fwhm_arcsec"
        )
    flux, variance, valid = image.flux[cut], image.variance[cut], image.valid[cut].astype(float)
    local = image.wcs.deepcopy()
    local.wcs.crpix -= np.array(origin)
    scale = float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2)))
    factor = max(int(scale / (2 * image.pixel_arcsec)), 1)
    if factor > 1:
        # Half a spaxel samples the matched image well and makes mosaics small enough for a laptop.
        flux, variance = _block_sum(flux, factor), _block_sum(variance, factor)
        valid = _block_sum(valid, factor) / factor**2
        local = local[::factor, ::factor]
    pixel = image.pixel_arcsec * factor
    psf = matching_kernel(hst_fwhm_arcsec, cube_fwhm_arcsec, pixel)
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


def _block_sum(values: np.ndarray, factor: int) -> np.ndarray:
    height, width = (size // factor * factor for size in values.shape)
    return values[:height, :width].reshape(height // factor, factor, width // factor, factor).sum(axis=(1, 3))


def matching_kernel(from_fwhm_arcsec: float, to_fwhm_arcsec: float, pixel_arcsec: float) -> np.ndarray:
    """Make the kernel that brings an image from one Gaussian point-spread function to a broader one.

    Parameters
    ----------
    from_fwhm_arcsec, to_fwhm_arcsec : float
        FWHM before and after.
    pixel_arcsec : float
        Pixel scale of the image.

    Returns
    -------
    ndarray, shape (n, n), n odd
        Sums to 1.
    """
    half = max(int(np.ceil(_KERNEL_REACH * to_fwhm_arcsec / pixel_arcsec)), 2)
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * pixel_arcsec
    # ASSUME: pixels average the image over themselves on both sides, so the kernel matches the profiles alone; a
    # source narrower than a pixel is sampled as if it were a third of a pixel wide.
    profiles = []
    for fwhm in (max(from_fwhm_arcsec, pixel_arcsec / 3 * FWHM_PER_SIGMA), to_fwhm_arcsec):
        profile = np.exp(-0.5 * (x**2 + y**2) / (fwhm / FWHM_PER_SIGMA) ** 2)
        profiles.append(profile / profile.sum())
    kernel = make_kernel(profiles[0], profiles[1], regularization=1e-3)
    return kernel / kernel.sum()
