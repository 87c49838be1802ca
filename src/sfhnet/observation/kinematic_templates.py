"""Stellar populations as templates of a kinematic fit: shifted and broadened in Fourier space on a log grid."""

from __future__ import annotations

import numpy as np

from pyprospect.constants import FWHM_PER_SIGMA
from pyprospect.stars.library import SSPLibrary
from sfhnet.observation.resample import kernel, pixel_edges

# ASSUME: six ages and three metallicities span what matters for velocities; the polynomial takes the rest.
_TEMPLATE_AGES_YR = (1e7, 6e7, 2.5e8, 1e9, 3e9, 1e10)
_TEMPLATE_LOG_Z = (-0.7, 0.0, 0.25)
_PAD_AA = 120.0


class KinematicTemplates:
    """Templates at the resolution of the spectra, on a grid even in log wavelength.

    Parameters
    ----------
    ssp : SSPLibrary
        Stellar populations, air wavelengths.
    rest_aa : ndarray, shape (n_native,)
        Rest-frame wavelengths of the pixels of the spectra inside the window.
    fwhm_aa : ndarray, shape (n_native,)
        Resolution of the spectra there, in the rest frame.
    log_edges : ndarray, shape (n_log + 1,)
        Edges of the grid, natural log of Angstrom, evenly spaced.
    log_step : float
        Their spacing.
    """

    def __init__(
        self,
        ssp: SSPLibrary,
        rest_aa: np.ndarray,
        fwhm_aa: np.ndarray,
        *,
        log_edges: np.ndarray,
        log_step: float,
    ) -> None:
        self.n_log = log_edges.size - 1
        self.pad = pad = int(np.ceil(np.log1p(_PAD_AA / rest_aa[0]) / log_step))
        wide = np.concatenate(
            [
                log_edges[0] - log_step * np.arange(pad, 0, -1),
                log_edges,
                log_edges[-1] + log_step * np.arange(1, pad + 1),
            ]
        )
        trimmed = ssp.trim(np.exp(wide[0]) - 40, np.exp(wide[-1]) + 40)
        ages = {
            int(np.argmin(np.abs(np.log(np.maximum(trimmed.age_yr, 1.0) / age)))) for age in _TEMPLATE_AGES_YR
        }
        metals = {int(np.argmin(np.abs(trimmed.log_z_solar - value))) for value in _TEMPLATE_LOG_Z}
        spectra = np.array(
            [trimmed.spectra[z, age] for z in sorted(metals) for age in sorted(ages)], dtype=float
        )
        extra_aa = _missing_sigma_aa(trimmed, rest_aa, fwhm_aa, np.exp(0.5 * (wide[1:] + wide[:-1])))
        rebinned = (kernel(pixel_edges(trimmed.wave_aa), np.exp(wide), extra_aa) @ spectra.T).T
        self.n_fft = int(2 ** np.ceil(np.log2(rebinned.shape[1] + 2 * pad)))
        level = np.median(rebinned, axis=1)
        usable = level > 0
        # The spectrum is extended by its end values, so that the Fourier transform does not wrap light around.
        extended = np.pad(
            rebinned[usable] / level[usable, None], ((0, 0), (0, self.n_fft - rebinned.shape[1])), "edge"
        )
        self.spectra_fft = np.fft.rfft(extended, axis=1)
        self.frequency = 2 * np.pi * np.fft.rfftfreq(self.n_fft)

    def columns(self, shift_pixels: float, sigma_pixels: float, active: np.ndarray | slice) -> np.ndarray:
        """Shift and broaden templates.

        Parameters
        ----------
        shift_pixels, sigma_pixels : float
            Shift to the red and Gaussian sigma, in pixels of the grid.
        active : ndarray of int or slice
            Templates to use.

        Returns
        -------
        ndarray, shape (n_log, n_active)
        """
        response = np.exp(-0.5 * (sigma_pixels * self.frequency) ** 2 - 1j * shift_pixels * self.frequency)
        moved = np.fft.irfft(self.spectra_fft[active] * response, n=self.n_fft, axis=1)
        return moved[:, self.pad : self.pad + self.n_log].T


def _missing_sigma_aa(
    ssp: SSPLibrary, rest_aa: np.ndarray, fwhm_aa: np.ndarray, centre_aa: np.ndarray
) -> np.ndarray:
    """Return the Gaussian sigma that brings a library to the resolution of the spectra, shape of ``centre_aa``."""
    own = ssp.fwhm_aa(centre_aa)
    own = np.zeros(centre_aa.size) if own is None else own
    instrument = np.interp(centre_aa, rest_aa, fwhm_aa)
    # The library may be broader than the instrument (MUSE beyond 6800 AA); it cannot be sharpened.
    extra = np.clip(instrument**2 - own**2, 0, None) / FWHM_PER_SIGMA**2
    # Rebinning takes pixels as boxes and so broadens: the data by their pixel, the templates by theirs.
    pixel = np.interp(centre_aa, rest_aa, np.gradient(rest_aa))
    own_pixel = np.interp(centre_aa, ssp.wave_aa, np.gradient(ssp.wave_aa))
    return np.sqrt(np.clip(extra + (pixel**2 - own_pixel**2) / 12, 0, None))
