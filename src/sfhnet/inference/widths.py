"""Velocity and width of spectra against a network's basis: how broad the lines of the stars are, and how well known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pyprospect.constants import C_KMS
from sfhnet.inference.basis import Basis, line_pixels
from sfhnet.observation.medians import good_medians

__all__ = ["WidthFitter", "Widths"]

# Broadenings that are tried, beyond the resolution of the training [km/s].
_GRID_KMS = np.array([0.0, 50.0, 85.0, 120.0, 155.0, 190.0, 230.0, 280.0, 340.0, 420.0, 520.0])
# Templates that the stars are fitted with.
_N_TEMPLATE = 14
# Pixels of the running mean that takes off the continuum: 125 AA.
_HALF = 50
# Spectra that are fitted together: bounds the memory.
_ROWS = 64
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
        flat = _filtered(rows[0], np.broadcast_to(self._stars, rows[0].shape))
        left, _, _ = np.linalg.svd(flat, full_matrices=False)
        chosen = left[:, :_N_TEMPLATE].T @ rows  # (n_grid, n_template, n_wave)
        stars = np.broadcast_to(self._stars, chosen[0].shape)
        templates = np.array([_filtered(one, stars) for one in chosen])
        self._templates = templates[:, :, self._step].astype(np.float32)  # (n_grid, n_template, n_pixel)
        # A shift of one km/s.
        slope = np.gradient(templates, axis=2) * (wave / np.gradient(wave) / C_KMS)
        self._slopes = slope[:, :, self._step].astype(np.float32)
        self._n_template = templates.shape[1]  # of a network with few components fewer
        self._row, self._column = np.triu_indices(self._n_template)

    @cached_property
    def _products(self) -> np.ndarray:
        """Products of each two templates of a width, pixel by pixel, (n_grid * n_pair, n_pixel)."""
        pairs = self._templates[:, self._row] * self._templates[:, self._column]
        return pairs.reshape(-1, pairs.shape[2])

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
        good = mask & self._stars
        level = good_medians(flux.astype(float), good, empty=0.0)
        rows = np.flatnonzero((good.sum(axis=1) >= 2 * _LEAST_PIXELS) & (level > 0))
        found = np.tile([0.0, np.nan, np.nan, np.nan], (len(flux), 1))
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            over = level[some, None]
            found[some] = self._some(flux[some] / over, sigma[some] / over, good[some])
        return Widths(*found.T)

    def _some(self, flux: np.ndarray, sigma: np.ndarray, good: np.ndarray) -> np.ndarray:
        """Return velocity, its error, square of the width and its error, (n, 4)."""
        data = _filtered(flux, good)[:, self._step]
        used = good[:, self._step]
        # Half of the pixels stand for all.
        spread = np.where(used, sigma[:, self._step], 1.0)
        weight = np.where(used, 2.0 / (spread**2 + _TEMPLATE_ERROR**2), 0.0) / _SHARED_NOISE
        n, n_grid = len(data), len(_GRID_KMS)
        sums = (weight.astype(np.float32) @ self._products.T).reshape(n, n_grid, -1)
        gram = np.empty((n, n_grid, self._n_template, self._n_template))
        gram[:, :, self._row, self._column] = gram[:, :, self._column, self._row] = sums
        diagonal = np.arange(self._n_template)
        gram[:, :, diagonal, diagonal] *= 1 + 1e-6
        flat = self._templates.reshape(-1, data.shape[1])
        right = ((weight * data).astype(np.float32) @ flat.T).reshape(n, n_grid, -1).astype(float)
        amplitudes = np.linalg.solve(gram, right[..., None])[..., 0]
        chi2 = (weight * data**2).sum(axis=1)[:, None] - (amplitudes * right).sum(axis=2)
        best = chi2.argmin(axis=1)
        freedom = np.maximum(used.sum(axis=1) - self._n_template, 1)
        scale = np.maximum(chi2.min(axis=1) / freedom, 1.0)
        velocities = (
            self._velocity(data[i], weight[i], amplitudes[i, k], int(k)) for i, k in enumerate(best)
        )
        return np.array(
            [
                (velocity, variance_root * np.sqrt(scale[i]), *_minimum(_GRID_KMS, chi2[i] / scale[i]))
                for i, (velocity, variance_root) in enumerate(velocities)
            ]
        )

    def _velocity(
        self, data: np.ndarray, weight: np.ndarray, amplitude: np.ndarray, of_grid: int
    ) -> tuple[float, float]:
        """Return the velocity and its error for residuals of one, both in km/s."""
        slope = amplitude @ self._slopes[of_grid]
        joint = np.concatenate([self._templates[of_grid], slope[None]]).astype(float)
        gram = (joint * weight) @ joint.T
        gram[np.diag_indices_from(gram)] *= 1 + 1e-6
        inverse = np.linalg.inv(gram)
        return -float((inverse @ (joint @ (weight * data)))[-1]), float(np.sqrt(inverse[-1, -1]))


def _filtered(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Subtract the running mean of the good pixels, (n, n_wave); zero where none is good."""

    def summed(rows: np.ndarray) -> np.ndarray:
        total = np.cumsum(np.pad(rows, ((0, 0), (_HALF + 1, _HALF))), axis=1)
        return total[:, 2 * _HALF + 1 :] - total[:, : -2 * _HALF - 1]

    count = summed(good.astype(float))
    return np.where(good, values - summed(np.where(good, values, 0.0)) / np.where(count > 0, count, 1.0), 0.0)


def _minimum(sigma_kms: np.ndarray, chi2: np.ndarray) -> tuple[float, float]:
    """Return where chi-square is least and the standard deviation, both of the square of the width."""
    best = int(np.clip(chi2.argmin(), 1, len(chi2) - 2))
    near = slice(best - 1, best + 2)
    x = sigma_kms[near] ** 2
    a, b, _ = np.polyfit(x - x[1], chi2[near] - chi2[best], 2)
    if a <= 0:
        return np.nan, np.nan
    return float(np.clip(x[1] - b / (2 * a), -(sigma_kms[3] ** 2), sigma_kms[-1] ** 2)), float(a**-0.5)
