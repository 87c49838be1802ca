"""What `pyprospect.sfh_func` and `pyprospect.sfh_burst` return, and the last steps they share."""

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyprospect.bands.band_matrix import resolve as resolve_filters
from pyprospect.bands.curve import Filter
from pyprospect.bands.photometry import FluxSpectrum, lum2flux, photom_flux
from pyprospect.constants import LYMAN_LIMIT_AA
from pyprospect.line_of_sight.cosmology import CosmologyArguments
from pyprospect.messages import warn_once
from pyprospect.numerics.interpolation import InterpParam
from pyprospect.prospect.by_name import ByName
from pyprospect.prospect.smstar import SMstar as RemainingMass
from pyprospect.prospect.starlight import Light
from pyprospect.stars.library import SSPLibrary

__all__ = ["SFHResult", "look_at_holes", "make_result", "photometry", "sparse_step"]


@dataclass(frozen=True, eq=False)
class SFHResult(ByName):
    """A stellar population's light; attributes carry ProSpect's names. ``result["name"]`` works too.

    Attributes
    ----------
    flux : FluxSpectrum or None
        ``flux.wave`` [Angstrom, observed] and ``flux.flux`` [erg/s/cm2/Angstrom]; at z = 0 at 10 pc. None
        without filters or at z < 0.
    out : (n_band,) ndarray or None
        Photometry through the filters, of the kind `outtype`.
    filter_names : tuple of str
        Bands of `out`.
    cenwave : (n_band,) ndarray or None
        Mean wavelengths of the bands, Angstrom.
    wave_lum : (n,) ndarray
        Rest wavelengths, Angstrom.
    lum_unatten, lum_atten : (n,) ndarray
        Lsol/Angstrom: stars without gas and dust; stars and lines behind gas and dust, dispersed.
    lumtot_unatten : float
        Lsol of stars without gas and dust.
    lumtot_atten : float
        Lsol that dust absorbed (``compat``: lumtot_unatten minus what is in `lum_atten`).
    lumtot_birth, lumtot_screen : float
        Lsol absorbed by birth clouds and by the screen.
    lumtot_lines, lumtot_continuum : float
        Lsol of emission lines and of the nebular continuum before dust.
    lumtot_excess : float
        Part of these two that the absorbed ionising light of the library cannot power: lines scaled by the
        SFR over a library without ionising light. Always 0 in ``compat``.
    lumtot_outside : float
        Part of these two outside the library's wavelengths, not in `lum_atten`. Always 0 in ``compat``.
    agevec : (n_age,) ndarray
        Look-back ages of the library up to the age limit, yr.
    SFR, massvec, Zvec : (n_age,) ndarray
        Msol/yr, Msol formed and metal mass fraction at these ages.
    Zvec_allages : ndarray
        `Zvec` without age limit.
    Zinterp : InterpParam or None
        Where `Zvec_allages` lies between the metallicities of the library (indices 0-based).
    masstot : float
        Msol formed.
    M2L : float
        masstot / lumtot_unatten; NaN if nothing formed.
    SFRburst : float
        Mean rate over the last 100 Myr, Msol/yr.
    emission_input : dict or None
        What the lines were scaled by: All_lum (Lsol) or SFR (Msol/yr), veldisp, Z.
    agemax : float or None
        Age limit, yr.
    SMstar : SMstar or None
        Remaining stellar masses, if asked for.
    """

    flux: FluxSpectrum | None
    out: np.ndarray | None
    filter_names: tuple[str, ...]
    cenwave: np.ndarray | None
    wave_lum: np.ndarray
    lum_unatten: np.ndarray
    lum_atten: np.ndarray
    lumtot_unatten: float
    lumtot_atten: float
    lumtot_birth: float
    lumtot_screen: float
    lumtot_lines: float
    lumtot_continuum: float
    lumtot_excess: float
    lumtot_outside: float
    agevec: np.ndarray
    SFR: np.ndarray
    massvec: np.ndarray
    Zvec: np.ndarray
    Zvec_allages: np.ndarray
    Zinterp: InterpParam | None
    masstot: float
    M2L: float
    SFRburst: float
    emission_input: dict[str, float] | None
    agemax: float | None
    SMstar: RemainingMass | None = None


Observed = tuple[FluxSpectrum | None, np.ndarray | None, tuple[str, ...], np.ndarray | None]
"""Flux, photometry, names and mean wavelengths of the bands."""

_holes: dict[int, tuple[weakref.ref, np.ndarray]] = {}


def look_at_holes(library: SSPLibrary, compat: bool) -> None:
    """Refuse a library with spectra of exactly zero redward of the Lyman limit; with `compat`, say so once.

    Parameters
    ----------
    library : SSPLibrary
        Looked at once.
    compat : bool
        Warn instead of raising.

    Raises
    ------
    ValueError
        Where they are, and what to do.
    """
    # Looking takes milliseconds and libraries do not change, so each is looked at once.
    known = _holes.get(id(library))
    if known is None or known[0]() is not library:
        key = id(library)
        known = (weakref.ref(library, lambda _: _holes.pop(key, None)), library.holes(LYMAN_LIMIT_AA))
        _holes[key] = known
    rows = known[1]
    if not rows.size:
        return
    where = (
        f"{library.name!r} has spectra that are exactly zero: {rows.size} spans, from "
        f"{rows['wave_min_aa'].min():.1f} to {rows['wave_max_aa'].max():.1f} Angstrom at ages "
        f"{rows['age_yr'].min():.3g} to {rows['age_yr'].max():.3g} yr"
    )
    trim = f"trim the wavelengths (library.trim(0, {rows['wave_min_aa'].min() - 0.1:.1f}))"
    if compat:
        warn_once(f"holes of {library.name}", f"{where}; as in ProSpect they are taken for light, or {trim}")
        return
    raise ValueError(
        f"{where}; {trim}, merge it with a library that covers these ages, or use compat=True for ProSpect's "
        "treatment, which takes the zeros for light"
    )


def sparse_step(sparse: int, library: SSPLibrary) -> int:
    """Return `sparse` as a whole number that leaves two wavelengths; ValueError otherwise.

    Parameters
    ----------
    sparse : int
        Every how many of the wavelengths to keep.
    library : SSPLibrary
        Whose wavelengths.

    Returns
    -------
    int
    """
    step = int(sparse) if np.isfinite(sparse) else 0
    if step != sparse or not 1 <= step < library.wave_aa.size:
        raise ValueError(
            f"sparse={sparse!r} must be a whole number >= 1, every how many of the {library.wave_aa.size} wavelengths "
            "of the library to keep, and leave two"
        )
    return step


def photometry(
    light: Light,
    filters: Any,
    outtype: str | None,
    *,
    z: float,
    cosmology: CosmologyArguments,
    LumDist_Mpc: float | None,
    outside: str | None,
    compat: bool,
) -> Observed:
    """Return flux, photometry, names and mean wavelengths of the bands.

    Parameters
    ----------
    light : Light
        What the galaxy emits.
    filters, outtype, z, LumDist_Mpc, outside, compat
        As `pyprospect.sfh_func`.
    cosmology : CosmologyArguments
        Its H0, OmegaM, OmegaL and ref.

    Returns
    -------
    flux, out, names, cenwave
        FluxSpectrum, (n_band,) ndarray, tuple of str and (n_band,) ndarray in Angstrom; None where not asked for.
    """
    if filters is None or z < 0:
        return None, None, (), None
    if outside is None:
        everything = isinstance(filters, str) and filters.lower() == "all"
        outside = "compat" if compat else "nan" if everything else "error"
    distance = LumDist_Mpc if z > 0 else None
    flux = lum2flux(light.wave_lum, light.lum_atten, z, lum_dist_mpc=distance, **cosmology)
    if outtype is None:
        return flux, None, (), None
    bands = resolve_filters(filters)
    quadrature = "sed" if compat else "union"
    out = photom_flux(*flux, outtype=outtype, filters=bands, outside=outside, quadrature=quadrature)
    return flux, out, tuple(band.name for band in bands), np.array([_cenwave(band) for band in bands])


def _cenwave(band: Filter) -> float:
    wave, response = np.asarray(band.wave_aa), np.asarray(band.response)
    return float(np.sum(wave * response) / np.sum(response)) if wave.size else np.nan


def make_result(light: Light, observed: Observed, **rest: Any) -> SFHResult:
    """Return the result of light, `photometry` and what else is known.

    Parameters
    ----------
    light : Light
        What the galaxy emits.
    observed : tuple
        What `photometry` returns.
    **rest
        The other fields of the result.

    Returns
    -------
    SFHResult
    """
    flux, out, names, cenwave = observed
    masstot = rest["masstot"]
    m2l = masstot / light.lumtot_unatten if light.lumtot_unatten else np.nan
    return SFHResult(
        flux=flux, out=out, filter_names=names, cenwave=cenwave, **light._asdict(), M2L=m2l, **rest
    )
