"""Corrections of magnitudes for redshift and for dust."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from pyprospect.arguments import checked
from pyprospect.bands.photometry import photom_lum
from pyprospect.line_of_sight.cosmology import co_vol_gpc3, dist_mod

__all__ = ["DustCorrection", "KCorrection", "VMax", "dcorr", "kcorr", "kcorr_evo", "vmax_hunt"]


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


@checked(result=False)
def kcorr_evo(wave: ArrayLike, lum: ArrayLike, z: ArrayLike | None = None, **options: Any) -> KCorrection:
    """Return k-corrections of one spectrum at many redshifts (ProSpect's ``kcorr_evo``).

    Parameters
    ----------
    wave, lum : array_like, shape (n,)
        As `kcorr`.
    z : array_like, shape (m,), optional
        Redshifts; by default R's, 0.1 to 10 by 0.1 dex.
    **options
        For `kcorr`.

    Returns
    -------
    KCorrection
        ``z`` and ``DistMod`` (m,), ``ApMag`` and ``kcorr`` (m, n_band), ``AbsMag`` (n_band,).
    """
    at = 10.0 ** np.linspace(-1.0, 1.0, 21) if z is None else np.atleast_1d(np.asarray(z, dtype=float))
    each = [kcorr(wave, lum, float(one), **options) for one in at]
    modulus, apparent, corrections = (
        np.array([getattr(k, n) for k in each]) for n in ("DistMod", "ApMag", "kcorr")
    )
    return KCorrection(at, modulus, each[0].AbsMag, apparent, corrections)  # type: ignore[arg-type]


class VMax(NamedTuple):
    """Result of `vmax_hunt`: the furthest redshift at which a galaxy is seen, and the comoving volume to it [Gpc3]."""

    zmax: float
    vmax_gpc3: float


@checked(sky_share=(0.0, 1.0))
def vmax_hunt(
    wave: ArrayLike,
    lum: ArrayLike,
    mag_limit: float,
    *,
    filter: Any = "r_VST",
    z_range: tuple[float, float] = (1e-4, 2.0),
    sky_share: float = 1.0,
    **options: Any,
) -> VMax:
    """Return how far away a galaxy would still be in a survey limited by magnitude (for 1/Vmax).

    Parameters
    ----------
    wave, lum : array_like, shape (n,)
        Rest wavelengths [Angstrom] and Lsol/Angstrom.
    mag_limit : float
        Faintest apparent AB magnitude of the survey.
    filter : object
        Its band.
    z_range : tuple of float
        Redshifts of the survey.
    sky_share : float
        Share of the sky that it covers.
    **options
        ``H0``, ``OmegaM``, ``OmegaL``.

    Returns
    -------
    VMax
        ``zmax`` is the nearer end of the range for a galaxy too faint for it, the further end for one bright enough.

    Raises
    ------
    ValueError
        For a range that is empty or begins at zero.
    """
    near, far = z_range
    if not 0 < near < far:
        raise ValueError(f"z_range={z_range} must be two redshifts, 0 < near < far")

    def too_faint(z: float) -> float:
        return float(photom_lum(wave, lum, z=z, filters=filter, **options)[0]) - mag_limit

    if too_faint(near) >= 0:
        zmax = near
    elif too_faint(far) <= 0:
        zmax = far
    else:
        zmax = float(brentq(too_faint, near, far, xtol=1e-8))
    volume = [float(co_vol_gpc3(z, **options)) for z in (near, zmax)]
    return VMax(zmax, sky_share * (volume[1] - volume[0]))
