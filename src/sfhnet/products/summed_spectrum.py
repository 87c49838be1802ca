"""The sum of a galaxy's bins as one spectrum: what an observer of the whole galaxy would have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sfhnet.core.flags import UNUSABLE, Flag
from sfhnet.core.quantities import SNR_WINDOW_AA
from sfhnet.core.spectra import Spectra

__all__ = ["summed_spectrum"]

# A pixel of the sum counts when this share of the galaxy's light has it; the bins that lack it are made up for by scaling.
_MIN_SHARE = 0.8


def summed_spectrum(spectra: Spectra, bins: Sequence[int] | None = None) -> Spectra:
    """Sum the prepared spectra of a galaxy, or of some of its bins.

    Every bin is at rest and at the training resolution already, so that the sum is as well. Pixels that some bins lack are
    scaled by the light that is there. ASSUME: the errors of the bins are independent (bins share no spaxel, and noise that
    neighbours share was put into each bin's error).

    Parameters
    ----------
    spectra : Spectra
        Bins with a usable spectrum are summed.
    bins : sequence of int, optional
        Which of them; all by default.

    Returns
    -------
    Spectra
        One spectrum, without a map.

    Raises
    ------
    ValueError
        If no bin is usable.
    """
    window = (spectra.wave_aa >= SNR_WINDOW_AA[0]) & (spectra.wave_aa <= SNR_WINDOW_AA[1])
    shown = np.where(spectra.mask[:, window], spectra.flux[:, window], np.nan)
    enough = spectra.mask[:, window].mean(axis=1) > 0.5
    light = np.zeros(spectra.n)
    light[enough] = np.nanmedian(shown[enough], axis=1)
    good = ((spectra.flags & np.uint32(UNUSABLE)) == 0) & (light > 0)
    if bins is not None:
        good &= np.isin(np.arange(spectra.n), bins)
    if not good.any():
        raise ValueError(f"{spectra.galaxy}: no bin has a usable spectrum to sum")
    light = np.where(good, light, 0.0)
    total = light.sum()
    mask = spectra.mask & good[:, None]
    share = light @ mask / total
    there = share >= _MIN_SHARE
    scale = np.where(there, 1 / np.maximum(share, 1e-9), 0.0)
    flux = np.where(mask, spectra.flux, 0.0).sum(axis=0, dtype=float) * scale
    sigma = np.sqrt((np.where(mask, spectra.sigma, 0.0).astype(float) ** 2).sum(axis=0)) * scale
    band_flux, band_sigma, band_mask, synthetic = _bands(spectra, good, light)
    weight = light / total
    flags = np.uint32(0)
    if not band_mask.all():
        flags |= np.uint32(Flag.MISSING_BANDS)

    def mean(values: np.ndarray) -> np.ndarray:
        """Return the light-weighted mean of what is a property of one place, shape (1,)."""
        return np.array([weight[good] @ values[good]])

    return replace(
        spectra,
        flux=flux[None],
        sigma=np.where(there, sigma, 1.0)[None],
        mask=there[None],
        band_flux=band_flux[None],
        band_sigma=band_sigma[None],
        band_mask=band_mask[None],
        band_synthetic=synthetic[None],
        snr=np.array([np.median(flux[there] / sigma[there]) if there.any() else 0.0]),
        area_arcsec2=np.array([spectra.area_arcsec2[good].sum()]),
        flags=np.array([flags]),
        bin_map=np.zeros((1, 1), dtype=np.int32),
        wcs_header="",
        white=np.full((1, 1), np.nan, dtype=np.float32),
        meta=spectra.meta | {"summed_bins": int(good.sum())},
        truth={},
        redshift=mean(spectra.redshift),
        velocity_kms=mean(spectra.velocity_kms),
        velocity_err_kms=np.full(1, np.nan),
        sigma_kms=mean(spectra.sigma_kms),
        sigma_err_kms=np.full(1, np.nan),
        x_arcsec=mean(spectra.x_arcsec),
        y_arcsec=mean(spectra.y_arcsec),
        smoothing_aa=mean(spectra.smoothing_aa),
        noise_scale=mean(spectra.noise_scale),
    )


def _bands(
    spectra: Spectra, good: np.ndarray, light: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    measured = spectra.band_mask & good[:, None]
    share = light @ measured / light.sum()
    there = share >= _MIN_SHARE
    scale = np.where(there, 1 / np.maximum(share, 1e-9), 0.0)
    flux = np.where(measured, spectra.band_flux, 0.0).sum(axis=0) * scale
    # The floor of the bands' errors is a zero point, which all bins share: relative errors do not average down.
    relative = np.where(measured, spectra.band_sigma, 0.0).sum(axis=0) * scale
    synthetic = np.where(measured, np.asarray(spectra.band_synthetic), 0.0).sum(axis=0) * scale
    synthetic = np.where(there & np.isfinite(synthetic) & (synthetic > 0), synthetic, np.nan)
    return np.where(there, flux, 0.0), np.where(there, relative, 1.0), there, synthetic
