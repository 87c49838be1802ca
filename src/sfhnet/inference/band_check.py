"""Band fluxes against what the spectrum lets expect of them: other units, one bad cell, errors beyond the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sfhnet.core.bands import find_band
from sfhnet.core.flags import Flag

__all__ = ["BandCheck"]

_RIDGE = 1e-3
# Bands beyond this many standard deviations are not those of the spectrum.
_LIMIT = 5.0
# Other units: all bands off by one factor (dex), or by a power of the wavelength.
_LEAST_FACTOR_DEX, _LEAST_POWER = 0.3, 1.0
# Components whose square helps.
_SQUARED = 12
_SOFTENING = 1e-3


@dataclass(frozen=True)
class BandCheck:
    """Prediction of log band fluxes from the amplitudes of a network's basis (`sfhnet.inference.basis.Basis.fit`).

    Attributes
    ----------
    weights : ndarray (1 + n_component + n_squared, n_band)
        Of the regression: log10 of the band's flux over the normalising flux.
    snr_edges : ndarray (n_snr - 1,)
        Inner edges of the S/N strata.
    scatter_dex : ndarray (n_snr, n_band)
        Standard deviation of what mocks have about it, such that five of them hold all but a few.
    """

    weights: np.ndarray
    snr_edges: np.ndarray
    scatter_dex: np.ndarray

    @classmethod
    def fit(
        cls,
        components: np.ndarray,
        band_flux: np.ndarray,
        band_mask: np.ndarray,
        *,
        snr: np.ndarray,
        snr_edges: np.ndarray,
    ) -> BandCheck:
        """Learn from mocks.

        Parameters
        ----------
        components : ndarray (n, n_component)
        band_flux, band_mask : ndarray (n, n_band)
            Over the normalising flux; True = present.
        snr : ndarray (n,)
        snr_edges : ndarray

        Returns
        -------
        BandCheck
        """
        edges = np.asarray(snr_edges, dtype=float)
        x = _features(components)
        n_band = band_flux.shape[1]
        weights, scatter = np.zeros((x.shape[1], n_band)), np.ones((len(edges) + 1, n_band))
        stratum = np.digitize(snr, edges)
        for band in range(n_band):
            known = band_mask[:, band] & (band_flux[:, band] > 0)
            if known.sum() < 20:
                continue
            rows, target = x[known], np.log10(np.maximum(band_flux[known, band], _SOFTENING))
            gram = rows.T @ rows
            gram[np.diag_indices_from(gram)] += _RIDGE * len(rows)
            weights[:, band] = np.linalg.solve(gram, rows.T @ target)
            off = np.abs(target - rows @ weights[:, band])
            for k in range(len(edges) + 1):
                here = stratum[known] == k
                here = here if here.sum() >= 50 else np.ones(len(off), dtype=bool)
                # Long tails count: five times this holds 99.5 % at least.
                scatter[k, band] = max(np.quantile(off[here], 0.68), np.quantile(off[here], 0.995) / _LIMIT)
        return cls(weights, edges, scatter)

    def predict(self, components: np.ndarray, snr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return expected log10 band flux over the normalising flux, and its standard deviation, both (n, n_band)."""
        x = _features(components)
        return x @ self.weights, self.scatter_dex[np.digitize(snr, self.snr_edges)]

    def judge(
        self,
        components: np.ndarray,
        band_flux: np.ndarray,
        band_sigma: np.ndarray,
        band_mask: np.ndarray,
        *,
        snr: np.ndarray,
        names: tuple[str, ...],
        error_range: tuple[float, float],
        background: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which bands count, (n, n_band) bool, and flags, (n,) uint32.

        Parameters
        ----------
        components, snr
            Of the spectra.
        band_flux, band_sigma, band_mask : ndarray (n, n_band)
            Over the normalising flux; True = present.
        names : tuple of str
            Of the bands.
        error_range : (float, float)
            Fractional errors that the network was trained with.
        background : float
            Error of the background at S/N 10 that it was trained with, over the normalising flux.
        """
        expected, scatter = self.predict(components, snr)
        flags = np.zeros(len(band_flux), dtype=np.uint32)
        kept = band_mask.copy()
        # Upper limits and wild errors: no such band was in the training, and a network gives them any weight.
        trained = 1.5 * np.hypot(
            error_range[1] * np.maximum(10.0**expected, band_flux),
            10 * background / np.maximum(snr, 1.0)[:, None],
        )
        kept &= band_sigma <= trained
        clear = kept & (band_flux > 3 * band_sigma)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.log10(np.where(clear, band_flux, 1.0)) - expected
            error = np.hypot(scatter, np.where(clear, band_sigma / band_flux, 0.0) / np.log(10))
            linear = (band_flux - 10.0**expected) / np.hypot(
                band_sigma, np.log(10) * scatter * 10.0**expected
            )
        deviates = np.where(clear, off / error, linear)
        wild = kept & (np.abs(deviates) > _LIMIT)
        pivots = np.array([find_band(name).pivot_aa for name in names])
        for row in np.flatnonzero(wild.sum(axis=1) >= 2):
            here = clear[row]
            if here.sum() >= 3 and _other_unit(off[row, here], error[row, here], pivots[here]):
                kept[row] = False
                flags[row] |= np.uint32(Flag.WRONG_UNITS)
        flags[(wild & kept).any(axis=1)] |= np.uint32(Flag.MUSE_HST_DISAGREE)
        return kept & ~wild, flags

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {name: np.round(getattr(self, name), 6).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> BandCheck:
        """Invert `to_json`."""
        return cls(**{name: np.asarray(value[name], dtype=float) for name in cls.__dataclass_fields__})


def _features(components: np.ndarray) -> np.ndarray:
    # Long tails (bursts, deep dust) would rule the regression.
    one = np.arcsinh(components)
    return np.concatenate([np.ones((len(one), 1)), one, one[:, :_SQUARED] ** 2], axis=1)


def _other_unit(off_dex: np.ndarray, error: np.ndarray, pivot_aa: np.ndarray) -> bool:
    """Tell whether bands are off together, by a factor or a power of the wavelength, and agree after that."""
    columns = np.stack([np.ones(len(off_dex)), np.log10(pivot_aa / 5500.0)], axis=1) / error[:, None]
    found, *_ = np.linalg.lstsq(columns, off_dex / error, rcond=None)
    spread = np.sqrt(np.diag(np.linalg.pinv(columns.T @ columns)))
    left = off_dex / error - columns @ found
    agree = (left**2).mean() < _LIMIT**2
    factor = abs(found[0]) > max(_LEAST_FACTOR_DEX, _LIMIT * spread[0])
    power = abs(found[1]) > max(_LEAST_POWER, _LIMIT * spread[1])
    return bool(agree and (factor or power))
