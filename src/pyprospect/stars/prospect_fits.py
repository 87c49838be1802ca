"""SSP libraries as ProSpect and ProGeny write them to FITS: one extension a vector, Zspec and Zevo one a metallicity."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from pyprospect.fits_files import whole_fits
from pyprospect.messages import warn_once
from pyprospect.stars.library import SSPLibrary

__all__ = ["is_prospect_fits", "read_prospect_fits"]

EVOLUTION = ("SMstar", "SMgas", "SMtot", "SFR", "SMrem")
_EXPECTED = "the extensions Z, Age, AgeBins, Wave, and Zspec and Zevo for each metallicity"


def is_prospect_fits(path: Path) -> bool:
    """Return whether a FITS file has the extensions that ProSpect's ``speclib_FITSload`` reads."""
    with whole_fits(path, _EXPECTED) as hdus:
        names = {hdu.name.upper() for hdu in hdus}
    return {"Z", "AGE", "WAVE"} <= names and any(name.startswith("ZSPEC") for name in names)


def _numbered(names: list[str], stem: str) -> list[str]:
    """Extensions of a stem by their number: Zspec1, Zspec2 ... Zspec10; R's ``Zspec[[1]]`` counts too."""
    found = [name for name in names if name.upper().startswith(stem.upper())]
    return sorted(found, key=lambda name: int((re.findall(r"\d+", name) or ["0"])[-1]))


def _table(hdu: Any, columns: tuple[str, ...]) -> np.ndarray:
    data = hdu.data
    if data.dtype.names is None:
        return np.asarray(data, dtype=float)
    names = data.dtype.names if not set(columns) <= set(data.dtype.names) else columns
    return np.stack([np.asarray(data[name], dtype=float) for name in names], axis=1)


def read_prospect_fits(path: Path) -> SSPLibrary:
    """Read what ``speclib_FITSload`` of ProSpect reads, and what ProGeny writes.

    Parameters
    ----------
    path : Path

    Returns
    -------
    SSPLibrary
        Negative light is zero, as R makes it, with a warning.

    Raises
    ------
    ValueError
        If an extension is missing, or numbers of metallicities, ages and wavelengths do not go together.
    """
    with whole_fits(path, _EXPECTED) as hdus:
        names = [hdu.name for hdu in hdus]
        vectors = {
            key: np.asarray(
                _table(hdus[key], ()) if hdus[key].data.dtype.names else hdus[key].data, dtype=float
            ).ravel()
            for key in ("Z", "Age", "AgeBins", "Wave")
        }
        spectra = [_table(hdus[name], ()) for name in _numbered(names, "Zspec")]
        evolution = [_table(hdus[name], EVOLUTION) for name in _numbered(names, "Zevo")]
    n_z, n_age, n_wave = (vectors[key].size for key in ("Z", "Age", "Wave"))
    # R's matrices are (age, wavelength), which FITS may hold either way round.
    spectra = [s.T if s.shape == (n_wave, n_age) and n_wave != n_age else s for s in spectra]
    evolution = [e.T if e.shape == (5, n_age) and n_age != 5 else e for e in evolution]
    shapes = {s.shape for s in spectra}, {e.shape for e in evolution}
    if len(spectra) != n_z or shapes[0] != {(n_age, n_wave)}:
        raise ValueError(
            f"{path} has {len(spectra)} spectra of shapes {sorted(shapes[0])} for {n_z} metallicities, {n_age} ages and "
            f"{n_wave} wavelengths; expected {_EXPECTED}"
        )
    if len(evolution) != n_z or shapes[1] != {(n_age, 5)}:
        raise ValueError(
            f"{path} has {len(evolution)} tables Zevo of shapes {sorted(shapes[1])}; expected {n_z} of {(n_age, 5)}"
        )
    light = np.stack(spectra)
    if np.any(light < 0):
        warn_once(
            f"negative light {path.name}",
            f"{path.name} has {(light < 0).sum()} negative values; they are zero",
        )
        light = np.maximum(light, 0.0)
    return SSPLibrary(
        z=vectors["Z"],
        age_yr=vectors["Age"],
        age_edges_yr=vectors["AgeBins"],
        wave_aa=vectors["Wave"],
        spectra=light,
        evolution=np.stack(evolution),
        name=path.stem,
        meta={"source": path.name},
    )
