"""What a comparison with the forward model must allow for: the nuisances of the training noise, as a linear model.

Flux calibration, kinematic errors, line ratios and zero points change a spectrum little and smoothly, so that each is
a column (its effect at one standard deviation) with a coefficient whose prior is a normal of unit width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyprospect.constants import C_KMS
from pyprospect.fast.synthesizer import Synthesis
from sfhnet.config import NoiseConfig
from sfhnet.core.batch import Batch
from sfhnet.mocks.calibration_errors import linear_curves, zero_point_rms

__all__ = ["LEVEL", "NuisanceColumns", "NuisanceSolver", "observed"]

# The level is free: the draws' own masses scatter far more than this.
LEVEL = 0.3
# Legendre polynomials up to this order stand for the ripple; their shortest wave is about 570 Angstrom.
_RIPPLE_ORDER = 16
# Single lines whose ratio to the others is free: the strongest ones (Halpha, [NII], [OIII] ...).
_N_LINE = 12
_DEX = np.log(10.0)


class NuisanceColumns:
    """Columns of the linear nuisances.

    Parameters
    ----------
    noise : NoiseConfig
        Their sizes; effects that are off there are left out.
    wave_aa : ndarray, shape (n_wave,)
        Training grid in Angstrom.
    line_profiles : ndarray, shape (n_line, n_wave)
        Profiles of unit flux of the emission lines.
    """

    def __init__(self, noise: NoiseConfig, wave_aa: np.ndarray, line_profiles: np.ndarray) -> None:
        self.noise = noise
        self.on = {
            effect: effect not in noise.off
            for effect in ("calibration", "kinematics", "line_scatter", "zero_points")
        }
        self._profiles = torch.as_tensor(line_profiles, dtype=torch.float32)
        step = float(wave_aa[1] - wave_aa[0])
        self._pixel_per_kms = torch.as_tensor(wave_aa / step / C_KMS, dtype=torch.float32)
        self._curves = torch.as_tensor(linear_curves(noise, len(wave_aa), _RIPPLE_ORDER), dtype=torch.float32)

    def __call__(self, model: Synthesis) -> Tensor:
        """Return the columns at some models.

        Parameters
        ----------
        model : Synthesis
            Scaled to the data.

        Returns
        -------
        Tensor, shape (n, n_column, n_wave + n_band)
            The first is the level, then calibration, kinematics, lines, bands, as far as they are on.
        """
        flux, band = model.flux, model.band_flux
        spectral = []
        if self.on["calibration"]:
            spectral.append(flux[:, None] * self._curves)
        if self.on["kinematics"]:
            spectral.append(self._kinematics(flux))
        if self.on["line_scatter"] and len(self._profiles):
            spectral.append(self._lines(model.line_flux))
        columns = [torch.cat([flux, band], dim=1)[:, None] * LEVEL]
        columns += [
            torch.cat([part, part.new_zeros(*part.shape[:2], band.shape[1])], dim=2) for part in spectral
        ]
        if self.on["zero_points"] and band.shape[1]:
            together = zero_point_rms(self.noise)[0] * band
            columns.append(torch.cat([torch.zeros_like(flux), together], dim=1)[:, None])
        return torch.cat(columns, dim=1)

    def calibration(self, coefficients: Tensor) -> Tensor:
        """Return the calibration curve, as a fraction of the flux, that coefficients stand for, shape (n, n_wave)."""
        n = len(self._curves) if self.on["calibration"] else 0
        return coefficients[:, 1 : 1 + n] @ self._curves[:n]

    def _kinematics(self, flux: Tensor) -> Tensor:
        noise = self.noise
        first, second = torch.zeros_like(flux), torch.zeros_like(flux)
        first[:, 1:-1] = (flux[:, 2:] - flux[:, :-2]) * 0.5
        second[:, 1:-1] = flux[:, 2:] - 2 * flux[:, 1:-1] + flux[:, :-2]
        shift = noise.velocity_sigma_kms * self._pixel_per_kms
        spread = 2 * noise.dispersion_scatter * (noise.dispersion_kms * self._pixel_per_kms) ** 2
        return torch.stack([shift * first, 0.5 * spread * second], dim=1)

    def _lines(self, line_flux: Tensor) -> Tensor:
        noise = self.noise
        height = line_flux.mean(dim=0) * self._profiles.amax(dim=1)
        strong = height.topk(min(_N_LINE, len(height))).indices
        single = _DEX * noise.line_scatter_dex * line_flux[:, strong, None] * self._profiles[strong]
        together = _DEX * noise.line_scatter_common_dex * (line_flux @ self._profiles)
        return torch.cat([together[:, None], single], dim=1)


def observed(batch: Batch, noise: NoiseConfig) -> tuple[Tensor, Tensor]:
    """Return data and the root of their weights, spectrum and bands side by side.

    The zero points of the bands, which are independent, are put into the errors.

    Parameters
    ----------
    batch : Batch
        n spectra with bands.
    noise : NoiseConfig
        Sizes of the nuisances.

    Returns
    -------
    data, root_weight : Tensor of float32, shape (n, n_wave + n_band)
        Zero weight where masked.
    """
    band_sigma = torch.hypot(batch.band_sigma, zero_point_rms(noise)[1] * batch.band_flux)
    root = torch.cat([batch.mask / batch.sigma, batch.band_mask / band_sigma], dim=1)
    return torch.cat([batch.flux, batch.band_flux], dim=1), root


class NuisanceSolver:
    """The linear nuisances at some models, ready for any number of residuals: one factorisation a spectrum.

    Parameters
    ----------
    columns : Tensor, shape (n, n_column, n_data)
        From `NuisanceColumns`.
    root : Tensor, shape (n, n_data)
        Root of the weights.
    """

    def __init__(self, columns: Tensor, root: Tensor) -> None:
        self.columns, self.root = columns, root
        self.weighted = columns * root[:, None]
        # At a S/N of 200 the sums reach 1e7, too much for single precision beside priors of one.
        exact = self.weighted.double()
        gram = torch.bmm(exact, exact.transpose(1, 2))
        gram.diagonal(dim1=1, dim2=2).add_(1.0)
        self._factor = torch.linalg.cholesky(gram)

    def project(self, weighted: Tensor) -> tuple[Tensor, Tensor]:
        """Return coefficients of rows (n, n_row, n_data), weighted, and the products of rows and columns, both (n, n_column, n_row)."""
        right = torch.bmm(self.weighted, weighted.transpose(1, 2)).double()
        return torch.cholesky_solve(right, self._factor), right

    def cost(self, weighted: Tensor) -> Tensor:
        """Return chi-square with the penalty of the best nuisances, (n, n_row), of weighted residuals (n, n_row, n_data)."""
        coefficients, right = self.project(weighted)
        return (weighted**2).sum(-1).double() - (coefficients * right).sum(dim=1)

    def explain(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coefficients (n, n_column) of a residual (n, n_data), and the part of it that they explain."""
        coefficients, _ = self.project((residual * self.root)[:, None])
        coefficients = coefficients[:, :, 0]
        return coefficients, torch.bmm(coefficients[:, None].float(), self.columns)[:, 0]
