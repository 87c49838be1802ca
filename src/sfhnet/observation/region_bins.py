"""Bins drawn by hand: regions in a ds9 file."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS

from sfhnet.observation.binning import UNBINNED

_log = logging.getLogger("sfhnet.regions")


def read_regions(path: str | os.PathLike, shape: tuple[int, int], wcs: WCS, *, galaxy: str) -> np.ndarray:
    """Read bins from a ds9 region file: a spaxel belongs to the first region that holds its centre.

    Parameters
    ----------
    path : path
        Text file as ds9 writes it, on the sky or in image pixels. Regions with a minus before them are left out of
        all bins.
    shape : (int, int)
        (ny, nx) of the cube.
    wcs : astropy.wcs.WCS
        Celestial WCS of the cube.
    galaxy : str
        Name for messages.

    Returns
    -------
    ndarray of int32, shape (ny, nx)
        Number of the region, counted from 0 in the order of the file without those that hold no spaxel; -1 outside.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is no region file, or no region holds a spaxel.
    """
    from regions import PixCoord, PixelRegion, Regions

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{galaxy}: {path} does not exist; correct column bins of the sample sheet")
    try:
        with warnings.catch_warnings():
            # A line that is skipped would be a bin that is missing.
            warnings.simplefilter("error", AstropyUserWarning)
            regions = list(Regions.read(path, format="ds9"))
    except (ValueError, TypeError, AstropyUserWarning) as error:
        raise ValueError(
            f"{galaxy}: {path} cannot be read as ds9 regions ({error}); save them in ds9 as format ds9"
        ) from error
    if not regions:
        raise ValueError(
            f"{galaxy}: {path} holds no region that is understood; save circles, ellipses or polygons"
        )
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.full(shape, UNBINNED, dtype=np.int32)
    forbidden = np.zeros(shape, dtype=bool)
    number = 0
    for place, region in enumerate(regions, start=1):
        excludes = not region.meta.get("include", True)
        drawn = region.copy() if isinstance(region, PixelRegion) else region.to_pixel(wcs)
        drawn.meta["include"] = True  # its shape is asked for, not what it is used for
        inside = drawn.contains(PixCoord(x, y))
        if excludes:
            forbidden |= inside
            continue
        inside &= labels == UNBINNED
        if not inside.any():
            _log.warning(
                "%s: region %d of %s (%s) holds no spaxel of the cube that is free",
                galaxy, place, path, type(region).__name__,
            )  # fmt: skip
            continue
        labels[inside] = number
        number += 1
    labels[forbidden] = UNBINNED
    if not (labels >= 0).any():
        raise ValueError(
            f"{galaxy}: none of the {len(regions)} regions in {path} holds a spaxel of the cube; are they of another galaxy, "
            "or in image pixels of another file?"
        )
    # A region that is forbidden as a whole leaves no gap.
    return np.where(labels >= 0, np.searchsorted(np.unique(labels[labels >= 0]), labels), UNBINNED).astype(
        np.int32
    )
