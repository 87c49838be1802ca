"""Noise and errors of real spectra, drawn on the fly on whatever device the fluxes are on.

Mocks are stored noiseless; each time one is read it gets a new redshift against the sky, noise, calibration error,
kinematic error, missing pixels and missing bands. Every effect can be switched off by name for ablation (`noise.off`).

All random numbers are drawn first, in an order that new effects only add to; what is done with them is done some rows at
a time, which on a CPU halves the time. Nothing here waits for a device.
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
from sfhnet.core.cleaning import looked_at, pixels_between
from sfhnet.mocks.band_errors import BandErrors
from sfhnet.mocks.calibration_errors import CalibrationCurves
from sfhnet.mocks.correlated_noise import smoothed, smoothing_band
from sfhnet.mocks.hidden_pixels import HiddenPixels
from sfhnet.mocks.instrument_noise import error_shapes
from sfhnet.mocks.model_errors import ModelErrors, TelluricResiduals
from sfhnet.tools.random_streams import torch_stream

__all__ = ["EFFECTS", "Lines", "NoiseModel"]

EFFECTS: tuple[str, ...] = get_args(NoiseEffect)

# Random numbers of the shape that it is called with.
Random = Callable[..., Tensor]

# How many placements of the sky lines against the rest frame are prepared.
_N_SKY = 48
# Rows made in one go on a CPU: what is on the way stays in its cache. A multiple of `model_errors.N_LENGTH`.
_ROWS = 32
# Every so many pixels give the median S/N well enough.
_MEDIAN_STEP = 16
# How many patterns of the scatter of errors from pixel to pixel are prepared.
_N_FACTORS = 256


@dataclass(frozen=True)
class Lines:
    """Emission lines of a batch of mocks, as the shards hold them, for scatter on the fly.

    flux (n, n_line) Lsol per Msol formed, already attenuated; profile (n_line, n_wave) per AA, unit integral.
    """

    flux: Tensor
    profile: Tensor


@dataclass(frozen=True)
class _Numbers:
    """All random numbers of a batch: by part and name, first axis n; white noise (n, n_wave), which becomes the spectra."""

    parts: dict[str, dict[str, Tensor]]
    white: Tensor

    def __getitem__(self, rows: slice) -> _Numbers:
        parts = {
            part: {name: value[rows] for name, value in named.items()} for part, named in self.parts.items()
        }
        return _Numbers(parts, self.white[rows])


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
        self._on_host_aa = torch.from_numpy(wave).float()  # asking a device for wavelengths would wait for it
        self.wave_aa = self._on_host_aa.to(self.device)
        self._pixel_per_kms = self.wave_aa / self.step_aa / C_KMS
        redshifts = np.linspace(0.0, config.redshift_max, _N_SKY).tolist()
        smooth, lines = error_shapes(wave, redshifts)
        # Instruments one after the other, (n_instrument * _N_SKY, n_wave).
        self._smooth_variance = self._table((smooth**2).reshape(-1, len(wave)))
        self._sky_lines = self._table(lines.reshape(-1, len(wave)))
        self._kernels = [
            smoothing_band(sigma_aa / self.step_aa).to(self.device)
            for sigma_aa in config.correlation_sigma_aa
        ]
        self._calibration = CalibrationCurves(config, self.wave_aa)
        self._model_errors = ModelErrors(config, self.wave_aa)
        self._telluric = TelluricResiduals(config.telluric_rms, self.wave_aa, redshifts)
        self._hidden = HiddenPixels(config, wave, self.on, self.device)
        self._band_errors = BandErrors(config, self.on)
        table = torch.randn(_N_FACTORS, len(wave), generator=torch_stream("noise.sigma", 0))
        self._sigma_factors = (10.0 ** (config.error_pixel_scatter_dex * table)).to(self.device)

    def _table(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).float().to(self.device)

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
            Median S/N per pixel of the whole range for all; drawn log-uniformly from ``noise.snr_range`` otherwise.

        Returns
        -------
        Batch
            n spectra.
        """
        n, n_wave = flux.shape
        n_line = 0 if lines is None else lines.flux.shape[1]
        numbers = self._numbers((n, n_wave), band_flux.shape[1], n_line, snr=snr, generator=generator)
        sigma, level = torch.empty_like(numbers.white), flux.new_empty(n, 1)
        mask = torch.empty_like(sigma, dtype=torch.bool)
        size = _ROWS if looked_at(flux) else max(n, 1)
        for start in range(0, n, size):
            rows = slice(start, start + size)
            some = None if lines is None else Lines(lines.flux[rows], lines.profile)
            sigma[rows], mask[rows], level[rows] = self._realise(numbers[rows], flux[rows], some)
        target = numbers.parts["error"]["target"]
        background = self.config.band_background * level / target * 10.0
        bands, band_sigma, band_mask = self._band_errors(numbers.parts["bands"], band_flux, background)
        return Batch.build(
            self._on_host_aa,
            numbers.white,
            sigma,
            mask=mask,
            band_flux=bands,
            band_sigma=band_sigma,
            band_mask=band_mask,
            labels=labels,
            overwrite=True,
        )

    def _numbers(
        self,
        shape: tuple[int, int],
        n_band: int,
        n_line: int,
        *,
        snr: float | None,
        generator: torch.Generator,
    ) -> _Numbers:
        """Draw all random numbers. Another order changes every mock: new ones come last."""
        n, n_wave = shape
        c, parts = self.config, {}

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=self.device)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device=self.device)

        if n_line and self.on("line_scatter"):
            parts["lines"] = {"common": normal(n, 1), "single": normal(n, n_line)}
        if self.on("kinematics"):
            parts["kinematics"] = {"velocity": normal(n, 1), "spread": normal(n, 1)}
        if self.on("calibration"):
            parts["calibration"] = self._calibration.numbers(n, uniform, normal)
        low, high = np.log10(c.snr_range)
        if snr is None:
            target = 10.0 ** (low + (high - low) * uniform(n, 1))
        else:
            target = torch.full((n, 1), float(snr), device=self.device)
        error = parts["error"] = {"target": target}
        row = torch.floor(uniform(n) * _N_SKY).long().clamp_max(_N_SKY - 1)  # (n,), placement of the sky
        if self.on("variance_shape"):
            error["share"] = uniform(n, 1)
        white = normal(n, n_wave)
        if self.on("correlation"):
            self._correlate(white)
        if self.on("sky_residuals") and self.on("variance_shape"):
            error["sky"] = c.sky_residual * normal(n, 1)
        if self.on("error_scatter"):
            error["factor"] = 10.0 ** (c.error_scatter_dex * normal(n, 1))
        parts["hidden"] = self._hidden.numbers(n, uniform)
        parts["bands"] = self._band_errors.numbers(n, n_band, uniform, normal=normal)
        parts["hidden"] = self._hidden.new_numbers(n, uniform, parts["hidden"])
        parts["bands"] |= self._band_errors.new_numbers(n, n_band, uniform)
        if self.on("model_error"):
            parts["model_error"] = self._model_errors.numbers(n, uniform, normal)
        if self.on("telluric"):
            parts["telluric"] = self._telluric.numbers(n, normal)
        error["instrument"] = error["placement"] = row
        if self.on("other_instruments"):
            draw = uniform(n)
            flat, sdss = draw < c.flat_share, draw >= 1 - c.sdss_share
            error["instrument"] = row + _N_SKY * (flat.long() + 2 * sdss.long())
        if self.on("error_scatter") and c.error_pixel_scatter_dex > 0:
            error["pattern"] = (uniform(n) * _N_FACTORS).long().clamp_max(_N_FACTORS - 1)
        return _Numbers(parts, white)

    def _realise(self, numbers: _Numbers, flux: Tensor, lines: Lines | None) -> tuple[Tensor, Tensor, Tensor]:
        """Turn white noise into spectra, in place; return their sigma and mask, and the noiseless level (n, 1)."""
        error = numbers.parts["error"]
        flux = self._distorted(flux, lines, numbers.parts)
        window = pixels_between(self._on_host_aa, *WINDOWS_AA[0])
        level = flux[:, window].mean(dim=1, keepdim=True).clamp_min(1e-30)
        smooth = self._smooth_variance.index_select(0, error["instrument"])
        sky = self._sky_lines.index_select(0, error["instrument"])
        mask = self._hidden(numbers.parts["hidden"], smooth, sky * sky)
        sigma, sky = self._sigma(flux / level, smooth, sky, error.get("share"))
        # Scale so that the median S/N per pixel is the target.
        every = slice(None, None, _MEDIAN_STEP)
        median = torch.median(flux[:, every] / level / sigma[:, every], dim=1, keepdim=True).values
        factor = level * median / error["target"]
        sigma.mul_(factor)
        noisy = numbers.white.mul_(sigma).add_(flux)
        if "sky" in error:
            noisy.addcmul_(sky, error["sky"] * factor)
        if "factor" in error:
            sigma.mul_(error["factor"])
        if "pattern" in error:
            sigma.mul_(self._sigma_factors.index_select(0, error["pattern"]))
        return sigma, mask, level

    def _distorted(self, flux: Tensor, lines: Lines | None, parts: dict[str, dict[str, Tensor]]) -> Tensor:
        """Return flux with the errors that are not noise: of lines, kinematics, calibration, models and air."""
        if lines is not None and "lines" in parts:
            flux = self._line_scatter(flux, lines, **parts["lines"])
        if "kinematics" in parts:
            flux = self._kinematics(flux, **parts["kinematics"])
        curves = None
        if "calibration" in parts:
            curves = self._calibration.log_curves(parts["calibration"])
        if "model_error" in parts:
            curves = torch.zeros_like(flux) if curves is None else curves
            self._model_errors.add_to(curves, parts["model_error"])
        if "telluric" in parts:
            curves = torch.zeros_like(flux) if curves is None else curves
            self._telluric.add_to(curves, parts["telluric"], parts["error"]["placement"])
        return flux if curves is None else curves.exp_().mul_(flux)

    def _line_scatter(self, flux: Tensor, lines: Lines, common: Tensor, single: Tensor) -> Tensor:
        c = self.config
        change = 10.0 ** (c.line_scatter_common_dex * common + c.line_scatter_dex * single) - 1.0
        return torch.addmm(flux, lines.flux * change, lines.profile)

    def _kinematics(self, flux: Tensor, velocity: Tensor, spread: Tensor) -> Tensor:
        """Shift and broaden by a second-order Taylor series: exact enough for errors well below the line width."""
        c, pixel = self.config, self._pixel_per_kms[1:-1]
        velocity = c.velocity_sigma_kms * velocity
        # Extra variance of the kernel in pixel^2: (sigma (1+d))^2 - sigma^2, for dispersion and LSF together.
        wider = (1.0 + (c.dispersion_scatter * spread).clamp(-0.4, 0.4)) ** 2 - 1.0
        variance = velocity**2 + wider * c.dispersion_kms**2
        left, middle, right = flux[:, :-2], flux[:, 1:-1], flux[:, 2:]
        result = flux.clone()
        inner = result[:, 1:-1]
        inner.addcmul_((right - left).mul_(pixel), velocity, value=-0.5)
        inner.addcmul_((right + left).sub_(middle, alpha=2).mul_(pixel**2), variance, value=0.5)
        return result

    def _correlate(self, white: Tensor) -> None:
        # Real spectra are broadened to the training resolution: neighbouring pixels share noise. The kernels keep the
        # sum, so averages over many pixels keep the error that sigma says. Rows are in random order already.
        parts = torch.tensor_split(white, len(self._kernels) + 1)
        for part, kernel in zip(parts[1:], self._kernels, strict=True):
            for rows in part.split(_ROWS) if looked_at(part) else (part,):
                rows.copy_(smoothed(rows, kernel))

    def _sigma(
        self, shape: Tensor, smooth: Tensor, sky: Tensor, share: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the error over that of the smooth sky at 5300-5500 AA, and the part that sky lines have in it."""
        if share is None:
            return torch.ones_like(shape), sky
        # ASSUME: sources range from sky-limited to source-limited; the source's own photons scale with its flux and,
        # like the smooth part, with the inverse throughput.
        sky = sky * torch.sqrt(1 - share)
        variance = shape.clamp_min(0.02).mul_(share).add_(1 - share).mul_(smooth).addcmul_(sky, sky)
        return variance.sqrt_(), sky
