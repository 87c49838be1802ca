"""Wavelengths in air and declared units: what observed spectra need before anything else, with no file format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from pyprospect.constants import C_KMS

if TYPE_CHECKING:
    from astropy.units import UnitBase

__all__ = [
    "OPTICAL_AA",
    "is_no_unit",
    "parse_flux_unit",
    "parse_unit",
    "to_f_lambda",
    "vacuum_to_air",
    "wavelength_unit_aa",
]

# Wavelengths outside of this are in another unit than the file says, or in none.
OPTICAL_AA = (1000.0, 30000.0)
# erg/s/cm2/Angstrom per unit of flux: from below MUSE's 1e-20 to above W/m2/Angstrom.
_UNIT_CGS_RANGE = (1e-26, 1e5)

# Spellings of units in headers that astropy does not know, or takes for another one (A is its ampere).
_SPELLINGS = {
    **dict.fromkeys(
        ("A", "Ang", "ang", "AA", "Å", "ANGSTROM", "ANGSTROMS", "Angstroms", "angstroms"), "Angstrom"
    ),
    **dict.fromkeys(("Ångström", "Ångstrom", "angström"), "Angstrom"),
    **dict.fromkeys(("ergs", "Erg", "Ergs"), "erg"),
    **dict.fromkeys(("sec", "second", "seconds"), "s"),
    **dict.fromkeys(("microns", "micrometer", "micrometers", "μm", "µm"), "um"),
    **dict.fromkeys(("nanometer", "nanometers", "nanometre", "nanometres"), "nm"),
    **dict.fromkeys(("ujy", "uJY", "microJy", "μJy", "µJy"), "uJy"),
    **dict.fromkeys(("mjy", "milliJy"), "mJy"),
    "jy": "Jy",
    **dict.fromkeys(("FLAM", "flam", "cgs"), "(erg s**-1 cm**-2 Angstrom**-1)"),
    **dict.fromkeys(("FNU", "fnu"), "(erg s**-1 cm**-2 Hz**-1)"),
}
_NANOMAGGY_JY = 3.631e-6
# Words where a unit could stand that are none.
_NO_UNIT = (
    "",
    "normalized",
    "normalised",
    "relative",
    "arbitrary",
    "1sigma",
    "1-sigma",
    "1 sigma",
    "none",
    "dimensionless",
)
# A flux per spatial element of an instrument is a flux: "per pixel" may be one of wavelength, and is not in here.
_PIXEL = re.compile(r"\s*/\s*pix(?:el)?s?\b", re.IGNORECASE)
_SPATIAL = re.compile(r"\s*/\s*(spaxel|fib(?:er|re))\b", re.IGNORECASE)


def vacuum_to_air(wave_aa: np.ndarray) -> np.ndarray:
    """Convert vacuum to air wavelengths (Morton 2000, ApJS 130, 403, eq. 8; IAU standard air).

    Parameters
    ----------
    wave_aa : array_like
        Vacuum wavelengths in Angstrom, above 2000.

    Returns
    -------
    ndarray
        Air wavelengths in Angstrom.
    """
    wave_aa = np.asarray(wave_aa, dtype=float)
    inverse_square = (1e4 / wave_aa) ** 2
    index = 1 + 8.34254e-5 + 2.406147e-2 / (130 - inverse_square) + 1.5998e-4 / (38.9 - inverse_square)
    return wave_aa / index


def parse_unit(text: str, where: str) -> UnitBase:
    """Read a unit as headers of spectra write it.

    Parameters
    ----------
    text : str
        E.g. ``10**(-20)*erg/s/cm**2/Angstrom``, its square ``(10**(-20)*...)**2``, ``1E-17 erg/cm^2/s/Ang``, ``uJy``.
    where : str
        File and keyword or column for the error message.

    Returns
    -------
    astropy.units.UnitBase
        With its scale.

    Raises
    ------
    ValueError
        If it is not understood.
    """
    from astropy import units as u

    scale, unit = _scaled(text, where)
    return u.Unit(scale * unit)


def _scaled(text: str, where: str) -> tuple[float, UnitBase]:
    """Return the number before a unit and the unit; apart, a power of ten loses no digit."""
    # Slow to import, and of no use to who has arrays in memory.
    from astropy import units as u

    plain = _SPATIAL.sub("", str(text).strip().strip("'\""))
    # KCWI and PCWI count in FLAM16: 1e-16 erg/s/cm2/Angstrom.
    plain = re.sub(r"^FLAM(\d{1,2})\b", r"1E-\1 erg/s/cm**2/Angstrom", plain)
    inverse = re.match(r"^1\.?0?\s*/\s*(\(.+\)(?:\s*(?:\*\*|\^)\s*\d)?)$", plain)
    if inverse and _balanced(inverse.group(1)):
        return 1.0, parse_unit(inverse.group(1), where) ** -1
    power = re.match(r"^\((.+)\)(?:\s*(?:\*\*|\^)\s*\(?\s*([-+]?\d)\s*\)?)?$", plain)
    if power and _balanced(power.group(1)):
        return 1.0, parse_unit(power.group(1), where) ** int(power.group(2) or 1)
    scale = 1.0
    ten = re.match(r"^10\s*(?:\*\*|\^)\s*\(?\s*([-+]?\d+)\s*\)?\s*\*?\s*(.*)$", plain)
    number = re.match(r"^([-+]?\d*\.?\d+[eE][-+]?\d+)\s*\*?\s*(.*)$", plain)
    try:
        if ten:
            scale, plain = 10.0 ** int(ten.group(1)), ten.group(2)
        elif number:
            scale, plain = float(number.group(1)), number.group(2)
        if re.fullmatch(r"nanomagg(y|ies)|nmgy", plain):
            scale, plain = scale * _NANOMAGGY_JY, "Jy"
        if plain.isupper() and "ERG" in plain:
            plain = re.sub(r"\bA\b", "Angstrom", plain.lower().replace("/a", "/A"))
        plain = re.sub(r"[A-Za-zµμÅåö]+", lambda word: _SPELLINGS.get(word.group(), word.group()), plain)
        # A unit with several slashes is read left to right: erg/s/cm**2/Angstrom.
        head, *below = [u.Unit(part.strip("* ")) for part in _parts(plain.replace("^", "**"))]
        for part in below:
            head = head / part
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{where}: the unit {text!r} is not understood; correct it") from error
    return scale, head


def _balanced(text: str) -> bool:
    depth = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return False
    return depth == 0


def _parts(text: str) -> list[str]:
    """Split at the slashes that stand outside of parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def parse_flux_unit(text: str | None, where: str, keyword: str = "BUNIT") -> float:
    """Read a unit of flux density per wavelength as written in MUSE and SDSS headers.

    Parameters
    ----------
    text : str or None
        E.g. ``10**(-20)*erg/s/cm**2/Angstrom``, ``1E-17 erg/cm^2/s/Ang``.
    where : str
        Galaxy, file and extension for the error message.
    keyword : str
        What holds it, for the error message.

    Returns
    -------
    float
        erg/s/cm2/Angstrom per unit.

    Raises
    ------
    ValueError
        If the text is missing, no flux density per wavelength, or of a scale that no detector counts in.
    """
    from astropy import units as u

    if not text:
        raise ValueError(
            f"{where} has no {keyword}; expected a flux density such as '10**(-20)*erg/s/cm**2/Angstrom'"
        )
    try:
        scale, unit = _scaled(text, where)
        cgs = scale * float(unit.to(u.erg / u.s / u.cm**2 / u.AA))
    except (ValueError, u.UnitConversionError) as error:
        raise ValueError(
            f"{where} has {keyword} {text!r}, which is no flux density per wavelength; expected for example "
            "'10**(-20)*erg/s/cm**2/Angstrom'. Correct the header or convert the file"
        ) from error
    low, high = _UNIT_CGS_RANGE
    if not low <= cgs <= high:
        raise ValueError(
            f"{where} has {keyword} {text!r}, {cgs:g} erg/s/cm2/Angstrom a unit: nothing is counted in that. Is the sign "
            "of the power right?"
        )
    return cgs


def is_no_unit(text: str) -> bool:
    """Return whether a text where a unit could stand declares none."""
    return text.strip().lower() in _NO_UNIT


def to_f_lambda(
    text: str | None,
    wave_aa: np.ndarray,
    *,
    where: str,
    per_frequency: bool = False,
    keyword: str = "unit",
    pixel_arcsec2: float | None = None,
) -> tuple[np.ndarray | float, float | None, str | None]:
    """Return what makes fluxes f_lambda: per Angstrom, per frequency, or per pixel of wavelength.

    Parameters
    ----------
    text : str or None
        Unit as declared; None or empty where nothing is.
    wave_aa : ndarray, shape (n_wave,)
        Wavelengths, ascending or descending.
    where : str
        File and extension or column for the error message.
    per_frequency : bool
        Whether the name of the column says f_nu.
    keyword : str
        What holds the unit, for the error message.
    pixel_arcsec2 : float, optional
        Area of a spaxel, with which a surface brightness is a flux.

    Returns
    -------
    factor : float or ndarray, shape (n_wave,)
        On fluxes.
    cgs : float or None
        erg/s/cm2/Angstrom per unit then; None where nobody knows.
    converted_from : str or None
        The declared unit if it was no f_lambda.

    Raises
    ------
    ValueError
        If the unit is no flux density.
    """
    from astropy import units as u

    per_nu, per_pixel = u.erg / u.s / u.cm**2 / u.Hz, u.erg / u.s / u.cm**2
    relative = (np.median(wave_aa) / wave_aa) ** 2
    if text is None or is_no_unit(text):
        return (relative, None, "f_nu") if per_frequency else (1.0, None, None)
    plain = _PIXEL.sub("", text)
    unit = parse_unit(plain, f"{where} {keyword}")
    area = 1.0
    if (unit * u.arcsec**2).physical_type in (
        "spectral flux density wav",
        "spectral flux density",
        "energy flux",
    ):
        # A surface brightness has the shape of a flux; how much of it there is, it does not say without an area.
        unit, area = u.Unit(unit * u.arcsec**2), pixel_arcsec2 or np.nan
    known = None if np.isnan(area) else text
    if unit.is_equivalent(per_nu):
        # f_lambda = f_nu c / lambda^2, in units of its value at the median wavelength.
        at_median = float(unit.to(per_nu)) * C_KMS * 1e13 / float(np.median(wave_aa)) ** 2
        return relative, None if known is None else at_median * area, text
    if per_frequency:
        raise ValueError(f"{where} is called f_nu but has the unit {text!r}; correct one of them")
    if unit.is_equivalent(per_pixel):
        if plain == text:
            raise ValueError(
                f"{where} has {keyword} {text!r}, which is no flux density per wavelength: is it per Angstrom or per pixel? "
                "Write that behind it"
            )
        step_aa = np.abs(np.gradient(wave_aa))
        at_median = float(unit.to(per_pixel)) / float(np.median(step_aa))
        return np.median(step_aa) / step_aa, None if known is None else at_median * area, text
    if area != 1.0:
        cgs = None if known is None else parse_flux_unit(unit.to_string(), where, keyword) * area
        return 1.0, cgs, None if known is None else text
    # What is left of "per pixel" behind a flux density is a pixel of the sky.
    return 1.0, parse_flux_unit(plain, where, keyword), None


def wavelength_unit_aa(text: str, where: str) -> float:
    """Return how many Angstrom a declared unit of wavelength is.

    Parameters
    ----------
    text : str
        E.g. ``nm``, ``um``, ``ANGSTROMS``.
    where : str
        File and keyword or column for the error message.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is no length.
    """
    from astropy import units as u

    try:
        return float(parse_unit(text, where).to(u.AA))
    except u.UnitConversionError as error:
        raise ValueError(f"{where}: {text!r} is no unit of wavelength; convert to Angstrom") from error
