"""The posterior that everything walks on: its value, gradient and expected curvature, for many points at once."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pyprospect.fit.likelihood import Likelihood
from pyprospect.fit.model import GalaxyModel, Prediction
from pyprospect.fit.parameters import Values
from pyprospect.fit.priors import Normal, TruncatedNormal, Uniform

__all__ = ["BadModelError", "Target"]

_LOG_2PI = math.log(2 * math.pi)
# Step in units of the prior's width: far above the rounding of single precision, far below what bends a model.
_STEP = 0.02
# Dex: about what the level of good data leaves to the mass.
_MASS_UNIT = 0.01
# Pairs of models that tell whether something hangs on the mass.
_PAIRS = 16
# Models at a time: their spectra fit into some 60 MB.
BLOCK = 1024


class BadModelError(ValueError):
    """The model or its probability is not a number where a fit must start."""


class Target:
    """Log of likelihood times prior, in the coordinates where every prior is a unit normal.

    Light follows mass, and the level of the data is known far better than anything else: history, dust and mass can only
    change together, along a curve. So the coordinate of ``log_mass`` is here its distance from the mass that fits best,
    everything else given, in units of `_MASS_UNIT`; the probability is that of the parameters all the same.

    Parameters
    ----------
    model : GalaxyModel
    likelihood : Likelihood
        Of the same data.
    level : bool
        False: plain coordinates, as a sampler wants them that draws from the prior.

    Attributes
    ----------
    n_call : int
        Models made so far.
    n_bad : int
        Of them, those whose likelihood was no number; they count as impossible.
    """

    def __init__(self, model: GalaxyModel, likelihood: Likelihood, *, level: bool = True) -> None:
        self.level = level and _mass_is_a_factor(model)
        self.model, self.likelihood, self.parameters = model, likelihood, model.parameters
        self.n_free = self.parameters.n_free
        self.n_call = self.n_bad = 0

    def point(self, u: Tensor, rows: Tensor) -> tuple[Values, Prediction, Tensor | float]:
        """Return parameters and models at coordinates, and what the change of coordinates adds to the likelihood."""
        self.n_call += len(u)
        values = self.parameters.values(u)
        if not self.level:
            return values, self.model.predict(values, rows), 0.0
        prior, mine = self.parameters.priors["log_mass"], self.parameters.slices["log_mass"]
        middle = prior.from_normal(torch.zeros_like(u[:, :1]))
        light = self.model.predict({**values, "log_mass": middle}, rows)
        share = self.likelihood.best_level(light, rows).clamp(min=1e-8)
        off = u[:, mine.start]
        mass = middle + torch.log10(share) + _MASS_UNIT * off
        scale = (share * 10.0 ** (_MASS_UNIT * off))[:, None]
        added = prior.log_prob(mass) + math.log(_MASS_UNIT) + 0.5 * off**2 + 0.5 * _LOG_2PI
        return {**values, "log_mass": mass}, Prediction(light.spectrum * scale, light.bands * scale), added

    def values(self, u: Tensor, rows: Tensor) -> Values:
        """Return the parameters at coordinates; no gradient."""
        with torch.no_grad():
            if not self.level:
                return self.parameters.values(u)
            parts = [self.point(a, b)[0] for a, b in self._blocks(u, rows)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def to_coordinates(self, plain: Tensor, rows: Tensor) -> Tensor:
        """Return coordinates of points given in plain standard normal ones (`Parameters.to_normal`)."""
        if not self.level:
            return plain.clone()
        mine = self.parameters.slices["log_mass"]
        at = plain.clone()
        at[:, mine] = 0.0
        best = self.values(at, rows)["log_mass"]
        wanted = self.parameters.priors["log_mass"].from_normal(plain[:, mine])
        at[:, mine] = ((wanted - best) / _MASS_UNIT)[:, None]
        return at

    def log_likelihood(self, u: Tensor, rows: Tensor) -> Tensor:
        """Return log-likelihood plus the extra log-prior, (n,), at coordinates (n, n_free) for galaxies (n,)."""
        values, prediction, added = self.point(u, rows)
        found = self.likelihood(prediction, values, rows) + added
        found = found + self.parameters.added(values)
        bad = torch.isnan(found)
        if bool(bad.any()):
            self.n_bad += int(bad.sum())
            found = torch.where(bad, -math.inf, found)
        return found

    def log_prob(self, u: Tensor, rows: Tensor) -> Tensor:
        """Return the log of the posterior, not normalised, (n,); no gradient."""
        with torch.no_grad():
            parts = [self.log_likelihood(a, b) for a, b in self._blocks(u, rows)]
        return torch.cat(parts) + self.log_prior(u)

    @staticmethod
    def log_prior(u: Tensor) -> Tensor:
        """Return the log of the unit normal prior, (n,)."""
        return -0.5 * (u**2).sum(dim=1) - 0.5 * _LOG_2PI * u.shape[1]

    @staticmethod
    def _blocks(u: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(u), BLOCK):
            yield u[start : start + BLOCK], rows[start : start + BLOCK]

    def with_gradient(self, u: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log of the posterior, (n,), and its gradient, (n, n_free)."""
        values, gradients = [], []
        for a, b in self._blocks(u, rows):
            at = a.detach().clone().requires_grad_(True)
            found = self.log_likelihood(at, b) + self.log_prior(at)
            finite = torch.isfinite(found)
            (gradient,) = torch.autograd.grad(torch.where(finite, found, 0.0).sum(), at)
            values.append(found.detach())
            gradients.append(torch.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0))
        return torch.cat(values), torch.cat(gradients)

    def curvature(self, u: Tensor, rows: Tensor) -> Tensor:
        """Return the expected curvature of minus the log of the posterior, (n, n_free, n_free): Fisher matrix plus one.

        The derivatives of the models are differences: what they miss bends a path, it does not move where it ends.
        """
        per = max(1, BLOCK // (self.n_free + 1))
        out = [self._fisher(u[i : i + per], rows[i : i + per]) for i in range(0, len(u), per)]
        return torch.cat(out) + torch.eye(self.n_free, dtype=torch.float64)

    def _fisher(self, u: Tensor, rows: Tensor) -> Tensor:
        n, p = u.shape
        # Towards the middle of the prior, away from its edges.
        step = torch.where(u > 0, -_STEP, _STEP)
        points = torch.cat([u[:, None], u[:, None] + torch.diag_embed(step)], dim=1).reshape(n * (p + 1), p)
        row = rows.repeat_interleave(p + 1)
        with torch.no_grad():
            values, prediction, _ = self.point(points, row)
            every = self.likelihood.residuals(prediction, values, row)
            here = type(every)(*(part.view(n, p + 1, -1)[:, 0] for part in every))
            counted = here.good
            weight = torch.where(counted, 1.0 / here.sigma, 0.0)
            # A limit that is met says nothing.
            weight = torch.where(here.limit & (here.residual > 2 * here.sigma), 0.0, weight)
            model = every.model.view(n, p + 1, -1)
            jacobian = (model[:, 1:] - model[:, :1]) * (weight[:, None] / step[..., None])
            fisher = torch.bmm(jacobian, jacobian.transpose(1, 2))
            columns = self.likelihood._columns
            if len(columns):
                gram, _ = self.likelihood.weighted_sums(here, counted & ~here.limit)
                shapes = here.model * weight
                cross = (jacobian * shapes[:, None]) @ columns.T
                eye = torch.eye(len(columns), dtype=torch.float64)
                solved = torch.linalg.solve(gram + eye, cross.transpose(1, 2))
                fisher = fisher - torch.bmm(cross, solved)
            if {"log_error_scale", "error_floor"} & set(self.parameters.names):
                sigma = torch.log(every.sigma).view(n, p + 1, -1)
                of_errors = (sigma[:, 1:] - sigma[:, :1]) / step[..., None] * counted[:, None]
                fisher = fisher + 2 * torch.bmm(of_errors, of_errors.transpose(1, 2))
        return torch.nan_to_num(fisher)

    def start(self, n: int, rng: np.random.Generator) -> Tensor:
        """Return n draws of the prior, (n, n_free), nearer its middle than its edges; the mass is what fits best."""
        u = torch.as_tensor(0.7 * rng.standard_normal((n, self.n_free)))
        if self.level:
            u[:, self.parameters.slices["log_mass"]] = 0.0
        return u

    def levelled(self, u: Tensor, rows: Tensor) -> Tensor:
        """Return coordinates with the mass that fits best, where these coordinates do not have it anyway."""
        if self.level or "log_mass" not in self.parameters.priors:
            return u.clone()
        with torch.no_grad():
            values = self.parameters.values(u)
            share = self.likelihood.best_level(self.model.predict(values, rows), rows)
            moved = values["log_mass"] + torch.log10(share.clamp(min=1e-8))
            return self.parameters.replaced(u, "log_mass", moved)

    def check(self, u: Tensor, rows: Tensor) -> None:
        """Raise BadModelError where the posterior has no finite value at all."""
        found = self.log_prob(u, rows)
        if bool(torch.isfinite(found).any()):
            return
        values = self.values(u[:1], rows[:1])
        shown = {name: value[0].tolist() for name, value in values.items() if name in self.parameters.priors}
        raise BadModelError(
            f"the likelihood is not a finite number at any of {len(u)} starts, such as {shown}; check errors and "
            "masks of the data, the extra log_prior, and the priors' bounds"
        )


def _mass_is_a_factor(model: GalaxyModel) -> bool:
    """Return whether all light is proportional to the mass, and nothing else hangs on it."""
    parameters = model.parameters
    prior = parameters.priors.get("log_mass")
    # Of these the density has a gradient.
    if model.nucleus is not None or not isinstance(prior, (Uniform, Normal, TruncatedNormal)):
        return False
    # Draws of the prior in pairs that differ in the mass alone.
    u = torch.as_tensor(np.random.default_rng(1).standard_normal((_PAIRS, parameters.n_free)))
    other = u.clone()
    other[:, parameters.slices["log_mass"]] *= -1.0
    values, changed = parameters.values(u), parameters.values(other)
    if any(not bool((values[name] == changed[name]).all()) for name in parameters.tied):
        return False
    with torch.no_grad():
        added = [torch.as_tensor(parameters.added(v)) for v in (values, changed)]
    return torch.equal(*added)
