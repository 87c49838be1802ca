"""Infrared emission of dust: the templates of Dale et al. (2014, ApJ 784, 83) as ProSpect uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect import tables
from pyprospect.arguments import checked
from pyprospect.bands.photometry import FluxSpectrum
from pyprospect.constants import DUST_TO_HYDROGEN, HYDROGEN_KG, LSOL_W, MSOL_KG
from pyprospect.dust.attenuation import CF_screen_atten
from pyprospect.numerics.interpolation import FmmSpline, interp_quick
from pyprospect.numerics.quadrature import r_integrate
from pyprospect.numerics.rebin import addspec

__all__ = [
    "AttenEmit",
    "DaleSpectrum",
    "DaleTemplates",
    "atten_emit",
    "dale_interp",
    "dale_m2l_func",
    "dale_m2l_variable_dth",
    "dale_scale",
    "dale_templates",
    "dustmass",
]

DustM2L = Callable[[float], SupportsFloat]
"""Dust luminosity per dust mass [Lsol/Msol] as a function of alpha_SF."""

# Integral of the pure AGN template over 5-20 um, the constant of ProSpect's Dale_scale.
_AGN_5_20_UM = 3.39296e-05
# Templates are tabulated in steps of up to 0.125 dex; in steps of this size any integration rule agrees to 1e-3.
_FINE_STEP_DEX = 1e-3


class DaleSpectrum(NamedTuple):
    """One template: `Wave` [Angstrom] and `Aspec`, per Angstrom; the unit is that of its templates."""

    Wave: NDArray[np.float64]
    Aspec: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DaleTemplates:
    """Grid of dust emission templates.

    Attributes
    ----------
    kind : str
        'NormTot': unit total power, 1/Angstrom. 'Msol': Lsol/Angstrom per Msol of dust. 'Orig': nu L_nu
        [W] per hydrogen atom, as published.
    AGNfrac : ndarray, shape (n_agn,)
        AGN fraction of the 5-20 um emission.
    alpha_SF : ndarray, shape (n_alpha,)
        Slope of the distribution of dust mass over heating intensity; small is warm.
    Wave : ndarray, shape (n_wave,)
        Angstrom.
    Aspec : ndarray, shape (n_agn, n_alpha, n_wave)
    """

    kind: str
    AGNfrac: NDArray[np.float64]
    alpha_SF: NDArray[np.float64]
    Wave: NDArray[np.float64]
    Aspec: NDArray[np.float64]

    def __post_init__(self) -> None:
        expected = (self.AGNfrac.size, self.alpha_SF.size, self.Wave.size)
        if self.Aspec.shape != expected:
            raise ValueError(
                f"Aspec has shape {self.Aspec.shape}; AGNfrac, alpha_SF, Wave ask for {expected}"
            )


class AttenEmit(NamedTuple):
    """Result of `atten_emit`: spectra as ``(wave, flux)``, absorbed power and dust mass."""

    final: FluxSpectrum
    unatten: FluxSpectrum
    atten: FluxSpectrum
    emit: FluxSpectrum
    total_atten: float
    dustmass: float | None


def _qdiff(w: NDArray) -> NDArray:
    return np.diff(w, prepend=w[:1])


@lru_cache(maxsize=3)
def dale_templates(kind: str = "NormTot") -> DaleTemplates:
    """Return the templates in one of ProSpect's normalisations, from its table ``Dale_Orig``.

    Parameters
    ----------
    kind : {'NormTot', 'Msol', 'Orig'}
        See `DaleTemplates`. 'Msol' has no value for a pure AGN, which has no dust mass: NaN.

    Raises
    ------
    ValueError
        For another `kind`.
    FileNotFoundError
        If the table is not there; the message says where to get it.
    """
    if kind not in ("NormTot", "Msol", "Orig"):
        raise ValueError(f"Dale templates {kind!r} are unknown; use 'NormTot', 'Msol' or 'Orig'")
    table = tables.load("Dale_Orig")
    agn = np.asarray(table["AGNfrac"], dtype=float)
    w = np.asarray(table["Wave"], dtype=float)
    spec = np.stack([np.asarray(a, dtype=float) for a in table["Aspec"]])
    if kind != "Orig":
        spec = spec / w
    if kind == "NormTot":
        spec = spec / np.sum(_qdiff(w) * spec, axis=-1, keepdims=True)
    elif kind == "Msol":
        star_part = np.where(agn < 1.0, 1.0 - agn, np.nan)[:, None, None]
        spec = spec * (MSOL_KG / HYDROGEN_KG / LSOL_W / DUST_TO_HYDROGEN) / star_part
    return DaleTemplates(kind, agn, np.asarray(table["alpha_SF"], dtype=float), w, spec)


@checked
def dale_interp(
    alpha_SF: float = 1.5,
    AGNfrac: float = 0.0,
    type: str = "NormTot",
    *,
    Dale: DaleTemplates | None = None,
    refine: bool = False,
) -> DaleSpectrum:
    """Return the template for a slope and AGN fraction, bilinear between nodes (ProSpect's ``Dale_interp``).

    Parameters
    ----------
    alpha_SF : float
        Slope; values beyond 0.0625 to 4 get the end template, as in ProSpect.
    AGNfrac : float
        AGN fraction, 0 to 1.
    type : str
        Kind of templates if `Dale` is not given.
    Dale : DaleTemplates, optional
        Templates to interpolate.
    refine : bool
        Put the template on a grid of steps <= 0.001 dex, straight lines in log-log. Templates of unit power
        get unit power on that grid: ProSpect's sum over their own coarse grid misses 9 to 17 % of it, so
        that dust emits that much more than it absorbed.

    Returns
    -------
    DaleSpectrum

    Raises
    ------
    ValueError
        If an argument is NaN or AGNfrac is outside 0 to 1.
    """
    grid = dale_templates(type) if Dale is None else Dale
    if not 0.0 <= AGNfrac <= 1.0:
        raise ValueError(f"AGNfrac={AGNfrac} must lie between 0 and 1")
    if not np.isfinite(alpha_SF):
        raise ValueError(f"alpha_SF={alpha_SF} must be a number, 0.0625 (warm) to 4 (cold)")
    if AGNfrac == 1.0:
        out = grid.Aspec[-1, 0]
        return _refined(grid, out) if refine else DaleSpectrum(grid.Wave, out)
    a = interp_quick(alpha_SF, grid.alpha_SF)
    f = interp_quick(AGNfrac, grid.AGNfrac)
    out = np.zeros(grid.Wave.size)
    for i, wi in ((f.id_lo, f.wt_lo), (f.id_hi, f.wt_hi)):
        for j, wj in ((a.id_lo, a.wt_lo), (a.id_hi, a.wt_hi)):
            if wi * wj:
                out += grid.Aspec[i, j] * (wi * wj)
    return _refined(grid, out) if refine else DaleSpectrum(grid.Wave, out)


def _refined(grid: DaleTemplates, spectrum: NDArray) -> DaleSpectrum:
    wave = _fine_wave(grid.Wave)
    with np.errstate(divide="ignore"):
        out = np.exp(np.interp(np.log(wave), np.log(grid.Wave), np.log(spectrum)))
    if grid.kind == "NormTot":
        out = out / np.sum(_qdiff(wave) * out)
    return DaleSpectrum(wave, out)


def _fine_wave(wave: NDArray) -> NDArray[np.float64]:
    log = np.log10(wave)
    parts = np.maximum(np.ceil(np.diff(log) / _FINE_STEP_DEX).astype(int), 1)
    inside = [a + (b - a) * np.arange(n) / n for a, b, n in zip(log[:-1], log[1:], parts, strict=True)]
    return 10.0 ** np.concatenate([*inside, log[-1:]])


@lru_cache(maxsize=2)
def dale_m2l_func(refine: bool = False) -> FmmSpline:
    """Return ProSpect's ``Dale_M2L_func``: dust luminosity per dust mass [Lsol/Msol] of an alpha_SF.

    Parameters
    ----------
    refine : bool
        Integrate the templates on a fine grid (see `dale_interp`), as goes with refined templates: a dust
        mass then emits the same spectrum in both.
    """
    grid = dale_templates("Msol")
    if refine:
        m2l = [np.sum(_qdiff(w) * f) for w, f in (_refined(grid, f) for f in grid.Aspec[0])]
        return FmmSpline(grid.alpha_SF, np.array(m2l))
    return FmmSpline(grid.alpha_SF, np.sum(_qdiff(grid.Wave) * grid.Aspec[0], axis=-1))


@checked
def dale_m2l_variable_dth(
    alpha_SF: ArrayLike, qPAH_VSG: float = 0.14, *, pivwave: float = 10**5.4, step_speed: float = 9.0
) -> NDArray[np.float64] | float:
    """Return the dust luminosity per mass [Lsol/Msol] if small grains and PAH emit the short wavelengths.

    ProSpect's ``Dale_M2L_variableDTH_func``: the dust to hydrogen ratio runs from `qPAH_VSG` of the total
    below `pivwave` to the rest above it.

    Parameters
    ----------
    alpha_SF : array_like
        Slope, clamped to the templates.
    qPAH_VSG : float
        Mass fraction in PAH and very small grains, between 0 and 1.
    pivwave : float
        Wavelength of the step [Angstrom].
    step_speed : float
        Steepness of the step per dex.

    Returns
    -------
    ndarray or float
        Lsol/Msol, of the shape of `alpha_SF`.

    Raises
    ------
    ValueError
        If `qPAH_VSG` is not between 0 and 1.
    """
    if not 0.0 < qPAH_VSG < 1.0:
        raise ValueError(f"qPAH_VSG={qPAH_VSG} must lie between 0 and 1")
    grid = dale_templates("Msol")
    step = 0.5 * (np.tanh(step_speed * (np.log10(grid.Wave) - np.log10(pivwave))) + 1.0)
    weight = step * (1.0 - 2.0 * qPAH_VSG) + qPAH_VSG
    m2l = np.sum(_qdiff(grid.Wave) * grid.Aspec[0] / weight, axis=-1)
    out = np.interp(np.asarray(alpha_SF, dtype=float), grid.alpha_SF, m2l)
    return out if np.ndim(alpha_SF) else float(out)


@checked
def dale_scale(
    alpha_SF: float = 1.5, AGNfrac: float = 0.5, *, Dale_in: DaleSpectrum | None = None, compat: bool = False
) -> dict[str, float]:
    """Return the bolometric dust and AGN fractions from that of the 5-20 um emission (ProSpect's ``Dale_scale``).

    Parameters
    ----------
    alpha_SF : float
        Slope of the dust template.
    AGNfrac : float
        AGN fraction of 5-20 um, 0 to 1.
    Dale_in : DaleSpectrum, optional
        Template instead of that of `alpha_SF`.
    compat : bool
        Integrate as R does, at its default tolerance, instead of exactly.

    Returns
    -------
    dict
        'Dustfrac_bol' and 'AGNfrac_bol', which sum to 1.

    Raises
    ------
    ValueError
        If AGNfrac is outside 0 to 1.
    """
    if not 0.0 <= AGNfrac <= 1.0:
        raise ValueError(f"AGNfrac={AGNfrac} must lie between 0 and 1")
    template = dale_interp(alpha_SF) if Dale_in is None else Dale_in
    um = template.Wave / 1e4
    if compat:
        dust = r_integrate(lambda x: np.interp(x, um, template.Aspec), 5.0, 20.0, what="the template")
    else:
        x = np.concatenate([[5.0], um[(um > 5.0) & (um < 20.0)], [20.0]])
        dust = float(np.trapezoid(np.interp(x, um, template.Aspec), x))
    scale = dust / (_AGN_5_20_UM + dust)
    agn = AGNfrac * scale / (AGNfrac * scale + (1.0 - AGNfrac) * (1.0 - scale))
    return {"Dustfrac_bol": 1.0 - agn, "AGNfrac_bol": agn}


@checked
def dustmass(
    wave_star: ArrayLike,
    lum_star_nodust: ArrayLike,
    lum_star_dust: ArrayLike,
    *,
    wave_dust: ArrayLike,
    lum_dust: ArrayLike,
) -> dict[str, float]:
    """Return the dust mass from absorbed starlight and an emission template per mass of dust.

    Parameters
    ----------
    wave_star : array_like, shape (n,)
        Angstrom.
    lum_star_nodust, lum_star_dust : array_like, shape (n,)
        Starlight before and after dust [Lsol/Angstrom].
    wave_dust, lum_dust : array_like, shape (m,)
        Template [Angstrom; Lsol/Angstrom per Msol of dust].

    Returns
    -------
    dict
        'DustMass' [Msol], 'DustLum' [Lsol], 'M2L' [Msol/Lsol].

    Raises
    ------
    ValueError
        If shapes disagree or the template has no power.
    """
    ws, wd = np.asarray(wave_star, dtype=float), np.asarray(wave_dust, dtype=float)
    before, after = np.asarray(lum_star_nodust, dtype=float), np.asarray(lum_star_dust, dtype=float)
    per_mass = np.asarray(lum_dust, dtype=float)
    if not (ws.shape == before.shape == after.shape) or wd.shape != per_mass.shape:
        raise ValueError(
            f"shapes differ: stars {ws.shape}, {before.shape}, {after.shape}; dust {wd.shape}, {per_mass.shape}"
        )
    luminosity = float(np.sum(_qdiff(ws) * (before - after)))
    light_to_mass = float(np.nansum(_qdiff(wd) * per_mass))
    if not light_to_mass > 0:
        raise ValueError(f"the dust template emits {light_to_mass} Lsol per Msol; it must be positive")
    return {"DustMass": luminosity / light_to_mass, "DustLum": luminosity, "M2L": 1.0 / light_to_mass}


@checked
def atten_emit(
    wave: ArrayLike,
    flux: ArrayLike,
    tau: float = 0.3,
    pow: float = -0.7,
    *,
    alpha_SF: float = 1.5,
    Dale: DaleTemplates | None = None,
    Dale_M2L_func: DustM2L | None = None,
    waveout: ArrayLike | None = None,
    Eb: float = 0.0,
    L0: float = 2175.8,
    LFWHM: float = 470.0,
    refine: bool = False,
) -> AttenEmit:
    """Put a spectrum behind a dust screen and add what the dust emits of what it absorbed.

    Parameters
    ----------
    wave, flux : array_like, shape (n,)
        Rest wavelengths [Angstrom] and luminosity density [Lsol/Angstrom].
    tau, pow, Eb, L0, LFWHM
        Screen, see `pyprospect.dust.attenuation.CF_screen`.
    alpha_SF : float
        Slope of the dust template.
    Dale : DaleTemplates, optional
        Templates of unit power; default ProSpect's.
    Dale_M2L_func : callable, optional
        Lsol per Msol of dust as a function of alpha_SF (`dale_m2l_func`); without it no dust mass.
    waveout : array_like, optional
        log10 of the output wavelengths; default the union of both grids.
    refine : bool
        Emit through a refined template, see `dale_interp`.

    Returns
    -------
    AttenEmit

    Raises
    ------
    ValueError
        If shapes disagree or an argument is out of range.
    """
    w, f = np.asarray(wave, dtype=float), np.asarray(flux, dtype=float)
    behind = CF_screen_atten(w, f, tau=tau, pow=pow, Eb=Eb, L0=L0, LFWHM=LFWHM)
    template = dale_interp(alpha_SF, Dale=Dale, refine=refine)
    emitted = template.Aspec * behind.total_atten
    final = addspec(w, behind.flux, template.Wave, emitted, extrap=0, waveout=waveout)
    mass = None if Dale_M2L_func is None else behind.total_atten / float(Dale_M2L_func(alpha_SF))
    return AttenEmit(
        FluxSpectrum(*final),
        FluxSpectrum(w, f),
        FluxSpectrum(w, behind.flux),
        FluxSpectrum(template.Wave, emitted),
        behind.total_atten,
        mass,
    )
