"""The wavelength axis that a FITS header describes: of cubes and of 1-d spectra alike, through astropy's WCS."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from sfhnet.observation.wavelengths_and_units import OPTICAL_AA, wavelength_unit_aa

__all__ = ["spectral_axis"]

# CTYPE -> medium; those without one are linear in wavelength and do not say.
_MEDIUM = {"AWAV": "air", "WAVE": "vacuum"}
_SILENT = ("", "LINEAR", "WAVELENGTH", "LAMBDA", "PIXEL")


def spectral_axis(
    header: fits.Header, axis: int, n_wave: int, *, where: str
) -> tuple[np.ndarray, str | None]:
    """Make the wavelengths that a header describes.

    Parameters
    ----------
    header : fits.Header
        With CTYPE, CUNIT, CRVAL, CRPIX and CDELT, PC or CD of the axis; ``DC-FLAG = 1`` is IRAF's log10 axis.
    axis : int
        Number of the axis, from 1.
    n_wave : int
        Its length.
    where : str
        File and extension for the error message.

    Returns
    -------
    wave_aa : ndarray, shape (n_wave,)
        In Angstrom, ascending, in the medium of the file.
    medium : {"air", "vacuum"} or None
        None where CTYPE does not say.

    Raises
    ------
    ValueError
        If keywords are missing, of an axis that is no wavelength, that changes over the field, or not optical; names the
        keyword.
    """
    kind = str(header.get(f"CTYPE{axis}", "")).strip().upper()
    start, step = header.get(f"CRVAL{axis}"), _step(header, axis, where)
    if start is None or step is None:
        raise ValueError(
            f"{where} lacks CRVAL{axis}, or CD{axis}_{axis} and CDELT{axis}; the wavelength axis cannot be made"
        )
    base = kind[:4] if kind.endswith("-LOG") and kind[:4] in _MEDIUM else kind
    if base not in _MEDIUM and kind not in _SILENT:
        raise ValueError(
            f"{where} has CTYPE{axis} {kind!r}; expected AWAV or WAVE (air or vacuum wavelengths, linear or -LOG)"
        )
    unit_text = str(header.get(f"CUNIT{axis}", "") or "").strip()
    unit_aa = wavelength_unit_aa(unit_text or "Angstrom", f"{where} CUNIT{axis}")
    pixel = np.arange(n_wave) + 1.0
    reference = float(header.get(f"CRPIX{axis}", 1.0))
    if header.get("DC-FLAG") == 1:
        if kind.endswith("-LOG"):
            raise ValueError(
                f"{where} has CTYPE{axis} {kind!r} and DC-FLAG 1; only one can be meant, remove the other"
            )
        with np.errstate(over="ignore"):
            wave_aa = 10.0 ** (float(start) + (pixel - reference) * step) * unit_aa
    elif kind.endswith("-LOG"):
        wave_aa = _by_wcs(kind, (float(start), reference, step), pixel, unit_aa, where=f"{where} CTYPE{axis}")
    else:
        wave_aa = (float(start) + (pixel - reference) * step) * unit_aa
    _check(wave_aa, axis, unit_text, where)
    return wave_aa, _MEDIUM.get(base)


def _step(header: fits.Header, axis: int, where: str) -> float | None:
    """Return the step a pixel; refuse an axis that depends on the others."""
    n_axes = int(header.get("WCSAXES", header.get("NAXIS", axis)))
    matrix = "CD" if any(f"CD{axis}_{i}" in header for i in range(1, n_axes + 1)) else "PC"
    for other in range(1, n_axes + 1):
        if other != axis and float(header.get(f"{matrix}{axis}_{other}", 0.0) or 0.0) != 0.0:
            raise ValueError(
                f"{where} has {matrix}{axis}_{other} = {header[f'{matrix}{axis}_{other}']}: the wavelength changes over the "
                "field. Resample it to one axis"
            )
    if matrix == "CD":
        return header.get(f"CD{axis}_{axis}")
    step = header.get(f"CDELT{axis}")
    scale = header.get(f"PC{axis}_{axis}", 1.0)
    if step is None:
        # CDELT is 1 by default where there is a PC matrix.
        return float(scale) if f"PC{axis}_{axis}" in header else None
    return float(step) * float(scale)


def _by_wcs(
    kind: str, line: tuple[float, float, float], pixel: np.ndarray, unit_aa: float, *, where: str
) -> np.ndarray:
    wcs = WCS(naxis=1)
    wcs.wcs.ctype, wcs.wcs.cunit = [kind], ["Angstrom"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [line[0] * unit_aa], [line[1]], [line[2] * unit_aa]
    try:
        # wcslib gives metres.
        return wcs.wcs_pix2world(pixel[:, None], 1)[:, 0] * 1e10
    except Exception as error:
        raise ValueError(f"{where} {kind!r}: no wavelengths follow from it ({error})") from error


def _check(wave_aa: np.ndarray, axis: int, unit: str, where: str) -> None:
    first, last = float(wave_aa[0]), float(wave_aa[-1])
    low, high = OPTICAL_AA
    if np.all(np.isfinite(wave_aa)) and np.all(np.diff(wave_aa) > 0) and low < first < last < high:
        return
    if 3 < first < last < 4.5:
        hint = "log10 of Angstrom? Then set DC-FLAG = 1"
    elif 6.9 < first < last < 10.3:
        hint = f"natural logarithms? Then write CTYPE{axis} as AWAV-LOG or WAVE-LOG with its CRVAL{axis}"
    else:
        hint = f"check CUNIT{axis} ({unit or 'missing, so Angstrom'}), CRVAL{axis} and CD{axis}_{axis}"
    raise ValueError(
        f"{where} has wavelengths {first:.6g} .. {last:.6g} Angstrom, expected ascending ones in {low:.0f} .. {high:.0f}: "
        f"{hint}"
    )
