"""Which pixels and bands of a spectrum count, and the flux that it is divided by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sfhnet.core.flags import Flag
from sfhnet.core.quantities import SNR_WINDOW_AA

__all__ = [
    "WINDOWS_AA",
    "good_bands",
    "good_pixels",
    "looked_at",
    "mark",
    "masked_median",
    "normalising_flux",
    "pixels_between",
]

# ASSUME: line-poor stretches of the MUSE range (AA, rest frame, air), tried in this order.
WINDOWS_AA: tuple[tuple[float, float], ...] = (
    SNR_WINDOW_AA,
    (6000.0, 6200.0),
    (6800.0, 7000.0),
    (8100.0, 8250.0),
)

# A window counts when at least this share of its pixels is good.
WINDOW_SHARE = 0.5

# Colours of stellar populations, f_lambda(band) / f_lambda(5400 AA), lie within these whatever the dust.
BAND_RATIO_RANGE = (1e-5, 1e3)


def looked_at(values: Tensor) -> bool:
    """Return whether the host may look at values to save work; on a GPU it would have to wait for them."""
    return values.device.type == "cpu"


def pixels_between(wave_aa: Tensor, low_aa: float, high_aa: float) -> slice:
    """Return the pixels of ascending wavelengths from `low_aa` to `high_aa`, both included."""
    wave = wave_aa.cpu().numpy()
    return slice(int(np.searchsorted(wave, low_aa)), int(np.searchsorted(wave, high_aa, side="right")))


def mark(flags: Tensor, where: Tensor, flag: Flag) -> None:
    """Set a flag of some spectra.

    Parameters
    ----------
    flags : Tensor of int64 (n,)
        Changed in place.
    where : Tensor of bool (n,)
        Which spectra.
    flag : Flag
        Bits to set.
    """
    flags.bitwise_or_(where.to(torch.int64) * int(flag))


def good_pixels(flux: Tensor, sigma: Tensor, mask: Tensor, *, flags: Tensor) -> Tensor:
    """Return the pixels that are good and have numbers, and flag what is not.

    Parameters
    ----------
    flux, sigma, mask : Tensor (n, n_wave)
        f_lambda, its error, True = good.
    flags : Tensor of int64 (n,)
        Changed in place.

    Returns
    -------
    Tensor of bool (n, n_wave)
    """
    # A sum over a spectrum is not finite if a pixel is not: only then are the pixels themselves looked at.
    waits = looked_at(flux)
    if not (waits and bool(torch.isfinite(flux.sum()))):
        finite = torch.isfinite(flux)
        mark(flags, (mask & ~finite).any(1), Flag.NOT_FINITE)
        mask = mask & finite
    if not (waits and bool(torch.isfinite(sigma.sum())) and bool(sigma.amin() > 0)):
        good_sigma = torch.isfinite(sigma) & (sigma > 0)
        mark(flags, (mask & ~good_sigma).any(1), Flag.BAD_SIGMA)
        mask = mask & good_sigma
    n_good = mask.sum(1)
    mark(flags, n_good == 0, Flag.NO_VALID_PIXELS)
    mark(flags, n_good < 0.9 * flux.shape[1], Flag.MASKED_PIXELS)
    return mask


def normalising_flux(
    wave_aa: Tensor, flux: Tensor, mask: Tensor, *, windows_aa: Sequence[tuple[float, float]] = WINDOWS_AA
) -> tuple[Tensor, Tensor]:
    """Return the median flux of the first window that has enough good pixels, or of the whole spectrum.

    Parameters
    ----------
    wave_aa : Tensor (n_wave,)
        Rest-frame air wavelengths in AA, ascending; on the host, or it has to be waited for.
    flux, mask : Tensor (n, n_wave)
        f_lambda, True = good.
    windows_aa : sequence of (float, float)
        In the order in which they are tried; AA.

    Returns
    -------
    scale : Tensor (n,)
        In the unit of `flux`; NaN where no median is positive.
    window : Tensor of int64 (n,)
        Which window gave it; ``len(windows_aa)`` = the whole spectrum.
    """
    scale = torch.full(flux.shape[:1], float("nan"), dtype=flux.dtype, device=flux.device)
    window = torch.full(flux.shape[:1], len(windows_aa), dtype=torch.int64, device=flux.device)
    for number, (low, high) in enumerate(windows_aa):
        inside = pixels_between(wave_aa, low, high)
        part, part_mask = flux[:, inside], mask[:, inside]
        if not part.shape[1]:
            continue
        wanted = torch.isnan(scale) & (part_mask.sum(1) >= WINDOW_SHARE * part.shape[1])
        value = _median_where(wanted, part, part_mask)
        window = torch.where(value > 0, number, window)
        scale = torch.where(value > 0, value, scale)
    value = _median_where(torch.isnan(scale), flux, mask)
    scale = torch.where(value > 0, value, scale)
    return scale, window


def _median_where(wanted: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return the median of the good values of the rows that are wanted, (n,); NaN in others."""
    if not looked_at(values):
        return torch.where(wanted, masked_median(values, mask), torch.nan)
    rows = wanted.nonzero()[:, 0]
    medians = torch.full(values.shape[:1], float("nan"), dtype=values.dtype, device=values.device)
    if rows.numel():
        medians[rows] = masked_median(values[rows], mask[rows])
    return medians


def good_bands(
    band_flux: Tensor, band_sigma: Tensor, present: Tensor, *, scale: Tensor, flags: Tensor
) -> Tensor:
    """Return the bands that have numbers that can be believed; one that cannot costs the others nothing.

    A flux far outside any colour, and well above its error, is flagged. If half of the bands are such, their unit is another
    one than that of the spectrum, and none says anything. An error far above any flux is that of a band that was not
    measured.

    Parameters
    ----------
    band_flux, band_sigma, present : Tensor (n, n_band)
        Mean f_lambda of the bands, error, True = present.
    scale : Tensor (n, 1)
        From `normalising_flux`, one where it is NaN.
    flags : Tensor of int64 (n,)
        Changed in place.

    Returns
    -------
    Tensor of bool (n, n_band)
    """
    known = present & torch.isfinite(band_flux) & torch.isfinite(band_sigma) & (band_sigma > 0)
    ratio = band_flux / scale
    significant = known & (ratio.abs() > 0) & (band_flux.abs() > 5 * band_sigma)
    absurd = significant & ((ratio.abs() > BAND_RATIO_RANGE[1]) | (ratio.abs() < BAND_RATIO_RANGE[0]))
    mark(flags, absurd.any(1), Flag.WRONG_UNITS)
    no_unit = 2 * absurd.sum(1) >= known.sum(1)
    believed = known & ~absurd & (band_sigma / scale <= BAND_RATIO_RANGE[1])
    return believed & ~(absurd.any(1) & no_unit)[:, None]


def masked_median(values: Tensor, mask: Tensor) -> Tensor:
    """Return the median of the good values of each row.

    Parameters
    ----------
    values, mask : Tensor (n, m)
        Numbers, True = good.

    Returns
    -------
    Tensor (n,)
        NaN where nothing is good.
    """
    filled = torch.where(mask, values, torch.nan)
    return torch.nanmedian(filled, dim=1).values
