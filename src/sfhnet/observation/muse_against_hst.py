"""HST fluxes as the MUSE spectrum would have them: do the two instruments agree?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sfhnet.observation.band_weights import MIN_SHARE, curve_of

# Response beyond the spectrum is extended from so much of its ends.
_END_AA = 300.0
# Disagreement beyond this many errors and this share is flagged: calibrations of MUSE and HST differ by up to 5 %.
_MAX_SIGMA, _MAX_SHARE = 3.0, 0.10
_EXTENSION_ERROR = 0.1


def synthetic_bands(
    wave_aa: np.ndarray,
    flux: np.ndarray,
    good: np.ndarray,
    *,
    curves: Mapping[str, Any],
    names: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate spectra over bands, photon weighted: all that was observed, whatever the training grid holds of it.

    Masked pixels are interpolated. Where the response reaches beyond the spectrum, a straight line through its last
    300 Angstrom stands in.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Observed wavelengths, as bands are fixed there.
    flux, good : ndarray, shape (n, n_wave)
        Observed f_lambda; True where good.
    curves : mapping of str to curve
        Band -> (wave_aa, response) or an object with these attributes, photon counting.
    names : tuple of str
        Bands in the order wanted.

    Returns
    -------
    flux : ndarray, shape (n, n_band)
        Mean f_lambda in the unit of ``flux``; NaN where less than 70 % of the response lies on the spectrum.
    share : ndarray, shape (n, n_band)
        Share of the response on the spectrum.
    """
    n = len(flux)
    result, share = np.full((n, len(names)), np.nan), np.zeros((n, len(names)))
    for i in range(n):
        use = good[i]
        if use.sum() < 0.5 * use.size:
            continue
        own_wave, own_flux = wave_aa[use], flux[i][use].astype(float)
        for column, name in enumerate(names):
            if name not in curves:
                continue
            band_wave, response = curve_of(curves[name])
            fine = np.arange(band_wave[0], band_wave[-1], wave_aa[1] - wave_aa[0])
            weight = np.interp(fine, band_wave, response) * fine
            inside = (fine >= own_wave[0]) & (fine <= own_wave[-1])
            share[i, column] = weight[inside].sum() / weight.sum()
            if share[i, column] < MIN_SHARE:
                continue
            values = np.interp(fine, own_wave, own_flux)
            for outside, near in (
                (fine < own_wave[0], own_wave < own_wave[0] + _END_AA),
                (fine > own_wave[-1], own_wave > own_wave[-1] - _END_AA),
            ):
                if outside.any():
                    values[outside] = np.polynomial.Polynomial.fit(own_wave[near], own_flux[near], 1)(
                        fine[outside]
                    )
            result[i, column] = (values * weight).sum() / weight.sum()
    return result, share


def disagree(
    synthetic: np.ndarray,
    share: np.ndarray,
    band_flux: np.ndarray,
    *,
    band_sigma: np.ndarray,
    band_mask: np.ndarray,
) -> np.ndarray:
    """Find the bins in which MUSE and HST fluxes disagree.

    Parameters
    ----------
    synthetic, share : ndarray, shape (n, n_band)
        From `synthetic_bands`.
    band_flux, band_sigma, band_mask : ndarray, shape (n, n_band)
        What HST measured.

    Returns
    -------
    ndarray of bool, shape (n,)
        True where a band differs by more than 10 % and more than three errors; what had to be extended beyond the
        spectrum counts as uncertain by 10 %.
    """
    both = band_mask & np.isfinite(synthetic)
    difference = np.where(both, synthetic - band_flux, 0.0)
    error = np.hypot(band_sigma, _EXTENSION_ERROR * (1 - share) * np.abs(band_flux))
    far = np.abs(difference) > np.maximum(_MAX_SIGMA * error, _MAX_SHARE * np.abs(band_flux))
    return (far & both).any(axis=1)
