"""Apply a trained network: load a model folder, answer any number of spectra."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfhnet.config import GalaxiesConfig
from sfhnet.core.batch import Batch
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.inference.conformal import Conformal
from sfhnet.inference.familiarity import Familiarity
from sfhnet.networks import Network
from sfhnet.networks.storage import load_network
from sfhnet.observation.rest_frame import Observed, match_training, sky_mask
from sfhnet.observation.wavelengths_and_units import vacuum_to_air
from sfhnet.tools.hdf5 import read_json
from sfhnet.tools.random_streams import stream
from sfhnet.tools.shipped_files import shipped_model, verify

__all__ = ["CALIBRATION", "CALIBRATION_SCHEMA", "Model", "load"]

_log = logging.getLogger("sfhnet.inference.model")

CALIBRATION, CALIBRATION_SCHEMA = "calibration.json", "sfhnet.calibration/3"

# Spectra in one pass: large enough to be fast, small enough for any memory.
_CHUNK = 512

# Scalars whose point estimate is compared with the range of the training labels.
_EDGE_SCALARS = ("mw_log_age", "lw_log_age", "mw_mh", "lw_mh", "a_v")


def load(folder: str | os.PathLike, device: str = "cpu") -> Model:
    """Load a trained model.

    Parameters
    ----------
    folder : path or str
        Folder with ``weights.safetensors`` and ``model.json``, and ``calibration.json`` once calibrated; or the name
        of a model that comes with the program, such as ``"flow"``. A folder of that name in the working directory
        goes first.
    device : str
        Where to compute.

    Returns
    -------
    Model

    Raises
    ------
    FileNotFoundError
        If there is no model.
    ValueError
        If it is damaged, differs from the SHA256SUMS in the folder, or is of another schema version.
    """
    name = os.fspath(folder)
    folder = shipped_model(name) if Path(name).name == name and not Path(name).is_dir() else Path(name)
    verify(folder)
    network, info = load_network(folder)
    conformal = familiarity = None
    path = folder / CALIBRATION
    if path.is_file():
        data = read_json(path)
        if data.get("schema_version") != CALIBRATION_SCHEMA:
            found = data.get("schema_version", "none")
            raise ValueError(f"{path} has schema {found!r}, expected {CALIBRATION_SCHEMA!r}; calibrate again")
        conformal = Conformal.from_json(data["conformal"])
        familiarity = Familiarity.from_json(data["familiarity"]) if data.get("familiarity") else None
    return Model(network.to(device), info, conformal, familiarity, folder.name, device)


@dataclass(frozen=True)
class Model:
    """A trained network with its calibration. Make it with `load`.

    Attributes
    ----------
    network : Network
        In evaluation mode.
    info : dict
        Contents of ``model.json``.
    conformal : Conformal or None
        Factors on the intervals.
    familiarity : Familiarity or None
        Limits of what is like the mocks.
    name, device : str
        Name of the folder; where to compute.
    """

    network: Network
    info: dict[str, Any]
    conformal: Conformal | None = None
    familiarity: Familiarity | None = None
    name: str = ""
    device: str = "cpu"

    @cached_property
    def grid(self) -> TrainingGrid:
        """Return wavelengths and resolution of the training spectra."""
        return TrainingGrid.from_json(self.info)

    @property
    def wave_aa(self) -> np.ndarray:
        """Rest-frame air wavelengths of the training grid in AA, (n_wave,)."""
        return self.grid.wave_aa

    @property
    def band_names(self) -> tuple[str, ...]:
        """The bands the network knows, in its order."""
        return self.network.spec.band_names

    @property
    def age_edges_myr(self) -> np.ndarray:
        """Edges of the age bins in Myr, (n_age+1,)."""
        return np.asarray(self.network.spec.age_edges_myr)

    @cached_property
    def hidden_pixels(self) -> Tensor | None:
        """True where the network must not look, (n_wave,) bool; None if it may look everywhere.

        ``hidden_aa`` of ``model.json``: stretches with lines that real gas has and the training had not. The network
        would take them for something that it knows.
        """
        stretches = self.info.get("hidden_aa")
        if not stretches:
            return None
        wave = self.wave_aa
        return torch.from_numpy(np.any([(wave >= low) & (wave <= high) for low, high in stretches], axis=0))

    def infer_batch(
        self, batch: Batch, *, calibrated: bool = True, n_samples: int = 0, seed: int = 0
    ) -> Posterior:
        """Answer normalised spectra.

        Parameters
        ----------
        batch : Batch
            On this model's grid, with its bands in its order.
        calibrated : bool
            Apply the conformal factors if there are any.
        n_samples : int
            Joint samples of each spectrum; needs a network of kind ``flow``. The i-th spectrum's depend on it, on
            `seed` and on i only.
        seed : int
            Of the samples.

        Returns
        -------
        Posterior
            One row a spectrum.

        Raises
        ------
        ValueError
            If the spectra do not fit the network, there are none, or the network has no joint posterior.
        """
        n_wave = len(self.wave_aa)
        if batch.flux.shape[1] != n_wave or batch.band_flux.shape[1] != len(self.band_names):
            raise ValueError(
                f"spectra have {batch.flux.shape[1]} pixels and {batch.band_flux.shape[1]} bands, the model wants "
                f"{n_wave} and {len(self.band_names)}; use infer, which resamples"
            )
        if not len(batch):
            raise ValueError("no spectra given")
        if n_samples and not self.draws_samples:
            raise ValueError(
                f"the model {self.name} ({self.network.spec.kind}) has no joint posterior; use one of kind linear_flow "
                "or flow, or n_samples=0"
            )
        if self.hidden_pixels is not None:
            batch = batch.hiding(self.hidden_pixels)
        parts = [
            self._answer(batch[start : start + _CHUNK], n_samples, (seed, start))
            for start in range(0, len(batch), _CHUNK)
        ]
        posterior = Posterior.cat(parts)
        if calibrated and self.conformal is not None:
            posterior = self.conformal.apply(posterior)
        calibrated = calibrated and self.conformal is not None
        return posterior.with_meta(model=self.name, kind=self.network.spec.kind, calibrated=calibrated)

    @property
    def draws_samples(self) -> bool:
        """True if the network has a joint posterior to sample."""
        return self.network.sample_width > 0

    def infer_spectra(self, spectra: Spectra, *, n_samples: int = 0, seed: int = 0) -> Posterior:
        """Answer prepared spectra, keeping the flags they carry.

        Parameters
        ----------
        spectra : Spectra
            On this model's grid.
        n_samples, seed : int
            As in `infer_batch`.

        Returns
        -------
        Posterior
            One row a spectrum.

        Raises
        ------
        ValueError
            If they are on another wavelength grid.
        """
        wave = np.asarray(spectra.wave_aa)
        if wave.shape != self.wave_aa.shape or not np.allclose(wave, self.wave_aa, atol=1e-3):
            raise ValueError(
                f"spectra run {wave[0]:.2f}-{wave[-1]:.2f} AA in {len(wave)} pixels, the model wants "
                f"{self.wave_aa[0]:.2f}-{self.wave_aa[-1]:.2f} in {len(self.wave_aa)}; prepare them with its grid"
            )
        batch = Batch.from_spectra(spectra, self.band_names)
        posterior = self.infer_batch(batch, n_samples=n_samples, seed=seed)
        own = np.asarray(spectra.flags, dtype=np.uint32)
        return replace(posterior, flags=posterior.flags | own).with_meta(
            flux_unit_cgs=float(spectra.flux_unit_cgs), distance_mpc=float(spectra.distance_mpc)
        )

    def infer(
        self,
        wave_aa: np.ndarray,
        flux: np.ndarray,
        sigma: np.ndarray,
        *,
        bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        mask: np.ndarray | None = None,
        redshift: float | np.ndarray = 0.0,
        medium: str = "air",
        fwhm_aa: float | np.ndarray | None = None,
        dispersion_kms: float | np.ndarray | None = None,
        mask_sky: bool = True,
        n_samples: int = 0,
        seed: int = 0,
    ) -> Posterior:
        """Answer spectra on any wavelength axis that covers most of the training range.

        They go the way of a galaxy's spectra (`sfhnet.observation.rest_frame`): with the redshift and the dispersion that
        `sfhnet.observation.prepare` found, the answer is the same.

        Parameters
        ----------
        wave_aa : ndarray (n_wave,)
            Observed wavelengths in AA, ascending.
        flux, sigma : ndarray (n, n_wave) or (n_wave,)
            f_lambda in any unit, free of Milky-Way extinction, and its 1-sigma error; pixels that are not finite or have
            no positive error are masked.
        bands : mapping of str to (flux, error), optional
            Mean f_lambda of each band at the observed redshift, same unit as `flux`; a NaN is an absent band.
        mask : ndarray of bool, optional
            True = good.
        redshift : float or ndarray (n,)
            To be removed.
        medium : {"air", "vacuum"}
            Of the wavelengths.
        fwhm_aa : float or ndarray (n_wave,), optional
            Resolution of the instrument; with `dispersion_kms` the spectra are broadened to the training resolution.
            Without both they are taken to have it.
        dispersion_kms : float or ndarray (n,), optional
            Stellar velocity dispersion.
        mask_sky : bool
            Leave out sky lines and telluric absorption as for galaxies (`sfhnet.observation.rest_frame.sky_mask`, default settings).
            False for spectra that were not observed, or were moved to another redshift before.
        n_samples, seed : int
            Joint samples of each spectrum, as in `infer_batch`.

        Returns
        -------
        Posterior
            One row a spectrum; spectra without usable pixels are flagged and hold NaN. ``log_scale`` is that of the
            rest-frame flux, the observed one times 1 + z.

        Raises
        ------
        ValueError
            If shapes disagree, wavelengths do not ascend, a redshift, width or dispersion is impossible, or the range
            covers less than half of the training range.
        """
        wave, flux, sigma, good = _checked(wave_aa, flux, sigma, mask)
        n = len(flux)
        wrong = "redshift must be finite and above -0.1 for every spectrum"
        redshifts = _each(redshift, n, wrong, above=-0.1)
        if medium not in ("air", "vacuum"):
            raise ValueError(f"medium is {medium!r}; choose air or vacuum")
        wave = vacuum_to_air(wave) if medium == "vacuum" else wave
        self._check_range(wave, redshifts)
        fwhm = dispersions = None
        if fwhm_aa is not None:
            wrong = "fwhm_aa must be finite and above zero at every wavelength"
            fwhm = _each(fwhm_aa, wave.size, wrong, above=0.0)
        if dispersion_kms is not None:
            wrong = "dispersion_kms must be finite and not below zero for every spectrum"
            dispersions = _each(dispersion_kms, n, wrong, least=0.0)
        finite, positive = np.isfinite(flux), np.isfinite(sigma) & (sigma > 0)
        usable = good & finite & positive
        unit = _units(sigma, usable)
        safe = np.where(usable, flux / unit, 0.0)
        variance = np.where(usable, sigma / unit, 0.0) ** 2
        if mask_sky:
            usable &= ~_sky_masks(wave, variance, usable)
        found = match_training(
            Observed(wave, fwhm, safe, variance, usable), redshifts, dispersions, grid=self.grid
        )
        band_flux, band_sigma, band_mask = self._bands(bands or {}, n)
        stretch = (1 + redshifts)[:, None]
        batch = Batch.from_arrays(
            self.wave_aa,
            found.flux * unit,
            found.sigma * unit,
            mask=found.mask,
            band_flux=band_flux * stretch,
            band_sigma=np.where(band_mask, band_sigma * stretch, 1.0),
            band_mask=band_mask,
        )
        bad = (good & ~positive).any(axis=1) * int(Flag.BAD_SIGMA)
        bad |= (good & ~finite).any(axis=1) * int(Flag.NOT_FINITE)
        posterior = self.infer_batch(batch, n_samples=n_samples, seed=seed)
        return replace(posterior, flags=posterior.flags | found.flags | bad.astype(np.uint32))

    def _check_range(self, wave_aa: np.ndarray, redshift: np.ndarray) -> None:
        low, high = self.wave_aa[0], self.wave_aa[-1]
        first, last = wave_aa[0] / (1 + redshift), wave_aa[-1] / (1 + redshift)
        covered = np.clip(np.minimum(last, high) - np.maximum(first, low), 0, None) / (high - low)
        worst = int(covered.argmin())
        if covered[worst] < 0.5:
            raise ValueError(
                f"spectrum {worst} covers {first[worst]:.0f}-{last[worst]:.0f} AA (rest frame, air), "
                f"{100 * covered[worst]:.0f} % of the training range {low:.0f}-{high:.0f} AA; at least half is needed "
                "(check redshift and units)"
            )

    def _bands(
        self, bands: Mapping[str, tuple[np.ndarray, np.ndarray]], n: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        unknown = sorted(set(bands) - set(self.band_names))
        if unknown:
            raise ValueError(
                f"the model does not know {', '.join(unknown)}; it knows {', '.join(self.band_names)}"
            )
        flux, sigma = np.full((n, len(self.band_names)), np.nan), np.full((n, len(self.band_names)), np.nan)
        for name, (value, error) in bands.items():
            column = self.band_names.index(name)
            flux[:, column] = np.broadcast_to(np.asarray(value, dtype=float), (n,))
            sigma[:, column] = np.broadcast_to(np.asarray(error, dtype=float), (n,))
        present = np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0)
        return np.where(present, flux, 0.0), np.where(present, sigma, 1.0), present

    @torch.no_grad()
    def _answer(self, batch: Batch, n_samples: int, key: tuple[int, int]) -> Posterior:
        n, usable = len(batch), batch.usable
        flags = batch.flags.cpu().numpy().astype(np.uint32)
        snr = 10.0 ** batch.log_snr.double().cpu().numpy()
        low, high = self.info["snr_range"]
        # A quarter of tolerance: the S/N itself is an estimate.
        flags |= np.where(snr < 0.75 * low, int(Flag.LOW_SNR), 0).astype(np.uint32)
        flags |= np.where(snr > 1.33 * high, int(Flag.HIGH_SNR), 0).astype(np.uint32)
        chi2, score = np.full(n, np.nan), np.full(n, np.nan)
        rows = usable.nonzero()[:, 0]
        index = rows.cpu().numpy()
        fields: dict[str, Any] = {}
        if len(rows):
            part = (batch if len(rows) == n else batch[rows]).to(self.device)
            normal = self._normal(key[0], key[1] + index, n_samples) if n_samples else None
            found = self.network.infer(part, normal)
            answer, seen = found.answer, found.familiarity
            fields = {name: _scatter(value, index, n) for name, value in answer.items()}
            if n_samples:
                fields["samples"] = {
                    name: _scatter(value.float().cpu().numpy(), index, n)
                    for name, value in found.samples.items()
                }
            if seen is not None:
                components, chi2[index] = seen[0].double().cpu().numpy(), seen[1].double().cpu().numpy()
                if self.familiarity is not None:
                    of_age = answer["scalars"]["lw_log_age"]
                    like = {"chi2": chi2[index], "snr": snr[index], "log_age": of_age}
                    score[index] = self.familiarity.score(components, **like)
                    for strange, flag in (
                        (self.familiarity.poor_fit(**like), Flag.BAD_FIT),
                        (score[index] > 1, Flag.OUT_OF_DISTRIBUTION),
                    ):
                        flags[index] |= np.where(strange, int(flag), 0).astype(np.uint32)
        else:
            # Nothing to answer: one flat spectrum tells the shapes, and every row stays NaN.
            shapes = self.network.answer(_flat(batch[:1].to(self.device)))
            fields = {name: _scatter(value, index, n) for name, value in shapes.items()}
            if n_samples:
                flat = _flat(batch[:1].to(self.device))
                drawn = self.network.samples(flat, self._normal(key[0], key[1] + np.zeros(1, int), n_samples))
                fields["samples"] = {
                    name: _scatter(value[:0].float().cpu().numpy(), index, n) for name, value in drawn.items()
                }
        for name in _EDGE_SCALARS:
            low, high = self.info["label_ranges"][name]
            value = fields["scalars"][name]
            flags |= np.where((value < low) | (value > high), int(Flag.EDGE_OF_PRIOR), 0).astype(np.uint32)
        return Posterior(
            age_edges_myr=self.age_edges_myr,
            flags=flags,
            snr=snr,
            log_scale=np.where(usable.cpu().numpy(), batch.log_scale.cpu().numpy(), np.nan),
            chi2=chi2,
            ood_score=score,
            **fields,
        )

    def _normal(self, seed: int, index: np.ndarray, n_samples: int) -> Tensor:
        # A generator a spectrum: what is drawn for one depends on no other.
        shape = (n_samples, self.network.sample_width)
        drawn = [stream("inference.samples", seed, i).standard_normal(shape, dtype=np.float32) for i in index]
        return torch.from_numpy(np.stack(drawn)).to(self.device)


def _flat(batch: Batch) -> Batch:
    return replace(batch, flux=torch.ones_like(batch.flux), mask=torch.ones_like(batch.mask))


def _scatter(value: Any, index: np.ndarray, n: int) -> Any:
    if isinstance(value, dict):
        return {name: _scatter(array, index, n) for name, array in value.items()}
    if len(index) == n == len(value):
        return value
    result = np.full((n, *value.shape[1:]), np.nan, dtype=value.dtype)
    result[index] = value[: len(index)]
    return result


def _checked(
    wave_aa: Sequence[float] | np.ndarray, flux: np.ndarray, sigma: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    wave = np.asarray(wave_aa, dtype=np.float64)
    flux, sigma = np.atleast_2d(np.asarray(flux, np.float64)), np.atleast_2d(np.asarray(sigma, np.float64))
    good = np.ones(flux.shape, dtype=bool) if mask is None else np.atleast_2d(np.asarray(mask, dtype=bool))
    if wave.ndim != 1 or wave.size < 10 or not np.all(np.diff(wave) > 0):
        raise ValueError("wave_aa must be a one-dimensional, strictly ascending axis of at least 10 pixels")
    if flux.shape[1] != wave.size or sigma.shape != flux.shape or good.shape != flux.shape:
        raise ValueError(
            f"flux {flux.shape}, sigma {sigma.shape} and mask {good.shape} must all be (n, {wave.size}) like wave_aa"
        )
    return wave, flux, sigma, good


def _each(
    value: float | np.ndarray, n: int, what: str, *, above: float = -np.inf, least: float = -np.inf
) -> np.ndarray:
    """Return a number for each of n; `what` says what is wrong where one is not finite or too low."""
    values = np.broadcast_to(np.asarray(value, dtype=float), (n,))
    if not np.all(np.isfinite(values) & (values > above) & (values >= least)):
        raise ValueError(what)
    return values


def _units(sigma: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the power of two next to each spectrum's median error, (n, 1): in it no variance overflows, no digit is lost."""
    unit = [np.median(row[good]) if good.any() else 1.0 for row, good in zip(sigma, usable, strict=True)]
    return np.ldexp(1.0, np.frexp(unit)[1])[:, None]


def _sky_masks(wave_aa: np.ndarray, variance: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the channels to leave out of each spectrum, (n, n_wave): one is not judged by another."""
    config = GalaxiesConfig()
    pairs = zip(variance, usable, strict=True)
    return np.array([sky_mask(wave_aa, row[None], good[None], config=config) for row, good in pairs])
