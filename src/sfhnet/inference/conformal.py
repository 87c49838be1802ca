"""Split-conformal factors: how much wider or narrower each interval must be to cover what it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import INTERVALS, LEVELS

__all__ = ["Conformal", "Strata", "conformal_factor", "scores"]

_MEDIAN = LEVELS.index(0.5)
_LIMITS: dict[str, tuple[float, float]] = {
    "mass_fraction_q": (0.0, 1.0),
    "cum_mass_q": (0.0, 1.0),
    "mh_q": (-np.inf, np.inf),
}

# Intervals narrower than this (in the quantity's unit) count as this wide, so that exact answers do not divide by zero.
_NARROW = 1e-6

# Decimals of the factors in the file.
_DECIMALS = 4


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

    Returns
    -------
    ndarray (...)
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
class Strata:
    """What the factors depend on, all of it known when a spectrum is answered.

    Factors run linearly in log S/N between nodes, so that none jumps at an edge; they differ between spectra with and
    without bands, and from stratum to stratum of the estimated age and A_V.

    Attributes
    ----------
    snr_nodes : ndarray
        S/N of the nodes; constant beyond the first and the last.
    age_edges : ndarray
        Inner edges of the estimated mass-weighted log age.
    a_v_edges : ndarray
        Inner edges of the estimated A_V in mag.
    """

    snr_nodes: np.ndarray
    age_edges: np.ndarray
    a_v_edges: np.ndarray

    def axes(self, posterior: Posterior) -> list[np.ndarray]:
        """Return the weight of each spectrum in the cells along each axis, (n, n_cell) each; rows sum to one.

        From the coarsest to the first that is given up where mocks are few: S/N, bands, age, A_V.
        """
        bands = ((posterior.flags & int(Flag.NO_BANDS)) == 0).astype(int)
        age, a_v = (np.nan_to_num(posterior.scalars[name]) for name in ("mw_log_age", "a_v"))
        return [
            _between(np.log10(np.nan_to_num(posterior.snr, nan=1.0)), np.log10(self.snr_nodes)),
            np.eye(2)[bands],
            np.eye(len(self.age_edges) + 1)[np.digitize(age, self.age_edges)],
            np.eye(len(self.a_v_edges) + 1)[np.digitize(a_v, self.a_v_edges)],
        ]

    def cells(self, posterior: Posterior) -> np.ndarray:
        """Return the weight of each spectrum in each cell, (n, n_cell); rows sum to one."""
        return _product(self.axes(posterior))


def _between(value: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Weights of linear interpolation between nodes, (n, n_node)."""
    if len(nodes) == 1:
        return np.ones((len(value), 1))
    value = np.clip(value, nodes[0], nodes[-1])
    low = np.clip(np.searchsorted(nodes, value, side="right") - 1, 0, len(nodes) - 2)
    share = (value - nodes[low]) / (nodes[low + 1] - nodes[low])
    eye = np.eye(len(nodes))
    return (1 - share)[:, None] * eye[low] + share[:, None] * eye[low + 1]


def _product(axes: list[np.ndarray]) -> np.ndarray:
    result = axes[0]
    for axis in axes[1:]:
        result = (result[:, :, None] * axis[:, None, :]).reshape(len(result), -1)
    return result


@dataclass(frozen=True)
class Conformal:
    """Factors per cell of `Strata`.

    Attributes
    ----------
    strata : Strata
        What they depend on.
    scalars : dict of ndarray (n_cell, n_interval)
        Factors of each scalar, and of what is read off joint samples (`with_draws`).
    histories : dict of ndarray (n_cell, n_interval, n_age)
        Factors of mass fraction, cumulative mass and [M/H] per age bin.
    """

    strata: Strata
    scalars: dict[str, np.ndarray]
    histories: dict[str, np.ndarray]

    @classmethod
    def fit(
        cls, posterior: Posterior, truth: dict[str, np.ndarray], strata: Strata, *, min_stratum: int
    ) -> Conformal:
        """Learn the factors on mocks used for nothing else.

        Parameters
        ----------
        posterior : Posterior
            Uncalibrated answers.
        truth : dict of ndarray
            True scalars by name, and ``mass_fraction``, ``mh`` (n, n_age).
        strata : Strata
            What the factors depend on.
        min_stratum : int
            Cells with fewer answers (sum of weights) take those of all A_V, or of all ages as well, and so on.

        Returns
        -------
        Conformal
        """
        axes = strata.axes(posterior)
        shape = tuple(axis.shape[1] for axis in axes)
        n_age = posterior.mass_fraction.shape[1]
        histories = {name: np.ones((*shape, len(INTERVALS), n_age)) for name in _LIMITS}
        has_mh = np.isfinite(truth["mh"])
        true_history = {
            "mass_fraction_q": truth["mass_fraction"],
            "cum_mass_q": np.cumsum(truth["mass_fraction"], axis=1),
            "mh_q": np.where(has_mh, truth["mh"], 0.0),
        }
        # [M/H] counts by the mass that has it.
        mass = {"mh_q": np.where(has_mh, truth["mass_fraction"], 0.0) + 1e-9}
        plain = np.ones_like(truth["mass_fraction"])
        score = {
            name: [scores(getattr(posterior, name), true, coverage) for coverage in INTERVALS]
            for name, true in true_history.items()
        }
        for cell in np.ndindex(shape):
            weight = _cell_weight(axes, cell, min_stratum)
            rows = weight > 0
            for k, coverage in enumerate(INTERVALS):
                for name, factors in histories.items():
                    by_age = weight[rows, None] * mass.get(name, plain)[rows]
                    factors[(*cell, k)] = conformal_factor(score[name][k][rows], coverage, by_age)
        # The last bin of the cumulative mass is one by definition.
        histories["cum_mass_q"][..., -1] = 1.0
        n_cell = int(np.prod(shape))
        return cls(
            strata,
            {
                name: _scalar_factors(quantiles, truth[name], axes, least=min_stratum)
                for name, quantiles in posterior.scalars_q.items()
            },
            {name: value.reshape(n_cell, len(INTERVALS), n_age) for name, value in histories.items()},
        )

    def with_draws(
        self, posterior: Posterior, truth: dict[str, np.ndarray], *, min_stratum: int
    ) -> Conformal:
        """Return the factors with those of what is read off joint samples beside them.

        Parameters
        ----------
        posterior : Posterior
            Uncalibrated answers with `Posterior.from_draws`, to mocks used for nothing else.
        truth : dict of ndarray (n,)
            True values by name, NaN where there is none: no burst, no young star.
        min_stratum : int
            As in `fit`; a quantity that fewer mocks have in answer and truth gets no factor, and stays as it was drawn.

        Returns
        -------
        Conformal
        """
        axes = self.strata.axes(posterior)
        found = {}
        for name, quantiles in posterior.from_draws.items():
            if name not in truth or quantiles.ndim != 2:
                continue
            known = np.isfinite(truth[name]) & np.isfinite(quantiles).all(axis=1)
            if known.sum() >= min_stratum:
                some = [axis[known] for axis in axes]
                found[name] = _scalar_factors(quantiles[known], truth[name][known], some, least=min_stratum)
        return replace(self, scalars=self.scalars | found)

    def apply(self, posterior: Posterior, carry_samples: bool = False) -> Posterior:
        """Return the answers with their intervals rescaled about the median; point estimates stay.

        Parameters
        ----------
        posterior : Posterior
            Uncalibrated answers.
        carry_samples : bool
            Give joint samples of scalars the calibrated distributions, keeping their order and so their correlations.
            Their histories stay and no longer agree with them to the last digit; so samples are left alone by default.

        Returns
        -------
        Posterior
            n rows.
        """
        cells = self.strata.cells(posterior)

        def rescaled(quantiles: np.ndarray, factor: np.ndarray) -> np.ndarray:
            return _rescale(quantiles, np.tensordot(cells, factor, axes=1))

        scalars_q = {name: rescaled(value, self.scalars[name]) for name, value in posterior.scalars_q.items()}
        histories = {
            name: np.clip(rescaled(getattr(posterior, name), self.histories[name]), *limits)
            for name, limits in _LIMITS.items()
        }
        samples = {
            name: _with_marginals(value, scalars_q[name]) if carry_samples and name in scalars_q else value
            for name, value in posterior.samples.items()
        }
        from_draws = {
            name: rescaled(value, self.scalars[name]) if name in self.scalars else value
            for name, value in posterior.from_draws.items()
        }
        return replace(posterior, scalars_q=scalars_q, samples=samples, from_draws=from_draws, **histories)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {
            **{name: getattr(self.strata, name).tolist() for name in Strata.__dataclass_fields__},
            "scalars": {name: value.round(_DECIMALS).tolist() for name, value in self.scalars.items()},
            "histories": {name: value.round(_DECIMALS).tolist() for name, value in self.histories.items()},
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Conformal:
        """Invert `to_json`."""
        return cls(
            Strata(**{name: np.asarray(value[name], float) for name in Strata.__dataclass_fields__}),
            {name: np.asarray(factors, float) for name, factors in value["scalars"].items()},
            {name: np.asarray(factors, float) for name, factors in value["histories"].items()},
        )


def _scalar_factors(
    quantiles: np.ndarray, truth: np.ndarray, axes: list[np.ndarray], *, least: int
) -> np.ndarray:
    """Factors of one number a spectrum, (n_cell, n_interval)."""
    score = [scores(quantiles, truth, coverage) for coverage in INTERVALS]
    factors = []
    for cell in np.ndindex(*(axis.shape[1] for axis in axes)):
        weight = _cell_weight(axes, cell, least)
        rows = weight > 0
        factors.append(
            [
                conformal_factor(one[rows], coverage, weight[rows])
                for one, coverage in zip(score, INTERVALS, strict=True)
            ]
        )
    return np.array(factors)


def _cell_weight(axes: list[np.ndarray], cell: tuple[int, ...], least: int) -> np.ndarray:
    """Weight of each answer in a cell, (n,); axes are given up from the last one on until there are enough."""
    for n_axis in range(len(axes), 0, -1):
        weight = np.prod([axis[:, k] for axis, k in zip(axes[:n_axis], cell[:n_axis], strict=True)], axis=0)
        if weight.sum() >= least:
            return weight
    return np.ones(len(axes[0]))


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


def _with_marginals(samples: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Give samples (n, n_sample) the distributions that quantiles (n, n_quant) draw, in the order that they have.

    Between quantiles, and beyond them, values run linearly with the normal deviate of the level.
    """
    n_sample = samples.shape[1]
    deviates = ndtri(LEVELS)
    wanted = ndtri((np.arange(n_sample) + 0.5) / n_sample)
    piece = np.clip(np.searchsorted(deviates, wanted) - 1, 0, len(deviates) - 2)
    slope = np.diff(quantiles, axis=1) / np.diff(deviates)
    values = quantiles[:, piece] + slope[:, piece] * (wanted - deviates[piece])
    rank = samples.argsort(axis=1).argsort(axis=1)
    return np.take_along_axis(values, rank, axis=1).astype(samples.dtype)
