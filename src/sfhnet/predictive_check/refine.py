"""From the draws of an amortised posterior to the best model near them: Gauss-Newton with the real forward model.

Draws of a network scatter more than the noise of a good spectrum, so that none of them fits it. This finds the most
probable model, given the spectrum, when the draws (their mean and covariance) are taken as the prior. It cannot run
away: where the spectrum says nothing the draws' mean holds it, and how far it went is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pyprospect.fast.synthesizer import Synthesis
from sfhnet.predictive_check.forward_model import Forward
from sfhnet.predictive_check.linear_nuisances import LEVEL, NuisanceColumns, NuisanceSolver

__all__ = ["FitData", "FittedModels", "Prior", "fit_nuisances", "join", "level", "refine"]

# Share of the draws' covariance replaced by its diagonal: few draws do not know 39 dimensions.
_SHRINK = 0.1
_MIN_SIGMA = 0.01
_ROUNDING = 1e-5
_STEPS = torch.tensor([1.0, 0.5, 0.2], dtype=torch.float64)
# Gain in chi-square below which a spectrum is done.
_GAIN = 2.0


@dataclass(frozen=True)
class Prior:
    """A normal distribution of parameter vectors: mean (n, p) and the Cholesky factor of the covariance (n, p, p)."""

    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, draws: Tensor) -> Prior:
        """Return the normal distribution with mean and covariance of draws, shape (n, n_draw, p)."""
        mean = draws.mean(dim=1)
        off = draws - mean[:, None]
        covariance = off.transpose(1, 2) @ off / max(draws.shape[1] - 1, 1)
        diagonal = covariance.diagonal(dim1=1, dim2=2).clamp(min=_MIN_SIGMA**2)
        covariance = (1 - _SHRINK) * covariance + torch.diag_embed(_SHRINK * diagonal + 1e-6)
        return cls(mean, torch.linalg.cholesky(covariance))

    def take(self, rows: Tensor) -> Prior:
        """Return some of the spectra."""
        return Prior(self.mean[rows], self.factor[rows])

    def whiten(self, vectors: Tensor) -> Tensor:
        """Return vectors (n, p) in units of the standard deviations, about the mean."""
        off = (vectors - self.mean)[..., None]
        return torch.linalg.solve_triangular(self.factor, off, upper=False)[..., 0]


@dataclass(frozen=True)
class FittedModels:
    """Models with their nuisances.

    Parameters
    ----------
    vectors : Tensor, shape (n, p)
        Parameters.
    scale : Tensor, shape (n,)
        Data over model per Msol formed.
    coefficients : Tensor, shape (n, n_column)
        Of the nuisances.
    prediction : Tensor, shape (n, n_data)
        Model with nuisances: spectrum and bands.
    """

    vectors: Tensor
    scale: Tensor
    coefficients: Tensor
    prediction: Tensor


def join(model: Synthesis) -> Tensor:
    """Return spectrum and bands side by side, (n, n_wave + n_band)."""
    return torch.cat([model.flux, model.band_flux], dim=1)


def level(model: Tensor, data: Tensor, root: Tensor) -> Tensor:
    """Return the factor by which models fit data best.

    Parameters
    ----------
    model : Tensor, shape (..., n_data)
        Models.
    data, root : Tensor, shapes that go with it
        Data and the root of their weights.

    Returns
    -------
    Tensor, shape (...)
    """
    weighted = model * root
    return (weighted * (data * root)).sum(-1) / (weighted**2).sum(-1).clamp(min=1e-30)


def scaled(model: Synthesis, scale: Tensor) -> Synthesis:
    """Multiply spectra, bands and lines by factors.

    Parameters
    ----------
    model : Synthesis
        n models.
    scale : Tensor, shape (n,)
        Factors.

    Returns
    -------
    Synthesis
    """
    return Synthesis(*(part * scale[:, None].to(part.dtype) for part in model))


@dataclass(frozen=True)
class FitData:
    """What is fitted: data and the root of their weights (n, n_data), redshifts (n,), which pixels (all by default)."""

    data: Tensor
    root: Tensor
    redshift: Tensor
    pixels: Tensor | None = None

    def take(self, rows: Tensor) -> FitData:
        """Return some of the spectra."""
        return FitData(self.data[rows], self.root[rows], self.redshift[rows], self.pixels)

    def thinned(self, n_wave: int) -> FitData:
        """Return every second pixel of the spectra, with the weight of both.

        Spectra of the training resolution (sigma of 2 pixels or more) say nothing between; half of the work is saved.
        """
        n_data = self.data.shape[1]
        pixels = torch.cat([torch.arange(0, n_wave, 2), torch.arange(n_wave, n_data)])
        weight = torch.where(pixels < n_wave, 2.0**0.5, 1.0)
        return FitData(self.data[:, pixels], self.root[:, pixels] * weight, self.redshift, pixels)

    def seen(self, values: Tensor) -> Tensor:
        """Return the pixels of these data from (..., n_wave + n_band)."""
        return values if self.pixels is None else values[..., self.pixels]

    def model(self, forward: Forward, vectors: Tensor) -> tuple[Synthesis, Tensor]:
        """Synthesise models and bring them to the level of the data.

        Parameters
        ----------
        forward : Forward
            The forward model.
        vectors : Tensor, shape (n, p)
            Parameters.

        Returns
        -------
        model : Synthesis
            At the level of the data, all pixels.
        scale : Tensor, shape (n,)
            Data over model per Msol formed.
        """
        model = forward(vectors, self.redshift)
        scale = level(self.seen(join(model)), self.data, self.root)
        return scaled(model, scale), scale


def fit_nuisances(
    forward: Forward, nuisances: NuisanceColumns, vectors: Tensor, *, given: FitData
) -> FittedModels:
    """Fit level and nuisances of models that are given.

    Parameters
    ----------
    forward, nuisances
        Model and nuisances.
    vectors : Tensor, shape (n, p)
        Parameters.
    given : FitData
        Data.

    Returns
    -------
    FittedModels
    """
    model, scale = given.model(forward, vectors)
    coefficients, explained = NuisanceSolver(nuisances(model), given.root).explain(given.data - join(model))
    return FittedModels(
        vectors, scale.double() * (1 + LEVEL * coefficients[:, 0]), coefficients, join(model) + explained
    )


def refine(
    forward: Forward,
    nuisances: NuisanceColumns,
    prior: Prior,
    *,
    start: Tensor,
    given: FitData,
    iterations: int = 5,
) -> Tensor:
    """Improve models step by step.

    Parameters
    ----------
    forward, nuisances, prior
        Model, nuisances, and the draws as a normal distribution.
    start : Tensor, shape (n, p)
        Where to begin: the best draws.
    given : FitData
    iterations : int
        Steps at most; each costs p + 4 models. A step that does not improve is not taken, and a spectrum whose step
        gains less than `_GAIN` is done.

    Returns
    -------
    Tensor, shape (n, p)
    """
    vectors, active = start.clone(), torch.arange(len(start))
    given = given.thinned(len(forward.synthesizer.wave_aa))
    for _ in range(iterations):
        here, own, at = given.take(active), vectors[active], prior.take(active)
        model, _ = here.model(forward, own)
        solver = NuisanceSolver(here.seen(nuisances(model)), here.root)
        spectrum = here.seen(join(model))
        residual = (here.data - spectrum) * here.root
        before = solver.cost(residual[:, None])[:, 0] + (at.whiten(own) ** 2).sum(-1)
        move = _direction(forward, solver, at, own, spectrum, residual, here)
        trials = forward.clamp(own[:, None] + _STEPS[:, None] * move[:, None])
        after = _costs(forward, solver, at, trials, here)
        best = after.argmin(dim=1)
        gain = before - after.gather(1, best[:, None])[:, 0]
        vectors[active] = torch.where((gain > 0)[:, None], trials[torch.arange(len(active)), best], own)
        active = active[gain > _GAIN]
        if not len(active):
            break
    return vectors


def _costs(forward: Forward, solver: NuisanceSolver, prior: Prior, trials: Tensor, given: FitData) -> Tensor:
    n, k, p = trials.shape
    models = join(forward(trials.reshape(n * k, p), given.redshift.repeat_interleave(k)))
    models = given.seen(models).view(n, k, -1)
    root, data = given.root[:, None], given.data[:, None]
    models = models * level(models, data, root)[..., None]
    penalty = torch.stack([(prior.whiten(trials[:, i]) ** 2).sum(-1) for i in range(k)], dim=1)
    return solver.cost((data - models) * root) + penalty


def _direction(
    forward: Forward,
    solver: NuisanceSolver,
    prior: Prior,
    vectors: Tensor,
    own: Tensor,
    residual: Tensor,
    given: FitData,
) -> Tensor:
    n, p = vectors.shape
    # Away from the nearer bound, so that every difference is taken inside the bounds.
    middle = 0.5 * (forward.low + forward.high)
    step = torch.where(vectors > middle, -forward.steps, forward.steps)
    moved = (vectors[:, None] + torch.diag_embed(step)).reshape(n * p, p)
    jacobian = given.seen(join(forward(moved, given.redshift.repeat_interleave(p)))).view(n, p, -1)
    # Each neighbour is brought to the same level: the level is a nuisance of its own.
    factor = level(jacobian, own[:, None], given.root[:, None])[..., None]
    jacobian.mul_(factor).sub_(own[:, None]).mul_(given.root[:, None] / step[..., None].float())
    jacobian = torch.bmm(prior.factor.transpose(1, 2).float(), jacobian)
    # The nuisances are eliminated from the normal equations of both (Schur complement).
    coefficients, across = solver.project(jacobian)
    exact = jacobian.double()
    gram = torch.bmm(exact, exact.transpose(1, 2)) - torch.bmm(across.transpose(1, 2), coefficients)
    # The rounding of the models themselves, relative, is damped; it changes the length of a step, not where it ends.
    gram.diagonal(dim1=1, dim2=2).mul_(1 + _ROUNDING).add_(1.0)
    of_residual, _ = solver.project(residual[:, None])
    right = torch.bmm(jacobian, residual[..., None]).double() - torch.bmm(across.transpose(1, 2), of_residual)
    right = right - prior.whiten(vectors)[..., None]
    found = torch.cholesky_solve(right, torch.linalg.cholesky(gram))
    return torch.bmm(prior.factor, found)[..., 0]
