"""Which pixels and bands of a spectrum count, and the flux that it is divided by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sfhnet.core.flags import Flag
from sfhnet.core.quantities import SNR_WINDOW_AA

__all__ = ["WINDOWS_AA", "good_bands", "good_pixels", "mark", "masked_median", "normalising_flux"]

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
    if not bool(torch.isfinite(flux.sum())):
        finite = torch.isfinite(flux)
        mark(flags, (mask & ~finite).any(1), Flag.NOT_FINITE)
        mask = mask & finite
    if not (bool(torch.isfinite(sigma.sum())) and bool(sigma.amin() > 0)):
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
        Rest-frame air wavelengths in AA.
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
        inside = (wave_aa >= low) & (wave_aa <= high)
        if not bool(inside.any()):
            continue
        part, part_mask = flux[:, inside], mask[:, inside]
        wanted = torch.isnan(scale) & (part_mask.sum(1) >= WINDOW_SHARE * part.shape[1])
        if bool(wanted.any()):
            rows = wanted.nonzero()[:, 0]
            value = masked_median(part[rows], part_mask[rows])
            usable = value > 0
            scale[rows[usable]] = value[usable]
            window[rows[usable]] = number
    rest = (torch.isnan(scale) & mask.any(1)).nonzero()[:, 0]
    if rest.numel():
        value = masked_median(flux[rest], mask[rest])
        scale[rest] = torch.where(value > 0, value, torch.nan)
    return scale, window


def good_bands(
    band_flux: Tensor, band_sigma: Tensor, present: Tensor, *, scale: Tensor, flags: Tensor
) -> Tensor:
    """Return the bands that have numbers that can be believed, and flag spectra whose bands are in another unit.

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
    # Far outside any colour: the units of bands and spectrum differ, so the bands say nothing.
    significant = known & (ratio.abs() > 0) & (band_flux.abs() > 5 * band_sigma)
    absurd = significant & ((ratio.abs() > BAND_RATIO_RANGE[1]) | (ratio.abs() < BAND_RATIO_RANGE[0]))
    absurd = absurd | (known & (band_sigma / scale > BAND_RATIO_RANGE[1]))
    mark(flags, absurd.any(1), Flag.WRONG_UNITS)
    return known & ~absurd.any(1)[:, None]


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
