"""Histories, metallicities and dust as a vector without bounds, on which a flow can draw joint samples.

The mass fractions become logits of broken sticks (the share of a bin in all mass at least as old), [M/H] principal
components of its curve over age, everything else a standardised number. Exact zeros and exact relations have no
density; they get a little noise, which is the resolution of the samples: see `HistoryCode`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sfhnet.core.histories import history_scalars
from sfhnet.core.quantities import DUST_AND_LINES, SCALARS

__all__ = ["HistoryCode"]

# ASSUME: a bin's mass below that of this specific star-formation rate (1/yr), and below 0.03 % of all, is nothing.
_EMPTY_SSFR_PER_YR, _EMPTY_SHARE = 3e-13, 3e-4
_EMPTY_SCATTER = 0.5

# Scalars that the history in bins does not give (the means lose 0.03 to 0.05 dex to the bins), and the noise that blurs
# them (dex, mag).
_DIRECT = tuple(name for name, scalar in SCALARS.items() if not scalar.from_history)
_DIRECT_NOISE, _MH_NOISE_DEX = 0.01, 0.02


class HistoryCode(nn.Module):
    """Encode labels as vectors and decode vectors into samples.

    Parameters
    ----------
    age_edges_myr : sequence of float (n_age+1,)
        Age bins in Myr.
    n_mh : int
        Principal components of [M/H] over age.

    Notes
    -----
    ``width`` is the length of the vector: n_age - 1 sticks, n_mh components, the weighted means, A_V and the
    mass-to-light ratio, and the parameters of dust and lines. Resolution: 0.02 dex in [M/H], 0.01 dex or mag in the rest, and masses below a specific star-formation rate of 3e-13 per yr count as none.
    """

    edges_myr: Tensor  # (n_age + 1,)
    empty: Tensor  # (n_age,)
    mh_mean: Tensor  # (n_age,)
    mh_basis: Tensor  # (n_mh, n_age)
    mean: Tensor  # (width,)
    scale: Tensor  # (width,)
    noise: Tensor  # (n_direct + n_dust_and_lines,)

    def __init__(self, age_edges_myr: list[float], n_mh: int) -> None:
        super().__init__()
        edges = torch.tensor(age_edges_myr, dtype=torch.float64)
        self.n_age = len(age_edges_myr) - 1
        self.n_mh = min(n_mh, self.n_age)
        self.names = (*_DIRECT, *DUST_AND_LINES)
        self.width = self.n_age - 1 + self.n_mh + len(self.names)
        empty = (_EMPTY_SSFR_PER_YR * 1e6 * torch.diff(edges)).clamp_max(_EMPTY_SHARE)
        self._edges_yr = 1e6 * np.asarray(age_edges_myr, dtype=float)
        self.register_buffer("edges_myr", edges)
        self.register_buffer("empty", empty.float())
        self.register_buffer("mh_mean", torch.zeros(self.n_age))
        self.register_buffer("mh_basis", torch.eye(self.n_age)[: self.n_mh])
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))
        noise = torch.tensor([_DIRECT_NOISE] * len(_DIRECT) + [0.0] * len(DUST_AND_LINES))
        self.register_buffer("noise", noise)

    @torch.no_grad()
    def fit(self, labels: dict[str, Tensor]) -> None:
        """Set components, zero points and scales from true values of training mocks."""
        mh = labels["mh"].float()
        self.mh_mean.copy_(mh.mean(0))
        _, _, vectors = torch.linalg.svd(mh - self.mh_mean, full_matrices=False)
        self.mh_basis.copy_(vectors[: self.n_mh])
        raw = self._raw(labels, noisy=False)
        self.mean.copy_(raw.mean(0))
        self.scale.copy_(raw.std(0).clamp_min(1e-3))

    def encode(self, labels: dict[str, Tensor], noisy: bool) -> Tensor:
        """Return vectors.

        Parameters
        ----------
        labels : dict of Tensor
            ``mass_fraction``, ``mh`` (n, n_age), and the numbers in ``names`` (n,).
        noisy : bool
            Add the noise (from torch's global generator), as training needs.

        Returns
        -------
        Tensor (n, width)
        """
        return (self._raw(labels, noisy) - self.mean) / self.scale

    def _raw(self, labels: dict[str, Tensor], noisy: bool) -> Tensor:
        mass, mh = labels["mass_fraction"].float(), labels["mh"].float()
        direct = torch.stack([labels[name].float() for name in self.names], dim=1)
        empty = self.empty.expand_as(mass)
        if noisy:
            empty = empty * torch.exp(_EMPTY_SCATTER * torch.randn_like(mass))
            mh = mh + _MH_NOISE_DEX * torch.randn_like(mh)
            direct = direct + self.noise * torch.randn_like(direct)
        mass = (mass + empty).double()
        older = mass.flip(1).cumsum(1).flip(1)[:, 1:]  # all mass older than each bin but the last
        sticks = torch.log(mass[:, :-1] / older).float()  # logit of m / (m + older)
        return torch.cat([sticks, (mh - self.mh_mean) @ self.mh_basis.T, direct], dim=1)

    def decode(self, vectors: Tensor) -> dict[str, Tensor]:
        """Return samples from vectors (..., width).

        Returns
        -------
        dict of Tensor
            ``mass_fraction`` and ``mh`` (..., n_age), all of `sfhnet.core.quantities.SCALARS` and `DUST_AND_LINES` (...).
        """
        raw = vectors * self.scale + self.mean
        sticks, mh, direct = raw.split([self.n_age - 1, self.n_mh, len(self.names)], dim=-1)
        log_left = torch.cumsum(nn.functional.logsigmoid(-sticks), dim=-1)
        log_left = torch.cat([torch.zeros_like(log_left[..., :1]), log_left], dim=-1)
        log_mass = log_left + torch.cat(
            [nn.functional.logsigmoid(sticks), torch.zeros_like(sticks[..., :1])], -1
        )
        mass = (torch.exp(log_mass) * (1 + self.empty.sum()) - self.empty).clamp_min(0.0)
        mass = mass / mass.sum(-1, keepdim=True)
        mh = self.mh_mean + mh @ self.mh_basis
        given = dict(zip(self.names, direct.unbind(-1), strict=True))
        derived = history_scalars(mass, self._edges_yr)
        return {"mass_fraction": mass, "mh": mh, **derived, **given}
