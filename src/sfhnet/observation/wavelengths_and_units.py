"""Wavelengths in air and units of flux density: what observed spectra need before anything else, with no file format."""

from __future__ import annotations

import re

import numpy as np


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


def parse_flux_unit(text: str | None, where: str) -> float:
    """Read a unit of flux density as written in MUSE and SDSS headers.

    Parameters
    ----------
    text : str or None
        E.g. ``10**(-20)*erg/s/cm**2/Angstrom``, ``1E-17 erg/cm^2/s/Ang``.
    where : str
        Galaxy, file and extension for the error message.

    Returns
    -------
    float
        erg/s/cm2/Angstrom per unit.

    Raises
    ------
    ValueError
        If the text is missing or no flux density per wavelength.
    """
    if not text:
        raise ValueError(
            f"{where} has no BUNIT; expected a flux density such as '10**(-20)*erg/s/cm**2/Angstrom'"
        )
    # Slow to import, and of no use to who has arrays in memory.
    from astropy import units as u

    plain = str(text).strip()
    scale = 1.0
    power = re.match(r"^10\s*(?:\*\*|\^)\s*\(?\s*([-+]?\d+)\s*\)?\s*\*?\s*(.*)$", plain)
    number = re.match(r"^([-+]?\d*\.?\d+[eE][-+]?\d+)\s*\*?\s*(.*)$", plain)
    if power:
        scale, plain = 10.0 ** int(power.group(1)), power.group(2)
    elif number:
        scale, plain = float(number.group(1)), number.group(2)
    plain = re.sub(r"\b(A|Ang|angstroms?|Angstroms)\b", "Angstrom", plain).replace("^", "**")
    try:
        # A unit with several slashes is read left to right: erg/s/cm**2/Angstrom.
        head, *below = [u.Unit(part.strip("()* ")) for part in plain.split("/")]
        for part in below:
            head = head / part
        return scale * float(head.to(u.erg / u.s / u.cm**2 / u.AA))
    except (ValueError, TypeError, u.UnitConversionError) as error:
        raise ValueError(
            f"{where} has BUNIT {text!r}, which is no flux density per wavelength; expected for example "
            "'10**(-20)*erg/s/cm**2/Angstrom'. Correct the header or convert the cube"
        ) from error
