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
# Changes smaller than this are none [dex].
_FLOOR_DEX = 0.01


def ask_again(
    answer: Callable[[Batch], Posterior], batch: Batch, wave_aa: np.ndarray, base: Posterior
) -> np.ndarray:
    """Answer spectra with parts of them hidden.

    Parameters
    ----------
    answer : callable
        Batch to posterior, as `base` was made.
    batch : Batch
        n spectra.
    wave_aa : ndarray (n_wave,)
        Rest-frame wavelengths in AA.
    base : Posterior
        Answers with everything.

    Returns
    -------
    ndarray (n, n_variant, n_asked)
        Change of `ASKED` in dex; NaN where a variant asks nothing.
    """
    changes = np.full((len(batch), len(VARIANTS), len(ASKED)), np.nan)
    good = batch.mask
    count = good.sum(1)
    for k, hidden in enumerate(_hidden(wave_aa)):
        lost = (good & hidden).sum(1)
        rows = (lost >= _LEAST_HIDDEN * count) & (count - lost >= _LEAST_LEFT * good.shape[1]) & batch.usable
        index = rows.nonzero()[:, 0]
        if not len(index):
            continue
        again = answer(batch[index].hiding(hidden))
        for j, name in enumerate(ASKED):
            changes[index.numpy(), k, j] = again.scalars[name] - base.scalars[name][index.numpy()]
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
    """How much answers to mocks change when asked again, and the change beyond which an answer is unstable.

    Attributes
    ----------
    snr_edges : ndarray (n_snr - 1,)
        Inner edges of the S/N strata.
    centre, spread : ndarray (n_snr, n_variant, n_asked)
        Median change of mocks, and the half of the interval that holds 68 % of them.
    limit : ndarray (n_snr,)
        Largest change of all over its spread that mocks have, but for the share ``1 - quantile``.
    usual : ndarray (n_snr,)
        The same change that two thirds of the mocks stay below.
    """

    snr_edges: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    limit: np.ndarray
    usual: np.ndarray

    @classmethod
    def fit(
        cls, changes: np.ndarray, snr: np.ndarray, snr_edges: np.ndarray, *, quantile: float
    ) -> Stability:
        """Learn from mocks.

        Parameters
        ----------
        changes : ndarray (n, n_variant, n_asked)
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
        n_snr = len(edges) + 1
        centre, spread = np.zeros((n_snr, *changes.shape[1:])), np.ones((n_snr, *changes.shape[1:]))
        stratum = np.digitize(snr, edges)
        for k in range(n_snr):
            here = stratum == k
            here = here if here.sum() >= 50 else np.ones(len(snr), dtype=bool)
            for place in np.ndindex(changes.shape[1:]):
                known = changes[(here, *place)]
                known = known[np.isfinite(known)]
                if known.size < 10:
                    continue
                low, centre[(k, *place)], high = np.quantile(known, [0.16, 0.5, 0.84])
                spread[(k, *place)] = max(0.5 * (high - low), _FLOOR_DEX)
        one = cls(edges, centre, spread, np.ones(n_snr), np.ones(n_snr))
        score = one.score(changes, snr)
        limits = np.ones((2, n_snr))
        for k in range(n_snr):
            here = (stratum == k) & np.isfinite(score)
            here = here if here.sum() >= 50 else np.isfinite(score)
            if here.any():
                limits[:, k] = np.quantile(score[here], [quantile, 0.68])
        return cls(edges, centre, spread, limits[0], limits[1])

    def score(self, changes: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """Return the largest change over the usual one, (n,); zero where nothing could be asked."""
        stratum = np.digitize(np.nan_to_num(snr, nan=1.0), self.snr_edges)
        relative = np.abs(changes - self.centre[stratum]) / self.spread[stratum]
        return np.nan_to_num(relative).reshape(len(changes), -1).max(axis=1)

    def over_limit(self, changes: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """Return the score over its limit, (n,): above one = unstable."""
        stratum = np.digitize(np.nan_to_num(snr, nan=1.0), self.snr_edges)
        return self.score(changes, snr) / self.limit[stratum]

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
