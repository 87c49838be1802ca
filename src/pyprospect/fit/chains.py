"""NUTS on a fit's posterior: the metric of the mode, learned again from the first draws, and segments that are kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pyprospect.arguments import check_counts
from pyprospect.fit.convergence import effective_size, r_hat
from pyprospect.fit.laplace import Laplace
from pyprospect.fit.nuts import Chains, sample_nuts
from pyprospect.fit.target import Target

__all__ = ["Run", "run_chains", "sample_many"]

Array = NDArray[np.float64]
_SEGMENT, _WARM = 50, 50


@dataclass(frozen=True)
class Run:
    """Chains in standard normal coordinates, and what it takes to go on.

    Attributes
    ----------
    u : ndarray, shape (n_chain, n_draw, n_free)
    log_prob : ndarray, shape (n_chain, n_draw)
    factor : ndarray, shape (n_free, n_free)
        The metric.
    centre : ndarray, shape (n_free,)
    step : ndarray, shape (n_chain,)
    divergences : int
    acceptance : float
    """

    u: Array
    log_prob: Array
    factor: Array
    centre: Array
    step: Array
    divergences: int
    acceptance: float

    @property
    def effective(self) -> float:
        """Smallest effective size of a coordinate."""
        return min(effective_size(self.u[..., i]) for i in range(self.u.shape[2]))

    @property
    def r_hat(self) -> float:
        """Largest R-hat of a coordinate."""
        return max(r_hat(self.u[..., i]) for i in range(self.u.shape[2]))

    def enough(self, min_effective: float) -> bool:
        """Return whether every coordinate has enough draws and the chains agree.

        R-hat of chains that agree is one to within what their number and length leave to chance.
        """
        size = self.effective
        return size >= min_effective and self.r_hat < 1.01 + 0.5 * len(self.u) / size


class _Shown:
    """A line on standard error every few seconds."""

    def __init__(self, on: bool) -> None:
        self.on, self.gradients, self.last = on, 0, time.monotonic()

    def __call__(self, n: int) -> None:
        self.gradients += n
        if self.on and time.monotonic() > self.last + 5:
            self.last = time.monotonic()
            print(f"  nuts: {self.gradients} gradients", file=sys.stderr)  # noqa: T201

    def say(self, text: str) -> None:
        if self.on:
            print(f"  nuts: {text}", file=sys.stderr)  # noqa: T201


@dataclass(frozen=True)
class _Metric:
    """Where the chains of each galaxy walk: their centre (n, p) and factor (n, p, p) of the covariance there."""

    centre: Array
    factor: Array

    def walk(
        self, target: Target, galaxies: Sequence[int], starts: Array, *, n_draw: int, **options: Any
    ) -> Chains:
        """Walk from starts (n, n_chain, p), which are in units of the metric; all chains of all galaxies together."""
        n_chain = starts.shape[1]
        rows = torch.as_tensor(np.repeat(galaxies, n_chain))
        centre, factor = (np.repeat(x, n_chain, axis=0) for x in (self.centre, self.factor))

        def gradient(x: Array, which: list[int]) -> tuple[Array, Array]:
            u = centre[which] + np.einsum("kij,kj->ki", factor[which], x)
            value, slope = target.with_gradient(torch.as_tensor(u), rows[which])
            return value.numpy(), np.einsum("kij,ki->kj", factor[which], slope.numpy())

        return sample_nuts(gradient, starts.reshape(-1, starts.shape[2]), n_draw, **options)

    def outside(self, white: Array) -> Array:
        """Return draws (n, ..., p) in the target's coordinates."""
        return self.centre[:, None, None] + np.einsum("nij,ncdj->ncdi", self.factor, white)

    def inside(self, u: Array) -> Array:
        """Return points (n, n_chain, p) in units of the metric."""
        found = np.linalg.solve(self.factor[:, None], (u - self.centre[:, None])[..., None])
        return np.asarray(found[..., 0], dtype=float)


def _warmed(
    target: Target,
    mode: Laplace,
    galaxies: Sequence[int],
    *,
    n_chain: int,
    n_draw: int,
    seed: int,
    shown: _Shown,
) -> tuple[_Metric, Chains]:
    """Learn a metric from the first draws, a step in it, and make the first draws that count."""
    first_metric = _Metric(mode.u.numpy(), mode.factor.numpy())
    n, p = first_metric.centre.shape
    starts = 0.7 * np.random.default_rng([seed, 7]).standard_normal((n, n_chain, p))
    first = first_metric.walk(
        target, galaxies, starts, n_draw=_WARM, seed=seed, warm=_WARM, step=0.3, progress=shown
    )
    shown.say(f"first metric: acceptance {first.acceptance:.2f}")
    draws = first.draws.reshape(n, n_chain, _WARM, p)
    white = draws[:, :, _WARM // 4 :].reshape(n, -1, p)
    # Half of the spread is that of the mode: few draws do not know every direction.
    share = white.shape[1] / (white.shape[1] + 5.0 * p)
    spread = np.stack([share * np.cov(w.T).reshape(p, p) + (1 - share) * np.eye(p) for w in white])
    factor = first_metric.factor
    metric = _Metric(
        first_metric.centre + np.einsum("nij,nj->ni", factor, white.mean(axis=1)),
        factor @ np.linalg.cholesky(spread),
    )
    ends = metric.inside(first_metric.outside(draws[:, :, -1:])[:, :, 0])
    second = metric.walk(
        target, galaxies, ends, n_draw=n_draw, seed=seed + 1, warm=_WARM, step=0.5, progress=shown
    )
    return metric, second


def sample_many(
    target: Target,
    mode: Laplace,
    galaxies: Sequence[int],
    *,
    seed: int,
    n_chain: int = 4,
    n_draw: int = 100,
    progress: bool = False,
) -> tuple[Array, Array]:
    """Sample many galaxies at once: a gradient for a hundred chains costs little more than for four.

    Parameters
    ----------
    target : Target
    mode : Laplace
        Of each galaxy.
    galaxies : sequence of int
        Rows of the data.
    seed : int
    n_chain, n_draw : int
        Of each galaxy; what convergence asks for is the caller's to look at (`effective_size`, `r_hat`).
    progress : bool

    Returns
    -------
    u : ndarray, shape (n, n_chain, n_draw, n_free)
        In the coordinates of the target.
    log_prob : ndarray, shape (n, n_chain, n_draw)
    """
    check_counts("sample_many", n_chain=n_chain, n_draw=n_draw)
    metric, found = _warmed(
        target, mode, galaxies, n_chain=n_chain, n_draw=n_draw, seed=seed, shown=_Shown(progress)
    )
    shape = (len(galaxies), n_chain, n_draw)
    return metric.outside(found.draws.reshape(*shape, -1)), found.log_prob.reshape(shape)


def run_chains(
    target: Target,
    mode: Laplace,
    *,
    galaxy: int,
    seed: int,
    n_chain: int,
    min_effective: float,
    max_draws: int,
    go_on: Run | None,
    keep: Callable[[Run], None],
    progress: bool,
) -> Run:
    """Sample until every coordinate has enough effective draws.

    Parameters
    ----------
    target : Target
    mode : Laplace
        Of that galaxy alone: the first metric and the starts.
    galaxy : int
        Row of the data.
    seed, n_chain
    min_effective : float
        Effective draws to reach in each coordinate.
    max_draws : int
        Draws a chain at most.
    go_on : Run, optional
        An earlier run; its draws are kept.
    keep : callable
        Given the run after each segment.
    progress : bool

    Returns
    -------
    Run
    """
    shown = _Shown(progress)
    run = go_on
    if run is None:
        metric, first = _warmed(target, mode, [galaxy], n_chain=n_chain, n_draw=10, seed=seed, shown=shown)
        run = Run(
            metric.outside(first.draws[None])[0],
            first.log_prob,
            metric.factor[0],
            metric.centre[0],
            first.step,
            first.divergences,
            first.acceptance,
        )
        keep(run)
    while run.u.shape[1] < max_draws and not run.enough(min_effective):
        metric = _Metric(run.centre[None], run.factor[None])
        more = metric.walk(
            target,
            [galaxy],
            metric.inside(run.u[None, :, -1]),
            n_draw=_SEGMENT,
            # A stream of its own for each segment, which a resumed run would have had too.
            seed=seed + 1000 + run.u.shape[1],
            step=run.step,
            progress=shown,
        )
        n = run.u.shape[1]
        run = Run(
            np.concatenate([run.u, metric.outside(more.draws[None])[0]], axis=1),
            np.concatenate([run.log_prob, more.log_prob], axis=1),
            run.factor,
            run.centre,
            run.step,
            run.divergences + more.divergences,
            (n * run.acceptance + _SEGMENT * more.acceptance) / (n + _SEGMENT),
        )
        shown.say(f"{run.u.shape[1]} draws a chain, effective {run.effective:.0f}, R-hat {run.r_hat:.3f}")
        keep(run)
    return run
