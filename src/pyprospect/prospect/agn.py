"""Spectra of active nuclei: tabulated templates, and interpolation in torus model grids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyprospect import tables
from pyprospect.arguments import checked
from pyprospect.numerics.interpolation import interp_quick

__all__ = ["AGNGrid", "AGNTemplate", "agn_grid_interp", "agn_template", "as_agn"]

# SKIRTOR tables are nu L_nu for 1e11 solar luminosities of 3.839e33 erg/s (ProSpect 1.11.0)
_SKIRTOR_ERG_S = 3.839e33 * 1e11


class AGNTemplate(NamedTuple):
    """Intrinsic spectrum of a nucleus: `Wave` [Angstrom] and `Aspec` [1/Angstrom], per unit luminosity."""

    Wave: NDArray[np.float64]
    Aspec: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AGNGrid:
    """Spectra of torus models on a grid of their parameters.

    Attributes
    ----------
    kind : {'Fritz', 'SKIRTOR'}
        Fritz et al. (2006): `Aspec` per Angstrom for unit luminosity. SKIRTOR (Stalevski et al. 2016):
        per unit of log wavelength for 1e11 Lsol of 3.839e33 erg/s.
    axes : mapping of str to ndarray
        Nodes per parameter, named as ProSpect's arguments without 'AGN' (ct, al, be, ta, rm, an, p, q), in
        the order of the axes of `Aspec`.
    Wave : ndarray, shape (n_wave,)
        Angstrom.
    Aspec : ndarray, shape (n_1, ..., n_k, n_wave)

    Raises
    ------
    ValueError
        If the shape of `Aspec` does not fit axes and wavelengths, or `kind` is unknown.
    """

    kind: str
    axes: Mapping[str, NDArray[np.float64]]
    Wave: NDArray[np.float64]
    Aspec: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.kind not in ("Fritz", "SKIRTOR"):
            raise ValueError(f"AGN grid of kind {self.kind!r} is unknown; use 'Fritz' or 'SKIRTOR'")
        expected = (*(np.size(v) for v in self.axes.values()), np.size(self.Wave))
        if np.shape(self.Aspec) != expected:
            raise ValueError(f"Aspec has shape {np.shape(self.Aspec)}; axes and Wave ask for {expected}")


def agn_template() -> AGNTemplate:
    """Return ProSpect's unobscured nucleus ``AGN_UnOb_Sparse`` (650 wavelengths, 100 Angstrom to 1 cm).

    Raises
    ------
    FileNotFoundError
        If the table is not there; the message says where to get it.
    """
    path = tables.find_table("AGN_UnOb_Sparse.tab")
    table = np.loadtxt(path, skiprows=1, ndmin=2)
    return AGNTemplate(table[:, 0], table[:, 1])


@checked
def agn_grid_interp(grid: AGNGrid, lum: float = 1e44, **parameters: float) -> AGNTemplate:
    """Interpolate linearly in a torus grid (ProSpect's ``Fritz_interp`` and ``SKIRTOR_interp``).

    Parameters
    ----------
    grid : AGNGrid
    lum : float
        Bolometric luminosity [erg/s].
    **parameters : float
        One value per axis of the grid; values beyond the nodes get the end node.

    Returns
    -------
    AGNTemplate
        erg/s/Angstrom.

    Raises
    ------
    ValueError
        If a parameter of the grid is missing or not a number.
    """
    missing = [name for name in grid.axes if not np.isfinite(parameters.get(name, np.nan))]
    if missing:
        raise ValueError(f"AGN parameters {missing} are missing or not numbers; give one value for each axis")
    places = []
    for name, nodes in grid.axes.items():
        at = interp_quick(parameters[name], nodes)
        places.append(((at.id_lo, at.wt_lo), (at.id_hi, at.wt_hi)))
    out = np.zeros(np.size(grid.Wave))
    for corner in product(*places):
        weight = float(np.prod([w for _, w in corner]))
        if weight:
            out += weight * grid.Aspec[tuple(i for i, _ in corner)]
    if grid.kind == "SKIRTOR":
        out = out / grid.Wave / _SKIRTOR_ERG_S
    return AGNTemplate(np.asarray(grid.Wave, dtype=float), out * lum)


def as_agn(AGN: Any) -> AGNTemplate | AGNGrid | None:
    """Return the template or grid that a caller means.

    Parameters
    ----------
    AGN : object
        None or False (no nucleus); True or 'AGN_UnOb_Sparse' (ProSpect's table); an `AGNTemplate` or
        `AGNGrid`; a mapping or data frame with ``Wave`` and ``Aspec``; a pair or (n, 2) array of these.

    Raises
    ------
    ValueError
        For anything else, or wavelengths that are not positive and ascending.
    """
    if AGN is None or AGN is False:
        return None
    if isinstance(AGN, AGNGrid):
        return AGN
    if AGN is True or (isinstance(AGN, str) and AGN == "AGN_UnOb_Sparse"):
        return agn_template()
    if isinstance(AGN, str):
        raise ValueError(f"AGN={AGN!r} is unknown; use 'AGN_UnOb_Sparse' or give wavelengths and spectrum")
    if isinstance(AGN, Mapping) or (hasattr(AGN, "columns") and hasattr(AGN, "to_numpy")):
        lower = {str(k).lower(): np.asarray(AGN[k], dtype=float) for k in AGN}
        if not {"wave", "aspec"} <= set(lower):
            raise ValueError(f"AGN has columns {sorted(lower)}; it needs Wave and Aspec")
        wave, spec = lower["wave"], lower["aspec"]
    elif isinstance(AGN, (tuple, list)) and len(AGN) == 2:
        wave, spec = np.asarray(AGN[0], dtype=float), np.asarray(AGN[1], dtype=float)
    else:
        table = np.asarray(AGN, dtype=float)
        if table.ndim != 2 or table.shape[1] != 2:
            raise ValueError(f"AGN of shape {table.shape} is not a template; give (n, 2): Wave, Aspec")
        wave, spec = table[:, 0], table[:, 1]
    if wave.ndim != 1 or wave.shape != spec.shape or not (wave[0] > 0 and np.all(np.diff(wave) > 0)):
        raise ValueError(
            f"AGN wavelengths {wave.shape} and spectrum {spec.shape} must be equal vectors, Wave ascending"
        )
    return AGNTemplate(wave, spec)
