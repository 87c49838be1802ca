"""Held-out galaxies, whole: spectrum and bands, true and recovered history and metallicity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from sfhnet.config import FiguresConfig
from sfhnet.core.bands import find_band
from sfhnet.core.quantities import INTERVALS, LEVELS
from sfhnet.figures.style import COLOURS, save, style
from sfhnet.figures.validated_model import Validation, label
from sfhnet.tools.hdf5 import open_h5
from sfhnet.validation.validate import SCHEMA, SCHEMA_VERSION

__all__ = ["plot_examples"]


def plot_examples(model: Validation, stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw held-out galaxies: spectrum and bands, true and recovered cumulative history and metallicity.

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
    with style(config), open_h5(model.h5, SCHEMA, SCHEMA_VERSION) as file:
        group, edges = file["examples"], file["age_edges_myr"][()]
        n = len(group["flux"])
        names = [str(name) for name in group.attrs["band_names"]]
        # The youngest bin starts at zero age: drawn from 3 Myr on the log axis.
        drawn = np.maximum(edges, 3.0)
        figure, axes = plt.subplots(
            n,
            3,
            figsize=(config.width_inch, 0.28 * n * config.width_inch),
            width_ratios=(1.6, 1, 1),
            squeeze=False,
        )
        for row in range(n):
            _draw_spectrum(axes[row, 0], group, row, names)
            _draw_cumulative(axes[row, 1], group, row, drawn)
            _draw_metallicity(axes[row, 2], group, row, drawn)
        for column, title in enumerate(("spectrum and band fluxes", "cumulative mass", "metallicity")):
            axes[0, column].set_title(title)
        axes[-1, 0].set_xlabel("rest wavelength [$\\mathrm{\\AA}$]")
        for column in (1, 2):
            axes[-1, column].set_xlabel("look-back time [Myr]")
        handles = [
            plt.Line2D([], [], color="k", label="true"),
            plt.Line2D([], [], color=COLOURS[1], label=f"recovered ({label(model.name)})"),
            plt.Rectangle((0, 0), 1, 1, color=COLOURS[1], alpha=0.35, lw=0, label="68 %"),
            plt.Rectangle((0, 0), 1, 1, color=COLOURS[1], alpha=0.15, lw=0, label="95 %"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        return save(figure, stem)


def _draw_spectrum(axis: Axes, group: h5py.Group, row: int, names: Sequence[str]) -> None:
    axis.plot(group["wave_aa"][()], group["flux"][row], color=COLOURS[0], lw=0.5, rasterized=True)
    axis.errorbar(
        [find_band(name).pivot_aa for name in names],
        group["band_flux"][row],
        group["band_sigma"][row],
        fmt="s",
        ms=4,
        color=COLOURS[1],
        mec="k",
        mew=0.5,
    )
    values = np.concatenate([group["band_flux"][row], np.nanquantile(group["flux"][row], [0.01, 0.995])])
    axis.set_ylim(0, 1.15 * np.nanmax(values))
    axis.set_ylabel(r"$f_\lambda\,/\,s$")


def _draw_cumulative(axis: Axes, group: h5py.Group, row: int, edges: np.ndarray) -> None:
    # Drawn as the share formed before each look-back time, so that it grows towards today, as in the paper.
    truth = 1 - np.concatenate([[0], np.cumsum(group["truth/mass_fraction"][row])])
    found = 1 - np.concatenate([[0], np.cumsum(group["mass_fraction"][row])])
    quantiles = 1 - np.concatenate([np.zeros((len(LEVELS), 1)), group["cum_mass_q"][row]], axis=1)
    for coverage, alpha in ((0.95, 0.15), (0.68, 0.25)):
        low, high = INTERVALS[coverage]
        axis.fill_between(edges, quantiles[high], quantiles[low], color=COLOURS[1], alpha=alpha, lw=0)
    axis.plot(edges, truth, color="k")
    axis.plot(edges, found, color=COLOURS[1])
    axis.set(xscale="log", xlim=(edges[-1], edges[0]), ylim=(-0.02, 1.02), ylabel="mass formed before")


def _draw_metallicity(axis: Axes, group: h5py.Group, row: int, edges: np.ndarray) -> None:
    quantiles = group["mh_q"][row]
    for coverage, alpha in ((0.95, 0.15), (0.68, 0.25)):
        low, high = INTERVALS[coverage]
        bounds = [np.append(quantiles[k], quantiles[k][-1]) for k in (low, high)]
        axis.fill_between(edges, bounds[0], bounds[1], step="post", color=COLOURS[1], alpha=alpha, lw=0)
    truth = group["truth/mh"][row]
    axis.step(edges, np.append(truth, truth[-1]), where="post", color="k")
    found = group["mh"][row]
    axis.step(edges, np.append(found, found[-1]), where="post", color=COLOURS[1])
    axis.set(xscale="log", xlim=(edges[-1], edges[0]), ylabel="[M/H] [dex]")
