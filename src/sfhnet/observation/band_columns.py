"""Band fluxes of bins as the network takes them, beside the spectra on the training grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfhnet.config import GalaxiesConfig
from sfhnet.observation.hst_photometry import BandFluxes
from sfhnet.observation.milky_way_extinction import attenuation_mag


@dataclass(frozen=True)
class BandColumns:
    """Bands of bins in the rest frame, shape (n, n_band) each; see the fields of `Spectra` that begin with ``band``.

    Parameters
    ----------
    flux, sigma : ndarray
        Band-averaged f_lambda in the unit of the spectra, times 1 + z, and its error; 0 and 1 where masked.
    mask : ndarray of bool
        True where the band was measured over enough of the bin.
    synthetic : ndarray
        What the bands would measure on the spectrum; NaN where they reach too far beyond it.
    """

    flux: np.ndarray
    sigma: np.ndarray
    mask: np.ndarray
    synthetic: np.ndarray


def band_columns(
    fluxes: BandFluxes,
    synthetic: np.ndarray,
    redshift: np.ndarray,
    *,
    ebv: float,
    unit_cgs: float,
    config: GalaxiesConfig,
) -> BandColumns:
    """Bring fluxes as HST measured them to the rest frame: no Milky-Way extinction, the unit of the spectra, honest errors.

    Parameters
    ----------
    fluxes : BandFluxes
        From `sfhnet.observation.hst_photometry.measure_bands`.
    synthetic : ndarray, shape (n, n_band)
        From `sfhnet.observation.muse_against_hst.synthetic_bands`, times 1 + z.
    redshift : ndarray, shape (n,)
        Redshifts of the bins.
    ebv : float
        Milky-Way E(B-V) in mag (Schlafly & Finkbeiner 2011).
    unit_cgs : float
        erg/s/cm2/Angstrom per unit of the spectra.
    config : GalaxiesConfig
        Extinction law, floor of the errors, least coverage.

    Returns
    -------
    BandColumns
    """
    known = np.isfinite(fluxes.pivot_aa)
    factor = np.ones(fluxes.pivot_aa.size)
    factor[known] = 10 ** (0.4 * attenuation_mag(fluxes.pivot_aa[known], ebv, config.extinction_law))
    scale = factor[None, :] * (1 + redshift)[:, None] / unit_cgs
    flux = fluxes.flux * scale
    sigma = np.hypot(fluxes.sigma * scale, config.band_error_floor * flux)
    mask = np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0)
    mask &= (fluxes.coverage >= config.min_coverage) & known
    return BandColumns(
        flux=np.where(mask, flux, 0.0), sigma=np.where(mask, sigma, 1.0), mask=mask, synthetic=synthetic
    )


def no_bands(n_band: int) -> BandColumns:
    """Return the bands of one spectrum of which none was measured, shape (1, n_band)."""
    shape = (1, n_band)
    return BandColumns(
        flux=np.zeros(shape),
        sigma=np.ones(shape),
        mask=np.zeros(shape, dtype=bool),
        synthetic=np.full(shape, np.nan),
    )
