"""pPXF on galaxies that no training knew, as rows of the same table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sfhnet.config import Config
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.dataset import Mocks
from sfhnet.ppxf.benchmark_fits import case_of, measure, read_chunks
from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS, benchmark_cases

__all__ = ["ppxf_rows"]


def ppxf_rows(
    paths: Sequence[Path], mocks: Mapping[str, Mocks], config: Config
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the scores of pPXF on the foreign benchmarks that it was run on.

    Parameters
    ----------
    paths : sequence of Path
        Chunks of fit_ppxf, of any cases.
    mocks : mapping of str to Mocks
        Foreign mocks by name.
    config : Config

    Returns
    -------
    dict
        Kind of benchmark -> program -> ``n``, ``cum_mae`` and the bias of ages, A_V and [M/H], under the names of
        `sfhnet.foreign.measure.foreign_scores`.

    Raises
    ------
    ValueError
        If the chunks were fitted to other spectra than those that the mocks give now.
    """
    chunks: dict[str, list[Path]] = {}
    for path in paths:
        chunks.setdefault(case_of(path), []).append(path)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for case in benchmark_cases(mocks, config.validation, BENCHMARK_NOISE, seed=config.seed):
        if case.name not in chunks or not BENCHMARK_KINDS[case.kind].foreign:
            continue
        sha256, answers = read_chunks(chunks[case.name])
        if sha256 != case.benchmark.sha256:
            raise ValueError(
                f"{chunks[case.name][0].parent} was fitted to other spectra of {case.name}; fit again"
            )
        for scheme, found in answers.items():
            rows.setdefault(case.kind, {})[f"pPXF, {scheme}"] = _row(measure(found, case, config))
    return rows


def _row(metrics: Mapping[str, Any]) -> dict[str, float]:
    names = ("lw_log_age", "mw_log_age", "a_v", "lw_mh")
    bias = {f"{name}_bias": metrics["scalars"][name]["median_bias"] for name in names}
    return {"n": metrics["n"], "cum_mae": metrics["cum_mae"], "w1_dex": metrics["w1_dex"], **bias}
