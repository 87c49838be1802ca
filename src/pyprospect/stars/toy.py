"""A toy SSP library in closed form: black bodies that cool with age, with absorption lines. No files needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyprospect.arguments import checked
from pyprospect.constants import BOLTZMANN_J_K, C_MPS, FWHM_PER_SIGMA, PLANCK_J_S
from pyprospect.stars.library import SSPLibrary

SECOND_RADIATION_AA_K = PLANCK_J_S * C_MPS / BOLTZMANN_J_K * 1e10
# Three bins a decade; 10 Myr and 100 Myr are edges, so that a recent star-formation rate is a sum of bins.
AGE_EDGES_YR = (0.0, *(10.0 ** (6 + step / 3) for step in range(13)), 1.4e10)
Z = (0.0004, 0.004, 0.02, 0.05)
BALMER_AA = (4101.7, 4340.5, 4861.3, 6562.8)
# Mg b, Fe, Na D and the calcium triplet: what fits of old stars hold on to.
STRONG_METAL_AA = (5167.3, 5172.7, 5183.6, 5269.5, 5328.0, 5890.0, 5895.9, 8498.0, 8542.1, 8662.1)
FOREST_AA = (3500.0, 9500.0)
GOLDEN = (5**0.5 - 1) / 2


@checked(wave_aa=None, z=None, fwhm_aa=None)
def toy_library(
    wave_aa: np.ndarray | None = None,
    *,
    n_lines: int = 250,
    fwhm_aa: float = 2.51,
    z: Sequence[float] = Z,
    age_edges_yr: Sequence[float] = AGE_EDGES_YR,
) -> SSPLibrary:
    """Return a library of made-up stellar populations, the same numbers each time.

    It is for trying things out before any file is fetched, and for tests. Orders of magnitude are those of real
    stars (ionising light when young, 0.1 Lsol/Msol when old, lines that deepen with age and metallicity); no
    number is. Never fit a galaxy with it.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,), optional
        Wavelengths, Angstrom in air, ascending. By default 100 Angstrom to 0.25 mm, in steps of 1 Angstrom from
        3600 to 7500.
    n_lines : int, optional
        Weak metal lines between 3500 and 9500 Angstrom, beside 4 Balmer and 10 strong metal lines. 0 leaves out
        every line: pure black bodies.
    fwhm_aa : float, optional
        Width of the lines, Angstrom: the resolution that the library states.
    z : sequence of float, shape (n_z,), optional
        Metal mass fractions, ascending.
    age_edges_yr : sequence of float, shape (n_age + 1,), optional
        Edges of the age bins, yr, ascending; each population has the age of the middle of its bin.

    Returns
    -------
    SSPLibrary
        ``evolution`` states the mass in stars (SMstar); its other columns are NaN, which means unknown.

    Raises
    ------
    ValueError
        If an axis is not ascending, a metallicity or wavelength not positive, an age or number of lines negative,
        or ``fwhm_aa`` not positive.

    Examples
    --------
    >>> import pyprospect
    >>> stars = pyprospect.toy_library()
    >>> galaxy = pyprospect.sfh_func("snorm", mSFR=3, Z=0.02, speclib=stars, filters=None, sparse=1)
    >>> stars.spectra.shape, galaxy.lum_atten.shape
    ((4, 14, 5400), (5400,))
    """
    wave = _default_wave_aa() if wave_aa is None else np.asarray(wave_aa, dtype=float)
    metals, edges = np.asarray(z, dtype=float), np.asarray(age_edges_yr, dtype=float)
    for name, values in (("wave_aa", wave), ("z", metals), ("fwhm_aa", np.array(fwhm_aa))):
        if not np.all(values > 0):
            raise ValueError(
                f"toy_library: {name} must be positive, it has {values.min():g}; give values above 0"
            )
    if edges.size < 2 or not edges[0] >= 0:
        raise ValueError(
            f"toy_library: age_edges_yr are {edges}; give at least two edges of bins in yr, the first 0 or more"
        )
    if n_lines < 0:
        raise ValueError(f"toy_library: n_lines is {n_lines}; give 0 (no lines) or more")
    age = (edges[1:] + edges[:-1]) / 2
    light = 300.0 * (1 + age / 2e6) ** -0.9
    spectra = light[:, None] * _black_body(wave, _temperature_k(metals, age)[..., None])
    if n_lines:
        spectra *= np.exp(-_optical_depth(wave, metals, age, n_lines, fwhm_aa))
    evolution = np.full((metals.size, age.size, 5), np.nan)
    evolution[..., 0] = 1 - 0.05 * np.log10(1 + age / 1e6)
    meta = {
        "source": "pyprospect.toy_library: made up, not stars",
        "medium": "air",
        "resolution": {"wave_aa": [float(wave[0]), float(wave[-1])], "fwhm_aa": [fwhm_aa, fwhm_aa]},
    }
    return SSPLibrary(metals, age, edges, wave, spectra, evolution, name="toy", meta=meta)


def _default_wave_aa() -> np.ndarray:
    return np.unique(np.concatenate([np.geomspace(100.0, 2.5e6, 1500), np.arange(3600.0, 7500.0, 1.0)]))


def _temperature_k(z: np.ndarray, age_yr: np.ndarray) -> np.ndarray:
    """Return the temperature of the stars, K, shape (n_z, n_age): hot when young and poor in metals."""
    return np.maximum(4e4 * (1 + age_yr / 1e6) ** -0.25 * (z[:, None] / 0.02) ** -0.03, 3500.0)


def _black_body(wave_aa: np.ndarray, temperature_k: np.ndarray) -> np.ndarray:
    """Return the Planck curve per Angstrom with an integral of one; floored, since a library may hold no zero."""
    x = SECOND_RADIATION_AA_K / (wave_aa * temperature_k)
    with np.errstate(over="ignore"):
        curve = 15.0 / np.pi**4 * x**4 / (wave_aa * np.expm1(x))
    return np.maximum(curve, 1e-33)


def _optical_depth(
    wave_aa: np.ndarray, z: np.ndarray, age_yr: np.ndarray, n_lines: int, fwhm_aa: float
) -> np.ndarray:
    """Return the optical depth of all lines, shape (n_z, n_age, n_wave)."""
    log_age = np.log10(1e6 + age_yr)
    balmer = np.exp(-0.5 * ((log_age - 8.5) / 0.8) ** 2) * np.ones((z.size, 1))
    metal = (0.3 + z[:, None] / 0.02) * (log_age - 6) / 4
    # Steps of the golden ratio spread over the range without a pattern and without random numbers.
    spread = np.arange(1, n_lines + 1) * GOLDEN % 1
    forest = FOREST_AA[0] + (FOREST_AA[1] - FOREST_AA[0]) * spread
    lines = [(centre, 0.6 * balmer) for centre in BALMER_AA]
    lines += [(centre, 0.4 * metal) for centre in STRONG_METAL_AA]
    # Each weak line has a depth and a growth with age of its own: no two populations have the same pattern.
    for i, centre in enumerate(forest):
        lines.append((centre, 0.3 * (i * GOLDEN**2 % 1) * metal * (1 + 0.5 * np.cos(i + 2 * log_age))))
    sigma = fwhm_aa / FWHM_PER_SIGMA
    depth = np.zeros((z.size, age_yr.size, wave_aa.size))
    for centre, strength in lines:
        near = slice(*np.searchsorted(wave_aa, [centre - 6 * sigma, centre + 6 * sigma]))
        profile = np.exp(-0.5 * ((wave_aa[near] - centre) / sigma) ** 2)
        depth[..., near] += strength[..., None] * profile
    return depth
