"""True values of the bins of a simulated galaxy."""

from __future__ import annotations

import os

import numpy as np

from sfhnet.core.quantities import OF_BINS
from sfhnet.observation.fits_files import open_fits


def truth_in_bins(
    path: str | os.PathLike, bin_map: np.ndarray, n_bins: int, *, galaxy: str
) -> dict[str, np.ndarray]:
    """Return the true values of bins of a simulated galaxy.

    Parameters
    ----------
    path : path
        ``truth.fits``.
    bin_map : ndarray of int, shape (ny, nx)
        Bin of each spaxel, -1 outside.
    n_bins : int
        Number of bins.
    galaxy : str
        Name for messages.

    Returns
    -------
    dict
        ``mass_formed`` (n,) Msun; ``mass_fraction``, ``mh`` (n, n_age), NaN where no mass formed; ``mw_log_age``,
        ``mw_mh``, ``lw_log_age``, ``lw_mh`` (n,), weighted with the mass formed or the dust-free V light; ``a_v`` (n,)
        effective V attenuation in mag; ``log_sfr10``, ``log_sfr100`` (n,) log10 Msun/yr, where the age bins have edges at
        10 and 100 Myr; ``velocity_kms`` (n,).

    Raises
    ------
    ValueError
        If the file is damaged, or the truth has another size than the bin map.
    """
    inside = bin_map >= 0
    labels = bin_map[inside]

    def total(layer: np.ndarray) -> np.ndarray:
        return np.bincount(labels, weights=layer[inside], minlength=n_bins)

    with open_fits(path, galaxy) as hdus:
        layers = {hdu.name: np.asarray(hdu.data, dtype=float) for hdu in hdus[1:] if hdu.is_image}
        edges_yr = np.asarray(hdus["AGES"].data["AGE_EDGES"], dtype=float)
    if layers["VELOCITY"].shape != bin_map.shape:
        raise ValueError(
            f"{galaxy}: {path} has maps of {layers['VELOCITY'].shape}, the cube has {bin_map.shape}"
        )
    mass = np.array([total(layer) for layer in layers["MASS_FORMED"]])
    metals = np.array([total(layer) for layer in layers["MASS_X_MH"]])
    single = {name: total(layer) for name, layer in layers.items() if layer.ndim == 2}
    formed, light = mass.sum(axis=0), single["V_CLEAR"]
    area = np.bincount(labels, minlength=n_bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        truth = {
            "mass_formed": formed,
            "mass_fraction": (mass / formed).T,
            "mh": (metals / mass).T,
            "mw_log_age": single["MASS_X_LOGAGE"] / formed,
            "mw_mh": metals.sum(axis=0) / formed,
            "lw_log_age": single["VLIGHT_X_LOGAGE"] / light,
            "lw_mh": single["VLIGHT_X_MH"] / light,
            "a_v": -2.5 * np.log10(single["V_DUSTY"] / light),
            "velocity_kms": single["VELOCITY"] / area,
        }
        for name, quantity in OF_BINS.items():
            if quantity.window_yr is None:
                continue
            last = np.flatnonzero(np.isclose(edges_yr, quantity.window_yr))
            if last.size:
                truth[name] = np.log10(mass[: last[0]].sum(axis=0) / quantity.window_yr)
    return truth
