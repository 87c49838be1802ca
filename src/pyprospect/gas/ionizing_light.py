"""Ionising light: from the star-formation rate or from the stars, and the Halpha it powers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pyprospect.arguments import checked
from pyprospect.constants import C_MPS, HALPHA_LSOL_PER_SFR, LSOL_ERG_S, LYMAN_LIMIT_AA, PLANCK_J_S
from pyprospect.stars.library import SSPLibrary

__all__ = [
    "EnergyBalance",
    "energy_balance",
    "halpha_from_ionizing_photons",
    "ionizing_luminosity",
    "ionizing_photons",
    "ionizing_photons_from_sfr",
    "library_ionizing_photons",
    "with_ionizing_photons",
]

# Kennicutt (1998, ARA&A 36, 189), eq. 2, Salpeter 0.1-100 Msol, solar metallicity, case B at 1e4 K:
# SFR = 7.9e-42 L(Halpha) = 1.08e-53 Q(H).
KENNICUTT_PHOTONS_PER_SFR = 1.0 / 1.08e-53
KENNICUTT_HALPHA_ERG_PER_PHOTON = 1.08e-53 / 7.9e-42
SALPETER_TO_CHABRIER = (
    1.53  # the factor ProSpect uses; a Chabrier population of the same SFR ionises this much more
)
PHOTON_ERG_AA = PLANCK_J_S * 1e7 * C_MPS * 1e10
"""Energy of a photon times its wavelength, h c in erg Angstrom."""


@dataclass(frozen=True)
class EnergyBalance:
    """Where the ionising light goes, all in Lsol.

    Parameters
    ----------
    ionizing : float
        Light below the Lyman limit.
    escaped : float
        What leaves the galaxy.
    lines, continuum : float
        What gas re-emits in lines and in the nebular continuum.
    left : float
        The rest, which dust inside the HII regions takes; negative if gas re-emits more than it absorbed.
    """

    ionizing: float
    escaped: float
    lines: float
    continuum: float
    left: float


@checked
def ionizing_photons_from_sfr(sfr_msun_yr: float, imf: str = "salpeter") -> float:
    """Return the ionising photons per second of a constant star-formation rate (Kennicutt 1998, eq. 2).

    Parameters
    ----------
    sfr_msun_yr : float
        Star-formation rate in Msol/yr.
    imf : {"salpeter", "chabrier", "prospect"}
        Kennicutt's own Salpeter function; Chabrier, 1.53 times more per mass; or "prospect", the number
        ProSpect 1.11.0 uses (Salpeter DIVIDED by 1.53, 2.34 times below Chabrier; quirk Q7).

    Returns
    -------
    float
        Photons per second.

    Raises
    ------
    ValueError
        If the rate is negative or not finite, or the IMF is unknown.
    """
    if not (np.isfinite(sfr_msun_yr) and sfr_msun_yr >= 0):
        raise ValueError(f"sfr_msun_yr={sfr_msun_yr}: a star-formation rate must be finite and not negative")
    if imf == "prospect":
        return sfr_msun_yr * HALPHA_LSOL_PER_SFR * LSOL_ERG_S / KENNICUTT_HALPHA_ERG_PER_PHOTON
    factors = {"salpeter": 1.0, "chabrier": SALPETER_TO_CHABRIER}
    if imf not in factors:
        raise ValueError(f"imf={imf!r}; choose one of {sorted([*factors, 'prospect'])}")
    return sfr_msun_yr * KENNICUTT_PHOTONS_PER_SFR * factors[imf]


@checked
def ionizing_photons(
    wave_aa: np.ndarray, lum_lsol_aa: np.ndarray, limit_aa: float = LYMAN_LIMIT_AA
) -> np.ndarray:
    """Count the hydrogen-ionising photons of spectra: the integral of L lambda / hc below the Lyman limit.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Wavelengths in Angstrom (vacuum below 2000 Angstrom), ascending.
    lum_lsol_aa : ndarray, shape (..., n_wave)
        Luminosity in Lsol / Angstrom.
    limit_aa : float
        Lyman limit in Angstrom.

    Returns
    -------
    ndarray, shape (...)
        Photons per second.

    Raises
    ------
    ValueError
        If the spectrum starts above the Lyman limit.
    """
    wave, lum = _below_limit(wave_aa, lum_lsol_aa, limit_aa)
    return np.trapezoid(lum * wave, wave, axis=-1) * LSOL_ERG_S / PHOTON_ERG_AA


@checked
def ionizing_luminosity(
    wave_aa: np.ndarray, lum_lsol_aa: np.ndarray, limit_aa: float = LYMAN_LIMIT_AA
) -> np.ndarray:
    """Integrate the light below the Lyman limit, in Lsol.

    Parameters
    ----------
    wave_aa, lum_lsol_aa, limit_aa
        As `ionizing_photons`.

    Returns
    -------
    ndarray, shape (...)
        Lsol.
    """
    wave, lum = _below_limit(wave_aa, lum_lsol_aa, limit_aa)
    return np.trapezoid(lum, wave, axis=-1)


def with_ionizing_photons(library: SSPLibrary) -> SSPLibrary:
    """Return the library with its ionising photons noted in ``meta``, so that they survive a cut in wavelength.

    Raises
    ------
    ValueError
        If the library starts above the Lyman limit.
    """
    photons = ionizing_photons(library.wave_aa, library.spectra)
    return replace(library, meta={**library.meta, "ionizing_photons": photons.tolist()})


def library_ionizing_photons(library: SSPLibrary) -> np.ndarray:
    """Return the ionising photons per second per Msol formed of each SSP, shape (n_z, n_age).

    Those that ``meta["ionizing_photons"]`` notes, for the youngest ages if it has fewer of them and none beyond; counted
    in the spectra otherwise.

    Raises
    ------
    ValueError
        If the library starts above the Lyman limit and notes none, as E-MILES; or notes them for other metallicities
        or for more ages than it has.
    """
    noted = library.meta.get("ionizing_photons")
    if noted is None:
        return ionizing_photons(library.wave_aa, library.spectra)
    young = np.asarray(noted, dtype=float)
    n_z, n_age = library.z.size, library.age_yr.size
    if young.ndim != 2 or young.shape[0] != n_z or young.shape[1] > n_age:
        raise ValueError(
            f"SSP library {library.name!r} notes ionising photons of shape {young.shape} for {n_z} metallicities and "
            f"{n_age} ages; build it again"
        )
    return np.pad(young, ((0, 0), (0, n_age - young.shape[1])))


@checked
def halpha_from_ionizing_photons(photons_s: float, escape_frac: float = 0.0) -> float:
    """Return the Halpha luminosity in Lsol of ionising photons per second that gas absorbs.

    1.37e-12 erg a photon: case B at 1e4 K, 0.45 Halpha photons per recombination (Kennicutt 1998).

    Parameters
    ----------
    photons_s : ndarray or float
        Ionising photons per second.
    escape_frac : float
        Share of them that leaves the gas.

    Returns
    -------
    ndarray or float
        Lsol, of the shape of `photons_s`.

    Raises
    ------
    ValueError
        If the escape fraction is outside [0, 1] or the photons are negative.
    """
    if not 0 <= escape_frac <= 1:
        raise ValueError(f"escape_frac={escape_frac} must be between 0 and 1")
    if not np.all(np.asarray(photons_s) >= 0):
        raise ValueError(f"photons_s={photons_s} must not be negative")
    return photons_s * (1.0 - escape_frac) * KENNICUTT_HALPHA_ERG_PER_PHOTON / LSOL_ERG_S


@checked
def energy_balance(
    wave_aa: np.ndarray,
    stars_lsol_aa: np.ndarray,
    *,
    lines_lsol: float,
    continuum_lsol: float = 0.0,
    escape_frac: float = 0.0,
) -> EnergyBalance:
    """Account for the ionising light of stars.

    Parameters
    ----------
    wave_aa, stars_lsol_aa : ndarray, shape (n_wave,)
        Spectrum of the stars without gas and dust.
    lines_lsol, continuum_lsol : float
        Power of all nebular lines and of the nebular continuum.
    escape_frac : float
        Share of the ionising light that escapes.

    Returns
    -------
    EnergyBalance
        ``ionizing = escaped + lines + continuum + left``.
    """
    if not 0 <= escape_frac <= 1:
        raise ValueError(f"escape_frac={escape_frac} must be between 0 and 1")
    total = float(ionizing_luminosity(wave_aa, stars_lsol_aa))
    escaped = escape_frac * total
    return EnergyBalance(
        total, escaped, lines_lsol, continuum_lsol, total - escaped - lines_lsol - continuum_lsol
    )


def _below_limit(wave_aa: np.ndarray, lum: np.ndarray, limit_aa: float) -> tuple[np.ndarray, np.ndarray]:
    wave_aa = np.asarray(wave_aa, dtype=float)
    if wave_aa[0] >= limit_aa:
        raise ValueError(
            f"the spectrum starts at {wave_aa[0]:.1f} Angstrom, above the Lyman limit at {limit_aa} Angstrom: it has no "
            "ionising light. Scale lines by the star-formation rate (emission_scale='SFR', ionizing_photons_from_sfr) "
            "or use a library that reaches below it, such as BC03"
        )
    n_below = int(np.searchsorted(wave_aa, limit_aa))
    wave = np.append(wave_aa[:n_below], limit_aa)
    at_limit = np.asarray(lum)[
        ..., n_below - 1 : n_below
    ]  # the edge is a step down in stars: hold the blue value
    return wave, np.concatenate([np.asarray(lum)[..., :n_below], at_limit], axis=-1)
