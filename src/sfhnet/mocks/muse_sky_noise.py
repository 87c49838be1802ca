"""The shape of MUSE's errors with wavelength: smooth throughput and sky continuum, and the sky lines.

Measured in the STAT extension of the A478 cube that the `mpdaf` 3.6 wheel ships (BSD; ESO 094.A-0859(A)): the median
1-sigma error of the outer spaxels, over its median in 5300-5500 AA. Peaks below 5570 AA there are noise of that
estimate and are left out; wavelengths are observed, air.
"""

from __future__ import annotations

import numpy as np

__all__ = ["sky_lines_sigma", "smooth_sigma"]

# (wavelength AA, sigma over that of 5300-5500 AA): running 15th percentile over 200 AA.
_SMOOTH = np.array(
    [
        *(
            (4650.0, 1.43),
            (4750.0, 1.367),
            (4950.0, 1.235),
            (5150.0, 1.083),
            (5350.0, 0.985),
            (5550.0, 0.895),
        ),
        *(
            (5750.0, 0.829),
            (5950.0, 0.774),
            (6150.0, 0.714),
            (6350.0, 0.663),
            (6550.0, 0.613),
            (6750.0, 0.577),
        ),
        *(
            (6950.0, 0.541),
            (7150.0, 0.514),
            (7350.0, 0.505),
            (7550.0, 0.499),
            (7750.0, 0.482),
            (7950.0, 0.476),
        ),
        *(
            (8150.0, 0.472),
            (8350.0, 0.476),
            (8550.0, 0.470),
            (8750.0, 0.467),
            (8950.0, 0.472),
            (9150.0, 0.488),
        ),
        *((9350.0, 0.517), (9450.0, 0.530)),
    ]
)

# (wavelength AA, excess sigma in quadrature above the smooth part, same unit).
_LINES = np.array(
    [
        *((5577.4, 2.16), (6299.9, 1.51), (6363.6, 0.75), (6871.1, 0.64), (6888.6, 0.70), (6899.9, 0.68)),
        *((7239.9, 0.81), (7244.9, 0.76), (7276.1, 0.91), (7316.1, 0.77), (7341.1, 0.82), (7368.6, 0.70)),
        *((7401.1, 0.54), (7523.6, 0.70), (7598.6, 1.14), (7604.9, 0.79), (7628.6, 0.91), (7712.4, 0.76)),
        *((7716.1, 0.76), (7749.9, 0.99), (7772.4, 0.81), (7793.6, 0.88), (7821.1, 1.00), (7853.6, 1.00)),
        *((7871.1, 0.66), (7889.9, 0.70), (7913.6, 1.22), (7921.1, 0.74), (7964.9, 1.04), (7979.9, 0.63)),
        *((7993.6, 1.11), (8026.1, 0.89), (8062.4, 0.62), (8281.1, 0.79), (8288.6, 1.07), (8298.6, 1.09)),
        *((8344.9, 1.81), (8352.4, 0.97), (8382.4, 0.78), (8398.6, 1.61), (8414.9, 0.96), (8429.9, 1.81)),
        *((8446.1, 0.72), (8452.4, 0.88), (8464.9, 1.45), (8493.6, 0.66), (8504.9, 1.02), (8548.6, 0.65)),
        *((8761.1, 1.25), (8767.4, 1.46), (8777.4, 1.40), (8791.1, 0.81), (8827.4, 2.42), (8836.1, 1.38)),
        *((8849.9, 0.74), (8867.4, 1.11), (8886.1, 1.93), (8902.4, 1.16), (8919.9, 2.27), (8943.6, 1.10)),
        *((8957.4, 1.79), (8987.4, 1.27), (9001.1, 2.00), (9037.4, 0.63), (9049.9, 0.88), (9102.4, 0.63)),
        *((9262.4, 0.61), (9307.4, 3.08), (9313.6, 3.51), (9317.4, 1.26), (9323.6, 4.50), (9337.4, 1.93)),
        *((9343.6, 0.77),),
    ]
)

# Gaussian sigma of a sky line in AA: MUSE's line-spread function (FWHM 2.5 AA) and the resampling to 1.25 AA.
_LINE_SIGMA_AA = 1.3


def smooth_sigma(wave_aa: np.ndarray) -> np.ndarray:
    """Return the smooth part of the 1-sigma error over its value at 5300-5500 AA.

    Parameters
    ----------
    wave_aa : ndarray
        Observed air wavelengths in AA.
    """
    return np.interp(wave_aa, _SMOOTH[:, 0], _SMOOTH[:, 1])


def sky_lines_sigma(wave_aa: np.ndarray, line_sigma_aa: float = _LINE_SIGMA_AA) -> np.ndarray:
    """Return what sky lines add to the error in quadrature, in the unit of `smooth_sigma`.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Observed air wavelengths in AA.
    line_sigma_aa : float
        Gaussian sigma of a line, AA; that of MUSE by default.
    """
    profile = np.exp(-0.5 * ((wave_aa[:, None] - _LINES[:, 0]) / line_sigma_aa) ** 2)
    return np.sqrt((profile * _LINES[:, 1] ** 2).sum(axis=1))
