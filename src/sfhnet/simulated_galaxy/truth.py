"""The true maps of the simulated galaxy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import gaussian_filter

from pyprospect.constants import FWHM_PER_SIGMA, V_WINDOW_AA
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.numerics.age_bins import rebin_matrix
from pyprospect.stars.library import SSPLibrary
from sfhnet.config import SimulatedGalaxyConfig
from sfhnet.core.histories import mean_log_age
from sfhnet.simulated_galaxy.clusters import Clusters
from sfhnet.simulated_galaxy.disc import DiscHistory
from sfhnet.tools.hdf5 import atomic_write

__all__ = ["write_truth"]

_V_GRID_AA = np.linspace(*V_WINDOW_AA, 21)
# Layers of the truth that are sums over stars, and their units.
_TRUE_SUMS = {
    "MASS_FORMED": "Msun per spaxel and age bin",
    "MASS_X_MH": "Msun dex per spaxel and age bin",
    "MASS_X_LOGAGE": "Msun log10(yr)",
    "VLIGHT_X_LOGAGE": "Lsun/Angstrom log10(yr)",
    "VLIGHT_X_MH": "Lsun/Angstrom dex",
    "V_CLEAR": "Lsun/Angstrom at 5500 Angstrom, stars, without dust",
    "V_DUSTY": "Lsun/Angstrom at 5500 Angstrom, stars, with dust",
}


def write_truth(
    path: Path,
    disc: DiscHistory,
    clusters: Clusters,
    ssp: SSPLibrary,
    *,
    age_edges_yr: np.ndarray,
    wcs: WCS,
    config: SimulatedGalaxyConfig,
) -> None:
    """Write the true maps, as the cube's point-spread function shows them.

    Parameters
    ----------
    path : Path
        FITS file to write.
    disc : DiscHistory
        The disc at each spaxel.
    clusters : Clusters
        What shines on it.
    ssp : SSPLibrary
        Stars.
    age_edges_yr : ndarray
        Edges of the age bins of the truth.
    wcs : WCS
        Of the map.
    config : SimulatedGalaxyConfig
        Spaxels and point-spread function.
    """
    n = config.n_spaxels
    width = config.psf_fwhm_arcsec / FWHM_PER_SIGMA / config.spaxel_arcsec
    # The last bin holds all that is older; the disc has nothing older than 13 Gyr.
    edges_yr = np.append(age_edges_yr[:-1], max(age_edges_yr[-1], ssp.age_edges_yr[-1]))
    rebin = rebin_matrix(ssp.age_edges_yr, edges_yr)
    synthesizer = Synthesizer(ssp, _V_GRID_AA, veldisp_kms=(150.0,))
    mass = disc.surface_density * config.spaxel_arcsec**2
    # What light from elsewhere the point-spread function brings is part of what is observed.
    maps = {
        name: gaussian_filter(values.T.reshape(-1, n, n), sigma=(0, width, width), mode="nearest")
        for name, values in _sums(disc, mass, ssp, synthesizer, rebin).items()
    }
    if clusters.mass_msun.size:
        share = clusters.footprints(wcs, n, config.spaxel_arcsec, config.psf_fwhm_arcsec)
        for name, values in _sums(clusters.stars, clusters.mass_msun, ssp, synthesizer, rebin).items():
            maps[name] += (values.T @ share).reshape(maps[name].shape)
    layers = {
        name: (maps[name] if name in ("MASS_FORMED", "MASS_X_MH") else maps[name][0], unit)
        for name, unit in _TRUE_SUMS.items()
    }
    layers["VELOCITY"] = (disc.velocity_kms.reshape(n, n), "km/s")
    header = wcs.to_header()
    hdus = [fits.PrimaryHDU(header=fits.Header([("CONTENT", "true maps of the simulated galaxy")]))]
    for name, (values, unit) in layers.items():
        hdu = fits.ImageHDU(values.astype(np.float32), header, name=name)
        hdu.header["BUNIT"] = unit
        hdus.append(hdu)
    edges = fits.BinTableHDU.from_columns(
        [fits.Column("AGE_EDGES", "D", unit="yr", array=age_edges_yr)], name="AGES"
    )
    with atomic_write(path) as partial:
        fits.HDUList([*hdus, edges]).writeto(partial, checksum=True)


def _sums(
    stars: DiscHistory, mass_msun: np.ndarray, ssp: SSPLibrary, synthesizer: Synthesizer, rebin: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the sums of which the truth is made for each place, shape (n, n_age or 1)."""
    mass = stars.mass_fraction * mass_msun[:, None]
    log_age = mean_log_age(ssp.age_edges_yr)
    cells = synthesizer.weights(*(torch.as_tensor(values, dtype=torch.float32) for values in (mass, stars.z)))
    v_light = (cells * synthesizer.v_light).sum(dim=1).numpy().astype(float)
    young = v_light @ synthesizer.young_share.numpy().astype(float)
    clear = v_light.sum(axis=1)
    return {
        "MASS_FORMED": mass @ rebin,
        "MASS_X_MH": (mass * stars.log_z_solar) @ rebin,
        "MASS_X_LOGAGE": (mass @ log_age)[:, None],
        "VLIGHT_X_LOGAGE": (v_light @ log_age)[:, None],
        "VLIGHT_X_MH": (v_light * stars.log_z_solar).sum(axis=1)[:, None],
        "V_CLEAR": clear[:, None],
        "V_DUSTY": ((clear - young * (1 - np.exp(-stars.tau_birth))) * np.exp(-stars.tau_screen))[:, None],
    }
