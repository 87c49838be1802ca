"""Read SSP spectra as the MILES web site delivers them: one FITS file per age and metallicity, in a folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.fits_files import whole_fits
from pyprospect.stars.library import SSPLibrary, age_edges_from_ages

# Name convention: spectral range, IMF, slope, [M/H], age in Gyr, isochrones with [alpha/Fe], mixture, rest, as in
# Eun1.30Zp0.00T00.0631_iPp0.00_baseFe_linear_FWHM_variable.fits and Mbi1.30Zm0.66T14.0000_iTp0.40_Ep0.40.fits
FILE_NAME = re.compile(
    r"(?P<range>[A-Z])(?P<imf>[a-z]{2})(?P<slope>\d\.\d\d)"
    r"Z(?P<sign>[mp])(?P<mh>\d\.\d\d)T(?P<age>\d\d\.\d{4})"
    r"(?:_i(?P<isochrones>[A-Z])(?P<alpha>[mp]\d\.\d\d))?(?:_(?P<variant>.+))?\.fits"
)
IMF_NAMES = {
    "un": "unimodal",
    "bi": "bimodal",
    "ku": "Kroupa universal",
    "kb": "Kroupa revised",
    "ch": "Chabrier",
}
ISOCHRONES = {"P": "Padova00", "T": "BaSTI"}
_ISOCHRONES_CODE = {name: code for code, name in ISOCHRONES.items()}
# Metal mass fraction of each [M/H] of the isochrones (Girardi et al. 2000; Pietrinferni et al. 2004), as the
# MILES site tabulates them. These are the isochrones' own Z, not Z_SUN * 10**[M/H].
METAL_FRACTION = {
    "P": {-2.32: 1e-4, -1.71: 4e-4, -1.31: 0.001, -0.71: 0.004, -0.40: 0.008, 0.0: 0.019, 0.22: 0.030},
    "T": {
        -2.27: 1e-4,
        -1.79: 3e-4,
        -1.49: 6e-4,
        -1.26: 0.001,
        -0.96: 0.002,
        -0.66: 0.004,
        -0.35: 0.008,
        -0.25: 0.0100,
        0.06: 0.0198,
        0.15: 0.0240,
        0.26: 0.0300,
        0.40: 0.0400,
    },
}
MASS_TABLE_COLUMNS = "IMF slope [M/H] Age Mtotal M(*+remn) M* Mremn Mgas"


class _Group(NamedTuple):
    """What the files of one library have in common, as their names spell it."""

    range: str
    imf: str
    slope: str
    isochrones: str | None
    alpha: str | None
    variant: str | None

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self._asdict().items() if value is not None)


def has_miles_files(folder: Path) -> bool:
    """Return whether a folder holds FITS files named as on the MILES site."""
    return any(FILE_NAME.fullmatch(item.name) for item in folder.glob("*.fits"))


def read_miles_folder(
    folder: Path,
    *,
    imf: str | None = None,
    slope: float | None = None,
    isochrones: str | None = None,
    alpha: str | None = None,
    variant: str | None = None,
    mass_table: Path | str | None = None,
    age_edges_yr: Sequence[float] | None = None,
    **unknown: Any,
) -> SSPLibrary:
    """Read one MILES-site library (MILES, E-MILES, ...) from a folder of FITS files.

    Parameters
    ----------
    folder : Path
        Folder of the FITS files, and of the surviving-mass table ``*ssp_mass*`` if there is one.
    imf : str, optional
        Code of the initial mass function: un, bi, ku, kb or ch. Needed if the folder holds several.
    slope : float, optional
        IMF slope, e.g. 1.3.
    isochrones : str, optional
        "P" / "Padova00" or "T" / "BaSTI".
    alpha : str, optional
        [alpha/Fe] as in the file name, e.g. "p0.40".
    variant : str, optional
        What follows in the file name, e.g. "baseFe_linear_FWHM_variable".
    mass_table : path, optional
        Surviving-mass table in the format of Vazdekis et al. (2012), if not the one found in the folder.
    age_edges_yr : sequence of float, optional
        Edges of the age bins; by default halves between ages, first edge 0, last half a step beyond.

    Returns
    -------
    SSPLibrary
        Spectra as they are in the files, exactly-zero spans included (``holes()`` lists them). Evolution:
        SMstar is the mass of living stars, SMrem of remnants, from the table; NaN without a table.

    Raises
    ------
    ValueError
        If several libraries match, ages or metallicities are missing, or a file is truncated.

    Notes
    -----
    Spectra are in Lsol / Angstrom per Msol formed with Lsol = 3.826e33 erg/s (Vazdekis et al. 2010), taken as
    Lsol like R ProSpect's libraries do; ProSpect's own Lsol is 0.05 % larger.
    """
    if unknown:
        raise ValueError(
            f"{sorted(unknown)} select nothing in a MILES folder; known selectors: imf, slope, isochrones, alpha, "
            "variant, mass_table, age_edges_yr"
        )
    wanted = {
        "imf": imf.lower() if imf else None,
        "slope": f"{slope:.2f}" if slope is not None else None,
        "isochrones": _ISOCHRONES_CODE.get(isochrones, isochrones) if isochrones else None,
        "alpha": alpha,
        "variant": variant,
    }
    group, files = _choose_group(folder, wanted)
    metals = sorted({mh for mh, _ in files})
    ages_gyr = sorted({age for _, age in files})
    missing = [(mh, age) for mh in metals for age in ages_gyr if (mh, age) not in files]
    if missing:
        raise ValueError(
            f"{folder}: {len(missing)} of {len(metals) * len(ages_gyr)} spectra are missing for {group}, "
            f"first [M/H]={missing[0][0]:+.2f}, age {missing[0][1]} Gyr; fetch them or remove the partial set"
        )
    wave_aa, _ = read_miles_spectrum(files[metals[0], ages_gyr[0]])
    spectra = np.empty((len(metals), len(ages_gyr), wave_aa.size))
    for i_z, mh in enumerate(metals):
        for i_age, age in enumerate(ages_gyr):
            file_wave_aa, flux = read_miles_spectrum(files[mh, age])
            if flux.shape != wave_aa.shape or abs(file_wave_aa[0] - wave_aa[0]) > 1e-6:
                raise ValueError(
                    f"{files[mh, age]} has {flux.size} pixels from {file_wave_aa[0]} Angstrom, the others "
                    f"{wave_aa.size} from {wave_aa[0]}; one library needs one wavelength grid"
                )
            spectra[i_z, i_age] = flux
    age_yr = np.round(np.array(ages_gyr) * 1e9)
    table = Path(mass_table) if mass_table else _find_mass_table(folder, group)
    evolution = np.full((len(metals), age_yr.size, 5), np.nan)
    if table is not None:
        evolution = read_mass_table(
            table, imf=group.imf, slope=float(group.slope), metals=metals, ages_gyr=ages_gyr
        )
    return SSPLibrary(
        z=np.array([_metal_fraction(mh, group.isochrones, folder) for mh in metals]),
        age_yr=age_yr,
        age_edges_yr=age_edges_from_ages(age_yr) if age_edges_yr is None else np.asarray(age_edges_yr, float),
        wave_aa=wave_aa,
        spectra=spectra,
        evolution=evolution,
        name=("E-MILES" if group.range == "E" else "MILES") + f" {group.imf}{group.slope}",
        meta={
            "source": f"MILES site FITS files: {group}",
            "medium": "air",
            "imf": f"{IMF_NAMES.get(group.imf, group.imf)}, slope {group.slope}",
            "isochrones": ISOCHRONES.get(group.isochrones or "", str(group.isochrones)),
            "metallicities": metals,
            "resolution": miles_resolution(wave_aa),
            "mass_table": table.name if table else None,
        },
    )


def read_miles_spectrum(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one file: wavelengths in Angstrom (air) and flux in Lsol / Angstrom per Msol formed.

    Raises
    ------
    ValueError
        If the file is truncated or has no linear wavelength axis.
    """
    with whole_fits(path, "a MILES spectrum: a 1-D array with CRVAL1 and CDELT1") as hdus:
        header = hdus[0].header
        flux = np.asarray(hdus[0].data, dtype=np.float64)
        start, step = header["CRVAL1"], header["CDELT1"]
        first = header.get("CRPIX1", 1)
    if flux.ndim != 1:
        raise ValueError(f"{path} has data of shape {flux.shape}; expected a 1-D MILES spectrum")
    return start + step * (np.arange(flux.size) + 1 - first), flux


def read_mass_table(
    path: Path, *, imf: str, slope: float, metals: Sequence[float], ages_gyr: Sequence[float]
) -> np.ndarray:
    """Read living, remnant and gas mass per Msol formed from a table of Vazdekis et al. (2012).

    Parameters
    ----------
    path : Path
        The table.
    imf : str
        Code of the initial mass function: un, bi, ku, kb or ch.
    slope : float
        IMF slope.
    metals : (n_z,) sequence of float
        [M/H] of the library.
    ages_gyr : (n_age,) sequence of float
        Its ages, Gyr.

    Returns
    -------
    ndarray, shape (n_z, n_age, 5)
        Columns SMstar, SMgas, SMtot, SFR (0), SMrem.

    Raises
    ------
    ValueError
        If a metallicity or age is not tabulated (0.02 dex and 1 % apart at most) or a line is malformed.
    """
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        parts = line.split()
        if not parts or parts[0].startswith("#"):
            continue
        try:
            if parts[0].lower() == imf and abs(float(parts[1]) - slope) < 1e-6:
                rows.append([float(value) for value in parts[2:9]])
                if len(rows[-1]) < 7:
                    raise ValueError("too few columns")
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}, line {number}: expected '{MASS_TABLE_COLUMNS}' ({error})") from error
    if not rows:
        raise ValueError(
            f"{path} has no rows for IMF {imf!r} with slope {slope}; pass mass_table= another table"
        )
    table = np.array(rows)
    evolution = np.zeros((len(metals), len(ages_gyr), 5))
    for i_z, mh in enumerate(metals):
        for i_age, age in enumerate(ages_gyr):
            nearest = np.argmin(np.abs(table[:, 0] - mh) + np.abs(np.log10(table[:, 1] / age)))
            if abs(table[nearest, 0] - mh) > 0.02 or abs(table[nearest, 1] / age - 1) > 0.01:
                raise ValueError(f"{path} has no masses for [M/H]={mh:+.2f}, {age} Gyr")
            total, _, living, remnant, gas = table[nearest, 2:7]
            evolution[i_z, i_age] = living, gas, total, 0.0, remnant
    return evolution


def miles_resolution(wave_aa: np.ndarray) -> dict[str, list[float]]:
    """Return the resolution of (E-)MILES as a table of FWHM over wavelength, in Angstrom.

    Vazdekis et al. (2016): 3 A below 3060.8, 5 A to 3541.4, 2.51 A to 8950.4, above that sigma = 60 km/s.
    The files state the two ends of it, 2.51 and 23.57 A.
    """
    nodes = np.array([1680.0, 3060.7, 3060.8, 3541.3, 3541.4, 8950.4])
    fwhm = np.array([3.0, 3.0, 5.0, 5.0, 2.51, 2.51])
    red = np.array([8950.5, 50000.0])
    nodes = np.concatenate([nodes, red])
    fwhm = np.concatenate([fwhm, red * 60.0 / C_KMS * FWHM_PER_SIGMA])
    keep = (nodes >= wave_aa[0]) & (nodes <= wave_aa[-1])
    ends = np.array([wave_aa[0], wave_aa[-1]])
    at = np.unique(np.concatenate([ends, nodes[keep]]))
    return {"wave_aa": at.tolist(), "fwhm_aa": np.interp(at, nodes, fwhm).tolist()}


def _choose_group(
    folder: Path, wanted: dict[str, str | None]
) -> tuple[_Group, dict[tuple[float, float], Path]]:
    groups: dict[_Group, dict[tuple[float, float], Path]] = defaultdict(dict)
    for path in sorted(folder.glob("*.fits")):
        match = FILE_NAME.fullmatch(path.name)
        if match:
            sign = -1.0 if match["sign"] == "m" else 1.0
            group = _Group._make(match[name] for name in _Group._fields)
            groups[group][sign * float(match["mh"]), float(match["age"])] = path
    if not groups:
        raise ValueError(
            f"{folder} holds no FITS file named as on the MILES site (e.g. "
            "Eun1.30Zp0.00T00.0631_iPp0.00_baseFe_linear_FWHM_variable.fits)"
        )
    chosen = [
        group
        for group in groups
        if all(value is None or getattr(group, name) == value for name, value in wanted.items())
    ]
    if len(chosen) != 1:
        listed = "; ".join(sorted(map(str, groups)))
        asked = {name: value for name, value in wanted.items() if value is not None}
        raise ValueError(
            f"{folder}: {len(chosen)} libraries match {asked}; choose one with imf=, slope=, isochrones=, alpha=, "
            f"variant= among: {listed}"
        )
    return chosen[0], groups[chosen[0]]


def _metal_fraction(mh: float, isochrones: str | None, folder: Path) -> float:
    table = METAL_FRACTION.get(isochrones or "P")
    if table is None:
        raise ValueError(f"{folder}: isochrones {isochrones!r} are unknown; known: {ISOCHRONES}")
    nearest = min(table, key=lambda known: abs(known - mh))
    if abs(nearest - mh) > 0.015:
        raise ValueError(
            f"{folder}: [M/H]={mh:+.2f} is none of the {ISOCHRONES[isochrones or 'P']} isochrones' {sorted(table)}"
        )
    return table[nearest]


def _find_mass_table(folder: Path, group: _Group) -> Path | None:
    isochrones = ISOCHRONES.get(group.isochrones or "P", "").lower()
    for path in sorted(folder.glob("*ssp_mass*")):
        name = path.name.lower()
        if isochrones in name and f"_{group.imf}_" in name:
            return path
    return None
