"""The page of one galaxy: its maps and history, with a verdict in words."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import QTable
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sfhnet.core.geometry import arcsec_kpc
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import OF_BINS
from sfhnet.core.spectra import Spectra
from sfhnet.figures.galaxy_maps import draw_map, dress, quality_map, scale_and_compass
from sfhnet.figures.style import BAD, COLOURS, GREY, drawn
from sfhnet.figures.truth_page import truth_page

__all__ = ["draw_map", "quality_map", "summary_page", "truth_page"]

_ALARMS = ("OUT OF DISTRIBUTION", "BAD FIT", "NO RESULT", "TOO BROAD")
# Column of the table -> colour map.
_MAPS: dict[str, str] = {
    "lw_log_age": "RdYlBu_r",
    "mw_log_age": "RdYlBu_r",
    "lw_mh": "viridis",
    "a_v": "cividis",
    "log_sfr100_density": "magma",
    "log_mass_density": "inferno",
    "velocity": "RdBu_r",
}


def _title(column: str) -> str:
    return "stellar velocity [km s$^{-1}$]" if column == "velocity" else drawn(OF_BINS[column].heading)


def summary_page(
    spectra: Spectra, posterior: Posterior, table: QTable, *, summary: Mapping[str, Any]
) -> Figure:
    """Draw the page of a galaxy: maps for a cube, the spectrum for a single one, histories for both.

    Parameters
    ----------
    spectra, posterior : Spectra, Posterior
        Prepared spectra and their answers.
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    summary : mapping
        From `sfhnet.products.galaxy_summary.summarise`.

    Returns
    -------
    Figure
    """
    mapped = spectra.bin_map.size > 1
    figure = plt.figure(figsize=(10.5, 13.2 if mapped else 8.6))
    heights = [0.5, 3.15, 0.95] if mapped else [0.62, 1, 1]
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    _banner(figure.add_subplot(rows[0]), spectra, summary)
    if mapped:
        grid = rows[1].subgridspec(3, 3)
        cells = [figure.add_subplot(grid[place // 3, place % 3]) for place in range(9)]
        _draw_maps(cells, spectra, table, summary)
        bottom = rows[2].subgridspec(1, 3)
        _radial_panel(figure.add_subplot(bottom[2]), spectra, table, summary)
    else:
        _spectrum_panel(figure.add_subplot(rows[1]), spectra)
        bottom = rows[2].subgridspec(1, 2)
    _history_panel(figure.add_subplot(bottom[0]), summary, spectra)
    _metallicity_panel(figure.add_subplot(bottom[1]), summary, spectra)
    return figure


def _alarmed(summary: Mapping[str, Any]) -> bool:
    return any(sentence.startswith(_ALARMS) for sentence in summary["verdict"])


def _banner(axes: Axes, spectra: Spectra, summary: Mapping[str, Any]) -> None:
    axes.set_axis_off()
    whole = summary["integrated"]
    parts = [
        f"z = {summary['redshift']:.5f}, {spectra.distance_mpc:g} Mpc",
        f"{summary['n_bins']} {'bins' if summary['n_bins'] > 1 else 'spectrum'}, median S/N {summary['median_snr']:.0f} per pixel",
        f"model {summary['model']}" if summary.get("model") else "",
    ]
    numbers = [
        (OF_BINS[name], whole[name])
        for name in ("log_mass_formed", "log_sfr100", "mw_log_age", "mw_mh", "a_v")
    ]
    axes.text(0, 1.0, spectra.galaxy, fontsize=18, weight="bold", va="top", transform=axes.transAxes)
    axes.text(0, 0.66, "   ".join(part for part in parts if part), va="top", transform=axes.transAxes)
    said = [
        drawn(f"{quantity.title} {value:.2f} {quantity.plain_unit}")
        for quantity, value in numbers
        if value is not None
    ]
    alarmed = _alarmed(summary)
    axes.text(
        0,
        0.48,
        "     ".join(said) or "no result",
        va="top",
        color=GREY if alarmed else "black",
        transform=axes.transAxes,
    )
    text = "\n".join(textwrap.fill(sentence, 120) for sentence in summary["verdict"])
    axes.text(
        0.0,
        0.27,
        text,
        va="top",
        color="white" if alarmed else "black",
        weight="bold" if alarmed else "normal",
        transform=axes.transAxes,
        bbox={"facecolor": BAD if alarmed else "#E8E8E8", "edgecolor": "none", "pad": 4},
    )


def _watermark(axes: Axes, summary: Mapping[str, Any]) -> None:
    if _alarmed(summary):
        axes.text(
            0.5,
            0.5,
            "NOT TO BE USED",
            color=BAD,
            weight="bold",
            rotation=30,
            ha="center",
            va="center",
            fontsize=14,
            transform=axes.transAxes,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none"},
        )


def _draw_maps(cells: list[Axes], spectra: Spectra, table: QTable, summary: Mapping[str, Any]) -> None:
    white = np.where(spectra.white > 0, spectra.white, np.nan)
    positive = white[np.isfinite(white)]
    low, high = np.percentile(positive, [2, 99.8]) if positive.size else (1.0, 10.0)
    shown = cells[0].imshow(white, origin="lower", cmap="gray_r", norm=LogNorm(low, max(high, 1.01 * low)))
    dress(cells[0], shown, f"white light [{spectra.flux_unit_cgs:g} erg s$^{{-1}}$ cm$^{{-2}}$ Å$^{{-1}}$]")
    scale_and_compass(cells[0], spectra)
    for axes, (name, colours) in zip(cells[1:8], _MAPS.items(), strict=True):
        title = _title(name)
        values = np.asarray(getattr(table[name], "value", table[name]), dtype=float)
        if name == "velocity":
            values = values - np.nanmedian(values)
        draw_map(axes, spectra, values, title=title, colours=colours, symmetric=name == "velocity")
        if name != "velocity":
            _watermark(axes, summary)
    quality_map(cells[8], spectra, table)


def _spectrum_panel(axes: Axes, spectra: Spectra) -> None:
    good = spectra.mask[0]
    wave = spectra.wave_aa
    flux = np.where(good, spectra.flux[0], np.nan)
    sigma = np.where(good, spectra.sigma[0], np.nan)
    axes.fill_between(
        wave, flux - sigma, flux + sigma, color=COLOURS[5], alpha=0.5, linewidth=0, label="1σ error"
    )
    axes.plot(wave, flux, color="black", linewidth=0.7, label="spectrum given to the network")
    for start, stop in _spans(~good):
        axes.axvspan(wave[start], wave[stop], color="#DDDDDD", linewidth=0)
    axes.set_xlim(wave[0], wave[-1])
    if good.any():
        low, high = np.nanpercentile(flux, [0.2, 99.8])
        axes.set_ylim(low - 0.15 * (high - low), high + 0.2 * (high - low))
    axes.set_xlabel("rest wavelength, air [Å] (grey: masked)")
    axes.set_ylabel(f"f$_\\lambda$ [{spectra.flux_unit_cgs:g} erg s$^{{-1}}$ cm$^{{-2}}$ Å$^{{-1}}$]")
    axes.legend(loc="upper right")
    text = f"σ = {spectra.sigma_kms[0]:.0f} ± {spectra.sigma_err_kms[0]:.0f} km/s, broadened to the training resolution"
    axes.set_title(text, fontsize=9, loc="left")


def _spans(bad: np.ndarray) -> list[tuple[int, int]]:
    step = np.diff(bad.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(step == 1), np.flatnonzero(step == -1)
    return [(int(start), int(end) - 1) for start, end in zip(starts, ends, strict=True)]


def _as_array(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])


def _edges_gyr(summary: Mapping[str, Any]) -> np.ndarray:
    return np.array(summary["integrated"]["age_edges_myr"]) / 1e3


def _history_panel(axes: Axes, summary: Mapping[str, Any], spectra: Spectra) -> None:
    whole, edges = summary["integrated"], _edges_gyr(summary)
    # Share that had formed by each look-back time: one minus what is younger.
    older = {
        name: np.concatenate([[1.0], 1 - _as_array(whole[name])])
        for name in ("cum_mass", "cum_mass_p16", "cum_mass_p84")
    }
    ages = np.maximum(edges, edges[1] / 3)
    axes.fill_between(
        ages,
        older["cum_mass_p84"],
        older["cum_mass_p16"],
        color=COLOURS[0],
        alpha=0.3,
        linewidth=0,
        label="68 %",
    )
    axes.plot(ages, older["cum_mass"], color=COLOURS[0], marker="o", markersize=2.5, label="recovered")
    if spectra.truth:
        mass = spectra.truth["mass_formed"][:, None] * spectra.truth["mass_fraction"]
        true = np.cumsum(mass.sum(axis=0)) / mass.sum()
        axes.plot(ages, np.concatenate([[1.0], 1 - true]), color="black", linestyle="--", label="true")
    if summary.get("summed"):
        whole_cum = _as_array(summary["summed"]["cum_mass"])
        line = np.concatenate([[1.0], 1 - whole_cum])
        axes.plot(ages, line, color=COLOURS[1], linewidth=1, linestyle="-.", label="summed spectrum")
    _age_axis(axes, edges)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("share of the mass formed by then")
    _watermark(axes, summary)
    axes.set_title("star-formation history" + (", all bins" if summary["n_bins"] > 1 else ""), fontsize=9)
    axes.legend(loc="lower left")


def _metallicity_panel(axes: Axes, summary: Mapping[str, Any], spectra: Spectra) -> None:
    whole, edges = summary["integrated"], _edges_gyr(summary)
    ages = np.sqrt(np.maximum(edges[:-1], edges[1] / 3) * edges[1:])
    mh, low, high = (_as_array(whole[name]) for name in ("mh", "mh_p16", "mh_p84"))
    axes.fill_between(ages, low, high, color=COLOURS[2], alpha=0.3, linewidth=0, label="68 %")
    axes.plot(ages, mh, color=COLOURS[2], marker="o", markersize=2.5, label="recovered")
    if spectra.truth:
        mass = spectra.truth["mass_formed"][:, None] * spectra.truth["mass_fraction"]
        known = np.where(np.isfinite(spectra.truth["mh"]), spectra.truth["mh"], 0.0)
        total = np.where(np.isfinite(spectra.truth["mh"]), mass, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            true = (total * known).sum(axis=0) / total.sum(axis=0)
        axes.plot(ages, true, color="black", linestyle="--", label="true")
    _age_axis(axes, edges)
    axes.set_ylabel("[M/H] of the stars formed then [dex]")
    _watermark(axes, summary)
    axes.set_title("age-metallicity relation", fontsize=9)
    axes.legend(loc="best")


def _age_axis(axes: Axes, edges_gyr: np.ndarray) -> None:
    axes.set_xscale("log")
    axes.set_xlim(edges_gyr[-1] * 1.1, edges_gyr[1] / 3)
    axes.set_xticks([10, 1, 0.1, 0.01], ["10", "1", "0.1", "0.01"])
    axes.set_xlabel("look-back time [Gyr]")


def _radial_panel(axes: Axes, spectra: Spectra, table: QTable, summary: Mapping[str, Any]) -> None:
    radius = np.asarray(table["radius"].value) * arcsec_kpc(spectra)
    other = axes.twinx()
    other.spines["right"].set_visible(True)
    for place, name, colour in ((axes, "mw_log_age", COLOURS[1]), (other, "mw_mh", COLOURS[2])):
        place.plot(radius, np.asarray(table[name]), ".", color=colour, markersize=2.5, alpha=0.6)
        fit = summary.get("gradients", {}).get(f"{name}_per_kpc", {})
        if fit.get("slope") is not None:
            x = np.array([radius.min(), radius.max()])
            place.plot(x, fit["at_centre"] + fit["slope"] * x, color=colour)
        if name in spectra.truth:
            place.plot(
                radius, spectra.truth[name], "x", color="black", markersize=2, markeredgewidth=0.5, alpha=0.6
            )
        place.set_ylabel(_title(name), color=colour)
    _watermark(axes, summary)
    axes.set_xlabel("radius in the disc [kpc]" + (" (black: true)" if spectra.truth else ""))
    slopes = [
        f"{short} {fit['slope']:+.3f} ± {fit['slope_err']:.3f}"
        for short, fit in (
            (short, summary.get("gradients", {}).get(f"{name}_per_kpc", {}))
            for short, name in (("age", "mw_log_age"), ("[M/H]", "mw_mh"))
        )
        if fit.get("slope") is not None
    ]
    axes.set_title("gradients: " + (", ".join(slopes) + " dex/kpc" if slopes else "none fitted"), fontsize=8)
