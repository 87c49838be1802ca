"""Read spectra of any common file format: SDSS, FITS tables and images, HDF5, CSV and plain columns.

`READERS` is the one list of formats, for the galaxies of the sample sheet and for ``sfhnet infer`` alike.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

from pyprospect.constants import FWHM_PER_SIGMA
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.observation.fits_files import open_fits
from sfhnet.observation.wavelengths_and_units import parse_flux_unit
from sfhnet.tools.hdf5 import open_whole

__all__ = ["READERS", "SpectrumFile", "kind_of", "read_spectra"]

_WAVE = ("wave_aa", "wave", "wavelength", "lambda", "lam")
_LOG_WAVE = ("loglam", "log_wave", "log10wave")
_FLUX = ("flux", "flam", "f_lambda", "data")
_SIGMA = ("sigma", "error", "err", "flux_err", "fluxerr", "e_flux", "noise")
_VARIANCE = ("variance", "var", "stat")
_INVERSE = ("ivar", "inverse_variance")
_GOOD = ("good", "mask_good")
# Columns of SDSS's table COADD that are needed.
_SDSS = {"flux", "loglam", "ivar", "wdisp"}
_TABLE_UNIT_CGS = 1e-20


@dataclass(frozen=True)
class SpectrumFile:
    """Spectra as they were observed.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Observed wavelengths in Angstrom, in air or vacuum.
    flux, sigma : ndarray, shape (n, n_wave)
        f_lambda and its error.
    good : ndarray of bool, shape (n, n_wave)
        Good pixels.
    medium : str, optional
        "air" or "vacuum", if the file tells.
    fwhm_aa : ndarray, shape (n_wave,), optional
        Resolution of the instrument, if it is known.
    flux_unit_cgs : float, optional
        erg/s/cm2/Angstrom per unit of flux, if it is known.
    """

    wave_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    good: np.ndarray
    medium: str | None = None
    fwhm_aa: np.ndarray | None = None
    flux_unit_cgs: float | None = None


def read_spectra(path: str | os.PathLike, kind: str | None = None, galaxy: str | None = None) -> SpectrumFile:
    """Read a file of one or more spectra on one wavelength axis.

    ``sdss``: see `read_sdss`; ``table``: see `read_table`. Of the others, FITS tables (``fits``) and ``csv`` need columns
    for wavelength (``wave``, ``lambda``, ``loglam`` ...), flux and an error (``sigma``, ``variance`` or ``ivar``); plain
    ``text`` has such a header too, or wavelength, flux and sigma in this order. FITS images (``fits``) have a linear
    wavelength axis in the header and an error, ``STAT`` or ``ERR`` extension. ``hdf5`` files have datasets of these names.

    Parameters
    ----------
    path : path
        File to read.
    kind : str, optional
        Key of `READERS`; by default that of `kind_of`.
    galaxy : str, optional
        Name for messages; by default that of the file.

    Returns
    -------
    SpectrumFile

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the kind is unknown, the file is truncated, something needed is missing or no pixel is good; says what there is.
    """
    path = Path(path)
    galaxy = path.stem if galaxy is None else galaxy
    if not path.is_file():
        raise FileNotFoundError(f"{galaxy}: {path} does not exist; correct the path or fetch the file")
    kind = kind_of(path) if kind is None else kind
    if kind not in READERS:
        raise ValueError(f"{galaxy}: kind {kind!r} is unknown; choose one of {', '.join(READERS)}")
    return READERS[kind](path, galaxy)


def kind_of(path: Path) -> str:
    """Return the kind of a file (a key of `READERS`) from its suffix, for FITS files from their extensions.

    A ``table`` looks like any text; it has to be named.
    """
    name = path.name.lower()
    if name.endswith((".fits", ".fit", ".fits.gz")):
        with open_fits(path, path.stem) as hdus:
            return "sdss" if "COADD" in hdus else "fits"
    if name.endswith((".h5", ".hdf5")):
        return "hdf5"
    return "csv" if name.endswith(".csv") else "text"


def read_sdss(path: Path, galaxy: str) -> SpectrumFile:
    """Read an SDSS spectrum: vacuum, inverse variance, log10 wavelengths, LSF as sigma in pixels of 1e-4 dex.

    Parameters
    ----------
    path : Path
        FITS file with an extension COADD.
    galaxy : str
        Name for messages.

    Returns
    -------
    SpectrumFile
        One spectrum, with the unit of the header.

    Raises
    ------
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
        missing = sorted(_SDSS - {name.lower() for name in table.names})
        if missing:
            raise ValueError(f"{galaxy}: {path} [COADD] lacks the columns {missing}; not an SDSS spectrum?")
        flux, ivar = (np.asarray(table[name], dtype=float) for name in ("flux", "ivar"))
        wave_aa = 10.0 ** np.asarray(table["loglam"], dtype=float)
        fwhm_aa = np.asarray(table["wdisp"], dtype=float) * 1e-4 * np.log(10) * wave_aa * FWHM_PER_SIGMA
    good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    if not good.any():
        raise ValueError(f"{galaxy}: {path} [COADD] has no good pixel (all ivar zero or NaN)")
    sigma = np.where(good, 1 / np.sqrt(np.where(good, ivar, 1)), 0.0)
    return SpectrumFile(
        wave_aa=wave_aa,
        flux=np.where(good, flux, 0.0)[None],
        sigma=sigma[None],
        good=good[None],
        medium="vacuum",
        fwhm_aa=fwhm_aa,
        flux_unit_cgs=unit,
    )


def read_table(path: Path, galaxy: str) -> SpectrumFile:
    """Read a MUSE spectrum in text: wavelength (Angstrom), flux (1e-20 cgs), variance; zeros where there is nothing.

    Parameters
    ----------
    path : Path
        One header line, then three columns of numbers.
    galaxy : str
        Name for messages.

    Returns
    -------
    SpectrumFile
        One spectrum, in units of 1e-20 erg/s/cm2/Angstrom.

    Raises
    ------
    ValueError
        If it is no such table, or has no good pixel.
    """
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
    sigma = np.sqrt(np.where(good, variance, 0.0))
    return SpectrumFile(
        wave_aa=wave_aa,
        flux=np.where(good, flux, 0.0)[None],
        sigma=sigma[None],
        good=good[None],
        fwhm_aa=muse_udf10_fwhm_aa(wave_aa),
        flux_unit_cgs=_TABLE_UNIT_CGS,
    )


def _read_text(path: Path, galaxy: str) -> SpectrumFile:
    rows = [line.split() for line in path.read_text("utf-8").splitlines() if line.split("#")[0].strip()]
    if rows and not _is_number(rows[0][0]):
        return _from_columns(_columns(rows, galaxy, path), galaxy, path)
    if not rows or len(rows[0]) < 3:
        raise ValueError(
            f"{galaxy}: {path} has {len(rows[0]) if rows else 0} columns; wavelength, flux and sigma are needed"
        )
    rows = [["wave", "flux", "sigma"], *(row[:3] for row in rows)]
    return _from_columns(_columns(rows, galaxy, path), galaxy, path)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_csv(path: Path, galaxy: str) -> SpectrumFile:
    with path.open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.reader(handle) if row and not row[0].startswith("#")]
    return _from_columns(_columns(rows, galaxy, path), galaxy, path)


def _read_hdf5(path: Path, galaxy: str) -> SpectrumFile:
    with open_whole(path) as file:
        columns = {key.lower(): value[()] for key, value in file.items() if isinstance(value, h5py.Dataset)}
        medium = file.attrs.get("medium")
    return _from_columns(columns, galaxy, path, None if medium is None else str(medium))


def _columns(rows: list[list[str]], galaxy: str, path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a table by the names in its first row, in lower case."""
    if len(rows) < 2:
        raise ValueError(f"{galaxy}: {path} holds no spectrum")
    header = [cell.strip().lower() for cell in rows[0]]
    lengths = sorted({len(row) for row in rows[1:]})
    if lengths != [len(header)]:
        raise ValueError(
            f"{galaxy}: {path} has {len(header)} names and {', '.join(map(str, lengths))} columns"
        )
    try:
        values = np.array([[float(cell or "nan") for cell in row] for row in rows[1:]])
    except ValueError as error:
        raise ValueError(
            f"{galaxy}: {path}: {error}; every cell below the header must be a number or empty"
        ) from error
    return {name: values[:, k] for k, name in enumerate(header)}


def _read_fits(path: Path, galaxy: str) -> SpectrumFile:
    with open_fits(path, galaxy) as hdus:
        for hdu in hdus:
            if isinstance(hdu, fits.BinTableHDU):
                names = {column.lower() for column in hdu.columns.names}
                if names & set(_FLUX) and names & {*_WAVE, *_LOG_WAVE}:
                    columns = {c.lower(): np.atleast_1d(np.squeeze(hdu.data[c])) for c in hdu.columns.names}
                    # SDSS tables are the ones with loglam; theirs are vacuum wavelengths.
                    medium = "vacuum" if names & set(_LOG_WAVE) else None
                    return _from_columns(columns, galaxy, path, medium)
        image = next((hdu for hdu in hdus if hdu.data is not None and hdu.data.ndim in (1, 2)), None)
        if image is None:
            raise ValueError(
                f"{galaxy}: {path} holds neither a table with wavelength and flux nor a 1-d or 2-d image"
            )
        header, flux = image.header, np.atleast_2d(image.data).astype(float)
        step = header.get("CD1_1", header.get("CDELT1"))
        if step is None or "CRVAL1" not in header:
            raise ValueError(
                f"{galaxy}: {path}: the header has no CRVAL1 and CD1_1 or CDELT1, so no wavelengths"
            )
        pixel = np.arange(flux.shape[1]) + 1 - header.get("CRPIX1", 1)
        wave = header["CRVAL1"] + step * pixel
        columns = {"wave": 10.0**wave if header.get("DC-FLAG") == 1 else wave, "flux": flux}
        for hdu in hdus:
            key = hdu.name.lower()
            if hdu is not image and key in (*_SIGMA, *_VARIANCE, *_INVERSE):
                columns[key] = np.atleast_2d(hdu.data).astype(float)
        kind = str(header.get("CTYPE1", "")).upper()
        medium = {"AWAV": "air", "WAVE": "vacuum"}.get(kind[:4])
        return _from_columns(columns, galaxy, path, medium)


def _pick(columns: Mapping[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    for name in names:
        if name in columns:
            return np.asarray(columns[name], dtype=float)
    return None


def _from_columns(
    columns: Mapping[str, np.ndarray], galaxy: str, path: Path, medium: str | None = None
) -> SpectrumFile:
    there = ", ".join(columns) or "nothing"
    wave, log_wave, flux = _pick(columns, _WAVE), _pick(columns, _LOG_WAVE), _pick(columns, _FLUX)
    if wave is None and log_wave is not None:
        wave = 10.0**log_wave
    if wave is None or flux is None:
        raise ValueError(
            f"{galaxy}: {path} lacks wavelength or flux; it has {there}. Name its columns wave, flux and sigma (or variance, ivar)"
        )
    sigma, variance, inverse = _pick(columns, _SIGMA), _pick(columns, _VARIANCE), _pick(columns, _INVERSE)
    with np.errstate(divide="ignore", invalid="ignore"):
        # A variance that is not positive marks a pixel without a value: masked below.
        if sigma is None and variance is not None:
            sigma = np.sqrt(variance)
        if sigma is None and inverse is not None:
            sigma = 1.0 / np.sqrt(inverse)
    if sigma is None:
        raise ValueError(
            f"{galaxy}: {path} has no errors (sigma, variance or ivar); it has {there}. The answer depends on them"
        )
    flux, sigma = np.atleast_2d(flux), np.atleast_2d(sigma)
    good = _pick(columns, _GOOD)
    good = np.ones(flux.shape, dtype=bool) if good is None else np.atleast_2d(good) > 0
    # An infinite error is the file's way of saying that the pixel holds nothing.
    good = good & ~np.isinf(sigma)
    return SpectrumFile(wave, flux, np.broadcast_to(sigma, flux.shape).copy(), good, medium)


READERS: dict[str, Callable[[Path, str], SpectrumFile]] = {
    "sdss": read_sdss,
    "table": read_table,
    "fits": _read_fits,
    "hdf5": _read_hdf5,
    "csv": _read_csv,
    "text": _read_text,
}
