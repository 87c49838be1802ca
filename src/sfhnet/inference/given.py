"""What a person tells of spectra: redshift, dispersion, resolution, bands; checked, and cut to some of the spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sfhnet.inference.line_of_sight import Believed

__all__ = ["Given", "number_of", "read_bands", "read_given", "some_rows"]

# Standard deviation of a redshift that is believed.
_REDSHIFT_ERR = 0.002

# Beyond, the Universe was too young for the ages of the training: 8.6 Gyr at 0.5.
_PHYSICAL_Z = (-0.02, 0.5)
_WRONG_REDSHIFT = (
    f"redshift must be from {_PHYSICAL_Z[0]:g} to {_PHYSICAL_Z[1]:g} for every spectrum: the networks know nearby galaxies, "
    "with stars older than the Universe was beyond; a velocity in km/s is divided by 299792.458"
)
_WRONG_FWHM = "fwhm_aa must be finite and above zero at every wavelength"
_WRONG_DISPERSION = "dispersion_kms must be finite and not below zero for every spectrum"


@dataclass(frozen=True)
class Given:
    """What was told of n spectra.

    Parameters
    ----------
    redshift : ndarray (n,) or None
    redshift_err : float
        Its standard deviation; zero: it is known.
    dispersion_kms : ndarray (n,) or None
        Of the stars.
    fwhm_aa : ndarray (n_wave,) or None
        Resolution of the instrument, in the order of the wavelengths as they were given.
    as_trained : bool
        The spectra have the resolution of the training.
    """

    redshift: np.ndarray | None
    redshift_err: float
    dispersion_kms: np.ndarray | None
    fwhm_aa: np.ndarray | None
    as_trained: bool

    def of(self, rows: slice, order: np.ndarray) -> Believed:
        """Return what is believed of some spectra.

        Parameters
        ----------
        rows : slice
            Which.
        order : ndarray of int (n_wave,)
            That brings wavelengths as they were given into ascending order.
        """
        return Believed(
            None if self.redshift is None else self.redshift[rows],
            self.redshift_err,
            None if self.dispersion_kms is None else self.dispersion_kms[rows],
            None if self.fwhm_aa is None else self.fwhm_aa[order],
            self.as_trained,
        )


def read_given(
    n: int,
    n_wave: int,
    *,
    redshift: float | np.ndarray | None,
    redshift_err: float | None,
    dispersion_kms: float | np.ndarray | Literal["training"] | None,
    fwhm_aa: float | np.ndarray | None,
) -> Given:
    """Check what was told of n spectra; the arguments are those of `sfhnet.inference.model.Model.infer`.

    Raises
    ------
    ValueError
        If a redshift, width, dispersion or resolution is impossible.
    """
    z = None
    if redshift is not None:
        z = _each(redshift, n, _WRONG_REDSHIFT, least=_PHYSICAL_Z[0], most=_PHYSICAL_Z[1])
    as_trained = isinstance(dispersion_kms, str)
    if as_trained and dispersion_kms != "training":
        raise ValueError(f'dispersion_kms is {dispersion_kms!r}; give km/s, or "training"')
    stars = None
    if not (dispersion_kms is None or isinstance(dispersion_kms, str)):
        stars = _each(dispersion_kms, n, _WRONG_DISPERSION, least=0.0)
    width = redshift_err
    if width is None:
        width = 0.0 if dispersion_kms is not None and z is not None else _REDSHIFT_ERR
    if not (np.isfinite(width) and width >= 0):
        raise ValueError(
            f"redshift_err is {width}; give a standard deviation, or zero for a redshift that is known"
        )
    fwhm = None if fwhm_aa is None else _each(fwhm_aa, n_wave, _WRONG_FWHM, above=0.0)
    return Given(z, width, stars, fwhm, as_trained)


def read_bands(
    bands: Mapping[str, tuple[np.ndarray, np.ndarray]], names: tuple[str, ...], n: int
) -> dict[str, np.ndarray]:
    """Return the bands of n spectra in the order of a network, absent ones masked.

    Parameters
    ----------
    bands : mapping of str to (flux, error)
        As of `sfhnet.inference.model.Model.infer`.
    names : tuple of str
        The bands that the network knows.
    n : int
        Spectra.

    Returns
    -------
    dict of ndarray (n, n_band)
        ``flux``, ``sigma`` and ``mask``.

    Raises
    ------
    ValueError
        If the network does not know one.
    """
    unknown = sorted(set(bands) - set(names))
    if unknown:
        raise ValueError(f"the model does not know {', '.join(unknown)}; it knows {', '.join(names)}")
    flux, sigma = np.full((n, len(names)), np.nan), np.full((n, len(names)), np.nan)
    for name, (value, error) in bands.items():
        column = names.index(name)
        flux[:, column] = np.broadcast_to(np.asarray(value, dtype=float), (n,))
        sigma[:, column] = np.broadcast_to(np.asarray(error, dtype=float), (n,))
    present = np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0)
    return {
        "flux": np.where(present, flux, 0.0),
        "sigma": np.where(present, sigma, 1.0),
        "mask": present,
    }


def number_of(flux: Any) -> int:
    """Return the number of spectra in (n_wave,) or (n, n_wave)."""
    shape = np.shape(flux)
    return 1 if len(shape) < 2 else int(shape[0])


def some_rows(values: Any, rows: slice, n: int) -> Any:
    """Return some rows of what has one a spectrum; what all share stays."""
    if values is None or np.ndim(values) < 2 or len(values) != n:
        return values
    # A table is cut by position; what lies in a file is read as far as it is needed.
    return getattr(values, "iloc", values)[rows]


def _each(
    value: float | np.ndarray,
    n: int,
    what: str,
    *,
    above: float = -np.inf,
    least: float = -np.inf,
    most: float = np.inf,
) -> np.ndarray:
    """Return a number for each of n; `what` says what is wrong where one is not finite or out of range."""
    values = np.broadcast_to(np.asarray(value, dtype=float), (n,))
    if not np.all(np.isfinite(values) & (values > above) & (values >= least) & (values <= most)):
        raise ValueError(what)
    return values
