"""Split-conformal factors: how much wider or narrower each interval must be to cover what it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sfhnet.posterior import INTERVALS, LEVELS, Posterior

__all__ = ["Conformal", "conformal_factor", "scores"]

_MEDIAN = LEVELS.index(0.5)
_HISTORIES = ("mass_fraction_q", "cum_mass_q", "mh_q")

# Intervals narrower than this (in the quantity's unit) count as this wide, so that exact answers do not divide by zero.
_NARROW = 1e-6


def scores(quantiles: np.ndarray, truth: np.ndarray, coverage: float) -> np.ndarray:
    """Return how far the truth lies from the median, in units of the interval's half on that side.

    Parameters
    ----------
    quantiles : ndarray (n, n_quant, ...)
        Quantiles at `LEVELS`.
    truth : ndarray (n, ...)
        True values.
    coverage : float
        A key of `INTERVALS`.

    Returns
    -------
    ndarray (n, ...)
        At most one where the interval covers the truth.
    """
    low, high = INTERVALS[coverage]
    centre = quantiles[:, _MEDIAN]
    below = (centre - truth) / np.maximum(centre - quantiles[:, low], _NARROW)
    above = (truth - centre) / np.maximum(quantiles[:, high] - centre, _NARROW)
    return np.maximum(below, above)


def conformal_factor(score: np.ndarray, coverage: float, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the factor on an interval's width that makes it cover, (...): the finite-sample conformal quantile.

    Parameters
    ----------
    score : ndarray (n, ...)
        From `scores`.
    coverage : float
        Nominal coverage.
    weight : ndarray (n, ...), optional
        Weight of each value, e.g. the mass of a bin for its metallicity.
    """
    n = len(score)
    level = min(1.0, np.ceil((n + 1) * coverage) / n)
    if weight is None:
        return np.quantile(score, level, axis=0, method="higher")
    order = np.argsort(score, axis=0)
    sorted_score = np.take_along_axis(score, order, axis=0)
    total = np.cumsum(np.take_along_axis(weight, order, axis=0), axis=0)
    share = total / np.maximum(total[-1:], 1e-300)
    index = np.minimum((share < level).sum(axis=0), n - 1)
    return np.take_along_axis(sorted_score, index[None], axis=0)[0]


@dataclass(frozen=True)
class Conformal:
    """Factors per stratum of S/N and of the estimated A_V.

    Attributes
    ----------
    snr_edges, a_v_edges : ndarray
        Inner edges of the strata.
    scalars : dict of ndarray (n_snr, n_a_v, n_interval)
        Factors of each scalar.
    histories : dict of ndarray (n_snr, n_a_v, n_interval, n_age)
        Factors of mass fraction, cumulative mass and [M/H] per age bin.
    """

    snr_edges: np.ndarray
    a_v_edges: np.ndarray
    scalars: dict[str, np.ndarray]
    histories: dict[str, np.ndarray]

    @classmethod
    def fit(
        cls,
        posterior: Posterior,
        truth: dict[str, np.ndarray],
        snr_edges: np.ndarray,
        a_v_edges: np.ndarray,
        min_stratum: int,
    ) -> Conformal:
        """Learn the factors on mocks used for nothing else.

        Parameters
        ----------
        posterior : Posterior
            Uncalibrated answers.
        truth : dict of ndarray
            True scalars by name, and ``mass_fraction``, ``mh`` (n, n_age).
        snr_edges, a_v_edges : ndarray
            Inner edges of the strata.
        min_stratum : int
            Strata with fewer mocks take the factors of their S/N, or of all.
        """
        snr_edges, a_v_edges = np.asarray(snr_edges, float), np.asarray(a_v_edges, float)
        snr_index, a_v_index = _strata(posterior, snr_edges, a_v_edges)
        shape = (len(snr_edges) + 1, len(a_v_edges) + 1)
        n_age = posterior.mass_fraction.shape[1]
        scalars = {name: np.ones((*shape, len(INTERVALS))) for name in posterior.scalars_q}
        histories = {name: np.ones((*shape, len(INTERVALS), n_age)) for name in _HISTORIES}
        cum = np.cumsum(truth["mass_fraction"], axis=1)
        true_history = {"mass_fraction_q": truth["mass_fraction"], "cum_mass_q": cum, "mh_q": truth["mh"]}
        weight = np.where(np.isfinite(truth["mh"]), truth["mass_fraction"], 0.0)
        true_history["mh_q"] = np.nan_to_num(truth["mh"])
        for s in range(shape[0]):
            for a in range(shape[1]):
                rows = (snr_index == s) & (a_v_index == a)
                if rows.sum() < min_stratum:
                    rows = snr_index == s
                if rows.sum() < min_stratum:
                    rows = np.ones(len(posterior), dtype=bool)
                for k, coverage in enumerate(INTERVALS):
                    for name, quantiles in posterior.scalars_q.items():
                        score = scores(quantiles[rows], truth[name][rows], coverage)
                        scalars[name][s, a, k] = conformal_factor(score, coverage)
                    for name, true in true_history.items():
                        score = scores(getattr(posterior, name)[rows], true[rows], coverage)
                        mass = weight[rows] + 1e-9 if name == "mh_q" else None
                        histories[name][s, a, k] = conformal_factor(score, coverage, mass)
        # The last bin of the cumulative mass is one by definition.
        histories["cum_mass_q"][..., -1] = 1.0
        return cls(snr_edges, a_v_edges, scalars, histories)

    def apply(self, posterior: Posterior) -> Posterior:
        """Return the answers with their intervals rescaled about the median; point estimates stay."""
        snr_index, a_v_index = _strata(posterior, self.snr_edges, self.a_v_edges)
        scalars_q = {
            name: _rescale(value, self.scalars[name][snr_index, a_v_index])
            for name, value in posterior.scalars_q.items()
        }
        limits = {"mass_fraction_q": (0.0, 1.0), "cum_mass_q": (0.0, 1.0), "mh_q": (-np.inf, np.inf)}
        histories = {
            name: np.clip(
                _rescale(getattr(posterior, name), self.histories[name][snr_index, a_v_index]), *limits[name]
            )
            for name in _HISTORIES
        }
        return replace(posterior, scalars_q=scalars_q, **histories)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {
            "snr_edges": self.snr_edges.tolist(),
            "a_v_edges": self.a_v_edges.tolist(),
            "scalars": {name: value.tolist() for name, value in self.scalars.items()},
            "histories": {name: value.tolist() for name, value in self.histories.items()},
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Conformal:
        """Invert `to_json`."""
        return cls(
            np.asarray(value["snr_edges"], float),
            np.asarray(value["a_v_edges"], float),
            {name: np.asarray(factors, float) for name, factors in value["scalars"].items()},
            {name: np.asarray(factors, float) for name, factors in value["histories"].items()},
        )


def _strata(
    posterior: Posterior, snr_edges: np.ndarray, a_v_edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    a_v = np.nan_to_num(posterior.scalars["a_v"])
    return np.digitize(posterior.snr, snr_edges), np.digitize(a_v, a_v_edges)


def _rescale(quantiles: np.ndarray, factor: np.ndarray) -> np.ndarray:
    result = quantiles.copy()
    centre = quantiles[:, _MEDIAN]
    # From the innermost interval outwards, never narrower than the one inside it.
    below, above = np.zeros_like(centre), np.zeros_like(centre)
    for k, (low, high) in enumerate(INTERVALS.values()):
        below = np.maximum(below, factor[:, k] * (centre - quantiles[:, low]))
        above = np.maximum(above, factor[:, k] * (quantiles[:, high] - centre))
        result[:, low], result[:, high] = centre - below, centre + above
    return result
