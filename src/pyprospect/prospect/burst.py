"""Spectra of simple stellar populations: ProSpect's ``SFHburst``."""

import os
from collections.abc import Callable
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
from pyprospect.histories.in_library_bins import age_limit, as_library
from pyprospect.line_of_sight.cosmology import CosmologyArguments
from pyprospect.messages import ClampWarning, warn_once
from pyprospect.numerics.interpolation import interp_quick
from pyprospect.numerics.lsf import LSFLike
from pyprospect.prospect.sfh_result import (
    SFHResult,
    look_at_holes,
    make_result,
    photometry,
    sparse_step,
)
from pyprospect.prospect.starlight import Recipe, shine
from pyprospect.stars.library import SSPLibrary

__all__ = ["sfh_burst"]


def _one_population(library: SSPLibrary, burstage: float, Z: float, step: int) -> np.ndarray:
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
    lum = np.zeros(spectra.shape[2])
    for i, weight_z in ((in_z.id_lo, in_z.wt_lo), (in_z.id_hi, in_z.wt_hi)):
        for k, weight_age in ((in_age.id_lo, in_age.wt_lo), (in_age.id_hi, in_age.wt_hi)):
            if weight_z > 0 and weight_age > 0:
                lum += weight_z * weight_age * spectra[i, k].astype(float)
    return lum


@checked(z=None, Z=None, LumDist_Mpc=None)
def sfh_burst(
    burstmass: float = 1e8,
    burstage: float = 0,
    *,
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
    lumscale: float = HALPHA_LSOL_PER_SFR,
    nebular_continuum: bool | Callable[[np.ndarray, float], np.ndarray] = False,
    outside: str | None = None,
    compat: bool = False,
) -> SFHResult:
    """Return spectrum and photometry of one simple stellar population (ProSpect's ``SFHburst``).

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
    look_at_holes(library, compat)
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
    cosmology: CosmologyArguments = {"H0": H0, "OmegaM": OmegaM, "OmegaL": OmegaL, "ref": ref}
    limit = age_limit(agemax, unimax, z, **cosmology)
    mass = float(burstmass) if limit is None or burstage <= limit else 0.0
    step = sparse_step(sparse, library)
    lum = mass * _one_population(library, burstage, Z, step)
    none = np.zeros(lum.size)
    young, old = (lum, none) if in_cloud else (none, lum)
    light = shine(
        library.wave_aa[::step], young, old, recipe=recipe, sfr_10myr=lambda: mass / LINE_WINDOW_YR, gas_z=Z
    )
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
        agevec=np.array([float(burstage)]),
        SFR=np.array([mass]),
        massvec=np.array([mass]),
        Zvec=np.array([float(Z)]),
        Zvec_allages=np.array([float(Z)]),
        Zinterp=None,
        masstot=mass,
        SFRburst=mass / BURST_WINDOW_YR if burstage <= BURST_WINDOW_YR else 0.0,
        agemax=limit,
    )
