"""Distances and times in a Friedmann universe, with the numbers ProSpect uses.

ProSpect takes its cosmology from the R package celestial, whose conversion constants (megaparsec,
tropical year) differ from astropy's in the eighth digit. The integrals here are adaptive and converge
to better than 1e-12, so results agree with celestial to the accuracy of its own integrator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad

from pyprospect.arguments import checked
from pyprospect.constants import C_KMS, CELESTIAL_MPC_KM, CELESTIAL_YEAR_S

Values = float | NDArray[np.float64]

# celestial's `cosref` table: H0 [km/s/Mpc], OmegaM, OmegaL, OmegaR. Where OmegaR is given the three
# densities exceed one, so those universes are very slightly closed, as in celestial.
REFERENCES: dict[str, tuple[float, float, float, float]] = {
    "737": (70.0, 0.300, 0.700, 0.0),
    "137": (100.0, 0.300, 0.700, 0.0),
    "planck": (68.4, 0.301, 0.699, 8.985075e-05),
    "planck18": (68.4, 0.301, 0.699, 8.985075e-05),
    "planck15": (67.8, 0.308, 0.692, 9.150327e-05),
    "planck13": (67.3, 0.315, 0.685, 9.289295e-05),
    "wmap": (69.7, 0.288, 0.712, 8.780488e-05),
    "wmap9": (69.7, 0.288, 0.712, 8.780488e-05),
    "wmap7": (70.4, 0.275, 0.725, 8.569648e-05),
    "wmap5": (70.5, 0.274, 0.726, 8.45679e-05),
    "wmap3": (70.4, 0.268, 0.732, 0.0),
    "wmap1": (72.0, 0.290, 0.710, 0.0),
    "millennium": (73.0, 0.250, 0.750, 0.0),
    "gigglez": (70.5, 0.273, 0.727, 0.0),
}


@dataclass(frozen=True)
class Cosmology:
    """Friedmann universe with matter, a cosmological constant and radiation.

    Attributes
    ----------
    H0 : float
        Hubble constant [km/s/Mpc].
    OmegaM, OmegaL, OmegaR : float
        Present densities of matter, cosmological constant and radiation, in critical densities. What is
        missing from (or exceeds) one is curvature.

    Raises
    ------
    ValueError
        If a parameter is not finite, ``H0 <= 0``, or a matter or radiation density is negative.
    """

    H0: float = 67.8
    OmegaM: float = 0.308
    OmegaL: float = 0.692
    OmegaR: float = 0.0

    def __post_init__(self) -> None:
        values = (self.H0, self.OmegaM, self.OmegaL, self.OmegaR)
        if not np.all(np.isfinite(values)):
            raise ValueError(f"H0, OmegaM, OmegaL, OmegaR = {values} must all be finite numbers")
        if self.H0 <= 0:
            raise ValueError(f"H0={self.H0} km/s/Mpc must be positive, e.g. 67.8")
        if self.OmegaM < 0 or self.OmegaR < 0:
            raise ValueError(f"OmegaM={self.OmegaM} and OmegaR={self.OmegaR} must not be negative")

    @property
    def OmegaK(self) -> float:
        """Curvature density."""
        return 1.0 - self.OmegaM - self.OmegaL - self.OmegaR

    @property
    def hubble_distance_mpc(self) -> float:
        """Speed of light over H0 [Mpc]."""
        return C_KMS / self.H0

    @property
    def hubble_time_yr(self) -> float:
        """1 / H0 [yr]."""
        return CELESTIAL_MPC_KM / (self.H0 * CELESTIAL_YEAR_S)

    def efunc(self, z: float) -> float:
        """Return H(z)/H0."""
        x = 1.0 + z
        square = (self.OmegaR * x + self.OmegaM) * x**3 + self.OmegaK * x**2 + self.OmegaL
        if square <= 0:
            raise ValueError(
                f"{self} has no big bang: H(z)^2 < 0 at z={z}; lower OmegaL or give ref='Planck15'"
            )
        return square**0.5


class CosmologyArguments(TypedDict):
    """ProSpect's arguments for a cosmology, see `cosmology`; they travel together through the histories."""

    H0: float
    OmegaM: float
    OmegaL: float | None
    ref: str | None


@checked
def cosmology(
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    *,
    OmegaR: float = 0.0,
    ref: str | None = None,
) -> Cosmology:
    """Return the cosmology of ProSpect's arguments.

    Parameters
    ----------
    H0, OmegaM, OmegaL, OmegaR : float
        See `Cosmology`. ``OmegaL=None`` closes the sum (flat universe).
    ref : str, optional
        Name of a reference cosmology of celestial ('737', 'Planck15', ...; case does not matter). When
        given, it wins over the numbers.

    Returns
    -------
    Cosmology

    Raises
    ------
    ValueError
        For an unknown name or invalid numbers.
    """
    if ref is not None:
        key = str(ref).lower()
        if key not in REFERENCES:
            raise ValueError(f"ref={ref!r} is not a reference cosmology; use one of {sorted(REFERENCES)}")
        h0, omega_m, omega_l, omega_r = REFERENCES[key]
        # celestial leaves the caller's OmegaR in place where its table has none
        return Cosmology(h0, omega_m, omega_l, omega_r or float(OmegaR))
    if OmegaL is None:
        OmegaL = 1.0 - float(OmegaM) - float(OmegaR)
    return Cosmology(float(H0), float(OmegaM), float(OmegaL), float(OmegaR))


def _redshift(z: ArrayLike) -> NDArray[np.float64]:
    z = np.asarray(z, dtype=float)
    if not np.all(np.isfinite(z)) or np.any(z <= -1):
        raise ValueError(f"z={z} must be finite and above -1")
    return z


def _apply(func: Callable[[float], float], z: ArrayLike) -> Values:
    z = _redshift(z)
    out = np.array([func(float(v)) for v in z.ravel()]).reshape(z.shape)
    return out if z.ndim else float(out)


def _los_integral(cosmo: Cosmology, z: float) -> float:
    return quad(lambda x: 1.0 / cosmo.efunc(x), 0.0, z, epsabs=0.0, epsrel=1e-13, limit=200)[0] if z else 0.0


def _time_integral(cosmo: Cosmology, z: float) -> float:
    if not z:
        return 0.0
    return quad(lambda x: 1.0 / (cosmo.efunc(x) * (1.0 + x)), 0.0, z, epsabs=0.0, epsrel=1e-13, limit=200)[0]


def _transverse(cosmo: Cosmology, z: float) -> float:
    """Transverse comoving distance in Hubble distances (Hogg 1999, eq. 16)."""
    line = _los_integral(cosmo, z)
    k = cosmo.OmegaK
    if k == 0:
        return line
    # rounding leaves ~1e-17 of curvature in "flat" parameter sets, for which this is exact too
    root = abs(k) ** 0.5
    return float((np.sinh if k > 0 else np.sin)(root * line) / root)


@checked
def co_dist_mpc(
    z: ArrayLike,
    *,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    OmegaR: float = 0.0,
    ref: str | None = None,
) -> Values:
    """Return the line-of-sight comoving distance [Mpc] at redshift `z`.

    Parameters
    ----------
    z : array_like
        Redshift, any shape.
    H0, OmegaM, OmegaL, OmegaR, ref
        See `cosmology`.

    Returns
    -------
    ndarray or float
        Mpc, of the shape of `z`.
    """
    cosmo = cosmology(H0, OmegaM, OmegaL, OmegaR=OmegaR, ref=ref)
    return _apply(lambda v: cosmo.hubble_distance_mpc * _los_integral(cosmo, v), z)


@checked
def lum_dist_mpc(
    z: ArrayLike,
    *,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    OmegaR: float = 0.0,
    ref: str | None = None,
) -> Values:
    """Return the luminosity distance.

    Parameters
    ----------
    z : array_like
        Redshift, > -1. Negative redshifts give negative distances, as in celestial.
    H0, OmegaM, OmegaL, OmegaR, ref
        See `cosmology`.

    Returns
    -------
    float or ndarray
        Luminosity distance [Mpc], shape of `z`.

    Raises
    ------
    ValueError
        If `z` is not finite or <= -1, or the cosmology is invalid.
    """
    cosmo = cosmology(H0, OmegaM, OmegaL, OmegaR=OmegaR, ref=ref)
    return _apply(lambda v: (1.0 + v) * cosmo.hubble_distance_mpc * _transverse(cosmo, v), z)


@checked
def ang_dist_mpc(
    z: ArrayLike,
    *,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    OmegaR: float = 0.0,
    ref: str | None = None,
) -> Values:
    """Return the angular diameter distance [Mpc] at redshift `z`.

    Parameters
    ----------
    z : array_like
        Redshift, any shape.
    H0, OmegaM, OmegaL, OmegaR, ref
        See `cosmology`.

    Returns
    -------
    ndarray or float
        Mpc, of the shape of `z`.
    """
    cosmo = cosmology(H0, OmegaM, OmegaL, OmegaR=OmegaR, ref=ref)
    return _apply(lambda v: cosmo.hubble_distance_mpc * _transverse(cosmo, v) / (1.0 + v), z)


@checked(result=False)
def dist_mod(
    z: ArrayLike,
    *,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    OmegaR: float = 0.0,
    ref: str | None = None,
) -> Values:
    """Return the distance modulus 5 log10(D_L/Mpc) + 25 [mag]; NaN below z = 0 and -inf at z = 0.

    Parameters
    ----------
    z : array_like
        Redshift, any shape.
    H0, OmegaM, OmegaL, OmegaR, ref
        See `cosmology`.

    Returns
    -------
    ndarray or float
        Magnitudes, of the shape of `z`.
    """
    distance = np.asarray(lum_dist_mpc(z, H0=H0, OmegaM=OmegaM, OmegaL=OmegaL, OmegaR=OmegaR, ref=ref))
    with np.errstate(divide="ignore", invalid="ignore"):
        out = 5.0 * np.log10(distance) + 25.0
    return out if out.ndim else float(out)


@checked
def travel_time_yr(
    z: ArrayLike,
    *,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    OmegaR: float = 0.0,
    ref: str | None = None,
) -> Values:
    """Return the light travel time [yr] from redshift `z`, in tropical years as ProSpect has it.

    Parameters
    ----------
    z : array_like
        Redshift, any shape.
    H0, OmegaM, OmegaL, OmegaR, ref
        See `cosmology`.

    Returns
    -------
    ndarray or float
        Tropical years, of the shape of `z`.

    Raises
    ------
    ValueError
        If `z` is not finite or <= -1, or the cosmology is invalid.
    """
    cosmo = cosmology(H0, OmegaM, OmegaL, OmegaR=OmegaR, ref=ref)
    return _apply(lambda v: cosmo.hubble_time_yr * _time_integral(cosmo, v), z)


@checked
def universe_age_yr(
    z: ArrayLike = 0.0,
    *,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    OmegaR: float = 0.0,
    ref: str | None = None,
) -> Values:
    """Return the age of the universe [yr] at redshift `z`.

    Parameters
    ----------
    z : array_like
        Redshift, any shape.
    H0, OmegaM, OmegaL, OmegaR, ref
        See `cosmology`.

    Returns
    -------
    ndarray or float
        Tropical years, of the shape of `z`.
    """
    cosmo = cosmology(H0, OmegaM, OmegaL, OmegaR=OmegaR, ref=ref)

    def age(v: float) -> float:
        # in a = 1/(1+z) the range is finite and the integrand rises as sqrt(a) or a
        top = 1.0 / (1.0 + v)
        value = quad(lambda a: 1.0 / (a * cosmo.efunc(1.0 / a - 1.0)), 0.0, top, epsabs=0.0, epsrel=1e-12)
        return cosmo.hubble_time_yr * value[0]

    return _apply(age, z)


@checked
def co_vol_gpc3(
    z: ArrayLike,
    *,
    H0: float = 67.8,
    OmegaM: float = 0.308,
    OmegaL: float | None = None,
    OmegaR: float = 0.0,
    ref: str | None = None,
    area_deg2: float | None = None,
) -> Values:
    """Return the comoving volume [Gpc^3] out to `z`, of the whole sky or of `area_deg2` (Hogg 1999, eq. 29).

    Parameters
    ----------
    z : array_like
        Redshift, any shape.
    H0, OmegaM, OmegaL, OmegaR, ref
        See `cosmology`.
    area_deg2 : float, optional
        Part of the sky, square degrees.

    Returns
    -------
    ndarray or float
        Gpc^3, of the shape of `z`.
    """
    cosmo = cosmology(H0, OmegaM, OmegaL, OmegaR=OmegaR, ref=ref)
    k = cosmo.OmegaK
    full_sky_deg2 = 4.0 * np.pi * (180.0 / np.pi) ** 2
    fraction = 1.0 if area_deg2 is None else float(area_deg2) / full_sky_deg2

    def volume(v: float) -> float:
        line = _los_integral(cosmo, v)
        angle = abs(k) ** 0.5 * line
        # the closed form cancels as angle^3; where that costs digits the series is the better number
        if abs(angle) < 1e-2:
            shape = line**3 * (1.0 + k * line**2 / 5.0 + 2.0 * k**2 * line**4 / 105.0) / 3.0
        else:
            trig = np.sinh(2.0 * angle) if k > 0 else np.sin(2.0 * angle)
            shape = (trig / (2.0 * abs(k) ** 0.5) - line) / (2.0 * k)
        return fraction * 4.0 * np.pi * cosmo.hubble_distance_mpc**3 * float(shape) / 1e9

    return _apply(volume, z)
