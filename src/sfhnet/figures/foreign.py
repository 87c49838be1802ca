"""Figure of networks on galaxies that no training knew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sfhnet.config import FiguresConfig
from sfhnet.figures.style import COLOURS, GREY, save, style

__all__ = ["plot_foreign"]


def plot_foreign(measured: Sequence[Mapping[str, Any]], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw error, age bias and coverage of every network on every set of foreign mocks.

    Parameters
    ----------
    measured : sequence of mapping
        From `sfhnet.foreign.measure.measure_foreign`, one a network.
    stem : Path
        Path without suffix.
    config : FiguresConfig
        Size and look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    cases = list(dict.fromkeys(name for one in measured for name in one["mocks"]))
    with style(config):
        figure, axes = plt.subplots(
            1, 3, figsize=(config.width_inch, 0.7 + 0.26 * len(cases)), sharey=True, layout="constrained"
        )
        rows = np.arange(len(cases))[::-1]
        for number, one in enumerate(measured):
            there = [k for k, name in enumerate(cases) if name in one["mocks"]]
            at = rows[there] + 0.12 * (0.5 * (len(measured) - 1) - number)
            scores = [one["mocks"][cases[k]]["all"] for k in there]
            colour = COLOURS[number % len(COLOURS)]
            axes[0].plot([s["cum_mae"] for s in scores], at, "o", color=colour, label=one["model"])
            axes[1].plot([s["lw_log_age_bias"] for s in scores], at, "o", color=colour)
            axes[2].plot([s["lw_log_age_coverage68"] for s in scores], at, "o", color=colour)
            axes[2].plot(
                [s["mw_log_age_coverage68"] for s in scores], at, "o", color=colour, fillstyle="none"
            )
        axes[0].set_yticks(rows, [name.replace("_", " ") for name in cases])
        axes[0].set(xlabel="error of cumulative mass", xlim=(0, None))
        axes[1].set_xlabel("bias of lw log age [dex]")
        axes[1].axvline(0, color=GREY, lw=0.8, zorder=0)
        axes[2].set(xlabel="coverage of 68 %", xlim=(0, 1))
        axes[2].axvline(0.68, color=GREY, lw=0.8, zorder=0)
        axes[0].legend()
        return save(figure, stem)
