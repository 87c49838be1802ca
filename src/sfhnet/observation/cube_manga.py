"""Cubes of MaNGA (DRP LOGCUBE): FLUX, IVAR, MASK with bits, vacuum wavelengths even in their logarithm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from astropy.io import fits

from sfhnet.observation.cube_layout import CUBES, CubeLayout, Errors, Mask, cube_hdus, keyword
from sfhnet.observation.line_spread import line_spread_fwhm_aa
from sfhnet.observation.spectral_axis import spectral_axis
from sfhnet.observation.wavelengths_and_units import vacuum_to_air

# MANGA_DRP3PIXMASK: NOCOV, LOWCOV, DEADFIBER, FORESTAR, DONOTUSE.
_BITS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 10


# Where the resolution is, the best first: R, or sigma in Angstrom of each spaxel (DISP before DR15).
_LSF = {
    "SPECRES": "R=extension SPECRES",
    "LSFPOST": "sigma=extension LSFPOST",
    "DISP": "sigma=extension DISP",
}
# One of these beside FLUX, IVAR and MASK tells a LOGCUBE from other cubes.
_ITS_OWN = {"OBSINFO", "SPECRES", "LSFPOST", "DISP"}


def _is_manga(hdus: fits.HDUList) -> bool:
    names = {hdu.name for hdu in hdus}
    return set(cube_hdus(hdus).values()) >= {"FLUX", "IVAR", "MASK"} and bool(
        names & _ITS_OWN or str(keyword(hdus, "INSTRUME")).strip().upper() == "MANGA"
    )


@CUBES.register("manga", knows=_is_manga)
def manga(hdus: fits.HDUList, where: str) -> CubeLayout:
    """Describe a LOGCUBE; its resolution is the median of all fibres, pixels included: SPECRES, else LSFPOST or DISP."""
    number = {name: i for i, name in cube_hdus(hdus).items()}
    missing = sorted({"FLUX", "IVAR", "MASK"} - set(number))
    if missing:
        raise ValueError(f"{where} lacks the extensions {missing} of a MaNGA LOGCUBE; fetch the file again")
    lsf = next((cell for name, cell in _LSF.items() if name in hdus), None)
    return CubeLayout(
        name="MaNGA LOGCUBE",
        flux=number["FLUX"],
        errors=Errors(number["IVAR"], "ivar"),
        masks=(Mask(number["MASK"], _BITS),),
        medium="vacuum",
        wave=hdus.index_of("WAVE") if "WAVE" in hdus else None,
        fwhm_aa=_resolution(hdus, lsf, where) if lsf else None,
        lsf_from=lsf or "",
    )


def _resolution(hdus: fits.HDUList, lsf: str, where: str) -> Callable[[np.ndarray], np.ndarray]:
    # There is one number a channel, so that the axis needs no conversion; the file is closed when it is wanted.
    header = hdus["FLUX"].header
    if "WAVE" in hdus:
        at_aa = np.asarray(hdus["WAVE"].data, dtype=float)
    else:
        at_aa, _ = spectral_axis(header, 3, hdus["FLUX"].shape[0], where=f"{where} [FLUX]")
    fwhm_aa = line_spread_fwhm_aa(lsf, at_aa, where=where, hdus=hdus)
    air_aa = vacuum_to_air(at_aa)
    return lambda wave_aa: np.interp(wave_aa, air_aa, fwhm_aa)
