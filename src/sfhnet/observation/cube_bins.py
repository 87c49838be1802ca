"""Bins of a galaxy's cube: which spaxels go into which, where they lie, and why the others are in none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from sfhnet.config import GalaxiesConfig
from sfhnet.core.spectra import Unbinned
from sfhnet.observation.bin_spectra import Survey, survey
from sfhnet.observation.binning import bin_to_snr, one_bin_per_spaxel, read_labels
from sfhnet.observation.cube import Cube
from sfhnet.observation.dap_maps import DapMaps
from sfhnet.observation.fits_files import image_hdus, open_fits
from sfhnet.observation.galaxy_files import Target
from sfhnet.observation.region_bins import read_regions
from sfhnet.sources.sheet_row import BINNINGS

# Below this share of good channels a spaxel joins no bin.
_MIN_GOOD_CHANNELS = 0.5


@dataclass(frozen=True)
class CubeBins:
    """Bins of a cube.

    Parameters
    ----------
    survey : Survey
        What each spaxel holds.
    bin_map : ndarray of int32, shape (ny, nx)
        Bin of each spaxel, -1 outside.
    unbinned : ndarray of uint8, shape (ny, nx)
        `Unbinned`: why a spaxel is in no bin.
    excluded : ndarray of bool, shape (ny, nx), or None
        Spaxels that the mask leaves out.
    """

    survey: Survey
    bin_map: np.ndarray
    unbinned: np.ndarray
    excluded: np.ndarray | None

    @property
    def n(self) -> int:
        """Number of bins."""
        return int(self.bin_map.max()) + 1

    @property
    def light(self) -> np.ndarray:
        """Weight of each spaxel in its bin, shape (ny, nx): its light, never negative; 0 outside."""
        light = np.clip(np.nan_to_num(self.survey.signal), 0, None) + 1e-12
        return np.where(self.bin_map >= 0, light, 0.0)

    @property
    def n_good_spaxels(self) -> int:
        """Number of spaxels with enough good channels, in a bin or not."""
        return int((self.survey.good_fraction > _MIN_GOOD_CHANNELS).sum())

    def snr_by_stat(self) -> list[float]:
        """Return the least, median and greatest S/N of the bins by STAT alone, without covariance."""
        inside = (self.bin_map >= 0) & (self.survey.noise > 0)
        labels = self.bin_map[inside]
        signal = np.bincount(labels, weights=self.survey.signal[inside], minlength=self.n)
        variance = np.bincount(labels, weights=self.survey.noise[inside] ** 2, minlength=self.n)
        snr = signal / np.sqrt(np.where(variance > 0, variance, np.inf))
        return [float(value) for value in np.percentile(snr, [0, 50, 100])]

    def beside_the_mask(self) -> np.ndarray:
        """Return the bins that hold or touch a spaxel that is left out, shape (n_touched,)."""
        if self.excluded is None:
            return np.zeros(0, dtype=np.int32)
        return np.unique(self.bin_map[_grow(self.excluded) & (self.bin_map >= 0)])


@dataclass(frozen=True)
class Places:
    """Where bins lie on the sky, shape (n,) each.

    Parameters
    ----------
    x_arcsec, y_arcsec : ndarray
        Light-weighted centre relative to the centre of the galaxy, to the east and to the north.
    area_arcsec2 : ndarray
        Area.
    """

    x_arcsec: np.ndarray
    y_arcsec: np.ndarray
    area_arcsec2: np.ndarray


def given_labels(target: Target, cube: Cube, maps: DapMaps | None) -> np.ndarray | None:
    """Read the bins that a galaxy comes with.

    Parameters
    ----------
    target : Target
        Galaxy and files.
    cube : Cube
        Its cube.
    maps : DapMaps or None
        Its MAPS, if it has any.

    Returns
    -------
    ndarray of int32, shape (ny, nx), or None
        Bin of each spaxel, -1 outside; None where the bins are to be made.

    Raises
    ------
    FileNotFoundError
        If the file of bins does not exist.
    ValueError
        If the MAPS hold no bins, or the file of bins does not fit the cube.
    """
    if target.bins in BINNINGS and target.bins != "maps":
        return None
    if target.bins == "maps":
        if maps is None or maps.bin_map is None:
            what = "column maps is empty" if maps is None else f"{target.maps} has no extension BINID"
            raise ValueError(
                f"{target.galaxy}: bins are to be those of the MAPS, but {what}; give it, or bins = snr"
            )
        return maps.bin_map
    if str(target.bins).endswith(".reg"):
        return read_regions(target.bins, cube.shape[1:], cube.wcs, galaxy=target.galaxy)
    return read_labels(target.bins, cube.shape[1:], target.galaxy)


def read_mask(target: Target, cube: Cube) -> np.ndarray | None:
    """Read which spaxels are to be left out.

    Parameters
    ----------
    target : Target
        Galaxy and files.
    cube : Cube
        Its cube.

    Returns
    -------
    ndarray of bool, shape (ny, nx), or None
        True where a spaxel is left out; None without a mask.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it holds no image of the size of the cube.
    """
    if target.mask is None:
        return None
    with open_fits(target.mask, target.galaxy) as hdus:
        images = image_hdus(hdus)
        if not images:
            raise ValueError(
                f"{target.galaxy}: {target.mask} holds no 2-D image; give a mask, not zero where masked"
            )
        mask = np.nan_to_num(np.asarray(images[0].data, dtype=float)) != 0
    if mask.shape != cube.shape[1:]:
        raise ValueError(
            f"{target.galaxy}: mask {target.mask} has shape {mask.shape}, the cube has {cube.shape[1:]}"
        )
    return mask


def bin_cube(
    target: Target,
    cube: Cube,
    config: GalaxiesConfig,
    *,
    labels: np.ndarray | None,
    excluded: np.ndarray | None,
    weights: Mapping[str, tuple[np.ndarray, float]] | None = None,
) -> CubeBins:
    """Survey a cube and sort its spaxels into bins.

    Parameters
    ----------
    target : Target
        Galaxy and how to bin it.
    cube : Cube
        Its cube.
    config : GalaxiesConfig
        Window and limits of the signal-to-noise, memory.
    labels : ndarray of int, shape (ny, nx), or None
        Bins that are given, from `given_labels`.
    excluded : ndarray of bool, shape (ny, nx), or None
        Spaxels to leave out, from `read_mask`.
    weights : mapping of str to (ndarray, float), optional
        Bands in which the survey makes images of the cube.

    Returns
    -------
    CubeBins

    Raises
    ------
    ValueError
        If no spaxel is good, or none of those that are lies in a bin.
    """
    low_aa, high_aa = ((1 + target.redshift) * edge for edge in config.snr_window_aa)
    spaxels = survey(cube, (low_aa, high_aa), config.memory_gb, weights=weights)
    good = spaxels.good_fraction > _MIN_GOOD_CHANNELS
    reason = np.where(good, Unbinned.IN_A_BIN, Unbinned.FEW_GOOD_CHANNELS)
    reason[spaxels.good_fraction == 0] = Unbinned.NO_DATA
    if excluded is not None:
        good &= ~excluded
        reason[excluded] = Unbinned.MASKED
    if not good.any():
        raise ValueError(
            f"{target.galaxy}: no spaxel of {target.data} has more than {_MIN_GOOD_CHANNELS:.0%} good channels outside the "
            "mask; fetch the cube again or correct the mask"
        )
    if labels is not None:
        bin_map = _good_part(labels, good, target)
        left_out = Unbinned.OUTSIDE_OF_BINS
    else:
        bin_map = _make_bins(target, spaxels, good, config)
        left_out = Unbinned.LOW_SNR
    reason[good & (bin_map < 0)] = left_out
    reason[bin_map >= 0] = Unbinned.IN_A_BIN
    return CubeBins(survey=spaxels, bin_map=bin_map, unbinned=reason.astype(np.uint8), excluded=excluded)


def _good_part(labels: np.ndarray, good: np.ndarray, target: Target) -> np.ndarray:
    bin_map = np.where(good, labels, -1).astype(np.int32)
    if not (bin_map >= 0).any():
        raise ValueError(
            f"{target.galaxy}: no bin of {target.bins} holds a good spaxel of {target.data}; are they of this cube?"
        )
    # A bin of which nothing is good stays on the map, to be flagged there: no silent hole.
    lost = ~np.isin(labels, bin_map) & (labels >= 0)
    bin_map[lost] = labels[lost]
    return bin_map


def _make_bins(target: Target, spaxels: Survey, good: np.ndarray, config: GalaxiesConfig) -> np.ndarray:
    if target.bins == "spaxel":
        return one_bin_per_spaxel(good)
    if target.bins == "all":
        return np.where(good, 0, -1).astype(np.int32)
    try:
        return bin_to_snr(
            spaxels.signal,
            spaxels.noise,
            target.target_snr or config.target_snr,
            good=good,
            min_snr=config.min_spaxel_snr,
            shape="rectangles" if target.bins == "rectangles" else "voronoi",
        )
    except ValueError as error:
        raise ValueError(f"{target.galaxy}: {target.data}: {error}") from error


def find_places(bins: CubeBins, cube: Cube, center_deg: tuple[float, float] | None) -> Places:
    """Find where the bins of a cube lie.

    Parameters
    ----------
    bins : CubeBins
        Bins.
    cube : Cube
        Their cube.
    center_deg : (float, float) or None
        Right ascension and declination of the centre of the galaxy; None: its brightest spaxel.

    Returns
    -------
    Places
    """
    inside, weight = bins.bin_map >= 0, bins.light
    labels = bins.bin_map[inside]
    row, column = np.nonzero(inside)
    sky = cube.wcs.pixel_to_world(column, row)
    if center_deg is not None:
        centre = SkyCoord(*center_deg, unit="deg")
    else:
        brightest_row, brightest_column = np.unravel_index(int(np.argmax(weight)), weight.shape)
        centre = cube.wcs.pixel_to_world(brightest_column, brightest_row)
    east, north = (
        offset.to_value(u.arcsec) for offset in centre.transform_to(sky.frame).spherical_offsets_to(sky)
    )
    light = np.bincount(labels, weights=weight[inside], minlength=bins.n)
    light = np.where(light > 0, light, 1.0)
    return Places(
        x_arcsec=np.bincount(labels, weights=weight[inside] * east, minlength=bins.n) / light,
        y_arcsec=np.bincount(labels, weights=weight[inside] * north, minlength=bins.n) / light,
        area_arcsec2=np.bincount(labels, minlength=bins.n) * cube.pixel_arcsec2,
    )


def _grow(mask: np.ndarray) -> np.ndarray:
    """Return a mask with the four neighbours of each spaxel in it."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown
