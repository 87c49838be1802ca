"""Priors as maps from standard normal coordinates: a fit walks in these, where every prior is a unit normal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import stats
from torch import Tensor

__all__ = [
    "Dirichlet",
    "FromScipy",
    "LogUniform",
    "Normal",
    "Prior",
    "Several",
    "Student",
    "TruncatedNormal",
    "Uniform",
]

# Beyond it the share of a standard normal is 1e-15: coordinates are held inside, so that no value is an edge itself.
EDGE = 8.0


class Prior:
    """The distribution of a parameter.

    Attributes
    ----------
    n_normal : int
        Standard normal coordinates that it takes.
    n_value : int
        Numbers that it gives; 0 for a single number without an axis of its own.
    """

    n_normal = 1
    n_value = 0

    def from_normal(self, u: Tensor) -> Tensor:
        """Return values (n,) or (n, n_value) for standard normal coordinates (n, n_normal); differentiable."""
        raise NotImplementedError

    def to_normal(self, value: Tensor) -> Tensor:
        """Undo `from_normal`; ValueError for values that the prior excludes."""
        raise NotImplementedError

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log of the density of values, (n,); minus infinity where excluded."""
        raise NotImplementedError


def _normal_log_prob(u: Tensor) -> Tensor:
    return -0.5 * u**2 - 0.5 * math.log(2 * math.pi)


def _excluded(prior: Prior, value: Tensor, bad: Tensor) -> ValueError:
    return ValueError(
        f"{prior} excludes {float(value[bad].flatten()[0]):.6g}; start inside it, or widen the prior"
    )


class _Single(Prior):
    """A prior of one number, known by its quantiles."""

    def from_normal(self, u: Tensor) -> Tensor:
        """Return values at standard normal coordinates."""
        return self._from(u[:, 0].clamp(-EDGE, EDGE))

    def to_normal(self, value: Tensor) -> Tensor:
        """Return standard normal coordinates of values."""
        bad = ~torch.isfinite(self.log_prob(value))
        if bool(bad.any()):
            raise _excluded(self, value, bad)
        return self._to(value).clamp(-EDGE, EDGE)[:, None]

    def _from(self, u: Tensor) -> Tensor:
        raise NotImplementedError

    def _to(self, value: Tensor) -> Tensor:
        raise NotImplementedError


def _bounds(name: str, low: float, high: float, above: float = -math.inf) -> None:
    if not (np.isfinite([low, high]).all() and above < low < high):
        raise ValueError(f"{name}({low}, {high}): give finite bounds, {above:g} < low < high")


def _positive(name: str, **values: float) -> None:
    for key, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name}: {key}={value} must be a positive number")


def _finite(name: str, **values: float) -> None:
    for key, value in values.items():
        if not np.isfinite(value):
            raise ValueError(f"{name}: {key}={value} must be a finite number")


@dataclass(frozen=True)
class Uniform(_Single):
    """Flat between two bounds."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _bounds("Uniform", self.low, self.high)

    def _from(self, u: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * torch.special.ndtr(u)

    def _to(self, value: Tensor) -> Tensor:
        return torch.special.ndtri((value - self.low) / (self.high - self.low))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log of the density, (n,)."""
        inside = (value >= self.low) & (value <= self.high)
        return torch.where(inside, -math.log(self.high - self.low), -math.inf).to(value)


@dataclass(frozen=True)
class LogUniform(_Single):
    """Flat in the logarithm between two positive bounds."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _bounds("LogUniform", self.low, self.high, 0.0)

    def _log(self) -> Uniform:
        return Uniform(math.log(self.low), math.log(self.high))

    def _from(self, u: Tensor) -> Tensor:
        return torch.exp(self._log()._from(u))

    def _to(self, value: Tensor) -> Tensor:
        return self._log()._to(torch.log(value))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log of the density, (n,)."""
        inside = (value >= self.low) & (value <= self.high)
        density = -torch.log(value.clamp(min=self.low)) - math.log(math.log(self.high / self.low))
        return torch.where(inside, density, -math.inf)


@dataclass(frozen=True)
class Normal(_Single):
    """Normal distribution."""

    mean: float
    sigma: float

    def __post_init__(self) -> None:
        _finite("Normal", mean=self.mean)
        _positive("Normal", sigma=self.sigma)

    def _from(self, u: Tensor) -> Tensor:
        return self.mean + self.sigma * u

    def _to(self, value: Tensor) -> Tensor:
        return (value - self.mean) / self.sigma

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log of the density, (n,)."""
        return _normal_log_prob(self._to(value)) - math.log(self.sigma)


@dataclass(frozen=True)
class TruncatedNormal(_Single):
    """Normal distribution between two bounds."""

    mean: float
    sigma: float
    low: float
    high: float

    def __post_init__(self) -> None:
        _finite("TruncatedNormal", mean=self.mean)
        _positive("TruncatedNormal", sigma=self.sigma)
        _bounds("TruncatedNormal", self.low, self.high)
        if self._share()[1] - self._share()[0] < 1e-12:
            raise ValueError(
                f"{self}: next to nothing of the normal lies between its bounds; move them or use Uniform"
            )

    def _share(self) -> tuple[float, float]:
        below = stats.norm.cdf([(edge - self.mean) / self.sigma for edge in (self.low, self.high)])
        return float(below[0]), float(below[1])

    def _from(self, u: Tensor) -> Tensor:
        low, high = self._share()
        x = self.mean + self.sigma * torch.special.ndtri(low + (high - low) * torch.special.ndtr(u))
        return x.clamp(self.low, self.high)

    def _to(self, value: Tensor) -> Tensor:
        low, high = self._share()
        return torch.special.ndtri(
            (torch.special.ndtr((value - self.mean) / self.sigma) - low) / (high - low)
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log of the density, (n,)."""
        low, high = self._share()
        density = _normal_log_prob((value - self.mean) / self.sigma) - math.log(self.sigma * (high - low))
        return torch.where((value >= self.low) & (value <= self.high), density, -math.inf)


class _Quantile(torch.autograd.Function):
    """Quantiles of a scipy distribution at standard normal coordinates; its density gives the derivative."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, distribution: Any) -> Tensor:
        at = u.detach().double().cpu().numpy()
        # Each tail from its own side: 1 - 1e-15 has lost what 1e-15 knows.
        x = np.where(at < 0, distribution.ppf(stats.norm.cdf(at)), distribution.isf(stats.norm.cdf(-at)))
        slope = np.exp(stats.norm.logpdf(at) - distribution.logpdf(x))
        ctx.save_for_backward(torch.as_tensor(np.nan_to_num(slope, posinf=0.0)).to(u))
        return torch.as_tensor(x).to(u)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return gradient[0] * slope, None


@dataclass(frozen=True)
class FromScipy(_Single):
    """Any frozen continuous distribution of `scipy.stats`."""

    distribution: Any

    def __post_init__(self) -> None:
        if not all(hasattr(self.distribution, name) for name in ("ppf", "isf", "logpdf")):
            raise ValueError(
                f"FromScipy takes a frozen distribution such as scipy.stats.beta(2, 5), not {self.distribution!r}"
            )
        if not np.isfinite(self.distribution.ppf(0.5)):
            raise ValueError(
                "FromScipy: the median of this distribution is no number; look at its parameters"
            )

    def _from(self, u: Tensor) -> Tensor:
        return _Quantile.apply(u, self.distribution)

    def _to(self, value: Tensor) -> Tensor:
        x = value.detach().double().cpu().numpy()
        below, above = self.distribution.cdf(x), self.distribution.sf(x)
        u = np.where(below < 0.5, stats.norm.ppf(below), stats.norm.isf(above))
        return torch.as_tensor(u).to(value)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log of the density, (n,)."""
        return torch.as_tensor(self.distribution.logpdf(value.detach().double().cpu().numpy())).to(value)


@dataclass(frozen=True)
class Student(FromScipy):
    """Student's t distribution: centre, scale and degrees of freedom."""

    distribution: Any = None
    mean: float = 0.0
    scale: float = 1.0
    dof: float = 2.0

    def __init__(self, mean: float, scale: float, dof: float) -> None:
        _finite("Student", mean=mean)
        _positive("Student", scale=scale, dof=dof)
        for name, value in (("mean", mean), ("scale", scale), ("dof", dof)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "distribution", stats.t(dof, mean, scale))

    def __repr__(self) -> str:
        return f"Student(mean={self.mean}, scale={self.scale}, dof={self.dof})"


class Dirichlet(Prior):
    """Shares that sum to one, by breaking a stick: n shares take n - 1 coordinates.

    Parameters
    ----------
    concentration : array_like, shape (n,)
        1 for all: every composition is equally probable. Below 1: few shares have most. Above 1: equal shares.
    """

    def __init__(self, concentration: ArrayLike) -> None:
        self.concentration = np.asarray(concentration, dtype=float)
        a = self.concentration
        if a.ndim != 1 or a.size < 2 or not np.all((a > 0) & np.isfinite(a)):
            raise ValueError(f"Dirichlet({concentration!r}): give at least two positive concentrations")
        self.n_value = self.concentration.size
        self.n_normal = self.n_value - 1
        rest = np.cumsum(self.concentration[::-1])[::-1][1:]
        self._breaks = [
            None if a == 1 else FromScipy(stats.beta(a, b))
            for a, b in zip(self.concentration[:-1], rest, strict=True)
        ]
        self._rest = rest

    def __repr__(self) -> str:
        return f"Dirichlet({self.concentration.tolist()})"

    def from_normal(self, u: Tensor) -> Tensor:
        """Return values at standard normal coordinates."""
        u = u.clamp(-EDGE, EDGE)
        left, shares = torch.ones_like(u[:, 0]), []
        for i, (law, rest) in enumerate(zip(self._breaks, self._rest, strict=True)):
            if law is None:  # beta(1, b) in closed form
                kept = torch.exp(torch.special.log_ndtr(-u[:, i]) / rest)
            else:
                kept = 1.0 - law._from(u[:, i])
            shares.append(left * (1.0 - kept))
            left = left * kept
        return torch.stack([*shares, left], dim=1)

    def to_normal(self, value: Tensor) -> Tensor:
        """Return standard normal coordinates of values."""
        bad = ~torch.isfinite(self.log_prob(value))
        if bool(bad.any()):
            raise ValueError(
                f"{self}: shares must be positive and sum to one, not {value[bad][0].tolist()}; divide by their sum"
            )
        after = torch.flip(torch.cumsum(torch.flip(value, [1]), 1), [1])  # what is left before each break
        out = []
        for i, (law, rest) in enumerate(zip(self._breaks, self._rest, strict=True)):
            kept = (after[:, i + 1] / after[:, i]).clamp(1e-300, 1.0 - 1e-16)
            out.append(
                -torch.special.ndtri(torch.exp(rest * torch.log(kept)))
                if law is None
                else law._to(1.0 - kept)
            )
        return torch.stack(out, dim=1).clamp(-EDGE, EDGE)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log of the density, (n,)."""
        a = torch.as_tensor(self.concentration).to(value)
        norm = torch.lgamma(a.sum()) - torch.lgamma(a).sum()
        inside = (value > 0).all(dim=1) & ((value.sum(dim=1) - 1).abs() < 1e-6)
        density = norm + ((a - 1) * torch.log(value.clamp(min=1e-300))).sum(dim=1)
        return torch.where(inside, density, -math.inf)


class Several(Prior):
    """A vector of independent numbers, each with a prior of its own.

    Parameters
    ----------
    priors : sequence of Prior
        Each of a single number; ``Several([Student(0, 0.3, 2)] * 6)`` for six alike.
    """

    def __init__(self, priors: Sequence[Prior]) -> None:
        self.priors = tuple(priors)
        if not self.priors or any(prior.n_value for prior in self.priors):
            raise ValueError("Several takes at least one prior, each of a single number")
        self.n_normal = self.n_value = len(self.priors)

    def __repr__(self) -> str:
        return f"Several({list(self.priors)})"

    def from_normal(self, u: Tensor) -> Tensor:
        """Return values at standard normal coordinates."""
        return torch.stack([p.from_normal(u[:, i : i + 1]) for i, p in enumerate(self.priors)], dim=1)

    def to_normal(self, value: Tensor) -> Tensor:
        """Return standard normal coordinates of values."""
        return torch.cat([p.to_normal(value[:, i]) for i, p in enumerate(self.priors)], dim=1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log of the density, (n,)."""
        return torch.stack([p.log_prob(value[:, i]) for i, p in enumerate(self.priors)]).sum(dim=0)
