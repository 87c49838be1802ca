"""The paper's claims, each put to a test with a number, from stored answers of the validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfhnet.tools.hdf5 import open_h5, read_json
from sfhnet.tools.random_streams import stream
from sfhnet.validation.benchmark_sets import case_name
from sfhnet.validation.metrics import AGE_RANGES_MYR, age_ranges, wasserstein_dex
from sfhnet.validation.validate import SCHEMA, SCHEMA_VERSION

__all__ = ["Claim", "StoredAnswers", "evaluate_claims", "read_answers"]

_RESAMPLES = 500

# A ratio of errors counts as better or worse when its 95 % range excludes one.
_RANGE = (0.025, 0.975)

# ASSUME: shares of the mass below this cannot be told from none.
_LEAST_SHARE = 1e-4

# How much larger errors of sums may be than those of single galaxies to count as "within errors".
_SUM_TOLERANCE = 1.15


@dataclass(frozen=True)
class Claim:
    """A claim, what was measured, and whether it holds (None: not tested).

    numbers: by model or pair of models, then by quantity; ``low`` and ``high`` bound the 95 % range of a ratio.
    """

    statement: str
    measure: str
    holds: bool | None
    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredAnswers:
    """Stored answers of one model: its metrics, and cumulative mass of truth and answer by case, (n, n_age)."""

    metrics: Mapping[str, Any]
    age_edges_myr: np.ndarray
    mass: Mapping[str, tuple[np.ndarray, np.ndarray]]

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.metrics["model"]

    @property
    def snr(self) -> float:
        """The S/N of the benchmark ``real`` nearest 50."""
        cases = self.metrics["cases"].values()
        return min({case["snr"] for case in cases if case["benchmark"] == "real"}, key=lambda x: abs(x - 50))

    def case(self, benchmark: str, bands: bool = True) -> str:
        """Return the name of a case at that S/N.

        Parameters
        ----------
        benchmark : str
            One of `sfhnet.validation.benchmark_sets.BENCHMARK_KINDS`.
        bands : bool
            Whether bands were shown.

        Returns
        -------
        str
        """
        return case_name(benchmark, self.snr, bands)

    def errors(self, case: str) -> dict[str, np.ndarray]:
        """Return errors of every galaxy of a case: ``w1_dex``, by age range of log mass formed and cumulative mass."""
        truth, found = self.mass[case]
        difference = np.abs(found.cumsum(1) - truth.cumsum(1))
        result = {"w1_dex": wasserstein_dex(found.cumsum(1), truth.cumsum(1), self.age_edges_myr)}
        for name, bins in age_ranges(self.age_edges_myr).items():
            share, true = (np.maximum(x[:, bins].sum(1), _LEAST_SHARE) for x in (found, truth))
            result[f"log_mass {name}"] = np.abs(np.log10(share / true))
            # The last edge, where everything has formed, counts for no range.
            edges = difference[:, :-1][:, bins[:-1]]
            result[f"cum_mass {name}"] = edges.sum(axis=1) / max(1, edges.shape[1])
        return result


def read_answers(metrics: Path, h5: Path) -> StoredAnswers:
    """Read what `sfhnet.validation.validate.validate` wrote.

    Parameters
    ----------
    metrics, h5 : Path
        ``metrics.json`` and ``validation.h5`` of a model.

    Returns
    -------
    StoredAnswers
    """
    stored = read_json(metrics)
    with open_h5(h5, SCHEMA, SCHEMA_VERSION) as file:
        mass = {case: _mass(file[case]) for case in stored["cases"]}
        return StoredAnswers(stored, file["age_edges_myr"][()], mass)


def _mass(group: h5py.Group) -> tuple[np.ndarray, np.ndarray]:
    truth, estimate = (group[f"{who}/mass_fraction"][()].astype(float) for who in ("truth", "estimate"))
    return truth, estimate


def evaluate_claims(models: Sequence[StoredAnswers]) -> dict[str, dict[str, Any]]:
    """Test every claim on all models that learn.

    Returns
    -------
    dict
        By claim, the fields of `Claim`.
    """
    learners = [model for model in models if model.metrics["kind"] != "prior_mean"]
    tests: dict[str, Callable[[list[StoredAnswers]], Claim]] = {
        "newer_network": _newer_network,
        "photometry": _photometry,
        "old_ages": _old_ages,
        "aperture": _aperture,
    }
    return {name: asdict(test(learners)) for name, test in tests.items()}


def _newer_network(models: list[StoredAnswers]) -> Claim:
    old = [model for model in models if model.metrics["kind"] == "four_branch"]
    new = [model for model in models if model.metrics["kind"] == "attention"]
    numbers = {
        f"{b.name} / {a.name}": {
            benchmark: _ratio(b.errors(b.case(benchmark))["w1_dex"], a.errors(a.case(benchmark))["w1_dex"])
            for benchmark in ("ideal", "real")
        }
        for a in old
        for b in new
    }
    holds = all(r["high"] < 1 for pair in numbers.values() for r in pair.values()) if numbers else None
    missing = "needs a model of kind four_branch and one of kind attention (configs/networks.yaml)"
    return Claim(
        "the network with attention and one decoder is better than the one with four branches",
        "mean Wasserstein-1 distance of histories, attention over four branches",
        holds,
        "" if numbers else missing,
        numbers,
    )


def _photometry(models: list[StoredAnswers]) -> Claim:
    numbers = {}
    for model in models:
        with_bands = model.errors(model.case("real"))
        without = model.errors(model.case("real", bands=False))
        numbers[model.name] = {
            name: _ratio(with_bands[f"log_mass {name}"], without[f"log_mass {name}"])
            for name in AGE_RANGES_MYR
        }
    holds = all(
        n["young"]["high"] < 1 and n["young"]["ratio"] < min(n["intermediate"]["ratio"], n["old"]["ratio"])
        for n in numbers.values()
    )
    return Claim(
        "photometry breaks the degeneracy for the young",
        "mean error of the log mass formed in an age range, with bands over without, bench_real",
        holds if numbers else None,
        "holds if the young gain, and gain most",
        numbers,
    )


def _old_ages(models: list[StoredAnswers]) -> Claim:
    numbers = {}
    for model in models:
        errors = model.errors(model.case("real"))
        case = model.metrics["cases"][model.case("real")]
        numbers[model.name] = {
            name: {
                "cum_mass_mae": float(errors[f"cum_mass {name}"].mean()),
                "over_prior": case["model"]["age_ranges"][name]["w1_dex"]
                / case["prior_mean"]["age_ranges"][name]["w1_dex"],
                "mh_mae": case["model"]["age_ranges"][name]["mh_mae"],
            }
            for name in AGE_RANGES_MYR
        }
    holds = all(
        n["old"]["cum_mass_mae"] > n["intermediate"]["cum_mass_mae"] > n["young"]["cum_mass_mae"]
        for n in numbers.values()
    )
    return Claim(
        "young and intermediate ages are recovered well, old ones worse",
        "mean error of the cumulative mass at the age edges of each range, bench_real",
        holds if numbers else None,
        "holds if the error grows from young to intermediate to old; over_prior is the error over that of the prior mean",
        numbers,
    )


def _aperture(models: list[StoredAnswers]) -> Claim:
    numbers = {model.name: model.metrics["aperture"] for model in models if model.metrics.get("aperture")}
    many = {name: [n for n in sums if int(n) > 1] for name, sums in numbers.items()}
    tested = {name: sums for name, sums in numbers.items() if "1" in sums and many[name]}
    holds = all(
        sums[n]["w1_dex"] <= _SUM_TOLERANCE * sums["1"]["w1_dex"] and sums[n]["cum_mass_coverage68"] > 0.63
        for name, sums in tested.items()
        for n in many[name]
    )
    return Claim(
        "answers are agnostic to the aperture: the sum of N spectra gives the sum of their histories",
        "Wasserstein-1 distance and coverage for sums of N random galaxies, bench_real noise",
        holds if tested else None,
        (
            f"holds if sums are recovered at most {100 * (_SUM_TOLERANCE - 1):.0f} % worse than single galaxies, and the 68 % "
            "intervals of their cumulative mass cover at least 63 %"
        ),
        numbers,
    )


def _ratio(errors: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Mean error over mean reference error of the same galaxies, with its 95 % bootstrap range."""
    if len(errors) != len(reference):
        raise ValueError(
            f"{len(errors)} and {len(reference)} answers cannot be compared galaxy by galaxy: some were unusable"
        )
    rows = stream("claims.bootstrap", 0).integers(len(errors), size=(_RESAMPLES, len(errors)))
    ratios = errors[rows].mean(axis=1) / reference[rows].mean(axis=1)
    low, high = np.quantile(ratios, _RANGE)
    return {"ratio": float(errors.mean() / reference.mean()), "low": float(low), "high": float(high)}
