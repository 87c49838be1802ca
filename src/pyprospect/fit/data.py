"""What is fitted: a spectrum, photometry, or both, of one galaxy or of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect.arguments import check_argument
from pyprospect.bands.curve import Filter
from pyprospect.bands.names import resolve
from pyprospect.constants import C_MPS, JANSKY_CGS, LSOL_ERG_S, MPC_CM
from pyprospect.line_of_sight.cosmology import lum_dist_mpc as distance_mpc

__all__ = ["Data", "Photometry", "Spectrum"]

Array = NDArray[np.float64]

# Before the first galaxies.
_FURTHEST = 30.0


def _rows(name: str, value: ArrayLike, width: int) -> Array:
    array = np.atleast_2d(np.asarray(value, dtype=float))
    if array.ndim != 2 or array.shape[1] != width:
        raise ValueError(f"{name} has shape {np.shape(value)}; it must be ({width},) or (n, {width})")
    return array


def _usable(name: str, flux: Array, sigma: Array, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask without what is not finite; an error below zero is a mistake, not a missing value."""
    if np.any(sigma[mask & np.isfinite(sigma)] <= 0):
        raise ValueError(
            f"{name} has errors that are not positive ({sigma[mask].min():.3g}); mask these values or correct them"
        )
    return mask & np.isfinite(flux) & np.isfinite(sigma)


@dataclass(frozen=True)
class Spectrum:
    """Spectra on one wavelength axis.

    Parameters
    ----------
    wave_aa : array_like, shape (n_wave,)
        Pixel centres in Angstrom, in the medium of the stellar library.
    flux, sigma : array_like, shape (n_wave,) or (n, n_wave)
        erg/s/cm2/Angstrom, and its standard error.
    mask : array_like of bool, optional
        True where the pixel counts; values that are not finite never do.
    frame : {"observed", "rest"}
        ``rest``: the wavelengths were divided by 1 + z already (the flux was not changed).
    lsf_fwhm_aa : callable, optional
        The instrument's FWHM in Angstrom at given observed wavelengths.

    Raises
    ------
    ValueError
        If shapes do not go together, wavelengths do not ascend, or an error is not positive.
    """

    wave_aa: Array
    flux: Array
    sigma: Array
    mask: Any = None
    frame: str = "observed"
    lsf_fwhm_aa: Callable[[Array], Array] | None = None

    def __post_init__(self) -> None:
        wave = np.asarray(self.wave_aa, dtype=float)
        check_argument("Spectrum", "wave_aa", wave)
        if wave.ndim != 1 or not wave.size or np.any(np.diff(wave) <= 0):
            raise ValueError(f"wave_aa of shape {wave.shape} must be one axis of ascending Angstrom")
        if self.frame not in ("observed", "rest"):
            raise ValueError(f"frame={self.frame!r}; use 'observed' or 'rest'")
        flux = _rows("the spectrum's flux", self.flux, wave.size)
        sigma = np.broadcast_to(_rows("the spectrum's sigma", self.sigma, wave.size), flux.shape)
        mask = np.ones(flux.shape, bool)
        if self.mask is not None:
            mask = np.broadcast_to(np.atleast_2d(np.asarray(self.mask, dtype=bool)), flux.shape)
        mask = _usable("the spectrum", flux, sigma, mask)
        for name, value in (("wave_aa", wave), ("flux", flux), ("sigma", sigma), ("mask", mask)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Photometry:
    """Fluxes in bands.

    Parameters
    ----------
    bands : object
        What `pyprospect.bands.names.resolve` takes: names, curves, files.
    flux, sigma : array_like, shape (n_band,) or (n, n_band)
        Jansky, and its standard error.
    mask : array_like of bool, optional
        True where the band counts.
    upper_limit : array_like of bool, shape (n_band,) or (n, n_band), optional
        True: the true flux lies below ``flux``, a limit with the error ``sigma``.
    instrument : sequence of str, length n_band, optional
        Bands of one name share a zero point.

    Raises
    ------
    ValueError
        As `Spectrum`.
    """

    bands: Any
    flux: Array
    sigma: Array
    mask: Any = None
    upper_limit: Any = None
    instrument: Sequence[str] | None = None

    def __post_init__(self) -> None:
        curves: list[Filter] = resolve(self.bands)
        if any(curve.func is not None for curve in curves):
            raise ValueError("a band given as a function has no edges; tabulate it as (wave_aa, response)")
        flux = _rows("the photometry's flux", self.flux, len(curves))
        sigma = np.broadcast_to(_rows("the photometry's sigma", self.sigma, len(curves)), flux.shape)
        flags = []
        for value, default in ((self.mask, True), (self.upper_limit, False)):
            full = np.full(flux.shape, default)
            flags.append(
                full
                if value is None
                else np.broadcast_to(np.atleast_2d(np.asarray(value, dtype=bool)), full.shape)
            )
        mask = _usable("the photometry", flux, sigma, flags[0])
        groups = tuple(self.instrument) if self.instrument is not None else (("photometry",) * len(curves))
        if len(groups) != len(curves):
            raise ValueError(f"{len(groups)} instruments for {len(curves)} bands; give one name a band")
        fixed: dict[str, Any] = {
            "bands": tuple(curves),
            "flux": flux,
            "sigma": sigma,
            "mask": mask,
            "upper_limit": flags[1],
            "instrument": groups,
        }
        for name, value in fixed.items():
            object.__setattr__(self, name, value)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands."""
        return tuple(curve.name for curve in self.bands)

    @property
    def pivot_aa(self) -> Array:
        """Pivot wavelengths in Angstrom, (n_band,)."""
        return np.array([curve.pivot_aa for curve in self.bands])

    @property
    def jansky_per_flam(self) -> Array:
        """Jansky per erg/s/cm2/Angstrom of each band, (n_band,): exact, by the definition of the pivot."""
        return self.pivot_aa**2 * 1e-10 / C_MPS / JANSKY_CGS


@dataclass(frozen=True)
class Data:
    """Everything that is known of one galaxy, or of n galaxies seen with one set-up.

    Parameters
    ----------
    spectrum : Spectrum, optional
    photometry : Photometry, optional
    redshift : float or array_like, shape (n,)
        Known redshift. With several galaxies that have spectra of different redshifts, give them at rest.
    lum_dist_mpc : float or array_like, optional
        Luminosity distance in Mpc; by default from ProSpect's cosmology. Nearby galaxies need it.

    Raises
    ------
    ValueError
        If there is nothing to fit, numbers of galaxies differ, or a distance cannot be had.
    """

    spectrum: Spectrum | None = None
    photometry: Photometry | None = None
    redshift: Any = 0.0
    lum_dist_mpc: Any = None

    def __post_init__(self) -> None:
        parts = [part for part in (self.spectrum, self.photometry) if part is not None]
        if not parts:
            raise ValueError("there is nothing to fit; give a spectrum, photometry or both")
        n = len(parts[0].flux)
        if any(len(part.flux) != n for part in parts):
            raise ValueError(f"the spectrum is of {n} galaxies, the photometry of {len(parts[-1].flux)}")
        redshift = np.broadcast_to(np.asarray(self.redshift, dtype=float), (n,))
        if not np.all((redshift > -0.01) & (redshift < _FURTHEST)):
            raise ValueError(
                f"redshift runs {redshift.min()} .. {redshift.max()}; those of galaxies are above -0.01 and below {_FURTHEST:g}"
            )
        if self.spectrum is not None and self.spectrum.frame == "observed" and np.ptp(redshift) > 0:
            raise ValueError(
                "spectra of several redshifts share no axis at rest; give Spectrum(..., frame='rest')"
            )
        if self.lum_dist_mpc is None:
            if np.any(redshift <= 0):
                raise ValueError(f"redshift {redshift.min()} gives no distance; give lum_dist_mpc")
            distance = np.array([float(distance_mpc(z)) for z in redshift])
        else:
            distance = np.broadcast_to(np.asarray(self.lum_dist_mpc, dtype=float), (n,))
        check_argument("Data", "lum_dist_mpc", distance)
        object.__setattr__(self, "redshift", redshift)
        object.__setattr__(self, "lum_dist_mpc", distance)

    @property
    def n(self) -> int:
        """Number of galaxies."""
        return len(self.redshift)

    @property
    def n_values(self) -> NDArray[np.int_]:
        """Values that count, per galaxy."""
        parts = [part.mask.sum(axis=1) for part in (self.spectrum, self.photometry) if part is not None]
        return np.asarray(sum(parts))

    @property
    def rest_wave_aa(self) -> Array | None:
        """Wavelengths at rest, Angstrom; None without a spectrum."""
        if self.spectrum is None:
            return None
        z = self.redshift[0] if self.spectrum.frame == "observed" else 0.0
        return self.spectrum.wave_aa / (1.0 + z)

    @property
    def flux_per_lsol(self) -> Array:
        """erg/s/cm2/Angstrom that a luminosity density of 1 Lsol/Angstrom gives, (n,)."""
        return LSOL_ERG_S / (4 * np.pi * (self.lum_dist_mpc * MPC_CM) ** 2) / (1.0 + self.redshift)

    def take(self, rows: Any) -> Data:
        """Return some of the galaxies."""
        spectrum = photometry = None
        if self.spectrum is not None:
            s = self.spectrum
            spectrum = Spectrum(s.wave_aa, s.flux[rows], s.sigma[rows], s.mask[rows], s.frame, s.lsf_fwhm_aa)
        if self.photometry is not None:
            p = self.photometry
            photometry = Photometry(
                list(p.bands), p.flux[rows], p.sigma[rows], p.mask[rows], p.upper_limit[rows], p.instrument
            )
        return Data(spectrum, photometry, self.redshift[rows], self.lum_dist_mpc[rows])
