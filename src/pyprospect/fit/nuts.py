"""The No-U-Turn sampler for several chains at once, each a generator that asks for gradients when it needs them.

Kept libraries walk chains one by one, or want the model in another framework: a gradient for sixteen chains costs here
little more than for one. The tree is that of Hoffman & Gelman (2014) with multinomial weights and the generalised
criterion (Betancourt 2017), as Stan has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chains", "sample_nuts"]

Array = NDArray[np.float64]
Gradient = Callable[[Array, list[int]], tuple[Array, Array]]
# A step that is still being learned may be far too small: its trees are kept short.
_MAX_DEPTH, _WARM_DEPTH, _DIVERGES = 8, 5, 1000.0


class _Point(NamedTuple):
    q: Array
    p: Array
    log_prob: float
    gradient: Array

    @property
    def energy(self) -> float:
        """Of it, minus the log of the joint density."""
        return 0.5 * float(self.p @ self.p) - self.log_prob


class _Tree(NamedTuple):
    left: _Point
    right: _Point
    chosen: _Point
    log_weight: float
    momentum: Array
    """Sum over the leaves."""
    alive: bool
    acceptance: float
    leaves: int


@dataclass(frozen=True)
class Chains:
    """Draws of chains, in the coordinates that were sampled.

    Attributes
    ----------
    draws : ndarray, shape (n_chain, n_draw, n)
    log_prob : ndarray, shape (n_chain, n_draw)
    divergences : int
        Paths that left the typical set: where there are many, the posterior has corners that the chains miss.
    acceptance : float
        Mean acceptance of the steps.
    step : ndarray, shape (n_chain,)
    """

    draws: Array
    log_prob: Array
    divergences: int
    acceptance: float
    step: Array


Walk = Generator[Array, tuple[float, Array], "_Tree"]


def _leapfrog(point: _Point, step: float) -> Generator[Array, tuple[float, Array], _Point]:
    half = point.p + 0.5 * step * point.gradient
    q = point.q + step * half
    log_prob, gradient = yield q
    return _Point(q, half + 0.5 * step * gradient, log_prob, gradient)


def _turns(momentum: Array, left: _Point, right: _Point) -> bool:
    return bool(momentum @ left.p <= 0 or momentum @ right.p <= 0)


def _grow(point: _Point, depth: int, step: float, energy: float, rng: np.random.Generator) -> Walk:
    """Return the tree of 2**depth steps away from a point."""
    if depth == 0:
        new = yield from _leapfrog(point, step)
        loss = new.energy - energy
        loss = loss if math.isfinite(loss) else math.inf
        return _Tree(new, new, new, -loss, new.p, loss < _DIVERGES, min(1.0, math.exp(min(0.0, -loss))), 1)
    first = yield from _grow(point, depth - 1, step, energy, rng)
    if not first.alive:
        return first
    edge = first.right if step > 0 else first.left
    second = yield from _grow(edge, depth - 1, step, energy, rng)
    return _join(first, second, step, rng, fair=True)


def _join(a: _Tree, b: _Tree, step: float, rng: np.random.Generator, *, fair: bool) -> _Tree:
    """Join a tree and what was grown from it; `fair`: choose by weight, else lean towards the new one."""
    weight = float(np.logaddexp(a.log_weight, b.log_weight))
    against = weight if fair else a.log_weight
    take = b.alive and math.log(rng.random() + 1e-300) < b.log_weight - against
    old, new = (a, b) if step > 0 else (b, a)
    momentum = a.momentum + b.momentum
    alive = a.alive and b.alive and not _turns(momentum, old.left, new.right)
    # The turn may hide between the two halves (Stan's extra checks).
    alive = alive and not _turns(old.momentum + new.left.p, old.left, new.left)
    alive = alive and not _turns(new.momentum + old.right.p, old.right, new.right)
    return _Tree(
        old.left,
        new.right,
        b.chosen if take else a.chosen,
        weight,
        momentum,
        alive,
        a.acceptance + b.acceptance,
        a.leaves + b.leaves,
    )


class _StepSize:
    """Dual averaging towards an acceptance (Hoffman & Gelman 2014, algorithm 5)."""

    def __init__(self, step: float, aim: float) -> None:
        self.aim = aim
        self.restart(step)

    def restart(self, step: float) -> None:
        self.centre, self.count, self.off, self.log_mean = math.log(step), 0, 0.0, 0.0
        self.step = step

    def learn(self, acceptance: float) -> None:
        self.count += 1
        m = self.count
        self.off += (self.aim - acceptance - self.off) / (m + 5)
        log_step = self.centre - math.sqrt(m) / 0.1 * self.off
        share = m**-0.75
        self.log_mean = share * log_step + (1 - share) * self.log_mean
        self.step = math.exp(log_step)

    def settle(self) -> None:
        self.step = math.exp(self.log_mean)


class _Chain:
    """One chain: its state, and the draws that it has kept."""

    def __init__(self, q: Array, seed: list[int], *, step: float, aim: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.size = _StepSize(step, aim)
        self.at = _Point(q, np.zeros_like(q), -math.inf, np.zeros_like(q))
        self.draws: list[Array] = []
        self.log_prob: list[float] = []
        self.divergences, self.acceptance = 0, 0.0

    def run(self, n: int, *, learn: bool) -> Generator[Array, tuple[float, Array], None]:
        """Make n draws."""
        log_prob, gradient = yield self.at.q
        self.at = _Point(self.at.q, self.at.p, log_prob, gradient)
        for _ in range(n):
            tree, leaves, diverged = yield from self._transition(_WARM_DEPTH if learn else _MAX_DEPTH)
            self.at = tree.chosen
            accepted = tree.acceptance / max(leaves, 1)
            if learn:
                self.size.learn(accepted)
            else:
                self.divergences += diverged
                self.acceptance += accepted / n
            self.draws.append(self.at.q)
            self.log_prob.append(self.at.log_prob)
        if learn:
            self.size.settle()

    def _transition(self, depths: int) -> Generator[Array, tuple[float, Array], tuple[_Tree, int, bool]]:
        start = self.at._replace(p=self.rng.standard_normal(len(self.at.q)))
        tree = _Tree(start, start, start, 0.0, start.p, True, 0.0, 0)
        energy, diverged = start.energy, False
        for depth in range(depths):
            step = self.size.step if self.rng.random() < 0.5 else -self.size.step
            edge = tree.right if step > 0 else tree.left
            new = yield from _grow(edge, depth, step, energy, self.rng)
            tree = _join(tree, new, step, self.rng, fair=False)
            if not tree.alive:
                diverged = not new.alive and new.log_weight < -_DIVERGES / 2
                break
        return tree, tree.leaves, diverged


def _drive(
    walks: Sequence[Generator[Array, tuple[float, Array], Any]],
    gradient: Gradient,
    progress: Callable[[int], None] | None,
) -> None:
    """Run generators to their ends; those that wait are answered together."""
    asked = {i: next(walk) for i, walk in enumerate(walks)}
    while asked:
        order = list(asked)
        values, slopes = gradient(np.stack([asked[i] for i in order]), order)
        for i, value, slope in zip(order, values, slopes, strict=True):
            try:
                asked[i] = walks[i].send((float(value), slope))
            except StopIteration:
                del asked[i]
        if progress is not None:
            progress(len(order))


def sample_nuts(
    gradient: Gradient,
    starts: Array,
    n_draw: int,
    *,
    seed: int,
    warm: int = 0,
    step: float | Array = 0.5,
    aim: float = 0.85,
    progress: Callable[[int], None] | None = None,
) -> Chains:
    """Sample with several chains.

    Parameters
    ----------
    gradient : callable
        Positions (m, n), and which chains they are of (m,), to log densities (m,) and their gradients (m, n).
    starts : ndarray, shape (n_chain, n)
        In coordinates whose posterior is about a unit normal.
    n_draw : int
        Draws that each chain keeps.
    seed : int
    warm : int
        Draws before them, in which the step is learned; 0: it is `step`.
    step : float or ndarray (n_chain,)
        First step.
    aim : float
        Acceptance to learn the step for.
    progress : callable, optional
        Told after each round how many gradients were made.

    Returns
    -------
    Chains
    """
    steps = np.broadcast_to(np.asarray(step, dtype=float), (len(starts),))
    chains = [
        _Chain(q, [seed, i], step=float(s), aim=aim)
        for i, (q, s) in enumerate(zip(starts, steps, strict=True))
    ]
    if warm:
        _drive([chain.run(warm, learn=True) for chain in chains], gradient, progress)
        for chain in chains:
            chain.draws, chain.log_prob = [], []
    _drive([chain.run(n_draw, learn=False) for chain in chains], gradient, progress)
    return Chains(
        np.array([chain.draws for chain in chains]),
        np.array([chain.log_prob for chain in chains]),
        sum(chain.divergences for chain in chains),
        float(np.mean([chain.acceptance for chain in chains])),
        np.array([chain.size.step for chain in chains]),
    )
