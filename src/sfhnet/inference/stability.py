"""Ask again: what a network answers without a part of the spectrum, against what it answers with all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfhnet.core.batch import Batch
from sfhnet.core.posterior import Posterior
from sfhnet.inference.basis import line_pixels

__all__ = ["ASKED", "VARIANTS", "Stability", "ask_again"]

ASKED: tuple[str, ...] = ("lw_log_age", "mw_log_age", "mw_mh")
"""Scalars whose change is judged, all in dex."""

VARIANTS: tuple[str, ...] = ("lines", "red", "blue_half", "red_half")
"""What is hidden: emission lines, everything beyond 7350 AA, and either half of the range."""

_RED_AA = 7350.0
# A variant that leaves less than this share of the good pixels, or hides less, asks nothing.
_LEAST_LEFT, _LEAST_HIDDEN = 0.15, 0.01
# No interval is believed to be narrower on either side [dex].
_FLOOR_DEX = 0.03
# Changes of less than the half width of the interval are none.
_LEAST_LIMIT = 1.0


def ask_again(
    answer: Callable[[Batch], dict[str, np.ndarray]], batch: Batch, wave_aa: np.ndarray, base: Posterior
) -> np.ndarray:
    """Answer spectra with parts of them hidden.

    Parameters
    ----------
    answer : callable
        Batch to scalars, as `sfhnet.inference.model.Model.scalars`.
    batch : Batch
        n spectra.
    wave_aa : ndarray (n_wave,)
        Rest-frame wavelengths in AA.
    base : Posterior
        Answers with everything.

    Returns
    -------
    ndarray (n, n_variant)
        Largest change of `ASKED` in half widths of the 68 % interval of the answer; zero where a variant asks nothing.
    """
    changes = np.zeros((len(batch), len(VARIANTS)))
    half = {name: 0.5 * np.subtract(*base.interval(name, 0.68)[::-1]) for name in ASKED}
    good = batch.mask
    count = good.sum(1)
    for k, hidden in enumerate(_hidden(wave_aa)):
        lost = (good & hidden).sum(1)
        rows = (lost >= _LEAST_HIDDEN * count) & (count - lost >= _LEAST_LEFT * good.shape[1]) & batch.usable
        index = rows.nonzero()[:, 0]
        if not len(index):
            continue
        again, some = answer(batch[index].hiding(hidden)), index.numpy()
        moved = [
            np.abs(again[name] - base.scalars[name][some]) / np.maximum(half[name][some], _FLOOR_DEX)
            for name in ASKED
        ]
        changes[some, k] = np.max(moved, axis=0)
    return changes


def _hidden(wave_aa: np.ndarray) -> list[Tensor]:
    middle = 0.5 * (wave_aa[0] + wave_aa[-1])
    return [
        torch.from_numpy(np.asarray(hidden))
        for hidden in (
            line_pixels(wave_aa),
            wave_aa > _RED_AA,
            wave_aa < middle,
            wave_aa >= middle,
        )
    ]


@dataclass(frozen=True)
class Stability:
    """The change when asked again beyond which an answer is unstable.

    Attributes
    ----------
    snr_edges : ndarray (n_snr - 1,)
        Inner edges of the S/N strata.
    limit : ndarray (n_snr,)
        Largest change that mocks have, but for the share ``1 - quantile``, in half widths of the 68 % interval.
    """

    snr_edges: np.ndarray
    limit: np.ndarray

    @classmethod
    def fit(
        cls, changes: np.ndarray, snr: np.ndarray, snr_edges: np.ndarray, *, quantile: float
    ) -> Stability:
        """Learn from mocks.

        Parameters
        ----------
        changes : ndarray (n, n_variant)
            From `ask_again`.
        snr : ndarray (n,)
        snr_edges : ndarray
        quantile : float
            Share of the mocks that shall be stable.

        Returns
        -------
        Stability
        """
        edges = np.asarray(snr_edges, dtype=float)
        stratum, largest = np.digitize(snr, edges), changes.max(axis=1)
        limits = []
        for k in range(len(edges) + 1):
            here = stratum == k
            limits.append(float(np.quantile(largest[here] if here.sum() >= 50 else largest, quantile)))
        return cls(edges, np.maximum(limits, _LEAST_LIMIT))

    def over_limit(self, changes: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """Return the largest change over its limit, (n,): above one = unstable."""
        stratum = np.digitize(np.nan_to_num(snr, nan=1.0), self.snr_edges)
        return changes.max(axis=1) / self.limit[stratum]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {name: np.round(getattr(self, name), 5).tolist() for name in self.__dataclass_fields__} | {
            "variants": list(VARIANTS),
            "asked": list(ASKED),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Stability:
        """Invert `to_json`."""
        return cls(**{name: np.asarray(value[name], dtype=float) for name in cls.__dataclass_fields__})
