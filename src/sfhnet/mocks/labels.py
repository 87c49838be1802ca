"""What a network is asked about a simulated galaxy: histories in age bins, ages, metallicities, rates, dust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pyprospect.constants import Z_SUN
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.numerics.age_bins import rebin_matrix
from sfhnet.core.histories import history_scalars, share_formed, weighted_means
from sfhnet.core.quantities import LABELS


@dataclass(frozen=True)
class _Maps:
    to_ssp: Tensor  # (n_cell, n_age)
    to_bins: Tensor  # (n_cell, n_bin)


class Labeller:
    """Computes labels and SSP masses for histories on one age grid.

    Parameters
    ----------
    synthesizer : Synthesizer
        Gives the age bins of the library and its V light.
    edges_yr : (n_cell + 1,)
        Age grid of the histories in yr.
    age_bins_yr : (n_bin + 1,)
        Edges of the label bins in yr.

    Raises
    ------
    ValueError
        If library or label bins do not cover the age grid.
    """

    def __init__(self, synthesizer: Synthesizer, edges_yr: ArrayLike, age_bins_yr: ArrayLike) -> None:
        self.edges_yr = np.asarray(edges_yr, dtype=float)
        self.age_bins_yr = np.asarray(age_bins_yr, dtype=float)
        library = synthesizer.library
        self._synthesizer = synthesizer
        self._maps = _Maps(
            *(
                torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float64)
                for values in (
                    rebin_matrix(self.edges_yr, library.age_edges_yr),
                    rebin_matrix(self.edges_yr, self.age_bins_yr),
                )
            )
        )
        # cells without mass count as if they had formed next to nothing, so that every bin has a metallicity
        self._floor = torch.as_tensor(1e-12 * np.diff(self.edges_yr) / self.edges_yr[-1], dtype=torch.float64)
        surviving = library.evolution[:, :, 0]
        self.has_surviving = bool(np.all(np.isfinite(surviving)))
        self._surviving = torch.as_tensor(np.nan_to_num(surviving), dtype=torch.float64)

    def ssp(self, mass: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return mass and mass-weighted metallicity in the age bins of the library.

        Parameters
        ----------
        mass, z : Tensor of float64, shape (n, n_cell)
            Mass formed and metal mass fraction in each cell.

        Returns
        -------
        mass, z : Tensor, shape (n, n_age)
            Mass is conserved: every cell is shared among the bins it overlaps.
        """
        to_ssp = self._maps.to_ssp
        weight = mass + self._floor
        return mass @ to_ssp, ((weight * z) @ to_ssp) / (weight @ to_ssp).clamp_min(1e-300)

    def __call__(
        self,
        mass: Tensor,
        z: Tensor,
        *,
        ssp_mass: Tensor,
        ssp_z: Tensor,
        tau_birth: Tensor,
        tau_screen: Tensor,
        bump: Tensor,
        birth_age_yr: Tensor | None = None,
        library_mix: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute all labels.

        Parameters
        ----------
        mass, z : Tensor of float64, shape (n, n_cell)
            Share of the mass formed and metal mass fraction in each cell.
        ssp_mass, ssp_z : Tensor of float64, shape (n, n_age)
            From `ssp`.
        tau_birth, tau_screen, bump : Tensor, shape (n,)
            Optical depths at 5500 Angstrom; strength of the 2175 Angstrom bump.
        birth_age_yr : Tensor, shape (n,), optional
            Age up to which stars lie in birth clouds. Default: the synthesizer's.
        library_mix : Tensor, shape (n, n_variant), optional
            Weights of the variants of the library, whose light then counts. Default: the library alone.

        Returns
        -------
        dict of Tensor
            The names of `sfhnet.core.quantities.LABELS`.
        """
        maps = self._maps
        mh = torch.log10(z) - np.log10(Z_SUN)
        weight = mass + self._floor
        cells = self._synthesizer.weights(
            ssp_mass.to(self._synthesizer.dtype), ssp_z.to(self._synthesizer.dtype)
        )
        cells = cells.to(torch.float64)
        light = (cells * self._synthesizer.v_light_of(library_mix).to(cells)).sum(dim=1)  # (n, n_age)
        # light of an SSP bin is spread over the cells inside it in proportion to their mass
        per_mass = light / ssp_mass.clamp_min(1e-300)
        cell_light = mass * (per_mass @ maps.to_ssp.T)
        survives = (cells * self._surviving).sum(dim=1) / ssp_mass.clamp_min(1e-300)
        in_clouds = self._synthesizer.young_shares(birth_age_yr).to(light)
        young = (light * in_clouds).sum(dim=1)
        v_screen = torch.exp(-tau_screen * (1.0 + bump * self._synthesizer.bump_at_pivot))
        v_out = (light.sum(dim=1) - young + young * torch.exp(-tau_birth)) * v_screen
        labels = {
            "mass_fraction": mass @ maps.to_bins,
            "mass_fraction_surviving": (mass * (survives @ maps.to_ssp.T)) @ maps.to_bins,
            "mh": ((weight * mh) @ maps.to_bins) / (weight @ maps.to_bins),
            "cum_mass": share_formed(mass),
            **weighted_means(mass, mh, self.edges_yr, by="mw"),
            **weighted_means(cell_light, mh, self.edges_yr, by="lw"),
            "gas_mh": torch.log10(ssp_z[:, 0]) - np.log10(Z_SUN),
            **history_scalars(mass, self.edges_yr, LABELS.values()),
            "a_v": -2.5 * torch.log10(v_out / light.sum(dim=1)),
            "v_light": light.sum(dim=1),
        }
        if not self.has_surviving:
            del labels["mass_fraction_surviving"]
        return labels
