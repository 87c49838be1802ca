"""Cubes of MUSE: DATA, STAT (variance) and DQ; wide and narrow field, with and without the laser guide stars."""

from __future__ import annotations

from astropy.io import fits

from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.observation.cube_layout import CUBES, CubeLayout, by_names, cube_hdus, keyword, name_of

# Light of the laser's sodium is blocked: MUSE User Manual (ESO-261650), section on instrument modes.
_NOTCH_AA = {"WFM-AO-N": (5800.0, 5970.0), "WFM-AO-E": (5750.0, 6010.0), "NFM-AO-N": (5780.0, 6050.0)}


def _is_muse(hdus: fits.HDUList) -> bool:
    names = cube_hdus(hdus).values()
    said = str(keyword(hdus, "INSTRUME")).strip().upper()
    return "DATA" in names and (said == "MUSE" or (not said and "STAT" in names))


@CUBES.register("muse", knows=_is_muse)
def muse(hdus: fits.HDUList, where: str) -> CubeLayout:
    """Describe a cube of MUSE; its line-spread function is that of the UDF-10 (Bacon et al. 2017) in all modes."""
    flux, errors, masks, unexplained = by_names(hdus, where)
    if errors is None and unexplained:
        raise ValueError(
            f"{where} has no extension STAT (found {[name_of(hdus, i) for i in range(len(hdus))]}); a MUSE cube has DATA and "
            f"STAT. If {unexplained[0]} holds the errors, say so in the column layout: flux=DATA; variance={unexplained[0]}"
        )
    mode = str(keyword(hdus, "ESO INS MODE")).strip().upper()
    return CubeLayout(
        name=f"MUSE {mode}".strip(),
        flux=flux,
        errors=errors,
        masks=masks,
        fwhm_aa=muse_udf10_fwhm_aa,
        lsf_from="MUSE UDF-10",
        blind_aa=(_NOTCH_AA[mode],) if mode in _NOTCH_AA else (),
    )
