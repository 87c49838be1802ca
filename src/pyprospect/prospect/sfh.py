"""Spectra of composite stellar populations: ProSpect's ``SFHfunc``."""

import inspect
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.arguments import checked
from pyprospect.constants import (
    BIRTH_CLOUD_AGE_YR,
    BURST_WINDOW_YR,
    HALPHA_LSOL_PER_SFR,
    LINE_WINDOW_YR,
    LYMAN_LIMIT_AA,
)
from pyprospect.histories.in_library_bins import History, as_library, form_stars
from pyprospect.line_of_sight.cosmology import CosmologyArguments
from pyprospect.numerics.lsf import LSFLike
from pyprospect.prospect.sfh_result import (
    SFHResult,
    look_at_holes,
    make_result,
    photometry,
    sparse_step,
)
from pyprospect.prospect.smstar import surviving_mass
from pyprospect.prospect.starlight import Recipe, shine
from pyprospect.stars.library import SSPLibrary

__all__ = ["SFHResult", "sfh_func"]


def _birth_cloud(age_yr: np.ndarray) -> np.ndarray:
    # A library without stars this young (E-MILES) has its first bin in birth clouds, as in ProSpect.
    young = age_yr <= BIRTH_CLOUD_AGE_YR
    young[0] = True
    return young


def _composite(library: SSPLibrary, history: History, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mass = history.mass_msun[:, None] * history.weights
    young = _birth_cloud(library.age_yr)
    parts = np.stack([np.where(young[:, None], mass, 0.0), np.where(young[:, None], 0.0, mass)])
    cells = parts.transpose(0, 2, 1).reshape(2, -1)  # (2, n_z n_age), the order of the spectra
    used = np.flatnonzero(cells.any(axis=0))
    spectra = library.spectra.reshape(cells.shape[1], -1)
    if used.size < cells.shape[1] // 2:
        cells, spectra = cells[:, used], spectra[used]
    spectra = spectra[:, ::step]
    young_light, old_light = cells @ spectra
    return library.wave_aa[::step], young_light, old_light


@lru_cache(maxsize=1)
def _own_names() -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(sfh_func).parameters if name != "extra")


@checked(z=None, Z=None, LumDist_Mpc=None)
def sfh_func(
    massfunc: str | Callable[..., Any] = "b5",
    forcemass: float | bool | None = False,
    agescale: float = 1,
    *,
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
    lumscale: float = HALPHA_LSOL_PER_SFR,
    nebular_continuum: bool | Callable[[np.ndarray, float], np.ndarray] = False,
    outside: str | None = None,
    compat: bool = False,
    **extra: Any,
) -> SFHResult:
    """Return spectrum, photometry and masses of a star-formation and metallicity history.

    Arguments have ProSpect's names and defaults. Extra keyword arguments reach the two histories by name, as
    R's dots do (``mSFR=3, mpeak=9, Zfinal=0.02, yield_=0.03``).

    Parameters
    ----------
    massfunc : str or callable
        Star-formation history: a name of `pyprospect.histories.massfunc`, or ``f(age_yr, ...)`` in Msol/yr.
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
        Bands, see `pyprospect.bands.band_matrix.resolve`. None: no flux and no photometry.
    Z : float, str, callable or (n_age,) array
        Metal mass fraction, a name of `pyprospect.histories.zfunc`, ``f(age_yr, ...)``, or a value per age. With
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
        absorbed, case B (`pyprospect.gas.ionizing_light`), where dust takes the energy that is left.
    escape_frac, Ly_limit : float or array
        Escape fraction (default 0 with `emission`, else 1) below a wavelength in Angstrom; several limits
        descend, with one fraction each.
    LKL10 : LineGrid, LineTable or callable, optional
        Other lines than those of LKL10, see `pyprospect.gas.line_grids` and `pyprospect.gas.lines`.
    disp_stars : bool
        Broaden starlight by `veldisp` and `LSF`.
    LSF : None, float, callable, table or "muse"
        Sigma in km/s at observed wavelengths, see `pyprospect.numerics.lsf`.
    z : float
        Redshift. 0: absolute fluxes; negative: no fluxes.
    H0, OmegaM, OmegaL, ref
        Cosmology, see `pyprospect.line_of_sight.cosmology.cosmology`.
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
        Add the continuum of the gas whose lines `emission` adds: True for `pyprospect.gas.continuum`, or
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
    cosmology: CosmologyArguments = {"H0": H0, "OmegaM": OmegaM, "OmegaL": OmegaL, "ref": ref}
    history = form_stars(
        library,
        massfunc,
        Z,
        extra=extra,
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
    look_at_holes(library, compat)
    wave, young, old = _composite(library, history, sparse_step(sparse, library))

    def sfr_10myr() -> float:
        return history.formed_msun(0.0, LINE_WINDOW_YR) / LINE_WINDOW_YR

    light = shine(wave, young, old, recipe=recipe, sfr_10myr=sfr_10myr, gas_z=history.z[0])
    kept = history.kept
    return make_result(
        light,
        photometry(
            light,
            filters,
            outtype,
            z=z,
            cosmology=cosmology,
            LumDist_Mpc=LumDist_Mpc,
            outside=outside,
            compat=compat,
        ),
        agevec=history.age_yr[kept],
        SFR=(history.mass_msun / library.age_weights_yr)[kept],
        massvec=history.mass_msun[kept],
        Zvec=history.z[kept],
        Zvec_allages=history.z,
        Zinterp=history.interp,
        masstot=history.total_msun,
        SFRburst=history.formed_msun(0.0, BURST_WINDOW_YR) / BURST_WINDOW_YR,
        agemax=history.agemax_yr,
        SMstar=surviving_mass(library, history, compat=compat) if SMstar else None,
    )
