"""The whole galaxy: stars, lines, dust that absorbs and re-emits, radio continuum, a nucleus, the IGM.

`prospect_sed` is ProSpect's ``ProSpectSED``: it calls `pyprospect.sfh_func` for starlight and lines behind
dust and adds the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect.arguments import checked
from pyprospect.bands import band_matrix as _filters
from pyprospect.bands.photometry import FluxSpectrum, LumSpectrum
from pyprospect.dust.emission import DaleTemplates, DustM2L, dale_interp
from pyprospect.line_of_sight.cosmology import cosmology
from pyprospect.numerics.rebin import addspec
from pyprospect.prospect.agn import as_agn
from pyprospect.prospect.burst import sfh_burst
from pyprospect.prospect.by_name import ByName
from pyprospect.prospect.sed_parts import (
    ALPHA_LIMITS,
    POW_LIMITS,
    TAU_LIMITS,
    Nucleus,
    Radio,
    Screen,
    add_nucleus,
    bands_without_stars,
    clip,
    dust_recipe,
    nucleus_light,
    observe,
    output_grid,
    sampled,
    with_radio,
)
from pyprospect.prospect.sfh import SFHResult, sfh_func

__all__ = ["DustBudget", "ProSpectSED", "prospect_sed"]

_DEFAULT = "default"
_HISTORIES: dict[str, Callable[..., SFHResult]] = {
    "sfh_func": sfh_func,
    "SFHfunc": sfh_func,
    "sfh_burst": sfh_burst,
    "SFHburst": sfh_burst,
}


class DustBudget(NamedTuple):
    """A quantity of the dust in birth clouds, the screen and the nucleus, and their sum without NaN."""

    birth: float
    screen: float
    AGN: float
    total: float


@dataclass(frozen=True, eq=False)
class ProSpectSED(ByName):
    """A galaxy's spectral energy distribution; attributes carry ProSpect's names (``sed["Photom"]`` works too).

    Attributes
    ----------
    Photom : ndarray, FluxSpectrum or None
        Per band jansky, or absolute AB magnitudes if z <= 0; without filters the spectrum `FinalFlux`.
    FinalFlux : FluxSpectrum or None
        Observed wavelengths [Angstrom] and jansky behind the IGM; if z <= 0, rest wavelengths and
        erg/s/cm2/Angstrom at 10 pc (None without filters).
    FinalLum : LumSpectrum
        Everything together: rest wavelengths [Angstrom] and Lsol/Angstrom.
    StarsAtten, StarsUnAtten : LumSpectrum or None
        Stars and lines behind dust; stars alone without dust.
    DustEmit : LumSpectrum or None
        Emission of the dust heated by stars.
    AGN : LumSpectrum or None
        The nucleus and the dust it heats.
    Stars : object
        What the star-formation history function returned (`pyprospect.sfh_func`).
    dustmass, dustlum : DustBudget
        Msol and Lsol of dust.
    z : float
    filters : tuple of str
        Names of the bands of `Photom`.
    cosmo : dict
        H0, OmegaM, OmegaL and OmegaR used for the flux.
    """

    Photom: NDArray[np.float64] | FluxSpectrum | None
    FinalFlux: FluxSpectrum | None
    FinalLum: LumSpectrum
    StarsAtten: LumSpectrum | None
    StarsUnAtten: LumSpectrum | None
    DustEmit: LumSpectrum | None
    AGN: LumSpectrum | None
    Stars: Any
    dustmass: DustBudget
    dustlum: DustBudget
    z: float
    filters: tuple[str, ...]
    cosmo: dict[str, float]


@checked(z=None, Z=None, LumDist_Mpc=None, AGNlum=None)
def prospect_sed(
    SFH: Callable[..., Any] | str | None = sfh_func,
    z: float = 0.1,
    *,
    tau_birth: float = 1.0,
    tau_screen: float = 0.3,
    tau_AGN: float = 1.0,
    pow_birth: float = -0.7,
    pow_screen: float = -0.7,
    pow_AGN: float = -0.7,
    alpha_SF_birth: float = 1.0,
    alpha_SF_screen: float = 3.0,
    alpha_SF_AGN: float = 0.0,
    AGNlum: float = 0.0,
    sparse: int = 5,
    speclib: Any = None,
    Dale: DaleTemplates | bool | None = None,
    AGN: Any = None,
    filtout: Any = None,
    filters: Any = "all",
    Dale_M2L_func: DustM2L | bool | None = True,
    returnall: bool = True,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    waveout: ArrayLike | str | None = _DEFAULT,
    ref: str | None = None,
    unimax: float | bool | None = 13.8e9,
    agemax: float | None = None,
    LumDist_Mpc: float | None = None,
    addradio_SF: bool = False,
    addradio_AGN: bool = False,
    Te_SF: float = 1e4,
    ff_frac_SF: float = 0.1,
    ff_power_SF: float = -0.1,
    sy_power_SF: float = -0.8,
    Te_AGN: float = 1e4,
    ff_frac_AGN: float = 0.1,
    ff_power_AGN: float = -0.1,
    sy_power_AGN: float = -0.8,
    AGNct: float = 40.0,
    AGNrm: float = 60.0,
    AGNan: float = 30.0,
    AGNta: float = 1.0,
    AGNal: float = 4.0,
    AGNbe: float = -0.5,
    AGNp: float = 1.0,
    AGNq: float = 1.0,
    Eb: float = 0.0,
    L0: float = 2175.8,
    LFWHM: float = 470.0,
    IGMabsorb: float | str = 0.0,
    compat: bool = False,
    outside: str | None = None,
    **kwargs: Any,
) -> ProSpectSED | NDArray[np.float64] | FluxSpectrum | None:
    """Return the spectral energy distribution of a galaxy, ultraviolet to radio (ProSpect's ``ProSpectSED``).

    Parameters
    ----------
    SFH : callable or str, optional
        `pyprospect.sfh_func` or `pyprospect.sfh_burst`, or a function with their arguments and result;
        None for a nucleus without galaxy.
    z : float
        Redshift; at z <= 0 photometry is absolute.
    tau_birth, tau_screen, tau_AGN : float
        Optical depths at 5500 Angstrom of birth clouds, screen and torus, clipped to 0..10.
    pow_birth, pow_screen, pow_AGN : float
        Slopes of the three attenuation curves, clipped to -2..0.
    alpha_SF_birth, alpha_SF_screen, alpha_SF_AGN : float
        Slopes of their dust emission templates, clipped to 0.0625 (warm) .. 4 (cold).
    AGNlum : float
        Luminosity of the nucleus [erg/s].
    sparse : int
        Use every n-th wavelength of the library; ProSpect's default is 5.
    speclib : SSPLibrary
        Stellar library.
    Dale : DaleTemplates or False, optional
        Dust emission templates of unit power; None for ProSpect's; False for no dust emission, in which
        case `waveout` is not used.
    AGN : optional
        Nucleus, see `pyprospect.prospect.agn.as_agn`.
    filtout, filters : optional
        Bands, see `pyprospect.bands.band_matrix.resolve`; `filtout` wins; None for none.
    Dale_M2L_func : callable or bool, optional
        Lsol per Msol of dust as a function of alpha_SF; True for ProSpect's table. R's default is NULL, here
        None, which leaves `dustlum` and `dustmass` zero; in both modes the default here is the table.
    returnall : bool
        False returns the photometry only.
    H0, OmegaM, OmegaL, ref, LumDist_Mpc
        Cosmology or distance, see `pyprospect.line_of_sight.cosmology.cosmology`.
    waveout : array_like or None, optional
        log10 of the wavelengths [Angstrom] at which the sum is returned. Default 2 to 9.35 by 0.01, or, with
        ``emission=True``, None: the union of the wavelengths of stars and dust. Photometry is made from the
        union whatever is returned (``compat``: from what is returned).
    unimax, agemax
        Age limits [yr], see `pyprospect.sfh_func`.
    addradio_SF, addradio_AGN : bool
        Replace the templates' radio continuum by one with the ``*_SF`` or ``*_AGN`` properties (see
        `pyprospect.dust.radio.radiocont`); that of the nucleus is taken off in any case.
    AGNct, AGNrm, AGNan, AGNta, AGNal, AGNbe, AGNp, AGNq : float
        Parameters of a torus grid.
    Eb, L0, LFWHM : float
        Height, centre and width [Angstrom] of the 2175 Angstrom bump in the screen.
    IGMabsorb : float or 'Inoue14'
        Absorbed fraction between Lyman limit and Lyman alpha, or the mean IGM of Inoue et al. (2014).
    compat : bool
        Reproduce ProSpect 1.11.0, quirks included: the cosmology of the age limit is always ProSpect's
        default; lines and dust are counted as in `sfh_func`; dust emits 9 to 17 % more than it absorbed (see
        `pyprospect.dust.emission.dale_interp`); bands that are not covered are silently renormalised, and
        bands are sums over the pixels of the returned spectrum instead of integrals.
    outside : {'error', 'nan', 'compat'}, optional
        Band that the spectrum does not cover, see `pyprospect.bands.photometry.bandpass`; default 'error' ('nan'
        for ``filters='all'``), and with `compat` ProSpect's silent renormalisation. Short of 20 um at rest
        the stellar library must cover a band, whatever dust or a nucleus contribute.
    **kwargs
        Everything else goes to `SFH`: history, metallicity, emission, dispersion.

    Returns
    -------
    ProSpectSED, or its Photom if ``returnall=False``

    Raises
    ------
    ValueError
        For values that are not numbers, an AGN or radio continuum without dust emission, bands outside
        the spectrum, and whatever `SFH` rejects.
    """
    for name, value in (("z", z), ("AGNlum", AGNlum)):
        if not np.isfinite(value):
            raise ValueError(f"{name}={value} must be a finite number")
    if AGNlum < 0:
        raise ValueError(f"AGNlum={AGNlum} erg/s must not be negative; 0 means no nucleus")
    compat = bool(compat)
    cosmo = cosmology(H0, OmegaM, OmegaL, ref=ref)
    bands = _filters.resolve(filtout if filtout is not None else filters)
    dust = dust_recipe(Dale, Dale_M2L_func if returnall else None, refine=not compat)
    template = as_agn(AGN) if AGNlum > 0 else None
    if template is not None and not dust.on:
        raise ValueError("Dale=False cannot be combined with an AGN, whose dust must emit; leave Dale out")
    if addradio_SF and not dust.on:
        raise ValueError("addradio_SF=True needs dust emission to scale with; leave Dale=False out")
    history = _HISTORIES.get(SFH) if isinstance(SFH, str) else SFH
    if isinstance(SFH, str) and history is None:
        raise ValueError(f"SFH={SFH!r} is unknown; use one of {sorted(_HISTORIES)} or a function")
    if isinstance(waveout, str) and waveout.upper() == "NULL":
        waveout = None
    if isinstance(waveout, str) and waveout == _DEFAULT:
        waveout = None if kwargs.get("emission", False) else 2.0 + 0.01 * np.arange(736)
    grid, radio_end = output_grid(waveout)
    inner_grid = grid if compat else None

    tau_birth = clip("tau_birth", tau_birth, TAU_LIMITS)
    pow_birth = clip("pow_birth", pow_birth, POW_LIMITS)
    alpha_birth = clip("alpha_SF_birth", alpha_SF_birth, ALPHA_LIMITS)
    screen = Screen(
        clip("tau_screen", tau_screen, TAU_LIMITS),
        clip("pow_screen", pow_screen, POW_LIMITS),
        clip("alpha_SF_screen", alpha_SF_screen, ALPHA_LIMITS),
        float(Eb),
        float(L0),
        float(LFWHM),
    )

    stars = final = atten = unatten = emitted = agn = None
    lum = {"birth": 0.0, "screen": 0.0, "AGN": 0.0}
    mass = dict(lum)
    if history is not None:
        # ProSpect leaves the cosmology out, so that an age limit from unimax is that of its defaults
        forwarded = {} if compat else {"H0": H0, "OmegaM": OmegaM, "OmegaL": OmegaL, "ref": ref}
        stars = history(
            z=z,
            tau_birth=tau_birth,
            tau_screen=screen.tau,
            pow_birth=pow_birth,
            pow_screen=screen.pow,
            sparse=sparse,
            speclib=speclib,
            filters=None,
            unimax=unimax,
            agemax=agemax,
            Eb=screen.Eb,
            L0=screen.L0,
            LFWHM=screen.LFWHM,
            compat=compat,
            **forwarded,
            **kwargs,
        )
        final = atten = LumSpectrum(stars.wave_lum, stars.lum_atten)
        unatten = LumSpectrum(stars.wave_lum, stars.lum_unatten)
        if dust.on:
            warm = dale_interp(alpha_birth, Dale=dust.templates, refine=dust.refine)
            cold = dale_interp(screen.alpha_SF, Dale=dust.templates, refine=dust.refine)
            power = warm.Aspec * stars.lumtot_birth + cold.Aspec * stars.lumtot_screen
            emitted = LumSpectrum(cold.Wave, power)
            final = LumSpectrum(*addspec(*atten, *emitted, extrap=0, waveout=inner_grid))
        if dust.m2l is not None:
            lum |= {"birth": float(stars.lumtot_birth), "screen": float(stars.lumtot_screen)}
            mass["birth"] = lum["birth"] / float(dust.m2l(alpha_birth))
            mass["screen"] = lum["screen"] / float(dust.m2l(screen.alpha_SF))
        if addradio_SF:
            radio = Radio(True, Te_SF, ff_frac_SF, ff_power_SF, sy_power_SF, radio_end)
            final = with_radio(final, radio)

    if template is not None:
        nucleus = Nucleus(
            template,
            float(AGNlum),
            {
                "ct": AGNct,
                "rm": AGNrm,
                "an": AGNan,
                "ta": AGNta,
                "al": AGNal,
                "be": AGNbe,
                "p": AGNp,
                "q": AGNq,
            },
            clip("tau_AGN", tau_AGN, TAU_LIMITS),
            clip("pow_AGN", pow_AGN, POW_LIMITS),
            # 0 is ProSpect's own default and stands for the warmest template
            clip("alpha_SF_AGN", alpha_SF_AGN if alpha_SF_AGN != 0 else ALPHA_LIMITS[0], ALPHA_LIMITS),
            Radio(bool(addradio_AGN), Te_AGN, ff_frac_AGN, ff_power_AGN, sy_power_AGN, radio_end),
        )
        agn, lum_torus, mass_torus, lum_screen, mass_screen = nucleus_light(
            nucleus, screen, dust, grid=inner_grid
        )
        if dust.m2l is not None:
            lum |= {"AGN": lum_torus, "screen": lum["screen"] + lum_screen}
            mass |= {"AGN": mass_torus, "screen": mass["screen"] + mass_screen}
        final = agn if final is None else add_nucleus(final, agn, compat)

    if final is None:
        raise ValueError("SFH=None leaves nothing: give AGN and AGNlum, or a star-formation history")
    distance = {"lum_dist_mpc": LumDist_Mpc, "H0": H0, "OmegaM": OmegaM, "OmegaL": OmegaL, "ref": ref}
    if outside is None:
        everything = filtout is None and isinstance(filters, str) and filters.lower() == "all"
        outside = "compat" if compat else "nan" if everything else "error"
    options = {"outside": outside, "quadrature": "sed" if compat else "union"}
    flux, photom = observe(final, z, distance=distance, IGMabsorb=IGMabsorb, bands=bands, options=options)
    if photom is not None and stars is not None:
        photom[bands_without_stars(bands, stars.wave_lum, z, outside=outside)] = np.nan
    if not compat and dust.on and grid is not None:
        final = sampled(final, grid)
        agn = None if agn is None else sampled(agn, grid)
        flux, _ = observe(final, z, distance=distance, IGMabsorb=IGMabsorb, bands=[], options=options)
    shown: FluxSpectrum | None = flux if bands or z > 0 else None
    result = photom if bands else shown
    if not returnall:
        return result
    return ProSpectSED(
        Photom=result,
        FinalFlux=shown,
        FinalLum=final,
        StarsAtten=atten,
        StarsUnAtten=unatten,
        DustEmit=emitted,
        AGN=agn,
        Stars=stars,
        dustmass=_budget(**mass),
        dustlum=_budget(**lum),
        z=float(z),
        filters=tuple(band.name for band in bands),
        cosmo={"H0": cosmo.H0, "OmegaM": cosmo.OmegaM, "OmegaL": cosmo.OmegaL, "OmegaR": cosmo.OmegaR},
    )


def _budget(birth: float, screen: float, AGN: float) -> DustBudget:
    return DustBudget(birth, screen, AGN, float(np.nansum([birth, screen, AGN])))
