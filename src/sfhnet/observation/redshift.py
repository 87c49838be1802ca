"""The redshift of a spectrum as a probability: templates at every redshift of a range, by Fourier transform.

A spectrum and the templates lie on one grid even in log wavelength, where a redshift is a shift. There the continuum (a
running mean) is taken off both, so that calibration and dust hardly count; what is left is fitted by templates of free
amplitude at every shift. All sums that this takes, for all shifts at once, are correlations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from pyprospect.constants import C_KMS
from sfhnet.core.emission_lines import NAMED_AA
from sfhnet.observation.resample import pixel_edges

__all__ = ["REDSHIFT_RANGE", "Redshift", "RedshiftFinder", "line_templates", "without_continuum"]

# Of nearby galaxies, with room for negative velocities.
REDSHIFT_RANGE = (-0.005, 0.15)
# Pixel of the log grid, in km/s and in ln(wavelength).
_STEP_KMS = 60.0
_STEP = _STEP_KMS / C_KMS
# The running mean takes so many pixels: 130 AA at 6500 AA.
_CONTINUUM_PIXELS = 101
# A redshift is one hypothesis within this of its peak.
_SAME_KMS = 300.0
# Pairs of lines whose ratio hardly varies, with their share.
_PAIRS: tuple[dict[str, float], ...] = (
    {"Hα": 2.86, "Hβ": 1.0},
    {"[OIII]5007": 2.98, "[OIII]4959": 1.0},
    {"[NII]6583": 3.05, "[NII]6548": 1.0},
    {"[SII]6716": 1.3, "[SII]6731": 1.0},
)
# ASSUME: no pixel is known better than this share of the typical flux; templates fit no better.
_TEMPLATE_ERROR = 0.01


@dataclass(frozen=True)
class Redshift:
    """What one spectrum says of its redshift.

    Parameters
    ----------
    z, z_err : float
        The most probable redshift and its standard deviation about that peak; NaN without a usable pixel.
    probability : float
        Of the redshifts within 300 km/s of it.
    gain : float
        Chi-square that templates there save against none, in units of the chi-square per pixel that they leave.
    lead : float
        That gain over the gain of the best redshift elsewhere.
    """

    z: float
    z_err: float
    probability: float
    gain: float
    lead: float


class RedshiftFinder:
    """Find redshifts of spectra with templates that are given in the rest frame.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Wavelengths of the templates in AA, ascending.
    templates : ndarray (n_template, n_wave)
        Spectra or components in the rest frame.
    lines : ndarray (n_line, n_wave)
        Emission lines, that have no negative amplitudes (`line_templates`).
    z_range : (float, float)
        Redshifts to try.
    """

    def __init__(
        self,
        wave_aa: np.ndarray,
        templates: np.ndarray,
        lines: np.ndarray,
        *,
        z_range: tuple[float, float] = REDSHIFT_RANGE,
    ) -> None:
        edges = pixel_edges(wave_aa)
        self._first = float(np.log(edges[0]))
        n_rest = int((np.log(edges[-1]) - self._first) / _STEP)
        self._rest_edges = self._first + _STEP * np.arange(n_rest + 1)
        rows = np.concatenate([templates, lines])
        rest = _rebin(edges, rows, self._rest_edges)
        whole = np.ones(n_rest)
        self._templates = np.array([without_continuum(row, whole) for row in rest])
        norm = np.sqrt((self._templates**2).mean(axis=1, keepdims=True))
        self._templates /= np.where(norm > 0, norm, 1.0)
        self._n_line = len(lines)
        low, high = np.log1p(z_range[0]), np.log1p(z_range[1])
        self._shifts = np.arange(int(np.floor(low / _STEP)), int(np.ceil(high / _STEP)) + 1)
        self.z = np.expm1(_STEP * self._shifts)
        # Observed pixels from the blue end of the templates at the lowest redshift to the red end at the highest.
        self._n_observed = n_rest + len(self._shifts) - 1
        self._observed_edges = self._first + _STEP * (self._shifts[0] + np.arange(self._n_observed + 1))
        self._n_fft = fft.next_fast_len(self._n_observed, real=True)
        self._row, self._column = np.triu_indices(len(rows))
        products = self._templates[self._row] * self._templates[self._column]
        self._product_fft = np.conj(fft.rfft(products.astype(np.float32), self._n_fft, axis=1))
        self._template_fft = np.conj(fft.rfft(self._templates.astype(np.float32), self._n_fft, axis=1))

    def find(
        self,
        wave_aa: np.ndarray,
        flux: np.ndarray,
        variance: np.ndarray,
        *,
        good: np.ndarray,
        prior: tuple[float, float] | None = None,
    ) -> Redshift:
        """Find the redshift of one spectrum.

        Parameters
        ----------
        wave_aa : ndarray (n,)
            Observed wavelengths, in the medium of the templates.
        flux, variance : ndarray (n,)
            Spectrum and its variance.
        good : ndarray of bool (n,)
            Good pixels.
        prior : (float, float), optional
            Redshift that is believed and its standard deviation. It decides between peaks; one spectrum in a hundred is
            taken to lie anywhere, so that a clear peak elsewhere is still found.

        Returns
        -------
        Redshift
        """
        weight, values = self._observed(wave_aa, flux, variance, good)
        if np.count_nonzero(weight) < 2 * _CONTINUUM_PIXELS:
            return Redshift(np.nan, np.nan, 0.0, 0.0, 0.0)
        gain = self._gain(weight, values)
        total = float((weight * values**2).sum())
        left = (total - gain.max()) / max(np.count_nonzero(weight) - len(self._templates), 1)
        # Templates describe no spectrum to its errors: what they leave is the unit in which hypotheses differ.
        gain = gain / max(left, 1.0)
        log_p = 0.5 * gain
        if prior is not None:
            width = np.hypot(prior[1], _STEP)
            belief = np.exp(-0.5 * ((self.z - prior[0]) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
            log_p = log_p + np.log(0.99 * belief + 0.01 / np.ptp(self.z))
        best = int(log_p.argmax())
        p = np.exp(log_p - log_p[best])
        near = np.abs(self._shifts - self._shifts[best]) * _STEP_KMS <= _SAME_KMS
        offset, width = _peak(log_p, best)
        elsewhere = gain[~near].max() if (~near).any() else 0.0
        z = float(np.expm1(_STEP * (self._shifts[best] + offset)))
        return Redshift(
            z=z,
            z_err=float(_STEP * width * (1 + z)),
            probability=float(p[near].sum() / p.sum()),
            gain=float(gain[best]),
            lead=float(gain[best] - elsewhere),
        )

    def _observed(
        self, wave_aa: np.ndarray, flux: np.ndarray, variance: np.ndarray, good: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and values without continuum on the observed log grid, both (n_observed,)."""
        edges = pixel_edges(wave_aa)
        usable = good & (variance > 0) & np.isfinite(flux)
        rows = np.stack([np.where(usable, flux, 0.0), np.where(usable, variance, 0.0), usable.astype(float)])
        values, spread, share = _rebin(edges, rows, self._observed_edges)
        known = share > 0.6
        values = np.where(known, values / np.where(known, share, 1), 0.0)
        level = np.median(values[known]) if known.any() else 1.0
        level = abs(level) if level != 0 else 1.0
        # Variance of a mean of several pixels, or of a share of one.
        n_pixel = np.interp(
            0.5 * (self._observed_edges[1:] + self._observed_edges[:-1]),
            np.log(wave_aa),
            np.gradient(wave_aa),
        )
        n_pixel = np.exp(self._observed_edges[1:]) * _STEP / np.maximum(n_pixel, 1e-9)
        spread = np.where(known, spread / np.where(known, share, 1), 1.0) / np.maximum(n_pixel, 1e-9)
        values = without_continuum(values / level, known.astype(float))
        weight = np.where(known, 1 / (spread / level**2 + _TEMPLATE_ERROR**2), 0.0)
        return weight, _clip(values, weight)

    def _gain(self, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the chi-square that the templates save at each redshift, (n_z,)."""
        n_z, k = len(self._shifts), len(self._templates)
        of_weight = fft.rfft(weight.astype(np.float32), self._n_fft)
        of_data = fft.rfft((weight * values).astype(np.float32), self._n_fft)
        sums = fft.irfft(of_weight * self._product_fft, self._n_fft, axis=1)[:, :n_z].T.astype(float)
        right = fft.irfft(of_data * self._template_fft, self._n_fft, axis=1)[:, :n_z].T.astype(float)
        gram = np.empty((n_z, k, k))
        gram[:, self._row, self._column] = gram[:, self._column, self._row] = sums
        # ASSUME: templates are no more than this certain; where few pixels overlap the fit does not run away.
        gram[:, np.arange(k), np.arange(k)] += 1e-4 * weight.sum()
        amplitude = np.linalg.solve(gram, right[..., None])[..., 0]
        gain = (amplitude * right).sum(axis=1)
        # A line that would absorb is left out; once is enough where they hardly overlap.
        lines = np.zeros((n_z, k), dtype=bool)
        lines[:, k - self._n_line :] = amplitude[:, k - self._n_line :] < 0
        again = np.flatnonzero(lines.any(axis=1))
        if again.size:
            out = lines[again]
            part = np.where(out[:, :, None] | out[:, None, :], 0.0, gram[again])
            part[:, np.arange(k), np.arange(k)] += out
            rest = np.where(out, 0.0, right[again])
            gain[again] = (np.linalg.solve(part, rest[..., None])[..., 0] * rest).sum(axis=1)
        return gain


def line_templates(wave_aa: np.ndarray, sigma_aa: np.ndarray) -> np.ndarray:
    """Return emission lines: Balmer, [OIII], [NII], [SII].

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Wavelengths in AA, air.
    sigma_aa : ndarray (n_wave,)
        Gaussian sigma of a line there.

    Returns
    -------
    ndarray (4, n_wave)
    """
    return np.array(
        [
            sum(
                share * np.exp(-0.5 * ((wave_aa - NAMED_AA[name]) / sigma_aa) ** 2) / sigma_aa
                for name, share in pair.items()
            )
            for pair in _PAIRS
        ]
    )


def without_continuum(values: np.ndarray, weight: np.ndarray, n_pixel: int = _CONTINUUM_PIXELS) -> np.ndarray:
    """Subtract a running mean.

    Parameters
    ----------
    values : ndarray (n,)
        A spectrum.
    weight : ndarray (n,)
        One where there is something, zero elsewhere.
    n_pixel : int
        The mean takes so many.

    Returns
    -------
    ndarray (n,)
        Zero where there is nothing.
    """
    half = n_pixel // 2
    ends = np.arange(len(values) + 1)
    low, high = np.maximum(ends[:-1] - half, 0), np.minimum(ends[:-1] + half + 1, len(values))
    sums = np.concatenate([[0.0], np.cumsum(weight * values)])
    count = np.concatenate([[0.0], np.cumsum(weight)])
    inside = count[high] - count[low]
    mean = (sums[high] - sums[low]) / np.where(inside > 0, inside, 1.0)
    return np.where(weight > 0, values - mean, 0.0)


def _rebin(edges_aa: np.ndarray, rows: np.ndarray, log_edges: np.ndarray) -> np.ndarray:
    """Return means of rows (m, n) over pixels of a log grid, (m, n_log); zero beyond their range."""
    widths = np.diff(edges_aa)
    total = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows * widths, axis=1)], axis=1)
    at = np.clip(np.exp(log_edges), edges_aa[0], edges_aa[-1])
    place = np.interp(at, edges_aa, np.arange(len(edges_aa)))
    low = np.minimum(place.astype(int), len(widths) - 1)
    part = total[:, low] + (place - low) * (total[:, low + 1] - total[:, low])
    return np.diff(part, axis=1) / np.diff(np.exp(log_edges))


def _clip(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Bring in what stands out downwards like no absorption, and single pixels like no line."""
    known = weight > 0
    scatter = 1.4826 * np.median(np.abs(values[known])) if known.any() else 0.0
    limit = 10 * max(scatter, float(np.median(weight[known]) ** -0.5) if known.any() else 0.0)
    beside = np.maximum(np.roll(values, 1), np.roll(values, -1))
    # A line of the resolution of spectra is wider than one pixel of 60 km/s.
    return np.where((values > limit) & (beside < 0.2 * values), 0.0, np.maximum(values, -limit))


def _peak(log_p: np.ndarray, best: int) -> tuple[float, float]:
    """Return offset and width of a peak in pixels, from the parabola through it and its neighbours."""
    if not 0 < best < len(log_p) - 1:
        return 0.0, 1.0
    left, middle, right = log_p[best - 1 : best + 2]
    curvature = 2 * middle - left - right
    if curvature <= 0:
        return 0.0, 1.0
    return float(np.clip(0.5 * (right - left) / curvature, -0.5, 0.5)), float(curvature**-0.5)
