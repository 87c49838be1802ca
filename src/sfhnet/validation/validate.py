"""Measure a model on the frozen benchmarks, beside the prior mean, and keep what the figures need."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from sfhnet.config import NoiseConfig, ValidationConfig
from sfhnet.core.batch import Batch
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import INTERVALS, QUANTITIES, SCALARS
from sfhnet.inference.model import Model, load
from sfhnet.mocks.dataset import Mocks
from sfhnet.tools.hdf5 import create_h5, put, read_json, write_json
from sfhnet.tools.progress import Progress
from sfhnet.validation.benchmark_sets import (
    BENCHMARK_KINDS,
    Case,
    benchmark_cases,
    make_benchmark,
    planned_cases,
)
from sfhnet.validation.calibration_tests import calibration_tests
from sfhnet.validation.interval_scores import all_coverage, strata_coverage
from sfhnet.validation.metrics import all_metrics, point_metrics
from sfhnet.validation.strata import strata
from sfhnet.validation.sums_of_galaxies import aperture_test

__all__ = ["SCHEMA", "SCHEMA_VERSION", "prior_posterior", "validate"]

_log = logging.getLogger("sfhnet.validation.validate")

SCHEMA, SCHEMA_VERSION = "sfhnet.validation", 2

# Galaxies of a family below which its numbers say nothing.
_FEWEST_OF_FAMILY = 20


def prior_posterior(info: dict[str, Any], answers: Posterior) -> Posterior:
    """Return what always answering the prior gives, in the shape of `answers`.

    Parameters
    ----------
    info : dict
        Contents of ``model.json``; holds the prior's mean and quantiles under ``prior``.
    answers : Posterior
        Whose spectra to answer.

    Returns
    -------
    Posterior
    """
    n, prior = len(answers), info["prior"]

    def spread(values: list) -> np.ndarray:
        array = np.asarray(values, dtype=float)
        return np.broadcast_to(array, (n, *array.shape)).copy()

    return Posterior(
        age_edges_myr=answers.age_edges_myr,
        mass_fraction=spread(prior["mass_fraction"]),
        mh=spread(prior["mh"]),
        mass_fraction_q=spread(prior["mass_fraction_q"]),
        cum_mass_q=spread(prior["cum_mass_q"]),
        mh_q=spread(prior["mh_q"]),
        scalars={name: spread(prior["scalars"][name]) for name in SCALARS},
        scalars_q={name: spread(prior["scalars_q"][name]) for name in SCALARS},
        flags=answers.flags,
        snr=answers.snr,
        log_scale=answers.log_scale,
        chi2=np.full(n, np.nan),
        ood_score=np.full(n, np.nan),
    )


def validate(
    folder: Path,
    mocks: Mapping[str, Mocks],
    config: ValidationConfig,
    *,
    noise: NoiseConfig,
    seed: int,
    out_metrics: Path,
    out_h5: Path,
    provenance: dict[str, Any],
) -> dict[str, Any]:
    """Answer every benchmark, write metrics and the numbers behind the figures.

    Parameters
    ----------
    folder : Path
        Model folder, calibrated or not.
    mocks : mapping of str to Mocks
        ``test``: in neither training nor calibration; and whichever of `sfhnet.priors.stress.STRESS_MOCKS` were made.
    config, noise : ValidationConfig, NoiseConfig
        Configuration sections.
    seed : int
        Seed of the benchmarks.
    out_metrics, out_h5 : Path
        JSON of metrics; HDF5 of answers and truths.
    provenance : dict
        Stored in both.

    Returns
    -------
    dict
        What the JSON holds.
    """
    model = load(folder)
    started = time.perf_counter()
    cases: dict[str, Any] = {}
    sums: dict[str, str] = {}
    with create_h5(out_h5, SCHEMA, SCHEMA_VERSION, provenance=provenance) as file:
        file.attrs["model"] = model.name
        put(file, "age_edges_myr", model.age_edges_myr, unit="Myr", axes="age_edge")
        with Progress(len(planned_cases(mocks, config)), f"validating {model.name}", "cases") as progress:
            for case in benchmark_cases(mocks, config, noise, seed=seed):
                sums[f"{case.kind}_snr{case.snr:03.0f}"] = case.benchmark.sha256
                cases[case.name] = _measure(model, case, config, seed, file)
                progress.update(1, f"{case.name}: W1 {cases[case.name]['model']['w1_dex']:.4f} dex")
        _examples(model, mocks["test"], config, noise, seed, file)
    trains = model.network.trains
    result = {
        "schema_version": f"{SCHEMA}/{SCHEMA_VERSION}",
        "model": model.name,
        "kind": model.network.spec.kind,
        "training": model.info["training"],
        "benchmarks_sha256": sums,
        "calibrated": model.conformal is not None,
        "calibration": _of_calibration(folder, "coverage"),
        "redshifts": _of_calibration(folder, "redshifts"),
        "cases": cases,
        "aperture": aperture_test(model, mocks["test"], config, noise=noise, seed=seed) if trains else None,
        "inference_ms_per_spectrum": _time_inference(model, mocks["test"], noise, seed),
        "validation_seconds": time.perf_counter() - started,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "provenance": provenance,
    }
    write_json(out_metrics, result)
    return result


def _measure(
    model: Model, case: Case, config: ValidationConfig, seed: int, file: h5py.File
) -> dict[str, Any]:
    started = time.perf_counter()
    raw = model.infer_batch(case.batch, calibrated=False)
    seconds = time.perf_counter() - started
    if model.draws_samples and _is_joint(case, config):
        raw = model.infer_batch(case.batch, calibrated=False, n_samples=config.n_samples, seed=seed)
    keep = raw.usable
    raw, truth = raw.take(keep), {name: value[keep] for name, value in case.benchmark.truth.items()}
    posterior = raw if model.conformal is None else model.conformal.apply(raw, carry_samples=True)
    prior = prior_posterior(model.info, posterior)
    family = case.benchmark.family[keep]
    result = {
        "snr": case.snr,
        "benchmark": case.kind,
        "bands": case.bands,
        "unusable": int((~keep).sum()),
        "flagged_out_of_distribution": float(np.mean(posterior.ood_score > 1)),
        "model": all_metrics(posterior, truth),
        "prior_mean": all_metrics(prior, truth),
        "coverage_strata": strata_coverage(posterior, truth, strata(posterior, family=family)),
        "coverage_true_strata": strata_coverage(posterior, truth, strata(posterior, truth)),
        "families": {
            str(name): _short(posterior.take(rows), {key: value[rows] for key, value in truth.items()})
            for name in np.unique(family)
            if (rows := family == name).sum() >= _FEWEST_OF_FAMILY
        },
        "seconds": seconds,
    }
    group = file.create_group(case.name)
    if model.conformal is not None:
        result["coverage_uncalibrated"] = all_coverage(raw, truth)
        states = {"before": raw, "after": posterior}
        result["calibration_tests"] = calibration_tests(
            states, truth, group, key=[seed, round(10 * case.snr)]
        )
    _store(group, posterior, truth, family)
    return result


def _is_joint(case: Case, config: ValidationConfig) -> bool:
    """Whether joint samples are drawn: for ideal and real with bands at one S/N, for they take time."""
    wanted = min(config.snr, key=lambda snr: abs(snr - config.stress_snr))
    return case.bands and not BENCHMARK_KINDS[case.kind].stress and case.snr == wanted


def _short(posterior: Posterior, truth: dict[str, np.ndarray]) -> dict[str, float]:
    full = point_metrics(posterior, truth)
    return {
        **{name: full[name] for name in ("n", "w1_dex", "cum_mae", "mh_mae")},
        "mw_log_age_scatter": full["scalars"]["mw_log_age"]["scatter"],
        "mw_mh_scatter": full["scalars"]["mw_mh"]["scatter"],
    }


def _store(group: h5py.Group, posterior: Posterior, truth: dict[str, np.ndarray], family: np.ndarray) -> None:
    put(group, "family", np.asarray(family, dtype=bytes), unit="", axes="galaxy")
    put(group, "ood_score", posterior.ood_score, unit="", axes="galaxy")
    for name in ("mass_fraction", "mh"):
        unit = QUANTITIES[name].unit
        put(group, f"truth/{name}", truth[name].astype(np.float32), unit=unit, axes="galaxy, age")
        put(
            group,
            f"estimate/{name}",
            getattr(posterior, name).astype(np.float32),
            unit=unit,
            axes="galaxy, age",
        )
    low, high = INTERVALS[0.68]
    for name, scalar in SCALARS.items():
        put(group, f"truth/{name}", truth[name].astype(np.float32), unit=scalar.unit, axes="galaxy")
        put(
            group,
            f"estimate/{name}",
            posterior.scalars[name].astype(np.float32),
            unit=scalar.unit,
            axes="galaxy",
        )
        both = posterior.scalars_q[name][:, [low, high]].astype(np.float32)
        put(group, f"interval68/{name}", both, unit=scalar.unit, axes="galaxy, end")


def _examples(
    model: Model, mocks: Mocks, config: ValidationConfig, noise: NoiseConfig, seed: int, file: h5py.File
) -> None:
    """Keep held-out galaxies young, middle and old, whole: spectrum, bands, history, answer."""
    made = make_benchmark("real", 50.0, mocks, n=config.galaxies, noise=noise, seed=seed)
    age = made.truth["mw_log_age"]
    wanted = np.quantile(age, np.linspace(0.1, 0.9, config.n_examples))
    rows = np.array([int(np.abs(age - value).argmin()) for value in wanted])
    answers = model.infer_batch(made.batch[rows])
    group = file.create_group("examples")
    batch = made.batch[rows]
    group.attrs["band_names"] = list(model.band_names)
    put(group, "wave_aa", model.wave_aa, unit="Angstrom", axes="wave")
    put(
        group,
        "flux",
        np.where(batch.mask, batch.flux, np.nan).astype(np.float32),
        unit="s",
        axes="galaxy, wave",
    )
    put(group, "sigma", batch.sigma.numpy(), unit="s", axes="galaxy, wave")
    put(group, "band_flux", np.where(batch.band_mask, batch.band_flux, np.nan), unit="s", axes="galaxy, band")
    put(group, "band_sigma", batch.band_sigma.numpy(), unit="s", axes="galaxy, band")
    for name in ("mass_fraction", "mh"):
        put(group, f"truth/{name}", made.truth[name][rows], unit=QUANTITIES[name].unit, axes="galaxy, age")
    put(group, "mass_fraction", answers.mass_fraction, unit="", axes="galaxy, age")
    put(group, "cum_mass_q", answers.cum_mass_q, unit="", axes="galaxy, quantile, age")
    put(group, "mh", answers.mh, unit="dex", axes="galaxy, age")
    put(group, "mh_q", answers.mh_q, unit="dex", axes="galaxy, quantile, age")
    put(group, "levels", answers.levels, unit="", axes="quantile")


def _time_inference(model: Model, mocks: Mocks, noise: NoiseConfig, seed: int) -> dict[str, float]:
    n = min(1000, len(mocks))
    made = make_benchmark("real", 50.0, mocks, n=n, noise=noise, seed=seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def best_ms(batch: Batch, n_samples: int) -> float:
        times = []
        for _ in range(3):
            # Of the processor: others may be at work beside.
            started = time.process_time()
            model.infer_batch(batch, n_samples=n_samples)
            times.append(time.process_time() - started)
        return 1e3 * min(times) / len(batch)

    try:
        result = {"one_core": best_ms(made.batch, 0)}
        if model.draws_samples:
            result["one_core_500_samples"] = best_ms(made.batch[:32], 500)
    finally:
        torch.set_num_threads(threads)
    return result


def _of_calibration(folder: Path, name: str) -> dict[str, Any] | None:
    path = Path(folder) / "calibration.json"
    return read_json(path).get(name) if path.is_file() else None
