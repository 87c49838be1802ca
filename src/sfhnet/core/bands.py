"""Photometric bands: the one table of what is known about each.

A new band is one entry here; its curve must be among the files of the source ``hst_filters`` (data/sources.yaml).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

__all__ = ["BANDS", "PHANGS_HST", "Band", "find_band"]


@dataclass(frozen=True)
class Band:
    """What is known about a band.

    Attributes
    ----------
    name : str
        As in ``bands`` of the configuration and in the columns of the sample sheet.
    detector : str
        Instrument and detector, as headers name them (INSTRUME/DETECTOR).
    curve_file : str
        File of the throughput, in the folder of the source ``hst_filters``.
    curve_record : str or None
        Which record of it, by its description, where the file is a collection (EAZY list).
    pivot_aa : float
        Pivot wavelength of that curve [Angstrom].
    photflam : float
        f_lambda of an image of one electron/s [erg/s/cm2/Angstrom].
    ab_minus_vega_mag : float
        Zero point in AB minus that in Vega magnitudes.
    psf_fwhm_arcsec : float
        FWHM of the point-spread function [arcsec].
    """

    name: str
    detector: str
    curve_file: str
    curve_record: str | None
    pivot_aa: float
    photflam: float
    ab_minus_vega_mag: float
    psf_fwhm_arcsec: float


# pivot_aa: of the curve that models are integrated through (`pyprospect.bands.curve.Filter.pivot_aa`; a test compares),
#   so it is right for whatever comes from a model: f_nu of its band fluxes, their places in figures, simulated images.
#   A real image brings its own, PHOTPLAM, which is used for it: in PHANGS-HST 2707.20, 3354.85, 4325.55, 5305.95 and
#   8048.10, up to 0.23 per cent from these, as STScI has changed its throughputs since.
# photflam: headers of PHANGS-HST's images of NGC 1087 (NGC 628 was partly observed with ACS); for simulated images only.
# ab_minus_vega_mag: zpAB - zpVEGA in the headers of the PHANGS-HST images.
# psf_fwhm_arcsec: WFC3 Instrument Handbook, table 6.7.
_TABLE = (
    Band("F275W", "WFC3/UVIS", "wfc3_uvis_f275w.par", None, 2710.17, 3.18585e-18, 1.531, 0.08),
    Band("F336W", "WFC3/UVIS", "wfc3_uvis_f336w.par", None, 3354.81, 1.26612e-18, 1.181, 0.08),
    Band("F438W", "WFC3/UVIS", "FILTER.RES.txt", "UVIS/f438w.dat", 4325.61, 6.63951e-19, -0.138, 0.08),
    Band("F555W", "WFC3/UVIS", "wfc3_uvis_f555w.par", None, 5308.15, 1.80962e-19, -0.008, 0.08),
    Band("F814W", "WFC3/UVIS", "wfc3_uvis_f814w.par", None, 8029.52, 1.47727e-19, 0.442, 0.09),
)

BANDS: dict[str, Band] = {band.name: band for band in _TABLE}

PHANGS_HST = ("F275W", "F336W", "F438W", "F555W", "F814W")
"""The bands of PHANGS-HST, which are those of LEGUS too, blue to red."""


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
        If the table lacks it; names the nearest ones and what to do.
    """
    if name in BANDS:
        return BANDS[name]
    near = difflib.get_close_matches(name.upper(), BANDS, 2, 0.5)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise ValueError(
        f"no band {name!r} is known; {guess}Known are {', '.join(BANDS)}; another one needs an entry in the table of "
        "sfhnet/core/bands.py"
    )
