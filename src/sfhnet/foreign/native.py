"""Galaxies as another code makes them: spectra at its own sampling and resolution, with their histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.tools.hdf5 import create_h5, open_h5, put

__all__ = ["NativeGalaxies", "join", "read_native", "write_native"]

SCHEMA, SCHEMA_VERSION = "sfhnet.foreign.native", 1
_PER_MASS = "Lsol/Angstrom per Msol formed"
_ARRAYS = {
    "wave_aa": ("Angstrom", "wave"),
    "flux": (_PER_MASS, "galaxy, wave"),
    "line_wave_aa": ("Angstrom", "line"),
    "line_flux": ("Lsol per Msol formed", "galaxy, line"),
    "age_edges_yr": ("yr", "age_edge"),
    "mass": ("", "galaxy, age"),
    "mh": ("dex", "galaxy, age"),
    "v_light": (_PER_MASS, "galaxy, age"),
    "a_v": ("mag", "galaxy"),
}


@dataclass(frozen=True)
class NativeGalaxies:
    """Galaxies of another code, without noise.

    Parameters
    ----------
    made_by : str
        Code and version.
    wave_aa : ndarray (n_wave,)
        Rest wavelengths in Angstrom, air.
    flux : ndarray (n, n_wave)
        Stars and nebular continuum behind dust, without lines, Lsol/Angstrom per Msol formed.
    line_names : tuple of str
    line_wave_aa : ndarray (n_line,)
        Angstrom, air.
    line_flux : ndarray (n, n_line)
        Lines behind dust, Lsol per Msol formed.
    age_edges_yr : ndarray (n_cell + 1,)
        Edges of the cells of look-back age.
    mass : ndarray (n, n_cell)
        Share of the mass formed in each cell.
    mh : ndarray (n, n_cell)
        [M/H] in dex, on this project's solar scale.
    v_light : ndarray (n, n_cell)
        Light of each cell at 5500 Angstrom without dust, Lsol/Angstrom per Msol formed.
    a_v : ndarray (n,)
        Attenuation of all star light at 5500 Angstrom, mag.
    family : ndarray of str (n,)
        Kind of history.
    fwhm_aa : float
        Resolution of ``flux`` in Angstrom.

    Raises
    ------
    ValueError
        If shapes do not fit together, or a spectrum or history is not finite.
    """

    made_by: str
    wave_aa: np.ndarray
    flux: np.ndarray
    line_names: tuple[str, ...]
    line_wave_aa: np.ndarray
    line_flux: np.ndarray
    age_edges_yr: np.ndarray
    mass: np.ndarray
    mh: np.ndarray
    v_light: np.ndarray
    a_v: np.ndarray
    family: np.ndarray
    fwhm_aa: float

    def __post_init__(self) -> None:
        n, n_cell = self.flux.shape[0], self.age_edges_yr.size - 1
        expected = {
            "flux": (n, self.wave_aa.size),
            "line_flux": (n, len(self.line_names)),
            "line_wave_aa": (len(self.line_names),),
            **dict.fromkeys(("mass", "mh", "v_light"), (n, n_cell)),
            **dict.fromkeys(("a_v", "family"), (n,)),
        }
        for name, shape in expected.items():
            values = getattr(self, name)
            if values.shape != shape:
                raise ValueError(f"{self.made_by}: {name} has shape {values.shape}, expected {shape}")
            if name != "family" and not np.isfinite(values).all():
                raise ValueError(f"{self.made_by}: {name} is not finite everywhere; make the file again")

    def __len__(self) -> int:
        return len(self.flux)


def join(parts: Sequence[NativeGalaxies]) -> NativeGalaxies:
    """Put galaxies of the same code behind each other.

    Parameters
    ----------
    parts : sequence of NativeGalaxies
        On the same wavelengths, cells and lines.

    Returns
    -------
    NativeGalaxies

    Raises
    ------
    ValueError
        If there are none, or they were made by different codes or on different grids.
    """
    if not parts:
        raise ValueError("no files of foreign galaxies given; name at least one")
    first = parts[0]
    for part in parts[1:]:
        same = all(
            np.array_equal(getattr(part, name), getattr(first, name))
            for name in ("wave_aa", "line_wave_aa", "age_edges_yr")
        )
        if part.made_by != first.made_by or not same:
            raise ValueError(
                f"galaxies of {part.made_by} and of {first.made_by} are not on the same grids; make all files anew"
            )
    per_galaxy = ("flux", "line_flux", "mass", "mh", "v_light", "a_v", "family")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in per_galaxy
    }
    return replace(first, **joined)


def write_native(
    path: Path, galaxies: NativeGalaxies, *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write galaxies; the file appears under its name only when whole.

    Parameters
    ----------
    path : Path
    galaxies : NativeGalaxies
    provenance : mapping, optional
        From `sfhnet.tools.provenance.provenance`.
    """
    with create_h5(path, SCHEMA, SCHEMA_VERSION, provenance=provenance) as file:
        file.attrs["made_by"], file.attrs["fwhm_aa"] = galaxies.made_by, galaxies.fwhm_aa
        file.attrs["line_names"] = list(galaxies.line_names)
        for name, (unit, axes) in _ARRAYS.items():
            values = np.asarray(getattr(galaxies, name))
            single = values.astype(np.float32) if name == "flux" else values
            put(file, name, single, unit=unit, axes=axes)
        put(file, "family", galaxies.family.astype(bytes), unit="", axes="galaxy")


def read_native(path: Path) -> NativeGalaxies:
    """Read what `write_native` wrote; raises what `sfhnet.tools.hdf5.open_h5` raises."""
    with open_h5(path, SCHEMA, SCHEMA_VERSION) as file:
        arrays: dict[str, Any] = {name: file[name][()].astype(float) for name in _ARRAYS}
        return NativeGalaxies(
            made_by=str(file.attrs["made_by"]),
            fwhm_aa=float(file.attrs["fwhm_aa"]),
            line_names=tuple(str(name) for name in file.attrs["line_names"]),
            family=file["family"][()].astype(str),
            **arrays,
        )
