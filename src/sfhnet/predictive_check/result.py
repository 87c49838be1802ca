"""Result of the posterior-predictive check: how well the forward model, run on the draws, gives the spectra back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sfhnet.core.quantities import DUST_AND_LINES
from sfhnet.tools.hdf5 import create_h5, open_h5, put

__all__ = ["BLOCKS_AA", "BLOCK_NAMES", "PREDICTIONS", "Predictive", "unchecked"]

SCHEMA, VERSION = "sfhnet.predictive", 1

# Rest-frame stretches that are judged by themselves: Hbeta to the Mg triplet, Fe and Na, Halpha, TiO, the Ca triplet.
BLOCKS_AA: tuple[tuple[float, float], ...] = (
    (4750.0, 5300.0),
    (5300.0, 6200.0),
    (6200.0, 6900.0),
    (6900.0, 8000.0),
    (8000.0, 9351.0),
)
BLOCK_NAMES: tuple[str, ...] = ("all", *(f"{low:.0f}_{high:.0f}" for low, high in BLOCKS_AA), "bands")
PREDICTIONS: dict[str, str] = {
    "best": "draw that fits best",
    "mean": "spectrum averaged over the draws",
    "refined": "best model near the draws (Gauss-Newton, the draws as prior)",
}


@dataclass(frozen=True)
class Predictive:
    """How well draws of the posterior give the spectra back.

    Parameters
    ----------
    chi2 : dict of ndarray, shape (n, n_block)
        Of `PREDICTIONS`: chi-square per datum in the blocks `BLOCK_NAMES`, nuisances fitted; NaN where a block has no data.
    n_data : ndarray of int, shape (n, n_block)
        Good pixels or bands.
    expected : ndarray, shape (n,)
        Chi-square per pixel of pure noise, which smoothing has made smaller than one (`noise_shrinkage`).
    shift : ndarray, shape (n,)
        Distance of the refined model from the mean of the draws: root mean square over the parameters, in standard
        deviations of the draws.
    calibration_rms : ndarray, shape (n,)
        Of the calibration curve that the refined model wanted, as a fraction.
    refined : dict of ndarray
        Its parameters: ``mass_fraction``, ``mh`` (n, n_age), `sfhnet.core.quantities.DUST_AND_LINES` and ``log_ml`` (n,).
    flags : ndarray of uint32, shape (n,)
        Bits of `sfhnet.core.flags.Flag`.
    wave_aa : ndarray, shape (n_wave,)
    band_names : tuple of str
    examples : dict of ndarray
        Spectra of some bins: ``index`` (m,); ``data``, ``sigma``, ``mask``, ``refined``, ``draws_p16``, ``draws_p84``
        (m, n_wave + n_band), in units of the normalising flux; draws are scaled to the data, without nuisances.
    models : dict of ndarray of float16
        Of every spectrum, where they were kept: ``refined``, ``draws_p16``, ``draws_p84`` (n, n_wave + n_band), as in
        `examples`; NaN where there is no answer.
    meta : dict
    """

    chi2: dict[str, np.ndarray]
    n_data: np.ndarray
    expected: np.ndarray
    shift: np.ndarray
    calibration_rms: np.ndarray
    refined: dict[str, np.ndarray]
    flags: np.ndarray
    wave_aa: np.ndarray
    band_names: tuple[str, ...]
    examples: dict[str, np.ndarray] = field(default_factory=dict)
    models: dict[str, np.ndarray] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.n_data)

    def take(self, index: np.ndarray) -> Predictive:
        """Return the checks of some of the spectra, without examples and models."""
        return replace(
            self,
            chi2={kind: values[index] for kind, values in self.chi2.items()},
            refined={name: values[index] for name, values in self.refined.items()},
            **{
                name: getattr(self, name)[index]
                for name in ("n_data", "expected", "shift", "calibration_rms", "flags")
            },
            examples={},
            models={},
        )

    def relative(self, kind: str) -> np.ndarray:
        """Return chi-square over what pure noise would give, (n, n_block): one where all is well."""
        expected = np.repeat(self.expected[:, None], len(BLOCK_NAMES), axis=1)
        bands = BLOCK_NAMES.index("bands")
        expected[:, bands] = 1.0
        share = self.n_data[:, bands] / np.maximum(self.n_data[:, 0], 1)
        expected[:, 0] = (1 - share) * self.expected + share
        return self.chi2[kind] / expected

    def pixel_chi2(self, kind: str) -> np.ndarray:
        """Return chi-square per good pixel, without the bands, (n,); NaN where there is none."""
        pixels = [k for k, name in enumerate(BLOCK_NAMES) if name not in ("all", "bands")]
        number = self.n_data[:, pixels]
        total = np.where(number > 0, self.chi2[kind][:, pixels], 0.0) * number
        with np.errstate(invalid="ignore", divide="ignore"):
            return total.sum(axis=1) / number.sum(axis=1)

    def write(self, path: str | os.PathLike, provenance: Mapping[str, Any] | None = None) -> None:
        """Write to HDF5.

        Parameters
        ----------
        path : path
            HDF5 file.
        provenance : mapping, optional
            Stored in it.
        """
        with create_h5(path, SCHEMA, VERSION, provenance=provenance) as file:
            file.attrs["meta"] = json.dumps(self.meta)
            file.attrs["band_names"] = list(self.band_names)
            file.attrs["blocks"] = list(BLOCK_NAMES)
            put(file, "wave_aa", self.wave_aa, unit="Angstrom", axes="wave")
            put(file, "n_data", self.n_data.astype(np.int32), unit="", axes="spectrum, block")
            put(file, "flags", self.flags.astype(np.uint32), unit="bits", axes="spectrum")
            for name in ("expected", "shift", "calibration_rms"):
                put(file, name, getattr(self, name), unit="", axes="spectrum")
            for kind, values in self.chi2.items():
                put(file, f"chi2/{kind}", values.astype(np.float32), unit="", axes="spectrum, block")
            for name, values in self.refined.items():
                put(
                    file,
                    f"refined/{name}",
                    values.astype(np.float32),
                    unit="",
                    axes="spectrum, age" if values.ndim == 2 else "spectrum",
                )
            for name, values in self.models.items():
                put(file, f"models/{name}", values, unit="normalising flux", axes="spectrum, wave and band")
            for name, values in self.examples.items():
                put(
                    file,
                    f"examples/{name}",
                    values,
                    unit="",
                    axes="example, datum" if values.ndim == 2 else "example",
                )

    @classmethod
    def read(cls, path: str | os.PathLike) -> Predictive:
        """Read what `write` wrote."""
        with open_h5(path, SCHEMA, VERSION) as file:

            def group(name: str) -> dict[str, np.ndarray]:
                return {key: data[()] for key, data in file[name].items()} if name in file else {}

            return cls(
                chi2=group("chi2"),
                refined=group("refined"),
                examples=group("examples"),
                models=group("models"),
                **{
                    name: file[name][()]
                    for name in ("wave_aa", "n_data", "expected", "shift", "calibration_rms", "flags")
                },
                band_names=tuple(str(name) for name in file.attrs["band_names"]),
                meta=json.loads(file.attrs["meta"]),
            )


def unchecked(
    n: int, n_age: int, wave_aa: np.ndarray, *, band_names: tuple[str, ...], why: str
) -> Predictive:
    """Return the result for spectra that could not be checked: NaN, with the reason in ``meta["unchecked"]``.

    Parameters
    ----------
    n, n_age : int
        Spectra; age bins of the refined models.
    wave_aa : ndarray, shape (n_wave,)
        Training grid in Angstrom.
    band_names : tuple of str
        Bands.
    why : str
        The reason.

    Returns
    -------
    Predictive
    """
    nan = np.full(n, np.nan)
    return Predictive(
        chi2={kind: np.full((n, len(BLOCK_NAMES)), np.nan) for kind in PREDICTIONS},
        n_data=np.zeros((n, len(BLOCK_NAMES)), dtype=np.int32),
        expected=np.ones(n),
        shift=nan,
        calibration_rms=nan,
        refined=dict.fromkeys(("log_ml", *DUST_AND_LINES), nan)
        | {name: np.full((n, n_age), np.nan) for name in ("mass_fraction", "mh")},
        flags=np.zeros(n, dtype=np.uint32),
        wave_aa=wave_aa,
        band_names=band_names,
        meta={"unchecked": why},
    )
