"""Draws of something else, weighed by the exact posterior: is it right, and how much of it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyprospect.fit.target import Target

__all__ = ["Weighed", "pareto_smoothed", "weigh"]

Array = NDArray[np.float64]
# ASSUME: above it the variance of the weights does not exist (Vehtari et al. 2024).
_WORST_K = 0.7
_FEWEST = 10
# Masses nearer to the best ones than this, in coordinates of the target, were fitted.
_NO_SPREAD = 1e-3


class Weighed(NamedTuple):
    """Draws with the weights of a posterior."""

    u: Tensor
    """(n, n_free), coordinates of the target."""
    log_weight: Array
    """(n,), normalised, smoothed."""
    log_prob: Tensor
    """(n,) log of the posterior, not normalised."""
    effective_size: float
    pareto_k: float
    log_evidence: float
    collapsed: bool
    """The draws miss the posterior: fewer than ten count, or a few have all the weight."""


def weigh(target: Target, draws: Mapping[str, Any], log_density: Array | None = None) -> Weighed:
    """Weigh draws by the posterior.

    Parameters
    ----------
    target : Target
        With plain coordinates (``level=False``) if `log_density` is given.
    draws : mapping of array_like
        Values of the free parameters, n of each. Those that the prior excludes get no weight.
    log_density : ndarray, shape (n,), optional
        Log of the density that the draws come from, in the coordinates of `draws`. None: they come from a normal, with
        their own mean and covariance in standard normal coordinates, which they are then drawn from again.

    Returns
    -------
    Weighed

    Raises
    ------
    ValueError
        If a parameter is missing, or no draw lies inside the priors.
    """
    u, values, inside = _coordinates(target, draws)
    rows = torch.zeros(len(u), dtype=torch.long)
    # Draws that the prior excludes have no weight, but count; what is drawn again is inside.
    kept = 1.0
    if log_density is None:
        u, log_q = _redrawn(_with_mass_spread(target, target.to_coordinates(u, rows)))
        from_prior = target.log_prior(u)
    else:
        kept = len(u) / len(inside)
        # In the parameters' own coordinates the prior has their density.
        log_q = torch.as_tensor(np.asarray(log_density, dtype=float)[inside.numpy()])
        from_prior = torch.stack([p.log_prob(values[k]) for k, p in target.parameters.priors.items()]).sum(0)
    log_prob = target.log_prob(u, rows)
    raw = (log_prob - target.log_prior(u) + from_prior - log_q).numpy()
    raw = np.where(np.isfinite(raw), raw, -math.inf)
    if not np.isfinite(raw).any():
        raise ValueError(
            "no draw has a finite probability; check that draws, data and model are of one galaxy"
        )
    smooth, k = pareto_smoothed(raw)
    top = smooth.max()
    weight = np.exp(smooth - top)
    size = float(weight.sum() ** 2 / (weight**2).sum())
    evidence = float(top + np.log(weight.mean() * kept))
    return Weighed(
        u,
        smooth - top - np.log(weight.sum()),
        log_prob,
        size,
        k,
        evidence,
        bool(size < _FEWEST or k > _WORST_K),
    )


def _coordinates(target: Target, draws: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Return coordinates and values of the draws inside the priors, and which these are."""
    priors = target.parameters.priors
    missing = [name for name in priors if name not in draws]
    if missing:
        raise ValueError(f"the draws lack {', '.join(missing)}; give every free parameter, or fix these")
    values = {name: torch.as_tensor(np.asarray(draws[name], dtype=float)) for name in priors}
    inside = torch.stack([torch.isfinite(p.log_prob(values[k])) for k, p in priors.items()]).all(dim=0)
    if not bool(inside.any()):
        raise ValueError("no draw lies inside the priors; widen them, or bring the draws inside")
    kept = {name: value[inside] for name, value in values.items()}
    return target.parameters.to_normal(kept), kept, inside


def _with_mass_spread(target: Target, u: Tensor) -> Tensor:
    """Give masses that were not drawn, but fitted to each draw, the spread that the level of the data leaves them."""
    mine = target.parameters.slices.get("log_mass")
    if not target.level or mine is None or float(u[:, mine].std()) > _NO_SPREAD:
        return u
    curvature = target.curvature(u.mean(dim=0, keepdim=True), torch.zeros(1, dtype=torch.long))[0]
    # Wider than with all else fixed, for the best mass is not quite the mean one: heavy sides cost few draws.
    width = 1.5 * float(curvature[mine, mine]) ** -0.5
    noise = torch.as_tensor(np.random.default_rng([len(u), 1]).standard_normal(len(u)))
    out = u.clone()
    out[:, mine.start] += width * noise
    return out


def _redrawn(u: Tensor) -> tuple[Tensor, Tensor]:
    """Return draws of the normal with the mean and covariance of others, a little wider, and their log density."""
    n, p = u.shape
    if n <= p + 1:
        raise ValueError(
            f"{n} draws do not know the covariance of {p} parameters; give log_density, or more draws"
        )
    off = u - u.mean(dim=0)
    covariance = 1.2 * off.T @ off / (n - 1) + 1e-8 * torch.eye(p, dtype=torch.float64)
    law = torch.distributions.MultivariateNormal(u.mean(dim=0), covariance)
    noise = torch.as_tensor(np.random.default_rng([n, p]).standard_normal((n, p)))
    new = law.loc + noise @ law.scale_tril.T
    return new, law.log_prob(new)


def pareto_smoothed(log_weight: Array) -> tuple[Array, float]:
    """Smooth the largest weights by a generalised Pareto law (Vehtari et al. 2024).

    Parameters
    ----------
    log_weight : ndarray, shape (n,)

    Returns
    -------
    smoothed : ndarray, shape (n,)
    k : float
        Shape of the law: below 0.5 the weights are sound, above 0.7 they are not; infinite for too few draws.
    """
    n = len(log_weight)
    n_tail = int(min(0.2 * n, 3 * math.sqrt(n)))
    out = np.array(log_weight, dtype=float)
    order = np.argsort(out)
    finite = int(np.isfinite(out).sum())
    if n_tail < 5 or finite <= n_tail:
        return out, math.inf
    tail, edge = order[-n_tail:], out[order[-n_tail - 1]]
    top = out[tail].max()
    excess = np.exp(out[tail] - top) - np.exp(edge - top)
    if not excess[-1] > 0 or np.ptp(out[tail]) < 1e-12:
        return out, -math.inf
    k, sigma = _pareto_fit(excess)
    at = (np.arange(n_tail) + 0.5) / n_tail
    quantile = -sigma * np.log1p(-at) if abs(k) < 1e-10 else sigma * np.expm1(-k * np.log1p(-at)) / k
    out[tail] = np.minimum(np.log(quantile + np.exp(edge - top)) + top, top)
    return out, k


def _pareto_fit(x: Array) -> tuple[float, float]:
    """Fit a generalised Pareto law to ascending, positive values (Zhang & Stephens 2009), shape drawn towards 0.5."""
    n = len(x)
    x = np.maximum(x, 1e-300)
    m = 30 + int(math.sqrt(n))
    quarter = x[int(n / 4 + 0.5) - 1]
    theta = 1 / x[-1] + (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * quarter)
    shape = -np.log1p(-theta[:, None] * x).mean(axis=1)
    score = n * (np.log(theta / shape) + shape - 1)
    weight = 1 / np.exp(score[None] - score[:, None]).sum(axis=1)
    best = float((theta * weight).sum() / weight.sum())
    k = float(np.log1p(-best * x).mean())
    sigma = -k / best
    return (k * n + 5.0) / (n + 10), sigma
