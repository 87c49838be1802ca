"""Spectra as people hand them over, as plain arrays: any unit of wavelength, any order, any kind of array and of error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Arrays", "read_arrays"]

# Unit of wavelength -> Angstrom, and where the middle of an optical spectrum lies in it.
_UNITS: tuple[tuple[str, float, tuple[float, float]], ...] = (
    ("Angstrom", 1.0, (2500.0, 30000.0)),
    ("nm", 10.0, (250.0, 2500.0)),
    ("um", 1e4, (0.25, 2.5)),
    ("m", 1e10, (2.5e-7, 2.5e-6)),
)
_LOG10, _LN = (3.4, 4.48), (7.82, 10.31)
_LEAST_PIXELS = 10
# f_nu [erg/s/cm2/Hz] to f_lambda [erg/s/cm2/AA] and back.
_C_AA = 2.99792458e18


@dataclass(frozen=True)
class Arrays:
    """Spectra in plain double precision, wavelengths ascending.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Wavelengths in AA.
    flux, sigma : ndarray (n, n_wave)
        f_lambda and its error; NaN where the input was masked.
    good : ndarray of bool (n, n_wave)
        True = good.
    order : ndarray of int (n_wave,)
        Which of the wavelengths that were given each of them is.
    notes : tuple of str
        What was taken for what, in sentences.
    """

    wave_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    good: np.ndarray
    order: np.ndarray
    notes: tuple[str, ...] = ()


def read_arrays(
    wave: Any,
    flux: Any,
    sigma: Any = None,
    *,
    mask: Any = None,
    variance: Any = None,
    ivar: Any = None,
) -> Arrays:
    """Make plain arrays of what was given.

    Parameters
    ----------
    wave : array_like or Quantity (n_wave,)
        Wavelengths; plain numbers in AA, nm, um, m or their logarithm, which their size tells.
    flux : array_like or Quantity (n_wave,) or (n, n_wave)
        f_lambda in any unit; a Quantity may be f_nu. Masked arrays, pandas, any byte order and precision.
    sigma, variance, ivar : array_like or Quantity, like `flux` or (n_wave,)
        One of them: the error, its square, or one over its square.
    mask : array_like of bool, optional
        True = good.

    Returns
    -------
    Arrays

    Raises
    ------
    ValueError
        If wavelengths are none, shapes disagree, or there is not exactly one kind of error. Names value and remedy.
    """
    notes: list[str] = []
    wave_aa = _wavelengths(wave, notes)
    values, hidden = _plain(flux, "flux")
    error, kind = _one_error(sigma, variance, ivar)
    spread, hidden_too = _plain(error, kind)
    values, hidden = np.atleast_2d(values), np.atleast_2d(hidden)
    spread, hidden_too = np.atleast_2d(spread), np.atleast_2d(hidden_too)
    good = np.ones(values.shape, dtype=bool) if mask is None else np.atleast_2d(np.asarray(mask)).astype(bool)
    n_wave = wave_aa.size
    if wave_aa.ndim != 1 or n_wave < _LEAST_PIXELS:
        raise ValueError(
            f"wavelengths have shape {wave_aa.shape}; give one axis of at least {_LEAST_PIXELS} pixels"
        )
    if (
        values.ndim != 2
        or values.shape[1] != n_wave
        or any(part.shape[1] != n_wave or len(part) not in (1, len(values)) for part in (spread, good))
    ):
        raise ValueError(
            f"flux {values.shape}, {kind} {spread.shape} and mask {good.shape} must all be (n, {n_wave}) like the wavelengths"
        )
    values, spread = _in_f_lambda(flux, error, values, spread, wave_aa=wave_aa, kind=kind, notes=notes)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "variance":
            spread = np.sqrt(spread)
        elif kind == "ivar":
            spread = 1.0 / np.sqrt(spread)
    # An infinite error, an ivar of zero, is the usual way to say that a pixel holds nothing.
    good = good & ~hidden & ~hidden_too & ~np.isinf(spread)
    spread = np.broadcast_to(spread, values.shape)
    return Arrays(
        *_ascending(wave_aa, values, spread, np.broadcast_to(good, values.shape), notes), tuple(notes)
    )


def _plain(given: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers in double precision, and where the input is masked."""
    hidden = np.ma.getmaskarray(given) if isinstance(given, np.ma.MaskedArray) else None
    if hidden is None and hasattr(given, "mask") and hasattr(given, "unmasked"):
        hidden = np.asarray(given.mask)  # astropy's Masked
        given = given.unmasked
    given = getattr(given, "value", given) if hasattr(given, "unit") else given
    try:
        values = np.asarray(np.ma.getdata(given) if isinstance(given, np.ma.MaskedArray) else given)
        values = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} holds something that is no number ({error}); give numbers") from error
    return values, np.zeros(values.shape, dtype=bool) if hidden is None else np.asarray(hidden, dtype=bool)


def _one_error(sigma: Any, variance: Any, ivar: Any) -> tuple[Any, str]:
    given = {"sigma": sigma, "variance": variance, "ivar": ivar}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise ValueError(
            f"give one of sigma, variance and ivar; given: {', '.join(named) or 'none'}. The answer depends on the errors"
        )
    return given[named[0]], named[0]


def _wavelengths(given: Any, notes: list[str]) -> np.ndarray:
    unit = getattr(given, "unit", None)
    if unit is not None and hasattr(given, "to_value"):
        import astropy.units as u

        try:
            return np.asarray(given.to_value(u.AA, equivalencies=u.spectral()), dtype=np.float64)
        except u.UnitConversionError as error:
            raise ValueError(
                f"wavelengths are in {unit}, which is no length or frequency; give them in Angstrom"
            ) from error
    wave, hidden = _plain(given, "wavelengths")
    if wave.ndim != 1 or not wave.size:
        return wave
    if hidden.any() or not np.isfinite(wave).all():
        at = int(np.flatnonzero(hidden | ~np.isfinite(wave))[0])
        raise ValueError(f"wavelength {at} is {wave[at]:g} or masked; leave such pixels out")
    middle = float(np.median(wave))
    for name, factor, (low, high) in _UNITS:
        if low <= middle <= high:
            if factor != 1:
                notes.append(f"wavelengths about {middle:g} were taken to be in {name}")
            return wave * factor
    for name, base, (low, high) in (("log10 of Angstrom", 10.0, _LOG10), ("ln of Angstrom", np.e, _LN)):
        if low <= middle <= high:
            notes.append(f"wavelengths about {middle:g} were taken to be {name}")
            return np.asarray(base**wave)
    raise ValueError(
        f"wavelengths about {middle:g} are in no unit of an optical spectrum; give them in Angstrom (3000 to 10000)"
    )


def _in_f_lambda(
    flux: Any,
    error: Any,
    values: np.ndarray,
    spread: np.ndarray,
    *,
    wave_aa: np.ndarray,
    kind: str,
    notes: list[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Convert a Quantity in f_nu, and its error, to f_lambda in cgs; leave plain numbers as they are."""
    unit = getattr(flux, "unit", None)
    if unit is None:
        return values, spread
    import astropy.units as u

    of_error = getattr(error, "unit", None)
    power = {"sigma": 1, "variance": 2, "ivar": -2}[kind]
    per_aa = u.erg / u.s / u.cm**2 / u.AA
    if u.Unit(unit) == u.dimensionless_unscaled:
        return values, spread
    try:
        factor = (np.ones(wave_aa.size) * u.Unit(unit)).to_value(per_aa, u.spectral_density(wave_aa * u.AA))
        if of_error is not None:
            spread = spread * (1 * u.Unit(of_error)).to_value(u.Unit(unit) ** power)
    except u.UnitConversionError as wrong:
        raise ValueError(
            f"flux is in {unit} and {kind} in {of_error}: {wrong}; give f_lambda or f_nu and an error of the same kind"
        ) from wrong
    # A power of ten keeps numbers of 1e-17 far from the smallest ones.
    scale = 10.0 ** -np.floor(np.log10(np.median(np.abs(factor)))) if np.all(factor > 0) else 1.0
    if np.ptp(factor) > 1e-9 * factor.max():
        notes.append(f"flux in {unit} was turned into f_lambda")
    factor = factor * scale
    return values * factor, spread * factor**power


def _ascending(
    wave_aa: np.ndarray, flux: np.ndarray, sigma: np.ndarray, good: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    step, order = np.diff(wave_aa), np.arange(wave_aa.size)
    if np.all(step > 0):
        return wave_aa, flux, sigma, good, order
    if np.all(step <= 0) and np.any(step < 0):
        wave_aa, order = wave_aa[::-1], order[::-1]
        flux, sigma, good = flux[:, ::-1], sigma[:, ::-1], good[:, ::-1]
        step = np.diff(wave_aa)
    if np.any(step < 0):
        at = int(np.flatnonzero(step < 0)[0])
        raise ValueError(
            f"wavelengths must ascend or descend: {wave_aa[at]:.2f} AA is followed by {wave_aa[at + 1]:.2f} at pixel {at + 1}; "
            "sort them, or give the arms of the instrument one by one"
        )
    repeated = int((step == 0).sum())
    if not repeated:
        return wave_aa, flux, sigma, good, order
    notes.append(f"{repeated} wavelengths stand twice: their fluxes were averaged")
    unique, start = np.unique(wave_aa, return_index=True)
    usable = good & np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0)
    weight = np.where(usable, 1.0 / np.where(usable, sigma, 1.0) ** 2, 0.0)
    total = np.add.reduceat(weight, start, axis=1)
    mean = np.add.reduceat(weight * np.where(usable, flux, 0.0), start, axis=1)
    kept = total > 0
    safe = np.where(kept, total, 1.0)
    return unique, np.where(kept, mean / safe, np.nan), np.where(kept, safe**-0.5, np.nan), kept, order[start]
