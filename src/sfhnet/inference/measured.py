"""What is measured on a spectrum itself, whatever a network makes of it: emission lines, narrow and broad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyprospect.constants import C_KMS
from sfhnet.core.emission_lines import NAMED_AA

__all__ = ["AGN_RATIO", "LineMeasures", "measure_lines"]

_HALPHA, _HBETA, _OIII, _NII = (NAMED_AA[name] for name in ("Hα", "Hβ", "[OIII]5007", "[NII]6583"))
# Half width of a narrow line in km/s, and where its continuum is taken, in AA.
_NARROW_KMS = 400.0
_NEAR_HALPHA, _NEAR_HBETA = ((6500.0, 6530.0), (6605.0, 6640.0)), ((4790.0, 4835.0), (5030.0, 5080.0))
# The wings of broad Halpha, free of [NII]; the continuum beyond, free of [OI] and [SII].
_WINGS_AA = ((6487.0, 6532.0), (6604.0, 6650.0))
_BEYOND_AA = ((6385.0, 6440.0), (6770.0, 6830.0))
# Broad wings of Hbeta.
_HBETA_WINGS_AA = ((4800.0, 4838.0), (4885.0, 4925.0))
_HBETA_BEYOND_AA = ((4755.0, 4775.0), (5050.0, 5140.0))
# Share of a window that has to be good.
_LEAST_SHARE = 0.6
# Least significance of each line of a ratio.
_SIGNIFICANT = 5.0
# ASSUME: stars absorb so much at Halpha and Hbeta, give or take the last [AA].
_ABSORBED_AA, _ABSORBED_ERR_AA = {"ha": 2.0, "hb": 1.5}, 0.7
AGN_RATIO = 0.15
"""How far log [OIII]/Hbeta lies above the line of Kewley et al. (2001) before it is said [dex]."""


@dataclass(frozen=True)
class LineMeasures:
    """Lines of n spectra; NaN where masked.

    Parameters
    ----------
    halpha_ew_aa : ndarray (n,)
        Equivalent width of Halpha with [NII] in AA, emission positive, absorption not corrected.
    broad, broad_err : ndarray (n,)
        Light in the wings of Halpha, 1500 to 4000 km/s from it, over the continuum between its far sides; its error.
    broad_hbeta, broad_hbeta_err : ndarray (n,)
        The same of Hbeta.
    above_kewley : ndarray (n,)
        log [OIII]/Hbeta over the line of Kewley et al. (2001); NaN unless all four lines stand out.
    """

    halpha_ew_aa: np.ndarray
    broad: np.ndarray
    broad_err: np.ndarray
    broad_hbeta: np.ndarray
    broad_hbeta_err: np.ndarray
    above_kewley: np.ndarray


def measure_lines(wave_aa: np.ndarray, flux: np.ndarray, sigma: np.ndarray, mask: np.ndarray) -> LineMeasures:
    """Measure lines of spectra in the rest frame.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Rest-frame air wavelengths in AA.
    flux, sigma : ndarray (n, n_wave)
        Spectra and errors.
    mask : ndarray of bool (n, n_wave)
        True = good.

    Returns
    -------
    LineMeasures
    """
    view = _View(wave_aa, flux, sigma, mask)
    ew, _ = view.excess((_around(_HALPHA, 1100.0)[0], _around(_NII, 700.0)[1]), _BEYOND_AA, integral=True)
    broad, broad_err = view.wings(_WINGS_AA, _BEYOND_AA)
    beta, beta_err = view.wings(_HBETA_WINGS_AA, _HBETA_BEYOND_AA)
    lines = {}
    for name, centre, sides in (
        ("ha", _HALPHA, _NEAR_HALPHA),
        ("n2", _NII, _NEAR_HALPHA),
        ("hb", _HBETA, _NEAR_HBETA),
        ("o3", _OIII, _NEAR_HBETA),
    ):
        value, error = view.excess(_around(centre, _NARROW_KMS), sides, integral=True)
        lines[name] = value + _ABSORBED_AA.get(name, 0.0), np.hypot(error, _ABSORBED_ERR_AA)
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.all([value > _SIGNIFICANT * error for value, error in lines.values()], axis=0)
        n2 = np.log10(np.where(known, lines["n2"][0] / lines["ha"][0], 1.0))
        o3 = np.log10(np.where(known, lines["o3"][0] / lines["hb"][0], 1.0))
        # Beyond its pole at 0.47 everything lies above.
        kewley = np.where(n2 < 0.3, 0.61 / (np.minimum(n2, 0.3) - 0.47) + 1.19, -2.0)
    return LineMeasures(ew, broad, broad_err, beta, beta_err, np.where(known, o3 - kewley, np.nan))


def _around(centre_aa: float, kms: float) -> tuple[float, float]:
    return centre_aa * (1 - kms / C_KMS), centre_aa * (1 + kms / C_KMS)


class _View:
    """Spectra with their masked means over windows."""

    def __init__(self, wave_aa: np.ndarray, flux: np.ndarray, sigma: np.ndarray, mask: np.ndarray) -> None:
        self.wave_aa, self.flux, self.sigma, self.mask = wave_aa, flux, sigma, mask

    def mean(self, window: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and its error over a window, (n,) each; NaN where too little of it is good."""
        first, last = np.searchsorted(self.wave_aa, window)
        part = slice(int(first), max(int(last), int(first) + 1))
        values, good = self.flux[:, part], self.mask[:, part]
        count = good.sum(axis=1)
        known = (count >= _LEAST_SHARE * good.shape[1]) & (count > 0) & (last > first)
        safe = np.where(known, count, 1)
        mean = np.where(good, values, 0.0).sum(axis=1) / safe
        error = np.sqrt(np.where(good, self.sigma[:, part] ** 2, 0.0).sum(axis=1)) / safe
        return np.where(known, mean, np.nan), np.where(known, error, np.nan)

    def excess(
        self, window: tuple[float, float], sides: tuple[tuple[float, float], ...], *, integral: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what a window holds above the straight continuum through its sides, over the continuum."""
        (inside, error), around = self.mean(window), [self.mean(side) for side in sides]
        level = self._straight(sides, [mean for mean, _ in around], window)
        side_error = np.sqrt(sum(one**2 for _, one in around)) / len(around)
        width = window[1] - window[0] if integral else 1.0
        with np.errstate(invalid="ignore", divide="ignore"):
            positive = np.where(level > 0, level, np.nan)
            return (inside - level) / positive * width, np.hypot(error, side_error) / positive * width

    def wings(
        self, wings: tuple[tuple[float, float], ...], beyond: tuple[tuple[float, float], ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the smaller excess of both wings, so that nothing beside the line counts, and its error."""
        both = [self.excess(wing, beyond, integral=False) for wing in wings]
        values, errors = np.array([value for value, _ in both]), np.array([error for _, error in both])
        return values.min(axis=0), errors.max(axis=0)

    @staticmethod
    def _straight(
        sides: tuple[tuple[float, float], ...], means: list[np.ndarray], window: tuple[float, float]
    ) -> np.ndarray:
        (x0, x1), x = (0.5 * sum(side) for side in sides), 0.5 * sum(window)
        share = (x - x0) / (x1 - x0)
        return (1 - share) * means[0] + share * means[1]
