"""What the columns of a spectrum mean: the one registry of their names, units and masks, for all file formats.

Units that a file declares are converted; a column that is not used is named in the notes; columns that contradict each
other or themselves are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sfhnet.observation.wavelengths_and_units import (
    OPTICAL_AA,
    is_no_unit,
    parse_unit,
    to_f_lambda,
    wavelength_unit_aa,
)

if TYPE_CHECKING:
    from astropy.units import UnitBase

__all__ = ["Column", "SpectrumFile", "named_column", "role_of", "spectrum_of"]

# What a column can be, and the names that say so: in lower case, blanks and dashes as underscores.
ROLES: dict[str, tuple[str, ...]] = {
    "wave": ("wave_aa", "wave", "wavelength", "wavelengths", "lambda", "lam", "wl", "wvl", "awav"),
    "log wave": ("loglam", "log_wave", "log10wave", "log10_wave", "loglambda", "log_lambda", "logwave"),
    "ln wave": ("lnlam", "ln_wave", "lnwave", "ln_lambda"),
    "flux": ("flux", "flam", "f_lambda", "flambda", "flux_density", "data", "sci", "spectrum", "fnu", "f_nu"),
    "sigma": (
        *(
            "sigma",
            "error",
            "errors",
            "err",
            "flux_err",
            "fluxerr",
            "e_flux",
            "noise",
            "uncertainty",
            "uncert",
            "unc",
            "std",
        ),
        *("flux_error", "flux_sigma", "sigma_flux", "flux_unc", "stddev", "errs"),
    ),
    "variance": ("variance", "var", "stat", "flux_var", "flux_variance"),
    "ivar": ("ivar", "inverse_variance", "invvar", "flux_ivar"),
    "good": ("good", "mask_good"),
    "bad": (
        "mask",
        "bad",
        "bad_pixels",
        "badpix",
        "dq",
        "qual",
        "quality",
        "flag",
        "flags",
        "and_mask",
        "mask_bad",
    ),
}
_ROLE_OF = {name: role for role, names in ROLES.items() for name in names}
_PER_FREQUENCY = ("fnu", "f_nu")
# SDSS: 10^-17 and the rest of the plate's fibre are told by bits that stand in (nearly) every pixel.
_BIT_OF_ALL = 0.5


@dataclass(frozen=True)
class Column:
    """Numbers and the unit that the file declares for them.

    Parameters
    ----------
    values : ndarray
        (n_wave,) or (n, n_wave).
    unit : str or None
        As written; None or empty where the file says nothing.
    """

    values: np.ndarray
    unit: str | None = None


@dataclass(frozen=True)
class SpectrumFile:
    """Spectra as they were observed.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Observed wavelengths in Angstrom, in air or vacuum.
    flux, sigma : ndarray or StoredRows, shape (n, n_wave)
        f_lambda and its error.
    good : ndarray of bool or StoredRows, shape (n, n_wave)
        Good pixels.
    medium : str, optional
        "air" or "vacuum", if the file tells.
    fwhm_aa : ndarray, shape (n_wave,), optional
        Resolution of the instrument, if it is known.
    flux_unit_cgs : float, optional
        erg/s/cm2/Angstrom per unit of flux, if it is known.
    converted_from : str, optional
        Unit of the file if that is no f_lambda: what else is in that unit has to be converted too.
    notes : tuple of str
        What was assumed and what was left out, for people.
    """

    wave_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    good: np.ndarray
    medium: str | None = None
    fwhm_aa: np.ndarray | None = None
    flux_unit_cgs: float | None = None
    converted_from: str | None = None
    notes: tuple[str, ...] = ()


def role_of(name: str) -> str | None:
    """Return what a column is by its name, a key of `ROLES`; None if it is none of them."""
    return _ROLE_OF.get(_plain(name)[0])


def named_column(name: str, values: np.ndarray, unit: str | None = None) -> tuple[str, Column]:
    """Split ``Wavelength (nm)``, ``wave[um]`` and ``lambda_nm`` into a name and its unit.

    Parameters
    ----------
    name : str
        As written in the file.
    values : ndarray
        The column.
    unit : str, optional
        Unit that is declared elsewhere; it goes before one in the name.

    Returns
    -------
    name : str
        A name of `ROLES` if it is one, else as written.
    column : Column
    """
    plain, own, _ = _plain(name)
    return plain, Column(np.asarray(values), (unit or "").strip() or own)


def _plain(name: str) -> tuple[str, str | None, str | None]:
    """Return name, unit and medium that a column's name holds."""
    text = name.strip().strip("'\"").strip()
    unit = None
    brackets = re.match(r"^(.*?)\s*[(\[](.*)[)\]]$", text)
    if brackets:
        text, unit = brackets.groups()
        unit = None if is_no_unit(unit) else unit.strip()
    plain = re.sub(r"[\s-]+", "_", text.strip().lower())
    if plain in _ROLE_OF:
        return plain, unit, "air" if plain == "awav" else None
    medium = None
    for word, meant in (("air", "air"), ("vacuum", "vacuum"), ("vac", "vacuum")):
        shorter = re.sub(rf"^{word}_|_{word}$", "", plain)
        if shorter != plain and _ROLE_OF.get(shorter) in ("wave", "log wave", "ln wave"):
            return shorter, unit, meant
    tail = re.match(r"^(.*)_(aa?|ang|angstroms?|nm|um|microns?|[um]?jy)$", plain)
    if tail and _ROLE_OF.get(tail.group(1)) in ("wave", "flux", "sigma"):
        return tail.group(1), unit or {"a": "Angstrom"}.get(tail.group(2), tail.group(2)), medium
    return plain, unit, medium


def spectrum_of(
    columns: Mapping[str, Column],
    where: str,
    *,
    medium: str | None = None,
    default_unit: str | None = None,
    notes: tuple[str, ...] = (),
    checked: bool = True,
) -> SpectrumFile:
    """Build spectra from named columns.

    Parameters
    ----------
    columns : mapping of str to Column
        By their names in the file.
    where : str
        Galaxy and file for the error message.
    medium : str, optional
        "air" or "vacuum", if the file says so elsewhere.
    default_unit : str, optional
        Of the flux where no unit is declared.
    notes : tuple of str
        What is already to be said.
    checked : bool
        Refuse masks and errors that contradict themselves; not for a part of spectra that were looked at before.

    Returns
    -------
    SpectrumFile

    Raises
    ------
    ValueError
        If a column is missing, shapes differ, a unit is not understood, or columns contradict each other.
    """
    by_role: dict[str, dict[str, Column]] = {}
    unused, told = [], list(notes)
    for name, column in columns.items():
        plain, column = named_column(name, column.values, column.unit)
        found_medium = _plain(name)[2]
        if found_medium and medium and found_medium != medium:
            raise ValueError(f"{where}: column {name!r} and the header disagree on the medium ({medium})")
        medium = medium or found_medium
        role = _ROLE_OF.get(plain)
        if role is None:
            unused.append(name)
        else:
            by_role.setdefault(role, {})[plain] = column
    there = ", ".join(columns) or "nothing"
    wave_aa = _wavelengths(by_role, where, there)
    if "flux" not in by_role:
        raise ValueError(
            f"{where} lacks the flux; it has {there}. Name its columns wave, flux and sigma (or variance, ivar)"
        )
    name, column = _first(by_role, "flux", unused)
    flux = np.atleast_2d(np.asarray(column.values, dtype=float))
    if flux.ndim != 2 or flux.shape[1] != wave_aa.size:
        hint = "; transpose it" if flux.ndim == 2 and flux.shape[0] == wave_aa.size else ""
        raise ValueError(f"{where}: {name} has shape {flux.shape}, the wavelengths {wave_aa.shape}{hint}")
    unit_text = column.unit or default_unit
    flux_unit = _unit(unit_text, f"{where} [{name}]")
    sigma = _errors(by_role, flux.shape, flux_unit, where=where, there=there, checked=checked)
    good = _good(by_role, flux.shape, where=where, told=told, checked=checked)
    # An infinite error is the file's way of saying that the pixel holds nothing.
    good &= ~np.isinf(sigma)
    cgs, converted = None, None
    if flux_unit is not None or name in _PER_FREQUENCY:
        factor, cgs, converted = to_f_lambda(
            unit_text, wave_aa, where=f"{where} [{name}]", per_frequency=name in _PER_FREQUENCY
        )
        flux, sigma = flux * factor, sigma * factor
        if converted:
            told.append(f"{name} in {converted} was converted to f_lambda")
    if unused:
        told.append(f"not used: {', '.join(unused)}")
    if wave_aa[0] > wave_aa[-1]:
        wave_aa, flux, sigma, good = wave_aa[::-1], flux[:, ::-1], sigma[:, ::-1], good[:, ::-1]
        told.append("wavelengths descended and were turned round")
    if not np.all(np.diff(wave_aa) > 0):
        row = int(np.flatnonzero(np.diff(wave_aa) <= 0)[0]) + 1
        raise ValueError(
            f"{where}: wavelengths must ascend, but {wave_aa[row - 1]:.6g} is followed by {wave_aa[row]:.6g} Angstrom (row "
            f"{row + 1})"
        )
    return SpectrumFile(
        wave_aa=np.array(wave_aa),
        flux=np.array(flux),
        sigma=np.array(sigma),
        good=np.array(good),
        medium=medium,
        flux_unit_cgs=cgs,
        converted_from=converted,
        notes=tuple(told),
    )


def _first(by_role: Mapping[str, Mapping[str, Column]], role: str, unused: list[str]) -> tuple[str, Column]:
    """Return the column of a role that stands first in the registry; the others are not used."""
    found = by_role[role]
    first, *others = (name for name in ROLES[role] if name in found)
    unused.extend(others)
    return first, found[first]


def _wavelengths(by_role: Mapping[str, Mapping[str, Column]], where: str, there: str) -> np.ndarray:
    made: dict[str, np.ndarray] = {}
    for role in ("wave", "log wave", "ln wave"):
        for name, column in by_role.get(role, {}).items():
            values = np.asarray(column.values, dtype=float)
            if values.ndim != 1:
                raise ValueError(f"{where}: {name} has shape {values.shape}; give one axis for all spectra")
            text = column.unit or ""
            inner = re.match(
                r"^(?:log(?:10)?|dex)\s*[(\[]?\s*(?:lambda\s*/\s*)?(.*?)[)\]]?$", text, re.IGNORECASE
            )
            logarithm = "log wave" if inner and role == "wave" else role
            unit = inner.group(1) if inner else text
            factor = wavelength_unit_aa(unit or "Angstrom", f"{where} [{name}]")
            with np.errstate(over="ignore"):
                base = {"log wave": 10.0, "ln wave": np.e}.get(logarithm)
                made[name] = factor * (values if base is None else base**values)
            _check_optical(made[name], values, name, unit=unit, where=where)
    if not made:
        raise ValueError(
            f"{where} lacks the wavelength; it has {there}. Name its columns wave, flux and sigma (or variance, ivar)"
        )
    (first, wave_aa), *others = made.items()
    for name, other in others:
        if other.shape != wave_aa.shape or not np.allclose(other, wave_aa, rtol=1e-4):
            raise ValueError(f"{where}: the columns {first} and {name} are different wavelengths; remove one")
    return wave_aa


def _check_optical(wave_aa: np.ndarray, values: np.ndarray, name: str, *, unit: str, where: str) -> None:
    if wave_aa.size < 2 or not np.all(np.isfinite(wave_aa)):
        row = int(np.flatnonzero(~np.isfinite(wave_aa))[0]) + 1 if wave_aa.size else 0
        raise ValueError(f"{where}: {name} must hold finite wavelengths, at least two (row {row})")
    low, high = OPTICAL_AA
    if low < wave_aa.min() and wave_aa.max() < high:
        return
    first, last = float(values.min()), float(values.max())
    likely = (
        ("nm", 300, 3000), ("um", 0.3, 3.0), ("log10 of Angstrom: call it loglam", 3.2, 4.5), ("ln of Angstrom: lnlam", 7, 10.3)
    )  # fmt: skip
    guess = next((f"; {text}?" for text, least, most in likely if least <= first and last <= most), "")
    raise ValueError(
        f"{where}: {name} runs {first:.6g} .. {last:.6g} {unit or 'without a unit'}, no optical wavelengths in "
        f"{unit or 'Angstrom'} ({low:.0f} .. {high:.0f} Angstrom){guess} Declare the unit, or convert"
    )


def _unit(text: str | None, where: str) -> UnitBase | None:
    return None if text is None or is_no_unit(text) else parse_unit(text, where)


def _errors(
    by_role: Mapping[str, Mapping[str, Column]],
    shape: tuple[int, int],
    flux_unit: UnitBase | None,
    *,
    where: str,
    there: str,
    checked: bool,
) -> np.ndarray:
    made: dict[str, np.ndarray] = {}
    for role, power in (("sigma", 1), ("variance", 2), ("ivar", -2)):
        for name, column in by_role.get(role, {}).items():
            values = np.atleast_2d(np.asarray(column.values, dtype=float))
            if values.shape not in (shape, (1, shape[1])):
                raise ValueError(f"{where}: {name} has shape {values.shape}, the flux {shape}")
            values = values * _scale_of_errors(column.unit, flux_unit, power, where=f"{where} [{name}]")
            with np.errstate(divide="ignore", invalid="ignore"):
                # A variance that is not positive marks a pixel without a value: masked by who uses it.
                if role == "variance":
                    values = np.sqrt(values)
                elif role == "ivar":
                    values = 1.0 / np.sqrt(values)
            made[name] = np.broadcast_to(values, shape).copy()
    if not made:
        raise ValueError(
            f"{where} has no errors (sigma, variance or ivar); it has {there}. The answer depends on them"
        )
    (first, sigma), *others = made.items()
    for name, other in others:
        both = np.isfinite(sigma) & np.isfinite(other) & (sigma > 0) & (other > 0)
        if checked and both.any() and not np.median(np.abs(other[both] / sigma[both] - 1)) < 0.05:
            raise ValueError(
                f"{where}: {first} and {name} tell different errors (by a factor {np.median(other[both] / sigma[both]):.3g}); "
                "remove the wrong one"
            )
    return sigma


def _scale_of_errors(text: str | None, flux_unit: UnitBase | None, power: int, *, where: str) -> float:
    unit = _unit(text, where)
    if unit is None:
        return 1.0
    kind = {1: "an error", 2: "a variance", -2: "an inverse variance"}[power]
    if flux_unit is None:
        raise ValueError(f"{where} has the unit {text!r} but the flux has none; give both or neither")
    wanted = flux_unit**power
    if not unit.is_equivalent(wanted):
        raise ValueError(
            f"{where} is called {kind} of a flux in {flux_unit}, but has the unit {text!r}; correct one"
        )
    return float(unit.to(wanted))


def _good(
    by_role: Mapping[str, Mapping[str, Column]],
    shape: tuple[int, int],
    *,
    where: str,
    told: list[str],
    checked: bool,
) -> np.ndarray:
    good = np.ones(shape, dtype=bool)
    for role in ("good", "bad"):
        for name, column in by_role.get(role, {}).items():
            values = np.atleast_2d(np.asarray(column.values))
            if values.shape not in (shape, (1, shape[1])):
                raise ValueError(f"{where}: {name} has shape {values.shape}, the flux {shape}")
            values = np.nan_to_num(values.astype(float), nan=1.0 if role == "bad" else 0.0)
            if role == "good":
                good &= values > 0
                continue
            bad = _pixels_marked(values, told, name) if name == "and_mask" else values != 0
            if checked and bad.mean() > 0.5 and set(np.unique(values)) <= {0.0, 1.0}:
                raise ValueError(
                    f"{where}: {name} is not zero in {bad.mean():.0%} of the pixels, and not zero means bad; if 1 is good "
                    "call it good"
                )
            good &= ~bad
            told.append(f"{name} leaves out {int(bad.sum())} pixels")
    return good


def _pixels_marked(values: np.ndarray, told: list[str], name: str) -> np.ndarray:
    """Return where SDSS's mask has a bit that tells of pixels: one that nearly all have tells of the fibre."""
    bits = values.astype(np.int64)
    bad = np.zeros(bits.shape, dtype=bool)
    for bit in range(32):
        marked = (bits >> bit) & 1 > 0
        if marked.mean() > _BIT_OF_ALL:
            told.append(f"bit {bit} of {name} is set in {marked.mean():.0%} of the pixels and not looked at")
        else:
            bad |= marked
    return bad
