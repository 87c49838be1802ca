"""The frame of the training: observed spectra brought to its wavelengths, and how much broader than its they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from sfhnet.core.bands import find_band
from sfhnet.core.batch import Batch
from sfhnet.core.flags import Flag
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.inference.judge import LEAST_WINDOW_AA, SHARPEN_MOST_KMS
from sfhnet.inference.line_of_sight import Kinematics
from sfhnet.inference.understand import Understood
from sfhnet.observation.redshift import REDSHIFT_RANGE
from sfhnet.observation.rest_frame import Matched, Observed, match_training

__all__ = ["TrainingFrame"]

# Errors of the width that the training has anyway, as a share of it.
_WIDTH_SCATTER = 0.08
# An instrument is that of the training if it is no broader than by this, in quadrature.
_SAME_INSTRUMENT_KMS = 40.0


@dataclass(frozen=True)
class TrainingFrame:
    """What spectra have to be brought to before a network answers them.

    Parameters
    ----------
    grid : TrainingGrid
        Wavelengths and resolution of the training spectra.
    band_names : tuple of str
        The bands the network knows, in its order.
    has_basis : bool
        The network has a basis, with which what broadened spectra is undone.
    """

    grid: TrainingGrid
    band_names: tuple[str, ...]
    has_basis: bool

    def batch_of(
        self,
        spectra: Understood,
        lines: Kinematics,
        fwhm_aa: np.ndarray | None,
        *,
        ebv: float,
        bands: dict[str, np.ndarray],
    ) -> tuple[Batch, np.ndarray, np.ndarray]:
        """Return spectra in this frame.

        Parameters
        ----------
        spectra : Understood
            n spectra as observed.
        lines : Kinematics
            Their redshifts and widths.
        fwhm_aa : ndarray (n_wave,) or None
            Resolution of their instrument.
        ebv : float
            E(B-V) of the Milky Way in mag, to be undone in the bands.
        bands : dict of ndarray (n, n_band)
            ``flux``, ``sigma`` and ``mask``.

        Returns
        -------
        batch : Batch
            n spectra.
        flags : ndarray of uint32 (n,)
            What was found on the way.
        smoothing_aa : ndarray (n,)
            By how much they were broadened.
        """
        found = self._matched(spectra, lines, fwhm_aa, lines.dispersion_kms)
        stretch = (1 + lines.redshift)[:, None] * self._band_dereddening(ebv)
        batch = Batch.from_arrays(
            self.grid.wave_aa,
            found.flux * spectra.unit,
            found.sigma * spectra.unit,
            mask=found.mask,
            band_flux=bands["flux"] * stretch,
            band_sigma=np.where(bands["mask"], bands["sigma"] * stretch, 1.0),
            band_mask=bands["mask"],
        )
        flags = found.flags | spectra.flags
        no_galaxy = (lines.flags & np.uint32(Flag.NOT_A_GALAXY)) != 0
        marked = batch.flags | torch.from_numpy(np.where(no_galaxy, int(Flag.NOT_A_GALAXY), 0))
        return replace(batch, flags=marked), flags, found.smoothing_aa

    def excess_kms(
        self, dispersion_kms: np.ndarray, wave_aa: np.ndarray | None = None, fwhm_aa: np.ndarray | None = None
    ) -> np.ndarray:
        """Return by what spectra are broader than those of the training, in quadrature, (n,).

        Parameters
        ----------
        dispersion_kms : ndarray (n,)
            Of the stars.
        wave_aa, fwhm_aa : ndarray (m,), optional
            Resolution of another instrument than that of the training.
        """
        trained = float(self.grid.made_of["veldisp_kms"])
        square = np.nan_to_num(dispersion_kms) ** 2 - trained**2
        if wave_aa is not None and fwhm_aa is not None:
            own = np.interp(self.grid.wave_aa, wave_aa, fwhm_aa) / FWHM_PER_SIGMA
            instrument = self.grid.sigma_aa**2 - (self.grid.wave_aa * trained / C_KMS) ** 2
            more = float(np.median((own**2 - instrument) / self.grid.wave_aa**2)) * C_KMS**2
            square = square + (more if more > _SAME_INSTRUMENT_KMS**2 else 0.0)
        return np.sqrt(np.clip(square, 0.0, None))

    def blur_kms(self, lines: Kinematics) -> np.ndarray:
        """Return by how much the spectra would be broader had they been taken to be an error narrower, where that matters."""
        sigma = np.nan_to_num(lines.dispersion_kms)
        error = np.where(lines.matched_as_is, 0.0, np.nan_to_num(lines.dispersion_err_kms))
        square = sigma**2 - np.maximum(sigma - error, 0.0) ** 2
        trained = float(self.grid.made_of["veldisp_kms"])
        return np.where(square > 2 * _WIDTH_SCATTER * trained**2, np.sqrt(square), 0.0)

    def still_broad(self, flags: np.ndarray, excess_kms: np.ndarray) -> np.ndarray:
        """Return flags in which `Flag.RESOLUTION` stands where a width could not be undone with the basis."""
        if not self.has_basis:
            return flags
        undone = (excess_kms > 0) & (excess_kms <= SHARPEN_MOST_KMS)
        flags = np.where(undone, flags & ~np.uint32(Flag.RESOLUTION), flags)
        return np.where(excess_kms > SHARPEN_MOST_KMS, flags | np.uint32(Flag.RESOLUTION), flags)

    def check_range(self, wave_aa: np.ndarray, redshift: np.ndarray, start: int, *, searched: bool) -> None:
        """Refuse spectra that hold too little of the range of the training.

        Parameters
        ----------
        wave_aa : ndarray (n_wave,)
            Observed wavelengths in AA, air.
        redshift : ndarray (n,)
            What is believed of it.
        start : int
            Number of the first spectrum, for the message.
        searched : bool
            The redshift is looked for: as long as one of those tried would do, the spectrum may.

        Raises
        ------
        ValueError
            If less than 600 AA are there.
        """
        low, high = self.grid.wave_aa[0], self.grid.wave_aa[-1]
        stretch = 1.0 + (REDSHIFT_RANGE[1] if searched else 0.0)
        first, last = wave_aa[0] / (1 + redshift) / stretch, wave_aa[-1] / (1 + redshift)
        covered = np.clip(np.minimum(last, high) - np.maximum(first, low), 0, None)
        worst = int(covered.argmin())
        if covered[worst] < LEAST_WINDOW_AA:
            raise ValueError(
                f"spectrum {start + worst} covers {first[worst]:.0f}-{last[worst]:.0f} AA (rest frame, air), "
                f"{covered[worst]:.0f} AA of the training range {low:.0f}-{high:.0f} AA; at least "
                f"{LEAST_WINDOW_AA:.0f} are needed (check redshift and units)"
            )

    def _matched(
        self, spectra: Understood, lines: Kinematics, fwhm_aa: np.ndarray | None, dispersion_kms: np.ndarray
    ) -> Matched:
        observed = Observed(spectra.wave_aa, fwhm_aa, spectra.flux, spectra.variance, spectra.usable)
        as_is = lines.matched_as_is
        if as_is.all() or not np.isfinite(dispersion_kms).any():
            return match_training(observed, lines.redshift, None, grid=self.grid)
        broadened = match_training(observed, lines.redshift, np.nan_to_num(dispersion_kms), grid=self.grid)
        if not as_is.any():
            return broadened
        plain = match_training(observed, lines.redshift, None, grid=self.grid)
        return Matched(
            *(
                np.where(
                    as_is.reshape(-1, *[1] * (getattr(plain, name).ndim - 1)),
                    getattr(plain, name),
                    getattr(broadened, name),
                )
                for name in ("flux", "sigma", "mask", "smoothing_aa", "flags")
            )
        )

    def _band_dereddening(self, ebv: float) -> np.ndarray:
        if not ebv:
            return np.ones(len(self.band_names))
        from sfhnet.observation.milky_way_extinction import correction

        return correction(np.array([find_band(name).pivot_aa for name in self.band_names]), ebv)
