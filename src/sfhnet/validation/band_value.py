"""What each band brings: errors and intervals of a model with bands given and taken away, on the same mocks and noise."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from sfhnet.config import BandValueConfig, NoiseConfig
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import INTERVALS, QUANTITIES
from sfhnet.inference.model import Model
from sfhnet.mocks.dataset import Mocks
from sfhnet.validation.benchmark_sets import make_benchmark
from sfhnet.validation.metrics import AGE_RANGES_MYR, age_ranges

__all__ = ["MEASURED", "band_sets", "band_value", "measured", "table"]

SCHEMA = "sfhnet.band_value/1"

_SCALARS = ("lw_log_age", "lw_mh", "a_v")

MEASURED: dict[str, str] = {
    **{
        name: f"mass fraction a bin, {low / 1e3:g} to {min(high, 13800) / 1e3:g} Gyr"
        for name, (low, high) in AGE_RANGES_MYR.items()
    },
    **{name: QUANTITIES[name].heading for name in _SCALARS},
}
"""What is measured, and what it is called with its unit: bins of each age range, ages, [M/H] and A_V."""

_LOW, _HIGH = INTERVALS[0.68]


def band_sets(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the sets of bands that are compared: all, none, all but one, one alone."""
    sets = {"all": names, "none": ()}
    for name in names:
        sets[f"without {name}"] = tuple(other for other in names if other != name)
        sets[f"only {name}"] = (name,)
    return sets


def band_value(
    model: Model, mocks: Mocks, config: BandValueConfig, *, noise: NoiseConfig, seed: int
) -> dict[str, Any]:
    """Measure a model with every set of bands.

    Parameters
    ----------
    model : Model
        Its intervals are calibrated if it is.
    mocks : Mocks
        In neither training nor calibration.
    config : BandValueConfig
        How many galaxies, and at which S/N.
    noise : NoiseConfig
        Nuisances.
    seed : int
        Seed of the noise; it is the same for all sets.

    Returns
    -------
    dict
        ``rows``: one for each S/N, set and quantity of `MEASURED`, with the mean absolute ``error`` and the mean ``width`` of
        the 68 % interval; ``error_change`` and ``width_change`` against ``against``, the set with the band taken away or
        without bands, in per cent of it, with the standard error of the former (the galaxies are the same).

    Raises
    ------
    ValueError
        If the model's bands are not those of the mocks.
    """
    names = tuple(model.band_names)
    if names != tuple(mocks.band_names):
        raise ValueError(
            f"the model knows {', '.join(names)}, the mocks have {', '.join(mocks.band_names)}; use those it was trained on"
        )
    rows: list[dict[str, Any]] = []
    for snr in config.snr:
        made = make_benchmark("real", snr, mocks, n=config.galaxies, noise=noise, seed=seed)
        found: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
        for name, bands in band_sets(names).items():
            keep = torch.tensor([band in bands for band in names])
            answer = model.infer_batch(made.batch.only_bands(keep))
            found[name] = dict(measured(answer, made.truth))
        usable = np.all([np.isfinite(error) for one in found.values() for error, _ in one.values()], axis=0)
        for name, one in found.items():
            # A band is worth what its absence costs, or what its presence saves.
            against = "none" if name.startswith("only") or name == "all" else "all"
            for quantity, (error, width) in one.items():
                before = found[against][quantity]
                rows.append(
                    {
                        "snr": snr,
                        "bands": name,
                        "quantity": quantity,
                        "error": float(error[usable].mean()),
                        "width": float(width[usable].mean()),
                        "against": against,
                        **_change(error[usable], before[0][usable], "error"),
                        **_change(width[usable], before[1][usable], "width"),
                    }
                )
    return {
        "schema_version": SCHEMA,
        "model": model.name,
        "band_names": list(names),
        "calibrated": model.conformal is not None,
        "galaxies": min(config.galaxies, len(mocks)),
        "rows": rows,
    }


def measured(
    answer: Posterior, truth: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Give what is measured of each galaxy, by quantity of `MEASURED`.

    Parameters
    ----------
    answer : Posterior
    truth : mapping of str to ndarray
        Of `sfhnet.validation.metrics.truth_from_labels`.

    Yields
    ------
    str, (ndarray (n,), ndarray (n,))
        Quantity, absolute error and width of the 68 % interval; NaN where there is no answer.
    """
    mass, quantiles = answer.mass_fraction, answer.mass_fraction_q
    for name, bins in age_ranges(answer.age_edges_myr).items():
        error = np.abs(mass - truth["mass_fraction"])[:, bins].mean(axis=1)
        yield name, (error, (quantiles[:, _HIGH] - quantiles[:, _LOW])[:, bins].mean(axis=1))
    for name in _SCALARS:
        levels = answer.scalars_q[name]
        yield name, (np.abs(answer.scalars[name] - truth[name]), levels[:, _HIGH] - levels[:, _LOW])


def _change(values: np.ndarray, before: np.ndarray, name: str) -> dict[str, float]:
    level = before.mean()
    spread = (values - before).std(ddof=1) / np.sqrt(len(values))
    change = {f"{name}_change": float(100 * (values.mean() / level - 1))}
    return change | ({f"{name}_change_err": float(100 * spread / level)} if name == "error" else {})


def table(result: Mapping[str, Any]) -> str:
    """Return the rows as tab-separated text with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(result["rows"][0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    for row in result["rows"]:
        writer.writerow(
            {key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()}
        )
    return out.getvalue()
