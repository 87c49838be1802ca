"""How the errors of instruments run with wavelength: MUSE, the same everywhere, and SDSS.

SDSS: median of the errors of six spectra of galaxies of its public archive, over their median at 5300-5500 AA, observed air
wavelengths; the sky lines are those of MUSE, wider and lower by what these spectra show.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sfhnet.mocks import muse_sky_noise

__all__ = ["INSTRUMENTS", "error_shapes"]

INSTRUMENTS: tuple[str, ...] = ("muse", "flat", "sdss")

# (wavelength AA, sigma over that of 5300-5500 AA): running 15th percentile over 200 AA.
_SDSS_SMOOTH = np.array(
    [
        *((4650.0, 1.06), (4850.0, 1.013), (5050.0, 0.997), (5250.0, 0.96), (5450.0, 0.972), (5650.0, 0.974)),
        *((5850.0, 0.867), (6050.0, 0.795), (6250.0, 0.859), (6450.0, 0.851), (6650.0, 0.828)),
        *((6850.0, 0.834), (7050.0, 0.826), (7250.0, 0.817), (7450.0, 0.838), (7650.0, 0.833)),
        *((7850.0, 0.843), (8050.0, 0.853), (8250.0, 0.863), (8450.0, 0.856), (8650.0, 0.873)),
        *((8850.0, 0.951), (9050.0, 0.978)),
    ]
)
_SDSS_LINE_SIGMA_AA = 2.0
_SDSS_LINE_HEIGHT = 0.6


def error_shapes(wave_aa: np.ndarray, redshifts: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the smooth part of the error and what sky lines add to it in quadrature.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Rest-frame air wavelengths in AA.
    redshifts : sequence of float
        Of the source: each moves the sky in the rest frame.

    Returns
    -------
    smooth, lines : ndarray (n_instrument, n_redshift, n_wave)
        Over the smooth part at 5300-5500 AA observed; `INSTRUMENTS` along the first axis.
    """
    observed = [np.asarray(wave_aa) * (1 + z) for z in redshifts]
    muse = [muse_sky_noise.smooth_sigma(wave) for wave in observed]
    muse_lines = [muse_sky_noise.sky_lines_sigma(wave) for wave in observed]
    sdss = [np.interp(wave, _SDSS_SMOOTH[:, 0], _SDSS_SMOOTH[:, 1]) for wave in observed]
    sdss_lines = [
        _SDSS_LINE_HEIGHT * muse_sky_noise.sky_lines_sigma(wave, _SDSS_LINE_SIGMA_AA) for wave in observed
    ]
    smooth = np.stack([muse, np.ones_like(muse), sdss])
    return smooth, np.stack([muse_lines, np.zeros_like(muse_lines), sdss_lines])
