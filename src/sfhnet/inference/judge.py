"""From spectra on the training grid to answers that are checked: outliers, bands, nuclei, windows, and asking again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from sfhnet.core.batch import Batch
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.inference.answers import Seen
from sfhnet.inference.basis import Basis, line_pixels
from sfhnet.inference.measured import LineMeasures, measure_lines
from sfhnet.inference.screens import widened
from sfhnet.inference.stability import VARIANTS, ask_again
from sfhnet.observation.artefacts import runs
from sfhnet.observation.medians import beside_too, far_medians

if TYPE_CHECKING:
    from sfhnet.inference.model import Model

__all__ = ["LEAST_WINDOW_AA", "SHARPEN_MOST_KMS", "Judged", "judge", "lines_of", "stars_chi2"]

LEAST_WINDOW_AA = 600.0
"""Shortest stretch of the training range that is answered."""

SHARPEN_MOST_KMS = 350.0
"""Widest broadening beyond the training that the basis undoes [km/s]."""

# A pixel so many errors and this share of the flux off is none of a galaxy's; more than the last share of them is a misfit.
_OUTLIER_SIGMA, _OUTLIER_SHARE, _MOST_OUTLIERS = 8.0, 0.12, 0.05
_ROUNDS = 3
# Nothing so near to an emission line is an outlier [AA].
_NEAR_LINES_AA = 20.0
# Pixels of the surroundings of one, and the share of their flux beyond which it is set aside at first.
_SURROUNDINGS, _STANDS_OUT = 41, 0.5
# Wings are set aside with it down to this.
_WINGS = 0.01
# Pixels of a block in which residuals are summed.
_BLOCK = 16
# Steps of the broadening that is undone, and how many of them are something [km/s].
_STEP_KMS, _LEAST_STEPS = 10.0, 4
# What an uncertain width moves.
_OF_WIDTH = ("lw_log_age", "mw_log_age", "mw_mh", "a_v")
# Networks that were not trained on windows know nothing of this much less than the whole.
_WHOLE = 0.6


@dataclass(frozen=True)
class Judged:
    """Answers with what was found on the way.

    Parameters
    ----------
    posterior : Posterior
        n answers, flagged.
    measured : dict of ndarray (n,)
        Some of `sfhnet.inference.answers.MEASURED`.
    seen : Seen
        What the network saw.
    """

    posterior: Posterior
    measured: dict[str, np.ndarray]
    seen: Seen


def judge(
    model: Model,
    batch: Batch,
    *,
    excess_kms: np.ndarray | None = None,
    blur_kms: np.ndarray | None = None,
    n_samples: int = 0,
    seed: int = 0,
    first: int = 0,
) -> Judged:
    """Answer spectra and check the answers.

    Parameters
    ----------
    model : Model
        Network with its limits.
    batch : Batch
        n spectra on its grid.
    excess_kms : ndarray (n,), optional
        Gaussian width by which they are broader than the training spectra; it is undone with the basis.
    blur_kms : ndarray (n,), optional
        Gaussian width by which they would be broader with the dispersion one error smaller, zero where that is nothing:
        answers are widened by what it changes.
    n_samples, seed, first : int
        Joint samples; number of the first spectrum among all, which its samples go by.

    Returns
    -------
    Judged
    """
    wave = model.wave_aa
    basis = model.basis
    rows = batch.usable.nonzero()[:, 0].numpy()
    lines = lines_of(batch, wave)
    model_flux = np.full(batch.flux.shape, np.nan, dtype=np.float32)
    if basis is not None and len(rows):
        if excess_kms is not None:
            batch = _sharpened(batch, rows, excess_kms, basis)
        batch, amplitudes = _without_outliers(batch, rows, basis)
        model_flux[rows] = basis.model(amplitudes)
        batch = model.screens.checked_bands(
            batch,
            amplitudes[:, 1:],
            rows,
            names=model.band_names,
            error_range=tuple(model.info.get("band_error_range", (0.01, 0.1))),
            background=float(model.info.get("band_background", 0.01)),
        )
    posterior = model.infer_batch(batch, n_samples=n_samples, seed=seed, first=first)
    covered = batch.mask.float().mean(1).double().numpy()
    changes = _changes(model, batch, posterior)
    factor, over = _uncertain(model, posterior, covered, changes)
    if basis is not None and blur_kms is not None and len(rows):
        factor = factor * _of_width(model, batch, posterior, rows, blur_kms[rows], amplitudes)
    posterior = widened(posterior, factor)
    flags = posterior.flags.copy()
    usable = posterior.usable
    flags[usable & (over > 1)] |= np.uint32(Flag.UNSTABLE)
    flags[usable & model.screens.broad_lines.agn_like(lines)] |= np.uint32(Flag.AGN_LIKE)
    if not model.trained_on_windows:
        flags[usable & (covered < _WHOLE)] |= np.uint32(Flag.NARROW_WINDOW)
    chi2 = np.full(len(batch), np.nan)
    if basis is not None and len(rows):
        chi2[rows] = stars_chi2(batch[torch.from_numpy(rows)], model_flux[rows], wave)
        if model.screens.stars is not None:
            poor = model.screens.stars.poor(chi2[rows], posterior.snr[rows])
            flags[rows[poor]] |= np.uint32(Flag.BAD_FIT)
    measured = {
        "halpha_ew_aa": lines.halpha_ew_aa,
        "stability": over,
        "without_lines": changes[:, 0],
        "by_halves": changes[:, 1:].max(axis=1),
        "chi2_stars": chi2,
        "covered": covered,
    }
    seen = Seen(
        wave,
        batch.flux.numpy(),
        batch.sigma.numpy(),
        batch.mask.numpy(),
        batch.band_flux.numpy(),
        batch.band_sigma.numpy(),
        batch.band_mask.numpy(),
        model=model_flux,
    )
    return Judged(replace(posterior, flags=flags), measured, seen)


def lines_of(batch: Batch, wave_aa: np.ndarray) -> LineMeasures:
    """Return the lines of a batch."""
    flux, sigma = batch.flux.double().cpu().numpy(), batch.sigma.double().cpu().numpy()
    return measure_lines(wave_aa, flux, sigma, batch.mask.cpu().numpy())


def stars_chi2(batch: Batch, model_flux: np.ndarray, wave_aa: np.ndarray) -> np.ndarray:
    """Return how far models miss spectra outside the emission lines, (n,): reduced chi-square of blocks of pixels.

    In a block the errors are right whether or not neighbours share their noise.

    Parameters
    ----------
    batch : Batch
        n spectra.
    model_flux : ndarray (n, n_wave)
        Models of them.
    wave_aa : ndarray (n_wave,)
        Rest-frame wavelengths in AA.
    """
    flux, sigma = batch.flux.double().numpy(), batch.sigma.double().numpy()
    good = batch.mask.numpy() & ~line_pixels(wave_aa)
    n, n_wave = flux.shape
    whole = n_wave // _BLOCK * _BLOCK

    def summed(values: np.ndarray) -> np.ndarray:
        return np.where(good, values, 0.0)[:, :whole].reshape(n, -1, _BLOCK).sum(axis=2)

    count = summed(np.ones_like(flux))
    used = count >= _BLOCK / 2
    off = np.where(used, summed(flux - model_flux) ** 2 / np.maximum(summed(sigma**2), 1e-30), 0.0)
    return off.sum(axis=1) / np.maximum(used.sum(axis=1), 1)


def _without_outliers(batch: Batch, rows: np.ndarray, basis: Basis) -> tuple[Batch, np.ndarray]:
    """Return the batch without pixels that no galaxy has, and the amplitudes of the basis in the usable spectra."""
    part = batch[torch.from_numpy(rows)]
    flux, sigma, given = part.flux.double().numpy(), part.sigma.double().numpy(), part.mask.numpy()
    may = given & ~line_pixels(basis.grid.wave_aa, _NEAR_LINES_AA)
    # What stands out of its surroundings like no band of stars would drag the first fit with it, its wings too.
    least = np.where(may, _OUTLIER_SIGMA * sigma, np.inf)
    local = far_medians(np.where(given, flux, 1.0), _SURROUNDINGS, least=least)
    off = np.where(given, np.abs(flux - local), 0.0)
    stands_out = may & (off > np.maximum(_OUTLIER_SIGMA * sigma, _STANDS_OUT * np.abs(local)))
    for i in np.flatnonzero(stands_out.any(axis=1)):
        stands_out[i] = _with_wings(stands_out[i], off[i])
    stands_out &= may
    mask = given & ~stands_out
    # One bright line may be all that a narrow window has too much of.
    few = stands_out.sum(axis=1) <= 2 * _MOST_OUTLIERS * given.sum(axis=1)
    sure = stands_out & few[:, None]
    amplitudes = basis.fit(flux, sigma, mask)
    left = np.arange(len(rows))
    for _ in range(_ROUNDS):
        expected = basis.model(amplitudes[left])
        residual = np.where(given[left], flux[left] - expected, 0.0)
        limit = np.maximum(_OUTLIER_SIGMA * sigma[left], _OUTLIER_SHARE * np.abs(expected))
        wild = (np.abs(residual) > limit) & may[left]
        # Where the fit misses a wide stretch in which nothing stood out, it is the fit that is wrong, not the pixels.
        rough = np.flatnonzero(wild.any(axis=1))
        least = np.where(wild[rough], 0.5 * limit[rough], np.inf)
        wide = far_medians(residual[rough], _SURROUNDINGS, least=least)
        wild[rough] &= (np.abs(residual[rough] - wide) > least) | sure[left[rough]]
        wild = beside_too(wild, 2) & given[left]
        misfit = (wild & ~sure[left]).sum(axis=1) > _MOST_OUTLIERS * given[left].sum(axis=1)
        wild[misfit] &= sure[left[misfit]]
        changed = ((given[left] & ~wild) != mask[left]).any(axis=1)
        mask[left] = given[left] & ~wild
        left = left[changed]
        if not len(left):
            break
        amplitudes[left] = basis.fit(flux[left], sigma[left], mask[left])
    hidden = given & ~mask
    if not hidden.any():
        return batch, amplitudes
    of_batch = torch.zeros_like(batch.mask)
    of_batch[torch.from_numpy(rows)] = torch.from_numpy(hidden)
    return batch.hiding(of_batch), amplitudes


def _with_wings(stands_out: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Return what stands out, each stretch with the wings that a line of its height and width has.

    Parameters
    ----------
    stands_out : ndarray of bool (n_wave,)
        Pixels that stand out.
    off : ndarray (n_wave,)
        By how much they differ from their surroundings, over the normalising flux.
    """
    result = stands_out.copy()
    for start, stop in runs(stands_out):
        peak = off[start:stop].max()
        above = start + np.flatnonzero(off[start:stop] > 0.5 * peak)
        # A Gaussian's reach in units of its half width at half maximum.
        reach = np.sqrt(np.log2(max(peak / _WINGS, 2.0))) * 0.5 * (above[-1] + 1 - above[0])
        centre = 0.5 * (above[0] + above[-1])
        result[max(int(centre - reach), 0) : int(np.ceil(centre + reach)) + 1] = True
    return result


def _sharpened(batch: Batch, rows: np.ndarray, excess_kms: np.ndarray, basis: Basis) -> Batch:
    """Give spectra the resolution of the training: the basis says what of them their own width has washed out."""
    flux = batch.flux.clone()
    plain = basis.broadened(0.0)
    steps = _steps(excess_kms[rows])
    for step in np.unique(steps[steps > 0]):
        index = torch.from_numpy(rows[steps == step])
        part = batch[index]
        broad = basis.broadened(step * _STEP_KMS)
        one = replace(basis, mean=broad[0], components=broad[1:])
        amplitudes = one.fit(part.flux.double().numpy(), part.sigma.double().numpy(), part.mask.numpy())
        change = torch.from_numpy(amplitudes @ (plain - broad)).to(flux)
        flux[index] += change.masked_fill(~part.mask, 0.0)
    return replace(batch, flux=flux)


def _of_width(
    model: Model,
    batch: Batch,
    posterior: Posterior,
    rows: np.ndarray,
    blur_kms: np.ndarray,
    amplitudes: np.ndarray,
) -> np.ndarray:
    """Return the factor on the intervals, (n,), that an uncertain dispersion asks for."""
    factor, basis = np.ones(len(batch)), model.basis
    steps = _steps(blur_kms)
    chosen = np.flatnonzero(steps)
    if basis is None or not chosen.size:
        return factor
    index = rows[chosen]
    part = batch[torch.from_numpy(index)]
    plain = basis.broadened(0.0)
    change = np.empty(part.flux.shape)
    for step in np.unique(steps[chosen]):
        some = steps[chosen] == step
        change[some] = amplitudes[chosen[some]] @ (basis.broadened(step * _STEP_KMS) - plain)
    flux = part.flux + torch.from_numpy(change).to(part.flux).masked_fill(~part.mask, 0.0)
    other = model.scalars(replace(part, flux=flux))
    for name in _OF_WIDTH:
        low, high = (end[index] for end in posterior.interval(name, 0.68))
        with np.errstate(invalid="ignore", divide="ignore"):
            moved = 2 * np.abs(other[name] - posterior.scalars[name][index]) / (high - low)
        factor[index] = np.maximum(factor[index], np.hypot(1.0, np.nan_to_num(moved, posinf=1.0)))
    return factor


def _steps(width_kms: np.ndarray) -> np.ndarray:
    """Return how many steps of the broadening widths are, (n,) int; zero where that is nothing."""
    steps = np.rint(np.minimum(width_kms, SHARPEN_MOST_KMS) / _STEP_KMS).astype(int)
    return np.where(steps >= _LEAST_STEPS, steps, 0)


def _changes(model: Model, batch: Batch, posterior: Posterior) -> np.ndarray:
    """Return the changes when asked again, (n, n_variant); zero for a model without limits of them."""
    if model.screens.stability is None:
        return np.zeros((len(batch), len(VARIANTS)))
    return ask_again(model.scalars, batch, model.wave_aa, posterior)


def _uncertain(
    model: Model, posterior: Posterior, covered: np.ndarray, changes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor on the intervals, and the largest change over its limit, both (n,)."""
    factor, over = np.ones(len(posterior)), np.zeros(len(posterior))
    stability = model.screens.stability
    if stability is not None:
        over = stability.over_limit(changes, posterior.snr)
        factor = np.maximum(factor, over)
    if not model.trained_on_windows:
        # ASSUME: a network that never saw so little knows no better than the share of the range it sees.
        factor = factor * np.where(covered < _WHOLE, np.sqrt(_WHOLE / np.maximum(covered, 0.05)), 1.0)
    # ASSUME: below the S/N of the training errors grow as noise does; the network does not know that they do.
    least = float(model.info["snr_range"][0])
    return factor * np.clip(least / np.maximum(np.nan_to_num(posterior.snr), 0.1), 1.0, 30.0), over
