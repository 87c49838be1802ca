"""Figures of the prior: what galaxies the networks are taught with, beside real clusters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from sfhnet.config.prior_names import FAMILY_PARAMETERS
from sfhnet.core.quantities import LABELS, SCALARS
from sfhnet.figures.style import COLOURS, GREY, drawn, save, style
from sfhnet.priors import cluster_colours as clusters
from sfhnet.priors.sample import PriorSample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sfhnet.config import FiguresConfig
    from sfhnet.mocks.shard_set import ShardSet

Array = NDArray[np.float64]

FIGURES = ("prior_histories", "prior_labels", "prior_colours")
# Index: feature and continuum windows in Angstrom (Worthey et al. 1994; Cenarro et al. 2001 for the Ca triplet)
_INDICES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "H$\\beta$": ((4847.9, 4876.6), (4827.9, 4847.9), (4876.6, 4891.6)),
    "Mg b": ((5160.1, 5192.6), (5117.7, 5142.7), (5191.4, 5206.4)),
    "Fe 5270": ((5245.7, 5285.7), (5233.2, 5248.2), (5285.7, 5318.2)),
    "H$\\alpha$": ((6540.0, 6590.0), (6500.0, 6530.0), (6600.0, 6630.0)),
    "Ca 8542": ((8522.0, 8562.0), (8474.0, 8484.0), (8563.0, 8577.0)),
}


def equivalent_width_aa(wave_aa: Array, flux: NDArray[np.float32], index: str) -> Array:
    """Equivalent width in Angstrom, absorption positive, of a line index; shape (n,)."""
    feature, blue, red = _INDICES[index]

    def mean(window: tuple[float, float]) -> Array:
        return flux[:, (wave_aa >= window[0]) & (wave_aa <= window[1])].mean(axis=1, dtype=float)

    inside = (wave_aa >= feature[0]) & (wave_aa <= feature[1])
    low, high = np.mean(blue), np.mean(red)
    share = (wave_aa[inside] - low) / (high - low)
    continuum = mean(blue)[:, None] * (1 - share) + mean(red)[:, None] * share
    return (1 - flux[:, inside] / continuum).sum(axis=1) * (wave_aa[1] - wave_aa[0])


def draw_histories(config: FiguresConfig, drawn: PriorSample, stem: Path, n_example: int = 6) -> None:
    """Example histories of each family: star-formation rate above, metallicity below (the paper's Fig. 3).

    Parameters
    ----------
    config : FiguresConfig
    drawn : PriorSample
    stem : Path
        Output without suffix.
    n_example : int
        Histories a family.
    """
    names = [name for i, name in enumerate(FAMILY_PARAMETERS) if np.any(drawn.family == i)]
    columns = 4
    blocks = -(-len(names) // columns)
    with style(config):
        figure, axes = plt.subplots(
            2 * blocks,
            columns,
            figsize=(config.width_inch, 2.4 * blocks + 0.3),
            sharex=True,
            squeeze=False,
            gridspec_kw={"height_ratios": [1.6, 1] * blocks},
        )
        age_gyr = np.maximum(drawn.edges_yr, 1e6) / 1e9
        for k, name in enumerate(names):
            top, bottom = axes[2 * (k // columns), k % columns], axes[2 * (k // columns) + 1, k % columns]
            rows = np.flatnonzero(drawn.family == list(FAMILY_PARAMETERS).index(name))[:n_example]
            for i, row in enumerate(rows):
                rate = drawn.mass[row] / np.diff(drawn.edges_yr) * 13.8e9
                top.stairs(
                    np.maximum(rate, 1e-9), age_gyr, color=COLOURS[i % len(COLOURS)], lw=1, baseline=None
                )
                bottom.stairs(
                    np.log10(drawn.z[row] / 0.019),
                    age_gyr,
                    color=COLOURS[i % len(COLOURS)],
                    lw=1,
                    baseline=None,
                )
            top.set(
                title=name.replace("_", " "),
                yscale="log",
                ylim=(3e-4, 2e4),
                xscale="log",
                xlim=(1.4e-3, 13.8),
            )
            bottom.set(ylim=(-2.5, 0.6))
            if k % columns == 0:
                top.set_ylabel("SFR / mean SFR")
                bottom.set_ylabel("[M/H] (dex)")
            else:
                top.tick_params(labelleft=False)
                bottom.tick_params(labelleft=False)
            if k >= len(names) - columns:
                bottom.set_xlabel("Look-back age (Gyr)")
                bottom.tick_params(labelbottom=True)
        for k in range(len(names), blocks * columns):
            axes[2 * (k // columns), k % columns].set_visible(False)
            axes[2 * (k // columns) + 1, k % columns].set_visible(False)
        save(figure, stem)


def draw_labels(
    config: FiguresConfig, batch: dict[str, Any], wave_aa: Array, break_mag: Array, stem: Path
) -> None:
    """Distributions of ages, metallicities, dust, rates, indices and the break colour, by family.

    Parameters
    ----------
    config : FiguresConfig
    batch : dict
        From `ShardSet.batch`.
    wave_aa : ndarray
    break_mag : ndarray, shape (n,)
        F336W - F438W, AB: the grid starts redward of 4000 Angstrom, so this stands for the break.
    stem : Path
    """
    labels, halpha = batch["labels"], "H$\\alpha$"
    width = {name: equivalent_width_aa(wave_aa, batch["flux"], name) for name in _INDICES}
    panels = [
        *(
            (drawn(LABELS[name].heading), labels[name], span)
            for name, span in (
                ("lw_log_age", (6, 10.2)),
                ("mw_log_age", (6, 10.2)),
                ("t50", (6, 10.2)),
                ("lw_mh", (-2.3, 0.5)),
                ("gas_mh", (-2.3, 0.5)),
                ("a_v", (0, 3.5)),
            )
        ),
        (SCALARS["log_sfr10"].heading, np.log10(np.maximum(labels["sfr10"], 1e-14)), (-14, -6.8)),
        ("F336W $-$ F438W (AB mag)", break_mag, (-0.8, 3)),
        *(
            (f"{n} ($\\rm\\AA$)", width[n], (-30, 10) if n == "H$\\beta$" else None)
            for n in _INDICES
            if n != halpha
        ),
        (f"log {halpha} emission ($\\rm\\AA$)", np.log10(np.maximum(-width[halpha], 0.1)), (-1.05, 3.7)),
    ]
    with style(config):
        rows = -(-len(panels) // 4)
        figure, axes = plt.subplots(rows, 4, figsize=(config.width_inch, 1.55 * rows + 0.4))
        families = [i for i in range(len(FAMILY_PARAMETERS)) if np.any(batch["family"] == i)]
        for axis, (title, values, span) in zip(axes.flat, panels, strict=False):
            low, high = span or np.percentile(values, [0.5, 99.5])
            bins = np.linspace(low, high, 41)
            axis.hist(np.clip(values, low, high), bins, color="0.85")
            for k, i in enumerate(families):
                axis.hist(
                    np.clip(values[batch["family"] == i], low, high),
                    bins,
                    histtype="step",
                    lw=0.9,
                    color=COLOURS[k % len(COLOURS)],
                    ls="--" if k >= len(COLOURS) else "-",
                    label=list(FAMILY_PARAMETERS)[i].replace("_", " "),
                )
            axis.set(xlabel=title, yticks=[])
            axis.spines["left"].set_visible(False)
        for axis in axes.flat[len(panels) :]:
            axis.axis("off")
        handles, names = axes.flat[0].get_legend_handles_labels()
        if len(panels) < axes.size:
            figure.legend(handles, names, loc="lower right", ncols=2)
        else:
            figure.legend(handles, names, loc="outside lower center", ncols=4)
        save(figure, stem)


def draw_colours(
    config: FiguresConfig,
    shards: ShardSet,
    band_flux: Array,
    pivot_aa: dict[str, float],
    catalogues: Sequence[clusters.Clusters],
    stem: Path,
) -> list[dict[str, Any]]:
    """Colour planes of the prior with real clusters on them.

    Returns
    -------
    list of dict
        For each catalogue and plane: how many clusters, and the share inside the prior's 99 % region.
    """
    planes = [p for p in clusters.PLANES if all(band in shards.band_names for pair in p for band in pair)]
    coverage = []
    with style(config):
        rows = -(-len(planes) // 2)
        figure, axes = plt.subplots(rows, 2, figsize=(config.width_inch, 3.1 * rows), squeeze=False)
        for axis, (ordinate, abscissa) in zip(axes.flat, planes, strict=False):
            x = clusters.vega_colour(band_flux, shards.band_names, pivot_aa, pair=abscissa)
            y = clusters.vega_colour(band_flux, shards.band_names, pivot_aa, pair=ordinate)
            region = clusters.dense_region(x, y)
            coverage += _draw_plane(axis, region, catalogues, ordinate, abscissa)
        for axis in axes.flat[len(planes) :]:
            axis.axis("off")
        save(figure, stem)
    return coverage


def _draw_plane(
    axis: Axes,
    region: clusters.Region,
    catalogues: Sequence[clusters.Clusters],
    ordinate: tuple[str, str],
    abscissa: tuple[str, str],
) -> list[dict[str, Any]]:
    coverage, text = [], []
    axis.pcolormesh(
        region.x_edges,
        region.y_edges,
        np.ma.masked_less(region.density.T, 0.02 * region.level),
        norm="log",
        cmap="Greys",
        rasterized=True,
        alpha=0.7,
    )
    centres = [0.5 * (e[1:] + e[:-1]) for e in (region.x_edges, region.y_edges)]
    axis.contour(*centres, region.density.T, levels=[region.level], colors=GREY, linewidths=1.2)
    for k, catalogue in enumerate(catalogues):
        if ordinate not in catalogue.colours or abscissa not in catalogue.colours:
            continue
        x, y = catalogue.colours[abscissa], catalogue.colours[ordinate]
        measured = np.isfinite(x) & np.isfinite(y)
        x, y = x[measured], y[measured]
        share = float(region.contains(x, y).mean())
        axis.plot(
            x,
            y,
            ".",
            ms=1.5 if x.size > 5000 else 2.5,
            alpha=0.25 if x.size > 5000 else 0.6,
            color=COLOURS[k],
        )
        text.append((f"{catalogue.name}: {100 * share:.1f} % of {x.size:,} inside", COLOURS[k]))
        coverage.append(
            {
                "catalogue": catalogue.name,
                "plane": f"{' - '.join(ordinate)} against {' - '.join(abscissa)}",
                "n": int(x.size),
                "share_inside_99_percent_region": share,
            }
        )
    for k, (line, colour) in enumerate(text):
        axis.text(0.02, 0.03 + 0.06 * k, line, transform=axis.transAxes, color=colour, fontsize="small")
    reach = [np.array([edges[0], edges[-1]]) for edges in (region.x_edges, region.y_edges)]
    for catalogue in catalogues:
        for k, pair in enumerate((abscissa, ordinate)):
            if abscissa in catalogue.colours and ordinate in catalogue.colours:
                ends = np.nanpercentile(catalogue.colours[pair], [0.5, 99.5])
                reach[k] = np.array([min(reach[k][0], ends[0]), max(reach[k][1], ends[1])])
    axis.set(
        xlabel=f"{' $-$ '.join(abscissa)} (Vega mag)",
        ylabel=f"{' $-$ '.join(ordinate)} (Vega mag)",
        xlim=tuple(reach[0]),
        ylim=tuple(reach[1][::-1]),
    )
    return coverage
