"""What the page shows of each bin: spectrum, model, bands, histories and draws, in blocks of some bins each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import LEVELS, MAPPED, SCALARS
from sfhnet.core.spectra import Spectra
from sfhnet.explorer.packing import Block, quantised
from sfhnet.predictive_check.result import Predictive

__all__ = ["BLOCK", "CORNER", "LEVELS_SHOWN", "BinBlocks", "scalar_titles"]

# Bins in one block: opening one bin unpacks a block.
BLOCK = 32
# Scalars of the corner plot, where the model has draws of them, and what the small panels call them.
CORNER = {
    "lw_log_age": "log age (light)",
    "mw_log_age": "log age (mass)",
    "mw_mh": "[M/H] (mass)",
    "a_v": "A_V",
    "log_sfr100": "log SFR/mass",
}
LEVELS_SHOWN = (0.025, 0.16, 0.5, 0.84, 0.975)
_N_DRAW = 80
# Every so many points the band of the draws is stored: it is smooth beside the spectrum.
_COARSE = 8
_TOP = 30000


@dataclass(frozen=True)
class BinBlocks:
    """Blocks of bins for the page.

    Parameters
    ----------
    spectra, posterior : Spectra, Posterior
        Prepared spectra and their answers.
    predictive : Predictive
        With ``models`` of every bin; without them spectra are shown alone.
    factor : int
        Pixels averaged into one point.
    ppxf : Posterior, optional
        Answers of pPXF for the same bins.
    """

    spectra: Spectra
    posterior: Posterior
    predictive: Predictive
    factor: int = 1
    ppxf: Posterior | None = None

    @property
    def n_point(self) -> int:
        """Points of a spectrum in the page."""
        return self.spectra.wave_aa.size // self.factor

    @property
    def wave_aa(self) -> np.ndarray:
        """Wavelengths of the points, (n_point,)."""
        return self._averaged(self.spectra.wave_aa[None])[0]

    @property
    def corner(self) -> tuple[str, ...]:
        """Scalars with draws."""
        return tuple(name for name in CORNER if name in self.posterior.samples)

    @property
    def compared(self) -> tuple[str, ...]:
        """Scalars that pPXF has too."""
        return () if self.ppxf is None else tuple(name for name in MAPPED if name in self.ppxf.scalars)

    def block(self, start: int) -> Block:
        """Return the block that begins with a bin.

        Parameters
        ----------
        start : int
            First bin; `BLOCK` of them or what is left.

        Returns
        -------
        Block
        """
        rows = np.arange(start, min(start + BLOCK, self.spectra.n))
        scale = self._scale(rows)
        block = Block()
        block.add("scale", "f4", scale)
        spectrum = self._spectrum(rows, scale)
        block.add("sigma_range", "f4", np.log(spectrum["sigma_range"]))
        self._bands(block, rows)
        if self.ppxf is not None:
            block.add(
                "ppxf", "f4", np.stack([self.ppxf.scalars[name][rows] for name in self.compared], axis=1)
            )
        draws = self._draws(rows)
        if draws is not None:
            block.add("draw_range", "f4", draws[0])
        for name in ("data", "model", "low", "high"):
            if name in spectrum:
                block.add(name, "i2", spectrum[name], differences=True)
        self._histories(block, rows)
        block.add("sigma", "u1", spectrum["sigma"])
        block.add("good", "u1", np.packbits(spectrum["good"], axis=1, bitorder="little"))
        if draws is not None:
            block.add("draws", "u1", draws[1])
        return block

    def _averaged(self, rows: np.ndarray) -> np.ndarray:
        n = self.n_point * self.factor
        return rows[:, :n].reshape(len(rows), self.n_point, self.factor).mean(axis=2)

    def _scale(self, rows: np.ndarray) -> np.ndarray:
        flux = np.where(self.spectra.mask[rows], self.spectra.flux[rows], 0.0)
        peak = np.abs(flux).max(axis=1)
        return np.where(peak > 0, 1.2 * peak / _TOP, 1.0)

    def _level(self, rows: np.ndarray) -> np.ndarray:
        """Flux by which the models of the check are divided, (n, 1)."""
        return 10.0 ** np.nan_to_num(self.posterior.log_scale[rows], neginf=0.0)[:, None]

    def _spectrum(self, rows: np.ndarray, scale: np.ndarray) -> dict[str, np.ndarray]:
        spectra = self.spectra
        mask = spectra.mask[rows].astype(float)
        weight = np.maximum(self._averaged(mask), 1e-9)
        flux = self._averaged(np.where(mask > 0, spectra.flux[rows], 0.0)) / weight
        sigma = self._averaged(np.where(mask > 0, spectra.sigma[rows], 0.0)) / weight
        sigma /= np.sqrt(np.maximum(weight * self.factor, 1.0))
        good = weight > 0.5

        def whole(values: np.ndarray) -> np.ndarray:
            return np.clip(np.rint(np.nan_to_num(values) / scale[:, None]), -32000, 32000)

        result: dict[str, np.ndarray] = {}
        if self.predictive.models:
            level, n_wave = self._level(rows), spectra.wave_aa.size
            model = {
                name: self._averaged(np.nan_to_num(values[rows, :n_wave].astype(np.float64)) * level)
                for name, values in self.predictive.models.items()
            }
            result["model"] = whole(model["refined"])
            result["low"], result["high"] = (
                whole(model[name][:, ::_COARSE]) for name in ("draws_p16", "draws_p84")
            )
            flux = np.where(good, flux, model["refined"])  # differences of masked points stay small
        low, high = (np.where(good, sigma, fill) for fill in (np.inf, 0.0))
        ends = np.column_stack([low.min(axis=1), high.max(axis=1)])
        ends = np.where(np.isfinite(ends) & (ends > 0), ends, 1.0)
        logs = np.log(np.where(good, sigma, ends[:, :1]))
        place = quantised(logs, np.log(ends[:, :1]), np.log(ends[:, 1:]))
        return result | {"data": whole(flux), "sigma": place, "sigma_range": ends, "good": good}

    def _bands(self, block: Block, rows: np.ndarray) -> None:
        spectra = self.spectra
        if not spectra.band_names:
            return
        good = spectra.band_mask[rows]
        block.add("band_flux", "f4", np.where(good, spectra.band_flux[rows], np.nan))
        block.add("band_sigma", "f4", np.where(good, spectra.band_sigma[rows], np.nan))
        if self.predictive.models:
            n_wave = spectra.wave_aa.size
            # The check knows the bands of the network; those of the galaxy are looked up among them.
            place = [self.predictive.band_names.index(name) for name in spectra.band_names]
            for name, values in self.predictive.models.items():
                bands = values[rows, n_wave:].astype(np.float64)[:, place] * self._level(rows)
                block.add(f"band_{name}", "f4", bands)

    def _draws(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the ends of each scalar, (n, 2 m), and the draws between them, (n, m n_draw)."""
        if not self.corner:
            return None
        draws = np.stack([self.posterior.samples[name][rows, :_N_DRAW] for name in self.corner], axis=1)
        finite = np.where(np.isfinite(draws), draws, 0.0)
        low, high = finite.min(axis=2, keepdims=True), finite.max(axis=2, keepdims=True)
        ends = np.concatenate([low, high], axis=2)
        return ends, quantised(finite, low, high).reshape(len(rows), -1)

    def _histories(self, block: Block, rows: np.ndarray) -> None:
        answer = self.posterior
        levels = [LEVELS.index(level) for level in LEVELS_SHOWN]

        def share(values: np.ndarray) -> np.ndarray:
            return quantised(values, 0.0, 1.0, steps=65535)

        def dex(values: np.ndarray) -> np.ndarray:
            return np.clip(np.rint(1000 * np.nan_to_num(values)), -32000, 32000)

        block.add("cum_mass_q", "u2", share(answer.cum_mass_q[rows][:, levels]))
        block.add("mass_fraction", "u2", share(answer.mass_fraction[rows]))
        block.add("mh_q", "i2", dex(answer.mh_q[rows][:, levels]))
        block.add("mh", "i2", dex(answer.mh[rows]))
        if self.predictive.models:
            block.add("refined_mass_fraction", "u2", share(self.predictive.refined["mass_fraction"][rows]))
            block.add("refined_mh", "i2", dex(self.predictive.refined["mh"][rows]))
        if self.ppxf is not None:
            block.add("ppxf_mass_fraction", "u2", share(self.ppxf.mass_fraction[rows]))
            block.add("ppxf_mh", "i2", dex(self.ppxf.mh[rows]))
        if "mass_fraction" in self.spectra.truth:
            block.add("true_mass_fraction", "u2", share(self.spectra.truth["mass_fraction"][rows]))
            block.add("true_mh", "i2", dex(self.spectra.truth["mh"][rows]))


def scalar_titles(names: tuple[str, ...]) -> list[dict[str, str]]:
    """Return title and unit of scalars for the page."""
    return [{"name": name, "title": CORNER[name], "unit": SCALARS[name].plain_unit} for name in names]
