"""The wavelengths and the resolution of the training spectra, which observed spectra are brought to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa

if TYPE_CHECKING:
    from pyprospect.stars.library import SSPLibrary

__all__ = ["INSTRUMENTS", "GridSettings", "TrainingGrid", "check_same_grid", "grid_wave_aa", "training_grid"]

# grid.lsf of the configuration -> FWHM of the instrument in Angstrom at wavelengths in Angstrom.
INSTRUMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"muse_udf10": muse_udf10_fwhm_aa}


class GridSettings(Protocol):
    """What the section `grid` of the configuration says (`sfhnet.config.GridConfig`)."""

    @property
    def wave_min_aa(self) -> float:
        """First wavelength in Angstrom."""

    @property
    def wave_max_aa(self) -> float:
        """Last wavelength in Angstrom."""

    @property
    def wave_step_aa(self) -> float:
        """Step in Angstrom."""

    @property
    def veldisp_kms(self) -> float:
        """Velocity dispersion that spectra are broadened to."""

    @property
    def veldisp_max_kms(self) -> float | None:
        """Largest velocity dispersion of the training, if it has more than one."""

    @property
    def lsf(self) -> str:
        """Name of the instrument, a key of `INSTRUMENTS`."""


@dataclass(frozen=True)
class TrainingGrid:
    """Grid and resolution of the training spectra. Make it with `training_grid`, or read it with a model.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Rest-frame air wavelengths in Angstrom, evenly spaced.
    sigma_aa : ndarray, shape (n_wave,)
        Resolution as the Gaussian sigma in Angstrom.
    made_of : dict
        What the resolution follows from: ``lsf`` (a key of `INSTRUMENTS`), ``veldisp_kms``, ``library``; and
        ``veldisp_max_kms`` if the training has all dispersions from ``veldisp_kms`` to it, which are then left as observed.

    Raises
    ------
    ValueError
        If there is not one finite positive width for each wavelength.
    """

    wave_aa: np.ndarray
    sigma_aa: np.ndarray
    made_of: dict[str, Any]

    def __post_init__(self) -> None:
        if self.sigma_aa.shape != self.wave_aa.shape:
            raise ValueError(
                f"training_sigma_aa has shape {self.sigma_aa.shape}, the training grid {self.wave_aa.shape}; give one "
                "width for each wavelength"
            )
        if not np.all(np.isfinite(self.sigma_aa) & (self.sigma_aa > 0)):
            raise ValueError(
                "training_sigma_aa must be finite and above zero at every wavelength of the training grid"
            )

    @property
    def broadest_aa(self) -> np.ndarray:
        """Gaussian sigma in Angstrom of the broadest training spectra; `sigma_aa` is that of the narrowest."""
        low_kms = self.made_of.get("veldisp_kms", 0.0)
        more = self.made_of.get("veldisp_max_kms", low_kms) ** 2 - low_kms**2
        return np.sqrt(self.sigma_aa**2 + more * (self.wave_aa / C_KMS) ** 2)

    def to_json(self) -> dict[str, Any]:
        """Return the entries of ``model.json``, as `from_json` reads them."""
        first, last, n = float(self.wave_aa[0]), float(self.wave_aa[-1]), len(self.wave_aa)
        # Rounded, the step is the configuration's again, and the grid the same to the last digit.
        step = round((last - first) / (n - 1), 9)
        return {
            "wave_aa": {"start": first, "step": step, "n": n},
            "training_sigma_aa": self.sigma_aa.tolist(),
            "resolution": dict(self.made_of),
        }

    @classmethod
    def from_json(cls, info: Mapping[str, Any]) -> TrainingGrid:
        """Return the grid that ``model.json`` holds."""
        wave = info["wave_aa"]
        wave_aa = wave["start"] + wave["step"] * np.arange(wave["n"])
        return cls(wave_aa, np.array(info["training_sigma_aa"], dtype=float), dict(info["resolution"]))


def grid_wave_aa(grid: GridSettings) -> np.ndarray:
    """Return the wavelengths of the training grid in Angstrom, rest frame, air, shape (n_wave,)."""
    n_steps = round((grid.wave_max_aa - grid.wave_min_aa) / grid.wave_step_aa)
    return grid.wave_min_aa + grid.wave_step_aa * np.arange(n_steps + 1)


def check_same_grid(info: Mapping[str, Any], grid: GridSettings, model: str) -> None:
    """Check that a model answers spectra on a grid.

    Parameters
    ----------
    info : mapping
        Its ``model.json``.
    grid : GridSettings
        Which spectra are prepared on.
    model : str
        Its name, for the error.

    Raises
    ------
    ValueError
        If wavelengths or dispersion differ; says what to write under ``grid``.
    """
    wave, made_of = info["wave_aa"], info["resolution"]
    first, step = wave["start"], wave["step"]
    trained = {
        "wave_min_aa": first,
        "wave_max_aa": round(first + step * (wave["n"] - 1), 6),
        "wave_step_aa": step,
        "veldisp_kms": made_of["veldisp_kms"],
        "veldisp_max_kms": made_of.get("veldisp_max_kms"),
    }
    wrong = {name: value for name, value in trained.items() if getattr(grid, name) != value}
    if wrong:
        here = ", ".join(f"{name}: {getattr(grid, name)}" for name in wrong)
        give = ", ".join(f"{name}: {'null' if value is None else value}" for name, value in wrong.items())
        raise ValueError(f"{model} was trained on another grid than {{{here}}}; give grid: {{{give}}}")


def training_grid(grid: GridSettings, ssp: SSPLibrary) -> TrainingGrid:
    """Return the grid and the resolution of spectra that are made of a library.

    The library is nowhere sharpened: where it is broader than the instrument (E-MILES and MUSE: beyond 6760 Angstrom, by
    two thirds beyond 8950), its own resolution is that of the training spectra.

    Parameters
    ----------
    grid : GridSettings
        Wavelengths, instrument and velocity dispersion.
    ssp : SSPLibrary
        What the training spectra are made of.

    Returns
    -------
    TrainingGrid
    """
    wave_aa = grid_wave_aa(grid)
    fwhm_aa, own_aa = INSTRUMENTS[grid.lsf](wave_aa), ssp.fwhm_aa(wave_aa)
    if own_aa is not None:
        fwhm_aa = np.maximum(fwhm_aa, own_aa)
    sigma_aa = np.hypot(fwhm_aa / FWHM_PER_SIGMA, wave_aa * grid.veldisp_kms / C_KMS)
    made_of: dict[str, Any] = {"lsf": grid.lsf, "veldisp_kms": grid.veldisp_kms, "library": ssp.name}
    if grid.veldisp_max_kms is not None:
        made_of["veldisp_max_kms"] = grid.veldisp_max_kms
    return TrainingGrid(wave_aa, sigma_aa, made_of)
