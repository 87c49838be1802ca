"""Cubes of KCWI and KCRM (Keck, Python pipeline: icubes): flux first, then UNCERT, MASK and FLAGS."""

from __future__ import annotations

from astropy.io import fits

from sfhnet.observation.cube_layout import CUBES, CubeLayout, Errors, Mask, cube_hdus, keyword

# Resolving power with the large slicer (Morrissey et al. 2018, ApJ 864, 93; KCRM: instrument page); medium and small slicers
# halve the slit and halve it again.
_POWER = {
    **dict.fromkeys(("BL", "RL"), 900.0),
    **dict.fromkeys(("BM", "RM1", "RM2"), 2000.0),
    **dict.fromkeys(("BH1", "BH2", "BH3", "RH1", "RH2", "RH3", "RH4"), 4500.0),
}
_SLICER = {"LARGE": 1.0, "MEDIUM": 2.0, "SMALL": 4.0}


def _is_kcwi(hdus: fits.HDUList) -> bool:
    return str(keyword(hdus, "INSTRUME")).strip().upper() in ("KCWI", "KCRM")


@CUBES.register("kcwi", knows=_is_kcwi)
def kcwi(hdus: fits.HDUList, where: str) -> CubeLayout:
    """Describe a cube of KCWI; the resolution is that of grating and slicer."""
    number = {name: i for i, name in cube_hdus(hdus).items()}
    if 0 not in number.values():
        raise ValueError(
            f"{where} has no cube in its first extension, as icube files of KCWI do; give that file"
        )
    header = hdus[0].header
    red = str(header.get("CAMERA", "")).strip().upper() == "RED"
    grating = str(header.get("RGRATNAM" if red else "BGRATNAM", "")).strip().upper()
    slicer = str(header.get("IFUNAM", "")).strip().upper()
    known = grating in _POWER and slicer in _SLICER
    power = _POWER.get(grating, 0.0) * _SLICER.get(slicer, 0.0)
    unit, notes = None, []
    said = str(header.get("BUNIT", "")).strip()
    if said.lower().startswith(("1e+16", "1e16", "10000000000000000")):
        # The pipeline multiplies by 1e16 and writes the power with the wrong sign.
        unit = "FLAM16"
        notes.append(
            f"BUNIT {said!r} was taken for 1e-16 erg/s/cm2/Angstrom, as the pipeline of KCWI means it"
        )
    return CubeLayout(
        name=f"KCWI {grating} {slicer}".strip(),
        flux=0,
        errors=Errors(number["UNCERT"], "sigma") if "UNCERT" in number else None,
        masks=(Mask(number["MASK"]),) if "MASK" in number else (),
        unit=unit,
        fwhm_aa=(lambda wave_aa: wave_aa / power) if known else None,
        lsf_from=f"R = {power:.0f} of grating {grating} and the {slicer.lower()} slicer" if known else "",
        notes=tuple(notes),
    )
