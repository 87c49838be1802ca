"""Is this spectrum like the mocks? Two distances, with limits learnt from mocks at the same S/N."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

__all__ = ["Familiarity"]

# Components whose spread among mocks is below this share of the largest are noise; they say nothing of likeness.
_RIDGE = 1e-3


@dataclass(frozen=True)
class Familiarity:
    """Limits beyond which a spectrum is unlike any mock.

    Attributes
    ----------
    snr_edges : ndarray (n_stratum-1,)
        Inner edges of the S/N strata.
    mean : ndarray (n_stratum, n_component)
        Mean components of noisy mocks.
    precision : ndarray (n_stratum, n_component, n_component)
        Inverse covariance.
    distance_limit, chi2_limit : ndarray (n_stratum,)
        Largest squared Mahalanobis distance and reduced chi-square of the linear basis that mocks have, but for the
        share ``1 - quantile``.
    """

    snr_edges: np.ndarray
    mean: np.ndarray
    precision: np.ndarray
    distance_limit: np.ndarray
    chi2_limit: np.ndarray

    @classmethod
    def fit(
        cls, components: np.ndarray, chi2: np.ndarray, snr: np.ndarray, snr_edges: np.ndarray, quantile: float
    ) -> Familiarity:
        """Learn the limits from mocks.

        Parameters
        ----------
        components : ndarray (n, n_component)
            Components of noisy mocks.
        chi2, snr : ndarray (n,)
            Reduced chi-square of the basis and S/N.
        snr_edges : ndarray
            Inner edges of the strata.
        quantile : float
            Share of the mocks that shall be within both limits together.
        """
        edges = np.asarray(snr_edges, dtype=float)
        stratum = np.digitize(snr, edges)
        n_stratum, n_component = len(edges) + 1, components.shape[1]
        mean = np.zeros((n_stratum, n_component))
        precision = np.zeros((n_stratum, n_component, n_component))
        limits = np.full((2, n_stratum), np.inf)
        # Half of what may be missed for each of the two distances.
        each = 1 - (1 - quantile) / 2
        for k in range(n_stratum):
            here = stratum == k
            # A stratum too thin for a covariance takes all mocks.
            rows = components[here] if here.sum() > 4 * n_component else components
            chi2_here = chi2[here] if here.sum() > 4 * n_component else chi2
            mean[k] = rows.mean(axis=0)
            covariance = np.cov(rows.T)
            covariance += _RIDGE * np.diag(covariance).mean() * np.eye(n_component)
            precision[k] = np.linalg.inv(covariance)
            limits[0, k] = upper_limit(_distance(rows, mean[k], precision[k]), each)
            limits[1, k] = upper_limit(chi2_here, each)
        return cls(edges, mean, precision, limits[0], limits[1])

    def score(self, components: np.ndarray, chi2: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """Return the larger of both distances over their limits, (n,); above one = unlike the mocks.

        Square roots are compared, so that two means twice as far.
        """
        stratum = np.digitize(snr, self.snr_edges)
        score = np.zeros(len(components))
        for k in np.unique(stratum):
            here = stratum == k
            distance = _distance(components[here], self.mean[k], self.precision[k]) / self.distance_limit[k]
            score[here] = np.sqrt(np.maximum(distance, chi2[here] / self.chi2_limit[k]))
        return score

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Familiarity:
        """Invert `to_json`."""
        return cls(**{name: np.asarray(value[name], dtype=float) for name in cls.__dataclass_fields__})


def upper_limit(values: np.ndarray, quantile: float) -> float:
    """Return an upper quantile that few draws can still place: the empirical one, or the tail of a lognormal."""
    if len(values) * (1 - quantile) >= 5:
        return float(np.quantile(values, quantile))
    logs = np.log(np.maximum(values, 1e-12))
    middle, high = np.quantile(logs, [0.5, 0.84])
    return float(np.exp(middle + (high - middle) / ndtri(0.84) * ndtri(quantile)))


def _distance(components: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    off = components - mean
    return np.einsum("ij,jk,ik->i", off, precision, off)
