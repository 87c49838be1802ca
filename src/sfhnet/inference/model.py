"""Apply a trained network: load a model folder, answer any number of spectra."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from sfhnet.core.bands import BANDS
from sfhnet.core.batch import Batch
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.inference.answers import Answers, Seen
from sfhnet.inference.arrays import read_arrays
from sfhnet.inference.basis import Basis
from sfhnet.inference.conformal import Conformal
from sfhnet.inference.familiarity import Familiarity, log_width
from sfhnet.inference.judge import LEAST_WINDOW_AA, SHARPEN_MOST_KMS, Judged, judge, lines_of
from sfhnet.inference.line_of_sight import Believed, Kinematics, measure_kinematics
from sfhnet.inference.masses import log_mass_formed
from sfhnet.inference.screens import Screens
from sfhnet.inference.understand import Understood, understand
from sfhnet.inference.widths import WidthFitter
from sfhnet.networks import Network
from sfhnet.networks.storage import load_network
from sfhnet.observation.redshift import REDSHIFT_RANGE
from sfhnet.observation.rest_frame import Matched, Observed, match_training
from sfhnet.tools.hdf5 import read_json
from sfhnet.tools.random_streams import stream
from sfhnet.tools.shipped_files import shipped_model, verify

__all__ = ["CALIBRATION", "CALIBRATION_SCHEMA", "Model", "load"]

_log = logging.getLogger("sfhnet.inference.model")

CALIBRATION, CALIBRATION_SCHEMA = "calibration.json", "sfhnet.calibration/4"

# Spectra in one pass: large enough to be fast, small enough for any memory.
_CHUNK = 512

# Standard deviation of a redshift that is believed; errors of the width that the training has anyway.
_REDSHIFT_ERR, _WIDTH_SCATTER = 0.002, 0.08
# An instrument is that of the training if it is no broader than by this, in quadrature.
_SAME_INSTRUMENT_KMS = 40.0

_WRONG_REDSHIFT = "redshift must be finite and above -0.1 for every spectrum"
_WRONG_FWHM = "fwhm_aa must be finite and above zero at every wavelength"
_WRONG_DISPERSION = "dispersion_kms must be finite and not below zero for every spectrum"

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
    screens = Screens()
    path = folder / CALIBRATION
    if path.is_file():
        data = read_json(path)
        if data.get("schema_version") != CALIBRATION_SCHEMA:
            found = data.get("schema_version", "none")
            raise ValueError(f"{path} has schema {found!r}, expected {CALIBRATION_SCHEMA!r}; calibrate again")
        conformal = Conformal.from_json(data["conformal"])
        familiarity = Familiarity.from_json(data["familiarity"]) if data.get("familiarity") else None
        screens = Screens.from_json(data["screens"]) if data.get("screens") else screens
    return Model(network.to(device), info, conformal, familiarity, folder.name, device, screens)


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
    screens : Screens
        Limits of what is checked beside the answer.
    """

    network: Network
    info: dict[str, Any]
    conformal: Conformal | None = None
    familiarity: Familiarity | None = None
    name: str = ""
    device: str = "cpu"
    screens: Screens = field(default_factory=Screens)

    @cached_property
    def basis(self) -> Basis | None:
        """Return the network's linear basis; None for a network without."""
        return Basis.of(self.network, self.grid)

    @cached_property
    def widths(self) -> WidthFitter | None:
        """Return the fitter of velocities and widths; None for a network without a basis."""
        hidden = None if self.hidden_pixels is None else self.hidden_pixels.numpy()
        return None if self.basis is None else WidthFitter(self.basis, hidden)

    @property
    def trained_on_windows(self) -> bool:
        """True if the training hid all but a window of some spectra (``windows_aa`` of ``model.json``)."""
        return bool(self.info.get("windows_aa"))

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

    def blinded(self, batch: Batch) -> Batch:
        """Return the batch without the pixels that the network must not look at."""
        return batch if self.hidden_pixels is None else batch.hiding(self.hidden_pixels)

    def infer_batch(
        self, batch: Batch, *, calibrated: bool = True, n_samples: int = 0, seed: int = 0, first: int = 0
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
        first : int
            Number of the first spectrum, for those that are answered some at a time.

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
        batch = self.blinded(batch)
        parts = [
            self._answer(batch[start : start + _CHUNK], n_samples, (seed, first + start))
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

    def infer_spectra(
        self, spectra: Spectra, *, n_samples: int = 0, seed: int = 0, keep_spectra: bool = False
    ) -> Answers:
        """Answer prepared spectra, keeping the flags they carry.

        Parameters
        ----------
        spectra : Spectra
            On this model's grid.
        n_samples, seed : int
            As in `infer_batch`.
        keep_spectra : bool
            Keep what the network saw, for `Answers.plot`.

        Returns
        -------
        Answers
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
        nan = np.full(len(batch), np.nan)
        sigma = np.asarray(spectra.sigma_kms, dtype=float)
        # The dispersion of bins that were too faint to fit was assumed, and nothing is made of it.
        fitted = np.isfinite(np.asarray(spectra.sigma_err_kms, dtype=float))
        excess = np.where(fitted, self._excess_kms(sigma), 0.0)
        parts = []
        for start in range(0, len(batch), _CHUNK):
            rows = slice(start, start + _CHUNK)
            found = judge(
                self, batch[rows], excess_kms=excess[rows], n_samples=n_samples, seed=seed, first=start
            )
            parts.append(found if keep_spectra else replace(found, seen=found.seen.take(slice(0))))
        measured = {
            "redshift": np.asarray(spectra.redshift, dtype=float),
            "redshift_err": nan,
            "redshift_found": nan,
            "redshift_probability": nan,
            "dispersion_kms": sigma,
            "dispersion_err_kms": np.asarray(spectra.sigma_err_kms, dtype=float),
            "noise_scale": np.asarray(spectra.noise_scale, dtype=float),
            "smoothing_aa": np.asarray(spectra.smoothing_aa, dtype=float),
        }
        posterior, of_answers = _joined(parts)
        own = self._still_broad(np.asarray(spectra.flags, dtype=np.uint32), excess)
        seen = Seen.cat([part.seen for part in parts]) if keep_spectra else None
        posterior = replace(posterior, flags=posterior.flags | own)
        answers = Answers.of(posterior, measured | of_answers, seen=seen)
        return answers.with_meta(
            flux_unit_cgs=float(spectra.flux_unit_cgs), distance_mpc=float(spectra.distance_mpc)
        )

    def infer(
        self,
        wave_aa: Any,
        flux: Any,
        sigma: Any = None,
        *,
        variance: Any = None,
        ivar: Any = None,
        mask: np.ndarray | None = None,
        bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        redshift: float | np.ndarray | None = None,
        redshift_err: float | None = None,
        medium: str = "air",
        fwhm_aa: float | np.ndarray | None = None,
        dispersion_kms: float | np.ndarray | Literal["training"] | None = None,
        ebv: float = 0.0,
        mask_sky: bool = True,
        check_errors: bool = True,
        flux_unit_cgs: float | None = None,
        distance_mpc: float | None = None,
        keep_spectra: bool = True,
        n_samples: int = 0,
        seed: int = 0,
    ) -> Answers:
        """Answer spectra as they were observed: any sampling, at least 600 AA of the training range.

        They go the way of a galaxy's spectra (`sfhnet.observation.rest_frame`): with the redshift and the dispersion that
        `sfhnet.observation.prepare` found, the answer is the same. What is not given is measured, and what is given stays
        unless the spectrum contradicts it.

        Parameters
        ----------
        wave_aa : array_like or Quantity (n_wave,)
            Observed wavelengths, ascending or descending; plain numbers in AA, nm, um, m or their logarithm.
        flux : array_like or Quantity (n, n_wave) or (n_wave,)
            f_lambda in any unit (a Quantity may be f_nu). Masked arrays, pandas, any precision and byte order.
        sigma, variance, ivar : array_like, like `flux`
            One of them: its 1-sigma error, the square of it, or one over that. Pixels that are not finite or have no
            positive error are masked, as are exact zeros, repeated values and spikes.
        mask : ndarray of bool, optional
            True = good.
        bands : mapping of str to (flux, error), optional
            Mean f_lambda of each band at the observed redshift, same unit as `flux`; a NaN is an absent band.
        redshift : float or ndarray (n,), optional
            What is believed of it; without it, it is looked for from -0.005 to 0.15.
        redshift_err : float, optional
            Its standard deviation. Zero: it is known, used, and only checked. Default: 0.002, zero with `dispersion_kms`.
        medium : {"air", "vacuum"}
            Of the wavelengths.
        fwhm_aa : float or ndarray (n_wave,), optional
            Resolution of the instrument in AA. Without it, spectra as sharp as those of the training are left as they are,
            and the width of others is measured.
        dispersion_kms : float, ndarray (n,) or "training", optional
            Stellar velocity dispersion; measured if it is not given. "training": the spectra have the resolution of the
            training already, and are left as they are.
        ebv : float
            E(B-V) of the Milky Way in mag (Schlafly & Finkbeiner 2011), to be undone.
        mask_sky : bool
            Leave out sky lines and telluric absorption as for galaxies (`sfhnet.observation.rest_frame.sky_mask`, default settings).
            False for spectra that were not observed, or were moved to another redshift before.
        check_errors : bool
            Compare errors with the scatter of neighbouring pixels, and mend what can only be a variance, or too small.
        flux_unit_cgs, distance_mpc : float, optional
            erg/s/cm2/AA of a flux of one; distance, by default that of the redshift (beyond z = 0.005). With the unit
            there are masses.
        keep_spectra : bool
            Keep what the network saw, for `Answers.plot`.
        n_samples, seed : int
            Joint samples of each spectrum, as in `infer_batch`.

        Returns
        -------
        Answers
            One row a spectrum; spectra without usable pixels, and what is no galaxy, are flagged and hold NaN.
            ``log_scale`` is that of the rest-frame flux, the observed one times 1 + z.

        Raises
        ------
        ValueError
            If shapes disagree, wavelengths are none, a redshift, width or dispersion is impossible, or less than 600 AA of
            the training range are there.
        """
        if medium not in ("air", "vacuum"):
            raise ValueError(f"medium is {medium!r}; choose air or vacuum")
        if not (np.isfinite(ebv) and ebv >= 0):
            raise ValueError(f"ebv is {ebv}; give E(B-V) of the Milky Way in mag, zero or more")
        errors = {"sigma": sigma, "variance": variance, "ivar": ivar}
        n = _number(flux)
        z = None if redshift is None else _each(redshift, n, _WRONG_REDSHIFT, above=-0.1)
        as_trained = isinstance(dispersion_kms, str)
        if as_trained and dispersion_kms != "training":
            raise ValueError(f'dispersion_kms is {dispersion_kms!r}; give km/s, or "training"')
        stars = None
        if not (dispersion_kms is None or isinstance(dispersion_kms, str)):
            stars = _each(dispersion_kms, n, _WRONG_DISPERSION, least=0.0)
        width = redshift_err
        if width is None:
            width = 0.0 if dispersion_kms is not None and z is not None else _REDSHIFT_ERR
        if not (np.isfinite(width) and width >= 0):
            raise ValueError(
                f"redshift_err is {width}; give a standard deviation, or zero for a redshift that is known"
            )
        band_flux, band_sigma, band_mask = self._bands(bands or {}, n)
        parts: list[Judged] = []
        kinematics: list[Kinematics] = []
        scales, notes = [], dict[str, None]()
        for start in range(0, n, _CHUNK):
            rows = slice(start, min(start + _CHUNK, n))
            given = read_arrays(
                wave_aa,
                _rows(flux, rows, n),
                mask=_rows(mask, rows, n),
                **{k: _rows(v, rows, n) for k, v in errors.items()},
            )
            spectra = understand(given, medium=medium, ebv=ebv, mask_sky=mask_sky, check_errors=check_errors)
            fwhm = (
                None
                if fwhm_aa is None
                else _each(fwhm_aa, np.size(wave_aa), _WRONG_FWHM, above=0.0)[given.order]
            )
            self._check_range(
                spectra.wave_aa, np.zeros(1) if z is None else z[rows], start, searched=z is None
            )
            believed = Believed(
                None if z is None else z[rows],
                width,
                None if stars is None else stars[rows],
                fwhm,
                as_trained,
            )
            lines = measure_kinematics(
                spectra, believed, basis=self.basis, fitter=self.widths, screens=self.screens
            )
            some = {"flux": band_flux[rows], "sigma": band_sigma[rows], "mask": band_mask[rows]}
            batch, own_flags, smoothing_aa = self._in_training_frame(
                spectra, lines, fwhm, ebv=ebv, bands=some
            )
            excess = self._excess_kms(lines.dispersion_kms, spectra.wave_aa, fwhm)
            excess = np.where(lines.matched_as_is, 0.0, excess)
            found = judge(
                self,
                batch,
                excess_kms=excess,
                blur_kms=self._blur_kms(lines),
                n_samples=n_samples,
                seed=seed,
                first=start,
            )
            flagged = found.posterior.flags | self._still_broad(own_flags, excess) | lines.flags
            found = replace(
                found,
                posterior=replace(found.posterior, flags=flagged),
                measured=found.measured | {"smoothing_aa": smoothing_aa},
            )
            parts.append(found if keep_spectra else replace(found, seen=found.seen.take(slice(0))))
            kinematics.append(lines)
            scales.append(spectra.noise_scale)
            notes |= dict.fromkeys(spectra.notes)
        for note in notes:
            _log.warning("%s", note)
        posterior, measured = _joined(parts)
        measured |= {
            "redshift": np.concatenate([one.redshift for one in kinematics]),
            "redshift_err": np.concatenate([one.redshift_err for one in kinematics]),
            "redshift_found": np.concatenate([one.found for one in kinematics]),
            "redshift_probability": np.concatenate([one.probability for one in kinematics]),
            "dispersion_kms": np.concatenate([one.dispersion_kms for one in kinematics]),
            "dispersion_err_kms": np.concatenate([one.dispersion_err_kms for one in kinematics]),
            "noise_scale": np.concatenate(scales),
        }
        measured["log_mass_formed"] = log_mass_formed(
            posterior.log_mass, measured["redshift"], flux_unit_cgs=flux_unit_cgs, distance_mpc=distance_mpc
        )
        seen = Seen.cat([part.seen for part in parts]) if keep_spectra else None
        return Answers.of(posterior, measured, seen=seen, notes=tuple(notes))

    def _excess_kms(
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
            own = np.interp(self.wave_aa, wave_aa, fwhm_aa) / FWHM_PER_SIGMA
            instrument = self.grid.sigma_aa**2 - (self.wave_aa * trained / C_KMS) ** 2
            more = float(np.median((own**2 - instrument) / self.wave_aa**2)) * C_KMS**2
            square = square + (more if more > _SAME_INSTRUMENT_KMS**2 else 0.0)
        return np.sqrt(np.clip(square, 0.0, None))

    def _still_broad(self, flags: np.ndarray, excess_kms: np.ndarray) -> np.ndarray:
        """Return flags in which `Flag.RESOLUTION` stands where a width could not be undone with the basis."""
        if self.basis is None:
            return flags
        undone = (excess_kms > 0) & (excess_kms <= SHARPEN_MOST_KMS)
        flags = np.where(undone, flags & ~np.uint32(Flag.RESOLUTION), flags)
        return np.where(excess_kms > SHARPEN_MOST_KMS, flags | np.uint32(Flag.RESOLUTION), flags)

    def _in_training_frame(
        self,
        spectra: Understood,
        lines: Kinematics,
        fwhm_aa: np.ndarray | None,
        *,
        ebv: float,
        bands: dict[str, np.ndarray],
    ) -> tuple[Batch, np.ndarray, np.ndarray]:
        found = self._matched(spectra, lines, fwhm_aa, lines.dispersion_kms)
        stretch = (1 + lines.redshift)[:, None] * self._band_dereddening(ebv)
        batch = Batch.from_arrays(
            self.wave_aa,
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

    def _blur_kms(self, lines: Kinematics) -> np.ndarray:
        """Return by how much the spectra would be broader had they been taken to be an error narrower, where that matters."""
        sigma = np.nan_to_num(lines.dispersion_kms)
        error = np.where(lines.matched_as_is, 0.0, np.nan_to_num(lines.dispersion_err_kms))
        square = sigma**2 - np.maximum(sigma - error, 0.0) ** 2
        trained = float(self.grid.made_of["veldisp_kms"])
        return np.where(square > 2 * _WIDTH_SCATTER * trained**2, np.sqrt(square), 0.0)

    def _band_dereddening(self, ebv: float) -> np.ndarray:
        if not ebv:
            return np.ones(len(self.band_names))
        from sfhnet.observation.milky_way_extinction import correction

        return correction(np.array([BANDS[name].pivot_aa for name in self.band_names]), ebv)

    def _check_range(self, wave_aa: np.ndarray, redshift: np.ndarray, start: int, *, searched: bool) -> None:
        low, high = self.wave_aa[0], self.wave_aa[-1]
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
                    width = log_width(lines_of(part, self.wave_aa).halpha_ew_aa)
                    like = {"chi2": chi2[index], "snr": snr[index], "log_ew": width}
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


def _each(
    value: float | np.ndarray, n: int, what: str, *, above: float = -np.inf, least: float = -np.inf
) -> np.ndarray:
    """Return a number for each of n; `what` says what is wrong where one is not finite or too low."""
    values = np.broadcast_to(np.asarray(value, dtype=float), (n,))
    if not np.all(np.isfinite(values) & (values > above) & (values >= least)):
        raise ValueError(what)
    return values


def _number(flux: Any) -> int:
    """Return the number of spectra in (n_wave,) or (n, n_wave)."""
    shape = np.shape(flux)
    return 1 if len(shape) < 2 else int(shape[0])


def _rows(values: Any, rows: slice, n: int) -> Any:
    """Return some rows of what has one a spectrum; what all share stays."""
    if values is None or np.ndim(values) < 2 or len(values) != n:
        return values
    # A table is cut by position; what lies in a file is read as far as it is needed.
    return getattr(values, "iloc", values)[rows]


def _joined(parts: Sequence[Judged]) -> tuple[Posterior, dict[str, np.ndarray]]:
    measured = {name: np.concatenate([part.measured[name] for part in parts]) for name in parts[0].measured}
    return Posterior.cat([part.posterior for part in parts]), measured
