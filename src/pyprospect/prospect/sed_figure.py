"""A picture of an SED by component, as R's ``plot`` of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyprospect.extras import require
from pyprospect.prospect.sed import ProSpectSED

__all__ = ["plot_components"]

_PARTS = (
    ("FinalLum", "total", "black", "-", 2.5),
    ("StarsUnAtten", "stars without dust", "#3b6ea8", "--", 1.0),
    ("StarsAtten", "stars behind dust", "#2f7d4f", "-", 1.0),
    ("DustEmit", "dust", "#8a5a2b", "-", 1.0),
    ("AGN", "nucleus", "#7a4fa3", "-", 1.0),
)


def plot_components(sed: ProSpectSED, xlim: tuple[float, float] = (1e3, 1e7)) -> Any:
    """Return a figure of the luminosities of a galaxy's parts, and of its history.

    Parameters
    ----------
    sed : ProSpectSED
    xlim : tuple of float
        Rest wavelengths [Angstrom].

    Returns
    -------
    matplotlib.figure.Figure
    """
    require("matplotlib", "a figure of an SED")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(3, 1.4))
    highest = 0.0
    for name, label, colour, style, width in _PARTS:
        part = getattr(sed, name)
        if part is None:
            continue
        wave, lum = np.asarray(part.wave), np.asarray(part.lum)
        top.loglog(wave, lum, color=colour, ls=style, lw=width, label=label)
        highest = max(highest, float(lum[(wave >= xlim[0]) & (wave <= xlim[1])].max()))
    top.set_xlim(xlim)
    top.set_ylim(1e-6 * highest, 3 * highest)
    top.set_xlabel("rest wavelength [Angstrom]")
    top.set_ylabel("luminosity [Lsol/Angstrom]")
    top.legend(frameon=False, fontsize=8)
    if sed.Stars is not None and hasattr(sed.Stars, "SFR"):
        bottom.plot(sed.Stars.agevec / 1e9, sed.Stars.SFR, color="black")
        bottom.set_xlabel("look-back time [Gyr]")
        bottom.set_ylabel("SFR [Msol/yr]")
        metals = bottom.twinx()
        metals.plot(sed.Stars.agevec / 1e9, sed.Stars.Zvec, color="#b5422c", lw=1)
        metals.set_ylabel("Z", color="#b5422c")
    return figure
