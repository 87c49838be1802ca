"""Figures of training and validation, drawn from stored numbers only: redrawing recomputes nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sfhnet.config import FiguresConfig
from sfhnet.core.quantities import SCALARS
from sfhnet.figures.calibration import (
    plot_calibration,
    plot_calibration_strata,
    plot_coverage,
    plot_coverage_strata,
)
from sfhnet.figures.claims import plot_stress
from sfhnet.figures.held_out_examples import plot_examples
from sfhnet.figures.loss_curve import plot_history
from sfhnet.figures.network_drawing import draw_network
from sfhnet.figures.style import COLOURS, GREY, drawn, save, scatter_panel, style
from sfhnet.figures.validated_model import Validation, colour, label, learners, main_case, nearest_snr
from sfhnet.tools.hdf5 import open_h5, read_json
from sfhnet.validation.benchmark_sets import case_name
from sfhnet.validation.metrics import AGE_RANGES_MYR
from sfhnet.validation.validate import SCHEMA, SCHEMA_VERSION

__all__ = ["FIGURES", "draw_validation"]


def plot_against_snr(models: Sequence[Validation], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the main errors against S/N: both benchmarks, with and without bands, beside the prior mean.

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
    panels: list[tuple[str, Callable[[dict], float]]] = [
        ("history:\nWasserstein-1 [dex of age]", lambda m: m["w1_dex"]),
        scatter_panel("mw_log_age"),
        scatter_panel("lw_log_age"),
        scatter_panel("mw_mh"),
        ("half-mass time:\n$R^2$", lambda m: m["scalars"]["t50"]["r2"]),
        scatter_panel("a_v"),
    ]
    with style(config):
        figure, axes = plt.subplots(2, 3, figsize=(config.width_inch, 0.62 * config.width_inch))
        for axis, (title, key) in zip(axes.flat, panels, strict=True):
            for index, model in enumerate(learners(models)):
                for benchmark, line in (("real", "-"), ("ideal", "--")):
                    snr, value = model.series(benchmark, True, key, who="model")
                    axis.plot(snr, value, line, color=colour(index), marker="o", ms=3)
                snr, value = model.series("real", False, key, who="model")
                axis.plot(snr, value, ":", color=colour(index), marker="o", ms=3, mfc="white")
            snr, value = models[0].series("real", True, key, who="prior_mean")
            axis.plot(snr, value, color=GREY, lw=1)
            axis.set(xscale="log", title=title)
            axis.set_xticks(snr, [f"{x:g}" for x in snr])
            axis.minorticks_off()
            axis.set_ylim(bottom=0)
        for axis in axes[1]:
            axis.set_xlabel("median S/N per pixel")
        handles = [
            plt.Line2D([], [], color=colour(k), label=label(m.name)) for k, m in enumerate(learners(models))
        ]
        handles.append(plt.Line2D([], [], color=GREY, label="prior mean"))
        handles += [
            plt.Line2D([], [], color="k", ls="-", marker="o", ms=3, label="all nuisances, five bands"),
            plt.Line2D(
                [], [], color="k", ls=":", marker="o", ms=3, mfc="white", label="all nuisances, no bands"
            ),
            plt.Line2D([], [], color="k", ls="--", marker="o", ms=3, label="Gaussian noise, five bands"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return save(figure, stem)


def plot_against_age(models: Sequence[Validation], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the errors per age range with and without photometry, at the S/N nearest 50.

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
    panels = [
        ("history:\nWasserstein-1 [dex of age]", "w1_dex"),
        ("mass formed:\nmean |error| / mean mass", "mass_share_relative"),
        ("[M/H], weighted by mass:\nmean |error| [dex]", "mh_mae"),
    ]
    labels = [f"{low:g}-{high:g}" if high < 1e5 else f"> {low:g}" for low, high in AGE_RANGES_MYR.values()]
    shown = learners(models)
    width = 0.8 / (2 * len(shown) + 1)
    with style(config):
        figure, axes = plt.subplots(1, 3, figsize=(config.width_inch, 0.4 * config.width_inch))
        for axis, (title, key) in zip(axes, panels, strict=True):
            place = np.arange(len(labels), dtype=float)
            slot = -0.4 + width / 2
            for index, model in enumerate(shown):
                snr = nearest_snr(model, 50.0)
                for bands in (True, False):
                    ranges = model.metrics["cases"][case_name("real", snr, bands)]["model"]["age_ranges"]
                    axis.bar(
                        place + slot,
                        [ranges[name][key] for name in AGE_RANGES_MYR],
                        width,
                        color=colour(index) if bands else "white",
                        edgecolor=colour(index),
                        hatch=None if bands else "////",
                        lw=0.8,
                    )
                    slot += width
            prior = models[0].metrics["cases"][case_name("real", nearest_snr(models[0], 50.0), True)][
                "prior_mean"
            ]
            axis.bar(
                place + slot, [prior["age_ranges"][n][key] for n in AGE_RANGES_MYR], width, color="#cccccc"
            )
            axis.set(title=title, xlabel="age [Myr]")
            axis.set_xticks(place, labels)
        handles = [
            plt.Rectangle((0, 0), 1, 1, color=colour(k), label=label(m.name)) for k, m in enumerate(shown)
        ]
        handles.append(plt.Rectangle((0, 0), 1, 1, color="#cccccc", label="prior mean"))
        handles.append(
            plt.Rectangle((0, 0), 1, 1, fc="white", ec="k", hatch="////", label="without photometry")
        )
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        return save(figure, stem)


def plot_truth(model: Validation, stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw recovered against true ages, metallicities, dust and rates, at the S/N nearest 50.

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
    case = main_case(model)
    shown = ("mw_log_age", "lw_log_age", "mw_mh", "lw_mh", "a_v", "log_sfr100")
    with style(config), open_h5(model.h5, SCHEMA, SCHEMA_VERSION) as file:
        figure, axes = plt.subplots(2, 3, figsize=(config.width_inch, 0.68 * config.width_inch))
        for axis, name in zip(axes.flat, shown, strict=True):
            title = drawn(SCALARS[name].heading)
            truth, found = file[f"{case}/truth/{name}"][()], file[f"{case}/estimate/{name}"][()]
            low, high = np.quantile(np.concatenate([truth, found]), [0.003, 0.997])
            axis.plot([low, high], [low, high], color=GREY, lw=0.8)
            axis.plot(truth, found, ".", ms=2, color=COLOURS[0], alpha=0.5, rasterized=True)
            numbers = model.metrics["cases"][case]["model"]["scalars"][name]
            axis.text(
                0.04,
                0.97,
                f"bias {numbers['bias']:+.3f}\nscatter {numbers['scatter']:.3f}\n$R^2$ {numbers['r2']:.3f}",
                transform=axis.transAxes,
                va="top",
                fontsize=0.85 * config.font_size,
            )
            axis.set(xlim=(low, high), ylim=(low, high), title=title, xlabel="true", ylabel="recovered")
        snr = nearest_snr(model, 50.0)
        figure.suptitle(f"{label(model.name)}: held-out galaxies, S/N {snr:g}, all nuisances", x=0.5)
        return save(figure, stem)


FIGURES: dict[str, str] = {
    "metrics_snr": "errors against S/N",
    "metrics_age": "errors per age range, with and without photometry",
    "coverage": "coverage before and after calibration",
    "coverage_strata": "coverage per stratum of held-out galaxies (a figure a model)",
    "calibration_strata": "coverage of 68 % intervals per stratum of the calibration mocks",
    "stress": "errors on every benchmark, those unlike the training among them",
    "calibration": "ranks, expected coverage and TARP before and after calibration (a figure a model)",
    "truth": "recovered against true (a figure a model)",
    "examples": "three held-out galaxies (a figure a model; the paper's Fig. 4)",
    "loss": "loss curves (a figure a model)",
    "network": "the networks, drawn from themselves (a figure a model; the paper's Figs. 1 and 2)",
}


def draw_validation(
    metrics: Sequence[Path],
    h5: Sequence[Path],
    model_dirs: Sequence[Path],
    *,
    out_dir: Path,
    config: FiguresConfig,
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Draw the validation figures.

    Parameters
    ----------
    metrics, h5 : sequence of Path
        ``metrics.json`` and ``validation.h5`` of each model, in the same order.
    model_dirs : sequence of Path
        Model folders, for loss curves and drawings of the networks.
    out_dir : Path
        Folder of the figures.
    config : FiguresConfig
        Look.
    names : sequence of str, optional
        Which of `FIGURES`; all by default.

    Returns
    -------
    list of Path
        A PDF and a PNG a figure.

    Raises
    ------
    ValueError
        If a name is unknown, or the numbers of files differ.
    """
    wanted = list(FIGURES) if names is None else list(names)
    unknown = sorted(set(wanted) - set(FIGURES))
    if unknown:
        raise ValueError(f"no figures {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    if len(metrics) != len(h5):
        raise ValueError(
            f"{len(metrics)} metrics files and {len(h5)} validation files; give one of each a model"
        )
    models = []
    for path, data in zip(metrics, h5, strict=True):
        stored = read_json(path)
        models.append(Validation(stored["model"], stored, Path(data)))
    out_dir = Path(out_dir)
    paths: list[Path] = []
    for name, plot in (
        ("metrics_snr", plot_against_snr),
        ("metrics_age", plot_against_age),
        ("coverage", plot_coverage),
        ("calibration_strata", plot_calibration_strata),
        ("stress", plot_stress),
    ):
        if name in wanted:
            paths += plot(models, out_dir / name, config)
    for model in learners(models):
        if "calibration" in wanted:
            paths += plot_calibration(model, out_dir / f"calibration_{model.name}", config)
        if "coverage_strata" in wanted:
            paths += plot_coverage_strata(model, out_dir / f"coverage_strata_{model.name}", config)
        if "truth" in wanted:
            paths += plot_truth(model, out_dir / f"truth_{model.name}", config)
        if "examples" in wanted:
            paths += plot_examples(model, out_dir / f"examples_{model.name}", config)
    for folder in map(Path, model_dirs):
        if read_json(folder / "model.json")["spec"]["kind"] == "prior_mean":
            continue
        if "loss" in wanted:
            with (folder / "history.csv").open(newline="") as handle:
                rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(handle)]
            paths += plot_history(rows, out_dir / f"loss_{folder.name}", folder.name, config=config)
        if "network" in wanted:
            paths += draw_network(folder, out_dir / f"network_{folder.name}", config)
    return paths
