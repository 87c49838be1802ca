"""Spectra as they were observed, on their own wavelength axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Observed:
    """Spectra on their own wavelength axis.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Observed air wavelengths.
    fwhm_aa : ndarray, shape (n_wave,), or None
        Resolution of the instrument, if it is known.
    flux, variance : ndarray, shape (n, n_wave)
        f_lambda, free of Milky-Way extinction, and its variance.
    good : ndarray of bool, shape (n, n_wave)
        Good pixels.
    """

    wave_aa: np.ndarray
    fwhm_aa: np.ndarray | None
    flux: np.ndarray
    variance: np.ndarray
    good: np.ndarray


def median_snr(flux: np.ndarray, variance: np.ndarray, good: np.ndarray) -> float:
    """Return the median signal-to-noise per pixel of one spectrum; 0 where no pixel is good.

    Parameters
    ----------
    flux, variance : ndarray, shape (n_wave,)
        Spectrum and its variance.
    good : ndarray of bool, shape (n_wave,)
        Pixels to use.

    Returns
    -------
    float
    """
    return float(np.median(flux[good] / np.sqrt(variance[good]))) if good.any() else 0.0
