"""Spatial bins: which spaxels are summed into one spectrum."""

from __future__ import annotations

import os

import numpy as np

from sfhnet.observation.fits_files import image_hdus, open_fits

UNBINNED = -1


def bin_to_snr(
    signal: np.ndarray, noise: np.ndarray, target_snr: float, *, good: np.ndarray, min_snr: float = 0.0
) -> np.ndarray:
    """Split a map into compact rectangles-of-spaxels that each reach a signal-to-noise ratio.

    The map is halved again and again across its longer side, at the spaxel that shares the squared
    signal-to-noise fairly, as long as both halves still reach the target (a k-d tree). Bins therefore end
    between the target and about 1.4 times the target, or are single spaxels above it.

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
    flux, variance = signal[y, x], noise[y, x] ** 2

    def snr(members: np.ndarray) -> float:
        return flux[members].sum() / np.sqrt(variance[members].sum())

    labels = np.full(signal.shape, UNBINNED, dtype=np.int32)
    done, stack = [], [np.arange(y.size)]
    while stack:
        members = stack.pop()
        halves = _halve(x[members], y[members], flux[members] ** 2 / variance[members])
        if halves is not None:
            first, second = members[halves], members[~halves]
            if snr(first) >= target_snr and snr(second) >= target_snr:
                stack += [first, second]
                continue
        done.append(members)
    done.sort(key=lambda members: -flux[members].sum() / members.size)
    for index, members in enumerate(done):
        labels[y[members], x[members]] = index
    return labels


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
