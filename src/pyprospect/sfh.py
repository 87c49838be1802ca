"""Spectra of composite stellar populations: ProSpect's ``SFHfunc`` and ``SFHburst``."""

import inspect
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.by_name import ByName
from pyprospect.constants import BIRTH_CLOUD_AGE_YR, HALPHA_LSOL_PER_SFR, LYMAN_LIMIT_AA
from pyprospect.filters import resolve as resolve_filters
from pyprospect.history import History, age_limit, as_library, form_stars
from pyprospect.interpolation import InterpParam, interp_quick
from pyprospect.lsf import LSFLike
from pyprospect.messages import ClampWarning, warn_once
from pyprospect.photometry import FluxSpectrum, lum2flux, photom_flux
from pyprospect.smstar import SMstar as RemainingMass
from pyprospect.smstar import surviving_mass
from pyprospect.ssp import SSPLibrary
from pyprospect.starlight import Light, Recipe, shine

__all__ = ["SFHResult", "sfh_burst", "sfh_func"]

_LINE_WINDOW_YR = 1e7
_BURST_WINDOW_YR = 1e8


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


_holes: dict[int, tuple[weakref.ref, np.ndarray]] = {}


def _refuse_holes(library):
    # Looking takes milliseconds and libraries do not change, so each is looked at once.
    known = _holes.get(id(library))
    if known is None or known[0]() is not library:
        key = id(library)
        known = (weakref.ref(library, lambda _: _holes.pop(key, None)), library.holes(LYMAN_LIMIT_AA))
        _holes[key] = known
    rows = known[1]
    if rows.size:
        raise ValueError(
            f"{library.name!r} has spectra that are exactly zero: {rows.size} spans, from "
            f"{rows['wave_min_aa'].min():.1f} to {rows['wave_max_aa'].max():.1f} Angstrom at ages "
            f"{rows['age_yr'].min():.3g} to {rows['age_yr'].max():.3g} yr; trim the wavelengths "
            f"(library.trim(0, {rows['wave_min_aa'].min() - 0.1:.1f})), merge it with a library that covers these "
            "ages, or use compat=True for ProSpect's treatment, which takes the zeros for light"
        )


def _sparse(sparse, library):
    step = int(sparse) if np.isfinite(sparse) else 0
    if step != sparse or not 1 <= step < library.wave_aa.size:
        raise ValueError(
            f"sparse={sparse!r} must be a whole number >= 1, every how many of the {library.wave_aa.size} wavelengths "
            "of the library to keep, and leave two"
        )
    return step


def _birth_cloud(age_yr):
    # A library without stars this young (E-MILES) has its first bin in birth clouds, as in ProSpect.
    young = age_yr <= BIRTH_CLOUD_AGE_YR
    young[0] = True
    return young


def _composite(library, history, step):
    mass = history.mass_msun[:, None] * history.weights
    young = _birth_cloud(library.age_yr)
    parts = np.stack([np.where(young[:, None], mass, 0.0), np.where(young[:, None], 0.0, mass)])
    cells = parts.transpose(0, 2, 1).reshape(2, -1)  # (2, n_z n_age), the order of the spectra
    used = np.flatnonzero(cells.any(axis=0))
    spectra = library.spectra.reshape(cells.shape[1], -1)
    if used.size < cells.shape[1] // 2:
        cells, spectra = cells[:, used], spectra[used]
    spectra = spectra[:, ::step]
    return library.wave_aa[::step], *(cells @ spectra)


def _photometry(light, filters, outtype, z, cosmology, LumDist_Mpc, outside, compat):
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


def _cenwave(band):
    wave, response = np.asarray(band.wave_aa), np.asarray(band.response)
    return float(np.sum(wave * response) / np.sum(response)) if wave.size else np.nan


def _result(light: Light, photometry: tuple, **rest: Any) -> SFHResult:
    flux, out, names, cenwave = photometry
    masstot = rest["masstot"]
    m2l = masstot / light.lumtot_unatten if light.lumtot_unatten else np.nan
    return SFHResult(
        flux=flux, out=out, filter_names=names, cenwave=cenwave, **light._asdict(), M2L=m2l, **rest
    )


@lru_cache(maxsize=1)
def _own_names() -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(sfh_func).parameters if name != "extra")


def sfh_func(
    massfunc: str | Callable[..., Any] = "b5",
    forcemass: float | bool | None = False,
    agescale: float = 1,
    stellpop: str = "BC03lr",
    speclib: SSPLibrary | str | os.PathLike | None = None,
    tau_birth: float = 1.0,
    tau_screen: float = 0.3,
    pow_birth: float = -0.7,
    pow_screen: float = -0.7,
    filters: Any = "all",
    Z: float | str | ArrayLike | Callable[..., Any] = 0.02,
    emission: bool = False,
    veldisp: float = 50,
    range: float = 5,
    res: float = 0.5,
    emission_scale: str = "FUV",
    escape_frac: ArrayLike | None = None,
    Ly_limit: ArrayLike = LYMAN_LIMIT_AA,
    LKL10: Any = None,
    disp_stars: bool = False,
    LSF: LSFLike = None,
    z: float = 0.1,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    ref: str | None = None,
    outtype: str | None = "mag",
    sparse: int = 5,
    intSFR: bool = False,
    unimax: float | bool | None = 13.8e9,
    agemax: float | None = None,
    LumDist_Mpc: float | None = None,
    Eb: float = 0,
    L0: float = 2175.8,
    LFWHM: float = 470,
    SMstar: bool = False,
    *,
    lumscale: float = HALPHA_LSOL_PER_SFR,
    nebular_continuum: bool | Callable[[np.ndarray, float], np.ndarray] = False,
    outside: str | None = None,
    compat: bool = False,
    **extra: Any,
) -> SFHResult:
    """Spectrum, photometry and masses of a star-formation and metallicity history.

    Arguments have ProSpect's names and defaults. Extra keyword arguments reach the two histories by name, as
    R's dots do (``mSFR=3, mpeak=9, Zfinal=0.02, yield_=0.03``).

    Parameters
    ----------
    massfunc : str or callable
        Star-formation history: a name of `pyprospect.massfunc`, or ``f(age_yr, ...)`` in Msol/yr.
    forcemass : float or False
        Scale the history to this mass formed, Msol.
    agescale : float
        Factor on the library's ages where the histories are evaluated.
    stellpop : str
        Ignored: ProSpect's name of a built-in library.
    speclib : SSPLibrary or path
        Library of simple stellar populations.
    tau_birth, pow_birth, tau_screen, pow_screen : float
        Optical depth at 5500 Angstrom and slope of the dust of birth clouds (stars up to 10 Myr, or the
        youngest bin) and of the screen.
    filters : None, "all", name, list, dict, ...
        Bands, see `pyprospect.filters.resolve`. None: no flux and no photometry.
    Z : float, str, callable or (n_age,) array
        Metal mass fraction, a name of `pyprospect.zfunc`, ``f(age_yr, ...)``, or a value per age. With
        ``compat`` a whole number is a 1-based index of the library's metallicities, as in R; otherwise a
        number outside (0, 1) is an error.
    emission : bool
        Add emission lines and let gas absorb ionising light.
    veldisp : float
        Velocity dispersion of lines, and of stars with `disp_stars`, km/s.
    range, res : float
        Extent and step of velocity kernels, in sigma.
    emission_scale : {"FUV", "SFR", "photons"}
        Power the lines by the ionising light absorbed, all of which they then carry; by the star-formation rate
        of the last 10 Myr (Kennicutt 1998, see `lumscale`); or, not in `compat`, by the number of ionising photons
        absorbed, case B (`pyprospect.ionizing`), where dust takes the energy that is left.
    escape_frac, Ly_limit : float or array
        Escape fraction (default 0 with `emission`, else 1) below a wavelength in Angstrom; several limits
        descend, with one fraction each.
    LKL10 : LineGrid, LineTable or callable, optional
        Other lines than those of LKL10, see `pyprospect.line_grids` and `pyprospect.nebular`.
    disp_stars : bool
        Broaden starlight by `veldisp` and `LSF`.
    LSF : None, float, callable, table or "muse"
        Sigma in km/s at observed wavelengths, see `pyprospect.lsf`.
    z : float
        Redshift. 0: absolute fluxes; negative: no fluxes.
    H0, OmegaM, OmegaL, ref
        Cosmology, see `pyprospect.cosmology.cosmology`.
    outtype : {"mag", "jansky", "cgs", None}
        Kind of photometry.
    sparse : int
        Use every so-many-th wavelength of the library.
    intSFR : bool
        Integrate the history over each age bin instead of sampling it at the age of the SSP.
    unimax : float or False
        Age of the Universe, yr; with the light travel time it sets `agemax`.
    agemax : float, optional
        Oldest age, yr; whole bins beyond it stay empty.
    LumDist_Mpc : float, optional
        Luminosity distance instead of the cosmological one.
    Eb, L0, LFWHM : float
        2175 Angstrom bump of the screen: height, centre and width (Angstrom).
    SMstar : bool
        Also give the remaining stellar masses, see `pyprospect.smstar_func`.
    lumscale : float
        Halpha luminosity per star-formation rate, Lsol per Msol/yr.
    nebular_continuum : bool or callable
        Add the continuum of the gas whose lines `emission` adds: True for `pyprospect.nebular_continuum`, or
        ``f(wave_aa, z)`` per Halpha luminosity in 1/Angstrom, such as a ``CloudyContinuum``. With ``"FUV"``
        lines and continuum share the ionising light absorbed; else the continuum comes on top.
    outside : {"error", "nan", "compat"}, optional
        What a band does that the spectrum does not cover; default "error" ("nan" for ``filters="all"``), and
        with `compat` ProSpect's silent renormalisation to the part covered.
    compat : bool
        Reproduce ProSpect 1.11.0 to rounding, with its quirks: energies that ignore the lines, lines joined
        by power laws, starlight extended to the reddest line, photometry on the pixels of the spectrum. The
        default mends these.
    **extra
        Arguments of the histories.

    Returns
    -------
    SFHResult

    Raises
    ------
    ValueError
        Bad values, with the remedy: negative or NaN rates, no metallicity, a library with spectra of exactly
        zero (default mode), FUV-scaled lines on a library without ionising light, uncovered bands, ...
    TypeError
        An unknown argument, with the nearest name.

    Notes
    -----
    Robotham et al. (2020, MNRAS 495, 905); order of operations of ProSpect 1.11.0, ``SFHfunc``.
    """
    library = as_library(speclib, stellpop)
    compat = bool(compat)
    recipe = Recipe(
        tau_birth=tau_birth,
        tau_screen=tau_screen,
        pow_birth=pow_birth,
        pow_screen=pow_screen,
        emission=bool(emission),
        veldisp=veldisp,
        range=range,
        res=res,
        emission_scale=emission_scale,
        escape_frac=escape_frac,
        Ly_limit=Ly_limit,
        LKL10=LKL10,
        disp_stars=bool(disp_stars),
        LSF=LSF,
        z=z,
        Eb=Eb,
        L0=L0,
        LFWHM=LFWHM,
        lumscale=lumscale,
        nebular_continuum=nebular_continuum,
        compat=compat,
    )
    cosmology = {"H0": H0, "OmegaM": OmegaM, "OmegaL": OmegaL, "ref": ref}
    history: History = form_stars(
        library,
        massfunc,
        Z,
        extra,
        forcemass=forcemass,
        agescale=agescale,
        intSFR=bool(intSFR),
        z=z,
        unimax=unimax,
        agemax=agemax,
        own_names=_own_names(),
        compat=compat,
        **cosmology,
    )
    if not compat:
        _refuse_holes(library)
    wave, young, old = _composite(library, history, _sparse(sparse, library))

    def sfr_10myr() -> float:
        return history.formed_msun(0.0, _LINE_WINDOW_YR) / _LINE_WINDOW_YR

    light = shine(wave, young, old, recipe, sfr_10myr, history.z[0])
    kept = history.kept
    return _result(
        light,
        _photometry(light, filters, outtype, z, cosmology, LumDist_Mpc, outside, compat),
        agevec=history.age_yr[kept],
        SFR=(history.mass_msun / library.age_weights_yr)[kept],
        massvec=history.mass_msun[kept],
        Zvec=history.z[kept],
        Zvec_allages=history.z,
        Zinterp=history.interp,
        masstot=history.total_msun,
        SFRburst=history.formed_msun(0.0, _BURST_WINDOW_YR) / _BURST_WINDOW_YR,
        agemax=history.agemax_yr,
        SMstar=surviving_mass(library, history, compat=compat) if SMstar else None,
    )


def _one_population(library, burstage, Z, step):
    in_z = interp_quick(Z, library.z, log=True)
    in_age = interp_quick(burstage, library.age_yr)
    for name, value, nodes in (("metallicity", Z, library.z), ("age", burstage, library.age_yr)):
        if not nodes[0] <= value <= nodes[-1]:
            warn_once(
                f"{name} of {library.name}",
                f"{name} {value:.4g} is outside the library {library.name!r} ({nodes[0]:.4g} to {nodes[-1]:.4g}); "
                "the end value is used, as ProSpect does",
                ClampWarning,
            )
    spectra = library.spectra[:, :, ::step]
    return sum(
        weight_z * weight_age * spectra[i, k].astype(float)
        for i, weight_z in ((in_z.id_lo, in_z.wt_lo), (in_z.id_hi, in_z.wt_hi))
        for k, weight_age in ((in_age.id_lo, in_age.wt_lo), (in_age.id_hi, in_age.wt_hi))
        if weight_z > 0 and weight_age > 0
    )


def sfh_burst(
    burstmass: float = 1e8,
    burstage: float = 0,
    stellpop: str = "BC03lr",
    speclib: SSPLibrary | str | os.PathLike | None = None,
    tau_birth: float = 1.0,
    tau_screen: float = 0.3,
    pow_birth: float = -0.7,
    pow_screen: float = -0.7,
    filters: Any = "all",
    Z: float = 0.02,
    emission: bool = False,
    veldisp: float = 50,
    range: float = 5,
    res: float = 0.5,
    emission_scale: str = "FUV",
    escape_frac: ArrayLike | None = None,
    Ly_limit: ArrayLike = LYMAN_LIMIT_AA,
    LKL10: Any = None,
    disp_stars: bool = False,
    LSF: LSFLike = None,
    z: float = 0.1,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    ref: str | None = None,
    outtype: str | None = "mag",
    sparse: int = 5,
    unimax: float | bool | None = 13.8e9,
    agemax: float | None = None,
    LumDist_Mpc: float | None = None,
    Eb: float = 0,
    L0: float = 2175.8,
    LFWHM: float = 470,
    *,
    lumscale: float = HALPHA_LSOL_PER_SFR,
    nebular_continuum: bool | Callable[[np.ndarray, float], np.ndarray] = False,
    outside: str | None = None,
    compat: bool = False,
) -> SFHResult:
    """Spectrum and photometry of one simple stellar population.

    Parameters
    ----------
    burstmass : float
        Mass formed, Msol.
    burstage : float
        Age, yr. Up to 1e7 yr the stars lie in their birth clouds; younger ones ionise the gas.
    Z : float
        Metal mass fraction (never an index).

    Others
        As `sfh_func`. Lines scaled by the SFR take it to be burstmass / 1e7 yr.

    Returns
    -------
    SFHResult
        With ``agevec``, ``SFR``, ``massvec`` and ``Zvec`` of one element; as in ProSpect ``SFR`` is the mass.

    Raises
    ------
    ValueError
        As `sfh_func`, and a negative or NaN mass or age.

    Notes
    -----
    The library is interpolated linearly in age and in log metallicity. ProSpect 1.11.0, ``SFHburst``; its lines
    vanish at ``tau_birth=0``, here they do not. ProSpect and `compat` leave the ionising light that powers the
    lines in the spectrum, whatever `escape_frac`; the default takes it out.
    """
    library = as_library(speclib, stellpop)
    compat = bool(compat)
    for name, value in (("burstmass", burstmass), ("burstage", burstage)):
        if not value >= 0 or not np.isfinite(value):
            raise ValueError(f"{name}={value} must be finite and >= 0")
    if not 0 < Z < 1:
        raise ValueError(f"Z={Z!r} must be a metal mass fraction between 0 and 1")
    if not compat:
        _refuse_holes(library)
    in_cloud = burstage <= BIRTH_CLOUD_AGE_YR
    recipe = Recipe(
        tau_birth=tau_birth if in_cloud else 0.0,
        tau_screen=tau_screen,
        pow_birth=pow_birth,
        pow_screen=pow_screen,
        emission=bool(emission) and burstage < BIRTH_CLOUD_AGE_YR,
        veldisp=veldisp,
        range=range,
        res=res,
        emission_scale=emission_scale,
        escape_frac=(0.0 if emission else 1.0) if escape_frac is None else escape_frac,
        burst=True,
        Ly_limit=Ly_limit,
        LKL10=LKL10,
        disp_stars=bool(disp_stars),
        LSF=LSF,
        z=z,
        Eb=Eb,
        L0=L0,
        LFWHM=LFWHM,
        lumscale=lumscale,
        nebular_continuum=nebular_continuum,
        compat=compat,
    )
    cosmology = {"H0": H0, "OmegaM": OmegaM, "OmegaL": OmegaL, "ref": ref}
    limit = age_limit(agemax, unimax, z, **cosmology)
    mass = float(burstmass) if limit is None or burstage <= limit else 0.0
    step = _sparse(sparse, library)
    lum = mass * _one_population(library, burstage, Z, step)
    none = np.zeros(lum.size)
    young, old = (lum, none) if in_cloud else (none, lum)
    light = shine(library.wave_aa[::step], young, old, recipe, lambda: mass / _LINE_WINDOW_YR, Z)
    return _result(
        light,
        _photometry(light, filters, outtype, z, cosmology, LumDist_Mpc, outside, compat),
        agevec=np.array([float(burstage)]),
        SFR=np.array([mass]),
        massvec=np.array([mass]),
        Zvec=np.array([float(Z)]),
        Zvec_allages=np.array([float(Z)]),
        Zinterp=None,
        masstot=mass,
        SFRburst=mass / _BURST_WINDOW_YR if burstage <= _BURST_WINDOW_YR else 0.0,
        agemax=limit,
    )
