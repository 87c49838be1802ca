"""Colours of real star clusters and of simulated galaxies, and how much of reality a prior covers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pyprospect.constants import C_KMS
from sfhnet.core.bands import PHANGS_HST, find_band

Array = NDArray[np.float64]

LEGUS_FILE = "hlsp_legus_hst_wfc3_ngc1566_multiband_v1_padagb-mwext-avgapcor.tab"
PLANES: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = (
    (("F336W", "F438W"), ("F555W", "F814W")),
    (("F438W", "F555W"), ("F555W", "F814W")),
    (("F275W", "F336W"), ("F336W", "F438W")),
    (("F275W", "F336W"), ("F438W", "F555W")),
)
"""Colour planes: (band, band) of the ordinate, then of the abscissa."""


@dataclass(frozen=True)
class Clusters:
    """Vega colours of a catalogue: ``colours[(blue, red)]`` in mag, NaN where not measured."""

    name: str
    colours: dict[tuple[str, str], Array]


def read_phangs(folder: str | Path) -> Clusters:
    """Read U-B, B-V, V-I of human-classified PHANGS-HST clusters (classes 1 to 3, detected in both bands).

    Parameters
    ----------
    folder : path
        Holds ``color_ub_hum.npy`` and so on (plain arrays).
    """
    folder = Path(folder)

    def load(name: str) -> np.ndarray:
        return np.load(folder / f"{name}_hum.npy", allow_pickle=False)

    real = np.isin(load("clcl_color"), (1, 2, 3))
    bands = {"u": "F336W", "b": "F438W", "v": "F555W", "i": "F814W"}
    colours = {}
    for pair in ("ub", "bv", "vi"):
        good = real & load(f"detect_{pair[0]}") & load(f"detect_{pair[1]}")
        colours[bands[pair[0]], bands[pair[1]]] = np.where(good, load(f"color_{pair}"), np.nan)
    return Clusters("PHANGS-HST clusters", colours)


def read_legus(path: str | Path) -> Clusters:
    """Read the LEGUS catalogue of NGC 1566: classes 1 to 3, measured to 0.3 mag (columns as in its description)."""
    table = np.loadtxt(path)
    magnitudes, errors = table[:, 5:15:2], table[:, 6:15:2]
    good = np.isin(table[:, 33], (1, 2, 3))[:, None] & (magnitudes < 40) & (errors < 0.3)
    magnitudes = np.where(good, magnitudes, np.nan)
    colours = {
        (PHANGS_HST[i], PHANGS_HST[j]): magnitudes[:, i] - magnitudes[:, j]
        for i in range(5)
        for j in range(i + 1, 5)
    }
    return Clusters("LEGUS NGC 1566 clusters", colours)


def vega_colour(
    band_flux: Array, band_names: tuple[str, ...], pivot_aa: dict[str, float], *, pair: tuple[str, str]
) -> Array:
    """Return the Vega colour of simulated galaxies.

    Parameters
    ----------
    band_flux : ndarray, shape (n, n_band)
        Photon-weighted mean f_lambda.
    band_names : tuple of str
    pivot_aa : dict of str to float
        Pivot wavelengths in Angstrom.
    pair : (str, str)
        Blue and red band.

    Returns
    -------
    ndarray, shape (n,)
        mag.
    """
    magnitude = []
    for name in pair:
        f_nu = band_flux[:, band_names.index(name)] * pivot_aa[name] ** 2 / C_KMS
        zero = find_band(name).ab_minus_vega_mag
        if zero is None:
            raise ValueError(f"the zero point of {name} in Vega magnitudes is not known")
        magnitude.append(-2.5 * np.log10(f_nu) - zero)
    return magnitude[0] - magnitude[1]


@dataclass(frozen=True)
class Region:
    """Smallest region of a plane that holds a share of a sample.

    x_edges, y_edges: (n + 1,); density: (n, n); level: cells at least as dense belong to the region.
    """

    x_edges: Array
    y_edges: Array
    density: Array
    level: float

    def contains(self, x: Array, y: Array) -> NDArray[np.bool_]:
        """Return whether points lie inside; points off the grid do not.

        Parameters
        ----------
        x, y : ndarray
            Colours in mag, of one shape.

        Returns
        -------
        ndarray of bool
            Of that shape.
        """
        i = np.searchsorted(self.x_edges, x, side="right") - 1
        j = np.searchsorted(self.y_edges, y, side="right") - 1
        n, m = self.density.shape
        on = (i >= 0) & (i < n) & (j >= 0) & (j < m)
        inside = np.zeros(np.shape(x), dtype=bool)
        inside[on] = self.density[i[on], j[on]] >= self.level
        return inside


def dense_region(x: Array, y: Array, *, share: float = 0.99, n: int = 120, smooth: float = 1.5) -> Region:
    """Find the densest region that holds a share of the points.

    Parameters
    ----------
    x, y : ndarray, shape (n_point,)
        Colours in mag.
    share : float
        Share of the points inside.
    n : int
        Cells of the histogram along each axis.
    smooth : float
        Gaussian sigma of its smoothing in cells.

    Returns
    -------
    Region
    """
    low, high = np.percentile([x, y], [0.05, 99.95], axis=1)
    margin = 0.15 * (high - low)
    x_edges, y_edges = (np.linspace(low[k] - margin[k], high[k] + margin[k], n + 1) for k in range(2))
    density = gaussian_filter(np.histogram2d(x, y, bins=(x_edges, y_edges))[0], smooth)
    ordered = np.sort(density.ravel())[::-1]
    level = ordered[np.searchsorted(np.cumsum(ordered), share * ordered.sum())]
    return Region(x_edges, y_edges, density, float(level))
