"""Corrections of magnitudes for redshift and for dust."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect.arguments import checked
from pyprospect.bands.photometry import photom_lum
from pyprospect.line_of_sight.cosmology import dist_mod

__all__ = ["DustCorrection", "KCorrection", "dcorr", "kcorr"]


class KCorrection(NamedTuple):
    """Result of `kcorr`: redshift, distance modulus and, per band, magnitudes and k-correction [mag]."""

    z: float
    DistMod: float
    AbsMag: NDArray[np.float64]
    ApMag: NDArray[np.float64]
    kcorr: NDArray[np.float64]


class DustCorrection(NamedTuple):
    """Result of `dcorr`: absolute AB magnitudes with and without dust and their difference [mag]."""

    AbsMag_atten: NDArray[np.float64]
    AbsMag_unatten: NDArray[np.float64]
    Dcorr: NDArray[np.float64]


@checked(result=False)
def kcorr(
    wave: ArrayLike,
    lum: ArrayLike,
    z: float,
    *,
    DistMod: float | None = None,
    filters: Any = "all",
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    outside: str = "error",
    quadrature: str = "sed",
) -> KCorrection:
    """Return the k-correction (m_observed - distance modulus) - M at rest, per band [mag] (ProSpect's ``KCorr``).

    Parameters
    ----------
    wave : array_like, shape (n,)
        Rest wavelengths [Angstrom].
    lum : array_like, shape (..., n)
        Lsol/Angstrom.
    z : float
        Redshift, > 0.
    DistMod : float, optional
        Distance modulus [mag]; default from the cosmology.
    filters, H0, OmegaM, OmegaL, outside, quadrature
        As in `photom_lum`.

    Returns
    -------
    ndarray, shape (..., n_band)
        Magnitudes.

    Notes
    -----
    ProSpect takes the apparent magnitude in its default cosmology whatever `H0` is passed. Here one
    cosmology is used for both, so a k-correction does not depend on it.

    Raises
    ------
    ValueError
        If ``z <= 0`` or the photometry cannot be done.
    """
    if not z > 0:
        raise ValueError(f"z={z}: a k-correction needs a positive redshift")
    options = {"filters": filters, "outside": outside, "quadrature": quadrature}
    absolute = photom_lum(wave, lum, z=0.0, **options)
    apparent = photom_lum(wave, lum, z=z, H0=H0, OmegaM=OmegaM, OmegaL=OmegaL, **options)
    modulus = float(dist_mod(z, H0=H0, OmegaM=OmegaM, OmegaL=OmegaL)) if DistMod is None else float(DistMod)
    return KCorrection(float(z), modulus, absolute, apparent, (apparent - modulus) - absolute)


@checked(result=False)
def dcorr(
    wave: ArrayLike,
    lum_atten: ArrayLike,
    lum_unatten: ArrayLike,
    *,
    filters: Any = "all",
    outside: str = "error",
    quadrature: str = "sed",
) -> DustCorrection:
    """Return the attenuation per band [mag]: absolute magnitude with dust minus without (ProSpect's `Dcorr`).

    Parameters
    ----------
    wave : (n,) array_like
        Rest wavelengths, Angstrom.
    lum_atten, lum_unatten : (..., n) array_like
        Lsol/Angstrom with dust and without.
    filters, outside, quadrature
        See `pyprospect.bands.photometry.bandpass`.

    Returns
    -------
    ndarray, shape (..., n_band)
        Magnitudes.
    """
    options = {"filters": filters, "outside": outside, "quadrature": quadrature}
    with_dust = photom_lum(wave, lum_atten, z=0.0, **options)
    without = photom_lum(wave, lum_unatten, z=0.0, **options)
    return DustCorrection(with_dust, without, with_dust - without)
