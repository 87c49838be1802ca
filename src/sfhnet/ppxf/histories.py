"""From the masses that a fit gives each stellar population to histories, ages and metallicities as the networks give them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyprospect.constants import V_WINDOW_AA, Z_SUN
from pyprospect.numerics.age_bins import rebin_matrix
from pyprospect.stars.library import SSPLibrary
from sfhnet.core.histories import history_scalars, weighted_means

__all__ = ["Histories"]


@dataclass(frozen=True)
class Histories:
    """Converts masses per (metallicity, age) of a library, by the definitions of `sfhnet.mocks.labels`.

    The star-formation rate is constant within the age bin that each population stands for, as in the mocks.

    Parameters
    ----------
    library : SSPLibrary
        Populations.
    age_edges_myr : ndarray (n_bin + 1,)
        Age bins of the results.
    """

    library: SSPLibrary
    age_edges_myr: np.ndarray

    def __call__(self, mass_msun: np.ndarray, transmission_v: np.ndarray) -> dict[str, np.ndarray | float]:
        """Convert one fit.

        Parameters
        ----------
        mass_msun : ndarray (n_z, n_age)
            Mass formed, per unit of the flux that was fitted.
        transmission_v : ndarray (n_age,)
            Share of the V light of each age that dust lets through.

        Returns
        -------
        dict
            ``mass_fraction``, ``mh`` (n_bin,) and the scalars of `sfhnet.core.quantities.SCALARS`. A bin without mass has the
            [M/H] of its neighbours in age, interpolated in log age.

        Raises
        ------
        ValueError
            If no mass was formed, or the shape is not the library's.
        """
        library = self.library
        mass = np.asarray(mass_msun, dtype=float)
        if mass.shape != (library.z.size, library.age_yr.size):
            raise ValueError(f"masses of shape {mass.shape} for {library!r}; give (n_z, n_age)")
        total = float(mass.sum())
        if not (np.isfinite(total) and total > 0 and (mass >= 0).all()):
            raise ValueError(f"the fit formed {total} Msol; it holds no history")
        edges_yr = library.age_edges_yr
        share = mass / total
        per_age = share.sum(axis=0)
        metal = np.log10(library.z / Z_SUN)
        to_bins = rebin_matrix(edges_yr, self._bins_yr(edges_yr))
        fraction = per_age @ to_bins
        weighted = (share * metal[:, None]).sum(axis=0) @ to_bins
        # As in the labels: the stars of one age have one metallicity, the mean by mass.
        of_age = (share * metal[:, None]).sum(axis=0) / np.maximum(per_age, 1e-300)
        light = (share * self._v_light()).sum(axis=0)
        return {
            "mass_fraction": fraction,
            "mh": self._metallicity(fraction, weighted),
            "a_v": float(-2.5 * np.log10(light @ transmission_v / light.sum())),
            "log_ml": float(np.log10(total)),
            **weighted_means(per_age, of_age, edges_yr, by="mw"),
            **weighted_means(light, of_age, edges_yr, by="lw"),
            **history_scalars(per_age, edges_yr),
        }

    def _bins_yr(self, edges_yr: np.ndarray) -> np.ndarray:
        # What the library has beyond the last bin counts in it.
        bins = 1e6 * np.asarray(self.age_edges_myr, dtype=float)
        return np.append(bins[:-1], max(bins[-1], edges_yr[-1]))

    def _v_light(self) -> np.ndarray:
        wave = self.library.wave_aa
        window = (wave >= V_WINDOW_AA[0]) & (wave <= V_WINDOW_AA[1])  # as in FoldedLibrary.v_light
        return self.library.spectra[:, :, window].mean(axis=2, dtype=np.float64)

    def _metallicity(self, fraction: np.ndarray, weighted: np.ndarray) -> np.ndarray:
        formed = fraction > 1e-9
        edges = np.maximum(np.asarray(self.age_edges_myr, dtype=float), 1.0)
        middle = 0.5 * np.log10(edges[:-1] * edges[1:])
        return np.interp(middle, middle[formed], weighted[formed] / fraction[formed])
