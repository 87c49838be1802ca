"""Libraries of simple stellar populations (SSP): one data model, one HDF5 layout."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pyprospect.constants import Z_SUN
from pyprospect.content import seal, seal_end

SCHEMA_VERSION = "pyprospect-ssp/1"
EVOLUTION_COLUMNS = ("SMstar", "SMgas", "SMtot", "SFR", "SMrem")
HOLE_DTYPE = np.dtype(
    [
        ("z", float),
        ("age_yr", float),
        ("wave_min_aa", float),
        ("wave_max_aa", float),
        ("n_pixels", int),
        ("i_z", int),
        ("i_age", int),
    ]
)


@dataclass(frozen=True)
class SSPLibrary:
    """A library of simple stellar populations, per solar mass FORMED.

    Parameters
    ----------
    z : ndarray, shape (n_z,)
        Metal mass fraction, ascending.
    age_yr : ndarray, shape (n_age,)
        Ages in yr, ascending; the first may be 0.
    age_edges_yr : ndarray, shape (n_age + 1,)
        Edges in yr of the age bin that each SSP stands for.
    wave_aa : ndarray, shape (n_wave,)
        Wavelengths in Angstrom, ascending; ``meta["medium"]`` says air or vacuum.
    spectra : ndarray, shape (n_z, n_age, n_wave)
        Lsol / Angstrom per Msol formed, none negative. Float32 is kept, all else becomes float64.
    evolution : ndarray, shape (n_z, n_age, 5)
        Columns SMstar, SMgas, SMtot, SFR, SMrem in Msol per Msol formed (SFR in Msol/yr); NaN where unknown.
    name : str
        Short name of the library.
    meta : dict
        What is known about the source: ``source``, ``medium`` ("air" or "vacuum"), ``imf``, ``isochrones``,
        ``resolution`` ({"wave_aa": [...], "fwhm_aa": [...]}) and notes of what was done to the library.
    variants : dict of ndarray, shape (n_z, n_age, n_wave)
        The same populations by other authors, by name (`pyprospect.stars.variants`).

    Raises
    ------
    ValueError
        If shapes disagree, an axis is not ascending or not finite, or a spectrum is negative or NaN.
    """

    z: np.ndarray
    age_yr: np.ndarray
    age_edges_yr: np.ndarray
    wave_aa: np.ndarray
    spectra: np.ndarray
    evolution: np.ndarray
    name: str = "unnamed"
    meta: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for axis in ("z", "age_yr", "age_edges_yr", "wave_aa", "evolution"):
            object.__setattr__(self, axis, np.asarray(getattr(self, axis), dtype=np.float64))
        spectra = np.asarray(self.spectra)
        if spectra.dtype != np.float32:
            spectra = np.asarray(spectra, dtype=np.float64)
        object.__setattr__(self, "spectra", spectra)
        object.__setattr__(self, "meta", dict(self.meta))
        self._check()

    def _check(self) -> None:
        for axis in ("z", "age_yr", "age_edges_yr", "wave_aa"):
            values = getattr(self, axis)
            if values.ndim != 1 or values.size == 0:
                raise ValueError(f"SSP library {self.name!r}: {axis} has shape {values.shape}, expected 1-D")
            if not np.all(np.isfinite(values)) or np.any(np.diff(values) <= 0):
                raise ValueError(
                    f"SSP library {self.name!r}: {axis} must be finite and strictly ascending "
                    f"(it runs {values[0]} .. {values[-1]}); sort it and drop duplicates"
                )
        if self.age_edges_yr.size != self.age_yr.size + 1:
            raise ValueError(
                f"SSP library {self.name!r}: {self.age_edges_yr.size} age_edges_yr for {self.age_yr.size} ages; "
                "one more edge than ages is needed (see pyprospect.stars.library.age_edges_from_ages)"
            )
        expected = (self.z.size, self.age_yr.size, self.wave_aa.size)
        if self.spectra.shape != expected:
            raise ValueError(
                f"SSP library {self.name!r}: spectra have shape {self.spectra.shape}, "
                f"the axes ask for (n_z, n_age, n_wave) = {expected}"
            )
        if self.evolution.shape != (*expected[:2], len(EVOLUTION_COLUMNS)):
            raise ValueError(
                f"SSP library {self.name!r}: evolution has shape {self.evolution.shape}, "
                f"expected {(*expected[:2], len(EVOLUTION_COLUMNS))} with columns {EVOLUTION_COLUMNS}"
            )
        for name, values in self.variants.items():
            if values.shape != expected or not (values.min() >= 0 and values.max() < np.inf):
                raise ValueError(
                    f"SSP library {self.name!r}: the variant {name!r} has shape {values.shape} and fluxes from "
                    f"{values.min():.3g} to {values.max():.3g}; expected {expected}, finite and >= 0"
                )
        lowest = self.spectra.min()
        if not lowest >= 0 or not np.isfinite(self.spectra.max()):
            i_z, i_age, i_wave = np.argwhere(~((self.spectra >= 0) & np.isfinite(self.spectra)))[0]
            raise ValueError(
                f"SSP library {self.name!r}: spectra must be finite and >= 0, found "
                f"{self.spectra[i_z, i_age, i_wave]} at Z={self.z[i_z]}, age={self.age_yr[i_age]:.4g} yr, "
                f"{self.wave_aa[i_wave]:.2f} Angstrom"
            )

    @property
    def age_weights_yr(self) -> np.ndarray:
        """Width of the age bins in yr, shape (n_age,)."""
        return np.diff(self.age_edges_yr)

    @property
    def log_z_solar(self) -> np.ndarray:
        """log10(Z / Z_SUN), shape (n_z,)."""
        return np.log10(self.z / Z_SUN)

    def fwhm_aa(self, wave_aa: np.ndarray) -> np.ndarray | None:
        """Return the library's own resolution.

        Parameters
        ----------
        wave_aa : array_like
            Wavelengths in Angstrom.

        Returns
        -------
        ndarray or None
            FWHM in Angstrom at ``wave_aa`` (end values held), None if the source does not state it.
        """
        resolution = self.meta.get("resolution")
        if resolution is None:
            return None
        return np.interp(np.asarray(wave_aa, dtype=float), resolution["wave_aa"], resolution["fwhm_aa"])

    def holes(self, wave_min_aa: float = 0.0, wave_max_aa: float = np.inf) -> np.ndarray:
        """List the spans of wavelength over which a spectrum is exactly zero.

        Parameters
        ----------
        wave_min_aa, wave_max_aa : float
            Look only at pixels inside this range, in Angstrom.

        Returns
        -------
        ndarray
            Structured array, one row a span: ``z``, ``age_yr``, ``wave_min_aa``, ``wave_max_aa`` (first and last
            zero pixel), ``n_pixels``, ``i_z``, ``i_age``. Empty when the library has none.
        """
        inside = np.flatnonzero((self.wave_aa >= wave_min_aa) & (self.wave_aa <= wave_max_aa))
        if inside.size == 0:
            return np.zeros(0, dtype=HOLE_DTYPE)
        window = slice(inside[0], inside[-1] + 1)
        zero = self.spectra[:, :, window] == 0
        rows = []
        for i_z, i_age in np.argwhere(zero.any(axis=2)):
            step = np.diff(zero[i_z, i_age].astype(np.int8), prepend=0, append=0)
            for first, stop in zip(np.flatnonzero(step == 1), np.flatnonzero(step == -1), strict=True):
                rows.append(
                    (
                        self.z[i_z],
                        self.age_yr[i_age],
                        self.wave_aa[window][first],
                        self.wave_aa[window][stop - 1],
                        stop - first,
                        i_z,
                        i_age,
                    )
                )
        return np.array(rows, dtype=HOLE_DTYPE)

    def trim(self, wave_min_aa: float = 0.0, wave_max_aa: float = np.inf) -> SSPLibrary:
        """Keep only the wavelengths inside ``[wave_min_aa, wave_max_aa]``.

        Parameters
        ----------
        wave_min_aa, wave_max_aa : float
            Ends of the range, Angstrom.

        Returns
        -------
        SSPLibrary

        Raises
        ------
        ValueError
            If fewer than two pixels remain.
        """
        keep = (self.wave_aa >= wave_min_aa) & (self.wave_aa <= wave_max_aa)
        if keep.sum() < 2:
            raise ValueError(
                f"SSP library {self.name!r} covers {self.wave_aa[0]:.1f} .. {self.wave_aa[-1]:.1f} Angstrom; "
                f"nothing is left between {wave_min_aa} and {wave_max_aa}"
            )
        return replace(
            self,
            wave_aa=self.wave_aa[keep],
            spectra=self.spectra[:, :, keep],
            variants={name: values[:, :, keep] for name, values in self.variants.items()},
        )

    def select_ages(self, age_max_yr: float = np.inf) -> SSPLibrary:
        """Drop the SSPs older than ``age_max_yr``; the edges of the bins that stay do not move.

        Raises
        ------
        ValueError
            If no age is left.
        """
        n_age = int(np.searchsorted(self.age_yr, age_max_yr, side="right"))
        if n_age == 0:
            raise ValueError(
                f"SSP library {self.name!r} starts at {self.age_yr[0]:.4g} yr, above {age_max_yr:.4g}"
            )
        return replace(
            self,
            age_yr=self.age_yr[:n_age],
            age_edges_yr=self.age_edges_yr[: n_age + 1],
            spectra=self.spectra[:, :n_age],
            evolution=self.evolution[:, :n_age],
            variants={name: values[:, :n_age] for name, values in self.variants.items()},
        )

    @classmethod
    def read(cls, path: str | os.PathLike, format: str | None = None, **options: Any) -> SSPLibrary:
        """Read a library; the format is recognised from what is there.

        Parameters
        ----------
        path : path
            A file, or for MILES-site FITS files a folder.
        format : str, optional
            One of the keys of ``pyprospect.stars.readers.READERS`` to say the format instead of recognising it.
        **options
            Passed to the reader, e.g. ``imf="Un"``, ``slope=1.3`` for a folder that holds several libraries.

        Returns
        -------
        SSPLibrary

        Raises
        ------
        FileNotFoundError
            If ``path`` does not exist.
        ValueError
            If the format is unknown or the file is truncated; the message names the file and what was expected.
        """
        from pyprospect.stars.readers import read_library

        return read_library(path, format=format, **options)

    @classmethod
    def merge(cls, young: SSPLibrary, old: SSPLibrary, seam_age_yr: float, **options: Any) -> SSPLibrary:
        """Join a young and an old library at a seam age; see `pyprospect.stars.merge.merge`.

        Parameters
        ----------
        young, old : SSPLibrary
            Libraries on either side of the seam.
        seam_age_yr : float
            Age of the seam, yr.

        Returns
        -------
        SSPLibrary
        """
        from pyprospect.stars.merge import merge

        return merge(young, old, seam_age_yr, **options)

    def write(
        self,
        path: str | os.PathLike,
        dtype: str = "float64",
        provenance: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write the library as HDF5; the file appears under its name only when it is whole.

        Parameters
        ----------
        path : path
            Where to write; folders are made.
        dtype : {"float64", "float32"}
            Type of the stored spectra; the axes are always float64.
        provenance : mapping, optional
            Written as the JSON attribute ``provenance``.

        Returns
        -------
        Path
            ``path``.

        Raises
        ------
        ValueError
            If ``dtype`` is neither of the two.
        """
        if dtype not in ("float64", "float32"):
            raise ValueError(f"dtype {dtype!r} for an SSP library; choose 'float64' or 'float32'")
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        datasets = {
            "Z": (self.z, "metal mass fraction", "Z"),
            "Age": (self.age_yr, "yr", "Age"),
            "AgeBins": (self.age_edges_yr, "yr", "Age edge"),
            "AgeWeights": (self.age_weights_yr, "yr", "Age"),
            "Wave": (self.wave_aa, "Angstrom", "Wave"),
            "Zspec": (self.spectra.astype(dtype), "Lsol / Angstrom per Msol formed", "Z, Age, Wave"),
            "Zevo": (self.evolution, "Msol per Msol formed (SFR: Msol/yr)", "Z, Age, column"),
            **{
                f"Variants/{name}": (values.astype(dtype), "Lsol / Angstrom per Msol formed", "Z, Age, Wave")
                for name, values in self.variants.items()
            },
        }
        handle, partial_name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        partial = Path(partial_name)
        try:
            with h5py.File(partial, "w") as file:
                file.attrs["schema_version"] = SCHEMA_VERSION
                file.attrs["name"] = self.name
                file.attrs["meta"] = json.dumps(self.meta)
                file.attrs["provenance"] = json.dumps(dict(provenance or {}))
                for key, (values, unit, axes) in datasets.items():
                    dataset = file.create_dataset(key, data=values)
                    dataset.attrs["unit"] = unit
                    dataset.attrs["axes"] = axes
                file["Zevo"].attrs["columns"] = list(EVOLUTION_COLUMNS)
                seal(file)
            seal_end(partial)
            partial.chmod(0o666 & ~_umask())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return path

    def __repr__(self) -> str:
        holes = self.holes()
        text = (
            f"<SSPLibrary {self.name!r}: {self.z.size} Z {self.z[0]:.4g}..{self.z[-1]:.4g}, "
            f"{self.age_yr.size} ages {self.age_yr[0]:.4g}..{self.age_yr[-1]:.4g} yr, "
            f"{self.wave_aa.size} wavelengths {self.wave_aa[0]:.1f}..{self.wave_aa[-1]:.1f} Angstrom "
            f"({self.meta.get('medium', 'medium unknown')})"
        )
        if holes.size:
            spectra = len({(row["i_z"], row["i_age"]) for row in holes})
            text += f", HOLES in {spectra} spectra ({holes['wave_min_aa'].min():.1f} Angstrom and up)"
        return text + ">"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def age_edges_from_ages(age_yr: np.ndarray) -> np.ndarray:
    """Make age-bin edges: halves between ages, first edge 0, last edge half a step beyond the last age.

    Parameters
    ----------
    age_yr : array_like, shape (n_age,)
        Ages in yr, ascending, at least two.

    Returns
    -------
    ndarray, shape (n_age + 1,)
        Edges in yr.

    Raises
    ------
    ValueError
        If there are fewer than two ages.
    """
    age_yr = np.asarray(age_yr, dtype=float)
    if age_yr.size < 2:
        raise ValueError(f"{age_yr.size} age(s) cannot define bins; give age_edges_yr explicitly")
    middle = 0.5 * (age_yr[1:] + age_yr[:-1])
    return np.concatenate([[0.0], middle, [age_yr[-1] + 0.5 * (age_yr[-1] - age_yr[-2])]])
