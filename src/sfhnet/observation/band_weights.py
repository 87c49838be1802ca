"""Weights of a cube's channels that make an image of it in a band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["MIN_SHARE", "band_weights", "curve_of"]

# A band counts when the spectrum holds this share of its response.
MIN_SHARE = 0.7
# Beyond the cube, so much of its nearest end stands in.
_END_AA = 400.0


def curve_of(curve: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelengths in Angstrom and response of a curve: a pair of arrays, or an object with these attributes."""
    return curve if isinstance(curve, tuple) else (curve.wave_aa, curve.response)


def band_weights(curves: Mapping[str, Any], wave_aa: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
    """Return the photon weight of each channel in each band, and the share of the band that the cube covers.

    Parameters
    ----------
    curves : mapping of str to curve
        Band -> (wave_aa, response) or an object with these attributes, photon counting.
    wave_aa : ndarray, shape (n_wave,)
        Observed wavelengths.

    Returns
    -------
    dict of str to (ndarray, shape (n_wave,), float)
        For bands of which the cube holds less than 70 %, the nearest 400 Angstrom of it, evenly.
    """
    result = {}
    for band, curve in curves.items():
        at_aa, response = curve_of(curve)
        photons = response * at_aa
        covered = (at_aa >= wave_aa[0]) & (at_aa <= wave_aa[-1])
        step = np.gradient(at_aa)
        share = float((photons * step)[covered].sum() / (photons * step).sum())
        if share >= MIN_SHARE:
            weight = np.interp(wave_aa, at_aa, photons, left=0.0, right=0.0)
        else:
            middle = (photons * step * at_aa).sum() / (photons * step).sum()
            near = np.clip(middle, wave_aa[0] + _END_AA / 2, wave_aa[-1] - _END_AA / 2)
            weight = (np.abs(wave_aa - near) <= _END_AA / 2).astype(float)
        weight = weight * np.gradient(wave_aa)
        result[band] = (weight / weight.sum(), share)
    return result
