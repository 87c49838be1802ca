"""The look of every figure: colours that all readers can tell apart, sizes, and saving as PDF and PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from sfhnet.config import FiguresConfig
from sfhnet.core.quantities import SCALARS
from sfhnet.tools.hdf5 import atomic_write

__all__ = ["BAD", "COLOURS", "GREY", "drawn", "save", "scatter_panel", "style"]

# Okabe & Ito (2008): distinct for all common forms of colour blindness.
COLOURS: tuple[str, ...] = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#7f7f7f"
# What must not be overlooked.
BAD = "#B2182B"

# Titles and units of `sfhnet.core.quantities` are plain text, for files and pages alike.
_SYMBOLS = {"A_V": "$A_V$", "Msun": "M$_\\odot$", "kpc2": "kpc$^2$"}


def drawn(text: str) -> str:
    """Return a title or unit with its symbols as figures write them."""
    for plain, symbol in _SYMBOLS.items():
        text = text.replace(plain, symbol)
    return text


def scatter_panel(name: str) -> tuple[str, Callable[[dict], float]]:
    """Return the title of a panel with the scatter of a scalar, and what picks it from metrics."""
    unit = SCALARS[name].unit
    unit = "dex" if unit.startswith("log10") else unit
    return drawn(f"{SCALARS[name].title}:\nscatter [{unit}]"), lambda m: m["scalars"][name]["scatter"]


@contextmanager
def style(config: FiguresConfig) -> Iterator[None]:
    """Draw within this look; nothing outside the block changes."""
    # A literal in the call, so that the type checker knows the names of the settings.
    with mpl.rc_context(
        {
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
            "axes.prop_cycle": cycler(color=COLOURS),
        }
    ):
        yield


def save(figure: Figure, stem: Path) -> list[Path]:
    """Save as ``stem.pdf`` and ``stem.png`` without dates, so that equal figures are equal files; then close.

    Parameters
    ----------
    figure : Figure
        What to save.
    stem : Path
        Path without suffix.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    paths = []
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        path = stem.with_name(stem.name + suffix)
        with atomic_write(path) as partial:
            figure.savefig(partial, metadata=metadata)
        paths.append(path)
    plt.close(figure)
    return paths
