"""Cubes of any instrument: what their extensions are follows from their names, or is described in the sample sheet."""

from __future__ import annotations

from astropy.io import fits

from sfhnet.observation.cube_layout import CUBES, CubeLayout, Errors, Mask, by_names, name_of
from sfhnet.observation.spectrum_columns import role_of
from sfhnet.sources.sheet_cells import CubeDescription


@CUBES.register("fits")
def named(hdus: fits.HDUList, where: str) -> CubeLayout:
    """Describe a cube by the names of its extensions: DATA or FLUX, STAT, ERR or IVAR, DQ or MASK, WAVE ..."""
    flux, errors, masks, unexplained = by_names(hdus, where)
    if errors is None and unexplained:
        raise ValueError(
            f"{where} [{name_of(hdus, flux)}] has no errors by name, but {', '.join(unexplained)} of the same shape; say what "
            f"they are in the column layout, e.g. flux={name_of(hdus, flux)}; sigma={unexplained[0]}, or errors=none"
        )
    waves = [i for i, hdu in enumerate(hdus) if hdu.header.get("NAXIS") == 1 and role_of(hdu.name) == "wave"]
    return CubeLayout(
        name="FITS cube",
        flux=flux,
        errors=errors,
        masks=masks,
        wave=waves[0] if waves and hdus[waves[0]].is_image else None,
        notes=(f"not used: {', '.join(unexplained)}",) if unexplained else (),
    )


def described(hdus: fits.HDUList, where: str, cell: str) -> CubeLayout:
    """Describe a cube as the sample sheet does.

    Parameters
    ----------
    hdus : HDUList
        File, open.
    where : str
        Galaxy and file for the error message.
    cell : str
        The column ``layout``: ``flux=SCI; sigma=ERR; bad=DQ``.

    Returns
    -------
    CubeLayout

    Raises
    ------
    ValueError
        If it names an extension that is not there.
    """
    words = CubeDescription.parse(cell).words
    errors = [
        Errors(_number(hdus, words[role], where), role)
        for role in ("sigma", "variance", "ivar")
        if role in words
    ]
    masks = []
    for role in ("bad", "good"):
        if role in words:
            name, _, bits = words[role].partition("&")
            masks.append(
                Mask(_number(hdus, name.strip(), where), int(bits) if bits else None, bad=role == "bad")
            )
    return CubeLayout(
        name="cube described in the sheet",
        flux=_number(hdus, words["flux"], where),
        errors=errors[0] if errors else None,
        masks=tuple(masks),
        unit=words.get("unit"),
        medium=words.get("medium"),
        wave=_number(hdus, words["wave"], where) if "wave" in words else None,
    )


def _number(hdus: fits.HDUList, name: str, where: str) -> int:
    if name.isdigit():
        if int(name) < len(hdus):
            return int(name)
    elif name.upper() in [hdu.name for hdu in hdus]:
        return int(hdus.index_of(name.upper()))
    there = ", ".join(f"{i} {hdu.name}".strip() for i, hdu in enumerate(hdus))
    raise ValueError(f"{where} has no extension {name}, which the column layout names; it has {there}")
