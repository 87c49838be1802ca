"""What figures of the validation share: stored numbers of a model, its label and its colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfhnet.figures.style import COLOURS
from sfhnet.validation.benchmark_sets import case_name

__all__ = ["Validation", "colour", "label", "learners", "main_case", "nearest_snr"]


@dataclass(frozen=True)
class Validation:
    """Stored numbers of one model: ``metrics.json`` and the path of ``validation.h5``."""

    name: str
    metrics: dict[str, Any]
    h5: Path

    def series(
        self, benchmark: str, bands: bool, key: Callable[[dict], float], *, who: str
    ) -> tuple[list, list]:
        """Return S/N and a metric of every case of one benchmark.

        Parameters
        ----------
        benchmark : str
            One of `sfhnet.validation.benchmark_sets.BENCHMARK_KINDS`.
        bands : bool
            With or without bands.
        key : callable
            Picks a number from metrics.
        who : str
            ``model`` or ``prior_mean``.

        Returns
        -------
        snr, value : list of float
            In order of S/N.
        """
        cases = [
            case
            for case in self.metrics["cases"].values()
            if case["benchmark"] == benchmark and case["bands"] == bands
        ]
        cases.sort(key=lambda case: case["snr"])
        return [case["snr"] for case in cases], [key(case[who]) for case in cases]


def label(name: str) -> str:
    """Return what a model is called in figures."""
    return {
        "pca_mlp": "MLP on components",
        "linear": "MLP on linear estimates",
        "linear_flow": "linear estimates, flow",
        "prior_mean": "prior mean",
        "four_branch": "four branches (v1)",
    }.get(name, name.replace("_", " "))


def colour(index: int) -> str:
    """Return the colour of the index-th model."""
    return COLOURS[index % len(COLOURS)]


def learners(models: Sequence[Validation]) -> list[Validation]:
    """Return the models that learn, or all if none does."""
    return [model for model in models if model.metrics["kind"] != "prior_mean"] or list(models)


def nearest_snr(model: Validation, wanted: float) -> float:
    """Return the S/N of the benchmark ``real`` that is nearest to the wanted one.

    Parameters
    ----------
    model : Validation
        Stored numbers of a model.
    wanted : float
        Median S/N per pixel.

    Returns
    -------
    float
    """
    snr = sorted({case["snr"] for case in model.metrics["cases"].values() if case["benchmark"] == "real"})
    return min(snr, key=lambda value: abs(value - wanted))


def main_case(model: Validation, benchmark: str = "real", bands: bool = True) -> str:
    """Return the name of the case at the S/N nearest 50.

    Parameters
    ----------
    model : Validation
        Stored numbers of a model.
    benchmark : str
        One of `sfhnet.validation.benchmark_sets.BENCHMARK_KINDS`.
    bands : bool
        With or without bands.

    Returns
    -------
    str
    """
    return case_name(benchmark, nearest_snr(model, 50.0), bands)
