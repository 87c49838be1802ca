"""Is this spectrum like the mocks? Two distances, with limits learnt from mocks of the same S/N and emission lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

__all__ = ["Familiarity", "log_width"]

# Components whose spread among mocks is below this share of the largest are noise; they say nothing of likeness.
_RIDGE = 1e-3

# Mocks for each component that a covariance is learnt from, at least.
_TAUGHT = 20


@dataclass(frozen=True)
class Familiarity:
    """Limits beyond which a spectrum is unlike the mocks with lines as bright as its own.

    Bright lines take components and residuals that no galaxy without has: one limit for all would be theirs, and pass
    anything. The lines are measured on the spectrum. What was *answered* must not choose the limit: a spectrum that fits
    badly and is answered young for that would be judged with the young ones.

    Attributes
    ----------
    snr_edges : ndarray (n_snr-1,)
        Inner edges of the S/N strata.
    line_edges : ndarray (n_line-1,)
        Inner edges of the strata of the equivalent width of Halpha [log10 AA].
    mean : ndarray (n_snr, n_component)
        Mean components of noisy mocks.
    precision : ndarray (n_snr, n_component, n_component)
        Inverse covariance.
    distance_limit, chi2_limit : ndarray (n_snr, n_line)
        Largest squared Mahalanobis distance and reduced chi-square of the linear basis that mocks have, but for the
        share ``1 - quantile``.
    """

    snr_edges: np.ndarray
    line_edges: np.ndarray
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
        log_ew: np.ndarray,
        snr_edges: np.ndarray,
        line_edges: np.ndarray,
        quantile: float,
        min_stratum: int = 100,
    ) -> Familiarity:
        """Learn the limits from mocks.

        Parameters
        ----------
        components : ndarray (n, n_component)
            Components of noisy mocks.
        chi2, snr, log_ew : ndarray (n,)
            Reduced chi-square of the basis, S/N and equivalent width of Halpha [log10 AA] (`log_width`).
        snr_edges, line_edges : ndarray
            Inner edges of the strata.
        quantile : float
            Share of the mocks that shall be within both limits together.
        min_stratum : int
            Mocks that limits need; those of a smaller stratum are learnt from all of that S/N, or from all.

        Returns
        -------
        Familiarity
        """
        snr_edges, line_edges = np.asarray(snr_edges, dtype=float), np.asarray(line_edges, dtype=float)
        stratum, of_line = np.digitize(snr, snr_edges), np.digitize(log_ew, line_edges)
        n_snr, n_line, n_component = len(snr_edges) + 1, len(line_edges) + 1, components.shape[1]
        mean = np.zeros((n_snr, n_component))
        precision = np.zeros((n_snr, n_component, n_component))
        limits = np.full((2, n_snr, n_line), np.inf)
        # Half of what may be missed for each of the two distances.
        each = 1 - (1 - quantile) / 2
        for k in range(n_snr):
            here = stratum == k
            # A stratum too thin for a covariance takes all mocks: from few, those that taught it seem nearer than others.
            enough = here.sum() > _TAUGHT * n_component
            rows = components[here] if enough else components
            mean[k] = rows.mean(axis=0)
            covariance = np.cov(rows.T)
            covariance += _RIDGE * np.diag(covariance).mean() * np.eye(n_component)
            precision[k] = np.linalg.inv(covariance)
            distance = _distance(components, mean[k], precision[k])
            judged = here if here.sum() >= min_stratum else np.ones(len(snr), dtype=bool)
            for j in range(n_line):
                alike = judged & (of_line == j)
                alike = alike if alike.sum() >= min_stratum else judged
                limits[:, k, j] = [upper_limit(values[alike], each) for values in (distance, chi2)]
        return cls(snr_edges, line_edges, mean, precision, limits[0], limits[1])

    def score(
        self, components: np.ndarray, *, chi2: np.ndarray, snr: np.ndarray, log_ew: np.ndarray
    ) -> np.ndarray:
        """Return the larger of both distances over their limits; above one = unlike the mocks.

        Square roots are compared, so that two means twice as far.

        Parameters
        ----------
        components : ndarray (n, n_component)
            Components of the spectra.
        chi2, snr, log_ew : ndarray (n,)
            Reduced chi-square of the basis, S/N and equivalent width of Halpha [log10 AA] (`log_width`).

        Returns
        -------
        ndarray (n,)
        """
        stratum, of_line = np.digitize(snr, self.snr_edges), np.digitize(log_ew, self.line_edges)
        distance = np.zeros(len(components))
        for k in np.unique(stratum):
            here = stratum == k
            distance[here] = _distance(components[here], self.mean[k], self.precision[k])
        return np.sqrt(
            np.maximum(
                distance / self.distance_limit[stratum, of_line], chi2 / self.chi2_limit[stratum, of_line]
            )
        )

    def poor_fit(self, *, chi2: np.ndarray, snr: np.ndarray, log_ew: np.ndarray) -> np.ndarray:
        """Return where the chi-square of the basis is beyond its limit.

        Parameters
        ----------
        chi2, snr, log_ew : ndarray (n,)
            As of `score`.

        Returns
        -------
        ndarray of bool (n,)
        """
        return chi2 > self.chi2_limit[np.digitize(snr, self.snr_edges), np.digitize(log_ew, self.line_edges)]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Familiarity:
        """Invert `to_json`."""
        return cls(**{name: np.asarray(value[name], dtype=float) for name in cls.__dataclass_fields__})


def log_width(halpha_ew_aa: np.ndarray) -> np.ndarray:
    """Return log10 of equivalent widths in AA, from one on; where Halpha is not seen it counts as none."""
    return np.log10(np.maximum(np.nan_to_num(halpha_ew_aa, nan=1.0), 1.0))


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
