"""Mass in age cells of the shapes that star-formation histories are built from; one row a galaxy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cell_centres(edges_yr: Array) -> Array:
    """Return the mid points of the age cells in yr, shape (n_cell,)."""
    return 0.5 * (edges_yr[1:] + edges_yr[:-1])


def constant_between(edges_yr: Array, young_yr: Array, old_yr: Array) -> Array:
    """Return the years of each cell inside [young_yr, old_yr]: mass at unit SFR, exact.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
    young_yr, old_yr : ndarray, shape (n,)
        Look-back ages of the end and the start of the episode in yr.

    Returns
    -------
    ndarray, shape (n, n_cell)
    """
    at = np.clip(edges_yr, young_yr[:, None], np.maximum(old_yr, young_yr)[:, None])
    return np.diff(at, axis=1)


def normalise(mass: Array) -> Array:
    """Return rows of unit total mass.

    Raises
    ------
    ValueError
        If a row has no mass, negative mass, or mass that is not finite.
    """
    total = mass.sum(axis=1)
    bad = ~np.isfinite(total) | (total <= 0) | (mass.min(axis=1) < 0)
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of {bad.size} histories form no, negative or non-finite mass (the first is number "
            f"{int(np.flatnonzero(bad)[0])}, total {total[bad][0]}); narrow the prior that drew them"
        )
    return mass / total[:, None]
