"""From a latent vector to histories, metallicities and scalars with quantiles, and the loss that trains them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sfhnet.core.histories import scalar_from_label
from sfhnet.core.quantities import LEVELS, SCALARS

__all__ = ["Head", "age_widths_dex", "scalar_labels"]

# ASSUME: the youngest bin starts at zero age; for distances in log age it is taken to start at 1 Myr.
YOUNGEST_LOG_AGE_MYR = 0.0

_MEDIAN = LEVELS.index(0.5)


def age_widths_dex(age_edges_myr: Tensor) -> Tensor:
    """Return the widths of the age bins in dex, (n_age,); the youngest starts at 1 Myr."""
    log_edges = torch.log10(age_edges_myr.clamp_min(10.0**YOUNGEST_LOG_AGE_MYR))
    return torch.diff(log_edges)


def scalar_labels(labels: dict[str, Tensor]) -> Tensor:
    """Stack the true scalars in the order of `SCALARS`, (n, n_scalar).

    SFR labels (1/yr) become logarithms with a floor, computed in double precision.
    """
    columns = (scalar_from_label(scalar, labels[scalar.source].double()) for scalar in SCALARS.values())
    return torch.stack([column.float() for column in columns], dim=1)


class Head(nn.Module):
    """Decode a latent vector.

    The history is a simplex over age bins; [M/H], the quantiles of cumulative mass, of mass fractions, of [M/H] and
    of the scalars come from linear layers, quantiles made monotone by adding positive steps to both sides of the median.

    Parameters
    ----------
    width : int
        Length of the latent vector.
    age_edges_myr : sequence of float (n_age+1,)
        Age bins in Myr.
    weights : dict of float
        Weights of the loss terms: ``cum``, ``mh``, ``cum_q``, ``mass_fraction_q``, ``mh_q``, ``scalars``.
    """

    levels: Tensor  # (n_quant,)
    widths_dex: Tensor  # (n_age,)
    mean_log_mass: Tensor  # (n_age,)
    mean_cum: Tensor  # (n_age - 1,)
    mh_mean: Tensor  # ()
    mh_std: Tensor  # ()
    scalar_mean: Tensor  # (n_scalar,)
    scalar_std: Tensor  # (n_scalar,)

    def __init__(self, width: int, age_edges_myr: list[float], weights: dict[str, float]) -> None:
        super().__init__()
        self.n_age, self.n_q, self.n_scalar = len(age_edges_myr) - 1, len(LEVELS), len(SCALARS)
        self.weights = dict(weights)
        self.point = nn.Linear(width, 2 * self.n_age)
        self.quantiles = nn.Linear(width, self.n_q * (3 * self.n_age - 1 + self.n_scalar))
        self.register_buffer("levels", torch.tensor(LEVELS))
        self.register_buffer(
            "widths_dex", age_widths_dex(torch.tensor(age_edges_myr, dtype=torch.float64)).float()
        )
        self.register_buffer("mean_log_mass", torch.zeros(self.n_age))
        self.register_buffer("mean_cum", torch.full((self.n_age - 1,), 0.5))
        self.register_buffer("mh_mean", torch.zeros(()))
        self.register_buffer("mh_std", torch.ones(()))
        self.register_buffer("scalar_mean", torch.zeros(self.n_scalar))
        self.register_buffer("scalar_std", torch.ones(self.n_scalar))
        for layer in (self.point, self.quantiles):
            nn.init.normal_(layer.weight, std=0.3 / width**0.5)
            nn.init.zeros_(layer.bias)

    def fit(self, labels: dict[str, Tensor]) -> None:
        """Set the zero points and scales of the outputs from true values of training mocks."""
        mass = labels["mass_fraction"].float()
        self.mean_log_mass.copy_(torch.log(mass.mean(0).clamp_min(1e-6)))
        self.mean_cum.copy_(mass.cumsum(1)[:, :-1].mean(0).clamp(1e-4, 1 - 1e-4))
        weight = mass * torch.isfinite(labels["mh"])
        mh = labels["mh"].float().nan_to_num(0.0)
        mean = (weight * mh).sum() / weight.sum()
        self.mh_mean.copy_(mean)
        self.mh_std.copy_(torch.sqrt((weight * (mh - mean) ** 2).sum() / weight.sum()).clamp_min(1e-3))
        scalars = scalar_labels(labels)
        self.scalar_mean.copy_(scalars.mean(0))
        self.scalar_std.copy_(scalars.std(0).clamp_min(1e-3))

    def forward(self, latent: Tensor) -> dict[str, Tensor]:
        """Return the outputs as tensors; see `sfhnet.core.posterior.Posterior` for names and shapes.

        Scalars and their quantiles stay standardised under ``scalars_z``; `physical` undoes it.
        """
        n, n_age, n_q = latent.shape[0], self.n_age, self.n_q
        logits, mh = self.point(latent).split(n_age, dim=1)
        raw = self.quantiles(latent).view(n, n_q, -1)
        cum, mass, mh_q, scalars = raw.split([n_age - 1, n_age, n_age, self.n_scalar], dim=2)
        return {
            "mass_fraction": torch.softmax(logits + self.mean_log_mass, dim=1),
            "mh": self.mh_mean + self.mh_std * mh,
            "cum_q": torch.sigmoid(_monotone(cum, 0.3) + torch.logit(self.mean_cum)),
            "mass_fraction_q": torch.sigmoid(_monotone(mass, 0.3) + self.mean_log_mass),
            "mh_q": self.mh_mean + self.mh_std * _monotone(mh_q, 0.2),
            "scalars_z": _monotone(scalars, 0.2),
        }

    def physical(self, scalars_z: Tensor) -> Tensor:
        """Undo the standardisation of scalars (last axis)."""
        return self.scalar_mean + self.scalar_std * scalars_z

    def loss(self, outputs: dict[str, Tensor], labels: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return each loss term, averaged over the batch, and their weighted sum under ``total``.

        Parameters
        ----------
        outputs : dict of Tensor
            From `forward`.
        labels : dict of Tensor
            ``mass_fraction``, ``mh`` (n, n_age), and the labels that hold the scalars (n,).

        Returns
        -------
        dict of Tensor ()
        """
        mass = labels["mass_fraction"].float()
        finite = torch.isfinite(labels["mh"])
        mh = labels["mh"].float().nan_to_num(0.0)
        cum = mass.cumsum(1)[:, :-1]
        cum_hat = outputs["mass_fraction"].cumsum(1)[:, :-1]
        # Wasserstein-1 distance in dex of age, trapezoid over the bin edges.
        edge_dex = 0.5 * (self.widths_dex[:-1] + self.widths_dex[1:])
        # ASSUME: [M/H] of a bin matters as its mass does, with a little for empty bins so that they stay sensible.
        weight = (mass + 0.01) * finite
        weight = weight / weight.sum(1, keepdim=True).clamp_min(1e-6)
        scalars = (scalar_labels(labels) - self.scalar_mean) / self.scalar_std
        terms = {
            "cum": ((cum_hat - cum).abs() * edge_dex).sum(1).mean(),
            "mh": (weight * functional.smooth_l1_loss(outputs["mh"], mh, beta=0.05, reduction="none"))
            .sum(1)
            .mean()
            / self.mh_std,
            "cum_q": (self._pinball(outputs["cum_q"], cum) * edge_dex).sum(2).mean(),
            "mass_fraction_q": self._pinball(outputs["mass_fraction_q"], mass).sum(2).mean(),
            "mh_q": (self._pinball(outputs["mh_q"], mh) * weight[:, None]).sum(2).mean() / self.mh_std,
            "scalars": self._pinball(outputs["scalars_z"], scalars).mean(),
        }
        terms["total"] = sum(
            (self.weights[name] * value for name, value in terms.items()), torch.zeros(()).to(mass)
        )
        return terms

    def _pinball(self, quantiles: Tensor, truth: Tensor) -> Tensor:
        error = truth[:, None] - quantiles
        level = self.levels[:, None]
        return torch.maximum(level * error, (level - 1) * error)


def _monotone(raw: Tensor, step: float) -> Tensor:
    # raw (n, n_q, m): the median as it is, then positive steps outwards.
    centre = raw[:, _MEDIAN : _MEDIAN + 1]
    up = torch.cumsum(step * functional.softplus(raw[:, _MEDIAN + 1 :]), dim=1)
    down = torch.cumsum(step * functional.softplus(raw[:, :_MEDIAN].flip(1)), dim=1).flip(1)
    return torch.cat([centre - down, centre, centre + up], dim=1)
