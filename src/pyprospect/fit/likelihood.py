"""How probable data are under a model: error laws, errors that are themselves fitted, calibration marginalised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial import legendre
from torch import Tensor

from pyprospect.fit.data import Data
from pyprospect.fit.model import Prediction
from pyprospect.fit.parameters import Values

__all__ = ["Calibration", "Likelihood", "Residuals"]

_LOG_2PI = math.log(2 * math.pi)
_HIGHEST_ORDER = 200


@dataclass(frozen=True)
class Calibration:
    """What multiplies the model before it meets the data; its coefficients are integrated out.

    Parameters
    ----------
    order : int
        Legendre polynomials 1 .. order over the spectrum.
    sigma : float or sequence of float, length order
        Standard deviation of the normal prior of each coefficient, in units of the flux.
    level : float
        The same of the level of the spectrum against the bands (aperture); 0: none.
    zero_points : mapping of str to float
        Instrument -> standard deviation of its zero point, as a fraction of the flux.
    """

    order: int = 0
    sigma: float | Sequence[float] = 0.05
    level: float = 0.0
    zero_points: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (0 <= self.order <= _HIGHEST_ORDER and 0 <= self.level < math.inf):
            raise ValueError(
                f"{self}: order must be from 0 to {_HIGHEST_ORDER}, level finite and not negative"
            )
        sigma = np.broadcast_to(np.asarray(self.sigma, dtype=float), (self.order,)) if self.order else [1.0]
        if not np.all((np.asarray(sigma) > 0) & np.isfinite(sigma)):
            raise ValueError(f"{self}: sigma must be positive")
        if any(not 0 < s < math.inf for s in self.zero_points.values()):
            raise ValueError(f"zero points {dict(self.zero_points)} must have positive standard deviations")


class Residuals(NamedTuple):
    """Data, model and weights side by side, float64, (n, n_data)."""

    residual: Tensor
    model: Tensor
    sigma: Tensor
    """With scale and floor in it."""
    good: Tensor
    limit: Tensor


class Likelihood:
    """The probability of data.

    Parameters
    ----------
    data : Data
    kind : {"norm", "st", "chisq"}
        ProSpect's: normal errors; Student's t with the degrees of freedom that the scatter of the residuals asks for;
        chi-square of the sum. As in R, ``st`` and ``chisq`` are for photometry: neither knows of calibration, limits
        or errors that are fitted.
    calibration : Calibration, optional
    n_free : int
        Free parameters, for ``chisq``.

    Notes
    -----
    Two parameters of a fit are the likelihood's: ``log_error_scale``, ln of a factor on all errors, and
    ``error_floor``, a fraction of the model added in quadrature.

    Raises
    ------
    ValueError
        For an unknown kind, instruments that the data have not, or what a kind cannot do.
    """

    def __init__(
        self,
        data: Data,
        kind: str = "norm",
        *,
        calibration: Calibration | None = None,
        n_free: int = 0,
    ) -> None:
        if kind not in ("norm", "st", "chisq"):
            raise ValueError(f"likelihood {kind!r} is unknown; use 'norm', 'st' or 'chisq'")
        self.kind, self.calibration = kind, calibration or Calibration()
        self.flux, self.sigma, self.good = (torch.as_tensor(column) for column in _columns(data))
        self.limit = torch.zeros_like(self.good)
        self.n_wave = 0 if data.spectrum is None else data.spectrum.flux.shape[1]
        if data.photometry is not None:
            self.limit[:, self.n_wave :] = torch.as_tensor(np.array(data.photometry.upper_limit))
        # Values that do not count may be anything; zero over one spoils no sum.
        self.flux = torch.where(self.good, self.flux, 0.0)
        self.sigma = torch.where(self.good, self.sigma, 1.0)
        self._columns = self._make_columns(data)
        self.n_free = n_free
        if kind != "norm" and (len(self._columns) or bool(self.limit.any())):
            raise ValueError(f"likelihood {kind!r} knows neither calibration nor upper limits; use 'norm'")
        if kind == "chisq" and int(self.good.sum(dim=1).min()) <= n_free:
            raise ValueError(
                f"likelihood 'chisq' needs more values than the {n_free} free parameters; "
                f"{int(self.good.sum(dim=1).min())} are given"
            )

    def _make_columns(self, data: Data) -> Tensor:
        """Shapes of the calibration at one standard deviation, (n_column, n_data)."""
        rows, n_data, c = [], self.flux.shape[1], self.calibration
        if (c.order or c.level) and data.spectrum is None:
            raise ValueError("a calibration polynomial needs a spectrum; leave order and level out")
        if c.order:
            x = np.linspace(-1.0, 1.0, self.n_wave)
            curves = legendre.legvander(x, c.order).T[1:] * np.broadcast_to(c.sigma, (c.order,))[:, None]
            rows += [np.append(curve, np.zeros(n_data - self.n_wave)) for curve in curves]
        if c.level:
            rows.append(np.append(np.full(self.n_wave, c.level), np.zeros(n_data - self.n_wave)))
        known = () if data.photometry is None else data.photometry.instrument or ()
        for name, sigma in c.zero_points.items():
            mine = [name == other for other in known]
            if not any(mine):
                raise ValueError(
                    f"no band is of the instrument {name!r}; those of the data: {sorted(set(known))}"
                )
            rows.append(np.append(np.zeros(self.n_wave), np.where(mine, sigma, 0.0)))
        return torch.as_tensor(np.array(rows).reshape(len(rows), n_data))

    def residuals(self, prediction: Prediction, values: Values, rows: Tensor) -> Residuals:
        """Compare models with the data of galaxies `rows`, (n,)."""
        model = torch.cat([prediction.spectrum, prediction.bands], dim=1)
        flux, sigma = self.flux[rows], self.sigma[rows]
        good, limit = self.good[rows], self.limit[rows]
        if "log_error_scale" in values:
            sigma = sigma * torch.exp(values["log_error_scale"])[:, None]
        if "error_floor" in values:
            floor = values["error_floor"][:, None] * model
            sigma = torch.where(good, torch.sqrt(sigma**2 + floor**2), sigma)
        residual = torch.where(good, flux - model, 0.0)
        return Residuals(residual, model, sigma, good, limit)

    def __call__(self, prediction: Prediction, values: Values, rows: Tensor) -> Tensor:
        """Return the log-likelihood of models.

        Parameters
        ----------
        prediction : Prediction
            n models.
        values : dict
            Their parameters.
        rows : Tensor of int, shape (n,)
            The galaxy of the data that each is compared with.

        Returns
        -------
        Tensor of float64, shape (n,)
            In units of the whitened residuals: ProSpect's constants, without the errors' own normalisation, but for
            the part of it that fitted errors change.
        """
        r = self.residuals(prediction, values, rows)
        if self.kind == "st":
            return _student(r)
        if self.kind == "chisq":
            chi2 = ((r.residual / r.sigma) ** 2).sum(dim=1)
            half = 0.5 * (r.good.sum(dim=1).double() - self.n_free)
            return (half - 1) * torch.log(chi2) - 0.5 * chi2 - half * math.log(2) - torch.lgamma(half)
        counted = r.good & ~r.limit
        chi = torch.where(counted, r.residual / r.sigma, 0.0)
        log_sigma = torch.where(counted, torch.log(r.sigma / self.sigma[rows]), 0.0).sum(dim=1)
        out = -0.5 * (chi**2).sum(dim=1) - log_sigma - 0.5 * _LOG_2PI * counted.sum(dim=1).double()
        if len(self._columns):
            out = out + self._marginalised(r, counted)
        if bool(self.limit.any()):
            below = torch.special.log_ndtr(torch.where(r.good & r.limit, r.residual / r.sigma, 40.0))
            out = out + torch.where(r.good & r.limit, below, 0.0).sum(dim=1)
        return out

    def best_level(self, prediction: Prediction, rows: Tensor) -> Tensor:
        """Return the factor, (n,), that brings models closest to the data by the errors as given."""
        model = torch.cat([prediction.spectrum, prediction.bands], dim=1)
        counted = self.good[rows] & ~self.limit[rows]
        weight = torch.where(counted, model / self.sigma[rows] ** 2, 0.0)
        return (weight * self.flux[rows]).sum(dim=1) / (weight * model).sum(dim=1).clamp(min=1e-300)

    def weighted_sums(self, r: Residuals, counted: Tensor) -> tuple[Tensor, Tensor]:
        """Return products of the columns with themselves, (n, k, k), and with residuals, (n, k), by the errors."""
        weight = torch.where(counted, r.model / r.sigma**2, 0.0)
        k = len(self._columns)
        upper = torch.triu_indices(k, k)
        # Products of two columns are the same for every model: one matrix product instead of n.
        pairs = self._columns[upper[0]] * self._columns[upper[1]]
        sums = (weight * r.model) @ pairs.T
        gram = torch.zeros(len(weight), k, k, dtype=torch.float64)
        gram[:, upper[0], upper[1]] = sums
        gram[:, upper[1], upper[0]] = sums
        return gram, (weight * r.residual) @ self._columns.T

    def _marginalised(self, r: Residuals, counted: Tensor) -> Tensor:
        """What integrating over the coefficients adds to the log-likelihood (a Gaussian integral)."""
        gram, right = self.weighted_sums(r, counted)
        factor = torch.linalg.cholesky(gram + torch.eye(gram.shape[1], dtype=torch.float64))
        solved = torch.linalg.solve_triangular(factor, right[..., None], upper=False)[..., 0]
        log_det = torch.log(factor.diagonal(dim1=1, dim2=2)).sum(dim=1)
        return 0.5 * (solved**2).sum(dim=1) - log_det

    def calibrated(self, prediction: Prediction, values: Values, rows: Tensor) -> Tensor:
        """Return models with the most probable calibration, (n, n_data)."""
        r = self.residuals(prediction, values, rows)
        if not len(self._columns):
            return r.model
        gram, right = self.weighted_sums(r, r.good & ~r.limit)
        eye = torch.eye(gram.shape[1], dtype=torch.float64)
        coefficients = torch.linalg.solve(gram + eye, right[..., None])[..., 0]
        return r.model * (1.0 + coefficients @ self._columns)


def _columns(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return fluxes and errors [erg/s/cm2/Angstrom] and what counts, spectrum and bands side by side, (n, n_data)."""
    flux, sigma, good = [], [], []
    if data.spectrum is not None:
        flux.append(data.spectrum.flux)
        sigma.append(data.spectrum.sigma)
        good.append(data.spectrum.mask)
    if data.photometry is not None:
        unit = data.photometry.jansky_per_flam
        flux.append(data.photometry.flux / unit)
        sigma.append(data.photometry.sigma / unit)
        good.append(data.photometry.mask)
    return np.concatenate(flux, axis=1), np.concatenate(sigma, axis=1), np.concatenate(good, axis=1)


def _student(r: Residuals) -> Tensor:
    chi = torch.where(r.good, r.residual / r.sigma, 0.0)
    n = r.good.sum(dim=1).double()
    mean = chi.sum(dim=1) / n
    variance = torch.where(r.good, (chi - mean[:, None]) ** 2, 0.0).sum(dim=1) / (n - 1)
    # R: max(1, 2 v / (v - 1)); a scatter of exactly one has infinitely many degrees of freedom
    dof = (2 * variance / (variance - 1)).clamp(min=1.0)
    dof = torch.where(variance == 1, 1e10, dof).clamp(max=1e10)
    norm = torch.lgamma(0.5 * (dof + 1)) - torch.lgamma(0.5 * dof) - 0.5 * torch.log(dof * math.pi)
    each = -0.5 * (dof + 1)[:, None] * torch.log1p(chi**2 / dof[:, None])
    return n * norm + torch.where(r.good, each, 0.0).sum(dim=1)
