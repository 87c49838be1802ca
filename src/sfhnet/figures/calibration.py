"""Figures of calibration: coverage, strata, ranks and TARP, before and after; drawn from stored numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from sfhnet.config import FiguresConfig
from sfhnet.core.quantities import INTERVALS
from sfhnet.figures.style import COLOURS, save, style
from sfhnet.figures.validated_model import Validation, colour, label, learners, main_case, nearest_snr
from sfhnet.tools.hdf5 import open_h5
from sfhnet.validation.calibration_tests import TARP_SPACES
from sfhnet.validation.rank_statistics import COVERAGE_LEVELS, expected_coverage
from sfhnet.validation.validate import SCHEMA, SCHEMA_VERSION

__all__ = ["plot_calibration", "plot_calibration_strata", "plot_coverage", "plot_coverage_strata"]


def plot_coverage(models: Sequence[Validation], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw empirical against nominal coverage, before and after calibration.

    Parameters
    ----------
    models : sequence of Validation
        Stored numbers of the models.
    stem : Path
        Path of the figure without suffix.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    nominal = [100 * value for value in INTERVALS]
    panels = [("scalars (mean of all)", "scalars"), ("cumulative mass", "cum_mass"), ("[M/H] per age", "mh")]
    with style(config):
        figure, axes = plt.subplots(1, 3, figsize=(config.width_inch, 0.42 * config.width_inch), sharey=True)
        for axis, (title, key) in zip(axes, panels, strict=True):
            axis.axhline(0, color="k", lw=0.7)
            axis.axhspan(-2, 2, color="#eeeeee", zorder=0)
            for index, model in enumerate(learners(models)):
                case = model.metrics["cases"][main_case(model)]
                states = [("model", "-", colour(index))]
                if "coverage_uncalibrated" in case:
                    states.append(("raw", ":", "white"))
                for state, line, face in states:
                    stored = case["coverage_uncalibrated"] if state == "raw" else case["model"]["coverage"]
                    value = stored[key]
                    if key == "scalars":
                        value = {
                            str(round(n)): np.mean([v[f"{n:.0f}"] for v in stored[key].values()])
                            for n in nominal
                        }
                    offset = [100 * value[f"{n:.0f}"] - n for n in nominal]
                    axis.plot(nominal, offset, line, color=colour(index), marker="o", ms=4, mfc=face)
            axis.set(title=title, xlabel="nominal coverage [%]")
            axis.set_xticks(nominal, [f"{n:.0f}" for n in nominal])
        axes[0].set_ylabel("found - nominal [percentage points]")
        handles = [
            plt.Line2D([], [], color=colour(k), marker="o", ms=4, label=label(m.name))
            for k, m in enumerate(learners(models))
        ]
        handles.append(plt.Line2D([], [], color="k", ls="-", marker="o", ms=4, label="calibrated"))
        handles.append(
            plt.Line2D([], [], color="k", ls=":", marker="o", mfc="white", ms=4, label="as trained")
        )
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        return save(figure, stem)


def plot_calibration_strata(models: Sequence[Validation], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the coverage of 68 % intervals in every stratum of the calibration mocks, before and after.

    Parameters
    ----------
    models : sequence of Validation
        Stored numbers of the models.
    stem : Path
        Path of the figure without suffix.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    shown = [model for model in learners(models) if model.metrics["calibration"]]
    with style(config):
        figure, axes = plt.subplots(
            1,
            max(1, len(shown)),
            figsize=(config.width_inch, 0.5 * config.width_inch),
            sharey=True,
            squeeze=False,
        )
        for axis, model in zip(axes[0], shown, strict=False):
            report = model.metrics["calibration"]
            strata = [name for name in report["before"] if name in report["after"]]
            place = np.arange(len(strata))[::-1]
            axis.axvspan(63, 73, color="#eeeeee", zorder=0)
            axis.axvline(68, color="k", lw=0.7)
            for state, face in (("before", "white"), ("after", COLOURS[0])):
                value = [100 * report[state][name]["68"] for name in strata]
                axis.plot(value, place, "o", color=COLOURS[0], mfc=face, ms=5, label=state)
            axis.set_yticks(place, [_stratum(name) for name in strata])
            axis.set(title=label(model.name), xlabel="coverage of 68 % intervals [%]")
            axis.legend(loc="lower right")
        return save(figure, stem)


def _stratum(name: str) -> str:
    kind, _, bounds = name.partition(" ")
    shown = {"all": "all spectra", "snr": "S/N", "a_v": "$A_V$", "mw_log_age": "log age", "family": ""}[kind]
    bounds = bounds.replace("_", " ").replace("-inf to ", "< ").replace(" to inf", " or more")
    return f"{shown} {bounds}".strip()


def plot_coverage_strata(model: Validation, stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw what intervals cover in strata of estimated A_V and age and in families, held-out mocks, all nuisances.

    Parameters
    ----------
    model : Validation
        Stored numbers of a model.
    stem : Path
        Path of the figure without suffix.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    strata = model.metrics["cases"][main_case(model)]["coverage_strata"]
    panels = {"scalars (mean of all)": None, "cumulative mass": "cum_mass", "[M/H] per age": "mh"}
    place = np.arange(len(strata))[::-1]
    with style(config):
        figure, axes = plt.subplots(1, 3, figsize=(config.width_inch, 0.55 * config.width_inch), sharey=True)
        for axis, (title, quantity) in zip(axes, panels.items(), strict=True):
            axis.axvspan(-5, 5, color="#eeeeee", zorder=0)
            axis.axvline(0, color="k", lw=0.7)
            for k, nominal in enumerate(INTERVALS):
                key = f"{100 * nominal:.0f}"
                found = [(s if quantity is None else s[quantity])[key] for s in strata.values()]
                offset = 0.12 * (k - 1.5)
                axis.plot(
                    [100 * (value - nominal) for value in found],
                    place + offset,
                    "o",
                    ms=3.5,
                    color=COLOURS[k],
                    label=f"{key} %",
                )
            axis.set(title=title, xlabel="found - nominal\n[percentage points]")
        axes[0].set_yticks(place, [f"{_stratum(name)} ({found['n']})" for name, found in strata.items()])
        handles, names = axes[0].get_legend_handles_labels()
        figure.suptitle(
            f"{label(model.name)}: held-out galaxies, S/N {nearest_snr(model, 50.0):g}, all nuisances"
        )
        figure.legend(handles, names, loc="outside lower center", ncols=len(INTERVALS))
        return save(figure, stem)


def plot_calibration(model: Validation, stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw ranks of the truth, expected coverage and, with joint samples, TARP, before and after calibration.

    Parameters
    ----------
    model : Validation
        Stored numbers of a model.
    stem : Path
        Path of the figure without suffix.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    with open_h5(model.h5, SCHEMA, SCHEMA_VERSION) as file:
        group = file[main_case(model)]
        states = [state for state in ("before", "after") if f"ranks/{state}" in group]
        ranks = {state: group[f"ranks/{state}"][()] for state in states}
        tarp = {
            (space, state): group[f"tarp/{state}/{space}"][()]
            for state in states
            for space in TARP_SPACES
            if f"tarp/{state}/{space}" in group
        }
    panels = 3 + bool(tarp)
    with style(config):
        figure, axes = plt.subplots(
            1, panels, figsize=(config.width_inch, 0.36 * config.width_inch), squeeze=False
        )
        bins = np.linspace(0, 1, 21)
        for state, values in ranks.items():
            look = _LOOK[state]
            axes[0, 0].hist(
                values.ravel(), bins, weights=np.full(values.size, 20 / values.size), histtype="step", **look
            )
            for column in range(values.shape[1]):
                found = _above_diagonal(values[:, column])
                axes[0, 1].plot(COVERAGE_LEVELS, 100 * found, **{**look, "lw": 0.7, "alpha": 0.6})
            covered = expected_coverage(values) - COVERAGE_LEVELS
            axes[0, 2].plot(100 * COVERAGE_LEVELS, 100 * covered, label=_STATE[state], **look)
        n = len(next(iter(ranks.values()))) if ranks else 1
        _noise_band(axes[0, 1], COVERAGE_LEVELS, n)
        axes[0, 0].axhline(1, color="k", lw=0.7)
        axes[0, 0].set(
            title="ranks, all scalars", xlabel="rank of the truth", ylabel="density", ylim=(0, None)
        )
        axes[0, 1].set(
            title="each scalar", xlabel="rank of the truth", ylabel="found - uniform\n[percentage points]"
        )
        axes[0, 2].axhline(0, color="k", lw=0.7)
        axes[0, 2].axhspan(-2, 2, color="#eeeeee", zorder=0)
        axes[0, 2].set(
            title="expected coverage", xlabel="credibility [%]", ylabel="found - nominal\n[percentage points]"
        )
        if tarp:
            for (space, state), values in tarp.items():
                line = "-" if space == "scalars" else "--"
                axes[0, 3].plot(
                    100 * COVERAGE_LEVELS, 100 * _above_diagonal(values), **{**_LOOK[state], "ls": line}
                )
            _noise_band(axes[0, 3], COVERAGE_LEVELS, n, 100.0)
            axes[0, 3].set(
                title="TARP, joint samples",
                xlabel="credibility [%]",
                ylabel="found - nominal\n[percentage points]",
            )
            axes[0, 3].plot([], [], "k-", label=f"TARP of {len(ranks['after'][0])} scalars")
            axes[0, 3].plot([], [], "k--", label="of the history")
        handles: list[Artist] = []
        names: list[str] = []
        for axis in axes[0, 2:]:
            h, t = axis.get_legend_handles_labels()
            handles += h
            names += t
        figure.suptitle(
            f"{label(model.name)}: held-out galaxies, S/N {nearest_snr(model, 50.0):g}, all nuisances"
        )
        figure.legend(handles, names, loc="outside lower center", ncols=len(handles))
        return save(figure, stem)


_LOOK = {"before": {"color": COLOURS[1], "lw": 1.2}, "after": {"color": COLOURS[0], "lw": 1.6}}
_STATE = {"before": "as trained", "after": "calibrated"}


def _above_diagonal(values: np.ndarray) -> np.ndarray:
    """Empirical distribution of values that ought to be uniform, less the uniform one, at `COVERAGE_LEVELS`."""
    return np.searchsorted(np.sort(values), COVERAGE_LEVELS, side="right") / len(values) - COVERAGE_LEVELS


def _noise_band(axis: Axes, levels: np.ndarray, n: int, scale: float = 1.0) -> None:
    """Shade what n exact ranks scatter by, at each level 99 % of the time."""
    half = 100 * 2.58 * np.sqrt(levels * (1 - levels) / n)
    axis.fill_between(scale * levels, -half, half, color="#dddddd", lw=0, zorder=0)
    axis.axhline(0, color="k", lw=0.7)
