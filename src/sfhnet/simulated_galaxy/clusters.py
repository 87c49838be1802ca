"""Star clusters and HII regions of the simulated galaxy: points of light on its arms, which registration needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from astropy.wcs import WCS
from scipy.special import erf

from pyprospect.constants import FWHM_PER_SIGMA
from sfhnet.config import SimulatedGalaxyConfig
from sfhnet.simulated_galaxy.disc import DiscHistory, arm_phase, disc_history, places_in_disc

__all__ = ["Clusters", "draw_clusters"]

# ASSUME: masses as dN/dM ~ M^-2, ages even in their logarithm; the young ones ionise their gas. 60 of them hold about a tenth of
# what the disc forms in 100 Myr.
_MASS_MSUN, _AGE_YR = (3e4, 1e6), (2e6, 3e8)
# Where they are: this far out, in effective radii, no nearer (the noise is that of the centre's light) and no further.
_SCALE, _NEAREST, _FURTHEST = 0.5, 0.25, 1.6


@dataclass(frozen=True)
class Clusters:
    """Clusters of the simulated galaxy.

    Parameters
    ----------
    east_arcsec, north_arcsec : ndarray, shape (n,)
        Offsets from the centre.
    mass_msun : ndarray, shape (n,)
        Mass formed.
    stars : DiscHistory
        Ages, metals, dust and velocity of each; its surface density has no meaning.
    """

    east_arcsec: np.ndarray
    north_arcsec: np.ndarray
    mass_msun: np.ndarray
    stars: DiscHistory

    def footprints(self, wcs: WCS, n_pixels: int, pixel_arcsec: float, fwhm_arcsec: float) -> np.ndarray:
        """Return the share of each cluster's light that falls into each pixel of a map.

        Parameters
        ----------
        wcs : WCS
            Of the map, from `sfhnet.simulated_galaxy.observe.map_wcs`.
        n_pixels : int
            Pixels along each side.
        pixel_arcsec, fwhm_arcsec : float
            Pixel, and FWHM of the Gaussian point-spread function.

        Returns
        -------
        ndarray, shape (n, n_pixels**2)
        """
        x, y = np.linalg.solve(wcs.wcs.cd, np.stack([self.east_arcsec, self.north_arcsec]) / 3600)
        width = np.sqrt(2) * fwhm_arcsec / FWHM_PER_SIGMA / pixel_arcsec
        edges = np.arange(n_pixels + 1) - 0.5

        def share(place: np.ndarray) -> np.ndarray:
            return np.diff(0.5 * erf((edges[None, :] - place[:, None]) / width), axis=1)

        along_x, along_y = share(x + wcs.wcs.crpix[0] - 1), share(y + wcs.wcs.crpix[1] - 1)
        return (along_y[:, :, None] * along_x[:, None, :]).reshape(len(x), -1)


def draw_clusters(
    config: SimulatedGalaxyConfig, age_edges_yr: np.ndarray, rng: np.random.Generator
) -> Clusters:
    """Draw clusters on the arms of the disc.

    Parameters
    ----------
    config : SimulatedGalaxyConfig
        Their number, and the disc.
    age_edges_yr : ndarray, shape (n_age + 1,)
        Edges of the age bins of the library.
    rng : Generator

    Returns
    -------
    Clusters
    """
    n = config.n_clusters
    radius, angle = np.empty(0), np.empty(0)
    while radius.size < n:
        r, a = rng.exponential(_SCALE, 4 * n + 8), rng.uniform(0, 2 * np.pi, 4 * n + 8)
        kept = (r > _NEAREST) & (r < _FURTHEST) & (np.cos(arm_phase(r, a)) > rng.uniform(-1, 1, r.size))
        radius, angle = np.append(radius, r[kept])[:n], np.append(angle, a[kept])[:n]
    major = config.effective_radius_arcsec * radius * np.cos(angle)
    minor = (
        config.effective_radius_arcsec * radius * np.sin(angle) * np.cos(np.deg2rad(config.inclination_deg))
    )
    turn = np.deg2rad(config.position_angle_deg)
    east, north = major * np.sin(turn) + minor * np.cos(turn), major * np.cos(turn) - minor * np.sin(turn)
    low, high = _MASS_MSUN
    mass = 1 / (1 / low - rng.random(n) * (1 / low - 1 / high))
    age_yr = np.exp(rng.uniform(np.log(_AGE_YR[0]), np.log(_AGE_YR[1]), n))
    disc = disc_history(places_in_disc(east, north, config), age_edges_yr, config)
    fraction = np.zeros_like(disc.mass_fraction)
    which = np.clip(np.searchsorted(age_edges_yr, age_yr, side="right") - 1, 0, len(age_edges_yr) - 2)
    fraction[np.arange(n), which] = 1.0
    return Clusters(east, north, mass, replace(disc, mass_fraction=fraction))
