"""Images of HST and JWST: read where a cube lies on them, and calibrated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from astropy.wcs import WCS

from sfhnet.core.bands import find_band
from sfhnet.observation.fits_files import open_fits, science_image
from sfhnet.observation.hst_errors import read_weights, valid_and_variance
from sfhnet.observation.image_units import image_unit_cgs

# Pivots of filters of one name, on detectors that differ, agree within this share.
_SAME_BAND = 0.1
# Sky is looked for in so many pixels outside the cube, and not judged from fewer than the second number.
_MAX_SKY_PIXELS, _MIN_SKY_PIXELS = 2_000_000, 1000


@dataclass(frozen=True)
class Field:
    """The map of a cube, and how far around it an image is wanted.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial WCS of the map.
    shape : (int, int)
        (ny, nx) of the map.
    margin_arcsec : float
        Margin on all sides.
    """

    wcs: WCS
    shape: tuple[int, int]
    margin_arcsec: float = 0.0


@dataclass(frozen=True)
class HSTImage:
    """A calibrated HST image, or the part of it that was asked for.

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
        PHOTPLAM, or that of the band's curve if the header does not say.
    detector : str
        As the header names it, e.g. ``"WFC3/UVIS"``, ``"ACS/WFC"``; empty if it does not.
    errors : str
        Where the variance comes from: the file of weights, an extension, or the image itself.
    sky : float or None
        Median f_lambda per pixel outside the field that was asked for; None where there is too little of it.
    n_sky : int
        Number of pixels that this median is of.
    """

    band: str
    path: Path
    flux: np.ndarray
    variance: np.ndarray
    valid: np.ndarray
    wcs: WCS
    pixel_arcsec: float
    pivot_aa: float
    detector: str = ""
    errors: str = ""
    sky: float | None = None
    n_sky: int = 0


def read_image(
    path: str | os.PathLike,
    band: str,
    galaxy: str,
    *,
    field: Field | None = None,
    weight_path: str | os.PathLike | None = None,
) -> HSTImage:
    """Read and calibrate an image in electrons/s (PHOTFLAM), in MJy/sr as JWST's (i2d, cal), or in other flux units.

    Parameters
    ----------
    path : path
        FITS file; the image is extension SCI, else the first 2-D image.
    band : str
        Filter the file is said to be; checked against the header where that names one.
    galaxy : str
        Name for messages.
    field : Field, optional
        Only this part is read: mosaics are larger than the memory of a laptop. By default the whole image.
    weight_path : path, optional
        Inverse variance in the unit of the image (AstroDrizzle ``wht`` of type ERR/IVM); by default the one
        that PHANGS-HST publishes with the image, if it lies beside it, else an extension ERR or WHT of the image
        file, and failing that the noise is measured in the image. So it is where WHT holds exposure times.

    Returns
    -------
    HSTImage

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is truncated, has no image, no calibration or no WCS, is of another filter, or does not overlap the field.
    """
    path = Path(path)
    with open_fits(path, galaxy) as hdus:
        found = _described(hdus, path, band, galaxy, field)
        hdu, header, wcs, where, cut, factor = (
            found.hdu, found.header, found.wcs, found.where, found.cut, found.factor
        )  # fmt: skip
        values = np.array(hdu.section[cut], dtype=np.float32)
        sky, n_sky = _sky(hdu, cut) if field is not None else (None, 0)
        weights = read_weights(hdus, path, weight_path, cut=cut, shape=hdu.shape, galaxy=galaxy, where=where)
        spoilt = _spoilt(hdus, header, cut, hdu.shape)
    valid, variance = valid_and_variance(values, weights, header, factor=factor)
    if spoilt is not None:
        valid &= ~spoilt
    if not valid.any():
        place = " on the cube" if field is not None else ""
        raise ValueError(
            f"{where} ({band}) has no valid pixel{place}; is it the science image of this galaxy?"
        )
    local = wcs.deepcopy()
    local.wcs.crpix -= np.array([cut[1].start or 0, cut[0].start or 0])
    # Fluxes of pixels lie below the range of float32 squares; the factor goes in last, in double precision.
    return HSTImage(
        band=band,
        path=path,
        flux=np.where(valid, values, 0) * float(factor),
        variance=np.where(valid, variance, 0).astype(np.float64) * factor**2,
        valid=valid,
        wcs=local,
        pixel_arcsec=float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2))),
        pivot_aa=found.pivot_aa,
        detector="/".join(str(header[key]).strip() for key in ("INSTRUME", "DETECTOR") if key in header),
        errors="measured in the image" if weights is None else weights.origin,
        sky=None if sky is None else sky * factor,
        n_sky=n_sky,
    )


@dataclass(frozen=True)
class _Described:
    """What the headers of an image say."""

    hdu: fits.hdu.image.ImageHDU
    header: fits.Header
    wcs: WCS
    where: str
    cut: tuple[slice, slice]
    factor: float
    pivot_aa: float


def check_image(path: str | os.PathLike, band: str, galaxy: str, *, field: Field | None = None) -> None:
    """Check the headers of an image, before anything is computed.

    Parameters
    ----------
    path, band, galaxy, field
        As for `read_image`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_image`, but for what only pixels tell.
    """
    with open_fits(path, galaxy) as hdus:
        _described(hdus, Path(path), band, galaxy, field)


def _described(hdus: fits.HDUList, path: Path, band: str, galaxy: str, field: Field | None) -> _Described:
    where = f"{galaxy}: {path}"
    hdu = science_image(hdus, where)
    header = hdus[0].header.copy()
    header.extend(hdu.header, update=True)
    where = f"{where} [{hdu.name or 'PRIMARY'}]"
    _check_filter(header, band, where)
    wcs = WCS(hdu.header, fobj=hdus).celestial
    if wcs.naxis != 2 or not wcs.has_celestial:
        raise ValueError(f"{where} has no celestial WCS (CTYPE1 = {header.get('CTYPE1')!r})")
    pivot_aa = _pivot_aa(header, band, where)
    area = float(wcs.proj_plane_pixel_area().to_value(u.arcsec**2))
    factor = image_unit_cgs(header, where, pivot_aa=pivot_aa, pixel_arcsec2=area)
    cut = slice(None), slice(None)
    if field is not None:
        cut = locate(wcs, hdu.shape, field, where=f"{where} ({band})")
    return _Described(hdu, header, wcs, where, cut, factor, pivot_aa)


def _spoilt(
    hdus: fits.HDUList, header: fits.Header, cut: tuple[slice, slice], shape: tuple[int, int]
) -> np.ndarray | None:
    """Return the pixels that JWST's pipeline says not to use: bit 0 of DQ; None where there is none."""
    if str(header.get("TELESCOP", "")).strip() != "JWST" or "DQ" not in hdus or hdus["DQ"].shape != shape:
        return None
    return (np.asarray(hdus["DQ"].section[cut]).astype(np.int64) & 1) != 0


def locate(wcs: WCS, image_shape: tuple[int, int], field: Field, *, where: str) -> tuple[slice, slice]:
    """Find the part of an image that a field covers.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial WCS of the image.
    image_shape : (int, int)
        (ny, nx) of the image.
    field : Field
        What is wanted.
    where : str
        Galaxy and file for the error message.

    Returns
    -------
    (slice, slice)
        Rows and columns.

    Raises
    ------
    ValueError
        If the two do not overlap; says how far apart they are.
    """
    ny, nx = field.shape
    edge_x = np.concatenate([np.arange(nx), np.arange(nx), np.zeros(ny), np.full(ny, nx - 1)])
    edge_y = np.concatenate([np.zeros(nx), np.full(nx, ny - 1), np.arange(ny), np.arange(ny)])
    x, y = wcs.world_to_pixel(field.wcs.pixel_to_world(edge_x, edge_y))
    pixel = float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2)))
    margin = field.margin_arcsec / pixel + 2
    height, width = image_shape
    far = not (np.isfinite(x).any() and np.isfinite(y).any())
    if not far:
        low_x, high_x = (
            max(np.floor(np.nanmin(x) - margin), 0),
            min(np.ceil(np.nanmax(x) + margin), width - 1),
        )
        low_y, high_y = (
            max(np.floor(np.nanmin(y) - margin), 0),
            min(np.ceil(np.nanmax(y) + margin), height - 1),
        )
        far = low_x >= high_x or low_y >= high_y
    if far:
        centre = field.wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2)
        other = wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2)
        raise ValueError(
            f"{where} does not overlap the cube: their centres are "
            f"{centre.separation(other).arcmin:.1f} arcmin apart ({other.to_string('hmsdms', precision=1)} against "
            f"{centre.to_string('hmsdms', precision=1)}); is it another galaxy or pointing?"
        )
    return slice(int(low_y), int(high_y) + 1), slice(int(low_x), int(high_x) + 1)


def _sky(hdu: fits.hdu.image.ImageHDU, cut: tuple[slice, slice]) -> tuple[float | None, int]:
    """Median of the pixels outside the field, of every so many rows."""
    height, width = hdu.shape
    step = max(1, height * width // _MAX_SKY_PIXELS)
    by_row = []
    for row in range(0, height, step):
        values = np.array(hdu.section[row : row + 1, :], dtype=np.float32)[0]
        if cut[0].start <= row < cut[0].stop:
            values[cut[1]] = np.nan
        by_row.append(values[np.isfinite(values) & (values != 0)])
    pixels = np.concatenate(by_row)
    # Where the galaxy fills the image there is no sky in it to look at.
    if pixels.size < _MIN_SKY_PIXELS:
        return None, int(pixels.size)
    return float(sigma_clipped_stats(pixels, sigma=3.0, maxiters=5)[1]), int(pixels.size)


def _pivot_aa(header: fits.Header, band: str, where: str) -> float:
    """Return PHOTPLAM, or the pivot of the band's curve if there is none; an image of another band has another."""
    expected, said = find_band(band).pivot_aa, float(header.get("PHOTPLAM") or 0)
    if said and not abs(said / expected - 1) < _SAME_BAND:
        raise ValueError(
            f"{where} has PHOTPLAM {said:g} Angstrom, {band} has its pivot at {expected:.0f}: is it an image of another filter? "
            "Correct the sample sheet or the header"
        )
    return said or expected


def _check_filter(header: fits.Header, band: str, where: str) -> None:
    named = [
        str(header[key]).strip().upper() for key in ("FILTER", "FILTER1", "FILTER2", "PUPIL") if key in header
    ]
    named = [name for name in named if name.startswith("F") and name[1:4].isdigit()]
    if named and band.upper() not in named:
        raise ValueError(
            f"{where} is an image in {'/'.join(named)}, listed as {band}; correct the sample sheet"
        )
