"""Bands: filter curves by name, file or table, their coverage, and the operator from spectrum to photometry.

`resolve`, `read_curve`, `cenwave` and `pivwave` are found here too, so that users need only this module.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect.bands.curve import Filter, moment, read_curve
from pyprospect.bands.names import BAND_SETS, EAZY_INDEX, cenwave, pivwave, resolve
from pyprospect.constants import C_MPS

__all__ = [
    "BAND_SETS",
    "EAZY_INDEX",
    "MISSING_TOLERANCE",
    "Filter",
    "band_matrix",
    "cenwave",
    "check_grid",
    "check_options",
    "missing_fraction",
    "pivwave",
    "read_curve",
    "report_missing",
    "resolve",
]

# ASSUME: a band that misses less than 0.1 mmag worth of its throughput counts as covered; curves carry
# tails of that size that no spectrum needs to reach.
MISSING_TOLERANCE = 1e-4

_GAUSS2 = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3.0)


def band_matrix(
    wave_aa: ArrayLike,
    filters: Any,
    *,
    flux_out: str = "wave",
    detect_type: str = "photon",
    outside: str = "error",
) -> NDArray[np.float64]:
    """Return the linear operator from a spectrum on a fixed grid to mean flux densities in bands.

    The spectrum (f_lambda) is taken as linear between grid points and the curve as linear between its
    own points; the product is integrated exactly on the union of both sets of points, so the result
    does not depend on how finely either is sampled.

    Parameters
    ----------
    wave_aa : array_like, shape (n_wave,)
        Strictly ascending wavelengths of the spectrum as observed [Angstrom].
    filters
        Anything `resolve` accepts.
    flux_out : {'wave', 'freq'}
        'wave': mean f_lambda, int f R l dl / int R l dl. 'freq': mean f_nu [f_lambda unit x Angstrom
        x s, so erg/s/cm2/Hz for erg/s/cm2/Angstrom], whose -2.5 log10 - 48.6 is the AB magnitude.
    detect_type : {'photon', 'energy'}
        Photon-counting (default) or energy-weighting detector.
    outside : {'error', 'nan', 'compat'}
        Band that the grid does not cover: raise, give a row of NaN, or renormalise to the part covered
        (ProSpect; no overlap gives a row of zeros).

    Returns
    -------
    ndarray, shape (n_band, n_wave)
        ``matrix @ flux`` is the photometry; broadcast with ``flux @ matrix.T`` for many spectra.

    Raises
    ------
    ValueError
        For a bad grid, unknown options, or uncovered bands with ``outside='error'``.
    """
    w = check_grid(wave_aa)
    check_options(flux_out, detect_type, outside)
    bands = resolve(filters)
    missing = [missing_fraction(f, w, detect_type) for f in bands]
    report_missing(bands, missing, w, outside=outside)
    out = np.zeros((len(bands), w.size))
    for row, f, lost in zip(out, bands, missing, strict=True):
        if lost > MISSING_TOLERANCE and outside == "nan":
            row[:] = np.nan
            continue
        _fill_row(row, f, w, flux_out, detect_type)
    return out


def _fill_row(row: NDArray, f: Filter, w: NDArray, flux_out: str, detect_type: str) -> None:
    nodes = w if f.func else np.union1d(w, f.wave_aa[(f.wave_aa > w[0]) & (f.wave_aa < w[-1])])
    # limits from both sides, so that a step in the curve (two points at one wavelength) is a step
    r_left, r_right = _sides(f, nodes)
    on = np.flatnonzero((r_left[:-1] > 0) | (r_right[1:] > 0))
    if not on.size:
        return
    lo, hi, r0, r1 = nodes[on], nodes[on + 1], r_left[on], r_right[on + 1]
    cell = np.clip(np.searchsorted(w, lo, side="right") - 1, 0, w.size - 2)
    gap = w[cell + 1] - w[cell]
    norm = 0.0
    # f_nu = f_lambda l^2 1e-10 / c with c in m/s
    to_nu = 1e-10 / C_MPS if flux_out == "freq" else 1.0
    for g in _GAUSS2:
        x = lo + g * (hi - lo)
        weight = 0.5 * (hi - lo) * (r0 + g * (r1 - r0)) * (x if detect_type == "photon" else 1.0)
        t = (x - w[cell]) / gap
        np.add.at(row, cell, weight * (1.0 - t))
        np.add.at(row, cell + 1, weight * t)
        norm += float(np.sum(weight))
    if flux_out == "freq":
        power = -1 if detect_type == "photon" else -2
        edges, values = _covered(f, w)
        norm = moment(edges, values, power)
    row *= to_nu / norm


def _sides(f: Filter, nodes: NDArray) -> tuple[NDArray, NDArray]:
    if f.func:
        r = f(nodes)
        return r, r
    r = np.abs(f.response)
    right = np.interp(nodes, f.wave_aa, r, left=0.0, right=0.0)
    left = right.copy()
    first = np.searchsorted(f.wave_aa, nodes, side="left")
    last = np.searchsorted(f.wave_aa, nodes, side="right") - 1
    hit = last >= first
    left[hit] = r[last[hit]]
    right[hit] = r[first[hit]]
    return left, right


def _covered(f: Filter, w: NDArray) -> tuple[NDArray, NDArray]:
    if f.func:
        return w, f(w)
    # Only where both are: a curve that ends above zero does not go on to the end of the spectrum.
    first, last = max(w[0], f.wave_aa[0]), min(w[-1], f.wave_aa[-1])
    inside = (f.wave_aa > first) & (f.wave_aa < last)
    edges = np.concatenate([[first], f.wave_aa[inside], [last]])
    values = np.concatenate([f(edges[:1]), np.abs(f.response[inside]), f(edges[-1:])])
    return edges, values


def missing_fraction(f: Filter, wave_aa: NDArray, detect_type: str = "photon") -> float:
    """Return the fraction of the curve's throughput integral that lies outside the wavelengths of a spectrum.

    1 if the curve does not touch the spectrum; for a function, which has no known end, 1 if it responds
    nowhere on the grid and 0 unless it still responds at either end (then NaN-safe 1).

    Parameters
    ----------
    f : Filter
        The band.
    wave_aa : (n,) array_like
        Wavelengths of the spectrum, Angstrom, ascending.
    detect_type : {'photon', 'energy'}
        Weight of the curve, see `band_matrix`.

    Returns
    -------
    float
        Between 0 and 1.
    """
    w = np.asarray(wave_aa, dtype=float)
    if f.func:
        r = f(w)
        top = r.max()
        return 1.0 if top <= 0 or max(r[0], r[-1]) > MISSING_TOLERANCE * top else 0.0
    power = 1 if detect_type == "photon" else 0
    total = moment(f.wave_aa, np.abs(f.response), power)
    return (
        1.0 - moment(*_covered(f, w), power) / total if f.wave_aa[-1] > w[0] and f.wave_aa[0] < w[-1] else 1.0
    )


def report_missing(bands: list[Filter], missing: list[float], wave_aa: NDArray, *, outside: str) -> None:
    """Raise for bands that miss more than `MISSING_TOLERANCE` of their throughput, if ``outside='error'``.

    Parameters
    ----------
    bands : list of Filter
        The bands.
    missing : list of float
        What `missing_fraction` gives for each.
    wave_aa : ndarray
        Wavelengths of the spectrum, Angstrom.
    outside : {'error', 'nan', 'compat'}
        Only the first raises.

    Raises
    ------
    ValueError
        Naming the bands, their ranges and what is missing.
    """
    if outside != "error":
        return
    bad = []
    for f, m in zip(bands, missing, strict=True):
        if m > MISSING_TOLERANCE:
            span = "a function" if f.func else "{:.0f}-{:.0f} Angstrom".format(*f.support_aa)
            bad.append(f"{f.name} ({span}, {100 * m:.3g} % outside)")
    if bad:
        raise ValueError(
            f"the spectrum covers {wave_aa[0]:.6g}-{wave_aa[-1]:.6g} Angstrom, too little for "
            f"{', '.join(bad)}; leave these bands out, give a longer spectrum, or choose outside='nan' "
            "(or 'compat' for ProSpect's renormalisation to the covered part)"
        )


def check_grid(wave_aa: ArrayLike, strict: bool = True) -> NDArray[np.float64]:
    """Return the wavelength grid as a float array; ValueError unless finite, positive and ascending.

    Parameters
    ----------
    wave_aa : array_like
        Wavelengths, Angstrom.
    strict : bool
        Refuse equal neighbours.

    Returns
    -------
    (n,) ndarray
        Angstrom.
    """
    w = np.asarray(wave_aa, dtype=float)
    if w.ndim != 1 or w.size < 2:
        raise ValueError(f"wave has shape {w.shape}; need a 1-D array of at least two wavelengths [Angstrom]")
    step = np.diff(w)
    if not np.all(np.isfinite(w)) or w[0] <= 0 or np.any(step < 0) or (strict and np.any(step == 0)):
        raise ValueError("wave must be finite, positive and ascending strictly [Angstrom]; sort the spectrum")
    return w


def check_options(flux_out: str, detect_type: str, outside: str) -> None:
    """Raise ValueError for an unknown `flux_out`, `detect_type` or `outside`.

    Parameters
    ----------
    flux_out, detect_type, outside : str
        Options of `band_matrix`.
    """
    for name, value, known in (
        ("flux_out", flux_out, ("freq", "wave")),
        ("detect_type", detect_type, ("photon", "energy")),
        ("outside", outside, ("error", "nan", "compat")),
    ):
        if value not in known:
            raise ValueError(f"{name}={value!r} is unknown; use one of {known}")
