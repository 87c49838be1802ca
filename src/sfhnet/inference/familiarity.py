"""Is this spectrum like the mocks? Two distances, with limits learnt from mocks of the same S/N and age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

__all__ = ["Familiarity"]

# Components whose spread among mocks is below this share of the largest are noise; they say nothing of likeness.
_RIDGE = 1e-3

# Mocks for each component that a covariance is learnt from, at least.
_TAUGHT = 20


@dataclass(frozen=True)
class Familiarity:
    """Limits beyond which a spectrum is unlike the mocks that look as old as it does.

    Bright lines on a young continuum take components and residuals that no old galaxy has: one limit for all ages would
    be theirs, and pass anything old.

    Attributes
    ----------
    snr_edges : ndarray (n_snr-1,)
        Inner edges of the S/N strata.
    age_edges : ndarray (n_age-1,)
        Inner edges of the strata of the light-weighted age that the network answers [log10 yr].
    mean : ndarray (n_snr, n_component)
        Mean components of noisy mocks.
    precision : ndarray (n_snr, n_component, n_component)
        Inverse covariance.
    distance_limit, chi2_limit : ndarray (n_snr, n_age)
        Largest squared Mahalanobis distance and reduced chi-square of the linear basis that mocks have, but for the
        share ``1 - quantile``.
    """

    snr_edges: np.ndarray
    age_edges: np.ndarray
    mean: np.ndarray
    precision: np.ndarray
    distance_limit: np.ndarray
    chi2_limit: np.ndarray

    @classmethod
    def fit(
        cls,
        components: np.ndarray,
        *,
        chi2: np.ndarray,
        snr: np.ndarray,
        log_age: np.ndarray,
        snr_edges: np.ndarray,
        age_edges: np.ndarray,
        quantile: float,
        min_stratum: int = 100,
    ) -> Familiarity:
        """Learn the limits from mocks.

        Parameters
        ----------
        components : ndarray (n, n_component)
            Components of noisy mocks.
        chi2, snr, log_age : ndarray (n,)
            Reduced chi-square of the basis, S/N and the light-weighted age answered.
        snr_edges, age_edges : ndarray
            Inner edges of the strata.
        quantile : float
            Share of the mocks that shall be within both limits together.
        min_stratum : int
            Mocks that limits need; those of a smaller stratum are learnt from all ages.

        Returns
        -------
        Familiarity
        """
        snr_edges, age_edges = np.asarray(snr_edges, dtype=float), np.asarray(age_edges, dtype=float)
        stratum, of_age = np.digitize(snr, snr_edges), np.digitize(log_age, age_edges)
        n_snr, n_age, n_component = len(snr_edges) + 1, len(age_edges) + 1, components.shape[1]
        mean = np.zeros((n_snr, n_component))
        precision = np.zeros((n_snr, n_component, n_component))
        limits = np.full((2, n_snr, n_age), np.inf)
        # Half of what may be missed for each of the two distances.
        each = 1 - (1 - quantile) / 2
        for k in range(n_snr):
            here = stratum == k
            # A stratum too thin for a covariance takes all mocks: from few, those that taught it seem nearer than others.
            if here.sum() <= _TAUGHT * n_component:
                here = np.ones(len(snr), dtype=bool)
            rows, ages, chi2_here = components[here], of_age[here], chi2[here]
            mean[k] = rows.mean(axis=0)
            covariance = np.cov(rows.T)
            covariance += _RIDGE * np.diag(covariance).mean() * np.eye(n_component)
            precision[k] = np.linalg.inv(covariance)
            distance = _distance(rows, mean[k], precision[k])
            for j in range(n_age):
                alike = ages == j
                if alike.sum() < min_stratum:
                    alike = np.ones(len(ages), dtype=bool)
                limits[:, k, j] = [upper_limit(values[alike], each) for values in (distance, chi2_here)]
        return cls(snr_edges, age_edges, mean, precision, limits[0], limits[1])

    def score(
        self, components: np.ndarray, *, chi2: np.ndarray, snr: np.ndarray, log_age: np.ndarray
    ) -> np.ndarray:
        """Return the larger of both distances over their limits; above one = unlike the mocks.

        Square roots are compared, so that two means twice as far.

        Parameters
        ----------
        components : ndarray (n, n_component)
            Components of the spectra.
        chi2, snr, log_age : ndarray (n,)
            Reduced chi-square of the basis, S/N and the light-weighted age answered [log10 yr].

        Returns
        -------
        ndarray (n,)
        """
        stratum, of_age = np.digitize(snr, self.snr_edges), np.digitize(log_age, self.age_edges)
        distance = np.zeros(len(components))
        for k in np.unique(stratum):
            here = stratum == k
            distance[here] = _distance(components[here], self.mean[k], self.precision[k])
        return np.sqrt(
            np.maximum(
                distance / self.distance_limit[stratum, of_age], chi2 / self.chi2_limit[stratum, of_age]
            )
        )

    def poor_fit(self, *, chi2: np.ndarray, snr: np.ndarray, log_age: np.ndarray) -> np.ndarray:
        """Return where the chi-square of the basis is beyond its limit.

        Parameters
        ----------
        chi2, snr, log_age : ndarray (n,)
            As of `score`.

        Returns
        -------
        ndarray of bool (n,)
        """
        return chi2 > self.chi2_limit[np.digitize(snr, self.snr_edges), np.digitize(log_age, self.age_edges)]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Familiarity:
        """Invert `to_json`."""
        return cls(**{name: np.asarray(value[name], dtype=float) for name in cls.__dataclass_fields__})


def upper_limit(values: np.ndarray, quantile: float) -> float:
    """Return an upper quantile that few draws can still place: the empirical one, or the tail of a lognormal.

    The lognormal goes through the median and the 95 % quantile: the tails of chi-square are heavier than its middle
    tells.

    Parameters
    ----------
    values : ndarray (n,)
        Draws, zero or more.
    quantile : float
        Share of them that shall be below.

    Returns
    -------
    float
    """
    if len(values) * (1 - quantile) >= 5:
        return float(np.quantile(values, quantile))
    logs = np.log(np.maximum(values, 1e-12))
    middle, high = np.quantile(logs, [0.5, 0.95])
    return float(np.exp(middle + (high - middle) / ndtri(0.95) * ndtri(quantile)))


def _distance(components: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    off = components - mean
    return np.einsum("ij,jk,ik->i", off, precision, off)
