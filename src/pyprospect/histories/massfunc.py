"""Star-formation histories: SFR in Msol/yr at a look-back age in yr.

The functions have ProSpect's names without the prefix ``massfunc_``, its argument names and its defaults:
ages come in yr, every time parameter is in Gyr, every rate in Msol/yr. Common to all: ages below 1e5 yr
count as 1e5 yr, a negative rate becomes zero, and there is no star formation before `magemax`.

Source: ProSpect 1.11.0 (Robotham et al. 2020, MNRAS 495, 905, Sections 3.1 and 3.2).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from pyprospect.arguments import checked
from pyprospect.constants import GYR_YR
from pyprospect.numerics.interpolation import MonotoneSpline
from pyprospect.numerics.quadrature import r_integrate

__all__ = [
    "FUNCTIONS",
    "b5",
    "const",
    "custom",
    "dtau",
    "exp",
    "exp_burst",
    "integrate",
    "p2",
    "p3",
    "p3_burst",
    "p4",
    "p6",
    "resolve",
    "snorm",
    "snorm_burst",
    "snorm_burst_trunc",
    "snorm_trunc",
]

MassFunction = Callable[..., np.ndarray]

_YOUNGEST_YR = 1e5


def check_ages(age: ArrayLike) -> np.ndarray:
    """Return ages as floats; ValueError for NaN."""
    age = np.asarray(age, dtype=float)
    if np.isnan(age).any():
        raise ValueError(f"{np.isnan(age).sum()} of {age.size} ages are NaN; give look-back ages in yr")
    return age


def _ages(age: ArrayLike) -> np.ndarray:
    return np.maximum(check_ages(age), _YOUNGEST_YR)


def _cut(sfr: np.ndarray, age: np.ndarray, magemax: float) -> np.ndarray:
    sfr = np.where(sfr < 0, 0.0, sfr)
    return np.where(age > magemax * GYR_YR, 0.0, sfr)


def _spline(
    age: np.ndarray, nodes_gyr: tuple[float, ...], rates: tuple[float, ...], *, log: bool
) -> np.ndarray:
    nodes = np.array(nodes_gyr, dtype=float) * GYR_YR
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            nodes = np.log10(nodes)
        return MonotoneSpline(nodes, rates)(np.log10(age))
    return MonotoneSpline(nodes, rates)(age)


def _burst(sfr: np.ndarray, age: np.ndarray, mburst: float, mburstage: float) -> np.ndarray:
    return np.where(age < mburstage * GYR_YR, sfr + mburst, sfr)


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
def const(age: ArrayLike, mSFR: float = 1, magemax: float = 13.8) -> np.ndarray:
    """Return the constant rate `mSFR` at ages strictly below `magemax`; a negative rate is not clipped.

    Parameters
    ----------
    age : array_like
        Look-back ages in yr.
    mSFR : float
        Rate, Msol/yr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.

    Raises
    ------
    ValueError
        NaN among the ages (as all functions of this module).
    """
    age = _ages(age)
    return np.where(age < magemax * GYR_YR, float(mSFR), 0.0)


@checked
def p2(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    *,
    m1age: float = 0,
    m2age: float | None = None,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return a line from rate `m1` at age `m1age` to `m2` (default `m1`) at `m2age` (default `magemax`).

    Rates in Msol/yr, ages of the nodes in Gyr; zero outside the two nodes.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2 : float
        Rates at the nodes, Msol/yr.
    m1age, m2age : float
        Ages of the nodes, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m2age = magemax if m2age is None else m2age
    age = _ages(age)
    first, last = m1age * GYR_YR, m2age * GYR_YR
    with np.errstate(divide="ignore", invalid="ignore"):
        sfr = m1 + ((m2 - m1) / (np.float64(last) - first)) * (age - first)
    return _cut(np.where((age < first) | (age > last), 0.0, sfr), age, magemax)


@checked
def p3(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    *,
    m1age: float = 1e-4,
    m2age: float = 7,
    m3age: float = 13,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return the monotone cubic in age through three rates; each rate defaults to the one before it.

    Rates in Msol/yr, ages of the nodes in Gyr; straight lines beyond the end nodes.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3 : float
        Rates at the nodes, Msol/yr.
    m1age, m2age, m3age : float
        Ages of the nodes, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m3 = m2 if m3 is None else m3
    age = _ages(age)
    return _cut(_spline(age, (m1age, m2age, m3age), (m1, m2, m3), log=False), age, magemax)


@checked
def p3_burst(
    age: ArrayLike,
    mburst: float = 0,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    *,
    m1age: float = 1e-4,
    m2age: float = 7,
    m3age: float = 13,
    mburstage: float = 0.1,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return `p3` plus a burst of rate `mburst` at ages strictly below `mburstage` (Gyr).

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3, m1age, m2age, m3age : float
        As `p3`.
    mburst, mburstage : float
        Rate of the burst, Msol/yr, and its oldest age, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    smooth = p3(age, m1, m2, m3, m1age=m1age, m2age=m2age, m3age=m3age, magemax=magemax)
    age = _ages(age)
    return _cut(_burst(smooth, age, mburst, mburstage), age, magemax)


@checked
def p4(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    m4: float | None = None,
    *,
    m1age: float = 1e-4,
    m2age: float = 2,
    m3age: float = 9,
    m4age: float = 13,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return the monotone cubic in log10 age through four rates; each rate defaults to the one before it.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3, m4 : float
        Rates at the nodes, Msol/yr.
    m1age, m2age, m3age, m4age : float
        Ages of the nodes, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m3 = m2 if m3 is None else m3
    m4 = m3 if m4 is None else m4
    age = _ages(age)
    return _cut(_spline(age, (m1age, m2age, m3age, m4age), (m1, m2, m3, m4), log=True), age, magemax)


@checked
def p6(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    m4: float | None = None,
    m5: float | None = None,
    m6: float | None = None,
    *,
    m1age: float = 1e-4,
    m2age: float = 0.1,
    m3age: float = 1,
    m4age: float = 5,
    m5age: float = 9,
    m6age: float = 13,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return the monotone cubic in log10 age through six rates; each rate defaults to the one before it.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3, m4, m5, m6 : float
        Rates at the nodes, Msol/yr.
    m1age, m2age, m3age, m4age, m5age, m6age : float
        Ages of the nodes, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m3 = m2 if m3 is None else m3
    m4 = m3 if m4 is None else m4
    m5 = m4 if m5 is None else m5
    m6 = m5 if m6 is None else m6
    nodes = (m1age, m2age, m3age, m4age, m5age, m6age)
    age = _ages(age)
    return _cut(_spline(age, nodes, (m1, m2, m3, m4, m5, m6), log=True), age, magemax)


@checked
def b5(
    age: ArrayLike,
    m1: float = 1,
    m2: float | None = None,
    m3: float | None = None,
    m4: float | None = None,
    m5: float | None = None,
    *,
    m1age: float = 0,
    m2age: float = 0.1,
    m3age: float = 1,
    m4age: float = 5,
    m5age: float = 9,
    m6age: float = 13,
    magemax: float = 13.8,
) -> np.ndarray:
    """Return five steps between six edges (Gyr); each rate defaults to the one before it.

    Bins hold their lower edge; the last holds its upper edge too. Zero outside.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    m1, m2, m3, m4, m5 : float
        Rates of the steps, Msol/yr.
    m1age, m2age, m3age, m4age, m5age, m6age : float
        Edges, Gyr.
    magemax : float
        Oldest age, Gyr.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`.
    """
    m2 = m1 if m2 is None else m2
    m3 = m2 if m3 is None else m3
    m4 = m3 if m4 is None else m4
    m5 = m4 if m5 is None else m5
    edges = np.array([m1age, m2age, m3age, m4age, m5age, m6age], dtype=float) * GYR_YR
    age = _ages(age)
    sfr = np.zeros(age.shape)
    for k, rate in enumerate((m1, m2, m3, m4, m5)):
        below = age <= edges[k + 1] if k == 4 else age < edges[k + 1]
        sfr = np.where((age >= edges[k]) & below, float(rate), sfr)
    return _cut(sfr, age, magemax)


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
    age = _ages(age)
    pivot = mpivot * GYR_YR
    return _cut(mSFR * np.exp(-mtau * ((pivot - age) / pivot)), age, magemax)


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
    age = _ages(age)
    return _cut(_burst(smooth, age, mburst, mburstage), age, magemax)


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
    age = _ages(age)
    return _cut(_skewed_normal(age, mSFR, mpeak, mperiod, mskew), age, magemax)


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
    age = _ages(age)
    sfr = _burst(_skewed_normal(age, mSFR, mpeak, mperiod, mskew), age, mburst, mburstage)
    return _cut(sfr, age, magemax)


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
    age = _ages(age)
    sfr = _skewed_normal(age, mSFR, mpeak, mperiod, mskew) * _truncation(age, mpeak, mtrunc, magemax)
    return _cut(sfr, age, magemax)


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
    age = _ages(age)
    sfr = _burst(_skewed_normal(age, mSFR, mpeak, mperiod, mskew), age, mburst, mburstage)
    return _cut(sfr * _truncation(age, mpeak, mtrunc, magemax), age, magemax)


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
    age = _ages(age)
    peak, tau = mpeak * GYR_YR, np.float64(mtau * GYR_YR)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rise = tau / (tau / (magemax * GYR_YR - peak))
        x = np.where(age <= peak, (tau + peak - age) / tau, (rise + peak - age) / rise)
        sfr = mSFR * np.e * x * np.exp(-x)
    return _cut(sfr, age, magemax)


def _custom_table(age_yr: ArrayLike, sfr: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    nodes = np.asarray(age_yr, dtype=float)
    rates = np.asarray(sfr, dtype=float)
    if nodes.ndim != 1 or rates.ndim != 1 or nodes.size - rates.size not in (0, 1) or rates.size < 1:
        raise ValueError(
            f"custom history: {nodes.shape} ages and {rates.shape} rates; give as many ages as rates (a "
            "polygon) or one age more (the edges of steps)"
        )
    if np.isnan(nodes).any() or np.isnan(rates).any():
        raise ValueError("custom history: NaN among its ages or rates")
    if not np.all(np.diff(nodes) > 0):
        raise ValueError("custom history: the ages must ascend strictly, youngest first")
    if (rates < 0).any():
        raise ValueError(f"custom history: negative SFR {rates.min()} Msol/yr; rates must be >= 0")
    return nodes, rates


@checked
def custom(
    age: ArrayLike, age_yr: ArrayLike = (), sfr: ArrayLike = (), *, magemax: float | None = None
) -> np.ndarray:
    """Return the tabulated history.

    Parameters
    ----------
    age : array_like
        Look-back ages, yr.
    age_yr : (n,) or (n+1,) array_like
        Ages of the table in yr, ascending: as many as rates (straight lines between them) or one more (edges
        of steps, which hold their lower edge).
    sfr : (n,) array_like
        Rates, Msol/yr.
    magemax : float, optional
        Oldest age, Gyr; by default the table ends it.

    Returns
    -------
    ndarray
        Rate in Msol/yr, of the shape of `age`; zero outside the table.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, ages that do not ascend, negative rates.
    """
    nodes, rates = _custom_table(age_yr, sfr)
    age = check_ages(age)
    if nodes.size == rates.size:
        out = np.interp(age, nodes, rates, left=0.0, right=0.0)
    else:
        k = np.searchsorted(nodes, age, side="right") - 1
        k = np.where(age == nodes[-1], rates.size - 1, k)
        out = np.where((k >= 0) & (k < rates.size), rates[np.clip(k, 0, rates.size - 1)], 0.0)
    return out if magemax is None else np.where(age > magemax * GYR_YR, 0.0, out)


def _custom_integral(
    lower: float, upper: float, age_yr: ArrayLike = (), sfr: ArrayLike = (), magemax: float | None = None
) -> float:
    nodes, rates = _custom_table(age_yr, sfr)
    if magemax is not None:
        upper = min(upper, magemax * GYR_YR)
    lower, upper = max(lower, nodes[0]), min(upper, nodes[-1])
    if upper <= lower:
        return 0.0
    points = np.concatenate([[lower], nodes[(nodes > lower) & (nodes < upper)], [upper]])
    middle = custom((points[1:] + points[:-1]) / 2, nodes, rates)
    return float(np.sum(np.diff(points) * middle))


FUNCTIONS: dict[str, MassFunction] = {
    function.__name__: function
    for function in (
        const,
        p2,
        p3,
        p3_burst,
        p4,
        p6,
        b5,
        exp,
        exp_burst,
        snorm,
        snorm_burst,
        snorm_trunc,
        snorm_burst_trunc,
        dtau,
        custom,
    )
}
"""Every history by its name."""


def resolve(massfunc: str | MassFunction) -> MassFunction:
    """Return the function of a name, with or without ProSpect's prefix ``massfunc_``, or the callable.

    Raises
    ------
    ValueError
        A name that no function has.
    """
    return by_name(massfunc, FUNCTIONS, prefix="massfunc_", what="star-formation history")


def by_name(
    function: str | Callable[..., Any], known: dict[str, Callable[..., Any]], *, prefix: str, what: str
) -> Callable[..., Any]:
    """Return the callable itself, or the one of a name with or without ProSpect's prefix; ValueError if none.

    Parameters
    ----------
    function : callable or str
        The function, or its name.
    known : dict
        Functions by name.
    prefix : str
        What ProSpect puts before each name.
    what : str
        What the functions are, for the message.

    Returns
    -------
    callable
    """
    if callable(function):
        return function
    name = str(function).removeprefix(prefix)
    if name not in known:
        raise ValueError(f"no {what} {function!r}; there are {', '.join(known)}")
    return known[name]


@checked
def integrate(massfunc: str | MassFunction, lower: float, upper: float, **parameters: Any) -> float:
    """Return the mass formed (Msol) between two look-back ages (yr), integrated as R's ``integrate`` does.

    Parameters
    ----------
    massfunc : str or callable
        History; a callable with an attribute ``integral(lower, upper, **parameters)`` is integrated by it.
    lower, upper : float
        Ages in yr.
    **parameters
        Arguments of the history.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        An integral that does not converge.

    Notes
    -----
    See `pyprospect.numerics.quadrature.r_integrate`. A burst leaves errors of up to 1e-3 of the true integral.
    """
    function = resolve(massfunc)
    exact = _custom_integral if function is custom else getattr(function, "integral", None)
    if exact is not None:
        return exact(lower, upper, **parameters)
    try:
        return r_integrate(
            lambda age: function(age, **parameters), lower, upper, what="the star-formation history"
        )
    except ValueError as error:
        raise ValueError(
            f"{error} yr; smooth it, or tabulate it with massfunc.custom, whose integral is exact"
        ) from error
