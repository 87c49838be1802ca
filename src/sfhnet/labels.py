"""What a network is asked about a simulated galaxy: histories in age bins, ages, metallicities, rates, dust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pyprospect.constants import Z_SUN
from pyprospect.synthesis import Synthesizer, rebin_matrix
from sfhnet.priors.age_grid import mean_log_age

QUANTILES = (10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90)

LABELS: dict[str, tuple[str, str, str]] = {
    "mass_fraction": ("", "galaxy, age_bin", "share of the mass formed in each age bin"),
    "mass_fraction_surviving": (
        "Msol per Msol formed",
        "galaxy, age_bin",
        "mass of living stars and remnants today in each age bin",
    ),
    "mh": ("dex", "galaxy, age_bin", "mass-weighted mean [M/H] in each age bin"),
    "cum_mass": ("", "galaxy, age_edge", "share of the mass that had formed by each look-back age"),
    **{
        f"t{q}": ("log10 yr", "galaxy", f"look-back time at which {q} % of the mass had formed")
        for q in QUANTILES
    },
    "mw_log_age": ("log10 yr", "galaxy", "mass-weighted mean of log age"),
    "lw_log_age": ("log10 yr", "galaxy", "mean of log age weighted by unattenuated light at 5500 Angstrom"),
    "mw_mh": ("dex", "galaxy", "mass-weighted mean [M/H]"),
    "lw_mh": ("dex", "galaxy", "mean [M/H] weighted by unattenuated light at 5500 Angstrom"),
    "gas_mh": ("dex", "galaxy", "[M/H] of the gas: that of the youngest SSP bin"),
    "sfr10": ("1/yr", "galaxy", "mean SFR over the last 10 Myr per Msol formed"),
    "sfr100": ("1/yr", "galaxy", "mean SFR over the last 100 Myr per Msol formed"),
    "a_v": ("mag", "galaxy", "attenuation of all star light at 5500 Angstrom"),
    "v_light": ("Lsol/Angstrom per Msol formed", "galaxy", "unattenuated light at 5500 Angstrom"),
}
"""Name -> (unit, axes, meaning)."""


@dataclass(frozen=True)
class _Maps:
    to_ssp: Tensor  # (n_cell, n_age)
    to_bins: Tensor  # (n_cell, n_bin)
    to_10: Tensor  # (n_cell,)
    to_100: Tensor
    log_age: Tensor


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

        def window(top: float) -> np.ndarray:
            return rebin_matrix(self.edges_yr, [0.0, top, max(self.edges_yr[-1], 2 * top)])[:, 0]

        self._maps = _Maps(
            *(
                torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float64)
                for values in (
                    rebin_matrix(self.edges_yr, library.age_edges_yr),
                    rebin_matrix(self.edges_yr, self.age_bins_yr),
                    window(1e7),
                    window(1e8),
                    mean_log_age(self.edges_yr),
                )
            )
        )
        # cells without mass count as if they had formed next to nothing, so that every bin has a metallicity
        self._floor = torch.as_tensor(1e-12 * np.diff(self.edges_yr) / self.edges_yr[-1], dtype=torch.float64)
        surviving = library.evolution[:, :, 0]
        self.has_surviving = bool(np.all(np.isfinite(surviving)))
        self._surviving = torch.as_tensor(np.nan_to_num(surviving), dtype=torch.float64)
        self._v_light = torch.as_tensor(synthesizer.v_light.cpu(), dtype=torch.float64)
        self._young = torch.as_tensor(synthesizer.young_share.cpu(), dtype=torch.float64)
        self._edges = torch.as_tensor(self.edges_yr, dtype=torch.float64)

    def ssp(self, mass: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mass and mass-weighted metallicity in the age bins of the library.

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
        ssp_mass: Tensor,
        ssp_z: Tensor,
        tau_birth: Tensor,
        tau_screen: Tensor,
        bump: Tensor,
    ) -> dict[str, Tensor]:
        """Compute all labels.

        Parameters
        ----------
        mass, z : Tensor of float64, shape (n, n_cell)
            Share of the mass formed and metal mass fraction in each cell.
        ssp_mass, ssp_z : Tensor of float64, shape (n, n_age)
            From `ssp`.
        tau_birth, tau_screen, bump : Tensor, shape (n,)

        Returns
        -------
        dict of Tensor
            The names of `LABELS`.
        """
        maps = self._maps
        mh = torch.log10(z) - np.log10(Z_SUN)
        weight = mass + self._floor
        cells = self._synthesizer.weights(
            ssp_mass.to(self._synthesizer.dtype), ssp_z.to(self._synthesizer.dtype)
        )
        cells = cells.to(torch.float64)
        light = (cells * self._v_light).sum(dim=1)  # (n, n_age)
        # light of an SSP bin is spread over the cells inside it in proportion to their mass
        per_mass = light / ssp_mass.clamp_min(1e-300)
        cell_light = mass * (per_mass @ maps.to_ssp.T)
        total_light = cell_light.sum(dim=1)
        survives = (cells * self._surviving).sum(dim=1) / ssp_mass.clamp_min(1e-300)
        older = mass.flip(1).cumsum(1).flip(1)
        cumulative = torch.cat([older, torch.zeros_like(older[:, :1])], dim=1)
        cumulative = cumulative / cumulative[:, :1]
        young = (light * self._young).sum(dim=1)
        v_screen = torch.exp(-tau_screen * (1.0 + bump * self._synthesizer.bump_at_pivot))
        v_out = (light.sum(dim=1) - young + young * torch.exp(-tau_birth)) * v_screen
        labels = {
            "mass_fraction": mass @ maps.to_bins,
            "mass_fraction_surviving": (mass * (survives @ maps.to_ssp.T)) @ maps.to_bins,
            "mh": ((weight * mh) @ maps.to_bins) / (weight @ maps.to_bins),
            "cum_mass": cumulative,
            "mw_log_age": (mass * maps.log_age).sum(dim=1),
            "lw_log_age": (cell_light * maps.log_age).sum(dim=1) / total_light,
            "mw_mh": (mass * mh).sum(dim=1),
            "lw_mh": (cell_light * mh).sum(dim=1) / total_light,
            "gas_mh": torch.log10(ssp_z[:, 0]) - np.log10(Z_SUN),
            "sfr10": (mass * maps.to_10).sum(dim=1) / 1e7,
            "sfr100": (mass * maps.to_100).sum(dim=1) / 1e8,
            "a_v": -2.5 * torch.log10(v_out / light.sum(dim=1)),
            "v_light": light.sum(dim=1),
        }
        labels.update(self._formation_times(cumulative))
        if not self.has_surviving:
            del labels["mass_fraction_surviving"]
        return labels

    def _formation_times(self, cumulative: Tensor) -> dict[str, Tensor]:
        """Look-back time at which a share had formed; the SFR is constant inside a cell."""
        times = {}
        rising = cumulative.flip(1).contiguous()  # from the oldest edge to today
        edges = self._edges.flip(0)
        share = torch.tensor(QUANTILES, dtype=torch.float64) / 100
        share = share.expand(rising.shape[0], -1).contiguous()
        upper = torch.searchsorted(rising, share).clamp(1, rising.shape[1] - 1)
        low, high = rising.gather(1, upper - 1), rising.gather(1, upper)
        fraction = (share - low) / (high - low).clamp_min(1e-300)
        age = edges[upper - 1] + fraction.clamp(0, 1) * (edges[upper] - edges[upper - 1])
        log_age = torch.log10(age.clamp_min(1.0))
        for i, q in enumerate(QUANTILES):
            times[f"t{q}"] = log_age[:, i]
        return times
