"""The learning curve: errors against draws and seconds, with the limits that they run to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from sfhnet.config import FiguresConfig
from sfhnet.figures.style import COLOURS, GREY, save, style
from sfhnet.figures.validated_model import label
from sfhnet.validation.learning_curve import curves_of

__all__ = ["plot_learning_curve"]

_BENCHMARKS = {None: "held out", "ideal": "ideal: Gaussian noise", "real": "real: all nuisances"}


def plot_learning_curve(points: Sequence[Mapping[str, Any]], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw loss and errors against draws; seconds are on the upper axis, limits are dotted.

    Parameters
    ----------
    points : sequence of mapping
        From `sfhnet.validation.learning_curve.learning_point`.
    stem : Path
        Path of the figure without suffix.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    curves = curves_of(points)
    titles = list(dict.fromkeys(curve["title"] for curve in curves))
    colours = dict(zip(_BENCHMARKS, (GREY, *COLOURS), strict=False))
    with style(config):
        figure, axes = plt.subplots(2, 2, figsize=(config.width_inch, 0.75 * config.width_inch))
        for axis, title in zip(axes.flat, titles, strict=True):
            for curve in (curve for curve in curves if curve["title"] == title):
                colour, limit = colours[curve["benchmark"]], curve["limit"]
                name = _BENCHMARKS[curve["benchmark"]] + ("" if limit is None else f", to {limit:.3f}")
                axis.plot(curve["draws"], curve["values"], "o-", ms=4, color=colour, label=name)
                if limit is not None:
                    axis.axhline(limit, color=colour, ls=":", lw=0.9)
            axis.set(xscale="log", title=title, xlabel="draws")
            axis.legend(fontsize=0.8 * config.font_size)
            rate = curves[0]["seconds"][-1] / curves[0]["draws"][-1]
            if rate > 0:
                above = axis.secondary_xaxis(
                    "top", functions=(lambda n, r=rate: n * r, lambda s, r=rate: s / r)
                )
                above.set_xlabel("seconds")
        figure.suptitle(f"{label(points[0]['model'])}: each point is a training of its own")
        return save(figure, stem)
