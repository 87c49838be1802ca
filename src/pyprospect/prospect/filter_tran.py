"""Transformations between bands from random galaxies: ProSpect's ``filterTranBands``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pyprospect.bands.magnitudes import Jansky2magAB
from pyprospect.bands.names import resolve
from pyprospect.bands.transformations import Transformation, filter_tran_mags
from pyprospect.prospect.sed import prospect_sed

__all__ = ["filter_tran_bands"]


def filter_tran_bands(
    filt_in: Any,
    filt_out: Any,
    *,
    speclib: Any,
    zrange: tuple[float, float] = (0.0, 0.5),
    n_sample: int = 1000,
    seed: int = 666,
    **options: Any,
) -> list[Transformation]:
    """Fit transformations on galaxies with random histories and redshifts.

    Parameters
    ----------
    filt_in, filt_out : object
        Bands in the order of wavelength, and the band wanted; as `pyprospect.bands.names.resolve` takes them.
    speclib : SSPLibrary
        R takes BC03lr.
    zrange : tuple of float
        Redshifts.
    n_sample, seed : int
        Galaxies: five rates between 0 and 1 Msol/yr in R's five bins of age.
    **options
        For `prospect_sed`.

    Returns
    -------
    list of Transformation
    """
    bands, wanted = resolve(filt_in), resolve(filt_out)
    if len(wanted) != 1:
        raise ValueError(f"filt_out has {len(wanted)} bands; give one")
    rng = np.random.default_rng(seed)
    rates = rng.random((n_sample, 5))
    redshift = rng.uniform(max(zrange[0], 1e-4), zrange[1], n_sample)
    every: Mapping[str, Any] = {f"{i}": band for i, band in enumerate([*bands, *wanted])}
    names = [f"m{k + 1}" for k in range(5)]
    rows: list[dict[str, Any]] = [dict(zip(names, row.tolist(), strict=True)) for row in rates]
    fluxes = [
        prospect_sed(
            massfunc="b5",
            **row,
            z=float(z),
            filters=every,
            speclib=speclib,
            returnall=False,
            **options,
        )
        for row, z in zip(rows, redshift, strict=True)
    ]
    mags = Jansky2magAB(np.array(fluxes, dtype=float))
    return filter_tran_mags({band.name: mags[:, i] for i, band in enumerate(bands)}, mags[:, -1])
