"""Maps of a galaxy's bins: a value, the worst flag, scale and compass."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from sfhnet.core.flags import QUALITY, quality
from sfhnet.core.geometry import arcsec_kpc
from sfhnet.core.spectra import Spectra
from sfhnet.figures.style import BAD, COLOURS
from sfhnet.products.maps import to_map

__all__ = ["draw_map", "dress", "quality_map", "scale_and_compass"]


def draw_map(
    axes: Axes,
    spectra: Spectra,
    values: np.ndarray,
    *,
    title: str,
    colours: str,
    limits: tuple[float, float] | None = None,
    symmetric: bool = False,
) -> None:
    """Draw one value a bin as a map, with its colour bar.

    Parameters
    ----------
    axes : Axes
        Where.
    spectra : Spectra
        Holds the map of bins.
    values : ndarray (n,)
        NaN is left blank.
    title, colours : str
        Title with unit; name of the colour map.
    limits : (float, float), optional
        Of the colours; the middle 98 % of the values by default.
    symmetric : bool
        About zero.
    """
    finite = values[np.isfinite(values)]
    if limits is None and finite.size:
        limits = tuple(np.percentile(finite, [1, 99]))
        if symmetric:
            limits = (-max(map(abs, limits)), max(map(abs, limits)))
        if limits[0] == limits[1]:
            limits = (limits[0] - 0.05, limits[1] + 0.05)
    low, high = limits or (0.0, 1.0)
    image = to_map(spectra.bin_map, values)
    shown = axes.imshow(image, origin="lower", cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    dress(axes, shown, title)


def dress(axes: Axes, shown: Any, title: str) -> None:
    """Take the ticks from a map, and give it a title and a colour bar.

    Parameters
    ----------
    axes : Axes
        Of the map.
    shown : mappable or None
        The image; no colour bar for None.
    title : str
        Title with unit.
    """
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.set_title(title, fontsize=9)
    axes.set_facecolor("#F0F0F0")
    if shown is not None:
        axes.figure.colorbar(shown, ax=axes, shrink=0.85, pad=0.02)


def quality_map(axes: Axes, spectra: Spectra, table: QTable) -> None:
    """Draw the worst flag of each bin.

    Parameters
    ----------
    axes : Axes
        Where.
    spectra : Spectra
        Holds the map of bins.
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    """
    level = quality(np.asarray(table["flags"]))
    colours = ["#1B7837", "#FEE08B", "#F46D43", BAD]
    words = [word for word, _ in QUALITY]
    cmap = ListedColormap(colours)
    axes.imshow(
        to_map(spectra.bin_map, level),
        origin="lower",
        cmap=cmap,
        vmin=-0.5,
        vmax=3.5,
        interpolation="nearest",
    )
    dress(axes, None, "quality (worst flag of each bin)")
    handles = [
        Patch(color=colour, label=f"{word}: {int((level == value).sum())}")
        for value, (colour, word) in enumerate(zip(colours, words, strict=True))
    ]
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, -0.02), ncol=2, fontsize=7, handlelength=1
    )


def scale_and_compass(axes: Axes, spectra: Spectra) -> None:
    """Draw a bar of a round length in kpc, and where north and east are, on a map.

    Parameters
    ----------
    axes : Axes
        Of a map in pixels of the cube.
    spectra : Spectra
        Holds world coordinates and distance.
    """
    wcs = WCS(fits.Header.fromstring(spectra.wcs_header))
    ny, nx = spectra.bin_map.shape
    pixel = float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2)))
    kpc = arcsec_kpc(spectra)
    wanted = 0.3 * nx * pixel * kpc
    nice = max(
        value for e in range(-4, 4) for value in (10.0**e, 2 * 10.0**e, 5 * 10.0**e) if value <= wanted
    )
    length = nice / kpc / pixel
    x, y = 0.06 * nx, 0.06 * ny
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    ink: dict[str, Any] = {"color": COLOURS[1], "fontsize": 8, "path_effects": halo}
    axes.plot(
        [x, x + length], [y, y], color=COLOURS[1], linewidth=2.5, solid_capstyle="butt", path_effects=halo
    )
    axes.text(x, y + 0.02 * ny, f"{nice:g} kpc = {nice / kpc:.3g} arcsec", va="bottom", **ink)
    centre = wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2)
    x0, y0 = 0.86 * nx, 0.80 * ny
    arrow = {"arrowstyle": "->", "color": COLOURS[1], "lw": 1.2, "path_effects": halo}
    for label, bearing in (("N", 0), ("E", 90)):
        away = centre.directional_offset_by(bearing * u.deg, 5 * pixel * u.arcsec)
        step = np.array(wcs.world_to_pixel(away)) - [(nx - 1) / 2, (ny - 1) / 2]
        dx, dy = step / np.hypot(*step) * 0.11 * ny
        axes.annotate("", (x0 + dx, y0 + dy), (x0, y0), arrowprops=arrow)
        axes.text(x0 + 1.35 * dx, y0 + 1.35 * dy, label, ha="center", va="center", **ink)
    axes.set_xlim(-0.5, nx - 0.5)
    axes.set_ylim(-0.5, ny - 0.5)
