"""What a galaxy's bins say together: its history, gradients, a verdict, and how near the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.table import QTable

from sfhnet.core.flags import Flag, count
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import OF_BINS
from sfhnet.core.spectra import Spectra
from sfhnet.products.comparisons import (
    compare_with_summed,
    compare_with_truth,
    finite_or_none,
    prior_labels,
)
from sfhnet.products.relations import gradients, planes, profiles

__all__ = [
    "compare_with_summed",
    "compare_with_truth",
    "integrated_history",
    "prior_labels",
    "summarise",
    "usable_bins",
    "verdict",
]

_LOW, _HIGH = 0.16, 0.84


def integrated_history(spectra: Spectra, posterior: Posterior, table: QTable) -> dict[str, np.ndarray]:
    """Sum the histories of the bins to that of the galaxy.

    ASSUME: the errors of the bins go together, for they share one model; the band of the galaxy is then the mass-weighted
    mean of the bands of the bins, the widest it can be.

    Parameters
    ----------
    spectra, posterior, table
        As for `summarise`.

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
    """Find the bins that have an answer (not whether to believe it: that is what the flags are for).

    Parameters
    ----------
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    posterior : Posterior
        Answers, in the same order.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    return posterior.usable & np.isfinite(np.asarray(table["log_mass_formed"], dtype=float))


def summarise(
    spectra: Spectra,
    posterior: Posterior,
    table: QTable,
    *,
    prior: Mapping[str, np.ndarray] | None = None,
    summed: tuple[Spectra, Posterior, QTable] | None = None,
) -> dict[str, Any]:
    """Summarise in numbers and words what was found, and how well, where the truth is known.

    Parameters
    ----------
    spectra, posterior : Spectra, Posterior
        As for `sfhnet.products.bin_table.bin_columns`, which makes ``table``.
    table : QTable
        What is known of each bin.
    prior : mapping, optional
        Label -> values of mocks from the prior, for "always answer the prior mean" beside the network.
    summed : (Spectra, Posterior, QTable), optional
        The same of the summed spectrum.

    Returns
    -------
    dict
        Plain data: ``verdict`` (sentences), ``flags`` (counts), ``registration`` (band -> how the cube lies on its image), ``integrated``, ``summed``, ``gradients``, ``profiles``,
        ``planes``, ``check`` (medians of the posterior-predictive check and of the information gain), and ``truth`` for a
        simulated galaxy.
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
        "instrument": spectra.meta.get("instrument"),
        "registration": spectra.meta.get("registration"),
        "model": posterior.meta.get("model"),
        "median_snr": finite_or_none(np.median(spectra.snr)),
        "integrated": {
            "log_mass_formed": finite_or_none(np.log10(mass.sum())) if mass.size else None,
            **{name: _log_sum(np.asarray(table[name], dtype=float)[good]) for name in _summed_up(table)},
            **{
                name: _weighted(np.asarray(table[name], dtype=float)[good], mass)
                for name in ("mw_log_age", "mw_mh", "a_v")
            },
            "age_edges_myr": [float(edge) for edge in posterior.age_edges_myr],
            **{name: [finite_or_none(value) for value in values] for name, values in history.items()},
        },
    }
    if spectra.n >= 5 and spectra.bin_map.size > 1:
        summary["gradients"] = gradients(spectra, table, trusted)
        summary["profiles"] = profiles(spectra, table, trusted)
        summary["planes"] = planes(table, trusted, _true_densities(spectra, posterior, table))
    if summed is not None:
        of_sum, its_posterior, its_table = summed
        summary["summed"] = compare_with_summed(summary["integrated"], of_sum, its_posterior, table=its_table)
    summary["check"] = {
        name: _median(np.asarray(table[name], dtype=float)[good])
        for name in table.colnames
        if name.startswith(("ppc_", "info_", "calibration_rms"))
    }
    if spectra.truth:
        summary["truth"] = compare_with_truth(spectra, posterior, table, good=good, prior=prior)
    return summary


def _summed_up(table: QTable) -> list[str]:
    """Logarithms of what adds up over the bins, beside the mass formed: rates, the mass that survives."""
    rates = [name for name, quantity in OF_BINS.items() if quantity.window_yr is not None]
    return [name for name in ("log_mass_surviving", *rates) if name in table.colnames]


def _median(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return finite_or_none(np.median(known)) if known.size else None


def _weighted(values: np.ndarray, weight: np.ndarray) -> float | None:
    return finite_or_none((values * weight).sum() / weight.sum()) if values.size else None


def _log_sum(values: np.ndarray) -> float | None:
    return finite_or_none(np.log10((10.0**values).sum())) if values.size else None


def verdict(flags: np.ndarray, good: np.ndarray) -> list[str]:
    """Return in sentences whether the result may be used.

    Parameters
    ----------
    flags : ndarray of uint32, shape (n,)
        Flags of the bins.
    good : ndarray of bool, shape (n,)
        Bins with an answer.

    Returns
    -------
    list of str
    """
    n = len(flags)
    sentences = []
    if not good.any():
        sentences.append("NO RESULT: no bin could be answered.")
    for flag, start in (
        (Flag.OUT_OF_DISTRIBUTION, "OUT OF DISTRIBUTION: do not use these numbers"),
        (Flag.BAD_FIT, "BAD FIT: the model does not reproduce the spectrum"),
        (
            Flag.NOT_REPRODUCED,
            "NOT REPRODUCED: the forward model on the posterior's draws misses the spectrum",
        ),
        (Flag.DRAWS_OFF, "The model that fits the spectrum lies outside the posterior"),
        (Flag.MUSE_HST_DISAGREE, "MUSE and HST disagree beyond their errors"),
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


def _true_densities(spectra: Spectra, posterior: Posterior, table: QTable) -> dict[str, np.ndarray]:
    """True values under the names of the table, as far as the plane needs them."""
    truth = spectra.truth
    if not truth:
        return {}
    log_kpc2 = np.asarray(table["log_mass_formed"]) - np.asarray(table["log_mass_density"])
    young = np.asarray(posterior.age_edges_myr[1:]) <= 1000.0
    weight = truth["mass_fraction"][:, young]
    with np.errstate(divide="ignore", invalid="ignore"):
        densities = {
            "log_mass_density": np.log10(truth["mass_formed"]) - log_kpc2,
            "mh_young": np.nansum(weight * truth["mh"][:, young], axis=1) / weight.sum(axis=1),
            **{name: truth[name] for name in ("lw_mh", "mw_mh")},
        }
    if "log_sfr100" in truth:
        densities["log_sfr100_density"] = truth["log_sfr100"] - log_kpc2
    return densities
