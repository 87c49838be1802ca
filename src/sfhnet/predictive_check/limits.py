"""Limits on the posterior-predictive check: how badly the forward model may miss before a spectrum is flagged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfhnet.core.flags import Flag
from sfhnet.inference.familiarity import upper_limit
from sfhnet.predictive_check.result import BLOCK_NAMES, Predictive
from sfhnet.tools.hdf5 import read_json

__all__ = ["PREDICTIVE", "PREDICTIVE_SCHEMA", "Limits"]

PREDICTIVE, PREDICTIVE_SCHEMA = "predictive.json", "sfhnet.predictive_limits/1"


@dataclass(frozen=True)
class Limits:
    """Largest chi-square and shift that mocks have.

    Attributes
    ----------
    snr_edges : ndarray (n_stratum - 1,)
        Inner edges of the S/N strata.
    chi2 : ndarray (n_stratum, n_block)
        Of the refined model over that of noise, in the blocks of `sfhnet.predictive_check.result.BLOCK_NAMES`.
    shift : ndarray (n_stratum,)
        Of the refined model from the draws.
    """

    snr_edges: np.ndarray
    chi2: np.ndarray
    shift: np.ndarray

    @classmethod
    def fit(cls, found: Predictive, snr: np.ndarray, snr_edges: ArrayLike, *, quantile: float) -> Limits:
        """Learn the limits.

        Parameters
        ----------
        found : Predictive
            Check of mocks.
        snr : ndarray (n,)
        snr_edges : ndarray
            Inner edges of the strata.
        quantile : float
            Share of the mocks that shall be within the limits of all blocks together, and within that of the shift.
            A limit that few mocks must be extrapolated to is no higher than the worst of them.

        Returns
        -------
        Limits
        """
        edges = np.asarray(snr_edges, dtype=float)
        stratum = np.digitize(snr, edges)
        each = 1 - (1 - quantile) / len(BLOCK_NAMES)
        chi2 = np.full((len(edges) + 1, len(BLOCK_NAMES)), np.inf)
        shift = np.full(len(edges) + 1, np.inf)
        relative = found.relative("refined")
        for k in range(len(edges) + 1):
            here = stratum == k
            # A stratum too thin takes all mocks.
            here = here if here.sum() >= 50 else np.ones(len(snr), dtype=bool)
            for block in range(len(BLOCK_NAMES)):
                known = relative[here, block][np.isfinite(relative[here, block])]
                chi2[k, block] = min(upper_limit(known, each), known.max()) if known.size else np.inf
            known = found.shift[here][np.isfinite(found.shift[here])]
            shift[k] = upper_limit(known, quantile) if known.size else np.inf
        return cls(edges, chi2, shift)

    def flags(self, found: Predictive, snr: np.ndarray) -> np.ndarray:
        """Flag what is beyond the limits.

        Parameters
        ----------
        found : Predictive
            Check of n spectra.
        snr : ndarray (n,)
            Median S/N per pixel.

        Returns
        -------
        ndarray of uint32 (n,)
            Bits of `sfhnet.core.flags.Flag`.
        """
        stratum = np.digitize(snr, self.snr_edges)
        missed = np.nan_to_num(found.relative("refined"), nan=0.0) > self.chi2[stratum]
        flags = np.where(missed.any(axis=1), int(Flag.NOT_REPRODUCED), 0)
        flags |= np.where(np.nan_to_num(found.shift) > self.shift[stratum], int(Flag.DRAWS_OFF), 0)
        return flags.astype(np.uint32)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists; None where there is no limit: no mock has that block."""
        kept: dict[str, Any] = {"blocks": list(BLOCK_NAMES)}
        for name in self.__dataclass_fields__:
            values = np.asarray(getattr(self, name)).astype(object)
            values[np.isinf(values.astype(float))] = None
            kept[name] = values.tolist()
        return kept

    @classmethod
    def read(cls, path: Path) -> Limits | None:
        """Read what `sfhnet.predictive_check.learn_limits.learn_limits` wrote; None for a model that has no joint posterior.

        Raises
        ------
        ValueError
            If the file is of another schema or other blocks.
        """
        data = read_json(path)
        if data.get("schema_version") != PREDICTIVE_SCHEMA:
            found = data.get("schema_version", "none")
            raise ValueError(
                f"{path} has schema {found!r}, expected {PREDICTIVE_SCHEMA!r}; learn the limits again"
            )
        limits = data["limits"]
        if limits is None:
            return None
        if limits["blocks"] != list(BLOCK_NAMES):
            raise ValueError(
                f"{path} has limits of the blocks {limits['blocks']}, not {list(BLOCK_NAMES)}; learn them again"
            )
        values = {name: np.asarray(limits[name], dtype=float) for name in cls.__dataclass_fields__}
        return cls(**{name: np.where(np.isnan(value), np.inf, value) for name, value in values.items()})
