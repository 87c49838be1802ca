"""A conditional neural spline flow made for drawing many samples of few conditions.

Coupling layers with rational-quadratic splines (Durkan et al. 2019, https://arxiv.org/abs/1906.04032), the functions of
zuko's ``NICE`` with ``MonotonicRQSTransform`` to the last weight (`lean_tensors`), in fewer passes over memory: the
share of the condition in the first layer is computed once for all its samples, features lead and samples are contiguous,
and the piece of a spline is chosen by comparing, not by gathering.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Coupling", "LeanFlow", "lean_tensors"]

# As in zuko: splines live within this distance of zero, beyond it the map is the identity; least slope.
_BOUND = 5.0
_LOG_SLOPE = -math.log(1e-3)

# Vectors that go through all layers together: what one layer makes of them stays in the cache.
_ROWS = 1024


class Coupling(nn.Module):
    """Bend some of the numbers by splines that depend on the others and on the condition.

    Parameters
    ----------
    keep, change : Tensor (n_keep,), (n_change,) int64
        Which numbers stay and which are bent.
    n_context, width, n_hidden, bins : int
        Length of the condition, units and number of the hidden layers, pieces of a spline.
    """

    keep: Tensor
    change: Tensor

    def __init__(
        self, keep: Tensor, change: Tensor, *, n_context: int, width: int, n_hidden: int, bins: int
    ) -> None:
        super().__init__()
        self.bins = bins
        self.register_buffer("keep", keep)
        self.register_buffer("change", change)
        # The first layer in two parts, scaled as one; of one-dimensional vectors nothing is kept.
        bound = (len(keep) + n_context) ** -0.5
        self.from_kept = nn.Parameter(torch.empty(width, len(keep)).uniform_(-bound, bound))
        self.from_context = nn.Linear(n_context, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(n_hidden - 1))
        self.last = nn.Linear(width, len(change) * (3 * bins - 1))
        # Straight splines: training starts at the identity.
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, context: Tensor, x: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor | None]:
        """Map vectors to normal deviates, or back.

        Parameters
        ----------
        context : Tensor (m, n_context)
            Conditions.
        x : Tensor (n, m * s)
            Vectors as columns; s neighbours share a condition.
        inverse : bool
            From normal deviates to vectors; then no Jacobian is computed.

        Returns
        -------
        tuple
            Mapped vectors (n, m * s), and the log of the Jacobian's determinant (m * s,) or None.
        """
        m = len(context)
        # (m, s, width): what the condition adds is computed once for its s vectors.
        h = (x.index_select(0, self.keep).T @ self.from_kept.T).unflatten(0, (m, -1))
        h = functional.relu_(h + self.from_context(context)[:, None]).flatten(0, 1)
        for layer in self.hidden:
            h = functional.relu_(layer(h))
        parameters = torch.addmm(self.last.bias[:, None], self.last.weight, h.T)
        parameters = parameters.unflatten(0, (len(self.change), -1))  # (n_change, 3 bins - 1, m * s)
        bent, log_slope = _spline(parameters, x.index_select(0, self.change), self.bins, inverse)
        return x.index_copy(0, self.change, bent), None if log_slope is None else log_slope.sum(0)


class LeanFlow(nn.Module):
    """Coupling layers on random halves, the other half in the next; standard normal at the end.

    Parameters
    ----------
    n, n_context : int
        Lengths of the vectors and of the condition.
    n_transform, width, n_hidden, bins : int
        Coupling layers, units and number of their hidden layers, pieces of their splines. With one hidden layer training
        gets further in equal time than with two, and samples cost two thirds.
    """

    def __init__(
        self,
        n: int,
        n_context: int,
        *,
        n_transform: int = 4,
        width: int = 256,
        n_hidden: int = 1,
        bins: int = 4,
    ) -> None:
        super().__init__()
        sizes = {"n_context": n_context, "width": width, "n_hidden": n_hidden, "bins": bins}
        layers = []
        for number in range(n_transform):
            kept = torch.randperm(n) % 2 == (number + 1) % 2 if n > 1 else torch.zeros(1, dtype=torch.bool)
            keep, change = kept.nonzero()[:, 0], (~kept).nonzero()[:, 0]
            layers.append(Coupling(keep, change, **sizes))
        self.layers = nn.ModuleList(layers)

    def log_prob(self, context: Tensor, vectors: Tensor) -> Tensor:
        """Return the log density of vectors given their conditions.

        Parameters
        ----------
        context : Tensor (m, n_context)
            Conditions.
        vectors : Tensor (m, n)
            One for each.

        Returns
        -------
        Tensor (m,)
        """
        z, total = vectors.T, vectors.new_zeros(len(vectors))
        for layer in self.layers:
            z, log_slope = layer(context, z)
            total = total + log_slope
        return total - 0.5 * (z * z).sum(0) - 0.5 * len(z) * math.log(2 * math.pi)

    def draw(self, context: Tensor, normal: Tensor) -> Tensor:
        """Return s samples for each condition.

        Parameters
        ----------
        context : Tensor (m, n_context)
            Conditions.
        normal : Tensor (m, s, n)
            Standard normal deviates: all the randomness.

        Returns
        -------
        Tensor (m, s, n)
        """
        at_once = max(1, _ROWS // max(1, normal.shape[1]))
        parts = []
        for some, deviates in zip(context.split(at_once), normal.split(at_once), strict=True):
            x = deviates.flatten(0, 1).T.contiguous()
            for layer in reversed(self.layers):
                x, _ = layer(some, x, inverse=True)
            parts.append(x.T.unflatten(0, deviates.shape[:2]))
        return torch.cat(parts)

    def hidden_matrices(self) -> list[Tensor]:
        """Return the matrices that `sfhnet.training.muon` orthogonalises."""
        couplings = [layer for layer in self.layers if isinstance(layer, Coupling)]
        return [p for coupling in couplings for p in coupling.hidden.parameters() if p.ndim == 2]


def lean_tensors(nice: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of the `LeanFlow` that is the same density as a ``zuko.flows.NICE`` with rational-quadratic splines.

    Parameters
    ----------
    nice : dict of Tensor
        Its ``state_dict``, built with ``randmask=True``.

    Returns
    -------
    dict of Tensor
        For a flow of as many numbers, coupling layers and hidden layers.

    Raises
    ------
    ValueError
        If a layer's parameters are no such spline's.
    """
    result: dict[str, Tensor] = {}
    masks = [name for name in nice if name.endswith(".mask")]
    for number, name in enumerate(sorted(masks, key=lambda name: int(name.split(".")[-2]))):
        prefix, kept = name.removesuffix("mask") + "hyper.", nice[name].bool()
        layers = sorted(
            {int(key.removeprefix(prefix).split(".")[0]) for key in nice if key.startswith(prefix)}
        )
        first, *hidden, last = ({k: nice[f"{prefix}{at}.{k}"] for k in ("weight", "bias")} for at in layers)
        n_keep = int(kept.sum())
        n_parameter = len(last["bias"]) / (len(kept) - n_keep)
        if n_parameter < 5 or n_parameter % 3 != 2:
            raise ValueError(
                f"{n_parameter:g} parameters a number make no spline; give a NICE of RQS transforms"
            )
        parts = {
            "keep": kept.nonzero()[:, 0],
            "change": (~kept).nonzero()[:, 0],
            "from_kept": first["weight"][:, :n_keep],
            "from_context.weight": first["weight"][:, n_keep:],
            "from_context.bias": first["bias"],
        }
        for at, layer in enumerate(hidden):
            parts |= {f"hidden.{at}.{key}": value for key, value in layer.items()}
        parts |= {f"last.{key}": value for key, value in last.items()}
        result |= {f"layers.{number}.{key}": value for key, value in parts.items()}
    return result


def _spline(parameters: Tensor, x: Tensor, bins: int, inverse: bool) -> tuple[Tensor, Tensor | None]:
    # parameters (n, 3 bins - 1, s): log widths, log heights, log slopes at the inner knots; x (n, s).
    sizes = _soft_exp(parameters[:, : 2 * bins], 0.5 * _LOG_SLOPE)
    inner = _soft_exp(parameters[:, 2 * bins :], _LOG_SLOPE).unbind(1)
    horizontal, vertical = _knots(sizes[:, :bins]), _knots(sizes[:, bins:])
    inside = (x > -_BOUND) & (x <= _BOUND)
    low, high, one = torch.full_like(x, -_BOUND), torch.full_like(x, _BOUND), torch.ones_like(x)
    lines, columns, slopes = [*horizontal, high], [*vertical, high], [*inner, one]
    x0, x1, y0, y1, d0, d1 = low, lines[0], low, columns[0], one, slopes[0]
    for k in range(bins - 1):
        past = x > (vertical if inverse else horizontal)[k]
        x0, x1 = torch.where(past, lines[k], x0), torch.where(past, lines[k + 1], x1)
        y0, y1 = torch.where(past, columns[k], y0), torch.where(past, columns[k + 1], y1)
        d0, d1 = torch.where(past, slopes[k], d0), torch.where(past, slopes[k + 1], d1)
    dx, dy = x1 - x0, y1 - y0
    s = dy / dx
    bend = d0 + d1 - 2 * s
    if inverse:
        # Durkan et al. 2019, eqs. 6-8; outside, zero keeps the square root real.
        u = torch.where(inside, x - y0, 0)
        b = torch.addcmul(dy * d0, u, bend, value=-1)
        a = torch.addcmul(dy * s, u, bend) - dy * d0
        c = -s * u
        t = -2 * c / (b + torch.addcmul(b * b, a, c, value=-4).sqrt())
        return torch.where(inside, torch.addcmul(x0, t, dx), x), None
    # eqs. 4 and 5
    t = torch.where(inside, (x - x0) / dx, 0.5)
    rest = t * (1 - t)
    denominator = torch.addcmul(s, bend, rest)
    y = y0 + dy * (s * t * t + d0 * rest) / denominator
    slope = s * s * (2 * s * rest + d0 * (1 - t) ** 2 + d1 * t * t) / (denominator * denominator)
    return torch.where(inside, y, x), torch.where(inside, slope.log(), 0)


def _soft_exp(x: Tensor, limit: float) -> Tensor:
    # The exponential of x, bent so that its logarithm stays within -limit and limit.
    return (x / torch.add(1.0, x.abs(), alpha=1 / limit)).exp_()


def _knots(sizes: Tensor) -> list[Tensor]:
    # Inner knots of pieces whose sizes over their sum are those of the domain, (n, bins, s) -> bins - 1 of (n, s).
    ends = [sizes[:, 0]]
    for k in range(1, sizes.shape[1]):
        ends.append(ends[-1] + sizes[:, k])
    factor = 2 * _BOUND / ends[-1]
    return [end * factor - _BOUND for end in ends[:-1]]
