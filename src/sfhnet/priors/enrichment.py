"""Metallicity histories: metal mass fraction of the stars against the mass that has formed before them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sfhnet.config.prior_names import MONOTONE_KNOTS
from sfhnet.priors.age_cells import Array, cell_centres

Z_FLOOR = 1e-4


def formed_before(mass: Array) -> Array:
    """Return the share of the mass that had formed at the middle of each age cell, (n, n_cell) in [0, 1]."""
    older = np.cumsum(mass[:, ::-1], axis=1)[:, ::-1]
    return (older - 0.5 * mass) / older[:, :1]


def constant(mass: Array, edges_yr: Array, p: dict[str, Array]) -> Array:
    """Return one metallicity.

    Parameters
    ----------
    mass : ndarray, shape (n, n_cell)
        Mass formed in each cell.
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        ``z_final``.

    Returns
    -------
    ndarray, shape (n, n_cell)
        Metal mass fraction.
    """
    return np.repeat(p["z_final"][:, None], mass.shape[1], axis=1)


def linear(mass: Array, edges_yr: Array, p: dict[str, Array]) -> Array:
    """Return metallicities that are linear in formed mass (ProSpect's `Zfunc_massmap_lin`).

    Parameters
    ----------
    mass : ndarray, shape (n, n_cell)
        Mass formed in each cell.
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        ``log_z_start``, ``z_final``.

    Returns
    -------
    ndarray, shape (n, n_cell)
        Metal mass fraction.
    """
    start = np.minimum(10.0 ** p["log_z_start"], p["z_final"])[:, None]
    return start + formed_before(mass) * (p["z_final"][:, None] - start)


def closed_box(mass: Array, edges_yr: Array, p: dict[str, Array]) -> Array:
    """Return the metallicities of a closed box (ProSpect's `Zfunc_massmap_box`).

    Parameters
    ----------
    mass : ndarray, shape (n, n_cell)
        Mass formed in each cell.
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        ``log_z_start``, ``z_final``, ``metal_yield``.

    Returns
    -------
    ndarray, shape (n, n_cell)
        Metal mass fraction.
    """
    start = np.minimum(10.0 ** p["log_z_start"], p["z_final"])[:, None]
    used = -np.expm1(-(p["z_final"][:, None] - start) / p["metal_yield"][:, None])
    return start - p["metal_yield"][:, None] * np.log1p(-formed_before(mass) * used)


def diluted(mass: Array, edges_yr: Array, p: dict[str, Array]) -> Array:
    """Return the metallicities of a closed box whose gas is diluted once by metal-poor inflow and recovers.

    Parameters
    ----------
    mass : ndarray, shape (n, n_cell)
        Mass formed in each cell.
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        Of `closed_box`, and ``dilution_gyr`` (look-back), ``dilution_depth`` (share of Z lost at once),
        ``dilution_recovery_gyr``.

    Returns
    -------
    ndarray, shape (n, n_cell)
        Metal mass fraction.
    """
    box = closed_box(mass, edges_yr, p)
    since = p["dilution_gyr"][:, None] - cell_centres(edges_yr) / 1e9
    dip = p["dilution_depth"][:, None] * np.exp(-np.maximum(since, 0.0) / p["dilution_recovery_gyr"][:, None])
    return box * (1.0 - np.where(since >= 0, dip, 0.0))


def monotone(mass: Array, edges_yr: Array, p: dict[str, Array]) -> Array:
    """Return metallicities of any rise: log Z climbs by random shares between equal steps of formed mass.

    Parameters
    ----------
    mass : ndarray, shape (n, n_cell)
        Mass formed in each cell.
    edges_yr : ndarray, shape (n_cell + 1,)
        Edges of the age cells in yr.
    p : dict of ndarray, shape (n,)
        ``log_z_start``, ``z_final``, ``u_rise1...`` (uniform numbers that become the shares).

    Returns
    -------
    ndarray, shape (n, n_cell)
        Metal mass fraction.
    """
    start = np.minimum(p["log_z_start"], np.log10(p["z_final"]))
    raw = -np.log(
        np.clip(np.stack([p[f"u_rise{i + 1}"] for i in range(MONOTONE_KNOTS)], axis=1), 1e-12, 1 - 1e-12)
    )
    climbed = np.concatenate(
        [np.zeros((len(raw), 1)), np.cumsum(raw, axis=1) / raw.sum(axis=1, keepdims=True)], axis=1
    )
    position = np.clip(formed_before(mass), 0, 1) * MONOTONE_KNOTS
    index = np.minimum(position.astype(np.intp), MONOTONE_KNOTS - 1)
    low = np.take_along_axis(climbed, index, axis=1)
    high = np.take_along_axis(climbed, index + 1, axis=1)
    share = low + (position - index) * (high - low)
    return 10.0 ** (start[:, None] + share * (np.log10(p["z_final"]) - start)[:, None])


HISTORIES: dict[str, Callable[[Array, Array, dict[str, Array]], Array]] = {
    "constant": constant,
    "linear": linear,
    "closed_box": closed_box,
    "diluted": diluted,
    "monotone": monotone,
}
