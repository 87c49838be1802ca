"""The training's stellar library made to look like another, never trained on, for mocks by the same synthesizer.

The ratio of the other library to the training's, at the same age and metallicity and at the resolution of the training
spectra, multiplies the training's spectra: every age, band and ionising photon stays covered, and all that differs is what
the stars of the other library differ in. Below its youngest age the ratio fades away within half a dex.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pyprospect.constants import BC03_Z_SUN, FWHM_PER_SIGMA
from pyprospect.fast.folding import broadening_matrix
from pyprospect.fits_files import whole_fits
from pyprospect.stars.library import SSPLibrary
from sfhnet.core.training_grid import GridSettings, training_grid
from sfhnet.observation.wavelengths_and_units import vacuum_to_air

__all__ = ["LIBRARIES", "Populations", "in_the_light_of"]

# Means over this window say how bright a library is, which its mass function decides and not its stars.
_LEVEL_AA = (5300.0, 5500.0)
_FADE_DEX = 0.5
_SAME_Z_DEX = 0.05
# Where the level of a library is compared, log age in yr.
_LEVEL_LOG_AGE = 8.3


@dataclass(frozen=True)
class Populations:
    """Simple populations of another library as its files hold them.

    Parameters
    ----------
    name : str
    age_yr, z : ndarray (n,)
        Age and metal mass fraction of each.
    wave_aa : ndarray (n_wave,)
        Angstrom, air.
    spectra : ndarray (n, n_wave)
        Any unit.
    fwhm_aa : ndarray (n_wave,)
        Resolution, Angstrom.
    per_mass : bool
        Whether spectra of different age are on one scale of mass.
    """

    name: str
    age_yr: np.ndarray
    z: np.ndarray
    wave_aa: np.ndarray
    spectra: np.ndarray
    fwhm_aa: np.ndarray
    per_mass: bool = True


def _images(
    folder: Path, pattern: str
) -> list[tuple[re.Match[str], np.ndarray, np.ndarray, np.ndarray | None]]:
    """Read one spectrum a file: match of its name, wavelengths, flux, resolving power if there is a second image."""
    found = []
    for path in sorted(folder.iterdir()):
        match = re.fullmatch(pattern, path.name)
        if match is None:
            continue
        with whole_fits(path, "a spectrum with CRVAL1 and CDELT1") as hdus:
            header, flux = hdus[0].header, np.asarray(hdus[0].data, dtype=float)
            power = np.asarray(hdus[1].data, dtype=float) if len(hdus) > 1 else None
        found.append((match, header["CRVAL1"] + header["CDELT1"] * np.arange(flux.size), flux, power))
    if not found:
        raise ValueError(f"{folder} holds no file named like {pattern}; fetch its source (data/sources.yaml)")
    return found


def _mastar(folder: Path) -> Populations:
    found = _images(folder, r"MaStar-SSP-A(\d+\.\d+)-Z([+-]\d+\.\d+)\.fits\.gz")
    # ages of 3 and 32 Myr are rounded in the names
    ages = [{0.003: 10**-2.5, 0.032: 10**-1.5}.get(float(m[1]), float(m[1])) * 1e9 for m, *_ in found]
    wave = 10 ** found[0][1]
    power = found[0][3]
    if power is None:
        raise ValueError(
            f"{folder}: MaStar spectra have a second image with the resolving power; fetch them again"
        )
    return Populations(
        "MaStar",
        np.array(ages),
        np.array([0.02 * 10 ** float(m[2]) for m, *_ in found]),
        vacuum_to_air(wave),
        np.array([flux for _, _, flux, _ in found]),
        wave / power,
        per_mass=False,
    )


def _m11_stelib(folder: Path) -> Populations:
    found = _images(folder, r"M11_STELIB_.*_age_([\d.]+)_z_([\d.]+)\.fits")
    n = min(flux.size for _, _, flux, _ in found)
    wave = found[0][1][:n]
    # redward the files hold no stars
    kept = wave < 9290.0
    return Populations(
        "M11-STELIB",
        np.array([float(m[1]) * 1e9 for m, *_ in found]),
        np.array([float(m[2]) for m, *_ in found]),
        wave[kept],
        np.array([flux[:n][kept] for _, _, flux, _ in found]),
        np.full(int(kept.sum()), 3.4),
    )


def _bc03_old(folder: Path) -> Populations:
    library = SSPLibrary.read(next(folder.glob("*stellar_grids.fits"))).trim(4500.0, 9700.0)
    ages = np.flatnonzero((library.age_yr > 1e6) & (library.age_yr < 1.5e10))[::2]
    n_z = library.z.size
    return Populations(
        "BC03-MILES",
        np.tile(library.age_yr[ages], n_z),
        np.repeat(library.z, ages.size),
        library.wave_aa,
        library.spectra[:, ages].reshape(n_z * ages.size, -1).astype(float),
        np.asarray(library.fwhm_aa(library.wave_aa)),
    )


# Kind of foreign mocks -> reader of the library's folder.
LIBRARIES: dict[str, Callable[[Path], Populations]] = {
    "mastar": _mastar,
    "m11_stelib": _m11_stelib,
    "bc03_old": _bc03_old,
}


def in_the_light_of(library: SSPLibrary, other: Populations, grid: GridSettings) -> SSPLibrary:
    """Return the library with the spectra of another over the training grid.

    Parameters
    ----------
    library : SSPLibrary
        Of the training.
    other : Populations
    grid : GridSettings
        Training grid, over which they are compared.

    Returns
    -------
    SSPLibrary
        Ages, metallicities and wavelengths of the training's; beyond the grid the ratio at its end holds.

    Raises
    ------
    ValueError
        If the other library covers less than 2000 Angstrom of the grid, or has fewer than two ages at a metallicity.
    """
    target = training_grid(grid, library)
    wave = target.wave_aa
    own = library.trim(wave[0] - 150.0, wave[-1] + 150.0)
    mine = _broad(
        own.wave_aa,
        own.spectra.reshape(-1, own.wave_aa.size),
        library.fwhm_aa(own.wave_aa),
        wave,
        target.sigma_aa,
    )
    mine = mine.reshape(library.z.size, library.age_yr.size, -1)
    inside = (wave > other.wave_aa[0] + 60.0) & (wave < other.wave_aa[-1] - 60.0)
    if inside.sum() * grid.wave_step_aa < 2000.0:
        raise ValueError(
            f"{other.name} covers {other.wave_aa[0]:.0f}..{other.wave_aa[-1]:.0f} Angstrom, too little of the training "
            f"grid {wave[0]:.0f}..{wave[-1]:.0f}"
        )
    theirs = _broad(other.wave_aa, other.spectra, other.fwhm_aa, wave[inside], target.sigma_aa[inside])
    ratio = _log_ratio(library, mine[..., inside], other, theirs, wave[inside])
    whole = np.concatenate(
        [
            np.repeat(ratio[..., :1], np.flatnonzero(inside)[0], axis=-1),
            ratio,
            np.repeat(ratio[..., -1:], wave.size - 1 - np.flatnonzero(inside)[-1], axis=-1),
        ],
        axis=-1,
    )
    flat = whole.reshape(-1, wave.size)
    at_library = np.array([np.interp(library.wave_aa, wave, row) for row in flat]).reshape(
        library.spectra.shape
    )
    return replace(
        library, name=f"{library.name} as {other.name}", spectra=library.spectra * np.exp(at_library)
    )


def _broad(
    from_aa: np.ndarray, spectra: np.ndarray, fwhm_aa: np.ndarray | None, wave: np.ndarray, sigma: np.ndarray
) -> np.ndarray:
    own = 0.0 if fwhm_aa is None else np.interp(wave, from_aa, fwhm_aa) / FWHM_PER_SIGMA
    add = np.sqrt(np.clip(sigma**2 - own**2, 0.0, None))
    keep = (from_aa > wave[0] - 150.0) & (from_aa < wave[-1] + 150.0)
    # a library that ends near the grid is held at its end, which broadening would otherwise miss
    pad = np.arange(1, 121) * 1.0
    longer = np.concatenate([from_aa[keep][0] - pad[::-1], from_aa[keep], from_aa[keep][-1] + pad])
    values = np.pad(spectra[:, keep].astype(float), ((0, 0), (pad.size, pad.size)), mode="edge")
    return np.asarray(values @ broadening_matrix(longer, wave, add))


def _log_ratio(
    library: SSPLibrary, mine: np.ndarray, other: Populations, theirs: np.ndarray, wave: np.ndarray
) -> np.ndarray:
    """Return ln(other / library) at each metallicity, age and wavelength of the library."""
    log_age, log_z = np.log10(library.age_yr), np.log10(library.z)
    window = (wave > _LEVEL_AA[0]) & (wave < _LEVEL_AA[1])
    metallicities = np.unique(np.round(np.log10(other.z), 4))
    # Beyond those of the training's the ratio would be one of metallicities, not of stars.
    near = (metallicities > log_z[0] - _SAME_Z_DEX) & (metallicities < log_z[-1] + _SAME_Z_DEX)
    if not near.any():
        raise ValueError(
            f"{other.name} has Z = {other.z.min():.4g}..{other.z.max():.4g}, the training's library "
            f"{library.z[0]:.4g}..{library.z[-1]:.4g}: there is nothing to compare"
        )
    metallicities = metallicities[near]
    per_z, fades = [], []
    for metallicity in metallicities:
        rows = np.flatnonzero(np.abs(np.log10(other.z) - metallicity) < 1e-3)
        rows = rows[np.argsort(other.age_yr[rows])]
        ages = np.log10(other.age_yr[rows])
        if rows.size < 2:
            raise ValueError(
                f"{other.name} has {rows.size} ages at log Z = {metallicity:.2f}; two are needed"
            )
        wanted = np.clip(log_age, ages[0], ages[-1])
        spectra = _between(ages, np.log(theirs[rows]), wanted)
        same_z = _between(log_z, np.log(mine), np.array([np.clip(metallicity, log_z[0], log_z[-1])]))[0]
        difference = spectra - _between(log_age, same_z, np.clip(wanted, log_age[0], log_age[-1]))
        if not other.per_mass:
            difference -= difference[:, window].mean(axis=1, keepdims=True)
        per_z.append(difference)
        fades.append(np.clip(1 - (ages[0] - log_age) / _FADE_DEX, 0.0, 1.0)[:, None])
    ratio = np.array(per_z)
    if other.per_mass:
        solar = int(np.abs(metallicities - np.log10(BC03_Z_SUN)).argmin())
        ratio -= ratio[solar][log_age > _LEVEL_LOG_AGE][:, window].mean()
    ratio *= np.array(fades)
    if metallicities.size == 1:
        return np.repeat(ratio, log_z.size, axis=0)
    return _between(metallicities, ratio, np.clip(log_z, metallicities[0], metallicities[-1]))


def _between(nodes: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Linear interpolation of values (n_node, ...) at positions inside the nodes."""
    left = np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, nodes.size - 2)
    share = (at - nodes[left]) / (nodes[left + 1] - nodes[left])
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[left] + share * values[left + 1]
