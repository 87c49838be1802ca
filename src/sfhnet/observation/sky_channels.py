"""Channels that the night sky spoils: strong lines, telluric bands and the notch of the laser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sfhnet.observation.artefacts import runs
from sfhnet.observation.medians import above_medians

if TYPE_CHECKING:
    from sfhnet.config import GalaxiesConfig

# Pixels over which the variance is smoothed to find sky lines.
_SKY_WINDOW = 151
# So many spectra are enough to find them.
_SKY_SPECTRA = 500
# A gap of at least so many channels (the notch of the sodium laser) is widened by so many: the light falls off there.
_GAP_CHANNELS, _GAP_EDGE = 10, 6


def sky_mask(
    wave_aa: np.ndarray, variance: np.ndarray, good: np.ndarray, *, config: GalaxiesConfig
) -> np.ndarray:
    """Find the channels that sky lines and telluric absorption spoil.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Observed air wavelengths.
    variance : ndarray, shape (n, n_wave)
        Variances; sky lines stand out in their median.
    good : ndarray of bool, shape (n, n_wave)
        Good pixels.
    config : GalaxiesConfig
        Windows, and the ratio of variances.

    Returns
    -------
    ndarray of bool, shape (n_wave,)
        True where the channel is not to be used.
    """
    masked = np.zeros(wave_aa.size, dtype=bool)
    for low, high in config.mask_windows_aa:
        masked |= (wave_aa >= low) & (wave_aa <= high)
    some = good.any(axis=0)
    if some.sum() > _SKY_WINDOW:
        # Every spectrum counts alike, whatever its brightness; of thousands some tell.
        chosen = np.flatnonzero(good.any(axis=1))
        chosen = chosen[:: max(1, chosen.size // _SKY_SPECTRA)]
        level = np.array([np.median(variance[i][good[i]]) for i in chosen])
        scaled = variance[chosen] / level[:, None]
        typical = np.median(scaled, axis=0) if len(scaled) > 1 else scaled[0]
        masked[some] |= above_medians(typical[some], _SKY_WINDOW, ratio=config.sky_variance_ratio)
    for start, stop in runs(np.asarray(~some)):
        if stop - start >= _GAP_CHANNELS:
            masked[max(start - _GAP_EDGE, 0) : stop + _GAP_EDGE] = True
    return masked
