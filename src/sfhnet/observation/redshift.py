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
from sfhnet.observation.medians import good_medians
from sfhnet.observation.resample import pixel_edges

__all__ = ["REDSHIFT_RANGE", "RedshiftFinder", "Redshifts", "line_templates", "without_continuum"]

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
# Spectra whose hypotheses are compared together: what they take stays in the cache.
_ROWS = 4
# ASSUME: no pixel is known better than this share of the typical flux; templates fit no better.
_TEMPLATE_ERROR = 0.01


@dataclass(frozen=True)
class Redshifts:
    """What n spectra say of their redshifts.

    Parameters
    ----------
    z, z_err : ndarray (n,)
        The most probable redshift and its standard deviation about that peak; NaN without a usable pixel.
    probability : ndarray (n,)
        Of the redshifts within 300 km/s of it.
    gain : ndarray (n,)
        Chi-square that templates there save against none, in units of the chi-square per pixel that they leave.
    lead : ndarray (n,)
        That gain over the gain of the best redshift elsewhere.
    """

    z: np.ndarray
    z_err: np.ndarray
    probability: np.ndarray
    gain: np.ndarray
    lead: np.ndarray


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
        self._templates = without_continuum(rest, np.ones(rest.shape))
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
        prior: tuple[np.ndarray, float] | None = None,
    ) -> Redshifts:
        """Find the redshifts of spectra.

        Parameters
        ----------
        wave_aa : ndarray (n_wave,)
            Observed wavelengths, in the medium of the templates.
        flux, variance : ndarray (n, n_wave)
            Spectra and their variances.
        good : ndarray of bool (n, n_wave)
            Good pixels.
        prior : (ndarray (n,), float), optional
            Redshifts that are believed and their standard deviation. They decide between peaks; one spectrum in a hundred
            is taken to lie anywhere, so that a clear peak elsewhere is still found.

        Returns
        -------
        Redshifts
        """
        weight, values = self._observed(wave_aa, flux, variance, good)
        number = np.count_nonzero(weight, axis=1)
        found = np.tile([np.nan, np.nan, 0.0, 0.0, 0.0], (len(flux), 1))
        enough = np.flatnonzero(number >= 2 * _CONTINUUM_PIXELS)
        for start in range(0, len(enough), _ROWS):
            rows = enough[start : start + _ROWS]
            gain = self._gain(weight[rows], values[rows])
            total = (weight[rows] * values[rows] ** 2).sum(axis=1)
            left = (total - gain.max(axis=1)) / np.maximum(number[rows] - len(self._templates), 1)
            # Templates describe no spectrum to its errors: what they leave is the unit in which hypotheses differ.
            gain /= np.maximum(left, 1.0)[:, None]
            for i, one in zip(rows, gain, strict=True):
                found[i] = self._best(one, None if prior is None else (float(prior[0][i]), prior[1]))
        return Redshifts(*found.T)

    def _best(
        self, gain: np.ndarray, prior: tuple[float, float] | None
    ) -> tuple[float, float, float, float, float]:
        """Return what `Redshifts` holds of one spectrum from the chi-square that templates save, (n_z,)."""
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
        share = float(p[near].sum() / p.sum())
        return z, float(_STEP * width * (1 + z)), share, float(gain[best]), float(gain[best] - elsewhere)

    def _observed(
        self, wave_aa: np.ndarray, flux: np.ndarray, variance: np.ndarray, good: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and values without continuum on the observed log grid, both (n, n_observed)."""
        edges = pixel_edges(wave_aa)
        usable = good & (variance > 0) & np.isfinite(flux)
        values, spread, share = (
            _rebin(edges, rows, self._observed_edges)
            for rows in (np.where(usable, flux, 0.0), np.where(usable, variance, 0.0), usable.astype(float))
        )
        known = share > 0.6
        whole = np.where(known, share, 1)
        values = np.where(known, values / whole, 0.0)
        level = np.abs(good_medians(values, known, empty=1.0))[:, None]
        level[level == 0] = 1.0
        # Variance of a mean of several pixels, or of a share of one.
        n_pixel = np.interp(
            0.5 * (self._observed_edges[1:] + self._observed_edges[:-1]),
            np.log(wave_aa),
            np.gradient(wave_aa),
        )
        n_pixel = np.exp(self._observed_edges[1:]) * _STEP / np.maximum(n_pixel, 1e-9)
        spread = np.where(known, spread / whole, 1.0) / np.maximum(n_pixel, 1e-9)
        values = without_continuum(values / level, known.astype(float))
        weight = np.where(known, 1 / (spread / level**2 + _TEMPLATE_ERROR**2), 0.0)
        return weight, _clip(values, weight)

    def _gain(self, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the chi-square that the templates save at each redshift, (n, n_z)."""
        n, n_z, k = len(weight), len(self._shifts), len(self._templates)

        def at_all(
            of_data: np.ndarray, of_templates: np.ndarray
        ) -> np.ndarray:  # (len(of_templates), n * n_z)
            product = fft.rfft(of_data.astype(np.float32), self._n_fft, axis=1) * of_templates[:, None]
            shifted = fft.irfft(product, self._n_fft, axis=2)[:, :, :n_z]
            return shifted.astype(float).reshape(len(of_templates), -1)

        gram, right = at_all(weight, self._product_fft), at_all(weight * values, self._template_fft)
        # ASSUME: templates are no more than this certain; where few pixels overlap the fit does not run away.
        starts = np.cumsum([0, *range(k, 1, -1)])
        gram[starts] += np.repeat(1e-4 * weight.sum(axis=1), n_z)
        stars = k - self._n_line
        gain = _eliminate(gram, right, stars, starts)
        # Gram matrix and right side of what is left for the lines when the stars have had theirs.
        gram, right = gram[starts[stars] :], right[stars:]
        lines = np.triu_indices(self._n_line)
        starts = starts[stars:] - starts[stars]
        solved, reduced = gram.copy(), right.copy()
        by_lines = _eliminate(solved, reduced, self._n_line, starts)
        amplitude = np.zeros_like(reduced)
        for p in range(self._n_line - 1, -1, -1):
            row = solved[starts[p] : starts[p] + self._n_line - p]
            amplitude[p] = (reduced[p] - (row[1:] * amplitude[p + 1 :]).sum(axis=0)) / row[0]
        # A line that would absorb is left out; once is enough where they hardly overlap.
        again = np.flatnonzero((amplitude < 0).any(axis=0))
        out = amplitude[:, again] < 0
        apart = out[lines[0]] | out[lines[1]]
        part = np.where(apart, (lines[0] == lines[1])[:, None], gram[:, again])
        by_lines[again] = _eliminate(part, np.where(out, 0.0, right[:, again]), self._n_line, starts)
        return (gain + by_lines).reshape(n, n_z)


def _eliminate(gram: np.ndarray, right: np.ndarray, n_pivot: int, starts: np.ndarray) -> np.ndarray:
    """Eliminate unknowns of many small systems at once, and return the chi-square that they save, (m,).

    Parameters
    ----------
    gram : ndarray (k (k + 1) / 2, m)
        Upper triangles, row by row; what is left of the other unknowns stays in their rows.
    right : ndarray (k, m)
        Right sides; changed alike.
    n_pivot : int
        How many, from the first.
    starts : ndarray of int (k,)
        Where the rows begin.
    """
    saved, k = np.zeros(right.shape[1]), len(right)
    for p in range(n_pivot):
        row = gram[starts[p] : starts[p] + k - p]
        over = 1 / row[0]
        saved += right[p] ** 2 * over
        for i in range(p + 1, k):
            factor = row[i - p] * over
            right[i] -= factor * right[p]
            gram[starts[i] : starts[i] + k - i] -= factor * row[i - p :]
    return saved


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
    values : ndarray (n, m)
        Spectra.
    weight : ndarray (n, m)
        One where there is something, zero elsewhere.
    n_pixel : int
        The mean takes so many.

    Returns
    -------
    ndarray (n, m)
        Zero where there is nothing.
    """
    half, m = n_pixel // 2, values.shape[1]
    at = np.arange(m)
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, m)
    sums, count = (np.pad(np.cumsum(rows, axis=1), ((0, 0), (1, 0))) for rows in (weight * values, weight))
    inside = count[:, high] - count[:, low]
    mean = (sums[:, high] - sums[:, low]) / np.where(inside > 0, inside, 1.0)
    return np.where(weight > 0, values - mean, 0.0)


def _rebin(edges_aa: np.ndarray, rows: np.ndarray, log_edges: np.ndarray) -> np.ndarray:
    """Return means of rows (m, n) over pixels of a log grid, (m, n_log); zero beyond their range."""
    widths = np.diff(edges_aa)
    total = np.pad(np.cumsum(rows * widths, axis=1), ((0, 0), (1, 0)))
    at = np.clip(np.exp(log_edges), edges_aa[0], edges_aa[-1])
    place = np.interp(at, edges_aa, np.arange(len(edges_aa)))
    low = np.minimum(place.astype(int), len(widths) - 1)
    below = total[:, low]
    part = below + (place - low) * (total[:, low + 1] - below)
    return np.diff(part, axis=1) / np.diff(np.exp(log_edges))


def _clip(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Bring in what stands out downwards like no absorption, and single pixels like no line, (n, m)."""
    known = weight > 0
    scatter = 1.4826 * good_medians(np.abs(values), known, empty=0.0)
    with np.errstate(divide="ignore"):
        noise = np.where(known.any(axis=1), good_medians(weight, known, empty=0.0) ** -0.5, 0.0)
    limit = 10 * np.maximum(scatter, noise)[:, None]
    beside = np.maximum(np.roll(values, 1, axis=1), np.roll(values, -1, axis=1))
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
