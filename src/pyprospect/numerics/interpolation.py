"""Interpolation as ProSpect does it: between table nodes, and through the nodes of a history."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_banded

from pyprospect.arguments import checked

__all__ = [
    "FmmSpline",
    "InterpParam",
    "InterpQuick",
    "MonotoneSpline",
    "NaturalSpline",
    "interp_param",
    "interp_quick",
]


class InterpParam(NamedTuple):
    """Where values lie between the nodes of a table; every field has the shape of the values.

    Indices are 0-based (ProSpect's ``ID_lo``, ``ID_hi`` and ``ID_mode`` are these plus 1).
    """

    x: np.ndarray
    """The values, clipped to the range of the nodes."""
    param_lo: np.ndarray
    param_hi: np.ndarray
    id_lo: np.ndarray
    id_hi: np.ndarray
    id_mode: np.ndarray
    """The nearer node; the lower one at half way."""
    wt_lo: np.ndarray
    wt_hi: np.ndarray
    flag: np.ndarray
    """1 below the nodes, 3 above them, 0 exactly on a node, 2 between two nodes."""


class InterpQuick(NamedTuple):
    """Scalar form of `InterpParam`: two 0-based indices and their weights."""

    id_lo: int
    id_hi: int
    wt_lo: float
    wt_hi: float


def _nodes(params: ArrayLike) -> np.ndarray:
    nodes = np.asarray(params, dtype=float)
    if nodes.ndim != 1 or nodes.size < 1:
        raise ValueError(f"interpolation nodes must be a vector, not an array of shape {nodes.shape}")
    if not np.all(np.diff(nodes) > 0):
        raise ValueError("interpolation nodes must ascend strictly; sort the table first")
    return nodes


@checked(x=None)
def interp_param(x: ArrayLike, params: ArrayLike, log: bool = False) -> InterpParam:
    """Return the lower and upper node of each value and the linear weights between them.

    Parameters
    ----------
    x : array_like
        Values; those outside the nodes get the end node (`flag` tells).
    params : (n,) array_like
        Nodes, ascending.
    log : bool
        Interpolate in log10 of values and nodes instead of linearly.

    Returns
    -------
    InterpParam

    Raises
    ------
    ValueError
        Nodes that do not ascend, NaN among the values, or values and nodes that have no logarithm.

    Notes
    -----
    ProSpect 1.11.0, ``interp_param``.
    """
    nodes = _nodes(params)
    values = np.atleast_1d(np.asarray(x, dtype=float))
    if np.isnan(values).any():
        raise ValueError(f"{np.isnan(values).sum()} of {values.size} values to interpolate are NaN")
    clipped = np.clip(values, nodes[0], nodes[-1])
    if log and nodes[0] <= 0:
        raise ValueError(f"log interpolation needs positive nodes; the first is {nodes[0]}")
    index = np.arange(nodes.size, dtype=float)
    if log:
        t = np.interp(np.log10(clipped), np.log10(nodes), index)
    else:
        t = np.interp(clipped, nodes, index)
    lo = np.floor(t).astype(int)
    hi = np.ceil(t).astype(int)
    frac = t - lo
    flag = np.where(values < nodes[0], 1, np.where(values > nodes[-1], 3, np.where(frac == 0, 0, 2)))
    return InterpParam(
        clipped, nodes[lo], nodes[hi], lo, hi, np.where(frac > 0.5, hi, lo), 1.0 - frac, frac, flag
    )


@checked(x=None)
def interp_quick(x: float, params: ArrayLike, log: bool = False) -> InterpQuick:
    """Return `interp_param` of one value: (id_lo, id_hi, wt_lo, wt_hi), indices 0-based.

    Below the nodes (0, 0, 1, 0), above them (n-1, n-1, 0, 1).

    Parameters
    ----------
    x : float
        The value.
    params : (n,) array_like
        Nodes, ascending.
    log : bool
        Interpolate in log10.

    Returns
    -------
    InterpQuick

    Raises
    ------
    ValueError
        As `interp_param`.
    """
    nodes = _nodes(params)
    value = float(x)
    if value < nodes[0]:
        return InterpQuick(0, 0, 1.0, 0.0)
    if value > nodes[-1]:
        return InterpQuick(nodes.size - 1, nodes.size - 1, 0.0, 1.0)
    found = interp_param(value, nodes, log)
    return InterpQuick(int(found.id_lo[0]), int(found.id_hi[0]), float(found.wt_lo[0]), float(found.wt_hi[0]))


class MonotoneSpline:
    """Monotone piecewise cubic through nodes, straight lines beyond the end nodes.

    Fritsch & Carlson (1980, SIAM J. Numer. Anal. 17, 238) in the variant of R's
    ``splinefun(method="monoH.FC")``: inner slopes are the means of the adjacent secants, end slopes the end
    secants, and slopes are shortened where they would overshoot.

    Parameters
    ----------
    x : (n,) array_like
        Nodes, n >= 2, ascending strictly.
    y : (n,) array_like
        Values.

    Raises
    ------
    ValueError
        Shapes that differ, fewer than two nodes, or nodes that do not ascend.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        self.x = np.asarray(x, dtype=float)
        self.y = np.asarray(y, dtype=float)
        if self.x.ndim != 1 or self.x.shape != self.y.shape or self.x.size < 2:
            raise ValueError(f"spline nodes {self.x.shape} and values {self.y.shape}: need two equal vectors")
        if not np.all(np.diff(self.x) > 0) or not np.isfinite(self.x).all():
            raise ValueError(
                f"spline nodes must be finite and ascend strictly, got {self.x.tolist()} (of ages in log10: above 0)"
            )
        secant = np.diff(self.y) / np.diff(self.x)
        slope = np.concatenate([secant[:1], (secant[1:] + secant[:-1]) / 2, secant[-1:]])
        for k, s in enumerate(secant):
            if s == 0:
                slope[k] = slope[k + 1] = 0.0
                continue
            a, b = slope[k] / s, slope[k + 1] / s
            left, right = 2 * a + b - 3, a + 2 * b - 3
            if left > 0 and right > 0 and a * (left + right) < left**2:
                shrink = 3 * s / np.hypot(a, b)
                slope[k], slope[k + 1] = shrink * a, shrink * b
        self.slope = slope

    def __call__(self, u: ArrayLike) -> np.ndarray:
        """Return the values at `u` (any shape)."""
        u = np.asarray(u, dtype=float)
        x, y, m = self.x, self.y, self.slope
        k = np.clip(np.searchsorted(x, u, side="right") - 1, 0, x.size - 2)
        h = x[k + 1] - x[k]
        t = (u - x[k]) / h
        back = t - 1.0
        rise = t * t * (3.0 - 2.0 * t)
        inside = (
            y[k] * (1.0 - rise)
            + h * m[k] * (t * back * back)
            + y[k + 1] * rise
            + h * m[k + 1] * (t * back * t)
        )
        below = y[0] + m[0] * (u - x[0])
        above = y[-1] + m[-1] * (u - x[-1])
        return np.where(u < x[0], below, np.where(u >= x[-1], above, inside))


class FmmSpline:
    """Cubic spline of Forsythe, Malcolm & Moler (1977), R's ``splinefun(method="fmm")``.

    Each end has the third derivative of the cubic through its four nearest nodes; beyond the ends the end
    cubics continue.

    Parameters
    ----------
    x : (n,) array_like
        Nodes, n >= 4, ascending strictly.
    y : (n,) array_like
        Values.

    Raises
    ------
    ValueError
        Shapes that differ, fewer than four nodes, or nodes that do not ascend.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if x.ndim != 1 or x.shape != y.shape or x.size < 4:
            raise ValueError(
                f"spline nodes {x.shape} and values {y.shape}: need two equal vectors, 4 at least"
            )
        if not np.all(np.diff(x) > 0):
            raise ValueError("spline nodes must ascend strictly")
        h = np.diff(x)
        secant = np.diff(y) / h
        bend = np.diff(secant)
        third = np.diff(bend / (x[2:] - x[:-2]))
        right = np.concatenate(
            [[third[0] * h[0] ** 2 / (x[3] - x[0])], bend, [-third[-1] * h[-1] ** 2 / (x[-1] - x[-4])]]
        )
        middle = np.concatenate([[-h[0]], 2 * (h[1:] + h[:-1]), [-h[-1]]])
        bands = np.array([np.concatenate([[0.0], h]), middle, np.concatenate([h, [0.0]])])
        c = solve_banded((1, 1), bands, right)
        self.x, self.y = x, y
        self.b = np.append(secant - h * (c[1:] + 2 * c[:-1]), secant[-1] + h[-1] * (c[-2] + 2 * c[-1]))
        self.c = 3 * c
        d = np.diff(c) / h
        self.d = np.append(d, d[-1])

    def __call__(self, u: ArrayLike) -> np.ndarray:
        """Return the values at `u` (any shape)."""
        u = np.asarray(u, dtype=float)
        k = np.clip(np.searchsorted(self.x, u, side="right") - 1, 0, self.x.size - 1)
        t = u - self.x[k]
        return self.y[k] + t * (self.b[k] + t * (self.c[k] + t * self.d[k]))


class NaturalSpline:
    """Natural cubic spline with straight ends, R's ``splinefun(method="natural")``.

    Parameters
    ----------
    x, y : (n,) array_like
        Nodes, ascending, and values.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        from scipy.interpolate import CubicSpline  # slow to import, and dust temperatures need it only

        self.x, self.y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        self._inside = CubicSpline(self.x, self.y, bc_type="natural")
        self._ends = self._inside(self.x[[0, -1]], 1)

    def __call__(self, u: ArrayLike) -> np.ndarray | float:
        """Return the values at `u` (any shape)."""
        u = np.asarray(u, dtype=float)
        x, y = self.x, self.y
        out = np.where(
            u < x[0],
            y[0] + self._ends[0] * (u - x[0]),
            np.where(u > x[-1], y[-1] + self._ends[1] * (u - x[-1]), self._inside(u)),
        )
        return out if out.ndim else float(out)
