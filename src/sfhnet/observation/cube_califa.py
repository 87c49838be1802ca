"""Cubes of CALIFA (DR3): flux first, then ERROR, ERRWEIGHT, BADPIX, FIBCOVER; the set-ups V500, V1200 and COMB."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from sfhnet.observation.cube_layout import CUBES, CubeLayout, Errors, Mask, cube_hdus
from sfhnet.observation.spectral_axis import spectral_axis

# Sanchez et al. (2016, A&A 594, A36): FWHM in Angstrom after homogenising; COMB is degraded to V500.
_FWHM_AA = {"V500": 6.0, "V1200": 2.3, "COMB": 6.0}
_STEP_OF_V1200_AA = 1.0
_UNIT = "1e-16 erg/s/cm**2/Angstrom"


def _is_califa(hdus: fits.HDUList) -> bool:
    names = {hdu.name for hdu in hdus}
    return hdus[0].header.get("NAXIS") == 3 and {"ERROR", "BADPIX"} <= names


@CUBES.register("califa", knows=_is_califa)
def califa(hdus: fits.HDUList, where: str) -> CubeLayout:
    """Describe a cube of CALIFA: the set-up follows from its wavelengths, which are those in air."""
    number = {name: i for i, name in cube_hdus(hdus).items()}
    missing = sorted({"ERROR", "BADPIX"} - set(number))
    if missing:
        raise ValueError(f"{where} lacks the extensions {missing} of a CALIFA cube; fetch the file again")
    wave_aa, _ = spectral_axis(hdus[0].header, 3, hdus[0].shape[0], where=f"{where} [PRIMARY]")
    setup = "COMB" if wave_aa[0] < 3720 else "V500"
    if wave_aa[1] - wave_aa[0] < _STEP_OF_V1200_AA:
        setup = "V1200"
    fwhm_aa = _FWHM_AA[setup]
    said = str(hdus[0].header.get("BUNIT", "")).strip()
    # Some headers leave out "per Angstrom"; the papers have it.
    unit = said if "A" in said.upper() else _UNIT
    return CubeLayout(
        name=f"CALIFA {setup}",
        flux=0,
        errors=Errors(number["ERROR"], "sigma"),
        masks=(Mask(number["BADPIX"]),),
        unit=unit,
        medium="air",
        fwhm_aa=lambda wave_aa: np.full(wave_aa.shape, fwhm_aa),
        lsf_from=f"CALIFA {setup}, {fwhm_aa:g} Angstrom",
        notes=() if unit == said else (f"BUNIT is {said or 'absent'}: taken for {_UNIT}",),
    )
