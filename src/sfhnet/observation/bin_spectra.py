"""Two passes over a cube: a survey of its spaxels, then the summed spectra of bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from sfhnet.observation.cube import Block, Cube
from sfhnet.observation.registration import BandImage
from sfhnet.tools.progress import Progress

# A block that is read takes this share of the memory that is allowed, or what the program and the sums of bins leave.
_READING_SHARE = 0.2
_PROGRAM_BYTES, _LEAST_BLOCK_BYTES = 0.3e9, 0.05e9
_SUM_BYTES_PER_BIN_AND_CHANNEL = 13
# A spaxel shows a band if so much of its weight lies in good channels.
_MIN_BAND = 0.5
# Bins that are finished together.
_CHUNK_BINS = 256
# Flux, variance and mask as they were observed and in the rest frame.
_BYTES_PER_BIN_AND_CHANNEL = 18


@dataclass(frozen=True)
class Survey:
    """What each spaxel holds.

    Parameters
    ----------
    signal, noise : ndarray, shape (ny, nx)
        Mean flux and root-mean variance per channel in the window, in the cube's unit.
    white : ndarray of float32, shape (ny, nx)
        Mean flux over all good channels, NaN where there is none.
    good_fraction : ndarray, shape (ny, nx)
        Share of good channels.
    bands : dict of str to BandImage
        What the cube shows in the bands that were asked for.
    """

    signal: np.ndarray
    noise: np.ndarray
    white: np.ndarray
    good_fraction: np.ndarray
    bands: dict[str, BandImage] = field(default_factory=dict)


def survey(
    cube: Cube,
    window_aa: tuple[float, float],
    memory_gb: float,
    *,
    weights: Mapping[str, tuple[np.ndarray, float]] | None = None,
) -> Survey:
    """Measure signal and noise of each spaxel.

    Parameters
    ----------
    cube : Cube
        From `sfhnet.observation.cube.open_cube`.
    window_aa : (float, float)
        Observed wavelengths in which signal and noise are measured.
    memory_gb : float
        Memory that reading may take.
    weights : mapping of str to (ndarray, float), optional
        From `sfhnet.observation.band_weights.band_weights`: bands in which images are wanted.

    Returns
    -------
    Survey

    Raises
    ------
    ValueError
        If the window is outside the cube, or no pixel of the cube is good.
    """
    inside = (cube.wave_aa >= window_aa[0]) & (cube.wave_aa <= window_aa[1])
    if inside.sum() < 10:
        raise ValueError(
            f"{cube.galaxy}: {cube.path} covers {cube.wave_aa[0]:.0f} .. {cube.wave_aa[-1]:.0f} Angstrom, the S/N window is "
            f"{window_aa[0]:.0f} .. {window_aa[1]:.0f} (observed); change galaxies.snr_window_aa or check the redshift"
        )
    shape = cube.shape[1:]
    signal, noise, white, good_fraction = (np.zeros(shape) for _ in range(4))
    bands = {
        band: BandImage(np.zeros(shape), np.zeros(shape), share)
        for band, (_, share) in (weights or {}).items()
    }
    with Progress(shape[0], f"{cube.galaxy}: survey", "row") as progress:
        for block in cube.blocks(memory_gb * 1e9 * _READING_SHARE):
            number = block.good.sum(axis=0)
            in_window = block.good[inside].sum(axis=0)
            safe = np.maximum(in_window, 1)
            signal[block.rows] = block.flux[inside].sum(axis=0, dtype=np.float64) / safe
            noise[block.rows] = np.sqrt(block.variance[inside].sum(axis=0, dtype=np.float64) / safe)
            white[block.rows] = block.flux.sum(axis=0, dtype=np.float64) / np.maximum(number, 1)
            good_fraction[block.rows] = number / cube.wave_aa.size
            if weights:
                _add_bands(bands, block, weights, cube.flux_unit_cgs)
            progress.update(block.rows.stop - block.rows.start)
    if not good_fraction.any():
        where = f"{cube.galaxy}: {cube.path} [{cube.flux_name}]"
        if not cube.has_errors:
            raise ValueError(
                f"{where} has no good pixel: the file has no errors, and its spectra do not scatter (flat, without noise, or all "
                "NaN), so that none can be measured; give a file with errors, or name their extension in the column layout"
            )
        raise ValueError(f"{where} has no good pixel (all NaN, masked, or zero); fetch it again")
    empty = good_fraction == 0
    signal[empty], noise[empty], white[empty] = np.nan, np.nan, np.nan
    return Survey(signal, noise, white.astype(np.float32), good_fraction, bands)


def _add_bands(
    bands: Mapping[str, BandImage],
    block: Block,
    weights: Mapping[str, tuple[np.ndarray, float]],
    unit_cgs: float,
) -> None:
    """Write the rows of a block into images of the cube in bands."""
    n_wave, *rest = block.flux.shape
    good = block.good.astype(np.float32).reshape(n_wave, -1)
    for band, (weight, _) in weights.items():
        weight32 = weight.astype(np.float32)
        held = (weight32 @ good).reshape(rest).astype(float)
        safe = np.where(held > _MIN_BAND, held, np.nan)
        flux = (weight32 @ block.flux.reshape(n_wave, -1)).reshape(rest)
        variance = ((weight32**2) @ block.variance.reshape(n_wave, -1)).reshape(rest)
        bands[band].flux[block.rows] = flux / safe * unit_cgs
        bands[band].variance[block.rows] = variance / safe**2 * unit_cgs**2


def check_memory(n_bins: int, cube: Cube, memory_gb: float) -> None:
    """Refuse more bins than fit into memory, before they are summed.

    Parameters
    ----------
    n_bins : int
        Number of bins.
    cube : Cube
        From `sfhnet.observation.cube.open_cube`.
    memory_gb : float
        Memory that may be taken.

    Raises
    ------
    ValueError
        If the spectra of so many bins need more.
    """
    needed = (_PROGRAM_BYTES + n_bins * cube.wave_aa.size * _BYTES_PER_BIN_AND_CHANNEL) / 1e9
    if needed > memory_gb:
        raise ValueError(
            f"{cube.galaxy}: the spectra of {n_bins} bins with {cube.wave_aa.size} channels need {needed:.1f} GB, "
            f"galaxies.memory_gb allows {memory_gb:g}; raise it, raise target_snr, or bin more"
        )


def sum_bins(
    cube: Cube,
    bin_map: np.ndarray,
    n_bins: int,
    *,
    weight: np.ndarray,
    memory_gb: float,
    min_weight: float = 0.7,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum the spectra of the spaxels of each bin.

    A channel that is bad in some spaxels of a bin is scaled up by the light that is missing, so that the spectrum has
    no steps; where less than ``min_weight`` of the light is left the channel is bad for the bin.

    Parameters
    ----------
    cube : Cube
        From `sfhnet.observation.cube.open_cube`.
    bin_map : ndarray of int, shape (ny, nx)
        Bin of each spaxel, -1 outside.
    n_bins : int
        Number of bins.
    weight : ndarray, shape (ny, nx)
        Light per spaxel, not negative; only ratios inside a bin matter.
    memory_gb : float
        Memory that reading may take.
    min_weight : float
        Share of a bin's light that a good channel holds at least.

    Returns
    -------
    flux, variance : ndarray of float32, shape (n_bins, n_wave)
        In the cube's unit; 0 where bad.
    good : ndarray of bool, shape (n_bins, n_wave)
    """
    n_wave = cube.wave_aa.size
    flux, variance, held = (np.zeros((n_bins, n_wave), dtype=np.float32) for _ in range(3))
    light = np.bincount(bin_map[bin_map >= 0], weights=weight[bin_map >= 0], minlength=n_bins)
    room = memory_gb * 1e9 - _PROGRAM_BYTES - _SUM_BYTES_PER_BIN_AND_CHANNEL * n_bins * n_wave
    # Half of what is left: the rest is for the copies that summing makes.
    block_bytes = max(min(memory_gb * 1e9 * _READING_SHARE, room / 2), _LEAST_BLOCK_BYTES)
    with Progress(cube.shape[1], f"{cube.galaxy}: sum of bins", "row") as progress:
        for block in cube.blocks(block_bytes):
            labels = bin_map[block.rows].ravel()
            used = np.flatnonzero(labels >= 0)
            if used.size:
                present, where = np.unique(labels[used], return_inverse=True)
                member = sparse.csr_array(
                    (np.ones(used.size, dtype=np.float32), (where, np.arange(used.size))),
                    (present.size, used.size),
                )
                share = (weight[block.rows].ravel()[used] / light[labels[used]]).astype(np.float32)
                flux[present] += member @ block.flux.reshape(n_wave, -1)[:, used].T
                variance[present] += member @ block.variance.reshape(n_wave, -1)[:, used].T
                held[present] += (member * share[None, :]) @ block.good.reshape(n_wave, -1)[:, used].T.astype(
                    np.float32
                )
            progress.update(block.rows.stop - block.rows.start)
            del block
    good = np.zeros((n_bins, n_wave), dtype=bool)
    for start in range(0, n_bins, _CHUNK_BINS):
        part = slice(start, start + _CHUNK_BINS)
        kept = (held[part] >= min_weight) & (variance[part] > 0)
        safe = np.where(kept, held[part], np.float32(1.0))
        flux[part] = np.where(kept, flux[part] / safe, 0.0)
        variance[part] = np.where(kept, variance[part] / safe**2, 0.0)
        good[part] = kept
    return flux, variance, good
