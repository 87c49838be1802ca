"""Relations between the bins of a galaxy: radial gradients and profiles, and metallicity against surface densities."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.table import QTable

from sfhnet.core.geometry import arcsec_kpc
from sfhnet.core.spectra import Spectra
from sfhnet.tools.random_streams import stream

__all__ = ["gradient", "gradients", "plane", "planes", "profiles"]

_GRADIENTS = ("lw_log_age", "mw_log_age", "lw_mh", "mw_mh", "a_v", "log_mass_density", "log_sfr100_density")
_PLANES = ("lw_mh", "mw_mh", "mh_young")
_MIN_BINS = 5
_N_RING = 10
_N_SECTOR = 8
# Side of the field of view of MUSE: bins so near share the calibration of a pointing.
_FIELD_ARCSEC = 60.0
_BOOTSTRAPS = 300


def gradient(
    radius: np.ndarray,
    values: np.ndarray,
    errors: np.ndarray,
    *,
    good: np.ndarray,
    sector: np.ndarray | None = None,
    field: np.ndarray | None = None,
) -> dict[str, float | int | None]:
    """Fit a straight line to values against radius, weighted with errors and the scatter about the line.

    Parameters
    ----------
    radius, values, errors : ndarray, shape (n,)
        In the units wanted for the slope.
    good : ndarray of bool, shape (n,)
        Bins to use.
    sector : ndarray of int, shape (n,), optional
        Sector of the disc that each bin lies in, for the jackknife.
    field : ndarray of int, shape (n,), optional
        Field of view that each bin lies in.

    Returns
    -------
    dict
        ``slope``, ``slope_err``, ``at_centre``, ``scatter``, ``n``; None where fewer than five bins are left. The error
        is that of the scatter of the bins, or that of a jackknife over the sectors if it is larger, and that of what the
        bins of a field share (the calibration of a pointing), which does not average down: of the variance that the
        bins quote, the part that their scatter within the fields does not show.
    """
    good = good & np.isfinite(radius) & np.isfinite(values) & np.isfinite(errors)
    if good.sum() < _MIN_BINS or np.ptp(radius[good]) <= 0:
        return {"slope": None, "slope_err": None, "at_centre": None, "scatter": None, "n": int(good.sum())}
    x, y = radius[good], values[good]
    plain = np.polynomial.polynomial.polyfit(x, y, 1)
    scatter = float(np.std(y - np.polynomial.polynomial.polyval(x, plain), ddof=2))
    sigma = np.maximum(np.hypot(errors[good], scatter) if scatter > 0 else errors[good], 1e-6)
    design = np.stack([np.ones_like(x), x], axis=1) / sigma[:, None]
    covariance = np.linalg.inv(design.T @ design)
    solution = covariance @ design.T @ (y / sigma)
    error = float(np.sqrt(covariance[1, 1]))
    if sector is not None:
        error = max(error, _jackknife(design, y / sigma, sector[good]))
    if field is not None:
        pull = (covariance @ design.T)[1] / sigma
        rest = y - solution[0] - solution[1] * x
        error = float(np.hypot(error, _shared(pull, rest, errors[good], field[good])))
    return {
        "slope": float(solution[1]),
        "slope_err": error,
        "at_centre": float(solution[0]),
        "scatter": scatter,
        "n": int(good.sum()),
    }


def _jackknife(design: np.ndarray, weighted: np.ndarray, sector: np.ndarray) -> float:
    """Error of the slope from fits that leave one sector out each (Quenouille 1956)."""
    slopes = []
    for one in np.unique(sector):
        kept = sector != one
        if np.linalg.matrix_rank(design[kept]) == 2:
            slopes.append(np.linalg.lstsq(design[kept], weighted[kept], rcond=None)[0][1])
    n = len(slopes)
    return float(np.sqrt((n - 1) * np.var(slopes))) if n > 2 else 0.0


def _shared(pull: np.ndarray, rest: np.ndarray, errors: np.ndarray, field: np.ndarray) -> float:
    """Error of ``sum(pull * y)`` from what the bins of each field have in common; ``rest`` is what the fit leaves."""
    _, place = np.unique(field, return_inverse=True)
    number = np.bincount(place)
    off = rest - (np.bincount(place, weights=rest) / number)[place]
    within = (off**2).sum() / max(rest.size - number.size, 1)
    shared = max(float(np.median(errors**2)) - within, 0.0)
    return float(np.sqrt(shared * (np.bincount(place, weights=pull) ** 2).sum()))


def half_width(table: QTable, name: str) -> np.ndarray:
    """Return half of the 68 % interval of a column.

    Parameters
    ----------
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    name : str
        Column; those of its ends are ``{name}_p16`` and ``{name}_p84``.

    Returns
    -------
    ndarray, shape (n,)
    """
    low, high = (np.asarray(table[f"{name}_{end}"], dtype=float) for end in ("p16", "p84"))
    return 0.5 * (high - low)


def scales(spectra: Spectra) -> dict[str, float]:
    """Return what an arcsecond is in kpc (``kpc``), and in R25 where that is known (``r25``)."""
    result = {"kpc": arcsec_kpc(spectra)}
    if spectra.meta.get("r25_arcsec"):
        result["r25"] = 1 / spectra.meta["r25_arcsec"]
    return result


def gradients(spectra: Spectra, table: QTable, good: np.ndarray) -> dict[str, Any]:
    """Fit radial gradients of age, metallicity and dust, per kpc and per R25 where that is known.

    For a simulated galaxy ``true_slope`` is that of the true values of the same bins with the same weights, and
    ``n_sigma`` how many errors lie between.

    Parameters
    ----------
    spectra : Spectra
        Prepared spectra.
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    good : ndarray of bool, shape (n,)
        Bins to use.

    Returns
    -------
    dict
        ``{quantity}_per_kpc``, ``{quantity}_per_r25`` -> what `gradient` returns.
    """
    radius_arcsec = np.asarray(table["radius"].value, dtype=float)
    angle = np.arctan2(spectra.y_arcsec, spectra.x_arcsec)
    sector = np.floor((angle / (2 * np.pi) + 0.5) * _N_SECTOR).astype(int) % _N_SECTOR
    tiles = [np.round(place / _FIELD_ARCSEC).astype(int) for place in (spectra.x_arcsec, spectra.y_arcsec)]
    field = np.unique(np.stack(tiles), axis=1, return_inverse=True)[1].ravel()
    result: dict[str, Any] = {}
    for name in _GRADIENTS:
        values, errors = np.asarray(table[name], dtype=float), half_width(table, name)
        for label, scale in scales(spectra).items():
            fit = gradient(radius_arcsec * scale, values, errors, good=good, sector=sector, field=field)
            slope, error = fit["slope"], fit["slope_err"]
            if name in spectra.truth and slope is not None and error is not None:
                true = gradient(radius_arcsec * scale, spectra.truth[name], errors, good=good)
                fit["true_slope"] = true["slope"]
                known = true["slope"]
                fit["n_sigma"] = None if known is None else (slope - known) / error
            result[f"{name}_per_{label}"] = fit
    return result


def profiles(spectra: Spectra, table: QTable, good: np.ndarray) -> dict[str, Any]:
    """Average the bins in rings of the disc that hold equal numbers of bins.

    Parameters
    ----------
    spectra, table, good
        As of `gradients`.

    Returns
    -------
    dict
        ``radius_kpc``, ``radius_r25`` where R25 is known, ``n`` (a ring), and for each quantity its mean, weighted with the
        mass, ``_scatter`` (standard deviation) and ``_err`` (the typical error of a bin: errors that all bins share do
        not average down, so that it is no smaller than this); lists over the rings.
    """
    radius = np.asarray(table["radius"].value, dtype=float)
    mass = 10.0 ** np.asarray(table["log_mass_formed"], dtype=float)
    rows = np.flatnonzero(good & np.isfinite(radius) & np.isfinite(mass))
    if rows.size < _MIN_BINS:
        return {}
    rings = np.array_split(rows[np.argsort(radius[rows])], max(1, min(_N_RING, rows.size // _MIN_BINS)))
    result: dict[str, Any] = {"n": [int(ring.size) for ring in rings]}
    for label, scale in scales(spectra).items():
        result[f"radius_{label}"] = [
            float(np.average(radius[ring], weights=mass[ring]) * scale) for ring in rings
        ]
    for name in _GRADIENTS:
        values, errors = np.asarray(table[name], dtype=float), half_width(table, name)
        means = [float(np.average(values[ring], weights=mass[ring])) for ring in rings]
        result[name] = means
        result[f"{name}_scatter"] = [float(np.std(values[ring])) for ring in rings]
        result[f"{name}_err"] = [float(np.median(errors[ring])) for ring in rings]
        if name in spectra.truth:
            true = spectra.truth[name]
            result[f"{name}_true"] = [float(np.average(true[ring], weights=mass[ring])) for ring in rings]
    return result


def plane(
    log_mass_density: np.ndarray,
    log_sfr_density: np.ndarray,
    values: np.ndarray,
    *,
    errors: np.ndarray,
    good: np.ndarray,
) -> dict[str, float | int | None]:
    """Fit values = at_pivot + a (log mass density - its mean) + b (log SFR density - its mean).

    Weighted least squares with errors and the scatter about the plane; errors of a, b and at_pivot from 300 bootstrap
    samples of the bins. The densities' own errors are not allowed for and flatten the plane somewhat.

    Parameters
    ----------
    log_mass_density, log_sfr_density : ndarray, shape (n,)
        log10 of Msun/kpc2 and Msun/yr/kpc2.
    values, errors : ndarray, shape (n,)
        What depends on them, and its errors.
    good : ndarray of bool, shape (n,)
        Bins to use.

    Returns
    -------
    dict
        ``mass_slope``, ``sfr_slope``, ``at_pivot`` with ``_err``; ``log_mass_density_pivot``, ``log_sfr_density_pivot``,
        ``scatter``, ``n``; None with fewer than ten bins.
    """
    names = ("at_pivot", "mass_slope", "sfr_slope")
    stacked = np.stack([log_mass_density, log_sfr_density, values, errors])
    rows = np.flatnonzero(good & np.isfinite(stacked).all(axis=0))
    if rows.size < 2 * _MIN_BINS:
        return {
            **dict.fromkeys(names),
            **{f"{name}_err": None for name in names},
            "scatter": None,
            "n": int(rows.size),
        }
    x, y, v, e = stacked[:, rows]
    pivots = x.mean(), y.mean()
    design = np.stack([np.ones_like(x), x - pivots[0], y - pivots[1]], axis=1)
    solution = np.linalg.lstsq(design, v, rcond=None)[0]
    scatter = float(np.std(v - design @ solution))
    weight = 1 / np.maximum(np.hypot(e, scatter), 1e-6)

    def solve(picked: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(design[picked] * weight[picked, None], v[picked] * weight[picked], rcond=None)[
            0
        ]

    rng = stream("relations.bootstrap", 0, rows.size)
    tries = np.array([solve(rng.integers(0, rows.size, rows.size)) for _ in range(_BOOTSTRAPS)])
    best = solve(np.arange(rows.size))
    return {
        **{name: float(value) for name, value in zip(names, best, strict=True)},
        **{f"{name}_err": float(value) for name, value in zip(names, tries.std(axis=0), strict=True)},
        "log_mass_density_pivot": float(pivots[0]),
        "log_sfr_density_pivot": float(pivots[1]),
        "scatter": scatter,
        "n": int(rows.size),
    }


def planes(table: QTable, good: np.ndarray, truth: dict[str, np.ndarray]) -> dict[str, Any]:
    """Fit the resolved relation of metallicity with mass and SFR surface density.

    Parameters
    ----------
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    good : ndarray of bool, shape (n,)
        Bins to use.
    truth : dict of ndarray
        True values where they are known: the same plane is fitted to them as ``true_mass_slope``, ``true_sfr_slope``.

    Returns
    -------
    dict
        Quantity -> what `plane` returns.
    """
    result = {}
    mass, sfr = (np.asarray(table[name], dtype=float) for name in ("log_mass_density", "log_sfr100_density"))
    for name in _PLANES:
        errors = half_width(table, name)
        fit = plane(mass, sfr, np.asarray(table[name], dtype=float), errors=errors, good=good)
        if (
            all(key in truth for key in ("log_mass_density", "log_sfr100_density", name))
            and fit["scatter"] is not None
        ):
            true = plane(
                truth["log_mass_density"], truth["log_sfr100_density"], truth[name], errors=errors, good=good
            )
            fit |= {f"true_{key}": true[key] for key in ("mass_slope", "sfr_slope")}
        result[name] = fit
    return result
