"""The two cubic splines of R that ProSpect's dust tables use; scipy has neither end condition of FMM."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, PPoly
from scipy.linalg import solve_banded

__all__ = ["FmmSpline", "NaturalSpline"]


class FmmSpline:
    """Cubic spline of Forsythe, Malcolm & Moler (1977), R's ``splinefun(method="fmm")``.

    At each end the third derivative equals that of the cubic through the four outermost points. Beyond
    the ends the end cubics go on.

    Parameters
    ----------
    x : array_like, shape (n,)
        Nodes, n >= 4, strictly ascending.
    y : array_like, shape (n,)
        Values.

    Raises
    ------
    ValueError
        If the shapes differ, there are fewer than four nodes or they do not ascend.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        self.x, self.y = _nodes(x, y, 4)
        x, y = self.x, self.y
        h = np.diff(x)
        slope = np.diff(y) / h
        # second derivatives m: the usual interior rows, and m[1] - m[0] = 6 h[0] f[x0,x1,x2,x3] at the ends
        bands = np.zeros((3, x.size))
        rhs = np.zeros(x.size)
        bands[0, 2:] = h[1:]
        bands[1, 1:-1] = 2.0 * (h[:-1] + h[1:])
        bands[2, :-2] = h[:-1]
        rhs[1:-1] = 6.0 * np.diff(slope)
        bands[1, 0], bands[0, 1] = -1.0, 1.0
        rhs[0] = 6.0 * h[0] * _third_difference(x[:4], y[:4])
        bands[2, -2], bands[1, -1] = -1.0, 1.0
        rhs[-1] = 6.0 * h[-1] * _third_difference(x[-4:], y[-4:])
        m = solve_banded((1, 1), bands, rhs)
        first = slope - h * (2.0 * m[:-1] + m[1:]) / 6.0
        self._poly = PPoly(np.stack([np.diff(m) / (6.0 * h), m[:-1] / 2.0, first, y[:-1]]), x)

    def __call__(self, u: ArrayLike) -> NDArray[np.float64] | float:
        """Values at `u` (any shape)."""
        out = self._poly(np.asarray(u, dtype=float))
        return out if out.ndim else float(out)


class NaturalSpline:
    """Natural cubic spline with straight ends, R's ``splinefun(method="natural")``.

    Parameters
    ----------
    x : array_like, shape (n,)
        Nodes, n >= 3, strictly ascending.
    y : array_like, shape (n,)
        Values.

    Raises
    ------
    ValueError
        If the shapes differ, there are fewer than three nodes or they do not ascend.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        self.x, self.y = _nodes(x, y, 3)
        self._inside = CubicSpline(self.x, self.y, bc_type="natural")
        self._ends = self._inside(self.x[[0, -1]], 1)

    def __call__(self, u: ArrayLike) -> NDArray[np.float64] | float:
        """Values at `u` (any shape)."""
        u = np.asarray(u, dtype=float)
        x, y = self.x, self.y
        out = np.where(
            u < x[0],
            y[0] + self._ends[0] * (u - x[0]),
            np.where(u > x[-1], y[-1] + self._ends[1] * (u - x[-1]), self._inside(u)),
        )
        return out if out.ndim else float(out)


def _third_difference(x: NDArray, y: NDArray) -> float:
    table = y.copy()
    for order in range(1, 4):
        table = np.diff(table) / (x[order:] - x[:-order])
    return float(table[0])


def _nodes(x: ArrayLike, y: ArrayLike, least: int) -> tuple[NDArray, NDArray]:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or x.size < least:
        raise ValueError(f"spline nodes {x.shape} and values {y.shape}: need two equal vectors of >= {least}")
    if not np.all(np.diff(x) > 0):
        raise ValueError("spline nodes must ascend strictly; sort the table first")
    return x, y
