"""The families of star-formation histories by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sfhnet.priors import bursty, declining, dense_basis, skewed_normal, stochastic
from sfhnet.priors.age_cells import Array

MassFunction = Callable[[Array, dict[str, Array], np.random.Generator], tuple[Array, Array | None]]

FAMILIES: dict[str, MassFunction] = {
    "skewed_normal": skewed_normal.mass,
    "dense_basis": dense_basis.mass,
    "exponential": declining.exponential,
    "delayed": declining.delayed,
    "quenched": declining.quenched,
    "rejuvenated": declining.rejuvenated,
    "stochastic": stochastic.stochastic,
    "single_burst": stochastic.single_burst,
    "bursty": bursty.bursty,
}
