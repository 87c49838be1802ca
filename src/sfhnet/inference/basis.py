"""The linear basis of a network as templates: what a galaxy's spectrum can look like, by itself or broadened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from pyprospect.constants import C_KMS
from sfhnet.core import emission_lines
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.networks import Network
from sfhnet.observation.redshift import RedshiftFinder, line_templates
from sfhnet.observation.resample import kernel, pixel_edges

__all__ = ["Basis", "line_pixels"]

_LINE_HALF_AA = 11.0
# Templates of stars that a redshift is found with; four of lines join them.
_N_TEMPLATE = 6
# ASSUME: spectra are no better described than this share of the normalising flux.
_MODEL_ERROR = 0.003
# What line pixels count when those templates are chosen.
_LINE_SHARE = 0.05


@dataclass(frozen=True)
class Basis:
    """Mean spectrum of the mocks and their principal components, over the normalising flux.

    Parameters
    ----------
    grid : TrainingGrid
        Wavelengths and resolution.
    mean : ndarray (n_wave,)
        Mean spectrum.
    components : ndarray (n_component, n_wave)
        Each times its standard deviation among mocks, the largest first.
    """

    grid: TrainingGrid
    mean: np.ndarray
    components: np.ndarray

    @classmethod
    def of(cls, network: Network, grid: TrainingGrid) -> Basis | None:
        """Return the basis of a network; None for one that has none."""
        projection = getattr(getattr(network, "features", network), "projection", None)
        if projection is None:
            return None
        mean, shape, basis = (
            getattr(projection, name).double().cpu().numpy() for name in ("mean", "shape", "basis")
        )
        spread = getattr(projection, "spread", projection.scale).double().cpu().numpy()
        rows = np.concatenate([mean[None], shape * basis * spread[:, None]])
        if rows.shape[1] != grid.wave_aa.size:
            # Some networks look at pairs of pixels.
            even, odd = grid.wave_aa[0::2], np.append(grid.wave_aa[1::2], grid.wave_aa[-1])
            pairs = 0.5 * (even + odd[: len(even)])
            rows = np.array([np.interp(grid.wave_aa, pairs, row) for row in rows])
        return cls(grid, rows[0], rows[1:])

    @cached_property
    def _broadened(self) -> dict[float, np.ndarray]:
        return {}

    @cached_property
    def stars(self) -> np.ndarray:
        """The few templates that describe most of the stars' spectra, (n_template, n_wave)."""
        rows = np.concatenate([self.mean[None], self.components])
        weight = np.where(line_pixels(self.grid.wave_aa), _LINE_SHARE, 1.0)
        smooth = np.array([_smooth(row) for row in rows])
        left, _, _ = np.linalg.svd((rows - smooth) * weight, full_matrices=False)
        return left[:, :_N_TEMPLATE].T @ rows

    @cached_property
    def finder(self) -> RedshiftFinder:
        """Finder of redshifts with these templates and emission lines."""
        lines = line_templates(self.grid.wave_aa, self.grid.sigma_aa)
        return RedshiftFinder(self.grid.wave_aa, self.stars, lines)

    def fit(self, flux: np.ndarray, sigma: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the most probable amplitudes of mean and components.

        Parameters
        ----------
        flux, sigma : ndarray (n, n_wave)
            Over the normalising flux.
        mask : ndarray of bool (n, n_wave)
            True = good.

        Returns
        -------
        ndarray (n, 1 + n_component)
        """
        rows = self._pairs
        # Spectra of the training resolution say nothing between pairs of pixels; in them everything costs half.
        weight = np.where(mask, 1 / (sigma**2 + _MODEL_ERROR**2), 0.0)
        weighted = _paired(weight * np.where(mask, flux, 0.0))
        weight = _paired(weight).astype(np.float32)
        right = weighted @ rows.T.astype(np.float64)
        # Components scatter by one, the level by a tenth about one.
        precision = np.ones(len(rows))
        precision[0] = 100.0
        right[:, 0] += precision[0]
        result = np.empty((len(flux), len(rows)))
        for i, one in enumerate(weight):
            result[i] = _solved(rows, one, precision, right[i])
        return result

    def model(self, amplitudes: np.ndarray) -> np.ndarray:
        """Return the spectra of amplitudes (n, 1 + n_component), (n, n_wave)."""
        return amplitudes[:, :1] * self.mean + amplitudes[:, 1:] @ self.components

    @cached_property
    def _pairs(self) -> np.ndarray:
        rows = np.concatenate([self.mean[None], self.components])
        return (0.5 * _paired(rows)).astype(np.float32)

    def broadened(self, sigma_kms: float) -> np.ndarray:
        """Return mean and components broadened by a velocity dispersion, (1 + n_component, n_wave)."""
        if sigma_kms in self._broadened:
            return self._broadened[sigma_kms]
        rows = np.concatenate([self.mean[None], self.components])
        if sigma_kms <= 0:
            return rows
        wave, edges = self.grid.wave_aa, pixel_edges(self.grid.wave_aa)
        matrix = kernel(edges, edges, wave * sigma_kms / C_KMS)
        total = np.asarray(matrix.sum(axis=1)).ravel()
        self._broadened[sigma_kms] = (matrix @ rows.T).T / np.where(total > 0, total, 1.0)
        return self._broadened[sigma_kms]


def line_pixels(wave_aa: np.ndarray, half_width_aa: float = _LINE_HALF_AA) -> np.ndarray:
    """Return where emission lines are, (n_wave,) bool: rest-frame air wavelengths in AA."""
    return emission_lines.line_pixels(wave_aa, half_width_aa, emission_lines.BESIDE_STARS)


def _solved(rows: np.ndarray, weight: np.ndarray, precision: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve for the amplitudes of one spectrum, in single precision where that is enough."""
    for kind in (np.float32, np.float64):
        wide = rows.astype(kind, copy=False)
        gram = ((wide * weight.astype(kind, copy=False)) @ wide.T).astype(np.float64)
        gram[np.diag_indices_from(gram)] += precision
        try:
            return cho_solve(cho_factor(gram, check_finite=False), right, check_finite=False)
        except np.linalg.LinAlgError:
            # Components that look alike in a narrow window differ by less than single precision keeps.
            continue
    raise ValueError(
        "the basis of this network cannot be fitted to a spectrum; its components are not independent"
    )


def _paired(rows: np.ndarray) -> np.ndarray:
    """Return sums of pairs of pixels; a last odd one counts twice, as it would with its neighbour."""
    if rows.shape[1] % 2:
        rows = np.concatenate([rows, rows[:, -1:]], axis=1)
    return rows[:, 0::2] + rows[:, 1::2]


def _smooth(row: np.ndarray, half: int = 60) -> np.ndarray:
    padded = np.pad(row, half, mode="edge")
    total = np.concatenate([[0.0], np.cumsum(padded)])
    return (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)
