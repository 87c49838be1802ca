"""Velocity and width of spectra against a network's basis: how broad the lines of the stars are, and how well known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyprospect.constants import C_KMS
from sfhnet.inference.basis import Basis, line_pixels

__all__ = ["WidthFitter", "Widths"]

# Broadenings that are tried, beyond the resolution of the training [km/s].
_GRID_KMS = np.array([0.0, 50.0, 85.0, 120.0, 155.0, 190.0, 230.0, 280.0, 340.0, 420.0, 520.0])
# Templates that the stars are fitted with.
_N_TEMPLATE = 14
# Pixels of the running mean that takes off the continuum: 125 AA.
_HALF = 50
# Pixels a fit needs.
_LEAST_PIXELS = 150
# Spectra broadened to the training resolution have noise that neighbours share: chi-square would change too fast by this.
_SHARED_NOISE = 1.0
# ASSUME: a template is no better than this share of the flux.
_TEMPLATE_ERROR = 0.008
# Standard deviation of ln(width) in the prior: a factor of two.
_PRIOR_WIDTH = 0.7


@dataclass(frozen=True)
class Widths:
    """Velocity and extra width of n spectra.

    Parameters
    ----------
    velocity_kms, velocity_err_kms : ndarray (n,)
        Against the rest frame that they were brought to.
    square, square_err : ndarray (n,)
        Square of the Gaussian broadening beyond the training resolution [km2/s2]; NaN where it cannot be told.
    """

    velocity_kms: np.ndarray
    velocity_err_kms: np.ndarray
    square: np.ndarray
    square_err: np.ndarray

    def sigma_kms(self, typical_kms: float) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the width itself, (n,) each, under a broad lognormal prior.

        Parameters
        ----------
        typical_kms : float
            Its median; where a spectrum tells nothing, that is the answer.
        """
        sigma = np.geomspace(5.0, 600.0, 160)
        log_prior = -0.5 * (np.log(sigma / typical_kms) / _PRIOR_WIDTH) ** 2
        off = (sigma**2 - self.square[:, None]) / self.square_err[:, None]
        log_p = log_prior - 0.5 * np.nan_to_num(off) ** 2
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        mean = p @ sigma
        return mean, np.sqrt(np.maximum(p @ sigma**2 - mean**2, 0.0))


class WidthFitter:
    """Fit width and velocity of spectra that are broader than the training spectra, or as broad.

    Parameters
    ----------
    basis : Basis
        Of the network.
    """

    def __init__(self, basis: Basis) -> None:
        wave = basis.grid.wave_aa
        self._stars = ~line_pixels(wave)
        self._step = slice(None, None, 2)
        rows = np.array([basis.broadened(sigma) for sigma in _GRID_KMS])  # (n_grid, 1 + n_component, n_wave)
        flat = np.array([self._filtered(row, self._stars) for row in rows[0]])
        left, _, _ = np.linalg.svd(flat, full_matrices=False)
        chosen = left[:, :_N_TEMPLATE].T
        templates = np.array([[self._filtered(row, self._stars) for row in chosen @ one] for one in rows])
        self._templates = templates[:, :, self._step].astype(np.float32)  # (n_grid, n_template, n_pixel)
        # A shift of one km/s.
        slope = np.gradient(templates, axis=2) * (wave / np.gradient(wave) / C_KMS)
        self._slopes = slope[:, :, self._step].astype(np.float32)

    def _filtered(self, values: np.ndarray, good: np.ndarray) -> np.ndarray:
        weight = good.astype(float)
        padded = np.pad(np.stack([weight, weight * values]), ((0, 0), (_HALF + 1, _HALF)))
        total = np.cumsum(padded, axis=1)
        count, summed = total[:, 2 * _HALF + 1 :] - total[:, : -2 * _HALF - 1]
        return np.where(good, values - summed / np.where(count > 0, count, 1.0), 0.0)

    def fit(self, flux: np.ndarray, sigma: np.ndarray, mask: np.ndarray) -> Widths:
        """Fit spectra on the training grid.

        Parameters
        ----------
        flux, sigma : ndarray (n, n_wave)
            Spectra and errors.
        mask : ndarray of bool (n, n_wave)
            True = good.

        Returns
        -------
        Widths
        """
        found = np.array([self._one(*row) for row in zip(flux, sigma, mask, strict=True)])
        return Widths(*found.reshape(len(flux), 4).T)

    def _one(
        self, flux: np.ndarray, sigma: np.ndarray, mask: np.ndarray
    ) -> tuple[float, float, float, float]:
        good = mask & self._stars
        unknown = (0.0, np.nan, np.nan, np.nan)
        level = np.median(flux[good]) if good.sum() >= 2 * _LEAST_PIXELS else 0.0
        if not level > 0:
            return unknown
        data = self._filtered(flux / level, good)[self._step]
        spread = np.where(good, sigma / level, 1.0)[self._step]
        used = good[self._step]
        # Half of the pixels stand for all.
        weight = np.where(used, 2.0 / (spread**2 + _TEMPLATE_ERROR**2), 0.0) / _SHARED_NOISE
        n = int(used.sum())
        chi2 = np.empty(len(_GRID_KMS))
        amplitudes, total = [], float((weight * data**2).sum())
        weighted = (weight * data).astype(np.float32)
        for k, rows in enumerate(self._templates):
            gram = ((rows * weight.astype(np.float32)) @ rows.T).astype(float)
            right = (rows @ weighted).astype(float)
            gram[np.diag_indices_from(gram)] *= 1 + 1e-6
            amplitude = np.linalg.solve(gram, right)
            amplitudes.append(amplitude)
            chi2[k] = total - amplitude @ right
        best = int(chi2.argmin())
        scale = max(chi2[best] / max(n - _N_TEMPLATE, 1), 1.0)
        square, square_err = _minimum(_GRID_KMS, chi2 / scale)
        rows, slope = self._templates[best], amplitudes[best] @ self._slopes[best]
        joint = np.concatenate([rows, slope[None]]).astype(float)
        gram = (joint * weight) @ joint.T
        gram[np.diag_indices_from(gram)] *= 1 + 1e-6
        inverse = np.linalg.inv(gram)
        velocity = -float((inverse @ (joint @ (weight * data)))[-1])
        return velocity, float(np.sqrt(inverse[-1, -1] * scale)), square, square_err


def _minimum(sigma_kms: np.ndarray, chi2: np.ndarray) -> tuple[float, float]:
    """Return where chi-square is least and the standard deviation, both of the square of the width."""
    best = int(np.clip(chi2.argmin(), 1, len(chi2) - 2))
    near = slice(best - 1, best + 2)
    x = sigma_kms[near] ** 2
    a, b, _ = np.polyfit(x - x[1], chi2[near] - chi2[best], 2)
    if a <= 0:
        return np.nan, np.nan
    return float(np.clip(x[1] - b / (2 * a), -(sigma_kms[3] ** 2), sigma_kms[-1] ** 2)), float(a**-0.5)
