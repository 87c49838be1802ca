"""Noise and errors of real spectra, drawn on the fly on whatever device the fluxes are on.

Mocks are stored noiseless; each time one is read it gets a new redshift against the sky, noise, calibration error,
kinematic error, missing pixels and missing bands. Every effect can be switched off by name for ablation (`noise.off`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from pyprospect.constants import C_KMS
from sfhnet.config import NoiseConfig, NoiseEffect
from sfhnet.core.batch import WINDOWS_AA, Batch
from sfhnet.mocks import muse_sky_noise as sky
from sfhnet.mocks.calibration_errors import CalibrationCurves, zero_point_factors
from sfhnet.mocks.correlated_noise import smoothed, smoothing_band

__all__ = ["EFFECTS", "Lines", "NoiseModel"]

EFFECTS: tuple[str, ...] = get_args(NoiseEffect)

# Random numbers of the shape that it is called with.
Random = Callable[..., Tensor]

# How many placements of the sky lines against the rest frame are prepared.
_N_SKY = 48


@dataclass(frozen=True)
class Lines:
    """Emission lines of a batch of mocks, as the shards hold them, for scatter on the fly.

    flux (n, n_line) Lsol per Msol formed, already attenuated; profile (n_line, n_wave) per AA, unit integral.
    """

    flux: Tensor
    profile: Tensor


class NoiseModel:
    """Turn noiseless mocks into spectra such as MUSE and HST deliver.

    Parameters
    ----------
    config : NoiseConfig
        Section ``noise`` of the configuration.
    wave_aa : array (n_wave,)
        Rest-frame air wavelengths, evenly spaced, AA.
    band_names : sequence of str
        Bands in the order of the band fluxes.
    device : torch.device or str
        Where the fluxes will be.
    off : sequence of str, optional
        Effects to leave out beside ``config.off``, names in `EFFECTS`.
    """

    def __init__(
        self,
        config: NoiseConfig,
        wave_aa: np.ndarray,
        band_names: Sequence[str],
        *,
        device: torch.device | str = "cpu",
        off: Sequence[str] = (),
    ) -> None:
        unknown = sorted(set(off) - set(EFFECTS))
        if unknown:
            raise ValueError(f"unknown noise effects {unknown}; known are {', '.join(EFFECTS)}")
        self.config = config
        self.off = frozenset(off) | frozenset(config.off)
        self.band_names = list(band_names)
        self.device = torch.device(device)
        wave = np.asarray(wave_aa, dtype=np.float64)
        self.step_aa = float(wave[1] - wave[0])
        if not np.allclose(np.diff(wave), self.step_aa, rtol=1e-6):
            raise ValueError(
                "the wavelength grid is not evenly spaced; resample the mocks to the training grid first"
            )
        self.wave_aa = torch.from_numpy(wave).float().to(self.device)
        redshifts = np.linspace(0.0, config.redshift_max, _N_SKY)
        smooth = np.stack([sky.smooth_sigma(wave * (1 + z)) for z in redshifts])
        lines = np.stack([sky.sky_lines_sigma(wave * (1 + z)) for z in redshifts])
        self._smooth = torch.from_numpy(smooth).float().to(self.device)
        self._sky_lines = torch.from_numpy(lines).float().to(self.device)
        self._sky_ratio = 1.0 + (self._sky_lines / self._smooth) ** 2
        self._kernels = [
            smoothing_band(sigma_aa / self.step_aa).to(self.device)
            for sigma_aa in config.correlation_sigma_aa
        ]
        # 16 bits hold every pixel number, and comparing them costs a fraction of comparing wavelengths.
        self._pixel = torch.arange(len(wave), dtype=torch.int16, device=self.device)[None]
        self._calibration = CalibrationCurves(config, self.wave_aa)

    def on(self, effect: str) -> bool:
        """Return whether an effect is switched on."""
        return effect not in self.off

    def __call__(
        self,
        flux: Tensor,
        band_flux: Tensor,
        generator: torch.Generator,
        *,
        labels: dict[str, Tensor] | None = None,
        lines: Lines | None = None,
        snr: float | None = None,
    ) -> Batch:
        """Draw one noisy realisation of each mock.

        Parameters
        ----------
        flux : Tensor (n, n_wave)
            Noiseless f_lambda on the training grid.
        band_flux : Tensor (n, n_band)
            Noiseless mean f_lambda of the bands, same unit.
        generator : torch.Generator
            Source of all randomness, on the device of the fluxes.
        labels : dict of Tensor, optional
            Passed on to the batch.
        lines : Lines, optional
            The emission lines contained in `flux`; needed for line scatter.
        snr : float, optional
            Median S/N per pixel for all; drawn log-uniformly from ``noise.snr_range`` otherwise.

        Returns
        -------
        Batch
            n spectra.
        """
        n, n_wave = flux.shape

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=flux.device)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device=flux.device)

        # The order of the steps is that of the random numbers: another one changes every mock.
        flux = self._distorted(flux, lines, uniform, normal)
        window = (self.wave_aa >= WINDOWS_AA[0][0]) & (self.wave_aa <= WINDOWS_AA[0][1])
        level = flux[:, window].mean(dim=1, keepdim=True).clamp_min(1e-30)  # (n, 1)
        target = self._target_snr(n, snr, uniform)  # (n, 1)
        row = torch.floor(uniform(n) * _N_SKY).long().clamp_max(_N_SKY - 1)  # (n,), placement of the sky
        noisy, sigma = self._with_noise(flux, level, target, row, uniform, normal)
        mask = self._mask(row, n_wave, uniform)
        bands, band_sigma, band_mask = self._bands(band_flux, level, target, uniform, normal)
        return Batch.build(
            self.wave_aa,
            noisy,
            sigma,
            mask=mask,
            band_flux=bands,
            band_sigma=band_sigma,
            band_mask=band_mask,
            labels=labels,
        )

    def _distorted(self, flux: Tensor, lines: Lines | None, uniform: Random, normal: Random) -> Tensor:
        """Return flux with the errors that are not noise: of lines, kinematics and calibration."""
        if lines is not None and self.on("line_scatter"):
            flux = self._line_scatter(flux, lines, normal)
        if self.on("kinematics"):
            flux = self._kinematics(flux, normal)
        if self.on("calibration"):
            flux = flux * self._calibration(len(flux), uniform, normal)
        return flux

    def _target_snr(self, n: int, snr: float | None, uniform: Random) -> Tensor:
        if snr is not None:
            return torch.full((n, 1), float(snr), device=self.device)
        low, high = np.log10(self.config.snr_range[0]), np.log10(self.config.snr_range[1])
        return 10.0 ** (low + (high - low) * uniform(n, 1))

    def _with_noise(
        self, flux: Tensor, level: Tensor, target: Tensor, row: Tensor, uniform: Random, normal: Random
    ) -> tuple[Tensor, Tensor]:
        """Return flux with noise and the error that the file would state, both (n, n_wave)."""
        c, (n, n_wave) = self.config, flux.shape
        sigma, sky_sigma = self._sigma(flux / level, row, uniform)
        # Scale so that the median S/N per pixel is the target; every 4th pixel gives that median well enough.
        median = torch.median((flux / level / sigma)[:, ::4], dim=1, keepdim=True).values
        factor = level * median / target
        sigma = sigma * factor
        white = normal(n, n_wave)
        noisy = torch.addcmul(flux, sigma, self._correlate(white) if self.on("correlation") else white)
        if self.on("sky_residuals") and sky_sigma is not None:
            amplitude = c.sky_residual * normal(n, 1)
            noisy = torch.addcmul(noisy, sky_sigma, amplitude * factor)
        if self.on("error_scatter"):
            sigma = sigma * 10.0 ** (c.error_scatter_dex * normal(n, 1))
        return noisy, sigma

    def _line_scatter(self, flux: Tensor, lines: Lines, normal: Random) -> Tensor:
        n, n_line = lines.flux.shape
        common = self.config.line_scatter_common_dex * normal(n, 1)
        change = 10.0 ** (common + self.config.line_scatter_dex * normal(n, n_line)) - 1.0
        return torch.addmm(flux, lines.flux * change, lines.profile)

    def _kinematics(self, flux: Tensor, normal: Random) -> Tensor:
        """Shift and broaden by a second-order Taylor series: exact enough for errors well below the line width."""
        c, n = self.config, flux.shape[0]
        pixel = (self.wave_aa / self.step_aa / C_KMS)[1:-1]
        velocity = c.velocity_sigma_kms * normal(n, 1)
        # Extra variance of the kernel in pixel^2: (sigma (1+d))^2 - sigma^2, for dispersion and LSF together.
        spread = (1.0 + (c.dispersion_scatter * normal(n, 1)).clamp(-0.4, 0.4)) ** 2 - 1.0
        variance = velocity**2 + spread * c.dispersion_kms**2
        left, middle, right = flux[:, :-2], flux[:, 1:-1], flux[:, 2:]
        result = flux.clone()
        inner = result[:, 1:-1]
        inner.addcmul_(right - left, velocity * pixel, value=-0.5)
        inner.addcmul_((right + left).sub_(middle, alpha=2), variance * pixel**2, value=0.5)
        return result

    def _correlate(self, white: Tensor) -> Tensor:
        # Real spectra are broadened to the training resolution: neighbouring pixels share noise. The kernels keep the
        # sum, so averages over many pixels keep the error that sigma says. Rows are in random order already.
        parts = torch.tensor_split(white, len(self._kernels) + 1)
        for part, kernel in zip(parts[1:], self._kernels, strict=True):
            part.copy_(smoothed(part, kernel))
        return white

    def _sigma(self, shape: Tensor, row: Tensor, uniform: Random) -> tuple[Tensor, Tensor | None]:
        if not self.on("variance_shape"):
            return torch.ones_like(shape), None
        smooth, lines = self._smooth[row], self._sky_lines[row]
        # ASSUME: sources range from sky-limited to source-limited; the source's own photons scale with its flux and,
        # like the smooth part, with the inverse throughput.
        share = uniform(len(row), 1)
        variance = smooth**2 * ((1 - share) + share * shape.clamp_min(0.02)) + (1 - share) * lines**2
        return torch.sqrt(variance), lines * torch.sqrt(1 - share)

    def _mask(self, row: Tensor, n_wave: int, uniform: Random) -> Tensor:
        c, n = self.config, len(row)
        mask = torch.ones(n, n_wave, dtype=torch.bool, device=self.device)

        def hide(low_aa: Tensor | float, high_aa: Tensor | float, used: Tensor) -> None:
            low = torch.where(used, self._pixel_of(low_aa), n_wave).to(torch.int16)
            high = torch.where(used, self._pixel_of(high_aa), 0).to(torch.int16)
            mask.logical_and_((self._pixel < low) | (self._pixel > high))

        if self.on("pixel_dropout"):
            low, high = c.sky_mask_ratio
            limit = low + (high - low) * uniform(n, 1)
            limit = torch.where(uniform(n, 1) < c.sky_mask_probability, limit, torch.inf)
            mask &= self._sky_ratio[row] < limit
            # Single pixels, drawn with replacement: a few are drawn twice.
            single = (uniform(n, round(c.pixel_drop_share * n_wave)) * n_wave).long().clamp_max(n_wave - 1)
            mask.scatter_(1, single, False)
            wave = self.wave_aa
            for _ in range(c.max_blocks):
                centre = wave[0] + (wave[-1] - wave[0]) * uniform(n, 1)
                low, high = np.log(c.block_aa[0]), np.log(c.block_aa[1])
                half = 0.5 * torch.exp(low + (high - low) * uniform(n, 1))
                hide(centre - half, centre + half, uniform(n, 1) < c.block_probability)
            # the laser notch of MUSE's adaptive optics
            hide(5800.0, 5970.0, uniform(n, 1) < c.notch_probability)
        if self.on("edges"):
            red = wave_cut(self.wave_aa[-1], c.red_edge_aa, uniform(n, 1))
            blue = wave_cut(self.wave_aa[0], c.blue_edge_aa, uniform(n, 1))
            cut_red, cut_blue = uniform(n, 1) < c.edge_probability, uniform(n, 1) < c.edge_probability
            hide(red, self.wave_aa[-1] + self.step_aa, cut_red)
            hide(self.wave_aa[0] - self.step_aa, blue, cut_blue)
        return mask

    def _pixel_of(self, wave_aa: Tensor | float) -> Tensor:
        """Return the pixel nearest to a wavelength, within one of the grid."""
        pixel = torch.as_tensor((wave_aa - self.wave_aa[0]) / self.step_aa, device=self.device)
        return torch.round(pixel).clamp(-1, self._pixel.shape[1])

    def _bands(
        self, band_flux: Tensor, level: Tensor, target: Tensor, uniform: Random, normal: Random
    ) -> tuple[Tensor, Tensor, Tensor]:
        c, (n, n_band) = self.config, band_flux.shape
        # ASSUME: HST errors are a fraction of the flux (log-uniform) and a background error that follows the spectrum's
        # own S/N, since both come from the same aperture.
        low, high = np.log(c.band_error_range[0]), np.log(c.band_error_range[1])
        relative = torch.exp(low + (high - low) * uniform(n, n_band))
        background = c.band_background * level / target * 10.0
        sigma = torch.sqrt((relative * band_flux) ** 2 + background**2)
        observed = band_flux + sigma * normal(n, n_band)
        if self.on("zero_points"):
            observed = observed * zero_point_factors(c, normal(n, 1), normal(n, n_band))
        present = torch.ones(n, n_band, dtype=torch.bool, device=band_flux.device)
        if self.on("band_dropout"):
            present &= uniform(n, n_band) >= c.band_drop_probability
            present &= uniform(n, 1) >= c.all_bands_drop_probability
        return observed, sigma, present


def wave_cut(full: Tensor, limit_aa: float, draw: Tensor) -> Tensor:
    """Place an edge evenly between the end of the grid and the deepest cut allowed.

    Parameters
    ----------
    full : Tensor ()
        End of the grid in Angstrom.
    limit_aa : float
        Deepest cut.
    draw : Tensor (n, 1)
        Uniform random numbers in [0, 1).

    Returns
    -------
    Tensor (n, 1)
        Angstrom.
    """
    return full + (limit_aa - full) * draw
