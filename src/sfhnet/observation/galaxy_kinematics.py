"""Kinematics of a galaxy: its systemic redshift, then velocity and dispersion of each of its spectra."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pyprospect.constants import C_KMS
from sfhnet.observation.kinematics import KinematicFitter, Kinematics, not_fitted
from sfhnet.observation.observed import Observed, median_snr
from sfhnet.observation.redshift_guess import checked_guess
from sfhnet.tools.progress import track

if TYPE_CHECKING:
    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import GalaxiesConfig
    from sfhnet.observation.dap_maps import BinKinematics


def fit_kinematics(
    observed: Observed,
    redshift: float,
    ssp: SSPLibrary,
    *,
    config: GalaxiesConfig,
    galaxy: str,
    given: BinKinematics | None = None,
) -> tuple[float, list[Kinematics]]:
    """Fit the systemic redshift on the sum of all spectra, then velocity and dispersion of each.

    Parameters
    ----------
    observed : Observed
        Spectra.
    redshift : float
        First guess.
    ssp : SSPLibrary
        Templates.
    config : GalaxiesConfig
        Window, mask and limits.
    galaxy : str
        Name for messages.
    given : BinKinematics, optional
        Kinematics that are known, with their systemic redshift; bins without are fitted.

    Returns
    -------
    redshift : float
        Systemic redshift: that of ``given``, else fitted where the sum allows it.
    kinematics : list of Kinematics
        Relative to that redshift, one a spectrum.

    Raises
    ------
    ValueError
        If the resolution of the spectra is not known, or they cover too little of the window.
    """
    fixed = not_fitted(0.0, config.fixed_sigma_kms)
    if config.kinematics == "fixed":
        return redshift, [fixed] * len(observed.flux)
    if observed.fwhm_aa is None:
        raise ValueError(
            f"{galaxy}: the resolution of the spectra is not known, so that their dispersion cannot be fitted; set "
            "galaxies.kinematics to fixed"
        )
    in_all = np.asarray(observed.good.all(axis=0))
    good = in_all if in_all.mean() > 0.5 else np.asarray(observed.good.any(axis=0))
    flux, variance = observed.flux.sum(axis=0, dtype=float), observed.variance.sum(axis=0, dtype=float)
    if given is None:
        redshift = checked_guess(
            observed.wave_aa, flux, variance, good, redshift=redshift, ssp=ssp, galaxy=galaxy
        )
    else:
        redshift = given.systemic
    try:
        fitter = KinematicFitter(
            ssp,
            observed.wave_aa,
            redshift,
            fwhm_aa=observed.fwhm_aa,
            window_aa=config.kinematics_window_aa,
            line_mask_kms=config.line_mask_kms,
        )
    except ValueError as error:
        raise ValueError(f"{galaxy}: {error}") from error
    whole = fitter.fit(flux, variance, good)
    start = whole if whole.fitted else fixed
    # The zero of velocities: what the MAPS say, else the sum of all spectra.
    zero_kms = whole.velocity_kms if given is None else 0.0
    systemic = (1 + redshift) * np.exp(zero_kms / C_KMS) - 1
    results = []
    for i in track(range(len(observed.flux)), f"{galaxy}: kinematics", unit="bin"):
        spectrum = observed.flux[i], observed.variance[i], observed.good[i]
        if given is not None and np.isfinite(given.velocity_kms[i] + given.sigma_kms[i]):
            result = _as_given(given, i, fitter, spectrum)
        elif len(observed.flux) == 1:
            result = whole
        elif median_snr(*spectrum) < config.min_snr_kinematics:
            result = replace(
                start, fitted=False, velocity_err_kms=np.nan, sigma_err_kms=np.nan, noise_scale=np.nan
            )
        else:
            result = fitter.fit(*spectrum, start=start, search_kms=400.0)
        results.append(replace(result, velocity_kms=result.velocity_kms - zero_kms))
    return systemic, results


def _as_given(
    given: BinKinematics, i: int, fitter: KinematicFitter, spectrum: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> Kinematics:
    velocity, sigma = float(given.velocity_kms[i]), float(given.sigma_kms[i])
    chi2, scale = fitter.noise_at(*spectrum, velocity_kms=velocity, sigma_kms=sigma)
    return Kinematics(
        velocity_kms=velocity,
        velocity_err_kms=float(given.velocity_err_kms[i]),
        sigma_kms=sigma,
        sigma_err_kms=float(given.sigma_err_kms[i]),
        chi2_per_pixel=chi2,
        noise_scale=scale,
        fitted=True,
    )
