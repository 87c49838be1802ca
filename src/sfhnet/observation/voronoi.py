"""Weighted Voronoi cells of equal signal-to-noise.

Every spaxel goes to the cell whose centre is nearest in units of the cell's own size (the multiplicatively weighted
Voronoi tessellation of Diehl & Statler 2006, MNRAS 368, 497). Sizes follow the signal-to-noise that the cells reach,
centres their spaxels, in turns. The first centres come from cutting the map into as many pieces of equal squared
signal-to-noise as the target allows. Nothing here is from another program.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

__all__ = ["voronoi_cells"]

# Turns after which centres hardly move any more.
_N_TURN = 12
# Cells looked at for one spaxel: a large cell may reach past its small neighbours.
_N_NEAR = 8
# A cell below this share of the target is given to its neighbours.
_MIN_SHARE = 0.8


def voronoi_cells(
    x: np.ndarray, y: np.ndarray, *, signal: np.ndarray, noise: np.ndarray, target_snr: float
) -> np.ndarray:
    """Join spaxels into connected cells near a signal-to-noise ratio.

    Parameters
    ----------
    x, y : ndarray of int, shape (n,)
        Pixel coordinates of the spaxels.
    signal, noise : ndarray, shape (n,)
        Signal and its error; all finite, errors positive.
    target_snr : float
        Ratio aimed at. Spaxels that reach it alone are cells by themselves; other cells scatter about it.

    Returns
    -------
    ndarray of int, shape (n,)
        Cell of each spaxel, numbered from 0 without gaps.
    """
    places = np.column_stack([x, y]).astype(float)
    alone = signal >= target_snr * noise
    cell = np.full(x.size, -1)
    cell[alone] = np.arange(alone.sum())
    rest = np.flatnonzero(~alone)
    if rest.size:
        joined = _Cells(places[rest], signal[rest], noise[rest] ** 2, target_snr)
        cell[rest] = alone.sum() + joined.tessellate()
    return np.unique(cell, return_inverse=True)[1]


class _Cells:
    def __init__(
        self, places: np.ndarray, signal: np.ndarray, variance: np.ndarray, target_snr: float
    ) -> None:
        self.places, self.signal, self.variance, self.target_snr = places, signal, variance, target_snr
        # Squared ratios of spaxels that are alike add up to that of their sum.
        self.weight = np.maximum(signal, 0.0) ** 2 / variance
        self.neighbours = cKDTree(places).query_pairs(1.01, output_type="ndarray")

    def tessellate(self) -> np.ndarray:
        cell = self._pieces()
        for _ in range(_N_TURN):
            cell = self._nearest(*self._centres(cell))
        cell = self._connected(cell)
        snr = self._snr(cell)
        while snr.size > 1 and snr.min() < _MIN_SHARE * self.target_snr:
            cell = self._connected(self._without_the_faintest(cell, snr))
            snr = self._snr(cell)
        return cell

    def _snr(self, cell: np.ndarray) -> np.ndarray:
        return np.bincount(cell, self.signal) / np.sqrt(np.bincount(cell, self.variance))

    def _pieces(self) -> np.ndarray:
        """Cut the map across its longer side into pieces of equal weight, as many as reach the target."""
        cell = np.zeros(self.weight.size, dtype=np.int64)
        n = max(1, round(float(self.weight.sum()) / self.target_snr**2))
        stack, done = [(np.arange(cell.size), min(n, cell.size))], 0
        while stack:
            members, n_piece = stack.pop()
            if n_piece == 1:
                cell[members] = done
                done += 1
                continue
            places = self.places[members]
            members = members[
                np.argsort(places[:, int(np.ptp(places[:, 1]) > np.ptp(places[:, 0]))], kind="stable")
            ]
            first = n_piece // 2
            share = np.cumsum(self.weight[members] + 1e-12)
            cut = int(np.searchsorted(share, share[-1] * first / n_piece))
            cut = min(max(cut, first), members.size - (n_piece - first))
            stack += [(members[:cut], first), (members[cut:], n_piece - first)]
        return cell

    def _centres(self, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return centres (n_cell, 2) and sizes (n_cell,) of the cells that have members."""
        cell = np.unique(cell, return_inverse=True)[1]
        n = np.bincount(cell)
        centres = np.column_stack([np.bincount(cell, self.places[:, k]) / n for k in (0, 1)])
        share = np.maximum(self._snr(cell) / self.target_snr, 0.1)
        return centres, np.sqrt(n) / share

    def _nearest(self, centres: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        n_near = min(_N_NEAR, len(centres))
        distance, near = cKDTree(centres).query(self.places, k=n_near)
        distance, near = distance.reshape(-1, n_near), near.reshape(-1, n_near)
        best = np.argmin(distance / sizes[near], axis=1)
        return np.unique(near[np.arange(len(near)), best], return_inverse=True)[1]

    def _connected(self, cell: np.ndarray) -> np.ndarray:
        """Give what is cut off from its cell to a neighbour; islands without any become cells of their own."""
        cell = np.unique(cell, return_inverse=True)[1]
        a, b = self.neighbours[:, 0], self.neighbours[:, 1]
        for _ in range(100):
            within = cell[a] == cell[b]
            links = coo_matrix((np.ones(within.sum()), (a[within], b[within])), shape=(cell.size, cell.size))
            n_part, part = connected_components(links, directed=False)
            size = np.bincount(part, minlength=n_part)
            of_cell = np.zeros(n_part, dtype=np.int64)
            of_cell[part] = cell
            order = np.lexsort((-size, of_cell))
            main = order[np.unique(of_cell[order], return_index=True)[1]]
            is_main = np.zeros(n_part, dtype=bool)
            is_main[main] = True
            # Pairs of a spaxel cut off and a neighbour that is not.
            pairs = np.concatenate([self.neighbours, self.neighbours[:, ::-1]])
            use = ~is_main[part[pairs[:, 0]]] & is_main[part[pairs[:, 1]]]
            if not use.any():
                if not is_main.all():
                    lost = ~is_main[part]
                    cell[lost] = cell.max() + 1 + part[lost]
                return np.unique(cell, return_inverse=True)[1]
            cell[pairs[use, 0]] = cell[pairs[use, 1]]
        return np.unique(cell, return_inverse=True)[1]

    def _without_the_faintest(self, cell: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """Dissolve cells below the target, never two that touch in one go, into the cells beside them."""
        faint = snr < _MIN_SHARE * self.target_snr
        a, b = cell[self.neighbours[:, 0]], cell[self.neighbours[:, 1]]
        touch = (a != b) & faint[a] & faint[b]
        brighter = np.where(snr[a] >= snr[b], a, b)[touch]
        faint[brighter] = False
        going = faint[cell]
        if going.all():
            return np.zeros_like(cell)
        centres, sizes = self._centres(cell)
        stays = np.flatnonzero(~faint)
        n_near = min(_N_NEAR, stays.size)
        distance, near = cKDTree(centres[stays]).query(self.places[going], k=n_near)
        distance, near = distance.reshape(-1, n_near), near.reshape(-1, n_near)
        best = np.argmin(distance / sizes[stays][near], axis=1)
        cell = cell.copy()
        cell[going] = stays[near[np.arange(len(near)), best]]
        return cell
