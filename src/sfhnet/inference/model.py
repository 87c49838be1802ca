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

from sfhnet.core.batch import Batch
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.inference.answers import Answers, Seen
from sfhnet.inference.arrays import read_arrays
from sfhnet.inference.basis import Basis
from sfhnet.inference.conformal import Conformal
from sfhnet.inference.draws import quantiles_of_samples
from sfhnet.inference.familiarity import Familiarity
from sfhnet.inference.given import number_of, read_bands, read_given, some_rows
from sfhnet.inference.judge import Judged, judge
from sfhnet.inference.line_of_sight import Kinematics, measure_kinematics, other_medium
from sfhnet.inference.masses import log_mass_formed
from sfhnet.inference.network_answers import answer, scalars
from sfhnet.inference.screens import Screens
from sfhnet.inference.surviving_mass import SurvivingMass
from sfhnet.inference.training_frame import TrainingFrame
from sfhnet.inference.understand import understand
from sfhnet.inference.widths import WidthFitter
from sfhnet.networks import Network
from sfhnet.networks.storage import load_network
from sfhnet.tools.hdf5 import read_json
from sfhnet.tools.memory import give_back
from sfhnet.tools.shipped_files import shipped_model, verify

__all__ = ["CALIBRATION", "CALIBRATION_SCHEMA", "Model", "load"]

_log = logging.getLogger("sfhnet.inference.model")

CALIBRATION, CALIBRATION_SCHEMA = "calibration.json", "sfhnet.calibration/4"

# Spectra in one pass of the network, and as observed, whose copies in double precision are far larger: large enough to be
# fast, small enough for any memory.
_CHUNK, _OBSERVED = 512, 256


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
    conformal = familiarity = surviving = None
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
        surviving = SurvivingMass.from_json(data["surviving"]) if data.get("surviving") else None
    return Model(network.to(device), info, conformal, familiarity, folder.name, device, screens, surviving)


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
    surviving : SurvivingMass or None
        How much of the stars of the mocks is there today; None if the calibration does not tell.
    """

    network: Network
    info: dict[str, Any]
    conformal: Conformal | None = None
    familiarity: Familiarity | None = None
    name: str = ""
    device: str = "cpu"
    screens: Screens = field(default_factory=Screens)
    surviving: SurvivingMass | None = None

    @cached_property
    def basis(self) -> Basis | None:
        """Return the network's linear basis; None for a network without."""
        return Basis.of(self.network, self.grid)

    @cached_property
    def widths(self) -> WidthFitter | None:
        """Return the fitter of velocities and widths; None for a network without a basis."""
        return None if self.basis is None else WidthFitter(self.basis)

    @property
    def trained_on_windows(self) -> bool:
        """True if the training hid all but a window of some spectra (``windows_aa`` of ``model.json``)."""
        return bool(self.info.get("windows_aa"))

    @cached_property
    def grid(self) -> TrainingGrid:
        """Return wavelengths and resolution of the training spectra."""
        return TrainingGrid.from_json(self.info)

    @property
    def frame(self) -> TrainingFrame:
        """Return what observed spectra are brought to."""
        return TrainingFrame(self.grid, self.band_names, self.basis is not None)

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
        parts = [
            answer(self, batch[start : start + _CHUNK], n_samples, seed=seed, first=first + start)
            for start in range(0, len(batch), _CHUNK)
        ]
        posterior = Posterior.cat(parts)
        posterior = replace(posterior, from_draws=quantiles_of_samples(posterior, self.surviving))
        calibrated = calibrated and self.conformal is not None
        meta = {"model": self.name, "kind": self.network.spec.kind, "calibrated": calibrated}
        if calibrated and self.conformal is not None:
            posterior = self.conformal.apply(posterior)
            meta["calibrated_draws"] = [
                name for name in posterior.from_draws if name in self.conformal.scalars
            ]
        return posterior.with_meta(**meta)

    def scalars(self, batch: Batch) -> dict[str, np.ndarray]:
        """Return the point estimates of the scalars alone, as `infer_batch` gives them, (n,) each.

        Parameters
        ----------
        batch : Batch
            n usable spectra on this model's grid.
        """
        parts = [scalars(self, batch[start : start + _CHUNK]) for start in range(0, len(batch), _CHUNK)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

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
        nan = np.full(spectra.n, np.nan)
        sigma = np.asarray(spectra.sigma_kms, dtype=float)
        # The dispersion of bins that were too faint to fit was assumed, and nothing is made of it.
        fitted = np.isfinite(np.asarray(spectra.sigma_err_kms, dtype=float))
        excess = np.where(fitted, self.frame.excess_kms(sigma), 0.0)
        parts = []
        for start in range(0, spectra.n, _CHUNK):
            rows = slice(start, start + _CHUNK)
            batch = Batch.from_spectra(spectra, self.band_names, rows)
            found = judge(self, batch, excess_kms=excess[rows], n_samples=n_samples, seed=seed, first=start)
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
        own = self.frame.still_broad(np.asarray(spectra.flags, dtype=np.uint32), excess)
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
        n = number_of(flux)
        told = read_given(
            n,
            np.size(wave_aa),
            redshift=redshift,
            redshift_err=redshift_err,
            dispersion_kms=dispersion_kms,
            fwhm_aa=fwhm_aa,
        )
        in_bands = read_bands(bands or {}, self.band_names, n)
        frame = self.frame
        parts: list[Judged] = []
        kinematics: list[Kinematics] = []
        scales, notes = [], dict[str, None]()
        for start in range(0, n, _OBSERVED):
            rows = slice(start, min(start + _OBSERVED, n))
            given = read_arrays(
                wave_aa,
                some_rows(flux, rows, n),
                mask=some_rows(mask, rows, n),
                **{name: some_rows(values, rows, n) for name, values in errors.items()},
            )
            spectra = understand(given, medium=medium, ebv=ebv, mask_sky=mask_sky, check_errors=check_errors)
            believed = told.of(rows, given.order)
            fwhm = believed.fwhm_aa
            searched = believed.redshift is None
            frame.check_range(
                spectra.wave_aa,
                np.zeros(1) if believed.redshift is None else believed.redshift,
                start,
                searched=searched,
            )
            lines = measure_kinematics(
                spectra, believed, basis=self.basis, fitter=self.widths, screens=self.screens
            )
            batch, own_flags, smoothing_aa = frame.batch_of(
                spectra,
                lines,
                fwhm,
                ebv=ebv,
                bands={name: values[rows] for name, values in in_bands.items()},
            )
            excess = frame.excess_kms(lines.dispersion_kms, spectra.wave_aa, fwhm)
            excess = np.where(lines.matched_as_is, 0.0, excess)
            found = judge(
                self,
                batch,
                excess_kms=excess,
                blur_kms=frame.blur_kms(lines),
                n_samples=n_samples,
                seed=seed,
                first=start,
            )
            flagged = found.posterior.flags | frame.still_broad(own_flags, excess) | lines.flags
            found = replace(
                found,
                posterior=replace(found.posterior, flags=flagged),
                measured=found.measured | {"smoothing_aa": smoothing_aa},
            )
            parts.append(found if keep_spectra else replace(found, seen=found.seen.take(slice(0))))
            kinematics.append(lines)
            scales.append(spectra.noise_scale)
            notes |= dict.fromkeys(spectra.notes)
            del given, spectra, batch, found
            if n > _OBSERVED:
                give_back()
        if told.redshift is not None and told.redshift_err == 0:
            notes |= dict.fromkeys(other_medium(told.redshift, kinematics, medium))
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


def _joined(parts: Sequence[Judged]) -> tuple[Posterior, dict[str, np.ndarray]]:
    measured = {name: np.concatenate([part.measured[name] for part in parts]) for name in parts[0].measured}
    return Posterior.cat([part.posterior for part in parts]), measured
