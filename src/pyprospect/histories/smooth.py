"""Star-formation histories that are formulae: exponentials and skewed normals (of `pyprospect.histories.massfunc`)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from pyprospect.arguments import checked
from pyprospect.constants import GYR_YR
from pyprospect.histories.ages import clipped_ages, cut, with_burst

__all__ = ["dtau", "exp", "exp_burst", "snorm", "snorm_burst", "snorm_burst_trunc", "snorm_trunc"]


def _skewed_normal(age: np.ndarray, mSFR: float, mpeak: float, mperiod: float, mskew: float) -> np.ndarray:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        x = (age - mpeak * GYR_YR) / np.float64(mperiod * GYR_YR)
        y = x * np.exp(mskew) ** np.arcsinh(x)
        return mSFR * np.exp(-(y**2) / 2)


def _truncation(age: np.ndarray, mpeak: float, mtrunc: float, magemax: float) -> np.ndarray:
    # In yr before the difference is taken, as ProSpect: 1-Phi has lost digits that only the same order keeps.
    peak = mpeak * GYR_YR
    span = abs(magemax * GYR_YR - peak)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1.0 - ndtr((age - (peak + span / mtrunc)) / (span / (2 * mtrunc)))


@checked
def exp(
    age: ArrayLike, mSFR: float = 10, mtau: float = 1, *, mpivot: float | None = None, magemax: float = 13.8
) -> np.ndarray:
    """Return an exponential with rate `mSFR` at age `mpivot`, mSFR exp(-mtau (1-age/mpivot)).

    `mtau` is a number of e-foldings; positive means a rate that was higher in the past.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    mSFR, mpivot : float
        Rate, Msol/yr, and the age that has it, Gyr; default `magemax`.
    mtau : float
        Number of e-foldings between the pivot and today.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    mpivot = magemax if mpivot is None else mpivot
    age = clipped_ages(age)
    pivot = mpivot * GYR_YR
    return cut(mSFR * np.exp(-mtau * ((pivot - age) / pivot)), age, magemax)


@checked
def exp_burst(
    age: ArrayLike,
    mburst: float = 0,
    mSFR: float = 10,
    mtau: float = 1,
    *,
    mpivot: float | None = None,
    mburstage: float = 0.1,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return `exp` plus a burst of rate `mburst` at ages strictly below `mburstage` (Gyr).

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    mSFR, mtau, mpivot : float
        As `exp`.
    mburst, mburstage : float
        Rate of the burst, Msol/yr, and its oldest age, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    smooth = exp(age, mSFR, mtau, mpivot=mpivot, magemax=magemax)
    age = clipped_ages(age)
    return cut(with_burst(smooth, age, mburst, mburstage), age, magemax)


@checked
def snorm(
    age: ArrayLike,
    mSFR: float = 10,
    mpeak: float = 10,
    mperiod: float = 1,
    mskew: float = 0.5,
    *,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return the skewed normal in age: mSFR exp(-Y^2/2), Y = X exp(mskew)^asinh(X), X = (age-mpeak)/mperiod.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    mSFR : float
        Rate at the peak, Msol/yr.
    mpeak, mperiod : float
        Age of the peak and width, Gyr.
    mskew : float
        Skewness; positive: a steep start and a long tail to the present.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    age = clipped_ages(age)
    return cut(_skewed_normal(age, mSFR, mpeak, mperiod, mskew), age, magemax)


@checked
def snorm_burst(
    age: ArrayLike,
    mburst: float = 0,
    mSFR: float = 10,
    mpeak: float = 10,
    mperiod: float = 1,
    mskew: float = 0.5,
    *,
    mburstage: float = 0.1,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return `snorm` plus a burst of rate `mburst` at ages strictly below `mburstage` (Gyr).

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    mSFR : float
        Rate at the peak, Msol/yr.
    mpeak, mperiod : float
        Age of the peak and width, Gyr.
    mskew : float
        Skewness, see `snorm`.
    mburst, mburstage : float
        Rate of the burst, Msol/yr, and its oldest age, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    age = clipped_ages(age)
    sfr = with_burst(_skewed_normal(age, mSFR, mpeak, mperiod, mskew), age, mburst, mburstage)
    return cut(sfr, age, magemax)


@checked
def snorm_trunc(
    age: ArrayLike,
    mSFR: float = 10,
    mpeak: float = 10,
    mperiod: float = 1,
    mskew: float = 0.5,
    *,
    magemax: float = 13.8,
    mtrunc: float = 2,
) -> np.ndarray:
    """Return `snorm` times 1-Phi((age-mu)/s), which brings it to zero at `magemax`.

    mu = mpeak + D/mtrunc and s = D/(2 mtrunc) with D = |magemax - mpeak|.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    mSFR : float
        Rate at the peak, Msol/yr.
    mpeak, mperiod : float
        Age of the peak and width, Gyr.
    mskew : float
        Skewness, see `snorm`.
    magemax : float
        Oldest age, Gyr.
    mtrunc : float
        Sharpness of the truncation.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    age = clipped_ages(age)
    sfr = _skewed_normal(age, mSFR, mpeak, mperiod, mskew) * _truncation(age, mpeak, mtrunc, magemax)
    return cut(sfr, age, magemax)


@checked
def snorm_burst_trunc(
    age: ArrayLike,
    mburst: float = 0,
    mSFR: float = 10,
    mpeak: float = 10,
    mperiod: float = 1,
    mskew: float = 0.5,
    *,
    mburstage: float = 0.1,
    magemax: float = 13.8,
    mtrunc: float = 2,
) -> np.ndarray:
    """Return `snorm_burst` times the truncation of `snorm_trunc`: the burst is truncated too.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    mSFR : float
        Rate at the peak, Msol/yr.
    mpeak, mperiod : float
        Age of the peak and width, Gyr.
    mskew : float
        Skewness, see `snorm`.
    mburst, mburstage : float
        Rate of the burst, Msol/yr, and its oldest age, Gyr.
    magemax : float
        Oldest age, Gyr.
    mtrunc : float
        Sharpness of the truncation.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    age = clipped_ages(age)
    sfr = with_burst(_skewed_normal(age, mSFR, mpeak, mperiod, mskew), age, mburst, mburstage)
    return cut(sfr * _truncation(age, mpeak, mtrunc, magemax), age, magemax)


@checked
def dtau(
    age: ArrayLike, mSFR: float = 10, mpeak: float = 10, mtau: float = 2, *, magemax: float = 13.8
) -> np.ndarray:
    """Return the delayed tau model: mSFR e x exp(-x), peaking with `mSFR` at age `mpeak` (Gyr).

    x = 1 + (mpeak-age)/mtau after the peak and 1 + (mpeak-age)/(magemax-mpeak) before it, so that star
    formation starts at `magemax`.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    mSFR, mpeak : float
        Rate at the peak, Msol/yr, and its age, Gyr.
    mtau : float
        Time scale after the peak, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    age = clipped_ages(age)
    peak, tau = mpeak * GYR_YR, np.float64(mtau * GYR_YR)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rise = tau / (tau / (magemax * GYR_YR - peak))
        x = np.where(age <= peak, (tau + peak - age) / tau, (rise + peak - age) / rise)
        sfr = mSFR * np.e * x * np.exp(-x)
    return cut(sfr, age, magemax)
