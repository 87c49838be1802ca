"""The look of every figure: colours that all readers can tell apart, sizes, and saving as PDF and PNG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from sfhnet.config import FiguresConfig
from sfhnet.io import atomic_write

__all__ = ["COLOURS", "GREY", "save", "style"]

# Okabe & Ito (2008): distinct for all common forms of colour blindness.
COLOURS: tuple[str, ...] = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#7f7f7f"


@contextmanager
def style(config: FiguresConfig) -> Iterator[None]:
    """Draw within this look; nothing outside the block changes."""
    settings = {
        "font.size": config.font_size,
        "axes.titlesize": config.font_size,
        "axes.labelsize": config.font_size,
        "legend.fontsize": 0.9 * config.font_size,
        "xtick.labelsize": 0.9 * config.font_size,
        "ytick.labelsize": 0.9 * config.font_size,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "lines.linewidth": 1.3,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "pdf.fonttype": 42,
        "savefig.dpi": config.dpi,
        "axes.prop_cycle": mpl.cycler(color=COLOURS),
    }
    with mpl.rc_context(settings):
        yield


def save(figure: Figure, stem: Path) -> list[Path]:
    """Save as ``stem.pdf`` and ``stem.png`` without dates, so that equal figures are equal files; then close.

    Parameters
    ----------
    figure : Figure
        What to save.
    stem : Path
        Path without suffix.
    """
    paths = []
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        path = stem.with_name(stem.name + suffix)
        with atomic_write(path) as partial:
            figure.savefig(partial, metadata=metadata)
        paths.append(path)
    plt.close(figure)
    return paths
