"""Spatial bins: which spaxels are summed into one spectrum."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np

from sfhnet.observation.fits_files import image_hdus, open_fits
from sfhnet.observation.voronoi import voronoi_cells

UNBINNED = -1


def bin_to_snr(
    signal: np.ndarray,
    noise: np.ndarray,
    target_snr: float,
    *,
    good: np.ndarray,
    min_snr: float = 0.0,
    shape: Literal["voronoi", "rectangles"] = "voronoi",
) -> np.ndarray:
    """Sort the spaxels of a map into compact bins near a signal-to-noise ratio.

    Parameters
    ----------
    signal, noise : ndarray, shape (ny, nx)
        Signal and its error per spaxel (e.g. median flux per channel in a window).
    target_snr : float
        Ratio to reach in each bin.
    good : ndarray of bool, shape (ny, nx)
        Spaxels to use.
    min_snr : float
        Spaxels below this ratio by themselves are left out of all bins.
    shape : {"voronoi", "rectangles"}
        voronoi: round cells that scatter by about 5 % about the target (`voronoi.voronoi_cells`). rectangles: the map is
        halved again and again across its longer side as long as both halves still reach the target (a k-d tree); no bin
        is below it, most are up to 1.4 times above.

    Returns
    -------
    ndarray of int32, shape (ny, nx)
        Bin index, ordered by falling light; -1 outside.

    Raises
    ------
    ValueError
        If no spaxel is usable.
    """
    signal, noise = np.asarray(signal, dtype=float), np.asarray(noise, dtype=float)
    usable = good & np.isfinite(signal) & np.isfinite(noise) & (noise > 0)
    usable &= signal > min_snr * np.where(usable, noise, 1.0)
    y, x = np.nonzero(usable)
    if y.size == 0:
        raise ValueError(
            f"no spaxel of {good.sum()} good ones has a signal-to-noise above {min_snr}; lower galaxies.min_spaxel_snr "
            "or check the units of STAT"
        )
    make = voronoi_cells if shape == "voronoi" else _rectangles
    cell = make(x, y, signal=signal[y, x], noise=noise[y, x], target_snr=target_snr)
    brightness = np.bincount(cell, signal[y, x]) / np.bincount(cell)
    rank = np.empty(brightness.size, dtype=np.int32)
    rank[np.argsort(-brightness, kind="stable")] = np.arange(brightness.size, dtype=np.int32)
    labels = np.full(signal.shape, UNBINNED, dtype=np.int32)
    labels[y, x] = rank[cell]
    return labels


def _rectangles(
    x: np.ndarray, y: np.ndarray, *, signal: np.ndarray, noise: np.ndarray, target_snr: float
) -> np.ndarray:
    variance = noise**2
    cell, n_done, stack = np.zeros(x.size, dtype=np.int64), 0, [np.arange(x.size)]

    def snr(members: np.ndarray) -> float:
        return signal[members].sum() / np.sqrt(variance[members].sum())

    while stack:
        members = stack.pop()
        halves = _halve(x[members], y[members], signal[members] ** 2 / variance[members])
        if halves is not None:
            first, second = members[halves], members[~halves]
            if snr(first) >= target_snr and snr(second) >= target_snr:
                stack += [first, second]
                continue
        cell[members] = n_done
        n_done += 1
    return cell


def _halve(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
    if x.size < 2:
        return None
    along = x if np.ptp(x) >= np.ptp(y) else y
    columns, where = np.unique(along, return_inverse=True)
    share = np.cumsum(np.bincount(where, weights=np.maximum(weight, 0)))
    # Cut between two columns of spaxels, never through one, so that bins stay compact.
    cut = int(np.argmin(np.abs(share[:-1] - 0.5 * share[-1])))
    return along <= columns[cut]


def one_bin_per_spaxel(good: np.ndarray) -> np.ndarray:
    """Number the good spaxels one by one.

    Parameters
    ----------
    good : ndarray of bool, shape (ny, nx)
        Spaxels to use.

    Returns
    -------
    ndarray of int32, shape (ny, nx)
        Bin index, -1 outside.
    """
    labels = np.full(good.shape, UNBINNED, dtype=np.int32)
    labels[good] = np.arange(good.sum(), dtype=np.int32)
    return labels


def number_labels(labels: np.ndarray) -> np.ndarray:
    """Renumber labels from 0 without gaps; negative ones and NaN become -1.

    Parameters
    ----------
    labels : ndarray, shape (ny, nx)
        Whole numbers.

    Returns
    -------
    ndarray of int32, shape (ny, nx)
    """
    inside = np.isfinite(labels) & (labels >= 0)
    result = np.full(labels.shape, UNBINNED, dtype=np.int32)
    result[inside] = np.unique(labels[inside], return_inverse=True)[1]
    return result


def read_labels(path: str | os.PathLike, shape: tuple[int, int], galaxy: str) -> np.ndarray:
    """Read bins from a FITS label image: extension BINID, else the first that holds a 2-D image.

    Parameters
    ----------
    path : path
        FITS file.
    shape : (int, int)
        (ny, nx) of the cube that the labels belong to.
    galaxy : str
        Name for the error messages.

    Returns
    -------
    ndarray of int32, shape (ny, nx)
        Labels renumbered from 0 without gaps; negative labels and NaN become -1.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file cannot be read, has no such image, or has another size than the cube.
    """
    with open_fits(path, galaxy) as hdus:
        images = image_hdus(hdus)
        if not images:
            raise ValueError(f"{galaxy}: {path} holds no 2-D image; give a label image")
        hdu = next((hdu for hdu in images if hdu.name == "BINID"), images[0])
        labels = np.asarray(hdu.data, dtype=float)
        where = f"{galaxy}: bins in {path} [{hdu.name or 'PRIMARY'}]"
    if labels.shape != tuple(shape):
        raise ValueError(
            f"{where} have {labels.shape[0]} x {labels.shape[1]} spaxels, the cube has "
            f"{shape[0]} x {shape[1]}; use an image on the pixels of this very cube"
        )
    inside = np.isfinite(labels) & (labels >= 0)
    if not inside.any():
        raise ValueError(f"{where} hold no label >= 0")
    if np.any(labels[inside] != np.round(labels[inside])):
        raise ValueError(f"{where} are not whole numbers; is this an image of something else?")
    return number_labels(labels)
