"""Dense-basis star-formation histories (Iyer & Gawiser 2017; Iyer et al. 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from pyprospect.arguments import checked
from pyprospect.constants import GYR_YR

__all__ = ["DenseBasis", "dense_basis", "draw_times"]


@checked(alpha=(1e-6, 1e12), n_tx=(1, 1000), size=(0, 1e9))
def draw_times(
    rng: np.random.Generator, n_tx: int = 3, *, alpha: float = 1.0, size: int | None = None
) -> np.ndarray:
    """Draw the times by which equal parts of the mass have formed.

    The n_tx + 1 gaps between 0, the times and 1 follow a symmetric Dirichlet distribution; alpha = 1 is uniform
    over all ordered times, larger values are smoother histories.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    n_tx : int
        Number of times.
    alpha : float
        Concentration of the Dirichlet distribution.
    size : int, optional
        Number of histories.

    Returns
    -------
    ndarray, shape (n_tx,) or (size, n_tx)
        Times since the start of star formation as fractions of its whole length, ascending.

    Raises
    ------
    ValueError
        If n_tx or alpha is not positive.
    """
    if n_tx < 1 or not alpha > 0:
        raise ValueError(f"n_tx={n_tx}, alpha={alpha}: give at least one time and a positive concentration")
    gaps = rng.dirichlet(np.full(n_tx + 1, alpha), size)
    return np.cumsum(gaps[..., :-1], axis=-1)


class DenseBasis:
    """A dense-basis history, made by `dense_basis`: ``history(age_yr)`` is its rate in Msol/yr.

    Parameters
    ----------
    mass_of : PchipInterpolator
        Mass formed (Msol) by a time since the start (yr).
    start_yr : float
        Look-back time of the start, yr.
    """

    def __init__(self, mass_of: PchipInterpolator, start_yr: float) -> None:
        self._mass_of, self._rate_of = mass_of, mass_of.derivative()
        self._start_yr = start_yr

    def __call__(self, age_yr: ArrayLike) -> NDArray[np.float64]:
        """Return the star-formation rate in Msol/yr at look-back ages in yr, of the shape of ``age_yr``."""
        since_start = self._start_yr - np.asarray(age_yr, dtype=float)
        inside = (since_start >= 0) & (since_start <= self._start_yr)
        rate = self._rate_of(np.clip(since_start, 0.0, self._start_yr))
        return np.where(inside, np.maximum(rate, 0.0), 0.0)

    def integral(self, lower_yr: float, upper_yr: float) -> float:
        """Return the mass in Msol formed between two look-back ages, exact; `massfunc.integrate` takes it.

        Parameters
        ----------
        lower_yr, upper_yr : float
            Look-back ages, yr, ascending.

        Returns
        -------
        float
        """
        late, early = np.clip(self._start_yr - np.array([lower_yr, upper_yr]), 0.0, self._start_yr)
        return float(self._mass_of(late) - self._mass_of(early))


@checked(times=None)
def dense_basis(
    times: ArrayLike, mass_msun: float = 1.0, *, sfr_msun_yr: float | None = None, start_gyr: float = 13.8
) -> DenseBasis:
    """Make the star-formation rate of a dense-basis history, to be used as a ``massfunc``.

    Cumulative mass is interpolated monotonically (PCHIP) through 0, equal steps of mass at ``times``, and the
    whole; the rate is its derivative, never negative. Wherever it is asked for before the start it is 0.

    Parameters
    ----------
    times : array_like, shape (n_tx,)
        Times since the start as fractions of ``start_gyr``, ascending in (0, 1), by which 1/(n_tx+1), 2/(n_tx+1), ...
        of the mass has formed.
    mass_msun : float
        Mass formed in all, Msol.
    sfr_msun_yr : float, optional
        Rate today, Msol/yr: fixes the slope of the mass curve over the last 100 Myr (Iyer et al. 2019). It must
        leave mass to the part before: sfr x 1e8 yr below the last step of mass.
    start_gyr : float
        Look-back time of the start, Gyr.

    Returns
    -------
    DenseBasis
        Callable of look-back ages in yr: the SFR in Msol/yr.

    Raises
    ------
    ValueError
        If the times do not ascend inside (0, 1), or mass, rate or start is not positive, or the rate is too high.

    Examples
    --------
    >>> import numpy as np
    >>> rate = dense_basis([0.2, 0.4, 0.6], mass_msun=1e10)
    >>> age = np.linspace(0, 13.8e9, 100001)
    >>> round(float(np.trapezoid(rate(age), age) / 1e10), 4)
    1.0
    """
    times = np.atleast_1d(np.asarray(times, dtype=float))
    if not np.all(np.isfinite(times)) or times[0] <= 0 or times[-1] >= 1 or np.any(np.diff(times) <= 0):
        raise ValueError(f"times {times.tolist()} must ascend strictly between 0 and 1 (shares of start_gyr)")
    if not mass_msun > 0 or not start_gyr > 0:
        raise ValueError(f"mass_msun={mass_msun} and start_gyr={start_gyr} must be positive")
    start_yr = start_gyr * GYR_YR
    node_yr = np.concatenate([[0.0], times * start_yr, [start_yr]])
    share = np.linspace(0.0, 1.0, times.size + 2)
    if sfr_msun_yr is not None:
        recent_yr = min(1e8, 0.5 * (start_yr - node_yr[-2]))
        recent = sfr_msun_yr * recent_yr / mass_msun
        if not 0 <= recent < share[-1] - share[-2]:
            raise ValueError(
                f"sfr_msun_yr={sfr_msun_yr} forms {recent:.3g} of the mass in the last {recent_yr:.3g} yr; it must be "
                f">= 0 and form less than {share[-1] - share[-2]:.3g}, the mass after the last of the times"
            )
        node_yr = np.insert(node_yr, -1, start_yr - recent_yr)
        share = np.insert(share, -1, 1.0 - recent)
    return DenseBasis(PchipInterpolator(node_yr, share * mass_msun), start_yr)
