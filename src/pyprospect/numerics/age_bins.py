"""From the cells of one age grid to the bins of another."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect.arguments import checked

__all__ = ["rebin_matrix"]

Array = NDArray[np.float64]


@checked
def rebin_matrix(from_edges_yr: ArrayLike, to_edges_yr: ArrayLike) -> Array:
    """Return the share of each cell of one age grid in each bin of another (constant SFR within a cell).

    Parameters
    ----------
    from_edges_yr : (n + 1,)
        Ascending cell edges in yr.
    to_edges_yr : (m + 1,)
        Ascending bin edges in yr; must cover the cells, so that no mass is lost.

    Returns
    -------
    ndarray, shape (n, m)
        Rows sum to one: ``mass_in_cells @ matrix`` conserves mass.

    Raises
    ------
    ValueError
        If the bins do not cover the cells, or edges do not ascend.
    """
    a, b = np.asarray(from_edges_yr, dtype=float), np.asarray(to_edges_yr, dtype=float)
    for name, edges in (("from_edges_yr", a), ("to_edges_yr", b)):
        if edges.ndim != 1 or edges.size < 2 or np.any(np.diff(edges) <= 0):
            raise ValueError(
                f"rebin_matrix: {name} of shape {edges.shape} must be at least two ascending ages"
            )
    if b[0] > a[0] or b[-1] < a[-1]:
        raise ValueError(
            f"age bins cover {b[0]:.4g} .. {b[-1]:.4g} yr, the histories run {a[0]:.4g} .. {a[-1]:.4g} yr; mass "
            "would be lost. Extend the bins or shorten the histories"
        )
    low = np.maximum(a[:-1, None], b[None, :-1])
    high = np.minimum(a[1:, None], b[None, 1:])
    return np.clip(high - low, 0.0, None) / np.diff(a)[:, None]
