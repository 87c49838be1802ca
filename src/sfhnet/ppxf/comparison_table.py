"""pPXF beside the networks on the same mocks: one table, one file of numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfhnet.core.posterior import Posterior, point_posterior
from sfhnet.core.quantities import SCALARS
from sfhnet.ppxf.benchmark_fits import BEST, PpxfAnswers, read_chunks
from sfhnet.tools.hdf5 import open_h5, read_json, write_json, write_text
from sfhnet.validation.metrics import AGE_RANGES_MYR, point_metrics, value_at
from sfhnet.validation.validate import SCHEMA as VALIDATION
from sfhnet.validation.validate import SCHEMA_VERSION as VALIDATION_VERSION

__all__ = ["COLUMNS", "compare"]

COMPARISON = "sfhnet.ppxf_comparison/1"

# Column of the table -> where it stands in the metrics.
COLUMNS: dict[str, tuple[str, ...]] = {
    "cum_mae": ("cum_mae",),
    "w1_dex": ("w1_dex",),
    "smape_lovell": ("smape_lovell",),
    **{
        f"{name}_{key}": ("scalars", name, key)
        for name in ("mw_log_age", "lw_log_age", "mw_mh", "lw_mh", "a_v")
        for key in ("bias", "scatter", "robust_scatter")
    },
    "mw_log_age_outliers": ("scalars", "mw_log_age", "outliers"),
    "t50_r2": ("scalars", "t50", "r2"),
    "log_sfr100_mae": ("scalars", "log_sfr100", "mae"),
    "mh_mae": ("mh_mae",),
    **{
        f"{age}_{key}": ("age_ranges", age, key)
        for age in AGE_RANGES_MYR
        for key in ("w1_dex", "mass_share_mae", "mh_mae")
    },
}


def compare(
    chunks: Mapping[str, Sequence[Path]],
    tunings: Mapping[str, Path],
    metrics: Sequence[Path],
    *,
    numbers: Sequence[Path],
    out_json: Path,
    out_csv: Path,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Measure pPXF and every network on the mocks that pPXF fitted, with the same functions.

    Parameters
    ----------
    chunks : mapping of str to sequence of Path
        Chunks of `sfhnet.ppxf.benchmark_fits.fit_chunk` by case.
    tunings : mapping of str to Path
        Choices of `sfhnet.ppxf.benchmark_fits.tune` by case.
    metrics, numbers : sequence of Path
        ``metrics.json`` and ``validation.h5`` of the networks, in the same order.
    out_json, out_csv : Path
        All metrics; the table.
    provenance : mapping
        Stored in the JSON.

    Returns
    -------
    dict
        What the JSON holds.

    Raises
    ------
    ValueError
        If a network was measured on another benchmark set.
    """
    cases: dict[str, Any] = {}
    for case, files in chunks.items():
        sha256, found = read_chunks(files)
        tuning = read_json(tunings[case])
        # A mock that one scheme failed on counts for nobody.
        keep = np.logical_and.reduce([answers.found for answers in found.values()])
        rows = found[BEST].row[keep]
        models: dict[str, Any] = {}
        truth: dict[str, np.ndarray] | None = None
        for path, h5 in zip(metrics, numbers, strict=True):
            info = read_json(path)
            if info["benchmarks_sha256"].get(case.removesuffix("_nobands")) != sha256:
                raise ValueError(
                    f"{path} was measured on other mocks or noise than pPXF in {case}; validate the model or run pPXF again"
                )
            posterior, truth = _network(h5, case, rows, info["cases"][case]["unusable"])
            models[info["model"]] = {
                "kind": info["kind"],
                **point_metrics(posterior, truth),
                "cpu_s_per_spectrum": 1e-3 * info["inference_ms_per_spectrum"]["one_core"],
            }
        if truth is None:
            raise ValueError("no network was given; pPXF takes the truths from their validation.h5")
        for scheme, answers in found.items():
            models[f"ppxf_{scheme}"] = {"kind": "ppxf", **_ppxf(answers, keep, truth, numbers[0])}
        cases[case] = {
            "n": len(rows),
            "failed": int((~keep).sum()),
            "best_regul": tuning["best"],
            "tried": tuning["tried"],
            "models": models,
            "ratios": _ratios(models),
        }
    result = {"schema_version": COMPARISON, "cases": cases, "provenance": dict(provenance)}
    write_json(out_json, result)
    write_text(out_csv, _table(cases))
    return result


def _network(
    path: Path, case: str, rows: np.ndarray, unusable: int
) -> tuple[Posterior, dict[str, np.ndarray]]:
    if unusable:
        raise ValueError(
            f"{path} lacks {unusable} unusable mocks of {case}, so its rows cannot be told apart; lower "
            "noise.block_probability or leave the case out of ppxf.cases"
        )
    with open_h5(path, VALIDATION, VALIDATION_VERSION) as file:
        if case not in file:
            raise ValueError(f"{path} has no case {case}; add its S/N to validation.snr")
        group = file[case]
        truth = {name: group[f"truth/{name}"][()][rows].astype(float) for name in _NAMES}
        return _estimate(group, file["age_edges_myr"][()], rows), truth


_NAMES = ("mass_fraction", "mh", *SCALARS)


def _estimate(group: h5py.Group, edges_myr: np.ndarray, rows: np.ndarray) -> Posterior:
    values = {name: group[f"estimate/{name}"][()][rows].astype(float) for name in _NAMES}
    return point_posterior(edges_myr, values.pop("mass_fraction"), values.pop("mh"), scalars=values)


def _ppxf(
    answers: PpxfAnswers, keep: np.ndarray, truth: Mapping[str, np.ndarray], numbers: Path
) -> dict[str, Any]:
    with open_h5(numbers, VALIDATION, VALIDATION_VERSION) as file:
        edges_myr = file["age_edges_myr"][()]
    posterior = point_posterior(
        edges_myr,
        answers.mass_fraction[keep],
        answers.mh[keep],
        scalars={name: value[keep] for name, value in answers.scalars.items()},
    )
    fit = {name: value[keep] for name, value in answers.of_fit.items()}
    return {
        **point_metrics(posterior, truth),
        "cpu_s_per_spectrum": float(fit["cpu_s"].mean()),
        "wall_s_per_spectrum": float(fit["wall_s"].mean()),
        "regul_median": float(np.median(fit["regul"])),
        "chi2_median": float(np.median(fit["chi2"])),
        "rise_median": float(np.median(fit["rise"])),
    }


def _ratios(models: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Errors of each network over those of pPXF at its best regularisation."""
    rival = models[f"ppxf_{BEST}"]

    def ratio(mine: Any, key: tuple[str, ...]) -> float:
        return value_at(mine, key) / value_at(rival, key)

    return {
        name: {
            "cum_mae": ratio(model, ("cum_mae",)),
            "w1_dex": ratio(model, ("w1_dex",)),
            "mw_log_age_scatter": ratio(model, ("scalars", "mw_log_age", "scatter")),
            "mw_mh_scatter": ratio(model, ("scalars", "mw_mh", "scatter")),
            "mh_mae": ratio(model, ("mh_mae",)),
        }
        for name, model in models.items()
        if model["kind"] != "ppxf"
    }


def _table(cases: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "who", "n", *COLUMNS, "cpu_s_per_spectrum"])
    for case, result in cases.items():
        for name, model in result["models"].items():
            numbers = [f"{value_at(model, key):.4f}" for key in COLUMNS.values()]
            writer.writerow([case, name, model["n"], *numbers, f"{model['cpu_s_per_spectrum']:.3g}"])
    return text.getvalue()
