"""Pictures of a fit: pairs of parameters, data against model, the history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyprospect.extras import require
from pyprospect.fit.answers import Answer

__all__ = ["corner", "plot_sed", "plot_sfh"]

Array = NDArray[np.float64]
BLUE, RED, GREY = "#3b6ea8", "#b5422c", "#9a9a9a"


def _axes(
    rows: int, columns: int, *, height_ratios: Any = None, figsize: tuple[float, float]
) -> tuple[Any, Any]:
    require("matplotlib", "a figure of a fit")
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained", figsize=figsize)
    return figure, figure.subplots(rows, columns, squeeze=False, height_ratios=height_ratios)


def corner(answer: Answer, names: Sequence[str] | None = None, truth: dict[str, float] | None = None) -> Any:
    """Return a figure of the draws of all pairs of parameters.

    Parameters
    ----------
    answer : Answer
    names : sequence of str, optional
        Parameters and derived quantities; by default the first eight free parameters.
    truth : dict of float, optional
        Marked.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(answer.labels[:8]) if names is None else list(names)
    n, truth = len(names), truth or {}
    figure, axes = _axes(n, n, figsize=(1.6 * n + 0.6, 1.6 * n + 0.6))
    weight = answer.weights.ravel()
    columns = [answer.column(name).ravel() for name in names]
    limits = [
        tuple(answer.quantiles(c.reshape(answer.log_weight.shape), np.array([0.005, 0.995]))) for c in columns
    ]
    limits = [(lo - 0.05 * (hi - lo) - 1e-12, hi + 0.05 * (hi - lo) + 1e-12) for lo, hi in limits]
    for i in range(n):
        for j in range(n):
            panel = axes[i, j]
            if j > i:
                panel.set_axis_off()
                continue
            if i == j:
                panel.hist(columns[i], bins=30, range=limits[i], weights=weight, color=BLUE, histtype="step")
                panel.set_yticks([])
            else:
                _cloud(panel, columns[j], columns[i], weight, limits[j], limits[i])
                panel.set_ylim(limits[i])
                if names[i] in truth:
                    panel.axhline(truth[names[i]], color=RED, lw=0.8)
            if names[j] in truth:
                panel.axvline(truth[names[j]], color=RED, lw=0.8)
            panel.set_xlim(limits[j])
            panel.tick_params(labelsize=6)
            if i == n - 1:
                panel.set_xlabel(names[j], fontsize=7)
            else:
                panel.set_xticklabels([])
            if j == 0 and i > 0:
                panel.set_ylabel(names[i], fontsize=7)
            elif i != j:
                panel.set_yticklabels([])
    return figure


def _cloud(panel: Any, x: Array, y: Array, weight: Array, in_x: tuple, in_y: tuple) -> None:
    """Shade a plane by the density of draws, with the lines that hold 39 and 86 % (one and two sigma)."""
    density, x_edges, y_edges = np.histogram2d(x, y, bins=24, range=[in_x, in_y], weights=weight)
    # Smoothed by one cell: draws are few.
    kernel = np.array([0.25, 0.5, 0.25])
    for axis in (0, 1):
        density = np.apply_along_axis(lambda row: np.convolve(row, kernel, mode="same"), axis, density)
    middle = [0.5 * (edges[1:] + edges[:-1]) for edges in (x_edges, y_edges)]
    falling = np.sort(density.ravel())[::-1]
    held = np.cumsum(falling) / falling.sum()
    levels = sorted({float(falling[np.searchsorted(held, share)]) for share in (0.86, 0.39)})
    panel.pcolormesh(x_edges, y_edges, density.T, cmap="Blues", rasterized=True)
    panel.contour(*middle, density.T, levels=levels, colors=BLUE, linewidths=0.8)


def plot_sed(arrays: dict[str, Array], kind: str) -> Any:
    """Return a figure of data, the model's 95 % band, and residuals in units of their errors.

    Parameters
    ----------
    arrays : dict
        Of a `Fit`.
    kind : str
        Way of sampling.
    """
    flux, wave, n_wave = arrays[f"{kind}_flux"], arrays["rest_wave_aa"], int(arrays["n_wave"])
    good, sigma, limit = arrays["good"].astype(bool), arrays["sigma"], arrays["limit"].astype(bool)
    figure, axes = _axes(2, 1, height_ratios=(3, 1), figsize=(8, 5))
    top, bottom = axes[:, 0]
    spectrum, bands = slice(0, n_wave), slice(n_wave, None)
    if n_wave:
        top.plot(
            wave[spectrum],
            np.where(good, arrays["flux"], np.nan)[spectrum],
            color=GREY,
            lw=0.5,
            label="spectrum",
        )
        top.fill_between(wave[spectrum], flux[0, spectrum], flux[4, spectrum], color=RED, alpha=0.4, lw=0)
        top.plot(wave[spectrum], flux[2, spectrum], color=RED, lw=0.7, label="model")
    if len(wave) > n_wave:
        shown = good[bands] & ~limit[bands]
        top.errorbar(
            wave[bands][shown],
            arrays["flux"][bands][shown],
            sigma[bands][shown],
            fmt="o",
            color=BLUE,
            ms=5,
            label="bands",
        )
        below = good[bands] & limit[bands]
        top.plot(wave[bands][below], arrays["flux"][bands][below], "v", color=BLUE, ms=7)
        top.errorbar(
            wave[bands],
            flux[2, bands],
            [flux[2, bands] - flux[0, bands], flux[4, bands] - flux[2, bands]],
            fmt="s",
            mfc="none",
            color=RED,
            ms=8,
            label="model in bands",
        )
        bottom.plot(
            wave[bands][shown], ((arrays["flux"] - flux[2]) / sigma)[bands][shown], "o", color=BLUE, ms=5
        )
    pull = np.where(good, (arrays["flux"] - flux[2]) / sigma, np.nan)
    bottom.plot(wave[spectrum], pull[spectrum], color=GREY, lw=0.4)
    bottom.axhline(0, color=RED, lw=0.8)
    bottom.set_ylim(-5, 5)
    seen = good & (arrays["flux"] > 0)
    if seen.any():
        top.set_ylim(0.3 * arrays["flux"][seen].min(), 2.5 * arrays["flux"][seen].max())
        top.set_yscale("log")
    for panel in (top, bottom):
        panel.set_xscale("log" if wave.max() > 5 * wave.min() else "linear")
        panel.set_xlim(0.97 * wave.min(), 1.03 * wave.max())
    bottom.set_xlabel("rest wavelength [Angstrom]")
    top.set_ylabel("flux [erg/s/cm$^2$/Angstrom]")
    bottom.set_ylabel("residual [sigma]")
    top.legend(fontsize=8, frameon=False)
    return figure


def plot_sfh(arrays: dict[str, Array], kind: str) -> Any:
    """Return a figure of the star-formation rate in the library's age bins: median, 68 and 95 %.

    Parameters
    ----------
    arrays : dict
        Of a `Fit`.
    kind : str
        Way of sampling.
    """
    rate, edges = arrays[f"{kind}_rate"], np.maximum(arrays["age_edges_yr"], 1e6) / 1e9
    figure, axes = _axes(1, 1, figsize=(6, 4))
    panel = axes[0, 0]

    def stairs(row: Array) -> tuple[Array, Array]:
        return np.repeat(edges, 2)[1:-1], np.repeat(row, 2)

    for low, high, alpha in ((0, 4, 0.2), (1, 3, 0.4)):
        x, lower = stairs(rate[low])
        panel.fill_between(x, lower, stairs(rate[high])[1], color=BLUE, alpha=alpha, lw=0)
    panel.plot(*stairs(rate[2]), color=BLUE)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_ylim(max(rate[2].max() * 1e-4, 1e-12), 3 * rate[3].max())
    panel.set_xlabel("look-back time [Gyr]")
    panel.set_ylabel("star-formation rate [Msol/yr]")
    return figure
