"""Simulated galaxies without noise, as one shard holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GalaxyLibrary"]


@dataclass(frozen=True)
class GalaxyLibrary:
    """Simulated galaxies without noise.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Rest wavelengths in Angstrom, air.
    training_sigma_aa : ndarray, shape (n_wave,)
        Resolution of the spectra as the Gaussian sigma in Angstrom.
    resolution : dict
        What it follows from, see `sfhnet.core.training_grid.TrainingGrid`.
    band_names : tuple of str
    age_bins_myr : ndarray, shape (n_age + 1,)
        Edges of the label bins in Myr.
    cum_age_yr : ndarray, shape (n_edge,)
        Look-back ages of ``labels["cum_mass"]`` in yr.
    flux : ndarray of float32, shape (n, n_wave)
        Lsol/Angstrom per Msol formed; LSF, dispersion, dust, and lines applied.
    band_flux : ndarray of float32, shape (n, n_band)
        Photon-weighted mean f_lambda in the same unit.
    line_names : tuple of str
    line_flux : ndarray of float32, shape (n, n_line)
        Attenuated line luminosity in Lsol per Msol formed, contained in ``flux``.
    line_profile : ndarray of float32, shape (n_line, n_wave)
        Profiles of unit flux in 1/Angstrom.
    labels : dict of ndarray
        Names, units and axes in `sfhnet.core.quantities.LABELS`.
    parameters : dict of ndarray, shape (n,)
    family, metallicity : ndarray of int8, shape (n,)
    family_names, metallicity_names : tuple of str
    log_prior : ndarray, shape (n,)
    """

    wave_aa: NDArray[np.float64]
    training_sigma_aa: NDArray[np.float64]
    resolution: dict[str, Any]
    band_names: tuple[str, ...]
    age_bins_myr: NDArray[np.float64]
    cum_age_yr: NDArray[np.float64]
    flux: NDArray[np.float32]
    band_flux: NDArray[np.float32]
    line_names: tuple[str, ...]
    line_flux: NDArray[np.float32]
    line_profile: NDArray[np.float32]
    labels: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]
    family: NDArray[np.int8]
    metallicity: NDArray[np.int8]
    family_names: tuple[str, ...]
    metallicity_names: tuple[str, ...]
    log_prior: NDArray[np.float64]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of galaxies."""
        return self.flux.shape[0]

    def assert_sound(self) -> None:
        """Check every galaxy.

        Raises
        ------
        ValueError
            If a flux is not finite and positive, mass is not conserved, or a label is not finite; names the galaxy.
        """
        for name in ("flux", "band_flux"):
            values = getattr(self, name)
            # min and max see NaN and infinity too
            if values.size and not (values.min() > 0 and values.max() < np.inf):
                row = int(np.argwhere(~((values > 0) & np.isfinite(values)))[0, 0])
                raise ValueError(
                    f"galaxy {row}: {name} is not finite and positive; its history cannot be synthesised"
                )
        total = self.labels["mass_fraction"].sum(axis=1)
        if np.abs(total - 1).max() > 1e-5:
            row = int(np.abs(total - 1).argmax())
            raise ValueError(
                f"galaxy {row}: the age bins hold {total[row]:.6f} of the mass formed; age bins must cover it"
            )
        for name, values in self.labels.items():
            if not np.all(np.isfinite(values)):
                raise ValueError(
                    f"galaxy {int(np.argwhere(~np.isfinite(values))[0, 0])}: label {name} is not finite"
                )
