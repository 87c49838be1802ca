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
from sfhnet.figures.prior_colours import break_colour, draw_colours
from sfhnet.figures.style import COLOURS, drawn, save, style
from sfhnet.priors.cluster_colours import Clusters
from sfhnet.priors.sample import PriorSample

if TYPE_CHECKING:
    from sfhnet.config import FiguresConfig
    from sfhnet.mocks.shard_set import ShardSet

Array = NDArray[np.float64]

FIGURES = ("prior_histories", "prior_labels", "prior_colours")
# Galaxies of the shards that are drawn, at most.
_MOST = 20000
# Index: feature and continuum windows in Angstrom (Worthey et al. 1994; Cenarro et al. 2001 for the Ca triplet)
_INDICES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "H$\\beta$": ((4847.9, 4876.6), (4827.9, 4847.9), (4876.6, 4891.6)),
    "Mg b": ((5160.1, 5192.6), (5117.7, 5142.7), (5191.4, 5206.4)),
    "Fe 5270": ((5245.7, 5285.7), (5233.2, 5248.2), (5285.7, 5318.2)),
    "H$\\alpha$": ((6540.0, 6590.0), (6500.0, 6530.0), (6600.0, 6630.0)),
    "Ca 8542": ((8522.0, 8562.0), (8474.0, 8484.0), (8563.0, 8577.0)),
}


def equivalent_width_aa(wave_aa: Array, flux: NDArray[np.float32], index: str) -> Array:
    """Return the equivalent width of a line index, absorption positive.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Rest-frame air wavelengths in Angstrom, evenly spaced.
    flux : ndarray, shape (n, n_wave)
        f_lambda, in any unit.
    index : str
        One of `_INDICES`.

    Returns
    -------
    ndarray, shape (n,)
        Angstrom.
    """
    feature, blue, red = _INDICES[index]

    def mean(window: tuple[float, float]) -> Array:
        return flux[:, (wave_aa >= window[0]) & (wave_aa <= window[1])].mean(axis=1, dtype=float)

    inside = (wave_aa >= feature[0]) & (wave_aa <= feature[1])
    low, high = np.mean(blue), np.mean(red)
    share = (wave_aa[inside] - low) / (high - low)
    continuum = mean(blue)[:, None] * (1 - share) + mean(red)[:, None] * share
    return (1 - flux[:, inside] / continuum).sum(axis=1) * (wave_aa[1] - wave_aa[0])


def draw_histories(config: FiguresConfig, drawn: PriorSample, stem: Path, *, n_example: int = 6) -> None:
    """Draw example histories of each family: star-formation rate above, metallicity below (the paper's Fig. 3).

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
    config: FiguresConfig,
    batch: dict[str, Any],
    wave_aa: Array,
    *,
    break_mag: tuple[str, Array] | None,
    stem: Path,
) -> None:
    """Draw distributions of ages, metallicities, dust, rates, indices and the break colour, by family.

    Parameters
    ----------
    config : FiguresConfig
    batch : dict
        From `ShardSet.batch`.
    wave_aa : ndarray
    break_mag : (str, ndarray (n,)), optional
        Name and values of a colour over the break at 4000 Angstrom, for which the grid may start too far red.
    stem : Path
    """
    labels, halpha = batch["labels"], "H$\\alpha$"
    # Those that the grid holds: it may end before the calcium triplet.
    width = {
        name: equivalent_width_aa(wave_aa, batch["flux"], name)
        for name, windows in _INDICES.items()
        if np.min(windows) >= wave_aa[0] and np.max(windows) <= wave_aa[-1]
    }
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
        *([] if break_mag is None else [(*break_mag, (-0.8, 3))]),
        *(
            (f"{n} ($\\rm\\AA$)", width[n], (-30, 10) if n == "H$\\beta$" else None)
            for n in width
            if n != halpha
        ),
    ]
    if halpha in width:
        emission = np.log10(np.maximum(-width[halpha], 0.1))
        panels.append((f"log {halpha} emission ($\\rm\\AA$)", emission, (-1.05, 3.7)))
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


def draw_prior(
    config: FiguresConfig,
    shards: ShardSet,
    histories: PriorSample,
    *,
    catalogues: Sequence[Clusters],
    out_dir: Path,
) -> dict[str, Any]:
    """Draw all `FIGURES` of the prior.

    Parameters
    ----------
    config : FiguresConfig
        Look.
    shards : ShardSet
        Galaxies whose labels and colours are drawn, the first 20,000.
    histories : PriorSample
        Galaxies whose histories are drawn.
    catalogues : sequence of Clusters
        Real clusters beside them.
    out_dir : Path
        Folder of the figures; made if need be.

    Returns
    -------
    dict
        ``coverage``, the rows of `draw_colours`, and ``galaxies``, how many were drawn.
    """
    batch = shards.batch(np.arange(min(shards.n, _MOST)))
    out_dir.mkdir(parents=True, exist_ok=True)
    of_histories, of_labels, of_colours = (out_dir / name for name in FIGURES)
    draw_histories(config, histories, of_histories)
    draw_labels(
        config,
        batch,
        shards.wave_aa,
        break_mag=break_colour(batch["band_flux"], shards.band_names),
        stem=of_labels,
    )
    coverage = draw_colours(
        config,
        batch["band_flux"],
        shards.band_names,
        catalogues=catalogues,
        stem=of_colours,
    )
    return {"coverage": coverage, "galaxies": len(batch["family"])}
