"""Continuum of ionised gas: free-bound, free-free and two-photon emission of hydrogen and singly ionised helium.

Everything is relative to the Halpha luminosity of the same gas, so the continuum follows from the lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from pyprospect.arguments import checked
from pyprospect.constants import (
    BC03_Z_SUN,
    BOLTZMANN_J_K,
    C_MPS,
    HALPHA_AA,
    LYMAN_ALPHA_AA,
    LYMAN_LIMIT_AA,
    PLANCK_J_S,
)
from pyprospect.fits_files import whole_fits
from pyprospect.gas.line_grids import constant_sfr_weights
from pyprospect.gas.ratios import ContinuumPerHalpha
from pyprospect.numerics.interpolation import interp_param
from pyprospect.stars.library import SSPLibrary

__all__ = [
    "CloudyContinuum",
    "continuum_at",
    "continuum_for",
    "continuum_outside",
    "electron_temperature",
    "halpha_emissivity",
    "nebular_continuum",
    "nebular_continuum_per_halpha",
]

C_AA_S = C_MPS * 1e10
PLANCK_ERG_S = PLANCK_J_S * 1e7
BOLTZMANN_ERG_K = BOLTZMANN_J_K * 1e7
RYDBERG_HZ = 3.2880513e15  # for hydrogen's reduced mass: the Lyman limit at 911.76 Angstrom (vacuum)
# Coefficient of thermal bremsstrahlung, erg cm3 / s / Hz K^0.5 (Rybicki & Lightman 1979, eq. 5.14b).
FREE_FREE = 6.842e-38
N_LEVELS = 150
# Levels n = 2 of neutral helium: ionisation limit in Angstrom, share of the statistical weight.
HELIUM_LEVELS = ((2600.3, 3 / 16), (3121.9, 1 / 16), (3421.6, 9 / 16), (3678.6, 3 / 16))
# Effective recombination coefficient to 2s of hydrogen, case B (Osterbrock & Ferland 2006, Table 4.10).
TWO_PHOTON_TE = np.array([5e3, 1e4, 1.5e4, 2e4])
TWO_PHOTON_ALPHA = np.array([1.38e-13, 8.38e-14, 6.25e-14, 5.06e-14])
TWO_PHOTON_RATE = 8.2249  # 1/s
# Collisions that move 2s to 2p, cm3/s at 1e4 K (Osterbrock & Ferland 2006, Table 4.11: protons and electrons).
TWO_PHOTON_QUENCH = 5.31e-4

TEMPERATURE_Z = np.array([0.0004, 0.004, 0.008, 0.02, 0.05])
TEMPERATURE_K = np.array([18400.0, 14300.0, 11700.0, 8600.0, 5700.0])


@checked
def halpha_emissivity(te_k: float) -> float:
    """Return the Halpha emissivity 4 pi j / (n_e n_p), case B, in erg cm3 / s.

    Draine (2011), eq. 14.8: alpha = 1.17e-13 T4^(-0.942 - 0.031 ln T4) cm3/s.
    """
    t4 = te_k / 1e4
    alpha = 1.17e-13 * t4 ** (-0.942 - 0.031 * np.log(t4))
    return alpha * PLANCK_ERG_S * C_AA_S / 6564.6


@checked
def nebular_continuum(
    wave_aa: np.ndarray, te_k: float = 8000.0, *, helium: float = 0.085, density_cm3: float = 30.0
) -> np.ndarray:
    """Compute the emissivity of the nebular continuum.

    Parameters
    ----------
    wave_aa : array_like
        Wavelengths in Angstrom (the difference between air and vacuum does not matter here).
    te_k : float
        Electron temperature in K, 4000 to 25,000.
    helium : float
        He+ / H+ by number.
    density_cm3 : float
        Electron density, which quenches the two-photon emission (by 6 % at 1000 per cm3).

    Returns
    -------
    ndarray
        4 pi j_lambda / (n_e n_p) in erg cm3 / s / Angstrom.

    Raises
    ------
    ValueError
        If the temperature is outside the range, or helium, density or a wavelength is negative.

    Notes
    -----
    Free-free: Rybicki & Lightman (1979), eq. 5.14b. Free-bound: the same times
    sum over n of 2 x / n^3 exp(x / n^2) with x = h nu_0 / kT, for levels whose limit is redward (Kramers; Brown &
    Mathews 1970). Gaunt factors: first terms of Menzel & Pekeris (1935), in Seaton's (1960) form for free-bound.
    Two-photon: spectrum of Nussbaumer & Schmutz (1984). Helium: hydrogenic from n = 3, its own limits at n = 2.
    """
    wave_aa = np.asarray(wave_aa, dtype=float)
    if not 4000 <= te_k <= 25000:
        raise ValueError(f"te_k={te_k} K: the recombination coefficients hold from 4000 to 25,000 K")
    if helium < 0 or density_cm3 < 0 or np.any(wave_aa <= 0):
        raise ValueError("helium, density_cm3 and wavelengths must not be negative")
    nu = C_AA_S / wave_aa
    thermal = BOLTZMANN_ERG_K * te_k / PLANCK_ERG_S  # kT / h in Hz
    kramers = FREE_FREE / np.sqrt(te_k) * np.exp(-nu / thermal)
    per_hz = kramers * (1.0 + helium) * _gaunt_free_free(nu, thermal)
    for level in range(2, N_LEVELS + 1):
        limit = RYDBERG_HZ / level**2
        share = 1.0 if level == 2 else 1.0 + helium
        per_hz += share * kramers * _free_bound(nu, level, limit, thermal)
    for limit_aa, weight in HELIUM_LEVELS:
        per_hz += helium * weight * kramers * _free_bound(nu, 2, C_AA_S / limit_aa, thermal)
    per_hz += _two_photon(nu, te_k, density_cm3)
    return per_hz * nu / wave_aa


@checked
def nebular_continuum_per_halpha(
    wave_aa: np.ndarray, te_k: float = 8000.0, *, helium: float = 0.085, density_cm3: float = 30.0
) -> np.ndarray:
    """Compute the nebular continuum per Halpha luminosity, in 1/Angstrom.

    Times the Halpha luminosity in Lsol it is the continuum in Lsol / Angstrom.

    Parameters
    ----------
    wave_aa, te_k, helium, density_cm3
        As `nebular_continuum`.

    Returns
    -------
    ndarray, shape (n,)
        1/Angstrom.
    """
    return nebular_continuum(wave_aa, te_k, helium=helium, density_cm3=density_cm3) / halpha_emissivity(te_k)


@checked(z=(0.0, 1.0))
def electron_temperature(z: float) -> float:
    """Return the electron temperature in K of gas of metal mass fraction ``z``.

    ASSUME: linear in log10 Z between the temperatures at which `nebular_continuum` has the Balmer jumps of the
    Cloudy models of bagpipes (log U = -3, constant star formation): 18,400 K at Z = 0.0004 to 5700 K at 0.05, the
    end values beyond.

    Raises
    ------
    ValueError
        If z is not positive.
    """
    if not z > 0:
        raise ValueError(f"z={z}: metal mass fraction must be positive")
    return float(np.interp(np.log10(z), np.log10(TEMPERATURE_Z), TEMPERATURE_K))


@checked(z=(0.0, 1.0))
def continuum_at(wave_aa: np.ndarray, z: float) -> np.ndarray:
    """Return the nebular continuum of gas of metal mass fraction ``z`` per Halpha luminosity, in 1/Angstrom.

    `nebular_continuum_per_halpha` at the `electron_temperature`, between wavelengths 0.3 % apart and on both sides
    of every edge, straight lines in log-log (good to 1e-3); 0 below 300 Angstrom.

    Parameters
    ----------
    wave_aa : ndarray, shape (n,)
        Rest wavelengths, Angstrom.
    z : float
        Metal mass fraction of the gas.

    Returns
    -------
    ndarray, shape (n,)
        1/Angstrom.
    """
    nodes, values = _continuum_nodes(electron_temperature(z))
    return np.exp(np.interp(np.log(wave_aa), nodes, values, left=-np.inf))


@lru_cache(maxsize=64)
def _continuum_nodes(te_k: float) -> tuple[np.ndarray, np.ndarray]:
    edges = np.array([C_AA_S / (RYDBERG_HZ / level**2) for level in range(2, N_LEVELS + 1)])
    edges = np.concatenate([edges, [limit for limit, _ in HELIUM_LEVELS], [LYMAN_ALPHA_AA]])
    onset = LYMAN_ALPHA_AA * (1 + np.geomspace(1e-5, 0.1, 80))  # of two-photon light, which starts from zero
    nodes = np.concatenate([np.geomspace(300.0, 1e8, 4240), edges * (1 - 1e-9), edges * (1 + 1e-9), onset])
    nodes = np.unique(nodes)
    return np.log(nodes), np.log(nebular_continuum_per_halpha(nodes, te_k))


def continuum_outside(
    model: Callable[[np.ndarray, float], np.ndarray], wave_min_aa: float, wave_max_aa: float, *, z: float
) -> float:
    """Integrate a nebular continuum from the Lyman limit to 1 cm outside a range of wavelengths, per Halpha.

    Parameters
    ----------
    model : callable
        ``model(wave_aa, z)`` in 1/Angstrom, as `continuum_at`.
    wave_min_aa, wave_max_aa : float
        Ends of the range, Angstrom.
    z : float
        Metal mass fraction of the gas.

    Returns
    -------
    float
        Luminosity outside the range over that of Halpha.
    """
    power = 0.0
    for low, high in ((LYMAN_LIMIT_AA, wave_min_aa), (wave_max_aa, 1e8)):
        if low < high:
            nodes = np.geomspace(low, high, 1000)
            power += float(np.trapezoid(model(nodes, z), nodes))
    return power


@dataclass(frozen=True, eq=False)
class CloudyContinuum:
    """Nebular continuum per Halpha luminosity on a grid of metallicity and ionisation.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Wavelengths in Angstrom.
    z : ndarray, shape (n_z,)
        Metal mass fraction of gas and stars, ascending.
    log_u : ndarray, shape (n_u,)
        log10 of the ionisation parameter, ascending.
    per_halpha : ndarray, shape (n_z, n_u, n_wave)
        Continuum over Halpha luminosity, 1/Angstrom.
    """

    wave_aa: np.ndarray
    z: np.ndarray
    log_u: np.ndarray
    per_halpha: np.ndarray

    def __call__(self, wave_aa: np.ndarray, z: float, log_u: float = -3.0) -> np.ndarray:
        """Return the continuum per Halpha luminosity in 1/Angstrom, shape of ``wave_aa``.

        Linear in log Z, log U and wavelength; the end values beyond the metallicities and ionisations of the
        grid, 0 outside its wavelengths.
        """
        in_z = interp_param(z, self.z, log=True)
        in_u = interp_param(log_u, self.log_u)
        grid = sum(
            weight_z[0] * weight_u[0] * self.per_halpha[i[0], j[0]]
            for i, weight_z in ((in_z.id_lo, in_z.wt_lo), (in_z.id_hi, in_z.wt_hi))
            for j, weight_u in ((in_u.id_lo, in_u.wt_lo), (in_u.id_hi, in_u.wt_hi))
        )
        return np.interp(wave_aa, self.wave_aa, grid, left=0.0, right=0.0)

    @classmethod
    def read(cls, folder: Path | str, age_max_yr: float = 1e7) -> CloudyContinuum:
        """Read the nebular grids of bagpipes, for constant star formation over ``age_max_yr``.

        Parameters
        ----------
        folder : path
            Folder with ``*nebular_cont_grids*.fits`` and ``*nebular_line_grids*.fits``.
        age_max_yr : float
            Length of the constant star formation that makes the ionising light.

        Returns
        -------
        CloudyContinuum

        Raises
        ------
        ValueError
            If a file is missing or damaged.
        """
        folder = Path(folder)
        files = {}
        for kind in ("cont", "line"):
            found = sorted(folder.glob(f"*nebular_{kind}_grids*.fits"))
            if len(found) != 1:
                raise ValueError(
                    f"{folder} holds {len(found)} files *nebular_{kind}_grids*.fits; one is expected"
                )
            files[kind] = found[0]
        summed: dict[str, dict[tuple[float, float], np.ndarray]] = {}
        waves: dict[str, np.ndarray] = {}
        for kind, path in files.items():
            with whole_fits(path, "a nebular grid of bagpipes: images ZMET_<Z/Zsun>_LOGU_<log U>") as hdus:
                images = {
                    _z_and_log_u(hdu.name): np.asarray(hdu.data, float)
                    for hdu in hdus
                    if hdu.name.startswith("ZMET_")
                }
                first = next(iter(images.values()))
                waves[kind] = first[0, 1:]
                weights = constant_sfr_weights(first[1:, 0], age_max_yr)
                summed[kind] = {key: weights @ image[1:, 1:] for key, image in images.items()}
        z = sorted({key[0] for key in summed["cont"]})
        log_u = sorted({key[1] for key in summed["cont"]})
        halpha = int(np.argmin(np.abs(waves["line"] - HALPHA_AA)))
        return cls(
            wave_aa=waves["cont"],
            z=np.array(z) * BC03_Z_SUN,
            log_u=np.array(log_u),
            per_halpha=np.array(
                [[summed["cont"][i, j] / summed["line"][i, j][halpha] for j in log_u] for i in z]
            ),
        )


def _z_and_log_u(name: str) -> tuple[float, float]:
    # of an image ZMET_<Z/Zsun>_LOGU_<log U>
    z, log_u = name.removeprefix("ZMET_").split("_LOGU_")
    return float(z), float(log_u)


def continuum_for(library: SSPLibrary, wave_aa: np.ndarray | None = None) -> ContinuumPerHalpha:
    """Make the continuum that the fast synthesizer takes, for the metallicities of a library.

    Temperatures are those of `electron_temperature`.

    Parameters
    ----------
    library : SSPLibrary
        Library whose metallicities and, by default, wavelengths are used.
    wave_aa : ndarray, optional
        Other wavelengths in Angstrom.

    Returns
    -------
    ContinuumPerHalpha
    """
    wave_aa = library.wave_aa if wave_aa is None else np.asarray(wave_aa, dtype=float)
    rows = [nebular_continuum_per_halpha(wave_aa, electron_temperature(z)) for z in library.z]
    return ContinuumPerHalpha(wave_aa=wave_aa, z=library.z, per_halpha=np.stack(rows))


def _free_bound(nu: np.ndarray, level: int, limit: float, thermal: float) -> np.ndarray:
    x = RYDBERG_HZ / thermal
    above = nu >= limit
    u = np.where(above, (nu - limit) / RYDBERG_HZ * level**2, 0.0)
    size = level * (u + 1.0)
    gaunt = 1.0 + 0.1728 * (u - 1.0) / size ** (2 / 3) - 0.0496 * (u**2 + 4 / 3 * u + 1.0) / size ** (4 / 3)
    return np.where(above, 2.0 * x / level**3 * np.exp(limit / thermal) * gaunt, 0.0)


def _gaunt_free_free(nu: np.ndarray, thermal: float) -> np.ndarray:
    energy = nu / RYDBERG_HZ
    ratio = thermal / nu
    return np.maximum(
        1.0
        + 0.1728 * energy ** (1 / 3) * (1.0 + 2.0 * ratio)
        - 0.0496 * energy ** (2 / 3) * (1.0 + 2.0 / 3.0 * ratio + 4.0 / 3.0 * ratio**2),
        1.0,
    )


def _two_photon(nu: np.ndarray, te_k: float, density_cm3: float) -> np.ndarray:
    y = nu / (C_AA_S / LYMAN_ALPHA_AA)
    inside = np.clip(y, 0.0, 1.0)
    product = inside * (1.0 - inside)
    rate = 202.0 * (product * (1.0 - (4.0 * product) ** 0.8) + 0.88 * product**1.53 * (4.0 * product) ** 0.8)
    alpha = np.exp(np.interp(np.log(te_k), np.log(TWO_PHOTON_TE), np.log(TWO_PHOTON_ALPHA)))
    kept = 1.0 / (1.0 + density_cm3 * TWO_PHOTON_QUENCH / TWO_PHOTON_RATE)
    return alpha * kept * PLANCK_ERG_S * inside * rate / TWO_PHOTON_RATE
