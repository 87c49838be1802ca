"""What a galaxy's bins say together: its history, gradients, a verdict, and how near the truth."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.table import QTable

from .flags import Flag, count
from .library import read_shard
from .maps import QUANTITIES, arcsec_kpc
from .posterior import Posterior
from .spectra import Spectra

_LOW, _HIGH = 0.16, 0.84


def integrated_history(spectra: Spectra, posterior: Posterior, table: QTable) -> dict[str, np.ndarray]:
    """Sum the histories of the bins to that of the galaxy.

    ASSUME: the errors of the bins go together, for they share one model; the band of the galaxy is then the mass-weighted
    mean of the bands of the bins, the widest it can be.

    Returns
    -------
    dict
        ``mass_per_age`` (n_age,) Msun; ``mass_fraction`` (n_age,); ``cum_mass``, ``cum_mass_p16``, ``cum_mass_p84`` (n_age,)
        share of the mass younger than the upper edge of each bin; ``mh``, ``mh_p16``, ``mh_p84`` (n_age,).
    """
    good = usable_bins(table, posterior)
    mass = np.where(good, 10.0 ** np.asarray(table["log_mass_formed"], dtype=float), 0.0)
    total = mass.sum()
    if not total > 0:
        empty = np.full(posterior.mass_fraction.shape[1], np.nan)
        names = (
            "mass_per_age",
            "mass_fraction",
            "cum_mass",
            "cum_mass_p16",
            "cum_mass_p84",
            "mh",
            "mh_p16",
            "mh_p84",
        )
        return dict.fromkeys(names, empty)
    low, high = (int(np.argmin(np.abs(posterior.levels - level))) for level in (_LOW, _HIGH))
    share = mass[good] / total
    per_age = (mass[good, None] * posterior.mass_fraction[good]).sum(axis=0)
    weight = mass[good, None] * posterior.mass_fraction[good]
    weight = weight / np.maximum(weight.sum(axis=0), 1e-300)
    return {
        "mass_per_age": per_age,
        "mass_fraction": per_age / total,
        "cum_mass": share @ posterior.cum_mass[good],
        "cum_mass_p16": share @ posterior.cum_mass_q[good, low],
        "cum_mass_p84": share @ posterior.cum_mass_q[good, high],
        "mh": (weight * posterior.mh[good]).sum(axis=0),
        "mh_p16": (weight * posterior.mh_q[good, low]).sum(axis=0),
        "mh_p84": (weight * posterior.mh_q[good, high]).sum(axis=0),
    }


def usable_bins(table: QTable, posterior: Posterior) -> np.ndarray:
    """Tell which bins have an answer (not whether to believe it: that is what the flags are for)."""
    return posterior.usable & np.isfinite(np.asarray(table["log_mass_formed"], dtype=float))


def gradient(
    radius: np.ndarray, values: np.ndarray, errors: np.ndarray, good: np.ndarray
) -> dict[str, float | int | None]:
    """Fit a straight line to values against radius, weighted with errors and the scatter about the line.

    Parameters
    ----------
    radius, values, errors : ndarray, shape (n,)
        In the units wanted for the slope.
    good : ndarray of bool, shape (n,)
        Bins to use.

    Returns
    -------
    dict
        ``slope``, ``slope_err``, ``at_centre``, ``scatter``, ``n``; None where fewer than five bins are left. The error
        covers the scatter of the bins, not an error that all bins share.
    """
    good = good & np.isfinite(radius) & np.isfinite(values) & np.isfinite(errors)
    if good.sum() < 5 or np.ptp(radius[good]) <= 0:
        return {"slope": None, "slope_err": None, "at_centre": None, "scatter": None, "n": int(good.sum())}
    x, y = radius[good], values[good]
    plain = np.polynomial.polynomial.polyfit(x, y, 1)
    scatter = float(np.std(y - np.polynomial.polynomial.polyval(x, plain), ddof=2))
    sigma = np.maximum(np.hypot(errors[good], scatter) if scatter > 0 else errors[good], 1e-6)
    design = np.stack([np.ones_like(x), x], axis=1) / sigma[:, None]
    covariance = np.linalg.inv(design.T @ design)
    solution = covariance @ design.T @ (y / sigma)
    return {
        "slope": float(solution[1]),
        "slope_err": float(np.sqrt(covariance[1, 1])),
        "at_centre": float(solution[0]),
        "scatter": scatter,
        "n": int(good.sum()),
    }


def summarise(
    spectra: Spectra, posterior: Posterior, table: QTable, prior: Mapping[str, np.ndarray] | None = None
) -> dict[str, Any]:
    """Say in numbers and words what was found, and how well, where the truth is known.

    Parameters
    ----------
    spectra, posterior, table
        As for `write_maps`.
    prior : mapping, optional
        Label -> values of mocks from the prior, for "always answer the prior mean" beside the network.

    Returns
    -------
    dict
        Plain data: ``verdict`` (sentences), ``flags`` (counts), ``integrated``, ``gradients``, and ``truth`` for a simulated
        galaxy.
    """
    flags = np.asarray(table["flags"], dtype=np.uint32)
    history = integrated_history(spectra, posterior, table)
    good = usable_bins(table, posterior)
    trusted = good & ((flags & np.uint32(Flag.OUT_OF_DISTRIBUTION | Flag.BAD_FIT)) == 0)
    mass = 10.0 ** np.asarray(table["log_mass_formed"], dtype=float)[good]
    summary: dict[str, Any] = {
        "galaxy": spectra.galaxy,
        "n_bins": spectra.n,
        "n_answered": int(good.sum()),
        "n_trusted": int(trusted.sum()),
        "verdict": verdict(flags, good),
        "flags": count(flags),
        "redshift": spectra.meta.get("redshift_systemic"),
        "distance_mpc": spectra.distance_mpc,
        "model": posterior.meta.get("model"),
        "median_snr": _number(np.median(spectra.snr)),
        "integrated": {
            "log_mass_formed": _number(np.log10(mass.sum())) if mass.size else None,
            "log_sfr10": _log_sum(np.asarray(table["log_sfr10"], dtype=float)[good]),
            "log_sfr100": _log_sum(np.asarray(table["log_sfr100"], dtype=float)[good]),
            **{
                name: _weighted(np.asarray(table[name], dtype=float)[good], mass)
                for name in ("mw_log_age", "mw_mh", "a_v")
            },
            "age_edges_myr": [float(edge) for edge in posterior.age_edges_myr],
            **{name: [_number(value) for value in values] for name, values in history.items()},
        },
    }
    if spectra.n >= 5 and spectra.bin_map.size > 1:
        summary["gradients"] = gradients(spectra, table, trusted)
    if spectra.truth:
        summary["truth"] = compare_with_truth(spectra, posterior, table, good, prior)
    return summary


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _weighted(values: np.ndarray, weight: np.ndarray) -> float | None:
    return _number((values * weight).sum() / weight.sum()) if values.size else None


def _log_sum(values: np.ndarray) -> float | None:
    return _number(np.log10((10.0**values).sum())) if values.size else None


def verdict(flags: np.ndarray, good: np.ndarray) -> list[str]:
    """Say in sentences whether the result may be used.

    Parameters
    ----------
    flags : ndarray of uint32, shape (n,)
        Flags of the bins.
    good : ndarray of bool, shape (n,)
        Bins with an answer.
    """
    n = len(flags)
    sentences = []
    if not good.any():
        sentences.append("NO RESULT: no bin could be answered.")
    for flag, start in (
        (Flag.OUT_OF_DISTRIBUTION, "OUT OF DISTRIBUTION: do not use these numbers"),
        (Flag.BAD_FIT, "BAD FIT: the model does not reproduce the spectrum"),
        (Flag.RESOLUTION, "TOO BROAD: lines wider than the training resolution"),
        (Flag.NO_BANDS, "No HST bands: young and old stars are told apart by the spectrum alone"),
        (Flag.NOISE_RESCALED, "The errors in the file were less than half of the scatter and were scaled up"),
        (Flag.MASKED_PIXELS, "Much of the spectrum is masked"),
        (Flag.LOW_SNR, "Low signal-to-noise"),
        (Flag.EDGE_OF_PRIOR, "At the edge of the prior"),
        (Flag.KINEMATICS_FIXED, "Velocity or dispersion assumed, not fitted"),
    ):
        number = int(((flags & np.uint32(flag)) != 0).sum())
        if number:
            sentences.append(f"{start} ({number} of {n} {'spectra' if n == 1 else 'bins'}).")
    return sentences or ["Nothing found wrong."]


def gradients(spectra: Spectra, table: QTable, good: np.ndarray) -> dict[str, Any]:
    """Fit radial gradients of age and metallicity, per kpc and per R25 where that is known."""
    radius_arcsec = np.asarray(table["radius"].value, dtype=float)
    scales = {"per_kpc": arcsec_kpc(spectra)}
    if spectra.meta.get("r25_arcsec"):
        scales["per_r25"] = 1 / spectra.meta["r25_arcsec"]
    result: dict[str, Any] = {}
    for name in ("lw_log_age", "mw_log_age", "lw_mh", "mw_mh", "a_v", "log_mass_density"):
        values = np.asarray(table[name], dtype=float)
        base = "log_mass_formed" if name == "log_mass_density" else name
        low, high = (np.asarray(table[f"{base}_{end}"], dtype=float) for end in ("p16", "p84"))
        for label, scale in scales.items():
            result[f"{name}_{label}"] = gradient(radius_arcsec * scale, values, 0.5 * (high - low), good)
            if name in spectra.truth:
                true = gradient(radius_arcsec * scale, spectra.truth[name], 0.5 * (high - low), good)
                result[f"{name}_{label}"]["true_slope"] = true["slope"]
    return result


def compare_with_truth(
    spectra: Spectra,
    posterior: Posterior,
    table: QTable,
    good: np.ndarray,
    prior: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Compare recovered and true maps bin by bin.

    Returns
    -------
    dict
        Quantity -> ``rms``, ``bias``, ``scatter``, ``correlation``, ``n``, ``coverage_68``, ``coverage_90`` and, with a prior,
        ``rms_prior_mean`` and ``beats_prior_mean``.
    """
    truth = dict(spectra.truth)
    with np.errstate(divide="ignore"):
        truth["log_mass_formed"] = np.log10(truth["mass_formed"])
    result: dict[str, Any] = {}
    for name in (
        "mw_log_age",
        "lw_log_age",
        "mw_mh",
        "lw_mh",
        "a_v",
        "log_mass_formed",
        "log_sfr10",
        "log_sfr100",
    ):
        if name not in truth or name not in table.colnames:
            continue
        found, true = np.asarray(table[name], dtype=float), truth[name]
        use = good & np.isfinite(found) & np.isfinite(true)
        if not use.any():
            continue
        difference = found[use] - true[use]
        entry: dict[str, Any] = {
            "rms": _number(np.sqrt(np.mean(difference**2))),
            "bias": _number(np.mean(difference)),
            "scatter": _number(np.std(difference)),
            "correlation": _correlation(found[use], true[use]),
            "n": int(use.sum()),
        }
        scalar = {"log_mass_formed": "log_ml"}.get(name, name)
        offset = found - posterior.scalars[scalar]
        for level in (0.68, 0.9):
            low, high = (end + offset for end in posterior.interval(scalar, level))
            entry[f"coverage_{round(100 * level)}"] = _number(
                np.mean((true >= low)[use] & (true <= high)[use])
            )
        known = prior.get(name) if prior else None
        if known is not None:
            entry["prior_mean"] = _number(np.mean(known))
            entry["rms_prior_mean"] = _number(np.sqrt(np.mean((np.mean(known) - true[use]) ** 2)))
            entry["beats_prior_mean"] = bool(entry["rms"] < entry["rms_prior_mean"])
        result[name] = entry
    return result


def _correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    constant = np.std(first) == 0 or np.std(second) == 0
    return None if constant else _number(np.corrcoef(first, second)[0, 1])


def prior_labels(
    paths: Sequence[str | os.PathLike], names: Sequence[str] = tuple(QUANTITIES)
) -> dict[str, np.ndarray]:
    """Read the labels of mocks from library shards, for the comparison with the prior mean.

    Parameters
    ----------
    paths : sequence of path
        Shards of the library, best held out of training.
    names : sequence of str
        Scalar labels.
    """
    shards = [read_shard(path) for path in paths]
    return {
        name: np.concatenate([np.asarray(shard.labels[name], dtype=float) for shard in shards])
        for name in names
        if all(name in shard.labels for shard in shards)
    }
