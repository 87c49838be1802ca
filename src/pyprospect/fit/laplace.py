"""The normal distribution about the most probable model, its draws and its evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyprospect.fit.target import Target

__all__ = ["Laplace", "laplace"]


@dataclass(frozen=True)
class Laplace:
    """Normal approximations of posteriors, one a galaxy, in standard normal coordinates.

    Attributes
    ----------
    u : Tensor, shape (n, n_free)
        Modes.
    factor : Tensor, shape (n, n_free, n_free)
        Lower Cholesky factors of the covariances.
    log_evidence : Tensor, shape (n,)
        Log of the integral of likelihood times prior.
    """

    u: Tensor
    factor: Tensor
    log_evidence: Tensor

    def take(self, i: int) -> Laplace:
        """Return that of one galaxy."""
        return Laplace(self.u[i : i + 1], self.factor[i : i + 1], self.log_evidence[i : i + 1])

    def draws(self, n_draw: int, rng: np.random.Generator) -> Tensor:
        """Return draws, (n, n_draw, n_free)."""
        n, p = self.u.shape
        noise = torch.as_tensor(rng.standard_normal((n, n_draw, p)))
        return self.u[:, None] + noise @ self.factor.transpose(1, 2)

    def log_density(self, u: Tensor) -> Tensor:
        """Return the log of the normal density at points (n, n_draw, n_free), (n, n_draw)."""
        off = (u - self.u[:, None]).transpose(1, 2)
        white = torch.linalg.solve_triangular(self.factor, off, upper=False)
        log_det = torch.log(self.factor.diagonal(dim1=1, dim2=2)).sum(dim=1)
        return -0.5 * (white**2).sum(dim=1) - log_det[:, None] - 0.5 * u.shape[2] * math.log(2 * math.pi)


def laplace(target: Target, u: Tensor, rows: Tensor, log_prob: Tensor) -> Laplace:
    """Return the normal approximations at modes.

    Parameters
    ----------
    target : Target
    u : Tensor, shape (n, n_free)
        Modes.
    rows : Tensor of int, shape (n,)
        Their galaxies.
    log_prob : Tensor, shape (n,)
        Log of the posterior there.

    Returns
    -------
    Laplace
    """
    precision = target.curvature(u, rows)
    eye = torch.eye(u.shape[1], dtype=torch.float64)
    covariance = torch.linalg.inv(precision)
    covariance = 0.5 * (covariance + covariance.transpose(1, 2))
    factor = torch.linalg.cholesky(covariance + 1e-14 * eye)
    log_det = 2 * torch.log(factor.diagonal(dim1=1, dim2=2)).sum(dim=1)
    return Laplace(u, factor, log_prob + 0.5 * log_det + 0.5 * u.shape[1] * math.log(2 * math.pi))
