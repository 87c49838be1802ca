"""Photometric bands: the one place that knows what is known about each.

Curves are those of bands.tsv beside this module: all of sedpy by their names there (``sdss_g0``), all of the EAZY list by
their numbers (``EAZY_156``). Those that galaxies are observed in have names of their own, `_NAMED`, with what an image
needs besides. A band of one's own is declared by its file (``band_files`` of the configuration).
"""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyprospect.constants import C_KMS, LYMAN_LIMIT_AA

if TYPE_CHECKING:
    import numpy as np

    from pyprospect.bands.curve import Filter

__all__ = [
    "PHANGS_HST",
    "Band",
    "all_bands",
    "declare_facts",
    "declare_file",
    "find_band",
    "library_reach_aa",
    "measure",
    "own_bands",
    "see_dust",
    "sources_of",
]

# Wavelengths of the library of the default run [Angstrom].
STANDARD_REACH_AA = (1680.0, 11000.0)

# Where dust that stars heat begins to shine, in hydrocarbons at 3.3 um above all [Angstrom].
INFRARED_AA = 20000.0

# Share of the light of a flat spectrum that may lie beyond either end of a band (`low_aa`, `high_aa`).
_BEYOND = 5e-5

# A curve may dip this far below zero, over its peak: noise of the measurement.
_MOST_NEGATIVE = 0.005


@dataclass(frozen=True)
class Band:
    """What is known about a band.

    Attributes
    ----------
    name : str
        As in ``bands`` of the configuration and in the columns of the sample sheet.
    source : str
        Source of the curve (data/sources.yaml); empty for a file of one's own.
    curve_file : str
        File of the throughput in the folder of that source, or its path.
    curve_record : int or None
        Which record of it, counted from 1, where the file is a collection (EAZY list).
    pivot_aa, width_aa : float
        Pivot wavelength of that curve, and its integral over its peak [Angstrom].
    low_aa, high_aa : float
        Where 5e-5 of the light of a flat spectrum is still to come, or is left [Angstrom].
    detector : str
        Instrument and detector, as headers name them (INSTRUME/DETECTOR); empty if nothing is known of images.
    photflam : float or None
        f_lambda of one `unit` in an image [erg/s/cm2/Angstrom]; for simulated images, as real ones bring their own.
    unit : str
        Of the images.
    ab_minus_vega_mag : float or None
        Zero point in AB minus that in Vega magnitudes.
    psf_fwhm_arcsec : float or None
        FWHM of the point-spread function [arcsec].
    """

    name: str
    source: str
    curve_file: str
    curve_record: int | None
    pivot_aa: float
    width_aa: float
    low_aa: float
    high_aa: float
    detector: str = ""
    photflam: float | None = None
    unit: str = ""
    ab_minus_vega_mag: float | None = None
    psf_fwhm_arcsec: float | None = None

    @property
    def simulated_photflam(self) -> float:
        """f_lambda of one count of a simulated image: `photflam`, or that of 25 AB magnitudes [erg/s/cm2/Angstrom]."""
        return self.photflam or 10 ** (-0.4 * (25.0 + 48.6)) * C_KMS * 1e13 / self.pivot_aa**2

    def curve(self, folder: str | Path) -> Filter:
        """Read the curve.

        Parameters
        ----------
        folder : path
            The folder ``hst_filters`` of the upstream files; those of other sources lie beside it.

        Returns
        -------
        Filter

        Raises
        ------
        FileNotFoundError
            If it is not there; names the source to fetch.
        """
        # Here and below: what checks a configuration or fetches files has no numpy.
        from pyprospect.bands.curve import read_curve

        path = Path(folder).parent / self.source / self.curve_file
        if not self.source:
            path = Path(self.curve_file)
        elif self.source == HST_FILTERS:
            path = Path(folder) / self.curve_file
        if not path.is_file():
            where = f"fetch the source {self.source}" if self.source else "correct band_files"
            raise FileNotFoundError(f"{path} does not exist; {where}")
        return read_curve(path, record=self.curve_record, name=self.name)


HST_FILTERS = "hst_filters"

# Name: curve in bands.tsv, INSTRUME/DETECTOR, f_lambda of one unit, unit, AB - Vega [mag], FWHM [arcsec].
# Plain names are those of WFC3, of NIRCam and MIRI, and F435W, which ACS alone has; what ACS has beside WFC3 is ACS_*.
# Pivots are of the curves that models are integrated through, so they are right for whatever comes from a model: f_nu of
#   its band fluxes, their places in figures, simulated images. A real image brings its own, PHOTPLAM, which is used for it:
#   in PHANGS-HST 2707.20, 3354.85, 4325.55, 5305.95 and 8048.10, up to 0.23 per cent from these, as STScI has changed its
#   throughputs since.
# f_lambda of one electron/s: headers of PHANGS-HST's images of NGC 1087 for its five bands (NGC 628 was partly observed
#   with ACS); for the others h c / (4.52e4 cm2 x the integral of throughput x wavelength), 3 % above headers where both
#   are known. GALEX: zero points of Morrissey et al. (2007). SDSS: one nanomaggy. For simulated images only.
# AB - Vega: zpAB - zpVEGA in the headers of the PHANGS-HST images for its five bands, the EAZY list for the others.
# FWHM: instrument handbooks (WFC3, ACS), JDox (NIRCam, MIRI), median seeing (SDSS), Morrissey et al. (2007).
_ELECTRONS, _SURFACE, _NANOMAGGY, _COUNTS = "electron/s", "MJy/sr", "nanomaggy", "count/s"
_UVIS, _IR, _ACS = "WFC3/UVIS", "WFC3/IR", "ACS/WFC"
_NAMED: dict[str, tuple[str, str, float | None, str, float | None, float]] = {
    "F225W": ("wfc3_uvis_f225w", _UVIS, 4.68e-18, _ELECTRONS, 1.660, 0.08),
    "F275W": ("wfc3_uvis_f275w", _UVIS, 3.18585e-18, _ELECTRONS, 1.531, 0.08),
    "F336W": ("wfc3_uvis_f336w", _UVIS, 1.26612e-18, _ELECTRONS, 1.181, 0.08),
    "F390W": ("wfc3_uvis_f390w", _UVIS, 5.0e-19, _ELECTRONS, 0.220, 0.08),
    "F438W": ("EAZY_211", _UVIS, 6.63951e-19, _ELECTRONS, -0.138, 0.08),
    "F475W": ("wfc3_uvis_f475w", _UVIS, 2.55e-19, _ELECTRONS, -0.100, 0.08),
    "F555W": ("wfc3_uvis_f555w", _UVIS, 1.80962e-19, _ELECTRONS, -0.008, 0.08),
    "F606W": ("wfc3_uvis_f606w", _UVIS, 1.17e-19, _ELECTRONS, 0.080, 0.08),
    "F625W": ("EAZY_215", _UVIS, 1.7e-19, _ELECTRONS, 0.143, 0.08),
    "F775W": ("EAZY_216", _UVIS, 2.1e-19, _ELECTRONS, 0.378, 0.08),
    "F814W": ("wfc3_uvis_f814w", _UVIS, 1.47727e-19, _ELECTRONS, 0.442, 0.09),
    "F110W": ("wfc3_ir_f110w", _IR, 1.53e-20, _ELECTRONS, 0.755, 0.13),
    "F125W": ("wfc3_ir_f125w", _IR, 2.2e-20, _ELECTRONS, 0.895, 0.14),
    "F140W": ("wfc3_ir_f140w", _IR, 1.5e-20, _ELECTRONS, 1.072, 0.14),
    "F160W": ("wfc3_ir_f160w", _IR, 1.93e-20, _ELECTRONS, 1.250, 0.15),
    "F435W": ("acs_wfc_f435w", _ACS, 3.08e-19, _ELECTRONS, -0.104, 0.10),
    "ACS_F475W": ("acs_wfc_f475w", _ACS, 1.79e-19, _ELECTRONS, -0.100, 0.10),
    "ACS_F555W": ("acs_wfc_f555w", _ACS, 1.93e-19, _ELECTRONS, -0.009, 0.10),
    "ACS_F606W": ("acs_wfc_f606w", _ACS, 7.71e-20, _ELECTRONS, 0.083, 0.10),
    "ACS_F625W": ("acs_wfc_f625w", _ACS, 1.18e-19, _ELECTRONS, 0.158, 0.10),
    "ACS_F775W": ("acs_wfc_f775w", _ACS, 9.9e-20, _ELECTRONS, 0.384, 0.10),
    "ACS_F814W": ("acs_wfc_f814w", _ACS, 6.94e-20, _ELECTRONS, 0.419, 0.10),
    "ACS_F850LP": ("acs_wfc_f850lp", _ACS, 1.5e-19, _ELECTRONS, 0.517, 0.10),
    "F200W": ("jwst_f200w", "NIRCAM/NRCA", None, _SURFACE, None, 0.066),
    "F300M": ("jwst_f300m", "NIRCAM/NRCALONG", None, _SURFACE, None, 0.100),
    "F335M": ("jwst_f335m", "NIRCAM/NRCALONG", None, _SURFACE, None, 0.111),
    "F360M": ("jwst_f360m", "NIRCAM/NRCALONG", None, _SURFACE, None, 0.120),
    "F770W": ("jwst_f770w", "MIRI/MIRIMAGE", None, _SURFACE, None, 0.269),
    "F1000W": ("jwst_f1000w", "MIRI/MIRIMAGE", None, _SURFACE, None, 0.328),
    "F1130W": ("jwst_f1130w", "MIRI/MIRIMAGE", None, _SURFACE, None, 0.375),
    "F2100W": ("jwst_f2100w", "MIRI/MIRIMAGE", None, _SURFACE, None, 0.674),
    "SDSS_u": ("sdss_u0", "SDSS/IMAGER", 8.61e-18, _NANOMAGGY, 0.938, 1.53),
    "SDSS_g": ("sdss_g0", "SDSS/IMAGER", 4.92e-18, _NANOMAGGY, -0.104, 1.44),
    "SDSS_r": ("sdss_r0", "SDSS/IMAGER", 2.86e-18, _NANOMAGGY, 0.140, 1.32),
    "SDSS_i": ("sdss_i0", "SDSS/IMAGER", 1.94e-18, _NANOMAGGY, 0.352, 1.26),
    "SDSS_z": ("sdss_z0", "SDSS/IMAGER", 1.36e-18, _NANOMAGGY, 0.513, 1.29),
    "GALEX_FUV": ("galex_FUV", "GALEX/FUV", 1.40e-15, _COUNTS, 2.128, 4.2),
    "GALEX_NUV": ("galex_NUV", "GALEX/NUV", 2.06e-16, _COUNTS, 1.665, 5.3),
}  # fmt: skip

PHANGS_HST = ("F275W", "F336W", "F438W", "F555W", "F814W")
"""The bands of PHANGS-HST, which are those of LEGUS too, blue to red."""

# Bands that a configuration or a model brought with it, by name.
_OWN: dict[str, Band] = {}


@lru_cache(maxsize=1)
def all_bands() -> Mapping[str, Band]:
    """Return every band of the table by name: those with names of their own first, then all curves."""
    path = Path(__file__).with_name("bands.tsv")
    curves = {}
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE):
            record = int(row["record"]) if row["record"] else None
            curves[row["name"]] = Band(
                row["name"],
                row["source"],
                row["file"],
                record,
                pivot_aa=float(row["pivot_aa"]),
                width_aa=float(row["width_aa"]),
                low_aa=float(row["low_aa"]),
                high_aa=float(row["high_aa"]),
            )
    named = {}
    for name, (curve, detector, photflam, unit, ab_minus_vega, fwhm) in _NAMED.items():
        named[name] = replace(
            curves[curve],
            name=name,
            detector=detector,
            photflam=photflam,
            unit=unit,
            ab_minus_vega_mag=ab_minus_vega,
            psf_fwhm_arcsec=fwhm,
        )
    return named | curves


def find_band(name: str) -> Band:
    """Return what is known about a band.

    Parameters
    ----------
    name : str
        Name of the band.

    Returns
    -------
    Band

    Raises
    ------
    ValueError
        If nobody knows it; names the nearest ones and what to do.
    """
    known = all_bands()
    band = known.get(name) or _OWN.get(name)
    if band is not None:
        return band
    # Names of bands before those of curves: F999W is nearer to F110W than to anything that is called after a file.
    filter_name = name.upper().rpartition("_")[2]
    near = [filter_name] if filter_name in _NAMED else []
    near += difflib.get_close_matches(name.upper(), [*_NAMED, *_OWN], 2, 0.5)
    lower = {other.lower(): other for other in known}
    near += [lower[other] for other in difflib.get_close_matches(name.lower(), lower, 2, 0.75)]
    near = list(dict.fromkeys(near))[:3]
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise ValueError(
        f"no band {name!r} is known; {guess}Known are {', '.join([*_NAMED, *_OWN])}, the curves of sedpy by their names "
        "(sdss_g0) and of the EAZY list by their numbers (EAZY_156), see docs/bands.md; give one of your own as band_files"
    )


def library_reach_aa(names: Iterable[str], redshift_max: float) -> tuple[float, float] | None:
    """Return the rest wavelengths that stars must be known at beyond the standard library, or None where it suffices.

    Parameters
    ----------
    names : iterable of str
        Bands.
    redshift_max : float
        Galaxies have any redshift from 0 to this.

    Returns
    -------
    (float, float) or None
        Angstrom. Once a band asks for more, the blue end is the Lyman limit, so that what dust absorbs is counted whole.
    """
    bands = [find_band(name) for name in names]
    low = min((band.low_aa / (1 + redshift_max) for band in bands), default=STANDARD_REACH_AA[0])
    high = max((band.high_aa for band in bands), default=STANDARD_REACH_AA[1])
    if low >= STANDARD_REACH_AA[0] and high <= STANDARD_REACH_AA[1]:
        return None
    return min(low, LYMAN_LIMIT_AA), max(1.05 * high, INFRARED_AA)


def see_dust(names: Iterable[str]) -> bool:
    """Return whether any of the bands reaches where warm dust shines (beyond 2 um)."""
    return any(find_band(name).high_aa > INFRARED_AA for name in names)


def measure(wave_aa: np.ndarray, response: np.ndarray) -> tuple[float, float, float, float]:
    """Measure a curve.

    Parameters
    ----------
    wave_aa, response : ndarray (n,)
        Ascending wavelengths [Angstrom] and photon-counting throughput.

    Returns
    -------
    pivot_aa, width_aa, low_aa, high_aa : float
        As of `Band`.
    """
    import numpy as np

    from pyprospect.bands.curve import moment

    response = np.abs(response)
    pivot_aa = float(np.sqrt(moment(wave_aa, response, 1) / moment(wave_aa, response, -1)))
    width_aa = moment(wave_aa, response, 0) / float(response.max())
    light = response * wave_aa
    share = np.concatenate([[0.0], np.cumsum(0.5 * (light[1:] + light[:-1]) * np.diff(wave_aa))])
    low_aa, high_aa = np.interp([_BEYOND, 1 - _BEYOND], share / share[-1], wave_aa).tolist()
    return pivot_aa, width_aa, low_aa, high_aa


def declare_file(name: str, path: str | Path) -> Band:
    """Make a band of one's own known by its file, for as long as the program runs.

    Parameters
    ----------
    name : str
        Not that of a band of the table.
    path : path
        Anything that `pyprospect.bands.curve.read_curve` takes, with one curve.

    Returns
    -------
    Band

    Raises
    ------
    ValueError
        If the name is taken or unfit, or the file holds no such curve.
    """
    if name in all_bands():
        raise ValueError(f"{name} is a known band; call the one of {path} otherwise")
    if not (name.isascii() and name.isidentifier()) or name.endswith("_err"):
        raise ValueError(
            f"{name!r} cannot name a band; use letters, digits and _, a letter first, and no _err at the end, which is the error's"
        )
    if not Path(path).is_file():
        raise ValueError(f"{path} does not exist; give the file of the curve of {name}")
    try:
        import numpy as np
    except ModuleNotFoundError:
        # Steps that only fetch files ask for no number of a band.
        return _OWN.setdefault(name, Band(name, "", str(path), None, math.nan, math.nan, math.nan, math.nan))
    from pyprospect.bands.curve import read_curve

    curve = read_curve(path, name=name)
    lowest = float(curve.response.min() / np.abs(curve.response).max())
    if lowest < -_MOST_NEGATIVE:
        raise ValueError(
            f"{path} has throughput down to {100 * lowest:.1f} % of its peak; a photon cannot be recorded less than never: "
            "set it to zero where nothing is measured"
        )
    band = Band(name, "", str(path), None, *measure(curve.wave_aa, curve.response))
    _OWN[name] = band
    return band


def own_bands(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the facts of those bands that the table lacks, as plain data that goes with a model."""
    return [asdict(find_band(name)) for name in names if name not in all_bands()]


def declare_facts(facts: Mapping[str, Any]) -> None:
    """Make a band of somebody's own known from what `own_bands` gave; one that is declared here stays."""
    band = Band(**facts)
    if band.name not in all_bands():
        _OWN.setdefault(band.name, band)


def sources_of(names: Iterable[str]) -> list[str]:
    """Return the sources that hold the curves of bands, ``hst_filters`` first."""
    found = dict.fromkeys([HST_FILTERS, *(find_band(name).source for name in names)])
    return [source for source in found if source]
