"""Small real files for the galaxy tests: an SSP library with lines, cubes, images."""

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from ingredients import MUSE_WAVE_AA
from pyprospect.stars.library import SSPLibrary, age_edges_from_ages

UNIT = "10**(-20)*erg/s/cm**2/Angstrom"


def make_library(n_lines=250, step_aa=0.9, seed=3):
    """Library whose spectra have many absorption lines, deeper with age and metallicity; resolution 2.51 Angstrom."""
    rng = np.random.default_rng(seed)
    wave = np.arange(1800.0, 10700.0, step_aa)
    age = np.array([3e6, 1e7, 5e7, 2e8, 1e9, 3e9, 6e9, 1e10, 1.3e10])
    z = np.array([0.001, 0.004, 0.019, 0.03])
    centres = rng.uniform(3500, 9500, n_lines)
    centres = np.concatenate([centres, [5167.3, 5172.7, 5183.6, 5269.5, 5328.0]])
    depths = rng.uniform(0.03, 0.35, centres.size)
    spectra = np.empty((z.size, age.size, wave.size))
    lines = np.exp(-0.5 * ((wave[:, None] - centres) / (2.51 / 2.3548)) ** 2)
    for i, metal in enumerate(z):
        for j, years in enumerate(age):
            temperature = 30000 * (years / 3e6) ** -0.22
            planck = wave**-5.0 / np.expm1(1.4388e8 / wave / temperature)
            strength = (0.25 + 0.25 * np.log10(years / 3e6)) * (0.5 + 12 * metal)
            mixed = depths * (0.5 + 0.5 * np.cos(np.arange(centres.size) * (j + 1)) ** 2)
            absorbed = np.exp(-strength * (lines @ mixed))
            spectra[i, j] = planck / np.interp(5500, wave, planck) * absorbed * 1e-4 * (years / 1e10) ** -0.7
    evolution = np.full((z.size, age.size, 5), np.nan)
    meta = {"medium": "air", "resolution": {"wave_aa": [1000.0, 11000.0], "fwhm_aa": [2.51, 2.51]}}
    edges = age_edges_from_ages(age)
    edges[-1] = 1.38e10
    return SSPLibrary(z, age, edges, wave, spectra, evolution, name="lines", meta=meta)


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
    header["BUNIT"], header["FILTER"], header["PHOTPLAM"], header["EXPTIME"] = unit, band, 5306.0, 600.0
    if photflam is not None:
        header["PHOTFLAM"] = photflam
    header.update(cards)
    hdus = [fits.PrimaryHDU(image.astype(np.float32), header)]
    if weight is not None:
        hdus.append(fits.ImageHDU(weight.astype(np.float32), header, name="WHT"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path
