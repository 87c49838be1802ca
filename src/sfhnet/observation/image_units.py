"""Units of images: what a pixel's number is in f_lambda, for HST's count rates, JWST's surface brightness and others."""

from __future__ import annotations

import re

from astropy import units as u
from astropy.io import fits

from pyprospect.constants import C_KMS
from sfhnet.observation.wavelengths_and_units import parse_unit

__all__ = ["image_unit_cgs"]

_COUNT_RATES = ("ELECTRONS/S", "ELECTRON/S", "E-/S", "COUNTS/S", "COUNT/S", "E/S", "DN/S")
_COUNTS = ("ELECTRONS", "ELECTRON", "COUNTS", "COUNT", "E-", "DN", "ADU")
_ARCSEC2_PER_SR = float((1 * u.sr).to_value(u.arcsec**2))
# Areas of a pixel by PIXAR_SR and by the WCS agree within this share; more is a WCS of another image.
_SAME_AREA = 0.03


def image_unit_cgs(header: fits.Header, where: str, *, pivot_aa: float, pixel_arcsec2: float) -> float:
    """Return f_lambda per pixel in erg/s/cm2/Angstrom of a pixel that holds 1.

    Parameters
    ----------
    header : fits.Header
        With BUNIT, and PHOTFLAM or PHOTMJSR where that is a count rate; counts need EXPTIME too.
    where : str
        Galaxy, file and extension for the error message.
    pivot_aa : float
        Pivot wavelength of the band, at which f_nu becomes f_lambda.
    pixel_arcsec2 : float
        Area of a pixel, by which a surface brightness becomes a flux.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the unit is none of a flux, or counts have no zero point; says which keyword would mend it.
    """
    text = str(header.get("BUNIT", "")).strip()
    plain = text.upper().replace(" ", "")
    if plain in _COUNT_RATES or plain in _COUNTS:
        per_rate = _zero_point(header, text, where, pivot_aa=pivot_aa, pixel_arcsec2=pixel_arcsec2)
        if plain in _COUNT_RATES:
            return per_rate
        exposure = float(header.get("EXPTIME", 0) or 0)
        if exposure <= 0:
            raise ValueError(
                f"{where} is in {text} but has EXPTIME {exposure:g}; counts cannot be calibrated. Write the exposure time [s] "
                "into EXPTIME, or divide by it and set BUNIT to ELECTRONS/S"
            )
        return per_rate / exposure
    if not text:
        raise ValueError(
            f"{where} has no BUNIT; write ELECTRONS/S with PHOTFLAM, MJy/sr, or erg/s/cm**2/Angstrom into its header"
        )
    # "10.0*nanoJansky" and the like.
    unit = parse_unit(
        re.sub(r"jansky", "Jy", text.replace("nanoJansky", "nJy"), flags=re.IGNORECASE),
        f"{where} has BUNIT {text!r}",
    )
    area = 1.0
    if "angle" in str((u.Unit(1) / unit).physical_type) or u.sr in unit.bases or u.arcsec in unit.bases:
        unit, area = unit * u.arcsec**2, pixel_arcsec2
        _check_area(header, where, pixel_arcsec2)
    if unit.is_equivalent(u.Jy):
        return float(unit.to(u.erg / u.s / u.cm**2 / u.Hz)) * area * C_KMS * 1e13 / pivot_aa**2
    if unit.is_equivalent(u.erg / u.s / u.cm**2 / u.AA):
        return float(unit.to(u.erg / u.s / u.cm**2 / u.AA)) * area
    raise ValueError(
        f"{where} has BUNIT {text!r}, which is no flux density per wavelength or frequency; expected ELECTRONS/S with PHOTFLAM, "
        "MJy/sr, Jy or erg/s/cm**2/Angstrom. Correct the header or convert the file"
    )


def _zero_point(
    header: fits.Header, text: str, where: str, *, pivot_aa: float, pixel_arcsec2: float
) -> float:
    photflam, photmjsr = (float(header.get(key) or 0) for key in ("PHOTFLAM", "PHOTMJSR"))
    if photflam > 0:
        return photflam
    if photmjsr > 0:
        _check_area(header, where, pixel_arcsec2)
        per_pixel_jy = photmjsr * 1e6 / _ARCSEC2_PER_SR * pixel_arcsec2
        return per_pixel_jy * 1e-23 * C_KMS * 1e13 / pivot_aa**2
    raise ValueError(
        f"{where} is in {text} but has no PHOTFLAM (JWST: PHOTMJSR), its zero point; use a calibrated image, or write "
        "PHOTFLAM [erg/s/cm2/Angstrom per electron/s] into its header"
    )


def _check_area(header: fits.Header, where: str, pixel_arcsec2: float) -> None:
    said = float(header.get("PIXAR_SR") or 0) * _ARCSEC2_PER_SR
    if said > 0 and abs(said / pixel_arcsec2 - 1) > _SAME_AREA:
        raise ValueError(
            f"{where} has pixels of {said:.5g} arcsec2 by PIXAR_SR and {pixel_arcsec2:.5g} by its WCS; one of them is of another "
            "image: correct the header"
        )
