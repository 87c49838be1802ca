"""Distances: places on the sky and in the plane of a disc, arcsec and kpc, fluxes and luminosities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyprospect.constants import LSOL_ERG_S, MPC_CM

if TYPE_CHECKING:
    from sfhnet.core.spectra import Spectra

__all__ = ["arcsec_kpc", "deproject", "deprojected_radius", "luminosity_per_flux"]


def deproject(
    east_arcsec: np.ndarray, north_arcsec: np.ndarray, *, position_angle_deg: float, inclination_deg: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return where offsets on the sky lie in the plane of an inclined thin disc.

    Parameters
    ----------
    east_arcsec, north_arcsec : ndarray
        Offsets from the centre.
    position_angle_deg : float
        Of the major axis, north through east.
    inclination_deg : float
        0 is face on.

    Returns
    -------
    major_arcsec, minor_arcsec : ndarray
        Along the major axis and at right angles to it, both in the plane of the disc.
    """
    angle = np.deg2rad(position_angle_deg)
    major = north_arcsec * np.cos(angle) + east_arcsec * np.sin(angle)
    minor = -north_arcsec * np.sin(angle) + east_arcsec * np.cos(angle)
    return major, minor / np.cos(np.deg2rad(inclination_deg))


def deprojected_radius(spectra: Spectra) -> np.ndarray:
    """Return each bin's distance from the centre in the plane of the disc in arcsec, shape (n,).

    Orientation comes from the sample sheet; a galaxy without one is taken to be seen face on.
    """
    orientation = {key: spectra.meta.get(key) or 0.0 for key in ("position_angle_deg", "inclination_deg")}
    return np.hypot(*deproject(spectra.x_arcsec, spectra.y_arcsec, **orientation))


def arcsec_kpc(spectra: Spectra) -> float:
    """Return kpc per arcsec at the galaxy, from the luminosity distance and the systemic redshift."""
    redshift = float(np.median(spectra.redshift))
    angular_mpc = spectra.distance_mpc / (1 + redshift) ** 2
    return angular_mpc * 1e3 * np.deg2rad(1 / 3600)


def luminosity_per_flux(distance_mpc: float, flux_unit_cgs: float) -> float:
    """Return the luminosity density in Lsol/Angstrom of one unit of rest-frame flux density.

    Parameters
    ----------
    distance_mpc : float
        Luminosity distance.
    flux_unit_cgs : float
        erg/s/cm2/Angstrom per unit of flux; flux is the observed f_lambda times 1 + z.

    Returns
    -------
    float
        Lsol/Angstrom.
    """
    return 4 * np.pi * (distance_mpc * MPC_CM) ** 2 * flux_unit_cgs / LSOL_ERG_S
