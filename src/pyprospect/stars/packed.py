"""Read libraries packed as a list of spectra in one HDF5: E-MILES BaSTI, XSL, BPASS, Coelho et al. (2007)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pyprospect.constants import Z_SUN
from pyprospect.stars.library import SSPLibrary, age_edges_from_ages

KEYS = ("wave", "age_gyr", "mh", "flux")

# FWHM in Angstrom at wavelengths in Angstrom, by the start of the file's name.
RESOLUTIONS: dict[str, tuple[Sequence[float], Sequence[float]]] = {
    # Vazdekis et al. 2016, sect. 2: sigma of 60 km/s beyond 8950 Angstrom
    "emiles": ((3059, 3061, 3540, 3542, 8950, 8951, 10500), (3.0, 5.0, 5.0, 2.51, 2.51, 4.22, 4.95)),
    # Verro et al. 2022: R = 10,000
    "xsl": ((3500, 10000), (0.35, 1.0)),
    "bpass": ((1000, 11000), (1.0, 1.0)),
    "coelho": ((3000, 10000), (1.0, 1.0)),
}
# Light at 5500 Angstrom per Msol formed of a population of 5 to 12 Gyr, Lsol/Angstrom: 1.5e-5 to 1.5e-4 in any library.
# Share of the pixels of a spectrum that may be negative.
_MOST_NEGATIVE = 2e-3
_V_AA, _OLD_GYR, _PLAUSIBLE = (5400.0, 5600.0), (3.0, 13.0), (3e-6, 6e-4)


def read_packed(
    path: Path,
    *,
    alpha_fe: float | None = None,
    resolution: tuple[Sequence[float], Sequence[float]] | None = None,
) -> SSPLibrary:
    """Read a packed library: ``wave`` [Angstrom, air], and of each spectrum ``age_gyr``, ``mh`` and ``flux``.

    Parameters
    ----------
    path : Path
        The file; ``flux`` (n_ssp, n_wave) is in Lsol / Angstrom per Msol formed.
    alpha_fe : float, optional
        Take the spectra of this [alpha/Fe]; needed where the file has several.
    resolution : (wavelengths, FWHM), optional
        In Angstrom. Default: what is published, known by the start of the file's name (`RESOLUTIONS`).

    Returns
    -------
    SSPLibrary
        Z is ``Z_SUN`` x 10^[M/H]; without masses.

    Raises
    ------
    ValueError
        If a dataset is missing, an age lacks at a metallicity, wavelengths are in another unit or in vacuum, fluxes in
        another unit or not finite, or the resolution is not known.
    """
    try:
        with h5py.File(path, "r") as file:
            missing = [key for key in KEYS if key not in file]
            if missing:
                raise ValueError(f"{path} lacks {missing}; a packed library has the datasets {list(KEYS)}")
            wave_aa, age_gyr, mh, flux = (np.asarray(file[key][()]) for key in KEYS)
            alpha = np.asarray(file["alpha_fe"][()]) if "alpha_fe" in file else None
            attributes = {key: _text(value) for key, value in file.attrs.items()}
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error}); it is probably truncated: fetch it again"
        ) from error
    wave_aa, age_gyr, mh = (np.asarray(values, dtype=float) for values in (wave_aa, age_gyr, mh))
    if flux.shape != (age_gyr.size, wave_aa.size) or mh.size != age_gyr.size:
        raise ValueError(
            f"{path}: flux has shape {flux.shape} for {age_gyr.size} ages, {mh.size} metallicities and {wave_aa.size} "
            "wavelengths; one row a spectrum is expected"
        )
    if alpha is not None and np.unique(alpha).size > 1:
        if alpha_fe is None:
            raise ValueError(f"{path} has [alpha/Fe] {np.unique(alpha).tolist()}; say which by alpha_fe")
        chosen = np.isclose(alpha, alpha_fe)
        if not chosen.any():
            raise ValueError(f"{path} has [alpha/Fe] {np.unique(alpha).tolist()}, not {alpha_fe:g}")
        age_gyr, mh, flux = age_gyr[chosen], mh[chosen], flux[chosen]
    flux, n_mended = _without_negative(path, wave_aa, age_gyr, mh, flux)
    _check_wavelengths(path, wave_aa, attributes)
    spectra, ages_gyr, metallicities = _grid(path, age_gyr, mh, flux)
    _check_flux_unit(path, wave_aa, ages_gyr, metallicities, spectra)
    known = [table for start, table in RESOLUTIONS.items() if path.name.startswith(start)]
    if resolution is None and not known:
        raise ValueError(
            f"the resolution of {path.name} is not known; give resolution=(wavelengths, FWHM) in Angstrom, or name the "
            f"file as one of {', '.join(RESOLUTIONS)}"
        )
    table_aa, fwhm_aa = resolution or known[0]
    age_yr = np.round(ages_gyr * 1e9)
    return SSPLibrary(
        z=Z_SUN * 10.0**metallicities,
        age_yr=age_yr,
        age_edges_yr=age_edges_from_ages(age_yr),
        wave_aa=wave_aa,
        spectra=spectra,
        evolution=np.full((*spectra.shape[:2], 5), np.nan),
        name=path.stem,
        meta={
            "source": f"{path.name}: {attributes.get('origin', 'origin not stated')}",
            "medium": "air",
            "metallicities": metallicities.tolist(),
            "citation": attributes.get("cite", ""),
            "negative_pixels_bridged": n_mended,
            "resolution": {"wave_aa": [float(v) for v in table_aa], "fwhm_aa": [float(v) for v in fwhm_aa]},
        },
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _without_negative(
    path: Path, wave_aa: np.ndarray, age_gyr: np.ndarray, mh: np.ndarray, flux: np.ndarray
) -> tuple[np.ndarray, int]:
    """Bridge the few negative pixels that noise makes where there is next to no light; more of them are an error."""
    bad = ~np.isfinite(flux) | (flux < 0)
    if not bad.any():
        return flux, 0
    row, column = np.argwhere(bad)[0]
    if not np.isfinite(flux).all() or bad.mean(axis=1).max() > _MOST_NEGATIVE:
        raise ValueError(
            f"{path}: flux is {flux[row, column]} at age {age_gyr[row]:.4g} Gyr, [M/H] {mh[row]:.2f}, "
            f"{wave_aa[column]:.1f} Angstrom ({bad.sum()} such pixels); it must be finite and not negative"
        )
    flux = flux.copy()
    for k in np.flatnonzero(bad.any(axis=1)):
        flux[k, bad[k]] = np.interp(wave_aa[bad[k]], wave_aa[~bad[k]], flux[k, ~bad[k]])
    return flux, int(bad.sum())


def _check_wavelengths(path: Path, wave_aa: np.ndarray, attributes: dict[str, str]) -> None:
    if np.any(np.diff(wave_aa) <= 0) or not np.isfinite(wave_aa).all():
        raise ValueError(f"{path}: wave must be finite and ascending, in Angstrom")
    if wave_aa[-1] < 2000 or wave_aa[0] > 20000:
        raise ValueError(
            f"{path}: wave runs {wave_aa[0]:.5g} .. {wave_aa[-1]:.5g}; Angstrom are expected (1 nm = 10, 1 um = 10,000)"
        )
    if attributes.get("medium", "air") != "air":
        raise ValueError(
            f"{path}: its wavelengths are in {attributes['medium']}; convert them to air (at 5500 Angstrom 1.53 Angstrom "
            "shorter than in vacuum)"
        )


def _grid(path: Path, age_gyr: np.ndarray, mh: np.ndarray, flux: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return spectra (n_z, n_age, n_wave), ages and metallicities of a list that must be a whole grid."""
    ages, metallicities = np.unique(age_gyr), np.unique(mh)
    number = np.full((metallicities.size, ages.size), -1)
    number[np.searchsorted(metallicities, mh), np.searchsorted(ages, age_gyr)] = np.arange(age_gyr.size)
    if number.size != age_gyr.size or (number < 0).any():
        lacking = np.argwhere(number < 0)
        if lacking.size == 0:
            raise ValueError(
                f"{path}: a spectrum is there twice ({age_gyr.size} for {number.size} ages and [M/H])"
            )
        i_z, i_age = lacking[0]
        raise ValueError(
            f"{path}: {len(lacking)} of {number.size} spectra are missing, the first at age {ages[i_age]:.4g} Gyr, [M/H] "
            f"{metallicities[i_z]:.2f}; every age is needed at every metallicity: fetch it again or leave that age out"
        )
    return flux[number], ages, metallicities


def _check_flux_unit(
    path: Path, wave_aa: np.ndarray, ages_gyr: np.ndarray, metallicities: np.ndarray, spectra: np.ndarray
) -> None:
    window = (wave_aa > _V_AA[0]) & (wave_aa < _V_AA[1])
    old = (ages_gyr > _OLD_GYR[0]) & (ages_gyr < _OLD_GYR[1])
    if not window.any() or not old.any():
        return
    solar = int(np.abs(metallicities).argmin())
    light = float(spectra[solar][old][:, window].mean())
    if not _PLAUSIBLE[0] < light < _PLAUSIBLE[1]:
        raise ValueError(
            f"{path}: a population of {_OLD_GYR[0]:g} to {_OLD_GYR[1]:g} Gyr has {light:.3g} at 5500 Angstrom; in Lsol / "
            f"Angstrom per Msol formed it would be {_PLAUSIBLE[0]:g} to {_PLAUSIBLE[1]:g}: the unit is another one"
        )
