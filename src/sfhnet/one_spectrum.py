"""Single spectra: SDSS files and text tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyprospect.constants import FWHM_PER_SIGMA
from pyprospect.lsf import muse_udf10_fwhm_aa

from .fits_files import open_fits
from .wavelengths_and_units import parse_flux_unit


class OneSpectrum(NamedTuple):
    """A spectrum as it was observed, arrays of shape (n_wave,); flux and variance are 0 where not good."""

    wave_aa: np.ndarray
    fwhm_aa: np.ndarray
    flux: np.ndarray
    variance: np.ndarray
    good: np.ndarray
    flux_unit_cgs: float


def read_sdss(path: str | os.PathLike, galaxy: str) -> OneSpectrum:
    """Read an SDSS spectrum: inverse variance, log10 wavelengths, LSF as sigma in pixels of 1e-4 dex.

    Parameters
    ----------
    path : path
        FITS file with the table COADD.
    galaxy : str
        Name for messages.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is truncated, no SDSS spectrum, or has no good pixel.
    """
    with open_fits(path, galaxy) as hdus:
        if "COADD" not in hdus:
            raise ValueError(
                f"{galaxy}: {path} has no extension COADD (found {[hdu.name for hdu in hdus]}); not SDSS?"
            )
        table = hdus["COADD"].data
        unit = parse_flux_unit(hdus[0].header.get("BUNIT"), f"{galaxy}: {path} [PRIMARY]")
        missing = sorted({"flux", "loglam", "ivar", "wdisp"} - {name.lower() for name in table.names})
        if missing:
            raise ValueError(f"{galaxy}: {path} [COADD] lacks the columns {missing}; not an SDSS spectrum?")
        flux, ivar = (np.asarray(table[name], dtype=float) for name in ("flux", "ivar"))
        wave_aa = 10.0 ** np.asarray(table["loglam"], dtype=float)
        fwhm = np.asarray(table["wdisp"], dtype=float) * 1e-4 * np.log(10) * wave_aa * FWHM_PER_SIGMA
    good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    if not good.any():
        raise ValueError(f"{galaxy}: {path} [COADD] has no good pixel (all ivar zero or NaN)")
    return OneSpectrum(
        wave_aa,
        fwhm,
        np.where(good, flux, 0.0),
        np.where(good, 1 / np.where(good, ivar, 1), 0.0),
        good,
        unit,
    )


def read_table(path: str | os.PathLike, galaxy: str) -> OneSpectrum:
    """Read a MUSE spectrum in text: wavelength (Angstrom), flux (1e-20 cgs), variance; zeros where there is nothing.

    Parameters
    ----------
    path : path
        Text file with one header line.
    galaxy : str
        Name for messages.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is no such table, or has no good pixel.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{galaxy}: {path} does not exist; correct the galaxy table or fetch the file"
        )
    try:
        columns = np.loadtxt(path, skiprows=1, usecols=(0, 1, 2), unpack=True)
    except ValueError as error:
        raise ValueError(
            f"{galaxy}: {path} cannot be read ({error}); expected one header line, then wavelength in Angstrom, flux and "
            "variance in units of 1e-20 erg/s/cm2/Angstrom"
        ) from error
    wave_aa, flux, variance = columns
    good = np.isfinite(flux) & np.isfinite(variance) & (variance > 0) & (flux != 0)
    if not good.any() or np.any(np.diff(wave_aa) <= 0):
        raise ValueError(f"{galaxy}: {path} has no good pixel, or wavelengths that do not ascend")
    return OneSpectrum(
        wave_aa,
        muse_udf10_fwhm_aa(wave_aa),
        np.where(good, flux, 0.0),
        np.where(good, variance, 0.0),
        good,
        1e-20,
    )


READERS = {"sdss": read_sdss, "table": read_table}
