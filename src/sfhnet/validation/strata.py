"""Strata in which coverage is told: by S/N, attenuation, age and family of histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from sfhnet.core.posterior import Posterior

__all__ = ["AGE_EDGES", "A_V_EDGES", "strata"]

A_V_EDGES = (0.3, 1.0)  # mag
AGE_EDGES = (9.0, 9.5, 9.8)  # log10 yr, mass-weighted


def strata(
    answers: Posterior,
    truth: Mapping[str, np.ndarray] | None = None,
    family: np.ndarray | None = None,
    *,
    snr_edges: Sequence[float] = (),
) -> dict[str, np.ndarray]:
    """Share spectra out into strata; each quantity's strata hold every spectrum once.

    Age and A_V are the estimated ones, as a user sees them, or the true ones if `truth` is given. Only the former can
    have the nominal coverage: among galaxies whose *true* age is extreme, even the exact posterior covers less, because
    it draws them towards the prior.

    Parameters
    ----------
    answers : Posterior
        Point estimates and S/N.
    truth : mapping of str to ndarray, optional
        True ``a_v`` and ``mw_log_age``.
    family : ndarray of str, optional
        Family of each galaxy.
    snr_edges : sequence of float
        Inner edges; none leaves S/N out.

    Returns
    -------
    dict of ndarray (n,) bool
    """
    source = answers.scalars if truth is None else truth
    result = {"all": np.ones(len(answers), dtype=bool)}
    for name, value, edges in (
        ("snr", answers.snr, snr_edges),
        ("a_v", source["a_v"], A_V_EDGES),
        ("mw_log_age", source["mw_log_age"], AGE_EDGES),
    ):
        if len(edges):
            for low, high in pairwise([-np.inf, *edges, np.inf]):
                result[f"{name} {low:g} to {high:g}"] = (value >= low) & (value < high)
    if family is not None:
        result |= {f"family {name}": family == name for name in np.unique(family)}
    return result
