"""Read spectra of any common file format: SDSS, FITS tables and images, HDF5, CSV and plain columns.

`READERS` is the one list of formats, for the galaxies of the sample sheet and for ``sfhnet infer`` alike (cubes are in
`sfhnet.observation.cube_layout`); what columns mean is in `sfhnet.observation.spectrum_columns`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from astropy.io import fits

from pyprospect.constants import FWHM_PER_SIGMA
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.observation.fits_files import open_fits
from sfhnet.observation.readers import Readers
from sfhnet.observation.spectral_axis import spectral_axis
from sfhnet.observation.spectrum_columns import Column, SpectrumFile, role_of, spectrum_of
from sfhnet.observation.stored_spectra import MANY, StoredRows, spectra_of, whole
from sfhnet.observation.text_tables import decode, names_in, read_text_table
from sfhnet.tools.hdf5 import open_whole
from sfhnet.tools.reading import reading

__all__ = ["READERS", "SpectrumFile", "kind_of", "read_spectra"]

# Columns of SDSS's table COADD that are needed.
_SDSS = {"flux", "loglam", "ivar"}
_TABLE_UNIT = "1e-20 erg/s/cm**2/Angstrom"

READERS: Readers[Path, Callable[[Path, str], SpectrumFile]] = Readers("spectra")


def _ends(*endings: str) -> Callable[[Path], bool]:
    return lambda path: path.name.lower().removesuffix(".gz").endswith(endings)


_is_fits = _ends(".fits", ".fit", ".fts")


def _is_sdss(path: Path) -> bool:
    if not _is_fits(path):
        return False
    with open_fits(path, path.stem) as hdus:
        return "COADD" in hdus


def read_spectra(
    path: str | os.PathLike, kind: str | None = None, galaxy: str | None = None, *, stored: bool = False
) -> SpectrumFile:
    """Read a file of one or more spectra on one wavelength axis.

    ``sdss``: see `read_sdss`; ``table``: see `read_table`. Of the others, FITS tables (``fits``) and ``csv`` need columns
    for wavelength (``wave``, ``lambda``, ``loglam`` ...), flux and an error (``sigma``, ``variance`` or ``ivar``); plain
    ``text`` has such a header too, commented or not, or wavelength, flux and sigma in this order. FITS images (``fits``)
    have a wavelength axis in the header and an error, ``STAT`` or ``ERR`` extension. ``hdf5`` files have datasets of these
    names. Units (TUNIT, BUNIT, CUNIT, the attribute ``unit`` of HDF5, parentheses in a header) are converted, masks
    (``mask``, ``and_mask``, ``DQ``: not zero is bad; ``good``: not zero is good) are heeded.

    Parameters
    ----------
    path : path
        File to read.
    kind : str, optional
        Key of `READERS`; by default that of `kind_of`.
    galaxy : str, optional
        Name for messages; by default that of the file.
    stored : bool
        Leave flux, sigma and good of many spectra in the file (`sfhnet.observation.stored_spectra.StoredRows`): a slice of
        them is read when it is asked for.

    Returns
    -------
    SpectrumFile
        With notes on what was assumed and what was not used.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the kind is unknown, the file is truncated or damaged, something needed is missing, contradicts itself or is in
        a unit that is not understood; says what there is.
    """
    path = Path(path)
    galaxy = path.stem if galaxy is None else galaxy
    if not path.is_file():
        raise FileNotFoundError(f"{galaxy}: {path} does not exist; correct the path or fetch the file")
    with reading(path, galaxy):
        kind = kind_of(path) if kind is None else kind
        found = READERS.named(kind, f"{galaxy}: {path}")(path, galaxy)
        return found if stored else whole(found)


def kind_of(path: Path) -> str:
    """Return the kind of a file (a key of `READERS`) from its suffix, for FITS files from their extensions.

    A ``table`` looks like any text; it has to be named.
    """
    return READERS.recognise(path) or "text"


@READERS.register("sdss", knows=_is_sdss)
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
        One spectrum, with the unit of the header; pixels that ``and_mask`` marks are not good.

    Raises
    ------
    ValueError
        If it is truncated, no SDSS spectrum, or has no good pixel.
    """
    where = f"{galaxy}: {path} [COADD]"
    with open_fits(path, galaxy) as hdus:
        if "COADD" not in hdus:
            raise ValueError(
                f"{galaxy}: {path} has no extension COADD (found {[hdu.name for hdu in hdus]}); not SDSS?"
            )
        columns = _table_columns(hdus["COADD"])
        missing = sorted(_SDSS - set(columns))
        if missing:
            raise ValueError(f"{where} lacks the columns {missing}; not an SDSS spectrum?")
        wdisp = columns.pop("wdisp", None)
        # The unit stands in the first header; nobody needs it for the shape of a history.
        unit = hdus[0].header.get("BUNIT")
        read = spectrum_of(columns, where, medium="vacuum", default_unit=unit)
    good = read.good & np.isfinite(read.flux) & np.isfinite(read.sigma) & (read.sigma > 0)
    if not good.any():
        raise ValueError(f"{where} has no good pixel (all ivar zero or NaN, or masked)")
    fwhm_aa, notes = None, read.notes
    if wdisp is None:
        notes = (*notes, "no column wdisp: the resolution is not known")
    else:
        fwhm_aa = wdisp.values.astype(float) * 1e-4 * np.log(10) * read.wave_aa * FWHM_PER_SIGMA
    return replace(
        read,
        flux=np.where(good, read.flux, 0.0),
        sigma=np.where(good, read.sigma, 0.0),
        good=good,
        fwhm_aa=fwhm_aa,
        notes=notes,
    )


@READERS.register("table")
def read_table(path: Path, galaxy: str) -> SpectrumFile:
    """Read a MUSE spectrum in text: wavelength (Angstrom), flux (1e-20 cgs), variance; zeros where there is nothing.

    Parameters
    ----------
    path : Path
        One header line, then columns of numbers. A header that names the columns or their units is believed; under any
        other the first three are wavelength, flux and variance.
    galaxy : str
        Name for messages.

    Returns
    -------
    SpectrumFile
        One spectrum; in units of 1e-20 erg/s/cm2/Angstrom if the header tells none.

    Raises
    ------
    ValueError
        If it is no such table, or has no good pixel.
    """
    where = f"{galaxy}: {path}"
    try:
        columns, notes = _text_columns(path, where, ("wave", "flux", "variance"), by_place=True)
        read = spectrum_of(columns, where, default_unit=_TABLE_UNIT, notes=notes)
    except ValueError as error:
        raise ValueError(
            f"{error}; expected one header line, then wavelength in Angstrom, flux and variance in units of 1e-20 "
            "erg/s/cm2/Angstrom"
        ) from error
    good = read.good & np.isfinite(read.flux) & (read.sigma > 0) & (read.flux != 0)
    if not good.any():
        raise ValueError(f"{where} has no good pixel")
    return replace(
        read,
        flux=np.where(good, read.flux, 0.0),
        sigma=np.where(good, read.sigma, 0.0),
        good=good,
        fwhm_aa=muse_udf10_fwhm_aa(read.wave_aa),
    )


@READERS.register("csv", knows=_ends(".csv", ".ecsv"))
@READERS.register("text")
def _read_text(path: Path, galaxy: str) -> SpectrumFile:
    where = f"{galaxy}: {path}"
    columns, notes = _text_columns(path, where, ("wave", "flux", "sigma"))
    return spectrum_of(columns, where, notes=notes)


def _text_columns(
    path: Path, where: str, otherwise: tuple[str, ...], *, by_place: bool = False
) -> tuple[dict[str, Column], tuple[str, ...]]:
    """Return the columns of a text, by the names of its header if that tells of wavelength and flux, else by their place."""
    if decode(path, where).startswith("# %ECSV"):
        return _ecsv_columns(path, where), ()
    table = read_text_table(path, where)
    width = table.values.shape[1]
    names = table.names or names_in(table.comments, width)
    roles = [role_of(name) for name in names or []]
    if names and "flux" in roles and any(role and role.endswith("wave") for role in roles):
        return _distinct(names, table.values, where), ()
    if table.names and any(roles) and not by_place:
        raise ValueError(
            f"{where} lacks wavelength or flux; it has {', '.join(table.names)}. Name its columns wave, flux and sigma (or "
            "variance, ivar)"
        )
    for name, wanted in zip(names or [], otherwise):
        meant = role_of(name) or role_of(name.rsplit("_")[-1])
        if meant not in (None, wanted):
            raise ValueError(
                f"{where}: the column {name!r} stands where the {wanted} is expected; name them all"
            )
    if width < len(otherwise):
        raise ValueError(f"{where} has {width} columns; {', '.join(otherwise)} are needed")
    notes = [f"no header says what the columns are: taken for {', '.join(otherwise)}"]
    if width > len(otherwise):
        notes.append(f"not used: the last {width - len(otherwise)} columns")
    return {name: Column(table.values[:, k]) for k, name in enumerate(otherwise)}, tuple(notes)


def _distinct(names: list[str], values: np.ndarray, where: str) -> dict[str, Column]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{where} has several columns {', '.join(twice)}; rename all but one")
    return {name or f"column {k + 1}": Column(values[:, k]) for k, name in enumerate(names)}


def _ecsv_columns(path: Path, where: str) -> dict[str, Column]:
    from astropy.table import Table

    try:
        table = Table.read(decode(path, where).splitlines(), format="ascii.ecsv")
    except Exception as error:
        raise ValueError(f"{where} is no ECSV table ({error})") from error
    return {
        name: Column(np.ma.filled(table[name].astype(float), np.nan), str(table[name].unit or ""))
        for name in table.colnames
        if np.issubdtype(table[name].dtype, np.number)
    }


@READERS.register("hdf5", knows=_ends(".h5", ".hdf5"))
def _read_hdf5(path: Path, galaxy: str) -> SpectrumFile:
    with open_whole(path) as file:
        columns, groups = {}, []
        for key, value in file.items():
            if not isinstance(value, h5py.Dataset) or role_of(key) is None or value.dtype.kind not in "biuf":
                groups.append(key)
            else:
                unit = value.attrs.get("unit", value.attrs.get("units", ""))
                values = _in_hdf5(path, key, value.shape) if _are_many(value.shape) else value[()]
                columns[key] = Column(values, _text(unit))
        medium = file.attrs.get("medium")
    notes = (f"not used: {', '.join(groups)}",) if groups else ()
    medium = None if medium is None else _text(medium).lower()
    if medium not in (None, "air", "vacuum"):
        raise ValueError(f"{galaxy}: {path} has medium {medium!r}; expected air or vacuum")
    return spectra_of(columns, f"{galaxy}: {path}", medium=medium, notes=notes)


def _are_many(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[0] > MANY


def _in_hdf5(path: Path, name: str, shape: tuple[int, ...]) -> Any:
    def read(rows: slice) -> np.ndarray:
        with open_whole(path) as file:
            return file[name][rows]

    return StoredRows(shape, read)


def _in_fits(path: Path, galaxy: str, number: int, shape: tuple[int, ...]) -> Any:
    def read(rows: slice) -> np.ndarray:
        with open_fits(path, galaxy) as hdus:
            return np.array(hdus[number].section[rows, :])

    return StoredRows(shape, read)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _table_columns(hdu: fits.BinTableHDU) -> dict[str, Column]:
    """Return the columns of numbers of a table, in lower case; a table of one row holds vectors."""
    columns = {}
    for column in hdu.columns:
        values = np.asarray(hdu.data[column.name])
        if values.dtype.kind in "biuf":
            columns[column.name.lower()] = Column(np.atleast_1d(np.squeeze(values)), column.unit)
    return columns


@READERS.register("fits", knows=_is_fits)
def _read_fits(path: Path, galaxy: str) -> SpectrumFile:
    with open_fits(path, galaxy) as hdus:
        for hdu in hdus:
            if isinstance(hdu, fits.BinTableHDU):
                columns = _table_columns(hdu)
                roles = {role_of(name) for name in columns}
                if "flux" in roles and roles & {"wave", "log wave", "ln wave"}:
                    # SDSS tables are the ones with loglam; theirs are vacuum wavelengths.
                    medium = "vacuum" if "log wave" in roles and "wave" not in roles else None
                    return spectra_of(columns, f"{galaxy}: {path} [{hdu.name or 'table'}]", medium=medium)
        return _read_image(hdus, path, galaxy)


def _read_image(hdus: fits.HDUList, path: Path, galaxy: str) -> SpectrumFile:
    where = f"{galaxy}: {path}"
    images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") in (1, 2)]
    image = next((hdu for hdu in images if role_of(hdu.name) == "flux"), images[0] if images else None)
    if image is None:
        raise ValueError(f"{where} holds neither a table with wavelength and flux nor a 1-d or 2-d image")
    header = image.header
    # Some programs keep the axis in the first header, beside extensions that have none.
    axis_header = header if "CRVAL1" in header else hdus[0].header
    wave_aa, medium = spectral_axis(
        axis_header, 1, image.shape[-1], where=f"{where} [{image.name or 'PRIMARY'}]"
    )
    unit = header.get("BUNIT") or hdus[0].header.get("BUNIT")

    def values(number: int, hdu: fits.hdu.image.ImageHDU) -> Any:
        return _in_fits(path, galaxy, number, hdu.shape) if _are_many(hdu.shape) else hdu.data

    columns = {"wave": Column(wave_aa), "flux": Column(values(hdus.index(image), image), unit)}
    unused = []
    for number, hdu in enumerate(hdus):
        if hdu is image or hdu.header.get("NAXIS", 0) == 0:
            continue
        key = hdu.name.lower()
        if role_of(key) in ("sigma", "variance", "ivar", "good", "bad") and hdu in images:
            columns[key] = Column(values(number, hdu), hdu.header.get("BUNIT"))
        else:
            unused.append(hdu.name or "an extension without name")
    notes = (f"not used: {', '.join(unused)}",) if unused else ()
    return spectra_of(columns, where, medium=medium, notes=notes)
