"""What each band brings, drawn: the change of error and interval width by band and quantity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sfhnet.config import FiguresConfig
from sfhnet.figures.style import COLOURS, GREY, drawn, save, style
from sfhnet.figures.validated_model import label
from sfhnet.validation.band_value import MEASURED

__all__ = ["plot_band_value"]

_KINDS = {"without": "taken away from all", "only": "given to the spectrum alone"}


def plot_band_value(result: Mapping[str, Any], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the change of error (filled) and of the width of the 68 % interval (open), by band.

    Parameters
    ----------
    result : mapping
        From `sfhnet.validation.band_value.band_value`.
    stem : Path
        Path of the figure without suffix.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    bands, rows = result["band_names"], result["rows"]
    snrs = list(dict.fromkeys(row["snr"] for row in rows))
    quantities = list(MEASURED)
    columns = 3
    with style(config):
        n_row = -(-len(quantities) // columns)
        size = (config.width_inch, 2 * n_row * (0.75 + 0.17 * len(bands)) + 0.7)
        figure, axes = plt.subplots(2 * n_row, columns, figsize=size, sharey=True, squeeze=False)
        for number, (kind, words) in enumerate(_KINDS.items()):
            for k, quantity in enumerate(quantities):
                axis = axes[number * n_row + k // columns, k % columns]
                axis.axvline(0, color=GREY, lw=0.8)
                for j, snr in enumerate(snrs):
                    own = [
                        next(
                            row
                            for row in rows
                            if (row["snr"], row["bands"], row["quantity"])
                            == (snr, f"{kind} {band}", quantity)
                        )
                        for band in bands
                    ]
                    place = np.arange(len(bands)) + 0.28 * (j - 0.5 * (len(snrs) - 1))
                    axis.errorbar(
                        [row["error_change"] for row in own],
                        place,
                        xerr=[row["error_change_err"] for row in own],
                        fmt="o",
                        ms=3.5,
                        lw=0.8,
                        color=COLOURS[j],
                        label=f"S/N {snr:g}: error",
                    )
                    axis.plot(
                        [row["width_change"] for row in own],
                        place,
                        "o",
                        ms=4.5,
                        mfc="none",
                        color=COLOURS[j],
                        label=f"S/N {snr:g}: width of the 68 % interval",
                    )
                axis.set_yticks(range(len(bands)), bands)
                axis.set_title(drawn(MEASURED[quantity]), fontsize=0.85 * config.font_size)
                axis.set_xlabel(f"change (%), {words}", fontsize=0.8 * config.font_size)
                axis.margins(x=0.12)
        for axis in axes.flat:
            if not axis.has_data():
                axis.axis("off")
        axes[0, 0].invert_yaxis()
        # A column for each S/N; as they come, what has error bars is behind.
        handles, labels = axes[0, 0].get_legend_handles_labels()
        order = sorted(range(len(labels)), key=labels.__getitem__)
        figure.legend(
            [handles[k] for k in order],
            [labels[k] for k in order],
            loc="outside lower center",
            ncols=len(snrs),
        )
        figure.suptitle(f"{label(result['model'])}: what each band brings, {result['galaxies']:,} mocks")
        return save(figure, stem)
