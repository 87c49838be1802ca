"""What dust absorbs and emits again, folded: the power in a few columns, its light in the bands in a small table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyprospect.bands.curve import Filter
from pyprospect.dust.emission import DaleTemplates, dale_interp
from pyprospect.fast.folding import band_quadrature, chebyshev_nodes, lagrange_matrix

__all__ = ["BandsOfDust", "PowerNodes", "light_in_bands"]

Array = NDArray[np.float64]

# Stretches of equal length in log wavelength, and nodes in each: at optical depths of up to 5 the absorbed power is right
# to 1e-3.
_N_STRETCH, _N_NODE = 12, 5

_DARK_BELOW_AA = 1e4


class PowerNodes:
    """Wavelengths at which dust curves are computed to integrate what they absorb, and the weights of pixels and lines.

    Parameters
    ----------
    native_aa : ndarray, shape (n,)
        Wavelengths of the library, Angstrom.
    """

    def __init__(self, native_aa: Array) -> None:
        edges = np.geomspace(native_aa[0], native_aa[-1], _N_STRETCH + 1)
        self._edges = edges
        self._native = native_aa
        self.wave_aa = np.concatenate([chebyshev_nodes(low, high, _N_NODE) for low, high in pairwise(edges)])

    def at(self, points_aa: Array) -> Array:
        """Return the weights (n_point, n_node) of unit power at wavelengths in Angstrom; beyond the ends, of the ends."""
        points = np.clip(points_aa, self._edges[0], self._edges[-1])
        stretch = np.clip(np.searchsorted(self._edges, points, side="right") - 1, 0, _N_STRETCH - 1)
        result = np.zeros((points.size, self.wave_aa.size))
        for k in range(_N_STRETCH):
            mine = np.flatnonzero(stretch == k)
            columns = slice(k * _N_NODE, (k + 1) * _N_NODE)
            if mine.size:
                nodes = np.log(self.wave_aa[columns])
                result[mine, columns] = lagrange_matrix(nodes, np.log(points[mine])).T
        return result

    def of_spectra(self) -> Array:
        """Return the weights (n_native, n_node) that turn spectra per Angstrom into power at the nodes."""
        step = np.diff(self._native)
        width = 0.5 * (np.append(step, 0.0) + np.insert(step, 0, 0.0))  # trapezoidal rule
        return width[:, None] * self.at(self._native)


class BandsOfDust(NamedTuple):
    """Light of dust that absorbed unit power: alpha_sf (n_alpha,), and light (n_alpha, n_redshift, n_band), 1/Angstrom."""

    alpha_sf: Array
    light: Array


def light_in_bands(
    templates: DaleTemplates, bands: Mapping[str, Any], redshift: Sequence[float]
) -> BandsOfDust:
    """Return the photon-weighted mean of the templates of Dale et al. (2014) in bands.

    Parameters
    ----------
    templates : DaleTemplates
        Of unit power ('NormTot').
    bands : mapping of str to (wave_aa, response) or objects with these attributes
        As of `pyprospect.fast.folded_library.FoldedLibrary`.
    redshift : sequence of float
        The bands see the rest wavelengths over 1 + z.

    Returns
    -------
    BandsOfDust
        Without a nucleus. Bands whose pivot is below 1 um see nothing of dust, as spectra do: the tables go on there, with up
        to 1 % of the starlight of young galaxies, but nothing that starlight heats shines.

    Raises
    ------
    ValueError
        If the templates are of another normalisation.
    """
    if templates.kind != "NormTot":
        raise ValueError(f"templates are {templates.kind!r}; give those of unit power, 'NormTot'")
    fine = [dale_interp(float(alpha), Dale=templates, refine=True) for alpha in templates.alpha_SF]
    light = np.zeros((len(fine), len(redshift), len(bands)))
    # Dark before the first wavelength, so that every band is covered.
    first = fine[0].Wave[0]
    wave = np.concatenate([[100.0, first * (1 - 1e-9)], fine[0].Wave])
    for column, (name, band) in enumerate(bands.items()):
        band_wave, response = band if isinstance(band, tuple) else (band.wave_aa, band.response)
        if Filter(name, band_wave, response).pivot_aa < _DARK_BELOW_AA:
            continue
        for row, z in enumerate(redshift):
            points, weight = band_quadrature(wave, band_wave, response, name=name, redshift=z)
            for k, template in enumerate(fine):
                light[k, row, column] = np.interp(points, template.Wave, template.Aspec, left=0.0) @ weight
    return BandsOfDust(np.asarray(templates.alpha_SF, dtype=float), light)
