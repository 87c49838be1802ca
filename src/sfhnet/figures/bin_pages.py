"""Pages that let a reader judge a galaxy's bins: what was checked where, and example spectra with their predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import QTable
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sfhnet.core.flags import MEANING, Flag
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.figures.galaxy_maps import draw_map, quality_map
from sfhnet.figures.style import COLOURS, GREY
from sfhnet.inference.information import information
from sfhnet.predictive_check.result import BLOCKS_AA, Predictive

__all__ = ["examples_page", "quality_page"]

# Column of the table -> title, colour map.
_CHECKS: dict[str, tuple[str, str]] = {
    "snr": ("S/N per pixel", "viridis"),
    "ood_score": ("distance from the mocks [limit = 1]", "magma_r"),
    "ppc_chi2": ("predictive χ² / noise, refined", "magma_r"),
    "ppc_chi2_mean": ("predictive χ² / noise, mean of draws", "magma_r"),
    "ppc_shift": ("refined model from draws [σ]", "magma_r"),
    "calibration_rms": ("calibration asked for [rms]", "magma_r"),
    "fraction_masked": ("masked share", "magma_r"),
    "info_history": ("information on the history [nat]", "cividis"),
    "info_metallicity": ("information on [M/H] [nat]", "cividis"),
    "info_a_v": ("information on A$_V$ [nat]", "cividis"),
}
_MAX_FLAGS = 8
_COLUMNS = 3
_HA_AA = (6480.0, 6640.0)


def quality_page(
    spectra: Spectra, posterior: Posterior, table: QTable, *, prior: Mapping[str, Any]
) -> Figure:
    """Draw the checks of a galaxy on the sky, and what the data said about each age.

    Parameters
    ----------
    spectra, posterior, table
        As for `sfhnet.figures.galaxy_page.summary_page`.
    prior : mapping
        ``prior`` of the model's ``model.json``.

    Returns
    -------
    Figure
    """
    mapped = spectra.bin_map.size > 1
    shown = [
        name
        for name in _CHECKS
        if name in table.colnames and np.isfinite(np.asarray(table[name], float)).any()
    ]
    bits = [flag for flag in MEANING if ((np.asarray(table["flags"]) & np.uint32(flag)) != 0).any()]
    panels = len(shown) + 1 if mapped else 0
    rows = -(-panels // _COLUMNS)
    figure = plt.figure(figsize=(10.5, 2.9 * rows + 3.6))
    grid = figure.add_gridspec(2 if mapped else 1, 1, height_ratios=[2.9 * rows, 3.0] if mapped else [1])
    if mapped:
        cells = grid[0].subgridspec(rows, _COLUMNS)
        for number, name in enumerate(shown):
            title, colours = _CHECKS[name]
            axes = figure.add_subplot(cells[number // _COLUMNS, number % _COLUMNS])
            draw_map(axes, spectra, np.asarray(table[name], dtype=float), title=title, colours=colours)
        quality_map(figure.add_subplot(cells[len(shown) // _COLUMNS, len(shown) % _COLUMNS]), spectra, table)
    bottom = grid[-1].subgridspec(1, 2)
    _information_panel(figure.add_subplot(bottom[0]), posterior, prior)
    _flags_panel(figure.add_subplot(bottom[1]), table, bits)
    figure.suptitle(f"{spectra.galaxy}: what was checked, and what the data say beyond the prior")
    return figure


def _information_panel(axes: Axes, posterior: Posterior, prior: Mapping[str, Any]) -> None:
    gain = information(posterior, dict(prior))
    edges = np.asarray(posterior.age_edges_myr) / 1e3
    for name, colour, label in (
        ("history", COLOURS[0], "mass younger than the age"),
        ("metallicity", COLOURS[2], "[M/H] at the age"),
    ):
        values = gain[name][posterior.usable]
        ages = edges[1:-1] if name == "history" else np.sqrt(np.maximum(edges[:-1], edges[1] / 3) * edges[1:])
        values = values[:, : len(ages)]
        if not len(values):
            continue
        low, middle, high = np.percentile(values, [16, 50, 84], axis=0)
        axes.fill_between(ages, low, high, color=colour, alpha=0.3, linewidth=0)
        axes.plot(ages, middle, color=colour, marker="o", markersize=2.5, label=label)
    axes.axhline(0.2, color=GREY, linestyle=":", linewidth=1)
    axes.text(
        0.01,
        0.2,
        " below: mostly the prior",
        color=GREY,
        va="bottom",
        fontsize=7,
        transform=axes.get_yaxis_transform(),
    )
    axes.set_xscale("log")
    axes.set_xlim(edges[-1] * 1.1, edges[1] / 3)
    axes.set_xticks([10, 1, 0.1, 0.01], ["10", "1", "0.1", "0.01"])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("look-back time [Gyr]")
    axes.set_ylabel("information over the prior [nat]")
    axes.set_title("what the data say beyond the prior (median and 68 % of the bins)", fontsize=9)
    axes.legend(loc="upper left", fontsize=7)


def _flags_panel(axes: Axes, table: QTable, bits: list[Flag]) -> None:
    flags = np.asarray(table["flags"], dtype=np.uint32)
    counts = {flag: int(((flags & np.uint32(flag)) != 0).sum()) for flag in bits}
    most = sorted(counts, key=lambda flag: counts[flag], reverse=True)[:_MAX_FLAGS][::-1]
    axes.barh(range(len(most)), [counts[flag] for flag in most], color=COLOURS[0])
    axes.set_yticks(range(len(most)), [str(flag.name).lower().replace("_", " ") for flag in most], fontsize=8)
    for place, flag in enumerate(most):
        axes.text(counts[flag], place, f" {counts[flag]}", va="center", fontsize=7)
    axes.set_xlim(0, 1.15 * len(flags))
    axes.set_xlabel(f"bins with the flag, of {len(flags)}")
    axes.set_title("flags" if most else "no bin has a flag", fontsize=9)


def examples_page(spectra: Spectra, posterior: Posterior, table: QTable, *, predictive: Predictive) -> Figure:
    """Draw example bins: spectrum and prediction, residuals, bands, history.

    Parameters
    ----------
    spectra, posterior, table
        As for `sfhnet.figures.galaxy_page.summary_page`.
    predictive : Predictive
        With examples; without them the page says why.

    Returns
    -------
    Figure
    """
    examples = predictive.examples
    if not examples:
        figure = plt.figure(figsize=(8, 1.5))
        figure.text(
            0.5, 0.5, predictive.meta.get("unchecked", "no bin could be checked"), ha="center", va="center"
        )
        return figure
    n = len(examples["index"])
    order = np.argsort(np.asarray(table["lw_log_age"])[examples["index"]])
    height = 3.3 * n + 0.9
    # Laid out by hand: spectra and residuals of a bin belong close together.
    figure = plt.figure(figsize=(11.5, height))
    figure.set_layout_engine("none")
    edges = {"left": 0.06, "right": 0.985, "bottom": 0.5 / height, "top": 1 - 0.55 / height}
    rows = figure.add_gridspec(n, 2, width_ratios=[3.2, 1], hspace=0.3, wspace=0.16, **edges)
    for row in range(n):
        left = rows[row, 0].subgridspec(2, 1, height_ratios=[2.2, 1], hspace=0.06)
        right = rows[row, 1].subgridspec(2, 1, hspace=0.75)
        one = {name: values[order[row]] for name, values in examples.items()}
        top = figure.add_subplot(left[0])
        _spectrum(top, predictive, one)
        _residual(figure.add_subplot(left[1], sharex=top), predictive, one, row == n - 1)
        top.set_title(_title(table, int(one["index"])), fontsize=8, loc="left")
        _bands(figure.add_subplot(right[0]), predictive, one)
        _history(
            figure.add_subplot(right[1]), spectra, posterior, predictive, int(one["index"]), row == n - 1
        )
    figure.suptitle(
        f"{spectra.galaxy}: example bins, from the youngest to the oldest. Black: data; orange: best model near the draws, "
        "calibration and lines fitted; blue: 68 % of the draws",
        fontsize=9,
        y=1 - 0.12 / height,
    )
    return figure


def _title(table: QTable, index: int) -> str:
    entry = table[index]
    words = [
        f"bin {index}",
        f"{float(entry['radius_kpc'].value):.2f} kpc",
        f"S/N {float(entry['snr']):.0f}",
        f"log age {float(entry['lw_log_age']):.2f} (light) {float(entry['mw_log_age']):.2f} (mass)",
        f"χ²/noise {float(entry['ppc_chi2']):.2f} (mean of draws {float(entry['ppc_chi2_mean']):.2f})",
        f"flags: {entry['flag_words'].lower()}",
    ]
    return "   ".join(words)[:150]


def _spectrum(axes: Axes, predictive: Predictive, one: Mapping[str, np.ndarray]) -> None:
    wave = predictive.wave_aa
    n = len(wave)
    good = one["mask"][:n]
    data = np.where(good, one["data"][:n], np.nan)
    axes.fill_between(
        wave,
        one["draws_p16"][:n],
        one["draws_p84"][:n],
        color=COLOURS[0],
        alpha=0.35,
        linewidth=0,
        label="68 % of draws",
    )
    axes.plot(wave, data, color="black", linewidth=0.6, label="data")
    axes.plot(wave, one["refined"][:n], color=COLOURS[1], linewidth=0.6, label="best model")
    continuum = np.where((wave > _HA_AA[0]) & (wave < _HA_AA[1]), np.nan, data)
    if np.isfinite(continuum).any():
        low, high = np.nanpercentile(continuum, [0.3, 99.7])
        axes.set_ylim(low - 0.15 * (high - low), high + 0.25 * (high - low))
    axes.set_xlim(wave[0], wave[-1])
    axes.tick_params(labelbottom=False)
    axes.set_ylabel("f$_\\lambda$ / f$_{5400}$")


def _residual(axes: Axes, predictive: Predictive, one: Mapping[str, np.ndarray], last: bool) -> None:
    wave = predictive.wave_aa
    n = len(wave)
    good = one["mask"][:n]
    residual = np.where(good, (one["data"][:n] - one["refined"][:n]) / one["sigma"][:n], np.nan)
    axes.axhspan(-1, 1, color="#E8E8E8", linewidth=0)
    axes.plot(wave, residual, color="black", linewidth=0.5)
    for low, _ in BLOCKS_AA[1:]:
        axes.axvline(low, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_ylim(-4.5, 4.5)
    axes.set_ylabel("residual [σ]")
    if last:
        axes.set_xlabel("rest wavelength, air [Å] (dotted: blocks of the check)")


def _bands(axes: Axes, predictive: Predictive, one: Mapping[str, np.ndarray]) -> None:
    n = len(predictive.wave_aa)
    good = one["mask"][n:]
    if not good.any():
        axes.text(0.5, 0.5, "no bands", ha="center", va="center", color=GREY, transform=axes.transAxes)
        axes.set_axis_off()
        return
    place = np.flatnonzero(good)
    data, sigma = one["data"][n:][good], one["sigma"][n:][good]
    ratio = {name: one[name][n:][good] / data for name in ("refined", "draws_p16", "draws_p84")}
    axes.bar(
        place, ratio["draws_p84"] - ratio["draws_p16"], 0.5, ratio["draws_p16"], color=COLOURS[0], alpha=0.35
    )
    axes.errorbar(place, np.ones(len(place)), sigma / data, fmt="o", color="black", markersize=3, linewidth=1)
    axes.plot(place, ratio["refined"], "D", color=COLOURS[1], markersize=4)
    axes.set_xticks(place, [predictive.band_names[index] for index in place], fontsize=6)
    axes.set_ylabel("over measured", fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_title("HST bands, model over data", fontsize=7)


def _history(
    axes: Axes, spectra: Spectra, posterior: Posterior, predictive: Predictive, index: int, last: bool
) -> None:
    edges = np.asarray(posterior.age_edges_myr) / 1e3
    ages = np.maximum(edges, edges[1] / 3)

    def older(cumulative: np.ndarray) -> np.ndarray:
        return np.concatenate([[1.0], 1 - cumulative])

    low, high = (int(np.argmin(np.abs(posterior.levels - level))) for level in (0.16, 0.84))
    axes.fill_between(
        ages,
        older(posterior.cum_mass_q[index, high]),
        older(posterior.cum_mass_q[index, low]),
        color=COLOURS[0],
        alpha=0.35,
        linewidth=0,
    )
    axes.plot(ages, older(posterior.cum_mass[index]), color=COLOURS[0], linewidth=1)
    axes.plot(
        ages, older(np.cumsum(predictive.refined["mass_fraction"][index])), color=COLOURS[1], linewidth=1
    )
    if spectra.truth:
        true = np.cumsum(spectra.truth["mass_fraction"][index])
        axes.plot(ages, older(true), color="black", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(edges[-1] * 1.1, edges[1] / 3)
    axes.set_xticks([10, 1, 0.1, 0.01], ["10", "1", "0.1", "0.01"])
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelsize=7)
    axes.set_title("share of mass formed" + (" (dashed: true)" if spectra.truth else ""), fontsize=7)
    if last:
        axes.set_xlabel("look-back time [Gyr]", fontsize=7)
