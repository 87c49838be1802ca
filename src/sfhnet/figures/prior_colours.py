"""Colour planes of the prior beside real star clusters, and how much of these it covers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from sfhnet.core.bands import find_band
from sfhnet.figures.style import COLOURS, GREY, save, style
from sfhnet.priors import cluster_colours as clusters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sfhnet.config import FiguresConfig

Array = NDArray[np.float64]


def break_colour(band_flux: Array, band_names: tuple[str, ...]) -> tuple[str, Array] | None:
    """Return the colour of simulated galaxies over the break at 4000 Angstrom, in the bands that are nearest to it.

    Parameters
    ----------
    band_flux : ndarray, shape (n, n_band)
        Photon-weighted mean f_lambda.
    band_names : tuple of str
        Bands of the columns.

    Returns
    -------
    str, ndarray, shape (n,)
        Name of the colour, and AB mag; None without a band on each side.
    """
    pivot_aa = _pivots(band_names)
    below = [name for name in band_names if 3000 < pivot_aa[name] < 3900]
    above = [name for name in band_names if 4200 < pivot_aa[name] < 5500]
    if not below or not above:
        return None
    pair = max(below, key=pivot_aa.__getitem__), min(above, key=pivot_aa.__getitem__)
    blue, red = (band_flux[:, band_names.index(name)] * pivot_aa[name] ** 2 for name in pair)
    return f"{pair[0]} $-$ {pair[1]} (AB mag)", -2.5 * np.log10(blue / red)


def _pivots(band_names: Sequence[str]) -> dict[str, float]:
    return {name: find_band(name).pivot_aa for name in band_names}


def draw_colours(
    config: FiguresConfig,
    band_flux: Array,
    band_names: tuple[str, ...],
    *,
    catalogues: Sequence[clusters.Clusters],
    stem: Path,
) -> list[dict[str, Any]]:
    """Draw colour planes of the prior with real clusters on them.

    Parameters
    ----------
    config : FiguresConfig
        Look.
    band_flux : ndarray, shape (n, n_band)
        Photon-weighted mean f_lambda of the galaxies.
    band_names : tuple of str
        Bands of the columns; planes of other bands are left out.
    catalogues : sequence of Clusters
        Real clusters.
    stem : Path
        Output without suffix.

    Returns
    -------
    list of dict
        For each catalogue and plane: how many clusters, and the share inside the prior's 99 % region.
    """
    planes = [p for p in clusters.PLANES if all(band in band_names for pair in p for band in pair)]
    pivot_aa = _pivots(band_names)
    coverage = []
    with style(config):
        rows = max(1, -(-len(planes) // 2))
        figure, axes = plt.subplots(rows, 2, figsize=(config.width_inch, 3.1 * rows), squeeze=False)
        for axis, (ordinate, abscissa) in zip(axes.flat, planes, strict=False):
            x = clusters.vega_colour(band_flux, band_names, pivot_aa, pair=abscissa)
            y = clusters.vega_colour(band_flux, band_names, pivot_aa, pair=ordinate)
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
