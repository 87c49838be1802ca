"""Answers for a galaxy beside what else is known of it: its summed spectrum, and the truth of a simulated one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable

from sfhnet.core.flags import count
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import MAPPED
from sfhnet.core.spectra import Spectra
from sfhnet.mocks.shards import read_shard

__all__ = ["compare_with_summed", "compare_with_truth", "finite_or_none", "prior_labels"]

_LOW, _HIGH = 0.16, 0.84


def finite_or_none(value: float) -> float | None:
    """Return a number as JSON can hold it: None for NaN and infinity."""
    return float(value) if np.isfinite(value) else None


def compare_with_summed(
    integrated: Mapping[str, Any], spectra: Spectra, posterior: Posterior, *, table: QTable
) -> dict[str, Any]:
    """Set the answer for the summed spectrum beside the sum of the answers for the bins.

    Parameters
    ----------
    integrated : mapping
        ``integrated`` of `sfhnet.products.galaxy_summary.summarise`: the sum of the bins.
    spectra, posterior, table
        The summed spectrum (`sfhnet.products.summed_spectrum.summed_spectrum`), its answer and its table.

    Returns
    -------
    dict
        Quantity -> ``summed``, ``bins``, ``difference`` and ``n_sigma`` (in half widths of the 68 % interval of the summed
        spectrum); ``cum_mass``, ``cum_mass_p16``, ``cum_mass_p84``, ``mh`` (n_age,) of the summed spectrum, and
        ``max_cum_difference``; ``flags``.
    """
    low, high = (int(np.argmin(np.abs(posterior.levels - level))) for level in (_LOW, _HIGH))
    result: dict[str, Any] = {"flags": count(np.asarray(table["flags"]))}
    for name in ("log_mass_formed", "log_sfr10", "log_sfr100", "mw_log_age", "mw_mh", "a_v"):
        value, bottom, top = (float(np.asarray(table[name + end])[0]) for end in ("", "_p16", "_p84"))
        bins = integrated[name]
        difference = None if bins is None else value - bins
        error = 0.5 * (top - bottom)
        result[name] = {
            "summed": finite_or_none(value),
            "bins": bins,
            "difference": None if difference is None else finite_or_none(difference),
            "n_sigma": None if difference is None or not error > 0 else finite_or_none(difference / error),
        }
    cum = posterior.cum_mass[0]
    bins = np.array([np.nan if value is None else value for value in integrated["cum_mass"]])
    result |= {
        "cum_mass": [finite_or_none(value) for value in cum],
        "cum_mass_p16": [finite_or_none(value) for value in posterior.cum_mass_q[0, low]],
        "cum_mass_p84": [finite_or_none(value) for value in posterior.cum_mass_q[0, high]],
        "mh": [finite_or_none(value) for value in posterior.mh[0]],
        "max_cum_difference": finite_or_none(np.max(np.abs(cum - bins))),
        "n_bins": spectra.meta.get("summed_bins"),
    }
    return result


def compare_with_truth(
    spectra: Spectra,
    posterior: Posterior,
    table: QTable,
    *,
    good: np.ndarray,
    prior: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Compare recovered and true maps bin by bin.

    Parameters
    ----------
    spectra, posterior, table
        As for `sfhnet.products.galaxy_summary.summarise`, of a simulated galaxy.
    good : ndarray of bool, shape (n,)
        Bins to compare.
    prior : mapping, optional
        As for `sfhnet.products.galaxy_summary.summarise`.

    Returns
    -------
    dict
        Quantity -> ``rms``, ``bias``, ``scatter``, ``correlation``, ``n``, ``coverage_68``, ``coverage_90``,
        ``rms_over_error`` (of the difference in half widths of the 68 % interval: one where errors are right) and, with a
        prior, ``rms_prior_mean`` and ``beats_prior_mean``.
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
        answer, true = np.asarray(table[name], dtype=float), truth[name]
        use = good & np.isfinite(answer) & np.isfinite(true)
        if not use.any():
            continue
        difference = answer[use] - true[use]
        entry: dict[str, Any] = {
            "rms": finite_or_none(np.sqrt(np.mean(difference**2))),
            "bias": finite_or_none(np.mean(difference)),
            "scatter": finite_or_none(np.std(difference)),
            "correlation": _correlation(answer[use], true[use]),
            "n": int(use.sum()),
        }
        scalar = {"log_mass_formed": "log_ml"}.get(name, name)
        offset = answer - posterior.scalars[scalar]
        for level in (0.68, 0.9):
            low, high = (end + offset for end in posterior.interval(scalar, level))
            entry[f"coverage_{round(100 * level)}"] = finite_or_none(
                np.mean((true >= low)[use] & (true <= high)[use])
            )
        low, high = posterior.interval(scalar, 0.68)
        entry["rms_over_error"] = finite_or_none(
            np.sqrt(np.mean((difference / (0.5 * (high - low))[use]) ** 2))
        )
        known = prior.get(name) if prior else None
        if known is not None:
            entry["prior_mean"] = finite_or_none(np.mean(known))
            entry["rms_prior_mean"] = finite_or_none(np.sqrt(np.mean((np.mean(known) - true[use]) ** 2)))
            entry["beats_prior_mean"] = bool(entry["rms"] < entry["rms_prior_mean"])
        result[name] = entry
    return result


def _correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    constant = np.std(first) == 0 or np.std(second) == 0
    return None if constant else finite_or_none(np.corrcoef(first, second)[0, 1])


def prior_labels(
    paths: Sequence[str | os.PathLike], names: Sequence[str] = tuple(MAPPED)
) -> dict[str, np.ndarray]:
    """Read the labels of mocks from library shards, for the comparison with the prior mean.

    Parameters
    ----------
    paths : sequence of path
        Shards of the library, best held out of training.
    names : sequence of str
        Scalar labels.

    Returns
    -------
    dict of ndarray
        Label -> values, shape (n_mock,); without labels that a shard lacks.
    """
    shards = [read_shard(Path(path)) for path in paths]
    return {
        name: np.concatenate([np.asarray(shard.labels[name], dtype=float) for shard in shards])
        for name in names
        if all(name in shard.labels for shard in shards)
    }
