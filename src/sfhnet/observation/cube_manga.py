"""Cubes of MaNGA (DRP LOGCUBE): FLUX, IVAR, MASK with bits, vacuum wavelengths even in their logarithm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from astropy.io import fits

from sfhnet.observation.cube_layout import CUBES, CubeLayout, Errors, Mask, cube_hdus
from sfhnet.observation.wavelengths_and_units import vacuum_to_air

# MANGA_DRP3PIXMASK: NOCOV, LOWCOV, DEADFIBER, FORESTAR, DONOTUSE.
_BITS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 10


def _is_manga(hdus: fits.HDUList) -> bool:
    names = {hdu.name for hdu in hdus}
    return {"FLUX", "IVAR", "MASK", "WAVE"} <= names and len(hdus["FLUX"].shape) == 3 and "OBSINFO" in names


@CUBES.register("manga", knows=_is_manga)
def manga(hdus: fits.HDUList, where: str) -> CubeLayout:
    """Describe a LOGCUBE; its resolution is the median R of all fibres (SPECRES, which includes the pixels)."""
    number = {name: i for i, name in cube_hdus(hdus).items()}
    missing = sorted({"FLUX", "IVAR", "MASK"} - set(number))
    if missing:
        raise ValueError(f"{where} lacks the extensions {missing} of a MaNGA LOGCUBE; fetch the file again")
    wave = hdus.index_of("WAVE") if "WAVE" in hdus else None
    return CubeLayout(
        name="MaNGA LOGCUBE",
        flux=number["FLUX"],
        errors=Errors(number["IVAR"], "ivar"),
        masks=(Mask(number["MASK"], _BITS),),
        medium="vacuum",
        wave=wave,
        fwhm_aa=_resolution(hdus) if "SPECRES" in hdus and wave is not None else None,
        lsf_from="SPECRES",
    )


def _resolution(hdus: fits.HDUList) -> Callable[[np.ndarray], np.ndarray]:
    at_aa = vacuum_to_air(np.asarray(hdus["WAVE"].data, dtype=float))
    power = np.asarray(hdus["SPECRES"].data, dtype=float)
    known = np.isfinite(power) & (power > 0)
    return lambda wave_aa: wave_aa / np.interp(wave_aa, at_aa[known], power[known])
