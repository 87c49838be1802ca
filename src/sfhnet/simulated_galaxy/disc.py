"""A galaxy disc whose history is known at every place: what the simulated galaxy is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyprospect.constants import Z_SUN
from sfhnet.config import SimulatedGalaxyConfig
from sfhnet.core.geometry import deproject

# Light inside this radius is softened, so that the cusp of an exponential disc does not depend on the sampling.
_SOFTENING = 0.05
# Two arms, opening by this angle; the young stars follow them.
_N_ARMS, _PITCH_DEG = 2, 18.0
_RECENT_YR = 3e8
_START_YR = 13.0e9


@dataclass(frozen=True)
class Geometry:
    """Places in the disc for positions on the sky.

    Parameters
    ----------
    radius : ndarray
        Deprojected radius in effective radii.
    angle : ndarray
        Azimuth in the disc in radians, 0 on the receding major axis.
    """

    radius: np.ndarray
    angle: np.ndarray


@dataclass(frozen=True)
class DiscHistory:
    """Histories of places in the disc, on the age bins of a library.

    Parameters
    ----------
    surface_density : ndarray, shape (n,)
        Mass formed per arcsec2 on the sky in Msun.
    mass_fraction : ndarray, shape (n, n_age)
        Share of the mass formed in each age bin, the youngest first.
    log_z_solar : ndarray, shape (n, n_age)
        [M/H] of the stars of each bin.
    tau_screen, tau_birth : ndarray, shape (n,)
        V-band optical depths of Charlot & Fall (2000).
    velocity_kms : ndarray, shape (n,)
        Line-of-sight velocity relative to the galaxy.
    """

    surface_density: np.ndarray
    mass_fraction: np.ndarray
    log_z_solar: np.ndarray
    tau_screen: np.ndarray
    tau_birth: np.ndarray
    velocity_kms: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """Metal mass fraction, shape (n, n_age)."""
        return Z_SUN * 10.0**self.log_z_solar


def places_in_disc(
    east_arcsec: np.ndarray, north_arcsec: np.ndarray, config: SimulatedGalaxyConfig
) -> Geometry:
    """Return the places in the simulated disc that offsets on the sky show.

    Parameters
    ----------
    east_arcsec, north_arcsec : ndarray
        Offsets from the centre.
    config : SimulatedGalaxyConfig
        Orientation and effective radius.

    Returns
    -------
    Geometry
    """
    major, minor = deproject(
        east_arcsec,
        north_arcsec,
        position_angle_deg=config.position_angle_deg,
        inclination_deg=config.inclination_deg,
    )
    return Geometry(np.hypot(major, minor) / config.effective_radius_arcsec, np.arctan2(minor, major))


def disc_history(geometry: Geometry, age_edges_yr: np.ndarray, config: SimulatedGalaxyConfig) -> DiscHistory:
    """Return histories, dust and velocity for places in the disc.

    ASSUME: an exponential disc that formed inside out. The star-formation rate is T exp(-T / tau) since 13 Gyr ago,
    tau from 1.5 Gyr in the centre to 8 Gyr beyond 1.5 effective radii; in the last 300 Myr it is raised in two spiral
    arms and lowered between them. [M/H] today falls by 0.3 dex per effective radius from +0.15 and was 0.7 dex lower at
    the start. Dust thins outward and follows the arms. Rotation is flat with a rise over a fifth of the effective radius.

    Parameters
    ----------
    geometry : Geometry
        Places, arrays of one shape that is flattened.
    age_edges_yr : ndarray, shape (n_age + 1,)
        Edges of the age bins of the library, ascending from 0.
    config : SimulatedGalaxyConfig
        Mass, size, inclination and rotation.

    Returns
    -------
    DiscHistory
    """
    radius, angle = geometry.radius.ravel(), geometry.angle.ravel()
    soft = np.hypot(radius, _SOFTENING)
    arm = np.cos(arm_phase(radius, angle))
    tau_yr = 1e9 * (1.5 + 6.5 * np.clip(radius / 1.5, 0, 1))
    fraction = _delayed_fractions(tau_yr, age_edges_yr)
    middle = 0.5 * (age_edges_yr[1:] + age_edges_yr[:-1])
    recent = np.where(middle < _RECENT_YR, 1.0, 0.0)
    fraction = fraction * (1 + recent * (np.exp(0.9 * arm)[:, None] * 1.2 - 1))
    fraction /= fraction.sum(axis=1, keepdims=True)
    today = 0.15 - 0.3 * radius
    log_z = today[:, None] - 0.7 * np.clip(middle / _START_YR, 0, 1)
    screen = (0.45 * np.exp(-radius / 2.0)) * (1 + 0.4 * arm)
    # Scale length of a disc whose half-mass radius is the effective radius: r_e = 1.678 h (Sersic index 1).
    scale = config.effective_radius_arcsec / 1.678
    # Projection packs the same mass into less sky: 1 / cos(i).
    cosine = np.cos(np.deg2rad(config.inclination_deg))
    centre = 10**config.log_mass_msun / (2 * np.pi * scale**2) / cosine
    rotation = config.velocity_amplitude_kms * np.tanh(radius / 0.2)
    return DiscHistory(
        surface_density=centre * np.exp(-1.678 * soft),
        mass_fraction=fraction,
        log_z_solar=log_z,
        tau_screen=screen,
        tau_birth=np.full(radius.size, 1.0),
        velocity_kms=rotation * np.cos(angle) * np.sin(np.deg2rad(config.inclination_deg)),
    )


def arm_phase(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return the phase of the spiral at places in the disc: its cosine is 1 on an arm and -1 between two.

    Parameters
    ----------
    radius, angle : ndarray
        In effective radii and radians, as in `Geometry`.

    Returns
    -------
    ndarray
    """
    return _N_ARMS * (angle - np.log(np.hypot(radius, _SOFTENING)) / np.tan(np.deg2rad(_PITCH_DEG)))


def _delayed_fractions(tau_yr: np.ndarray, age_edges_yr: np.ndarray) -> np.ndarray:
    # Mass formed before the time T since the start, from the integral of T exp(-T / tau).
    time = np.clip(_START_YR - age_edges_yr, 0, None)[None, :] / tau_yr[:, None]
    formed = 1 - (1 + time) * np.exp(-time)
    return np.clip(formed[:, :-1] - formed[:, 1:], 0, None)
