"""Pixels of observed spectra that hold no light: fill values, repeated values, gaps filled by a line, spikes; wrong errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfhnet.observation.medians import beside_too, far_medians, good_medians

__all__ = ["ErrorScale", "error_scale", "fill_values", "light", "runs", "spikes"]

# So many equal values, or values on one straight line, in a row are no measurement.
_REPEATED, _STRAIGHT = 4, 10
# Share of the value within which numbers count as equal: rounding of single precision.
_EQUAL = 1e-7
# A spike stands out by this many errors (and this share of the flux), its neighbours by less than a share of it.
_SPIKE_SIGMA, _SPIKE_SHARE, _NEIGHBOUR_SHARE = 8.0, 0.15, 0.3
_SPIKE_WINDOW = 15
# What is this bright falls to a share of its height within a pixel on one side only if no spectrograph has spread it.
_BRIGHT_SIGMA, _BRIGHT_SHARE, _NEAR_TOP, _SHARP_SHARE, _SHARP_WIDEST = 20.0, 1.0, 0.7, 0.1, 12
# Errors and the scatter of neighbours within this factor agree.
_AGREE = 3.0
# What an error really is, when another reading is right within this factor.
_CLEAR = 1.6
# Noise that scatters this much less between neighbours than between pixels further apart is correlated.
_FURTHER, _CORRELATED = 4, 2.0


def fill_values(flux: np.ndarray) -> np.ndarray:
    """Find exact zeros, runs of one value and runs on one straight line.

    Parameters
    ----------
    flux : ndarray (n, n_wave)
        Spectra; NaN counts as different from everything.

    Returns
    -------
    ndarray of bool (n, n_wave)
    """
    with np.errstate(invalid="ignore"):
        change = np.abs(np.diff(flux, axis=1))
        size = np.maximum(np.abs(flux[:, 1:]), np.abs(flux[:, :-1]))
        bend = np.abs(np.diff(flux, n=2, axis=1))
        same = change <= 0.0 * size
        straight = (bend <= _EQUAL * size[:, 1:]) & (change[:, 1:] > 0)
    result = flux == 0
    for where, least, more in ((same, _REPEATED - 1, 1), (straight, _STRAIGHT - 2, 2)):
        for i in np.flatnonzero(where.any(axis=1)):
            for start, stop in runs(where[i]):
                if stop - start >= least:
                    result[i, start : stop + more] = True
    return result


def light(flux: np.ndarray, variance: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the pixels that hold light: good ones but for fill values and spikes.

    Parameters
    ----------
    flux, variance : ndarray (n, n_wave)
        Spectra and variances.
    good : ndarray of bool (n, n_wave)
        Good pixels.

    Returns
    -------
    ndarray of bool (n, n_wave)
    """
    usable = good & np.isfinite(flux) & np.isfinite(variance) & (variance > 0) & ~fill_values(flux)
    safe, error = np.where(usable, flux, 0.0), np.sqrt(np.where(usable, variance, 0.0))
    return usable & ~spikes(safe, error, usable)


def spikes(flux: np.ndarray, sigma: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Find pixels that stand out as no line of a spectrograph does: hot and dead pixels, cosmic rays.

    A line is at least two pixels wide; what stands out alone is none, nor is what is bright and has a sharp edge.

    Parameters
    ----------
    flux, sigma : ndarray (n, n_wave)
        Spectra and errors.
    good : ndarray of bool (n, n_wave)
        Good pixels.

    Returns
    -------
    ndarray of bool (n, n_wave)
    """
    filled = np.where(good, flux, good_medians(flux, good, empty=0.0)[:, None])
    least = _SPIKE_SIGMA * np.where(good, sigma, 0.0)
    local = far_medians(filled, _SPIKE_WINDOW, least=np.where(good, least, np.inf))
    excess = np.where(good, filled - local, 0.0)
    height = np.abs(excess)
    limit = np.maximum(least, _SPIKE_SHARE * np.abs(local))
    padded = np.pad(excess * np.sign(excess), ((0, 0), (1, 1)))
    beside = np.maximum(padded[:, :-2], padded[:, 2:])
    alone = good & (height > limit) & (beside < _NEIGHBOUR_SHARE * height)
    # An absorption of the whole light in a pixel or two is none of stars.
    dead = good & (excess < -limit) & (filled < 0.3 * local)
    bright = _bright_with_an_edge(excess, sigma, local, good=good, limit=limit)
    return beside_too(alone | dead | bright) & good


def _bright_with_an_edge(
    excess: np.ndarray, sigma: np.ndarray, local: np.ndarray, *, good: np.ndarray, limit: np.ndarray
) -> np.ndarray:
    """Find bright stretches of some pixels whose top falls to nothing within a pixel, as cosmic rays do.

    A line of two pixels FWHM still has a quarter of its height beside its highest pixel, wherever its centre is.
    """
    bright = good & (excess > np.maximum(_BRIGHT_SIGMA * sigma, _BRIGHT_SHARE * np.abs(local)))
    result = np.zeros(good.shape, dtype=bool)
    for i in np.flatnonzero(bright.any(axis=1)):
        for start, stop in runs(good[i] & (excess[i] > limit[i])):
            if stop - start > _SHARP_WIDEST or not 0 < start < stop < good.shape[1]:
                continue
            inside, noise = excess[i, start:stop], 3 * sigma[i, start:stop].max()
            top = inside.max()
            edges = (
                excess[i, outer] if good[i, outer] and near >= _NEAR_TOP * top else np.inf
                for outer, near in ((start - 1, inside[0]), (stop, inside[-1]))
            )
            if bright[i, start:stop].any() and min(edges) + noise < _SHARP_SHARE * top:
                result[i, start:stop] = True
    return result


@dataclass(frozen=True)
class ErrorScale:
    """How errors compare with the scatter of neighbouring pixels.

    Parameters
    ----------
    ratio : ndarray (n,)
        Scatter over error, median over the spectrum; NaN where too few pixels are good.
    looks_like : ndarray of str (n,)
        "sigma", or "variance" or "ivar" where the numbers given fit the scatter as that, and only so.
    """

    ratio: np.ndarray
    looks_like: np.ndarray


def error_scale(flux: np.ndarray, sigma: np.ndarray, good: np.ndarray) -> ErrorScale:
    """Compare errors with the scatter of neighbouring pixels, that no spectrum can be quieter than.

    Parameters
    ----------
    flux, sigma : ndarray (n, n_wave)
        Spectra and errors as they were given.
    good : ndarray of bool (n, n_wave)
        Good pixels.

    Returns
    -------
    ErrorScale
    """
    whole = good[:, 2:] & good[:, 1:-1] & good[:, :-2]
    bend = _bend(flux, 1)
    ratio = np.full(len(flux), np.nan)
    kinds = np.full(len(flux), "sigma", dtype="<U8")
    for i, used in enumerate(whole):
        if used.sum() < 100:
            continue
        error = sigma[i, 1:-1][used]
        if not (np.isfinite(error).all() and (error > 0).all()):
            continue
        # The middle of a normal distribution is at 0.6745.
        scatter = bend[i][used] / 0.6745
        ratio[i] = np.median(scatter / error)
        if 1 / _AGREE < ratio[i] < _AGREE:
            continue
        further = _bend(np.where(good[i], flux[i], np.nan)[None], _FURTHER)
        if np.nanmedian(further) > _CORRELATED * np.median(bend[i][used]):
            continue
        for kind, other in (("variance", np.sqrt(error)), ("ivar", error**-0.5)):
            again = np.median(scatter / other)
            if 1 / _CLEAR < again < _CLEAR:
                kinds[i] = kind
    return ErrorScale(ratio, kinds)


def _bend(flux: np.ndarray, lag: int) -> np.ndarray:
    """Return second differences over a number of pixels, scaled to the scatter of white noise, (n, n_wave - 2 lag)."""
    with np.errstate(invalid="ignore"):
        middle = flux[:, lag:-lag]
        return np.abs(flux[:, 2 * lag :] - 2 * middle + flux[:, : -2 * lag]) / np.sqrt(6.0)


def runs(where: np.ndarray) -> list[tuple[int, int]]:
    """Return first pixel and end of each run of True in (n_wave,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], where.astype(np.int8), [0]])))
    return list(zip(edges[0::2], edges[1::2], strict=True))
