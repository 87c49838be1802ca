"""Whose stars a mock is made of: a random mixture of libraries for each galaxy, so that no network learns one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sfhnet.tools.random_streams import stream

if TYPE_CHECKING:
    from sfhnet.config.synthesis import LibraryMixtureConfig

__all__ = ["draw_library_mix"]

# [alpha/Fe] of the enhanced variant (Coelho et al. 2007).
_ALPHA_FE = 0.4


def draw_library_mix(
    config: LibraryMixtureConfig, n: int, *, seed: int, shard: int
) -> NDArray[np.float64] | None:
    """Draw the weights of the variants of the library.

    Parameters
    ----------
    config : LibraryMixtureConfig
    n : int
        Galaxies.
    seed, shard : int
        Of the random numbers.

    Returns
    -------
    ndarray (n, n_variant) or None
        In the order of ``config.variants``; None without variants. With the reference, the old libraries are a point drawn
        evenly from the simplex between them, moved away from its middle by the factor ``beyond``.
    """
    if not config.variants:
        return None
    rng = stream("synthesis.libraries", seed, shard)
    columns = []
    if config.old:
        n_corner = 1 + len(config.old)
        middle = 1.0 / n_corner
        columns.append(middle + config.beyond * (rng.dirichlet(np.ones(n_corner), n)[:, 1:] - middle))
    if config.young:
        columns.append(rng.random((n, 1)))
    if config.alpha_fe is not None:
        columns.append(rng.uniform(*config.alpha_fe, (n, 1)) / _ALPHA_FE)
    return np.concatenate(columns, axis=1)
