"""Figures of the stress tests, of the paper's claims and of the learning curve; drawn from stored numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from sfhnet.config import FiguresConfig
from sfhnet.figures.style import GREY, save, scatter_panel, style
from sfhnet.figures.validated_model import Validation, colour, label, learners
from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS
from sfhnet.validation.metrics import AGE_RANGES_MYR

__all__ = ["plot_claims", "plot_stress"]

_SHORT = {
    "ideal": "Gaussian\nnoise",
    "real": "all\nnuisances",
    "ripple": "Gaussian\n+ ripple",
    "spiky": "spiky\nhistories",
    "held_out": "families\nheld out",
}


def plot_stress(models: Sequence[Validation], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the errors on every benchmark, the stress tests among them, at the S/N of the latter, with bands.

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
    shown = learners(models)
    cases = {
        case["benchmark"]: name
        for name, case in shown[0].metrics["cases"].items()
        if case["bands"] and case["snr"] == _stress_snr(shown[0])
    }
    kinds = [kind for kind in BENCHMARK_KINDS if kind in cases]
    panels = [
        ("history:\nWasserstein-1 [dex of age]", lambda m: m["w1_dex"]),
        scatter_panel("mw_log_age"),
        scatter_panel("mw_mh"),
        (
            "coverage of 68 % intervals\nof cumulative mass [%]",
            lambda m: 100 * m["coverage"]["cum_mass"]["68"],
        ),
    ]
    width = 0.8 / (len(shown) + 1)
    with style(config):
        figure, axes = plt.subplots(2, 2, figsize=(config.width_inch, 0.7 * config.width_inch))
        for axis, (title, key) in zip(axes.flat, panels, strict=True):
            place = np.arange(len(kinds), dtype=float)
            for index, model in enumerate(shown):
                value = [key(model.metrics["cases"][cases[kind]]["model"]) for kind in kinds]
                axis.bar(place - 0.4 + (index + 0.5) * width, value, width, color=colour(index))
            prior = [key(shown[0].metrics["cases"][cases[kind]]["prior_mean"]) for kind in kinds]
            axis.bar(place + 0.4 - 0.5 * width, prior, width, color="#cccccc")
            axis.set_title(title)
            axis.set_xticks(place, [_SHORT.get(kind, kind) for kind in kinds])
        axes[1, 1].axhline(68, color="k", lw=0.7)
        handles = [
            plt.Rectangle((0, 0), 1, 1, color=colour(k), label=label(m.name)) for k, m in enumerate(shown)
        ]
        handles.append(plt.Rectangle((0, 0), 1, 1, color="#cccccc", label="prior mean"))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        return save(figure, stem)


def _stress_snr(model: Validation) -> float:
    return next(c["snr"] for c in model.metrics["cases"].values() if BENCHMARK_KINDS[c["benchmark"]].stress)


_PARTS: dict[str, Any] = {"marker": "s", "ms": 4, "mfc": "white", "color": "k"}


def plot_claims(claims: Mapping[str, Any], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the numbers of each of the paper's claims, from ``claims.json``.

    Parameters
    ----------
    claims : mapping
        By claim, what `sfhnet.validation.claims.evaluate_claims` returns.
    stem : Path
        Path of the figure without suffix.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    panels = {
        "newer_network": ("attention against four branches", _ratios),
        "photometry": ("photometry and the young", _ratios),
        "old_ages": ("old ages are harder", _ages),
        "aperture": ("sums of N galaxies", _sums),
    }
    with style(config):
        figure, axes = plt.subplots(2, 2, figsize=(config.width_inch, 0.75 * config.width_inch))
        for axis, (name, (title, draw)) in zip(axes.flat, panels.items(), strict=True):
            claim = claims[name]
            verdict = {True: "holds", False: "does not hold", None: "not tested"}[claim["holds"]]
            axis.set_title(f"{title}: {verdict}")
            if claim["numbers"]:
                draw(axis, claim["numbers"])
            else:
                axis.text(0.5, 0.5, claim["reason"].replace(" (", "\n("), ha="center", va="center", wrap=True)
                axis.set_axis_off()
        axes[0, 0].set_ylabel("error, attention\nover four branches")
        axes[0, 1].set_ylabel("error with bands\nover without")
        # The networks have the same colours in all panels but the first, which is one network over another.
        names = list(claims["old_ages"]["numbers"])
        handles: list[Artist] = [
            plt.Rectangle((0, 0), 1, 1, color=colour(k), label=label(n)) for k, n in enumerate(names)
        ]
        handles.append(plt.Line2D([], [], ls=":", label="sum of the parts' answers", **_PARTS))
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return save(figure, stem)


def _ratios(axis: Axes, numbers: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    for index, (name, ratios) in enumerate(numbers.items()):
        place = np.arange(len(ratios)) + 0.12 * (index - (len(numbers) - 1) / 2)
        value = np.array([r["ratio"] for r in ratios.values()])
        low, high = (np.array([r[end] for r in ratios.values()]) for end in ("low", "high"))
        axis.errorbar(
            place,
            value,
            [value - low, high - value],
            fmt="o",
            ms=4,
            color="k" if " / " in name else colour(index),
        )
    axis.axhline(1, color=GREY, lw=0.8)
    names = list(next(iter(numbers.values())))
    axis.set_xticks(range(len(names)), [_range_name(name) for name in names])
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.set_ylim(bottom=0)


def _range_name(name: str) -> str:
    if name not in AGE_RANGES_MYR:
        return {"ideal": "Gaussian noise", "real": "all nuisances"}.get(name, name)
    low, high = AGE_RANGES_MYR[name]
    return f"{low:g}-{high:g} Myr" if high < 1e5 else f"> {low:g} Myr"


def _ages(axis: Axes, numbers: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    width = 0.8 / len(numbers)
    for index, ranges in enumerate(numbers.values()):
        place = np.arange(len(ranges)) - 0.4 + (index + 0.5) * width
        axis.bar(place, [r["cum_mass_mae"] for r in ranges.values()], width, color=colour(index))
    names = list(next(iter(numbers.values())))
    axis.set_xticks(range(len(names)), [_range_name(name) for name in names])
    axis.set_ylabel("mean |error| of the\ncumulative mass fraction")


def _sums(axis: Axes, numbers: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    for index, sums in enumerate(numbers.values()):
        parts = [int(n) for n in sums]
        axis.plot(parts, [s["w1_dex"] for s in sums.values()], "o-", ms=4, color=colour(index))
        both = {int(n): s["parts_w1_dex"] for n, s in sums.items() if "parts_w1_dex" in s}
        axis.plot(list(both), list(both.values()), ls=":", **{**_PARTS, "color": colour(index)})
    axis.set(xscale="log", xlabel="galaxies in the sum", ylabel="Wasserstein-1 [dex of age]")
    axis.set_xticks(parts, [str(n) for n in parts])
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
