"""How much of the mass that formed is still in stars and remnants, from the stellar library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyprospect.constants import Z_SUN
from pyprospect.numerics.age_bins import rebin_matrix
from pyprospect.stars.library import SSPLibrary

__all__ = ["SurvivingMass"]


@dataclass(frozen=True)
class SurvivingMass:
    """Share of the mass formed in each age bin that is there today, by metallicity.

    Parameters
    ----------
    mh : ndarray (n_z,)
        [M/H] of the library in dex, rising.
    share : ndarray (n_z, n_age)
        Mass of living stars and remnants per Msol formed, of stars that formed at a constant rate within each bin.
    """

    mh: np.ndarray
    share: np.ndarray

    @classmethod
    def of_library(cls, library: SSPLibrary, age_edges_myr: np.ndarray) -> SurvivingMass | None:
        """Return it for the age bins of a model; None if the library does not know what survives.

        Parameters
        ----------
        library : SSPLibrary
            What the mocks are made of.
        age_edges_myr : ndarray (n_age + 1,)
            Edges of the age bins.
        """
        today = library.evolution[:, :, 0]
        if not np.isfinite(today).all():
            return None
        edges_yr = 1e6 * np.asarray(age_edges_myr, dtype=float)
        spread = np.asarray(rebin_matrix(edges_yr, library.age_edges_yr))
        return cls(np.log10(library.z / Z_SUN), today @ spread.T)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {"mh": self.mh.round(5).tolist(), "share": self.share.round(5).tolist()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SurvivingMass:
        """Invert `to_json`."""
        return cls(*(np.asarray(value[name], dtype=float) for name in ("mh", "share")))

    def __call__(self, mh: np.ndarray) -> np.ndarray:
        """Return the share that survives of stars of each age bin and [M/H], both (..., n_age); constant beyond the library."""
        columns = (np.interp(mh[..., k], self.mh, share) for k, share in enumerate(self.share.T))
        return np.stack(list(columns), axis=-1)
