"""Stellar masses of single spectra: from the unit of the flux and a distance, or that of the redshift."""

from __future__ import annotations

import numpy as np

from pyprospect.line_of_sight.cosmology import lum_dist_mpc
from sfhnet.core.geometry import luminosity_per_flux

__all__ = ["log_mass_formed"]

# Nearer than this, velocities in the local flow spoil what a redshift says of the distance.
_NEAREST_REDSHIFT = 0.005


def log_mass_formed(
    log_mass: np.ndarray,
    redshift: np.ndarray,
    *,
    flux_unit_cgs: float | None,
    distance_mpc: float | None,
) -> np.ndarray:
    """Return log10 of the stellar mass ever formed in Msun, (n,); NaN where unit or distance are not known.

    Parameters
    ----------
    log_mass : ndarray (n,)
        `sfhnet.core.posterior.Posterior.log_mass`.
    redshift : ndarray (n,)
        Of the spectra.
    flux_unit_cgs : float or None
        erg/s/cm2/AA of a flux of one.
    distance_mpc : float or None
        Luminosity distance; None: that of the redshift, from 0.005 on.

    Raises
    ------
    ValueError
        If unit or distance are not above zero.
    """
    for name, value in (("flux_unit_cgs", flux_unit_cgs), ("distance_mpc", distance_mpc)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value}; give a number above zero")
    if flux_unit_cgs is None:
        return np.full(len(log_mass), np.nan)
    if distance_mpc is not None:
        return log_mass + np.log10(luminosity_per_flux(distance_mpc, flux_unit_cgs))
    far = np.isfinite(redshift) & (redshift > _NEAREST_REDSHIFT)
    result = np.full(len(log_mass), np.nan)
    if far.any():
        distances = np.atleast_1d(lum_dist_mpc(redshift[far]))
        result[far] = log_mass[far] + np.log10([luminosity_per_flux(d, flux_unit_cgs) for d in distances])
    return result
