"""From luminosities to fluxes and from spectra to bands, with ProSpect's conventions.

Luminosity densities are Lsol/Angstrom at rest, flux densities erg/s/cm2/Angstrom as observed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect.arguments import check_argument, checked
from pyprospect.bands import band_matrix as _filters
from pyprospect.bands.magnitudes import (
    AbsoluteToWHz,
    CGS2Jansky,
    CGS2magAB,
    Jansky2CGS,
    Jansky2magAB,
    WHzToAbsolute,
    convert_freq2wave,
    convert_wave2freq,
    magAB2CGS,
    magAB2Jansky,
)
from pyprospect.constants import LSOL_ERG_S, LSOL_TO_ABSOLUTE, MPC_CM
from pyprospect.line_of_sight.cosmology import lum_dist_mpc as _lum_dist_mpc

__all__ = [
    "AbsoluteToWHz",
    "CGS2Jansky",
    "CGS2magAB",
    "CGScalc",
    "FluxSpectrum",
    "Jansky2CGS",
    "Jansky2magAB",
    "Janskycalc",
    "LumSpectrum",
    "WHzToAbsolute",
    "bandpass",
    "convert_freq2wave",
    "convert_wave2freq",
    "flux2lum",
    "lum2flux",
    "lum2flux_factor",
    "magAB2CGS",
    "magAB2Jansky",
    "magABcalc",
    "photom_flux",
    "photom_lum",
]

_OUTTYPES = {"mag": "mag", "magab": "mag", "jansky": "jansky", "jy": "jansky", "cgs": "cgs"}


class FluxSpectrum(NamedTuple):
    """Observed spectrum: `wave` [Angstrom] and `flux` (shape of the last axis equal)."""

    wave: NDArray[np.float64]
    flux: NDArray[np.float64]


class LumSpectrum(NamedTuple):
    """Rest-frame spectrum: `wave` [Angstrom] and `lum` [Lsol/Angstrom]."""

    wave: NDArray[np.float64]
    lum: NDArray[np.float64]


@checked
def lum2flux_factor(
    z: float = 0.1,
    lum_dist_mpc: float | None = None,
    *,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    ref: str | None = None,
) -> float:
    """Return the flux per luminosity, (erg/s/cm2/Angstrom observed) / (Lsol/Angstrom rest).

    ``Lsol / (4 pi D_L^2) / (1+z)``; at z <= 0 without a distance, the flux at 10 pc.

    Parameters
    ----------
    z : float
        Redshift.
    lum_dist_mpc : float, optional
        Luminosity distance [Mpc]; without it, the cosmology gives it. For galaxies nearby give it.
    H0, OmegaM, OmegaL, ref
        See `pyprospect.line_of_sight.cosmology.cosmology`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `z` or the distance is not usable.
    """
    z = float(z)
    if not np.isfinite(z):
        raise ValueError(f"z={z} must be a finite redshift")
    if lum_dist_mpc is None:
        if z <= 0:
            return LSOL_TO_ABSOLUTE
        lum_dist_mpc = float(_lum_dist_mpc(z, H0=H0, OmegaM=OmegaM, OmegaL=OmegaL, ref=ref))
    distance = float(lum_dist_mpc)
    if not np.isfinite(distance) or distance <= 0:
        raise ValueError(f"lum_dist_mpc={distance} must be a positive number of Mpc; 10 pc is 1e-5")
    return LSOL_ERG_S / (4.0 * np.pi * (distance * MPC_CM) ** 2) / (1.0 + max(z, 0.0))


@checked(wave=None)
def lum2flux(
    wave: ArrayLike,
    lum: ArrayLike | None = None,
    z: float = 0.1,
    *,
    lum_dist_mpc: float | None = None,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    ref: str | None = None,
    LumDist_Mpc: float | None = None,
) -> FluxSpectrum:
    """Convert a rest-frame luminosity density to an observed flux density (ProSpect's ``Lum2Flux``).

    Parameters
    ----------
    wave : array_like, shape (n,), or spectrum
        Rest wavelengths [Angstrom]; a ``(wave, lum)`` pair or (n, 2) array if `lum` is left out.
    lum : array_like, shape (..., n)
        Lsol/Angstrom.
    z : float
        Redshift; at z <= 0 the flux at 10 pc on the rest wavelengths is given unless a distance is.
    lum_dist_mpc : float, optional
        Luminosity distance [Mpc] instead of the cosmological one (`LumDist_Mpc` is the same).
    H0, OmegaM, OmegaL, ref
        See `pyprospect.line_of_sight.cosmology.cosmology`.

    Returns
    -------
    FluxSpectrum
        Observed wavelengths ``wave (1+z)`` and erg/s/cm2/Angstrom.

    Raises
    ------
    ValueError
        If shapes do not match or redshift or distance cannot be used.
    """
    w, values = _pair(wave, lum, "lum")
    distance = lum_dist_mpc if lum_dist_mpc is not None else LumDist_Mpc
    factor = lum2flux_factor(z, distance, H0=H0, OmegaM=OmegaM, OmegaL=OmegaL, ref=ref)
    return FluxSpectrum(w * (1.0 + max(float(z), 0.0)), values * factor)


@checked(wave=None)
def flux2lum(
    wave: ArrayLike,
    flux: ArrayLike | None = None,
    z: float = 0.1,
    *,
    lum_dist_mpc: float | None = None,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    ref: str | None = None,
    LumDist_Mpc: float | None = None,
) -> LumSpectrum:
    """Convert an observed flux density to a luminosity density at rest (ProSpect's ``Flux2Lum``).

    Inverse of `lum2flux`, with the same arguments and errors.

    Parameters
    ----------
    wave : array_like, shape (n,), or spectrum
        Observed wavelengths, Angstrom; a pair or (n, 2) array if `flux` is left out.
    flux : array_like, shape (..., n)
        erg/s/cm2/Angstrom.
    z, lum_dist_mpc, LumDist_Mpc, H0, OmegaM, OmegaL, ref
        As `lum2flux`.

    Returns
    -------
    LumSpectrum
        Rest wavelengths, Angstrom, and Lsol/Angstrom.
    """
    w, values = _pair(wave, flux, "flux")
    distance = lum_dist_mpc if lum_dist_mpc is not None else LumDist_Mpc
    factor = lum2flux_factor(z, distance, H0=H0, OmegaM=OmegaM, OmegaL=OmegaL, ref=ref)
    return LumSpectrum(w / (1.0 + max(float(z), 0.0)), values / factor)


@checked(result=False, wave=None, flux=None)
def bandpass(
    wave: ArrayLike,
    flux: ArrayLike | None = None,
    filters: Any = None,
    *,
    flux_in: str = "freq",
    flux_out: str = "freq",
    detect_type: str = "photon",
    outside: str = "error",
    quadrature: str = "sed",
) -> NDArray[np.float64] | float:
    """Return the mean flux density of a spectrum through filters.

    Parameters
    ----------
    wave : array_like, shape (n,)
        Observed wavelengths [Angstrom], ascending.
    flux : array_like, shape (..., n)
        Flux density per Hz (``flux_in='freq'``) or per Angstrom ('wave').
    filters
        Anything `pyprospect.bands.band_matrix.resolve` accepts.
    flux_in, flux_out : {'freq', 'wave'}
        Whether flux densities go in and come out per Hz or per Angstrom.
    detect_type : {'photon', 'energy'}
        Photon-counting (weight R l) or energy-weighting (weight R) detector.
    outside : {'error', 'nan', 'compat'}
        Band that the finite part of the spectrum does not cover: raise; NaN; or, as ProSpect does,
        renormalise silently to the part covered (no overlap gives 0).
    quadrature : {'sed', 'union'}
        'sed': ProSpect's sum over the pixels of the spectrum, coarse if these are wider than features of
        the curve. 'union': exact integral of the piecewise linear f_lambda times the piecewise linear
        curve (see `pyprospect.bands.band_matrix.band_matrix`).

    Returns
    -------
    ndarray, shape (..., n_band), or float
        Float if `flux` is one spectrum and `filters` one band that is not in a list.

    Raises
    ------
    ValueError
        For mismatched shapes, unknown options, or uncovered bands with ``outside='error'``.
    """
    if filters is None and flux is not None and _is_spectrum(wave):
        filters, flux = flux, None
    w, f = _pair(wave, flux, "flux")
    # The union of ProSpect's grids, written as 10^log10, may hold a wavelength twice; a sum over pixels can bear it.
    w = _filters.check_grid(w, strict=quadrature != "sed")
    _filters.check_options(flux_out, detect_type, outside)
    if flux_in not in ("freq", "wave"):
        raise ValueError(f"flux_in={flux_in!r} is unknown; use 'freq' or 'wave'")
    if quadrature not in ("sed", "union"):
        raise ValueError(f"quadrature={quadrature!r} is unknown; use 'sed' or 'union'")
    bands = _filters.resolve(filters)
    if not bands:
        raise ValueError("filters=None gives no photometry; name at least one band")
    if quadrature == "union":
        if flux_in == "freq":
            f = convert_freq2wave(f, w)
        out = _union(w, f, bands, flux_out, detect_type, outside)
    else:
        if flux_in == "freq" and flux_out == "wave":
            f = convert_freq2wave(f, w)
        elif flux_in == "wave" and flux_out == "freq":
            f = convert_wave2freq(f, w)
        out = _pixel_sum(w, f, bands, flux_out, detect_type, outside)
    single = isinstance(filters, (str, bytes, int, _filters.Filter)) or callable(filters)
    return float(out[0]) if single and out.shape == (1,) else out


def _uncovered(w: NDArray, f: NDArray, bands: list, detect_type: str, outside: str) -> NDArray[np.bool_]:
    if outside == "compat":
        return np.zeros(len(bands), dtype=bool)
    finite = np.isfinite(f.reshape(-1, w.size)).all(axis=0)
    missing = []
    for band in bands:
        lost = _filters.missing_fraction(band, w, detect_type)
        response = band(w)
        hit = response > 0
        if not hit.any():
            lost = 1.0
        elif not finite[hit].all():
            weight = response * np.gradient(w)
            lost = max(lost, float(np.sum(weight[~finite]) / np.sum(weight)))
        missing.append(lost)
    span = w[finite] if finite.any() else w
    _filters.report_missing(bands, missing, span, outside=outside)
    return np.array(missing) > _filters.MISSING_TOLERANCE


def _pixel_sum(w: NDArray, f: NDArray, bands: list, flux_out: str, detect_type: str, outside: str) -> NDArray:
    x = 1.0 / w if flux_out == "freq" else w
    step = np.zeros_like(w)
    step[1:] = np.abs(np.diff(x))
    weight = step * w if detect_type == "photon" else step
    blank = _uncovered(w, f, bands, detect_type, outside)
    out = np.zeros((*f.shape[:-1], len(bands)))
    for i, band in enumerate(bands):
        r = band(w) * weight
        total = np.sum(r)
        # R: sum(0/0, na.rm=TRUE) = 0 where nothing overlaps
        out[..., i] = np.nansum(r * f, axis=-1) / total if total > 0 else 0.0
    out[..., blank] = np.nan
    return out


def _union(w: NDArray, f: NDArray, bands: list, flux_out: str, detect_type: str, outside: str) -> NDArray:
    blank = _uncovered(w, f, bands, detect_type, outside)
    matrix = _filters.band_matrix(w, bands, flux_out=flux_out, detect_type=detect_type, outside="compat")
    out = np.nan_to_num(f, nan=0.0) @ matrix.T
    out[..., blank] = np.nan
    return out


@checked(result=False, wave=None, flux=None)
def photom_flux(
    wave: ArrayLike,
    flux: ArrayLike | None = None,
    outtype: str = "mag",
    filters: Any = "all",
    *,
    outside: str = "error",
    quadrature: str = "sed",
) -> NDArray[np.float64]:
    """Return the photometry of an observed spectrum.

    Parameters
    ----------
    wave : array_like, shape (n,), or spectrum
        Observed wavelengths [Angstrom]; a ``(wave, flux)`` pair or (n, 2) array if `flux` is left out.
    flux : array_like, shape (..., n)
        erg/s/cm2/Angstrom.
    outtype : {'mag', 'magAB', 'jansky', 'Jansky', 'Jy', 'cgs', 'CGS'}
        AB magnitude, jansky or erg/s/cm2/Hz.
    filters
        Anything `pyprospect.bands.band_matrix.resolve` accepts.
    outside, quadrature
        See `bandpass`.

    Returns
    -------
    ndarray, shape (..., n_band)

    Raises
    ------
    ValueError
        As `bandpass`, and for an unknown `outtype`.
    """
    kind = _OUTTYPES.get(str(outtype).lower())
    if kind is None:
        raise ValueError(f"outtype={outtype!r} is unknown; use 'mag', 'jansky' or 'cgs'")
    w, f = _pair(wave, flux, "flux")
    bands = _filters.resolve(filters)
    out = np.asarray(bandpass(w, f, bands, flux_in="wave", outside=outside, quadrature=quadrature))
    if kind == "mag":
        return CGS2magAB(out)
    return CGS2Jansky(out) if kind == "jansky" else out


@checked(result=False, wave=None, lum=None)
def photom_lum(
    wave: ArrayLike,
    lum: ArrayLike | None = None,
    outtype: str = "mag",
    filters: Any = "all",
    *,
    z: float = 0.1,
    lum_dist_mpc: float | None = None,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    ref: str | None = None,
    LumDist_Mpc: float | None = None,
    outside: str = "error",
    quadrature: str = "sed",
) -> NDArray[np.float64]:
    """Return the photometry of a rest-frame luminosity density [Lsol/Angstrom] seen at redshift `z`.

    Absolute magnitudes at z <= 0. Arguments of `lum2flux` and `photom_flux`, shape (..., n_band).

    Parameters
    ----------
    wave, lum, z, lum_dist_mpc, LumDist_Mpc, H0, OmegaM, OmegaL, ref
        As `lum2flux`.
    outtype, filters, outside, quadrature
        As `photom_flux`.

    Returns
    -------
    ndarray, shape (..., n_band)
        In the unit that `outtype` names.

    Raises
    ------
    ValueError
        As `lum2flux` and `photom_flux`.
    """
    w, f = lum2flux(
        wave,
        lum,
        z,
        lum_dist_mpc=lum_dist_mpc,
        H0=H0,
        OmegaM=OmegaM,
        OmegaL=OmegaL,
        ref=ref,
        LumDist_Mpc=LumDist_Mpc,
    )
    return photom_flux(w, f, outtype, filters, outside=outside, quadrature=quadrature)


def _is_spectrum(obj: Any) -> bool:
    if isinstance(obj, (FluxSpectrum, LumSpectrum)):
        return True
    return np.ndim(obj) == 2 and (np.shape(obj)[1] == 2 or np.shape(obj)[0] == 2)


def _pair(wave: ArrayLike, values: ArrayLike | None, name: str) -> tuple[NDArray, NDArray]:
    if values is None:
        if not _is_spectrum(wave):
            raise ValueError(f"{name} is missing; give wave and {name}, or one (n, 2) array of both")
        table = np.asarray(wave, dtype=float)
        wave, values = (table[:, 0], table[:, 1]) if table.shape[1] == 2 else (table[0], table[1])
    w = np.asarray(wave, dtype=float)
    v = np.asarray(values, dtype=float)
    if w.ndim != 1 or v.ndim < 1 or v.shape[-1] != w.size:
        raise ValueError(f"{name} has shape {v.shape} for {w.shape} wavelengths; the last axis must match")
    check_argument(f"spectrum of {name}", "wave", w)
    return w, v


def magABcalc(wave: ArrayLike, flux: ArrayLike | None = None, filter: Any = "r_VST") -> float:
    """Return the AB magnitude of a spectrum [erg/s/cm2/Angstrom] in one band (ProSpect's ``magABcalc``)."""
    return float(photom_flux(wave, flux, "mag", filter)[..., 0])


def CGScalc(wave: ArrayLike, flux: ArrayLike | None = None, filter: Any = "r_VST") -> float:
    """Return the flux density [erg/s/cm2/Hz] of a spectrum in one band (ProSpect's ``CGScalc``)."""
    return float(photom_flux(wave, flux, "cgs", filter)[..., 0])


def Janskycalc(wave: ArrayLike, flux: ArrayLike | None = None, filter: Any = "r_VST") -> float:
    """Return the flux density [Jy] of a spectrum in one band (ProSpect's ``Janskycalc``)."""
    return float(photom_flux(wave, flux, "jansky", filter)[..., 0])
