"""Small real files for the galaxy tests: cubes and images."""

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from ingredients import MUSE_WAVE_AA
from sfhnet.core.bands import find_band

UNIT = "10**(-20)*erg/s/cm**2/Angstrom"


def map_header(n=8, pixel_arcsec=0.2, ra=24.17, dec=15.78):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [(n + 1) / 2] * 2
    wcs.wcs.cd = np.diag([-pixel_arcsec, pixel_arcsec]) / 3600
    wcs.wcs.cunit = ["deg", "deg"]
    return wcs


def cube_header(n=8, wave_aa=MUSE_WAVE_AA, pixel_arcsec=0.2, unit=UNIT, **cards):
    wcs = map_header(n, pixel_arcsec)
    header = wcs.to_header()
    for key in list(header):
        if key.startswith(("PC", "CDELT", "WCSAXES")):
            del header[key]
    for i in (1, 2):
        for j in (1, 2):
            header[f"CD{i}_{j}"] = wcs.wcs.cd[i - 1, j - 1]
    header["CTYPE3"], header["CUNIT3"] = "AWAV", "Angstrom"
    header["CRVAL3"], header["CRPIX3"], header["CD3_3"] = wave_aa[0], 1.0, wave_aa[1] - wave_aa[0]
    for pair in ("CD1_3", "CD2_3", "CD3_1", "CD3_2"):
        header[pair] = 0.0
    header["BUNIT"] = unit
    header.update(cards)
    return header


def write_cube(path, data, variance=None, dq=None, header=None, names=("DATA", "STAT", "DQ")):
    """Write a cube as MUSE does; an extension whose name is None is left out."""
    header = cube_header(data.shape[2]) if header is None else header
    variance = np.ones_like(data) if variance is None else variance
    layers = [data.astype(np.float32), variance.astype(np.float32)]
    headers = [header, fits.Header()]
    if dq is not None:
        layers.append(dq.astype(np.uint8))
        headers.append(fits.Header())
    hdus = [fits.PrimaryHDU()]
    hdus += [fits.ImageHDU(a, h, name=n) for a, h, n in zip(layers, headers, names, strict=False) if n]
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def write_image(path, image, wcs, band="F555W", unit="ELECTRONS/S", photflam=1.8e-19, weight=None, **cards):
    header = wcs.to_header()
    header["BUNIT"], header["FILTER"], header["EXPTIME"] = unit, band, 600.0
    header["PHOTPLAM"] = find_band(band).pivot_aa
    if photflam is not None:
        header["PHOTFLAM"] = photflam
    header.update(cards)
    hdus = [fits.PrimaryHDU(image.astype(np.float32), header)]
    if weight is not None:
        hdus.append(fits.ImageHDU(weight.astype(np.float32), header, name="WHT"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path
