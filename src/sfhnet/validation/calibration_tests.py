"""Tests of calibration of one set of answers, as trained and after calibration: SBC ranks and TARP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import SCALARS
from sfhnet.tools.hdf5 import put
from sfhnet.tools.random_streams import stream
from sfhnet.validation.rank_statistics import area_to_curve, pit, sample_ranks, tarp, uniformity

__all__ = ["TARP_SPACES", "calibration_tests"]

# Spaces in which the joint posterior is tested.
TARP_SPACES: dict[str, str] = {
    "scalars": "ages, metallicities, times, rates, dust and mass-to-light ratio together",
    "history": "cumulative mass at every age",
}


def calibration_tests(
    states: Mapping[str, Posterior], truth: Mapping[str, np.ndarray], group: h5py.Group, *, key: Sequence[int]
) -> dict[str, Any]:
    """Test each state of the answers; keep ranks and credibilities for the figures.

    Ranks of scalars and of the cumulative mass come from the quantiles, TARP from the joint samples, where there are
    any; the ranks among those are told beside.

    Parameters
    ----------
    states : mapping of str to Posterior
        The same spectra ``before`` and ``after`` calibration, the latter's samples with its distributions
        (`sfhnet.inference.conformal.Conformal.apply`).
    truth : mapping of str to ndarray
        From `sfhnet.validation.metrics.truth_from_labels`.
    group : h5py.Group
        Takes ``ranks/{state}`` and ``tarp/{state}/{space}``.
    key : sequence of int
        Seed, and the numbers that tell sets apart.

    Returns
    -------
    dict
        By state: ``sbc`` (distance from uniform by scalar, and of the cumulative mass of all ages), ``sbc_samples``
        (the same from joint samples) and ``tarp`` (area to the diagonal, distance from it, p-value, by space).
    """
    result: dict[str, Any] = {}
    cum = truth["mass_fraction"].cumsum(axis=1)
    for state, answers in states.items():
        rng = stream("validation.ranks", *key)
        ranks = {name: pit(answers.scalars_q[name], truth[name], rng) for name in SCALARS}
        by_age = pit(answers.cum_mass_q[:, :, :-1], cum[:, :-1], rng)
        stored = np.stack(list(ranks.values()), axis=1).astype(np.float32)
        put(group, f"ranks/{state}", stored, unit="", axes="galaxy, scalar").attrs["names"] = list(ranks)
        put(group, f"ranks_cum_mass/{state}", by_age.astype(np.float32), unit="", axes="galaxy, age")
        result[state] = {
            "sbc": {name: uniformity(value) for name, value in ranks.items()}
            | {"cum_mass": uniformity(by_age.ravel())}
        }
        if answers.samples:
            result[state] |= _joint(answers.samples, truth, cum, group, state, rng)
    return result


def _joint(
    samples: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    cum: np.ndarray,
    group: h5py.Group,
    state: str,
    rng: np.random.Generator,
) -> dict[str, Any]:
    spaces = {
        "scalars": (
            np.stack([samples[name] for name in SCALARS], axis=2),
            np.stack([truth[name] for name in SCALARS], axis=1),
        ),
        "history": (samples["mass_fraction"].cumsum(axis=2)[:, :, :-1], cum[:, :-1]),
    }
    if state != "before":
        # Calibration leaves the histories of the samples as they are.
        del spaces["history"]
    found = {}
    for space, (drawn, true) in spaces.items():
        credibility = tarp(drawn, true, rng)
        put(group, f"tarp/{state}/{space}", credibility.astype(np.float32), unit="", axes="galaxy")
        found[space] = {"area": area_to_curve(credibility), **uniformity(credibility)}
    ranks = {name: uniformity(sample_ranks(samples[name], truth[name], rng)) for name in SCALARS}
    return {"sbc_samples": ranks, "tarp": found}
