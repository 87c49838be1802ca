"""Read spectra of any common file format: FITS tables and images, HDF5, CSV and plain columns."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

__all__ = ["SpectrumFile", "read_spectra"]

_WAVE = ("wave_aa", "wave", "wavelength", "lambda", "lam")
_LOG_WAVE = ("loglam", "log_wave", "log10wave")
_FLUX = ("flux", "flam", "f_lambda", "data")
_SIGMA = ("sigma", "error", "err", "flux_err", "fluxerr", "e_flux", "noise")
_VARIANCE = ("variance", "var", "stat")
_INVERSE = ("ivar", "inverse_variance")
_GOOD = ("good", "mask_good")


@dataclass(frozen=True)
class SpectrumFile:
    """Spectra as read: wave_aa (n_wave,), flux, sigma (n, n_wave), good (n, n_wave); medium if the file tells it."""

    wave_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    good: np.ndarray
    medium: str | None = None


def read_spectra(path: Path) -> SpectrumFile:
    """Read a file of one or more spectra on one wavelength axis.

    FITS tables and CSV need columns for wavelength (``wave``, ``lambda``, ``loglam`` ...), flux and an error
    (``sigma``, ``variance`` or ``ivar``); plain text has such a header too, or wavelength, flux and sigma in this order.
    FITS images have a linear wavelength axis in the header and an error, ``STAT`` or ``ERR`` extension. HDF5 files have
    datasets of these names.

    Parameters
    ----------
    path : Path
        Suffix tells the format: .fits[.gz], .h5/.hdf5, .csv, anything else = text columns.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If something needed is missing; says what there is.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    name = path.name.lower()
    if name.endswith((".fits", ".fit", ".fits.gz")):
        return _read_fits(path)
    if name.endswith((".h5", ".hdf5")):
        with h5py.File(path, "r") as file:
            columns = {
                key.lower(): value[()] for key, value in file.items() if isinstance(value, h5py.Dataset)
            }
            medium = file.attrs.get("medium")
        return _from_columns(columns, path, str(medium) if medium is not None else None)
    if name.endswith(".csv"):
        return _from_columns(_read_csv(path), path, None)
    return _from_columns(_read_text(path), path, None)


def _read_text(path: Path) -> dict[str, np.ndarray]:
    rows = [line.split() for line in path.read_text("utf-8").splitlines() if line.split("#")[0].strip()]
    if rows and not _is_number(rows[0][0]):
        return _columns(rows, path)
    if not rows or len(rows[0]) < 3:
        raise ValueError(
            f"{path} has {len(rows[0]) if rows else 0} columns; wavelength, flux and sigma are needed"
        )
    return _columns([["wave", "flux", "sigma"], *(row[:3] for row in rows)], path)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8") as handle:
        return _columns([row for row in csv.reader(handle) if row and not row[0].startswith("#")], path)


def _columns(rows: list[list[str]], path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a table by the names in its first row, in lower case."""
    if len(rows) < 2:
        raise ValueError(f"{path} holds no spectrum")
    header = [cell.strip().lower() for cell in rows[0]]
    lengths = sorted({len(row) for row in rows[1:]})
    if lengths != [len(header)]:
        raise ValueError(f"{path} has {len(header)} names and {', '.join(map(str, lengths))} columns")
    try:
        values = np.array([[float(cell or "nan") for cell in row] for row in rows[1:]])
    except ValueError as error:
        raise ValueError(f"{path}: {error}; every cell below the header must be a number or empty") from error
    return {name: values[:, k] for k, name in enumerate(header)}


def _read_fits(path: Path) -> SpectrumFile:
    with fits.open(path) as hdus:
        for hdu in hdus:
            if isinstance(hdu, fits.BinTableHDU):
                names = {column.lower() for column in hdu.columns.names}
                if names & set(_FLUX) and names & {*_WAVE, *_LOG_WAVE}:
                    columns = {c.lower(): np.atleast_1d(np.squeeze(hdu.data[c])) for c in hdu.columns.names}
                    # SDSS tables are the ones with loglam; theirs are vacuum wavelengths.
                    medium = "vacuum" if names & set(_LOG_WAVE) else None
                    return _from_columns(columns, path, medium)
        image = next((hdu for hdu in hdus if hdu.data is not None and hdu.data.ndim in (1, 2)), None)
        if image is None:
            raise ValueError(f"{path} holds neither a table with wavelength and flux nor a 1-d or 2-d image")
        header, flux = image.header, np.atleast_2d(image.data).astype(float)
        step = header.get("CD1_1", header.get("CDELT1"))
        if step is None or "CRVAL1" not in header:
            raise ValueError(f"{path}: the header has no CRVAL1 and CD1_1 or CDELT1, so no wavelengths")
        pixel = np.arange(flux.shape[1]) + 1 - header.get("CRPIX1", 1)
        wave = header["CRVAL1"] + step * pixel
        columns = {"wave": 10.0**wave if header.get("DC-FLAG") == 1 else wave, "flux": flux}
        for hdu in hdus:
            key = hdu.name.lower()
            if hdu is not image and key in (*_SIGMA, *_VARIANCE, *_INVERSE):
                columns[key] = np.atleast_2d(hdu.data).astype(float)
        kind = str(header.get("CTYPE1", "")).upper()
        medium = {"AWAV": "air", "WAVE": "vacuum"}.get(kind[:4])
        return _from_columns(columns, path, medium)


def _pick(columns: Mapping[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    for name in names:
        if name in columns:
            return np.asarray(columns[name], dtype=float)
    return None


def _from_columns(columns: Mapping[str, np.ndarray], path: Path, medium: str | None) -> SpectrumFile:
    there = ", ".join(columns) or "nothing"
    wave, log_wave, flux = _pick(columns, _WAVE), _pick(columns, _LOG_WAVE), _pick(columns, _FLUX)
    if wave is None and log_wave is not None:
        wave = 10.0**log_wave
    if wave is None or flux is None:
        raise ValueError(
            f"{path} lacks wavelength or flux; it has {there}. Name its columns wave, flux and sigma (or variance, ivar)"
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
            f"{path} has no errors (sigma, variance or ivar); it has {there}. The answer depends on them"
        )
    flux, sigma = np.atleast_2d(flux), np.atleast_2d(sigma)
    good = _pick(columns, _GOOD)
    good = np.ones(flux.shape, dtype=bool) if good is None else np.atleast_2d(good) > 0
    # An infinite error is the file's way of saying that the pixel holds nothing.
    good = good & ~np.isinf(sigma)
    return SpectrumFile(wave, flux, np.broadcast_to(sigma, flux.shape).copy(), good, medium)
