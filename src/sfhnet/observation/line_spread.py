"""The line-spread function of an instrument as the sample sheet says it: a number, a polynomial, a header, a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from pyprospect.constants import FWHM_PER_SIGMA
from sfhnet.core.training_grid import INSTRUMENTS
from sfhnet.observation.text_tables import read_text_table
from sfhnet.observation.wavelengths_and_units import OPTICAL_AA
from sfhnet.sources.sheet_cells import LsfCell

__all__ = ["line_spread_fwhm_aa"]

# FWHM in Angstrom outside of this is in another unit than it is said to be.
_FWHM_AA = (0.05, 100.0)


def line_spread_fwhm_aa(
    cell: str, wave_aa: np.ndarray, *, where: str, hdus: fits.HDUList | None = None
) -> np.ndarray:
    """Return the FWHM of a line-spread function.

    Parameters
    ----------
    cell : str
        The column ``lsf`` of the sample sheet (`sfhnet.sources.sheet_cells.LsfCell`).
    wave_aa : ndarray, shape (n_wave,)
        Observed wavelengths.
    where : str
        Galaxy and file for the error message.
    hdus : HDUList, optional
        The file, for headers and extensions.

    Returns
    -------
    ndarray, shape (n_wave,)
        In Angstrom.

    Raises
    ------
    ValueError
        If a keyword, extension or table is not there, does not cover the spectra, or gives an impossible width.
    """
    said = LsfCell.parse(cell)
    where = f"{where}: lsf {cell!r}"
    if said.source == "name":
        fwhm_aa = INSTRUMENTS[said.text](wave_aa)
    elif said.source == "number":
        fwhm_aa = _width(said.quantity, np.full(wave_aa.shape, float(said.text)), wave_aa)
    elif said.source == "poly":
        coefficients = [float(text) for text in said.text.replace(",", " ").split()]
        fwhm_aa = _width(said.quantity, np.polynomial.polynomial.polyval(wave_aa, coefficients), wave_aa)
    elif said.source == "file":
        fwhm_aa = _of_table(said, wave_aa, where)
    elif hdus is None:
        raise ValueError(f"{where}: the file has no headers or extensions; give a number or a table")
    elif said.source == "header":
        fwhm_aa = _width(said.quantity, np.full(wave_aa.shape, _of_header(said.text, hdus, where)), wave_aa)
    else:
        fwhm_aa = _width(said.quantity, _of_extension(said.text, hdus, wave_aa.size, where), wave_aa)
    low, high = _FWHM_AA
    if not (np.isfinite(fwhm_aa).all() and low < fwhm_aa.min() and fwhm_aa.max() < high):
        raise ValueError(
            f"{where} gives FWHM of {np.nanmin(fwhm_aa):.4g} .. {np.nanmax(fwhm_aa):.4g} Angstrom, expected {low:g} .. {high:g}; "
            "is it a sigma (write sigma=...), a resolving power (R=...), or in nm?"
        )
    return fwhm_aa


def _width(quantity: str, values: np.ndarray, wave_aa: np.ndarray) -> np.ndarray:
    if quantity == "R":
        with np.errstate(divide="ignore"):
            return wave_aa / values
    return values * FWHM_PER_SIGMA if quantity == "sigma" else values


def _of_header(name: str, hdus: fits.HDUList, where: str) -> float:
    for hdu in hdus:
        if name in hdu.header:
            try:
                return float(hdu.header[name])
            except (TypeError, ValueError):
                raise ValueError(f"{where}: the keyword is {hdu.header[name]!r}, no number") from None
    raise ValueError(f"{where}: no header has the keyword {name}; correct the column lsf")


def _of_extension(name: str, hdus: fits.HDUList, n_wave: int, where: str) -> np.ndarray:
    if name.upper() not in [hdu.name for hdu in hdus]:
        raise ValueError(f"{where}: there is no extension {name} (found {[hdu.name for hdu in hdus]})")
    hdu = hdus[name.upper()]
    if not hdu.is_image or np.size(hdu.data) == 0 or hdu.shape[0] != n_wave:
        raise ValueError(
            f"{where}: the extension has shape {getattr(hdu, 'shape', ())}, there are {n_wave} wavelengths"
        )
    values = np.array(hdu.data, dtype=float)
    values[~(values > 0)] = np.nan
    if values.ndim == 3:
        # One a spaxel: the middle of those that are covered.
        covered = np.isfinite(values).any(axis=0)
        values = np.nanmedian(values[:, covered], axis=1) if covered.any() else np.full(n_wave, np.nan)
    known = np.isfinite(values)
    if values.ndim != 1 or not known.any():
        raise ValueError(f"{where}: the extension holds no positive number for each wavelength")
    place = np.arange(n_wave)
    return np.interp(place, place[known], values[known])


def _of_table(said: LsfCell, wave_aa: np.ndarray, where: str) -> np.ndarray:
    path = Path(said.text)
    if not path.is_file():
        raise FileNotFoundError(f"{where}: {path} does not exist; correct the column lsf")
    table = read_text_table(path, where)
    if table.values.shape[1] < 2:
        raise ValueError(
            f"{where} has {table.values.shape[1]} column; wavelength and width are needed, both in Angstrom"
        )
    at_aa, values = table.values[:, 0], table.values[:, 1]
    names = [name.strip().lower() for name in table.names or ("", "")]
    quantity = (
        "R"
        if names[1] in ("r", "resolution", "specres")
        else "sigma"
        if "sigma" in names[1]
        else said.quantity
    )
    if not (np.isfinite(table.values[:, :2]).all() and np.all(np.diff(at_aa) > 0)):
        raise ValueError(f"{where}: wavelengths must ascend, and all numbers be finite")
    if not (OPTICAL_AA[0] < at_aa[0] and at_aa[-1] < OPTICAL_AA[1]):
        raise ValueError(f"{where}: wavelengths run {at_aa[0]:g} .. {at_aa[-1]:g}; give them in Angstrom")
    # Ends are held over a twentieth of the range that the table covers, no further.
    margin = 0.05 * (at_aa[-1] - at_aa[0])
    if wave_aa[0] < at_aa[0] - margin or wave_aa[-1] > at_aa[-1] + margin:
        raise ValueError(
            f"{where} covers {at_aa[0]:.0f} .. {at_aa[-1]:.0f} Angstrom, the spectra {wave_aa[0]:.0f} .. {wave_aa[-1]:.0f}; "
            "extend the table"
        )
    return _width(quantity, np.interp(wave_aa, at_aa, values), wave_aa)
