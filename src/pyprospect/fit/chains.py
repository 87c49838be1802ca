"""NUTS on a fit's posterior: the metric of the mode, learned again from the first draws, and segments that are kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pyprospect.fit.convergence import effective_size, r_hat
from pyprospect.fit.laplace import Laplace
from pyprospect.fit.nuts import sample_nuts
from pyprospect.fit.target import Target

__all__ = ["Run", "run_chains"]

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

    def gradient_in(centre: Array, factor: Array) -> Callable[[Array], tuple[Array, Array]]:
        rows = torch.full((n_chain,), galaxy)

        def gradient(x: Array) -> tuple[Array, Array]:
            value, slope = target.with_gradient(torch.as_tensor(centre + x @ factor.T), rows[: len(x)])
            return value.numpy(), slope.numpy() @ factor

        return gradient

    if run is None:
        centre, factor = mode.u[0].numpy(), mode.factor[0].numpy()
        starts = 0.7 * np.random.default_rng([seed, 7]).standard_normal((n_chain, len(centre)))
        first = sample_nuts(
            gradient_in(centre, factor), starts, _WARM, seed=seed, warm=_WARM, step=0.3, progress=shown
        )
        shown.say(f"first metric: acceptance {first.acceptance:.2f}")
        # Half of the spread is that of the mode: few draws do not know every direction.
        white = np.concatenate(first.draws[:, _WARM // 4 :])
        n, p = white.shape
        share = n / (n + 5.0 * p)
        spread = share * np.cov(white.T) + (1 - share) * np.eye(p)
        new_centre = centre + factor @ white.mean(axis=0)
        new_factor = factor @ np.linalg.cholesky(spread)
        ends = np.linalg.solve(new_factor, ((centre + first.draws[:, -1] @ factor.T) - new_centre).T).T
        second = sample_nuts(
            gradient_in(new_centre, new_factor),
            ends,
            10,
            seed=seed + 1,
            warm=_WARM,
            step=0.5,
            progress=shown,
        )
        run = Run(
            new_centre + second.draws @ new_factor.T,
            second.log_prob,
            new_factor,
            new_centre,
            second.step,
            second.divergences,
            second.acceptance,
        )
        keep(run)
    while run.u.shape[1] < max_draws and not run.enough(min_effective):
        starts = np.asarray(np.linalg.solve(run.factor, (run.u[:, -1] - run.centre).T).T, dtype=np.float64)
        more = sample_nuts(
            gradient_in(run.centre, run.factor),
            starts,
            _SEGMENT,
            # A stream of its own for each segment, which a resumed run would have had too.
            seed=seed + 1000 + run.u.shape[1],
            step=run.step,
            progress=shown,
        )
        n = run.u.shape[1]
        run = Run(
            np.concatenate([run.u, run.centre + more.draws @ run.factor.T], axis=1),
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
