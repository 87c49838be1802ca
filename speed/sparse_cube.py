"""A cube of any size for measurements of memory and time: MUSE-like, sparse on the disk, with the MAPS that belong to it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from pyprospect.constants import C_KMS
from pyprospect.stars.library import SSPLibrary
from sfhnet.config.galaxies import DEC_DEG, RA_DEG
from sfhnet.mocks.muse_sky_noise import sky_lines_sigma, smooth_sigma
from sfhnet.tools.progress import track
from sfhnet.tools.random_streams import stream

_WAVE_START_AA, _WAVE_STEP_AA = 4700.0, 1.25
_PIXEL_ARCSEC = 0.2
_SPAXEL_SNR = 12.0  # at the brightest
_BLOCK = 2880


def write_sparse_cube(
    folder: str | os.PathLike,
    ssp: SSPLibrary,
    shape: tuple[int, int, int] = (3761, 1426, 1412),
    exposed_rows: int = 200,
    spaxels_a_bin: int = 14,
    redshift: float = 0.00219,
    seed: int = 1,
) -> tuple[Path, Path]:
    """Write a cube of which only some rows were exposed; the others are holes, read as zeros, which take no disk.

    Parameters
    ----------
    folder : path
        Where to write.
    ssp : SSPLibrary
        Its population of about 1 Gyr is the spectrum of every spaxel.
    shape : (int, int, int)
        (n_wave, ny, nx); the default is the largest PHANGS-MUSE mosaic.
    exposed_rows : int
        Rows in the middle with data.
    spaxels_a_bin : int
        Size of the bins in the MAPS.
    redshift : float
        Of the galaxy.
    seed : int
        Of the noise.

    Returns
    -------
    cube, maps : Path
        FITS files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    n_wave, ny, nx = shape
    rng = stream("speed.cube", seed)
    wave = _WAVE_START_AA + _WAVE_STEP_AA * np.arange(n_wave)
    age = int(np.argmin(np.abs(ssp.age_yr - 1e9)))
    metal = int(np.argmin(np.abs(ssp.log_z_solar)))
    spectrum = np.interp(wave / (1 + redshift), ssp.wave_aa, ssp.spectra[metal, age])
    spectrum /= np.median(spectrum)
    first = (ny - exposed_rows) // 2
    y, x = np.mgrid[first : first + exposed_rows, :nx]
    light = np.exp(-np.hypot(y - ny / 2, x - nx / 2) / (nx / 3))
    sigma = np.hypot(smooth_sigma(wave), sky_lines_sigma(wave)) / _SPAXEL_SNR
    header = _header(ny, nx)
    path = folder / "cube.fits"
    noise = rng.standard_normal(light.shape).astype(np.float32)
    with path.open("wb") as out:
        out.write(fits.PrimaryHDU().header.tostring().encode())
        for name, size in (("DATA", 4), ("STAT", 4), ("DQ", 1)):
            out.write(_extension_header(name, shape, header).tostring().encode())
            start = out.tell()
            for channel in track(range(n_wave) if size == 4 else (), f"writing {name}", unit="channel"):
                if name == "DATA":
                    # One field of noise, moved along: independent from channel to channel of a spaxel.
                    moved = np.roll(noise, channel * 7919)
                    plane = 100 * (light * spectrum[channel] + sigma[channel] * moved)
                else:
                    plane = np.full(light.shape, (100 * sigma[channel]) ** 2)
                out.seek(start + size * nx * (channel * ny + first))
                out.write(plane.astype(">f4").tobytes())
            length = n_wave * ny * nx * size
            out.seek(start + -(-length // _BLOCK) * _BLOCK)
        out.truncate(out.tell())
    side = max(round(np.sqrt(spaxels_a_bin)), 1)
    bins = np.full((ny, nx), -1.0)
    bins[first : first + exposed_rows] = ((y - first) // side) * (nx // side + 1) + x // side
    velocity = np.where(bins >= 0, 30.0 * (np.arange(nx) / nx - 0.5), np.nan)
    layers = {"BINID": bins, "V_STARS": velocity, "SIGMA_STARS": velocity * 0 + 60}
    primary = fits.PrimaryHDU()
    primary.header["REDSHIFT"] = C_KMS * redshift
    maps = folder / "MAPS.fits"
    fits.HDUList(
        [primary, *(fits.ImageHDU(a.astype(np.float32), header, name=n) for n, a in layers.items())]
    ).writeto(maps, overwrite=True)
    return path, maps


def _header(ny: int, nx: int) -> fits.Header:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cunit = ["RA---TAN", "DEC--TAN"], ["deg", "deg"]
    wcs.wcs.crval, wcs.wcs.crpix = [RA_DEG, DEC_DEG], [(nx + 1) / 2, (ny + 1) / 2]
    wcs.wcs.cdelt = [-_PIXEL_ARCSEC / 3600, _PIXEL_ARCSEC / 3600]
    return wcs.to_header()


def _extension_header(name: str, shape: tuple[int, int, int], celestial: fits.Header) -> fits.Header:
    n_wave, ny, nx = shape
    cards = [("XTENSION", "IMAGE"), ("BITPIX", 8 if name == "DQ" else -32), ("NAXIS", 3), ("NAXIS1", nx)]
    cards += [("NAXIS2", ny), ("NAXIS3", n_wave), ("PCOUNT", 0), ("GCOUNT", 1), ("EXTNAME", name)]
    header = fits.Header(cards)
    header.update(celestial)
    header["WCSAXES"] = 3
    header["CTYPE3"], header["CUNIT3"], header["CRPIX3"] = "AWAV", "Angstrom", 1.0
    header["CRVAL3"], header["CDELT3"] = _WAVE_START_AA, _WAVE_STEP_AA
    unit = "10**(-20)*erg/s/cm**2/Angstrom"
    if name != "DQ":
        header["BUNIT"] = unit if name == "DATA" else f"({unit})**2"
    return header
