"""The fine look-back age grid on which every history of the prior is written."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

ALWAYS_EDGES_YR = (1e6, 2e6, 3e6, 5e6, 1e7, 1e8)


def fine_edges_yr(age_max_yr: float, n_per_dex: int, required_yr: ArrayLike = ()) -> Array:
    """Return cell edges: 0, then steps in log age, with given edges exactly on the grid.

    Parameters
    ----------
    age_max_yr : float
        Oldest look-back age, yr.
    n_per_dex : int
        Cells per decade of age.
    required_yr : (k,)
        Edges in yr (label bins, SFR windows) that must be on the grid; those above ``age_max_yr`` are dropped.

    Returns
    -------
    ndarray, shape (n_cell + 1,)
        Ascending, first 0, last ``age_max_yr``.

    Raises
    ------
    ValueError
        If ``age_max_yr`` is not above 10 Myr or ``n_per_dex`` is below 5.
    """
    if age_max_yr <= 1e7 or n_per_dex < 5:
        raise ValueError(
            f"age_max_yr = {age_max_yr:g} must exceed 1e7 and n_per_dex = {n_per_dex} be at least 5"
        )
    fixed = np.array(
        sorted({0.0, age_max_yr, *ALWAYS_EDGES_YR, *np.asarray(required_yr, dtype=float).tolist()})
    )
    fixed = fixed[(fixed >= 0) & (fixed <= age_max_yr)]
    step = 1.0 / n_per_dex
    ages = [0.0]
    for low, high in zip(np.log10(fixed[1:-1]), np.log10(fixed[2:]), strict=True):
        ages.extend(10 ** np.linspace(low, high, max(1, round((high - low) / step)) + 1)[:-1])
    edges = np.array([*ages, age_max_yr])
    for value in fixed:  # 10**log10(x) is not x to the last bit
        edges[np.argmin(np.abs(edges - value))] = value
    return edges
