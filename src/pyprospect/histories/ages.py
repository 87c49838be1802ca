"""What all histories do with ages and rates: NaN refused, the youngest age, the oldest, bursts."""

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.constants import GYR_YR

__all__ = ["check_ages", "clipped_ages", "cut", "with_burst"]

_YOUNGEST_YR = 1e5


def check_ages(age: ArrayLike) -> np.ndarray:
    """Return ages as floats; ValueError for NaN."""
    age = np.asarray(age, dtype=float)
    if np.isnan(age).any():
        raise ValueError(f"{np.isnan(age).sum()} of {age.size} ages are NaN; give look-back ages in yr")
    return age


def clipped_ages(age: ArrayLike) -> np.ndarray:
    """Return ages, those below 1e5 yr as 1e5 yr; ValueError for NaN."""
    return np.maximum(check_ages(age), _YOUNGEST_YR)


def cut(sfr: np.ndarray, age: np.ndarray, magemax: float) -> np.ndarray:
    """Return rates without negative ones, and without those older than `magemax` (Gyr)."""
    sfr = np.where(sfr < 0, 0.0, sfr)
    return np.where(age > magemax * GYR_YR, 0.0, sfr)


def with_burst(sfr: np.ndarray, age: np.ndarray, mburst: float, mburstage: float) -> np.ndarray:
    """Return rates with `mburst` more (Msol/yr) at ages strictly below `mburstage` (Gyr)."""
    return np.where(age < mburstage * GYR_YR, sfr + mburst, sfr)
