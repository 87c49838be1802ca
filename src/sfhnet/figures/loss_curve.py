"""The loss curve of a training run, drawn live after each epoch and again from its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from sfhnet.config import FiguresConfig
from sfhnet.figures.style import COLOURS, GREY, save, style

__all__ = ["plot_history"]


def plot_history(
    history: Sequence[Mapping[str, float]], stem: Path, model: str, *, config: FiguresConfig
) -> list[Path]:
    """Draw training and held-out loss, and the held-out terms, against epoch.

    Parameters
    ----------
    history : sequence of mapping
        Rows of ``history.csv``.
    stem : Path
        Path of the figure without suffix.
    model : str
        Name for the title.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    # A second stage has a loss of its own, drawn among the terms.
    first = [row for row in history if not row.get("stage")] or list(history)
    held = [row["held_out_total"] for row in first]
    epoch = [row["epoch"] for row in first]
    with style(config):
        figure, (left, right) = plt.subplots(1, 2, figsize=(config.width_inch, 0.38 * config.width_inch))
        left.plot(epoch, [row["train"] for row in first], color=GREY, label="training (last weights)")
        left.plot(epoch, held, color=COLOURS[0], label="held out (averaged weights)")
        best = min(range(len(held)), key=held.__getitem__)
        left.plot(epoch[best], held[best], "o", color=COLOURS[1], ms=4, label=f"best: {held[best]:.4f}")
        left.set(xlabel="epoch", ylabel="loss", yscale="log", title=model.replace("_", " "))
        left.legend()
        names = [name for name in history[0] if name.startswith("held_out_") and not name.endswith("total")]
        for colour, name in zip(COLOURS, names, strict=False):
            start = history[0][name] or 1.0
            right.plot(
                [row["epoch"] for row in history],
                [row[name] / start for row in history],
                color=colour,
                label=name[9:].replace("_", " "),
            )
        right.set(xlabel="epoch", ylabel="held-out term over its first value", title="terms of the loss")
        right.legend(ncols=2)
        return save(figure, stem)
