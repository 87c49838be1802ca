"""From magnitudes in some bands to those in another: ProSpect's ``filterTranMags``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Transformation", "filter_tran_mags"]


class Transformation(NamedTuple):
    """magnitude = magnitude in `band` + alpha (blue - red) + beta, to within sigma [mag]."""

    band: str
    blue: str
    red: str
    alpha: float
    beta: float
    sigma: float

    def __str__(self) -> str:
        return f"{self.band} + {self.alpha:.4g} ({self.blue} - {self.red}) + {self.beta:.4g} +/- {self.sigma:.2g}"


def filter_tran_mags(
    mag_in: Mapping[str, ArrayLike] | ArrayLike, mag_out: ArrayLike, best: str = "all"
) -> list[Transformation]:
    """Fit transformations of magnitudes, one for each band and its neighbour.

    Parameters
    ----------
    mag_in : mapping of str to array_like (n,), or array_like (n,)
        Magnitudes of n objects in bands in the order of wavelength; one band gives a mean difference only.
    mag_out : array_like, shape (n,)
        Magnitudes in the band wanted.
    best : {"all", "bestalpha", "bestbeta", "bestsigma", "bestall"}
        Which to return: all, or that with the smallest colour term, constant, scatter, or the three together.

    Returns
    -------
    list of Transformation

    Raises
    ------
    ValueError
        For too few objects, or an unknown `best`.
    """
    bands: dict[str, Any] = dict(mag_in) if isinstance(mag_in, Mapping) else {"in": mag_in}
    out = np.asarray(mag_out, dtype=float)
    columns = {name: np.asarray(value, dtype=float) for name, value in bands.items()}
    if any(value.shape != out.shape for value in columns.values()) or out.ndim != 1 or out.size < 3:
        raise ValueError(f"magnitudes must be vectors of one length, at least 3; mag_out has {out.shape}")
    names, fits = list(columns), []
    if len(names) == 1:
        step = out - columns[names[0]]
        fits.append(
            Transformation(names[0], names[0], names[0], 0.0, float(step.mean()), float(step.std(ddof=1)))
        )
    for i in range(len(names)):
        for j in (i - 1, i + 1):
            if not 0 <= j < len(names):
                continue
            blue, red = names[min(i, j)], names[max(i, j)]
            colour = columns[blue] - columns[red]
            design = np.stack([colour, np.ones_like(colour)], axis=1)
            alpha, beta = np.linalg.lstsq(design, out - columns[names[i]], rcond=None)[0]
            left = columns[names[i]] + alpha * colour + beta - out
            fits.append(
                Transformation(names[i], blue, red, float(alpha), float(beta), float(left.std(ddof=1)))
            )
    costs = {
        "bestalpha": lambda f: abs(f.alpha),
        "bestbeta": lambda f: abs(f.beta),
        "bestsigma": lambda f: f.sigma,
        "bestall": lambda f: 2 * f.alpha**2 + f.beta**2 + f.sigma**2,
    }
    if best == "all":
        return fits
    if best not in costs:
        raise ValueError(f"best={best!r} is unknown; use 'all' or one of {sorted(costs)}")
    return [min(fits, key=costs[best])]
