"""The one input of every network: normalised spectra and bands, from mocks and from data alike.

A spectrum and its band fluxes are divided by the same number ``s``, the median flux in a line-poor window, so that
shape and colours survive and units do not. Mocks come here after noise, data after preparation: one code path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sfhnet.core.cleaning import WINDOWS_AA, good_bands, good_pixels, mark, masked_median, normalising_flux
from sfhnet.core.flags import UNUSABLE, Flag

if TYPE_CHECKING:
    from sfhnet.core.spectra import Spectra

__all__ = ["WINDOWS_AA", "Batch"]

# Spectra that are cleaned in one go: double precision takes several times the memory of what is kept.
_ROWS = 1024


@dataclass(frozen=True)
class Batch:
    """Normalised spectra and bands. All tensors share the first axis ``n`` and live on one device.

    Attributes
    ----------
    flux, sigma : Tensor (n, n_wave) float32
        Flux and its 1-sigma error over ``s``; zero and one where masked.
    mask : Tensor (n, n_wave) bool
        True = good.
    band_flux, band_sigma : Tensor (n, n_band) float32
        f_lambda of the bands and errors over ``s``; zero and one where absent.
    band_mask : Tensor (n, n_band) bool
        True = present.
    log_snr : Tensor (n,) float32
        log10 of the median flux / sigma per good pixel.
    log_scale : Tensor (n,) float64
        log10 of ``s`` in the unit of the flux given.
    window : Tensor (n,) int64
        Which of `WINDOWS_AA` gave ``s``; ``len(WINDOWS_AA)`` = the whole spectrum.
    flags : Tensor (n,) int64
        Bits of `sfhnet.core.flags.Flag`.
    labels : dict of Tensor
        True values of mocks; empty for data.
    """

    flux: Tensor
    sigma: Tensor
    mask: Tensor
    band_flux: Tensor
    band_sigma: Tensor
    band_mask: Tensor
    log_snr: Tensor
    log_scale: Tensor
    window: Tensor
    flags: Tensor
    labels: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.flux.shape[0]

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        values = {
            name: function(getattr(self, name))
            for name in self.__dataclass_fields__
            if name not in ("labels",)
        }
        return Batch(**values, labels={name: function(value) for name, value in self.labels.items()})

    def to(self, device: torch.device | str) -> Batch:
        """Move every tensor to `device`."""
        return self._map(lambda value: value.to(device))

    def __getitem__(self, index: Tensor | slice | np.ndarray) -> Batch:
        """Take some of the spectra."""
        if isinstance(index, np.ndarray):
            index = torch.from_numpy(index)
        return self._map(lambda value: value[index])

    def without_bands(self) -> Batch:
        """Return the same spectra with every band absent."""
        return self.only_bands(torch.zeros(self.band_mask.shape[1], dtype=torch.bool))

    def only_bands(self, keep: Tensor) -> Batch:
        """Return the same spectra with some bands absent in all of them.

        Parameters
        ----------
        keep : Tensor (n_band,) bool
            True = stays where it is there.
        """
        there = self.band_mask & keep.to(self.band_mask.device)
        missing = torch.where(there.all(1), 0, int(Flag.MISSING_BANDS))
        none = torch.where(there.any(1), 0, int(Flag.NO_BANDS))
        return replace(
            self,
            band_flux=self.band_flux.masked_fill(~there, 0.0),
            band_sigma=self.band_sigma.masked_fill(~there, 1.0),
            band_mask=there,
            flags=self.flags | missing | none,
        )

    def hiding(self, pixels: Tensor) -> Batch:
        """Return the same spectra with some pixels masked in all of them.

        Parameters
        ----------
        pixels : Tensor (n_wave,) bool
            True = hidden.
        """
        pixels = pixels.to(self.mask.device)
        return replace(
            self,
            flux=self.flux.masked_fill(pixels, 0.0),
            sigma=self.sigma.masked_fill(pixels, 1.0),
            mask=self.mask & ~pixels,
        )

    @classmethod
    def cat(cls, batches: Sequence[Batch]) -> Batch:
        """Join batches along the first axis."""
        first = batches[0]
        values = {
            name: torch.cat([getattr(batch, name) for batch in batches])
            for name in cls.__dataclass_fields__
            if name != "labels"
        }
        return cls(
            **values, labels={k: torch.cat([batch.labels[k] for batch in batches]) for k in first.labels}
        )

    @classmethod
    def build(
        cls,
        wave_aa: Tensor,
        flux: Tensor,
        sigma: Tensor,
        *,
        mask: Tensor,
        band_flux: Tensor,
        band_sigma: Tensor,
        band_mask: Tensor,
        labels: dict[str, Tensor] | None = None,
        windows_aa: Sequence[tuple[float, float]] = WINDOWS_AA,
        overwrite: bool = False,
    ) -> Batch:
        """Clean, flag and normalise spectra; nothing that one spectrum holds touches another.

        Parameters
        ----------
        wave_aa : Tensor (n_wave,)
            Rest-frame air wavelengths in AA.
        flux, sigma, mask : Tensor (n, n_wave)
            f_lambda in any unit, its error, True = good.
        band_flux, band_sigma, band_mask : Tensor (n, n_band)
            Mean f_lambda of the bands in the same unit, error, True = present.
        labels : dict of Tensor, optional
            True values; ``log_ml`` is added when absent (log10 of Msol formed per unit of ``s``, for fluxes per Msol).
        windows_aa : sequence of (float, float)
            Where ``s`` is measured, in the order in which they are tried; AA.
        overwrite : bool
            The result may take the memory of `flux` and `sigma`, which are lost.

        Returns
        -------
        Batch
            float32; spectra without a usable pixel are flagged and zeroed.
        """
        flags = torch.zeros(flux.shape[0], dtype=torch.int64, device=flux.device)  # (n,)
        mask = good_pixels(flux, sigma, mask, flags=flags)  # (n, n_wave)
        scale, window = normalising_flux(wave_aa, flux, mask, windows_aa=windows_aa)  # (n,), (n,)
        unusable = torch.isnan(scale)
        mark(flags, unusable & ((flags & int(Flag.NO_VALID_PIXELS)) == 0), Flag.NEGATIVE_FLUX)
        mark(flags, window > 0, Flag.OTHER_WINDOW)
        mask = mask & ~unusable[:, None]
        safe = torch.where(unusable, torch.ones_like(scale), scale)[:, None]  # (n, 1)
        band_mask = good_bands(band_flux, band_sigma, band_mask, scale=safe, flags=flags)  # (n, n_band)
        band_mask = band_mask & ~unusable[:, None]
        mark(flags, ~band_mask.all(1), Flag.MISSING_BANDS)
        mark(flags, ~band_mask.any(1), Flag.NO_BANDS)
        flux_out = _normalised(flux, safe, mask, hidden=0.0, overwrite=overwrite)
        sigma_out = _normalised(sigma, safe, mask, hidden=1.0, overwrite=overwrite)
        # Every eighth pixel gives the median S/N to a few per cent at an eighth of the cost.
        snr = masked_median(flux_out[:, ::8] / sigma_out[:, ::8], mask[:, ::8])  # (n,)
        labels = dict(labels or {})
        if labels and "log_ml" not in labels:
            labels["log_ml"] = -torch.log10(safe[:, 0]).float()
        return cls(
            flux=flux_out,
            sigma=sigma_out,
            mask=mask,
            band_flux=torch.where(band_mask, band_flux / safe, 0).float(),
            band_sigma=torch.where(band_mask, band_sigma / safe, 1).float(),
            band_mask=band_mask,
            log_snr=torch.log10(snr.nan_to_num(1e-3).clamp_min(1e-3)).float(),
            log_scale=torch.log10(safe[:, 0].double()),
            window=window,
            flags=flags,
            labels=labels,
        )

    @classmethod
    def from_arrays(
        cls,
        wave_aa: np.ndarray,
        flux: np.ndarray,
        sigma: np.ndarray,
        *,
        mask: np.ndarray | None,
        band_flux: np.ndarray,
        band_sigma: np.ndarray,
        band_mask: np.ndarray,
    ) -> Batch:
        """Build from numpy arrays on the training grid; computed in float64, some rows at a time.

        Parameters
        ----------
        wave_aa : ndarray (n_wave,)
            Rest-frame air wavelengths in AA.
        flux, sigma, mask : ndarray (n, n_wave)
            f_lambda in any unit, its error, True = good; without a mask every pixel is.
        band_flux, band_sigma, band_mask : ndarray (n, n_band)
            Mean f_lambda of the bands in the same unit, error, True = present.

        Returns
        -------
        Batch
            As of `build`.
        """
        wave = torch.from_numpy(np.array(wave_aa, dtype=np.float64))
        mask = np.ones(np.shape(flux), dtype=bool) if mask is None else mask

        def rows(start: int) -> Batch:
            def some(values: np.ndarray, kind: type) -> Tensor:
                return torch.from_numpy(np.array(values[start : start + _ROWS], dtype=kind))

            return cls.build(
                wave,
                some(flux, float),
                some(sigma, float),
                mask=some(mask, bool),
                band_flux=some(band_flux, float),
                band_sigma=some(band_sigma, float),
                band_mask=some(band_mask, bool),
            )

        parts = [rows(start) for start in range(0, max(len(flux), 1), _ROWS)]
        return cls.cat(parts) if len(parts) > 1 else parts[0]

    @classmethod
    def from_spectra(
        cls, spectra: Spectra, band_names: Sequence[str] | None = None, rows: slice = slice(None)
    ) -> Batch:
        """Build from observed spectra.

        Parameters
        ----------
        spectra : Spectra
            Rest-frame spectra on the training grid with band fluxes in the same unit.
        band_names : sequence of str, optional
            The network's bands and their order; bands the spectra lack are absent, others are ignored.
        rows : slice
            Which of the spectra.

        Returns
        -------
        Batch
            One row a spectrum.
        """
        names = list(spectra.band_names)
        wanted = list(band_names) if band_names is not None else names
        n = len(spectra.flux[rows])
        band_flux, band_sigma = np.zeros((n, len(wanted))), np.ones((n, len(wanted)))
        band_mask = np.zeros((n, len(wanted)), dtype=bool)
        for column, name in enumerate(wanted):
            if name in names:
                source = names.index(name)
                band_flux[:, column] = spectra.band_flux[rows, source]
                band_sigma[:, column] = spectra.band_sigma[rows, source]
                band_mask[:, column] = spectra.band_mask[rows, source]
        return cls.from_arrays(
            spectra.wave_aa,
            spectra.flux[rows],
            spectra.sigma[rows],
            mask=spectra.mask[rows],
            band_flux=band_flux,
            band_sigma=band_sigma,
            band_mask=band_mask,
        )

    @property
    def usable(self) -> Tensor:
        """True where a result can be given, (n,) bool."""
        return (self.flags & int(UNUSABLE)) == 0


def _normalised(values: Tensor, scale: Tensor, mask: Tensor, *, hidden: float, overwrite: bool) -> Tensor:
    """Return values over `scale` (n, 1) in float32, `hidden` where masked; in place if they may be overwritten."""
    filled = torch.full((), hidden, dtype=torch.float32, device=values.device)
    if overwrite and values.dtype == torch.float32:
        return torch.where(mask, values.div_(scale), filled, out=values)
    return torch.where(mask, (values / scale).float(), filled)
