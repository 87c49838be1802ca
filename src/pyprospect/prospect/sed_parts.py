"""Steps of `pyprospect.prospect_sed` that have nothing to do with stars: nucleus, radio, what we observe."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyprospect.bands import band_matrix as _filters
from pyprospect.bands.photometry import (
    FluxSpectrum,
    LumSpectrum,
    bandpass,
    convert_wave2freq,
    lum2flux,
    photom_flux,
)
from pyprospect.constants import CGS_TO_JANSKY, ERG_S_TO_LSOL, LSOL_TO_ABSOLUTE
from pyprospect.dust.emission import DaleTemplates, DustM2L, atten_emit, dale_m2l_func
from pyprospect.dust.radio import radiocont
from pyprospect.line_of_sight.igm import flat_igm, inoue14_igm
from pyprospect.messages import ClampWarning, warn_once
from pyprospect.numerics.rebin import addspec
from pyprospect.prospect.agn import AGNGrid, AGNTemplate, agn_grid_interp

TAU_LIMITS = (0.0, 10.0)
POW_LIMITS = (-2.0, 0.0)
ALPHA_LIMITS = (0.0625, 4.0)
_LAST_LOG_WAVE = 9.35
# ASSUME: longward of 20 um at rest dust outshines stars, so that a library may end before a band there.
_STARS_MATTER_BELOW_AA = 2e5


class Screen(NamedTuple):
    """Dust between the stars: attenuation curve, and template of what it emits."""

    tau: float
    pow: float
    alpha_SF: float
    Eb: float
    L0: float
    LFWHM: float


class Radio(NamedTuple):
    """Radio continuum: whether to put it on, its properties, and log10 of its last wavelength."""

    add: bool
    Te: float
    ff_frac: float
    ff_power: float
    sy_power: float
    log_end: float


class Dust(NamedTuple):
    """How dust emits: templates (None: ProSpect's), whether at all, Lsol/Msol, and on which grid."""

    templates: DaleTemplates | None
    on: bool
    m2l: DustM2L | None
    refine: bool


class Nucleus(NamedTuple):
    """A nucleus: spectrum, luminosity [erg/s], parameters of a grid, torus and radio continuum."""

    template: AGNTemplate | AGNGrid
    lum_erg_s: float
    parameters: dict[str, float]
    tau: float
    pow: float
    alpha_SF: float
    radio: Radio


def clip(name: str, value: float, limits: tuple[float, float]) -> float:
    """Return `value` within `limits`, with a warning said once if it was not; ValueError for NaN or infinity.

    Parameters
    ----------
    name : str
        Of the value, for the message.
    value : float
        What was given.
    limits : (float, float)
        Least and greatest value.

    Returns
    -------
    float
    """
    if not np.isfinite(value):
        raise ValueError(f"{name}={value} must be a number between {limits[0]} and {limits[1]}")
    clipped = float(min(max(value, limits[0]), limits[1]))
    if clipped != value:
        text = f"{name}={value} lies outside {limits[0]}..{limits[1]}; {clipped} is used, as ProSpect does"
        warn_once(name, text, ClampWarning)
    return clipped


def dust_recipe(Dale: Any, m2l: Any, refine: bool) -> Dust:
    """Return what `Dale` and `Dale_M2L_func` of `prospect_sed` mean; ValueError for anything else.

    Parameters
    ----------
    Dale, m2l
        What was given as `Dale` and `Dale_M2L_func`.
    refine : bool
        Emit through refined templates.

    Returns
    -------
    Dust
    """
    # R's FALSE may come as 0
    off = Dale is False or (isinstance(Dale, (int, float)) and not isinstance(Dale, bool) and Dale == 0)
    if not off and Dale is not None and Dale is not True and not isinstance(Dale, DaleTemplates):
        raise ValueError(
            f"Dale of type {type(Dale).__name__} is not usable; give dale_templates(), None or False"
        )
    function = dale_m2l_func(refine) if m2l is True else (m2l or None)
    if function is not None and not callable(function):
        raise ValueError(f"Dale_M2L_func={m2l!r} must be a function of alpha_SF, True or None")
    return Dust(Dale if isinstance(Dale, DaleTemplates) else None, not off, function, refine)


def output_grid(waveout: Any) -> tuple[NDArray[np.float64] | None, float]:
    """Return log10 wavelengths of the output (None: union) and the end of the radio; ValueError if unusable."""
    if waveout is None:
        return None, _LAST_LOG_WAVE
    try:
        grid = np.asarray(waveout, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"waveout={waveout!r} must be log10 wavelengths [Angstrom], or None") from None
    if grid.ndim != 1 or grid.size < 2 or not np.all(np.isfinite(grid)) or np.any(np.diff(grid) <= 0):
        raise ValueError(
            "waveout must be an ascending vector of log10 wavelengths [Angstrom], such as 2 to 9.35 by 0.01"
        )
    if grid[-1] > 20:
        raise ValueError(f"waveout ends at {grid[-1]}: give log10 of the wavelengths, not the wavelengths")
    return grid, float(grid[-1])


def with_radio(spectrum: LumSpectrum, radio: Radio) -> LumSpectrum:
    """Return the spectrum with the templates' radio continuum taken off, and another put on if wished.

    Parameters
    ----------
    spectrum : LumSpectrum
        With the radio continuum of the templates.
    radio : Radio
        What is put on.

    Returns
    -------
    LumSpectrum
    """
    steps = int(np.floor((radio.log_end - 6.0) / 0.1 + 1e-10))
    out = radiocont(
        spectrum.wave,
        spectrum.lum,
        Te=radio.Te,
        ff_frac=radio.ff_frac,
        ff_power=radio.ff_power,
        sy_power=radio.sy_power,
        wavesamp=6.0 + 0.1 * np.arange(max(steps, 1) + 1),
        flux_in="wave",
        subtractonly=not radio.add,
    )
    return LumSpectrum(*out)


def nucleus_light(
    nucleus: Nucleus, screen: Screen, dust: Dust, *, grid: NDArray[np.float64] | None
) -> tuple[LumSpectrum, float, float, float, float]:
    """Return a nucleus behind its torus and the screen, with the dust it heats.

    Parameters
    ----------
    nucleus, screen, dust : Nucleus, Screen, Dust
        What shines, what lies before it, and how dust emits.
    grid : (n,) ndarray or None
        log10 of the output wavelengths in Angstrom; None for the union.

    Returns
    -------
    light : LumSpectrum
    lum_torus, mass_torus, lum_screen, mass_screen : float
        Lsol and Msol of dust in both; NaN for the torus of grid models, which contain it; masses are 0
        without a mass to light ratio.
    """
    if isinstance(nucleus.template, AGNGrid):
        model = agn_grid_interp(nucleus.template, nucleus.lum_erg_s, **nucleus.parameters)
        light = LumSpectrum(model.Wave, model.Aspec * ERG_S_TO_LSOL)
        lum_torus = mass_torus = float("nan")
    else:
        bare = LumSpectrum(nucleus.template.Wave, nucleus.template.Aspec * nucleus.lum_erg_s * ERG_S_TO_LSOL)
        torus = atten_emit(
            *bare,
            tau=nucleus.tau,
            pow=nucleus.pow,
            alpha_SF=nucleus.alpha_SF,
            Dale=dust.templates,
            Dale_M2L_func=dust.m2l,
            waveout=grid,
            refine=dust.refine,
        )
        light = LumSpectrum(*torus.final)
        lum_torus, mass_torus = torus.total_atten, torus.dustmass or 0.0
    behind = atten_emit(
        *light,
        tau=screen.tau,
        pow=screen.pow,
        alpha_SF=screen.alpha_SF,
        Dale=dust.templates,
        Dale_M2L_func=dust.m2l,
        waveout=grid,
        Eb=screen.Eb,
        L0=screen.L0,
        LFWHM=screen.LFWHM,
        refine=dust.refine,
    )
    seen = with_radio(LumSpectrum(*behind.final), nucleus.radio)
    return seen, lum_torus, mass_torus, behind.total_atten, behind.dustmass or 0.0


def add_nucleus(galaxy: LumSpectrum, agn: LumSpectrum, compat: bool) -> LumSpectrum:
    """Return the sum of galaxy and nucleus.

    Parameters
    ----------
    galaxy, agn : LumSpectrum
        The two.
    compat : bool
        Compare and continue their grids as ProSpect does.

    Returns
    -------
    LumSpectrum
    """
    same_size = galaxy.wave.size == agn.wave.size
    # ProSpect compares the numbers of pixels only
    if same_size and (compat or np.allclose(galaxy.wave, agn.wave, rtol=1e-12, atol=0)):
        return LumSpectrum(galaxy.wave, galaxy.lum + agn.lum)
    # and continues each spectrum's end value as a constant
    return LumSpectrum(*addspec(*galaxy, *agn, extrap="constant" if compat else 0))


def sampled(spectrum: LumSpectrum, grid: NDArray[np.float64]) -> LumSpectrum:
    """Return the spectrum at 10^grid Angstrom, straight lines in log-log; 0 beyond its ends.

    Parameters
    ----------
    spectrum : LumSpectrum
        Any grid.
    grid : (n,) ndarray
        log10 of the wavelengths in Angstrom.

    Returns
    -------
    LumSpectrum
        On n wavelengths.
    """
    nothing = np.zeros(spectrum.lum.size)
    return LumSpectrum(*addspec(*spectrum, spectrum.wave, nothing, extrap=0, waveout=grid))


def bands_without_stars(bands: list, wave_stars: NDArray, z: float, *, outside: str) -> NDArray[np.bool_]:
    """Return which bands the stellar library does not cover, although dust or a nucleus may.

    Parameters
    ----------
    bands : list of Filter
        The bands.
    wave_stars : ndarray
        Rest wavelengths of the library, Angstrom.
    z : float
        Redshift.
    outside : {'error', 'nan', 'compat'}
        See `pyprospect.bands.photometry.bandpass`.

    Returns
    -------
    (n_band,) bool ndarray

    Raises
    ------
    ValueError
        With ``outside='error'``, if there are any.
    """
    if outside == "compat":
        return np.zeros(len(bands), dtype=bool)
    observed = np.asarray(wave_stars) * (1.0 + max(z, 0.0))
    limit = _STARS_MATTER_BELOW_AA * (1.0 + max(z, 0.0))
    missing = []
    for band in bands:
        of_dust = band.func is None and band.support_aa[0] >= limit
        missing.append(0.0 if of_dust else _filters.missing_fraction(band, observed))
    _filters.report_missing(bands, missing, observed, outside=outside)
    return np.array(missing) > _filters.MISSING_TOLERANCE


def observe(
    final: LumSpectrum,
    z: float,
    *,
    distance: dict[str, Any],
    IGMabsorb: float | str,
    bands: list,
    options: dict[str, str],
) -> tuple[FluxSpectrum, NDArray[np.float64] | None]:
    """Return the observed spectrum and photometry of a luminosity density; see `ProSpectSED` for their units.

    Parameters
    ----------
    final : LumSpectrum
        What shines.
    z : float
        Redshift.
    distance : dict
        Distance and cosmology for `pyprospect.bands.photometry.lum2flux`.
    IGMabsorb : float or 'Inoue14'
        As `pyprospect.prospect_sed`.
    bands : list of Filter
        The bands.
    options : dict
        For `pyprospect.bands.photometry.bandpass`.

    Returns
    -------
    flux, photom
        FluxSpectrum, and (n_band,) ndarray or None without bands.
    """
    if z <= 0:
        flux = FluxSpectrum(final.wave, final.lum * LSOL_TO_ABSOLUTE)
        return flux, photom_flux(*flux, outtype="mag", filters=bands, **options) if bands else None
    observed = lum2flux(*final, z, **distance)
    jansky = convert_wave2freq(observed.flux * CGS_TO_JANSKY, observed.wave)
    if isinstance(IGMabsorb, str):
        if IGMabsorb != "Inoue14":
            raise ValueError(f"IGMabsorb={IGMabsorb!r} is unknown; use a fraction from 0 to 1, or 'Inoue14'")
        jansky = jansky * inoue14_igm(observed.wave, z)
    else:
        jansky = jansky * flat_igm(observed.wave, z, float(IGMabsorb))
    flux = FluxSpectrum(observed.wave, jansky)
    return flux, np.asarray(bandpass(*flux, bands, **options)) if bands else None
