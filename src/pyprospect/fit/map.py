"""The most probable model from many starts at once: exact gradients, damped steps in the metric of the curvature."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pyprospect.fit.target import Target

__all__ = ["Climb", "Modes", "climb", "modes"]

_FIRST_DAMPING, _DAMPING = 1.0, (1e-2, 1e10)
# A coordinate may not move further in one step, in widths of its prior.
_LONGEST = 1.5
# Dampings that are tried at each step, in units of the one that was best before.
_TRIALS = torch.tensor([1e-3, 1e-2, 0.1, 0.4, 1.6, 8.0], dtype=torch.float64)
# So many refusals in a row: rounding is all that is left to gain.
_REFUSALS = 4


class Climb(NamedTuple):
    """Where paths ended."""

    u: Tensor
    """(n, n_free)."""
    log_prob: Tensor
    """(n,)."""
    converged: Tensor
    """(n,) bool: the next step would gain next to nothing."""
    iterations: int


def climb(target: Target, u: Tensor, rows: Tensor, *, iterations: int = 60, tolerance: float = 0.02) -> Climb:
    """Climb from many starts.

    Levenberg-Marquardt steps, with the exact gradient of the posterior and its expected curvature; only steps that gain
    are taken. Paths that have arrived cost nothing more.

    Parameters
    ----------
    target : Target
    u : Tensor, shape (n, n_free)
        Starts.
    rows : Tensor of int, shape (n,)
        Galaxy of each.
    iterations : int
        At most.
    tolerance : float
        A path ends when a step is expected to gain less than this in log-probability, or two in a row gained less:
        where a library's metallicities meet the posterior has an edge, and the curvature knows nothing of it.

    Returns
    -------
    Climb
    """
    u = target.levelled(u, rows)
    log_like, gradient = _like(target, u, rows)
    n_values = target.likelihood.good[rows].sum(dim=1).double()
    damping = torch.full((len(u),), _FIRST_DAMPING, dtype=torch.float64)
    active = torch.isfinite(log_like).nonzero()[:, 0]
    converged = torch.zeros(len(u), dtype=torch.bool)
    cooled = torch.zeros(len(u), dtype=torch.bool)
    failures, slow = torch.zeros(2, len(u), dtype=torch.long)
    eye = torch.eye(u.shape[1], dtype=torch.float64)
    fisher = target.curvature(u, rows) - eye
    done = 0
    for _ in range(iterations):
        if not len(active):
            break
        done += 1
        heat = torch.where(cooled[active], 1.0, _heat(log_like[active], n_values[active]))
        g = heat[:, None] * gradient[active] - u[active]
        c = heat[:, None, None] * fisher[active] + eye
        # Models bend over widths of the prior, so that damping is in these: what the data know firmly is not held.
        tried = damping[active, None] * _TRIALS
        damped = c[:, None] + tried[..., None, None] * eye
        move = torch.linalg.solve(damped, g[:, None, :, None].expand(-1, len(_TRIALS), -1, -1))[..., 0]
        move = move * (_LONGEST / move.abs().amax(dim=2, keepdim=True).clamp(min=_LONGEST))
        trials = u[active, None] + move
        row = rows[active].repeat_interleave(len(_TRIALS))
        after = target.log_prob(trials.flatten(0, 1), row).view(len(active), -1)
        prior = target.log_prior(trials.flatten(0, 1)).view(len(active), -1)
        gains = heat[:, None] * (after - prior - log_like[active, None]) + prior
        gains = gains - target.log_prior(u[active])[:, None]
        gain, best = torch.nan_to_num(gains, nan=-math.inf).max(dim=1)
        expected = 0.5 * (g * torch.linalg.solve(c, g[..., None])[..., 0]).sum(dim=1)
        better = gain > 0
        kept = active[better]
        u[kept] = trials[better, best[better]]
        damping[active] = torch.where(
            better, tried.gather(1, best[:, None])[:, 0], damping[active] * 30.0
        ).clamp(*_DAMPING)
        failures[active] = torch.where(better, 0, failures[active] + 1)
        cold = heat == 1
        slow[active] = torch.where(gain < tolerance, slow[active] + 1, 0)
        # No step gains, however short: an edge, or all that rounding leaves.
        stuck = failures[active] >= _REFUSALS
        ended = (slow[active] >= 2) | (expected < tolerance) | stuck
        converged[active[cold & ended]] = True
        # Data that no model meets stay warm: from where that ends they count in full.
        warm = active[~cold & ended]
        cooled[warm], slow[warm], failures[warm], damping[warm] = True, 0, 0, _FIRST_DAMPING
        going = ~(cold & ended)
        moved = active[better & going]
        if len(kept):
            log_like[kept], gradient[kept] = _like(target, u[kept], rows[kept])
        if len(moved):
            fisher[moved] = target.curvature(u[moved], rows[moved]) - eye
        active = active[going]
    return Climb(u, log_like + target.log_prior(u), converged, done)


def _like(target: Target, u: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-likelihood and its gradient."""
    value, gradient = target.with_gradient(u, rows)
    return value - target.log_prior(u), gradient + u


def _heat(log_like: Tensor, n_values: Tensor) -> Tensor:
    """Weight of the likelihood: far from a fit only so much that residuals would be as large as their errors.

    Then the prior holds back what the data say little of, until what they say much of is right.
    """
    chi2 = -2 * log_like - n_values * math.log(2 * math.pi)
    return (1.5 * n_values / chi2.clamp(min=1.0)).clamp(max=1.0)


class Modes(NamedTuple):
    """The best of many paths, one a galaxy."""

    u: Tensor
    """(n, n_free)."""
    log_prob: Tensor
    """(n,)."""
    converged: Tensor
    """(n,) bool."""
    agreeing: Tensor
    """(n,) of the paths that went on to the end, those that ended within `_SAME` of the best in log-probability."""


# Paths that end so near in log-probability count as one answer; paths that survive each round, and its iterations.
_SAME = 3.0
_FEW_STARTS = 8
_ROUNDS = ((1.0, 5), (0.5, 8), (0.25, 50))


def modes(target: Target, starts: Tensor, galaxies: Tensor) -> Modes:
    """Find the most probable models of galaxies.

    Every start is followed for a few steps, the better half for some more, the best quarter (of eight starts or more at
    least two) to the end.

    Parameters
    ----------
    target : Target
    starts : Tensor, shape (n, n_start, n_free)
        Starts for each galaxy.
    galaxies : Tensor of int, shape (n,)
        Their rows of the data.

    Returns
    -------
    Modes
    """
    n, n_start, p = starts.shape
    galaxy = torch.arange(n)
    at = starts
    found: Climb | None = None
    fewest = 2 if n_start >= _FEW_STARTS else 1
    for share, iterations in _ROUNDS:
        k = min(n_start, max(fewest, round(share * n_start)))
        if found is not None and k < at.shape[1]:
            best = found.log_prob.view(n, -1).topk(k, dim=1).indices
            at = at.gather(1, best[..., None].expand(-1, -1, p))
        found = climb(target, at.reshape(n * k, p), galaxies.repeat_interleave(k), iterations=iterations)
        at = found.u.view(n, k, p)
    assert found is not None  # noqa: S101 (there is a round)
    value = found.log_prob.view(n, -1)
    top, best = value.max(dim=1)
    return Modes(
        at[galaxy, best],
        top,
        found.converged.view(n, -1)[galaxy, best],
        (value > top[:, None] - _SAME).sum(dim=1),
    )
