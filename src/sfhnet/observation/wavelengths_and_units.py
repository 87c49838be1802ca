"""Wavelengths in air and declared units: what observed spectra need before anything else, with no file format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.units import UnitBase

__all__ = ["OPTICAL_AA", "parse_flux_unit", "parse_unit", "vacuum_to_air", "wavelength_unit_aa"]

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
# A flux per spatial element of an instrument is a flux: "per pixel" may be one of wavelength, and is not in here.
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
