"""ProSpect's mass functions and metallicity histories in torch: rates in cells of age, with gradients.

The formulae are those of `pyprospect.histories`. Steps (bursts, bins, the oldest age) are integrated over the cells
instead of sampled, so that their ages carry gradients too; everything smooth is taken at the middle of a cell.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyprospect.constants import GYR_YR
from pyprospect.histories import massfunc

__all__ = ["Cells", "mass_function_parameters", "rates"]

_YOUNGEST_YR = 1e5
Numbers = dict[str, Tensor]


class Cells:
    """Cells of age, each within a bin of a library.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_bin + 1,)
        Edges of the bins.
    per_bin : int
        Cells a bin, equally wide in log age where the bin is wide.
    """

    def __init__(self, edges_yr: NDArray[np.float64], per_bin: int = 6) -> None:
        edges = np.asarray(edges_yr, dtype=float)
        inner = []
        for low, high in pairwise(edges):
            start = max(low, high / 100)
            steps = np.geomspace(start, high, per_bin + 1)[:-1]
            steps[0] = low
            inner.append(steps)
        fine = np.append(np.concatenate(inner), edges[-1])
        self.low, self.high = torch.as_tensor(fine[:-1]), torch.as_tensor(fine[1:])
        self.middle = 0.5 * (self.low + self.high)
        self.width = self.high - self.low
        self.n_bin, self.per_bin = len(edges) - 1, per_bin

    def younger_than(self, age_yr: Tensor) -> Tensor:
        """Return the share of each cell that is younger than ages (n,), (n, n_cell)."""
        return ((age_yr[:, None] - self.low) / self.width).clamp(0.0, 1.0)

    def in_bins(self, per_cell: Tensor) -> Tensor:
        """Sum cells (n, n_cell) into the bins, (n, n_bin)."""
        return per_cell.view(len(per_cell), self.n_bin, self.per_bin).sum(dim=2)


def _const(cells: Cells, p: Numbers) -> Tensor:
    return p["mSFR"][:, None].expand(-1, len(cells.middle))


def _p2(cells: Cells, p: Numbers) -> Tensor:
    first, last = p["m1age"] * GYR_YR, p["m2age"] * GYR_YR
    slope = (p["m2"] - p["m1"]) / (last - first)
    rate = p["m1"][:, None] + slope[:, None] * (cells.middle - first[:, None])
    return rate * (cells.younger_than(last) - cells.younger_than(first))


def _spline(cells: Cells, p: Numbers, n: int, log: bool) -> Tensor:
    """R's splinefun(method = "monoH.FC") through n rates; straight lines outside."""
    y = torch.stack([p[f"m{k}"] for k in range(1, n + 1)], dim=1)
    x = torch.stack([p[f"m{k}age"] for k in range(1, n + 1)], dim=1) * GYR_YR
    at = cells.middle.clamp(min=_YOUNGEST_YR).to(y)
    if log:
        x, at = torch.log10(x), torch.log10(at)
    step = x[:, 1:] - x[:, :-1]
    secant = (y[:, 1:] - y[:, :-1]) / step
    slope = [secant[:, 0], *(0.5 * (secant[:, 1:] + secant[:, :-1])).unbind(1), secant[:, -1]]
    for k in range(n - 1):
        flat = secant[:, k] == 0
        s = torch.where(flat, 1.0, secant[:, k])
        a, b = slope[k] / s, slope[k + 1] / s
        steep = (2 * a + b > 3) & (a + 2 * b > 3) & (_excess(a, b) < 0)
        scale = 3.0 / torch.sqrt((a**2 + b**2).clamp(min=1e-300))
        slope[k] = torch.where(flat, 0.0, torch.where(steep, scale * a * s, slope[k]))
        slope[k + 1] = torch.where(flat, 0.0, torch.where(steep, scale * b * s, slope[k + 1]))
    m = torch.stack(slope, dim=1)
    inner = (at[None, :, None] >= x[:, None, 1:-1]).sum(dim=2)  # (n, n_cell) interval of each cell

    def take(values: Tensor, shift: int = 0) -> Tensor:
        return values.gather(1, inner + shift)

    h, y0, y1, m0, m1 = take(step), take(y), take(y, 1), take(m), take(m, 1)
    t = (at - take(x)) / h
    cubic = (
        y0 * (1 + 2 * t) * (1 - t) ** 2
        + m0 * h * t * (1 - t) ** 2
        + y1 * t**2 * (3 - 2 * t)
        + m1 * h * t**2 * (t - 1)
    )
    below, above = y0 + m0 * h * t, y1 + m1 * h * (t - 1)
    return torch.where(t < 0, below, torch.where(t > 1, above, cubic))


def _excess(a: Tensor, b: Tensor) -> Tensor:
    return a * (3 * a + 3 * b - 6) - (2 * a + b - 3) ** 2


def _b5(cells: Cells, p: Numbers) -> Tensor:
    rate = torch.zeros(len(p["m1"]), len(cells.middle), dtype=torch.float64)
    for k in range(1, 6):
        share = cells.younger_than(p[f"m{k + 1}age"] * GYR_YR) - cells.younger_than(p[f"m{k}age"] * GYR_YR)
        rate = rate + p[f"m{k}"][:, None] * share
    return rate


def _exp(cells: Cells, p: Numbers) -> Tensor:
    pivot = p["mpivot"][:, None] * GYR_YR
    return p["mSFR"][:, None] * torch.exp(-p["mtau"][:, None] * (pivot - cells.middle) / pivot)


def _snorm(cells: Cells, p: Numbers) -> Tensor:
    x = (cells.middle / GYR_YR - p["mpeak"][:, None]) / p["mperiod"][:, None]
    y = x * torch.exp(p["mskew"][:, None] * torch.asinh(x))
    return p["mSFR"][:, None] * torch.exp(-0.5 * y.clamp(-1e3, 1e3) ** 2)


def _dtau(cells: Cells, p: Numbers) -> Tensor:
    age, peak, tau = cells.middle / GYR_YR, p["mpeak"][:, None], p["mtau"][:, None]
    rise = (p["magemax"][:, None] - peak).clamp(min=1e-6)
    x = torch.where(age <= peak, 1 + (peak - age) / tau, 1 + (peak - age) / rise)
    return p["mSFR"][:, None] * math.e * x * torch.exp(-x)


def _burst(rate: Tensor, cells: Cells, p: Numbers) -> Tensor:
    return rate + p["mburst"][:, None] * cells.younger_than(p["mburstage"] * GYR_YR)


def _truncated(rate: Tensor, cells: Cells, p: Numbers) -> Tensor:
    span = (p["magemax"] - p["mpeak"]).abs().clamp(min=1e-6)
    at = (cells.middle / GYR_YR - (p["mpeak"] + span / p["mtrunc"])[:, None]) / (span / (2 * p["mtrunc"]))[
        :, None
    ]
    return rate * torch.special.ndtr(-at)


_SHAPES: dict[str, Callable[[Cells, Numbers], Tensor]] = {
    "const": _const,
    "p2": _p2,
    "p3": lambda c, p: _spline(c, p, 3, log=False),
    "p3_burst": lambda c, p: _burst(_spline(c, p, 3, log=False).clamp(min=0), c, p),
    "p4": lambda c, p: _spline(c, p, 4, log=True),
    "p6": lambda c, p: _spline(c, p, 6, log=True),
    "b5": _b5,
    "exp": _exp,
    "exp_burst": lambda c, p: _burst(_exp(c, p), c, p),
    "snorm": _snorm,
    "snorm_burst": lambda c, p: _burst(_snorm(c, p), c, p),
    "snorm_trunc": lambda c, p: _truncated(_snorm(c, p), c, p),
    "snorm_burst_trunc": lambda c, p: _truncated(_burst(_snorm(c, p), c, p), c, p),
    "dtau": _dtau,
}


def mass_function_parameters(name: str) -> dict[str, float | None]:
    """Return the parameters of one of ProSpect's mass functions with their defaults; None: as the one before it.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if name not in _SHAPES:
        raise ValueError(f"mass function {name!r} is unknown; use one of {sorted(_SHAPES)} or 'binned'")
    arguments = inspect.signature(massfunc.FUNCTIONS[name]).parameters.values()
    return {a.name: a.default for a in arguments if a.name != "age"}


def rates(name: str, cells: Cells, values: Numbers) -> Tensor:
    """Return star-formation rates.

    Parameters
    ----------
    name : str
        Of `pyprospect.histories.massfunc`.
    cells : Cells
    values : dict of Tensor (n,)
        Some of its parameters, ProSpect's units; the others have its defaults.

    Returns
    -------
    Tensor, shape (n, n_cell)
        Mean over each cell, Msol/yr, not negative.
    """
    like = next(iter(values.values()))
    p: Numbers = {}
    last_rate: Tensor | None = None
    for key, default in mass_function_parameters(name).items():
        if key in values:
            p[key] = values[key]
        elif default is not None:
            p[key] = torch.full_like(like, float(default))
        elif key.endswith("age") or key == "mpivot":
            p[key] = values.get("magemax", torch.full_like(like, 13.8))
        elif last_rate is not None:
            p[key] = last_rate
        if key in p and key in {f"m{k}" for k in range(1, 7)}:
            last_rate = p[key]
    return _SHAPES[name](cells, p).clamp(min=0.0) * cells.younger_than(p["magemax"] * GYR_YR)
