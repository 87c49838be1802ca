"""What a loader of cubes tells of a file: which extension is what, in which medium, at which resolution.

One module a layout (`sfhnet.observation.cube_muse` and the like) registers its loader in `CUBES`; reading, units, masks and
errors are the same for all of them (`sfhnet.observation.cube`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits

from sfhnet.observation.readers import Readers
from sfhnet.observation.spectrum_columns import role_of

__all__ = ["CUBES", "CubeLayout", "Errors", "Mask", "by_names", "cube_hdus", "keyword", "name_of"]


@dataclass(frozen=True)
class Errors:
    """Where the errors of a cube are.

    Parameters
    ----------
    extension : int
        Number of the extension.
    role : {"sigma", "variance", "ivar"}
        What they are.
    """

    extension: int
    role: str

    @property
    def power(self) -> int:
        """The power of a standard deviation that they are."""
        return {"sigma": 1, "variance": 2, "ivar": -2}[self.role]


@dataclass(frozen=True)
class Mask:
    """Where a mask is.

    Parameters
    ----------
    extension : int
        Number of the extension.
    bits : int or None
        Bits that spoil a pixel; None: any that is set.
    bad : bool
        Whether what is not zero is bad; good otherwise.
    """

    extension: int
    bits: int | None = None
    bad: bool = True


@dataclass(frozen=True)
class CubeLayout:
    """What is where in a file.

    Parameters
    ----------
    name : str
        Layout and instrument, for people.
    flux : int
        Number of the extension with the fluxes.
    errors : Errors or None
        None: there are none.
    masks : tuple of Mask
    unit : str or None
        Of the flux, where BUNIT is absent or wrong.
    medium : {"air", "vacuum"} or None
        Of the wavelengths, where CTYPE3 does not say.
    wave : int or None
        Number of the extension with the wavelengths; None: they are in the header.
    fwhm_aa : callable or None
        Resolution at observed air wavelengths in Angstrom; None where nobody knows.
    lsf_from : str
        Where that is from, for people.
    blind_aa : tuple of (float, float)
        Observed wavelengths at which the instrument sees no light.
    notes : tuple of str
        What was assumed, for people.
    """

    name: str
    flux: int
    errors: Errors | None
    masks: tuple[Mask, ...] = ()
    unit: str | None = None
    medium: str | None = None
    wave: int | None = None
    fwhm_aa: Callable[[np.ndarray], np.ndarray] | None = None
    lsf_from: str = ""
    blind_aa: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = field(default=())


CUBES: Readers[fits.HDUList, Callable[[fits.HDUList, str], CubeLayout]] = Readers("cubes")


def name_of(hdus: fits.HDUList, number: int) -> str:
    """Return the name of an extension, for messages."""
    return hdus[number].name or f"extension {number}"


def keyword(hdus: fits.HDUList, name: str, default: object = "") -> object:
    """Return a keyword of the first header that has it."""
    return next((hdu.header[name] for hdu in hdus if name in hdu.header), default)


def cube_hdus(hdus: fits.HDUList) -> dict[int, str]:
    """Return number and name of the extensions that hold three axes."""
    return {i: hdu.name for i, hdu in enumerate(hdus) if hdu.is_image and hdu.header.get("NAXIS") == 3}


def by_names(hdus: fits.HDUList, where: str) -> tuple[int, Errors | None, tuple[Mask, ...], list[str]]:
    """Find flux, errors and masks by the names of the extensions (`sfhnet.observation.spectrum_columns.ROLES`).

    Parameters
    ----------
    hdus : HDUList
        File, open.
    where : str
        Galaxy and file for the error message.

    Returns
    -------
    flux : int
        The extension with a name of a flux; without any the first that has three axes.
    errors : Errors or None
    masks : tuple of Mask
    unexplained : list of str
        Other extensions of the shape of the flux.

    Raises
    ------
    ValueError
        If nothing has three axes, or two extensions are the same thing.
    """
    cubes = cube_hdus(hdus)
    if not cubes:
        shapes = {hdu.name or "PRIMARY": getattr(hdu, "shape", ()) for hdu in hdus}
        raise ValueError(f"{where} holds no cube (wavelength, y, x); found {shapes}")
    found: dict[str, list[int]] = {}
    for number, name in cubes.items():
        found.setdefault(role_of(name) or "", []).append(number)
    flux = found.get("flux", [min(cubes)])[0]
    twice = [name_of(hdus, i) for i in found.get("flux", [])]
    if len(twice) > 1:
        raise ValueError(
            f"{where} has several fluxes, {', '.join(twice)}; say which in the column layout, flux={twice[0]}"
        )
    errors = [Errors(i, role) for role in ("variance", "sigma", "ivar") for i in found.get(role, [])]
    if len(errors) > 1:
        names = ", ".join(name_of(hdus, one.extension) for one in errors)
        raise ValueError(
            f"{where} has several errors, {names}; say which in the column layout, e.g. flux=DATA; sigma=ERR"
        )
    masks = tuple(Mask(i, bad=role == "bad") for role in ("bad", "good") for i in found.get(role, []))
    known = {flux, *(one.extension for one in errors), *(mask.extension for mask in masks)}
    unexplained = [name_of(hdus, i) for i in cubes if i not in known and hdus[i].shape == hdus[flux].shape]
    return flux, errors[0] if errors else None, masks, unexplained
