"""Which of several models the data favour: Bayes factors of fits of the same data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pyprospect.fit.fitting import Fit

__all__ = ["Verdict", "compare"]


class Verdict(NamedTuple):
    """One model among others."""

    name: str
    log_evidence: float
    log_bayes_factor: float
    """Against the first of the models."""
    probability: float
    """With every model alike before the data."""


def compare(fits: Mapping[str, Fit], way: str = "nested") -> list[Verdict]:
    """Compare models by their evidence.

    Parameters
    ----------
    fits : mapping of str to Fit
        Of the same data; each has been sampled in that way.
    way : {"nested", "laplace"}
        ``laplace`` costs nothing and is right for posteriors that are nearly normal: not where a parameter, such as the
        luminosity of a nucleus that is not there, is bounded on one side only. Use ``nested`` to decide.

    Returns
    -------
    list of Verdict

    Raises
    ------
    ValueError
        If the data differ, or a fit has no evidence of that way.
    """
    names = list(fits)
    if len(names) < 2:
        raise ValueError("comparing takes at least two fits")
    first = fits[names[0]].arrays
    for name, found in fits.items():
        for key in ("rest_wave_aa", "flux", "sigma", "good"):
            if not np.array_equal(found.arrays[key], first[key]):
                raise ValueError(f"the fit {name!r} is of other data than {names[0]!r}: {key} differs")
        if way not in found.log_evidence:
            raise ValueError(f"the fit {name!r} has no evidence by {way!r}; sample it first: sample('{way}')")
    values = np.array([found.log_evidence[way] for found in fits.values()])
    share = np.exp(values - values.max())
    share = share / share.sum()
    return [
        Verdict(name, float(v), float(v - values[0]), float(p))
        for name, v, p in zip(names, values, share, strict=True)
    ]
