"""Sums of galaxies as mocks: an aperture or a bin seldom holds one history, one metallicity and one screen of dust."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sfhnet.config.prior_names import FAMILY_NAMES, NUISANCE_PARAMETERS
from sfhnet.core.histories import history_scalars
from sfhnet.core.quantities import LABELS
from sfhnet.mocks.galaxy_library import GalaxyLibrary
from sfhnet.tools.random_streams import stream

if TYPE_CHECKING:
    from sfhnet.config.synthesis import SumsConfig

__all__ = ["with_sums"]

Array = NDArray[np.float64]

# Per Msol formed these add up in proportion to the mass, these to the unattenuated light at 5500 Angstrom.
_BY_MASS = ("mass_fraction", "mass_fraction_surviving", "cum_mass", "mw_log_age", "mw_mh", "sfr10", "sfr100")
_BY_LIGHT = ("lw_log_age", "lw_mh")
# What belongs to the youngest stars is averaged by their rate.
_OF_YOUNG = ("tau_birth", "pow_birth", "birth_age_scale", "log_line_scale", "log_u_offset")
# A little mass everywhere, so that bins in which nothing formed have a metallicity too, and gas where none did.
_FLOOR, _RATE_FLOOR_PER_YR = 1e-9, 1e-15


def with_sums(galaxies: GalaxyLibrary, config: SumsConfig, *, seed: int, shard: int) -> GalaxyLibrary:
    """Add other galaxies of the same shard to a share of its galaxies.

    Parameters
    ----------
    galaxies : GalaxyLibrary
        Single ones, with labels. Their spectra, fluxes and labels are written to.
    config : SumsConfig
        How many, of how many parts, and how the light of the parts scatters.
    seed, shard : int
        Of the random choice.

    Returns
    -------
    GalaxyLibrary
        The galaxies that were chosen are sums now, per Msol formed, of the family ``sum``: mass-weighted labels are those
        of the summed history, light-weighted ones and A_V those of the summed light. Parameters of dust and kinematics are
        means by light, those of birth clouds and gas by the star-formation rate; parameters of a part's own history are
        NaN. The kind of metallicity history is that of the first part.

    Raises
    ------
    ValueError
        If the galaxies have a label of which nothing says how it adds up.
    """
    n_sum = round(config.share * galaxies.n)
    if n_sum == 0:
        return galaxies
    rng = stream("synthesis.sums", seed, shard)
    rows = np.sort(rng.choice(galaxies.n, n_sum, replace=False))
    most = config.parts[1]
    parts = np.concatenate([rows[:, None], rng.integers(galaxies.n, size=(n_sum, most - 1))], axis=1)
    used = np.arange(most) < rng.integers(config.parts[0], most + 1, size=(n_sum, 1))
    # As bright as each other on average, so that every part counts.
    light = used * 10.0 ** (config.light_scatter_dex * rng.standard_normal(parts.shape))
    of_part = {name: values[parts].astype(float) for name, values in galaxies.labels.items()}
    mass = light / (of_part["v_light"] * 10.0 ** (-0.4 * of_part["a_v"]))
    mass /= mass.sum(axis=1, keepdims=True)
    labels, rate = _labels(of_part, mass, galaxies.cum_age_yr)
    matrix = csr_array(
        (mass.astype(np.float32).ravel(), parts.ravel(), np.arange(n_sum + 1) * most), (n_sum, galaxies.n)
    )
    # All sums before any is written: a sum may be part of another as the single galaxy that it was.
    for name in ("flux", "band_flux", "line_flux"):
        values = getattr(galaxies, name)
        values[rows] = matrix @ values
    for name, values in labels.items():
        galaxies.labels[name][rows] = values
    by_light = mass * of_part["v_light"]
    # The draw that the galaxies were made of stays as it is.
    parameters = {name: values.copy() for name, values in galaxies.parameters.items()}
    for name, values in parameters.items():
        weight = rate if name in _OF_YOUNG else by_light
        values[rows] = _mean(weight, values[parts]) if name in NUISANCE_PARAMETERS else np.nan
    family, log_prior = galaxies.family.copy(), galaxies.log_prior.copy()
    family[rows], log_prior[rows] = FAMILY_NAMES.index("sum"), np.nan
    return replace(
        galaxies, parameters=parameters, family=family, log_prior=log_prior, family_names=FAMILY_NAMES
    )


def _mean(weight: Array, values: np.ndarray) -> Array:
    """Weighted mean over the parts: (n, k) and (n, k) or (n, k, m) to (n,) or (n, m)."""
    weight = weight.reshape(*weight.shape, *[1] * (values.ndim - weight.ndim))
    return (weight * values).sum(axis=1) / weight.sum(axis=1)


def _labels(of_part: dict[str, Array], mass: Array, edges_yr: Array) -> tuple[dict[str, Array], Array]:
    """Return the labels of sums, and the star-formation rate (n, k) of each part."""
    light = mass * of_part["v_light"]
    rate = mass * (of_part["sfr10"] + _RATE_FLOOR_PER_YR)
    in_bin = mass[:, :, None] * (of_part["mass_fraction"] + _FLOOR)
    found = {name: _mean(mass, of_part[name]) for name in _BY_MASS if name in of_part}
    found |= {name: _mean(light, of_part[name]) for name in _BY_LIGHT}
    found |= {
        "mh": _mean(in_bin, of_part["mh"]),
        "gas_mh": _mean(rate, of_part["gas_mh"]),
        "v_light": light.sum(axis=1),
        "a_v": -2.5 * np.log10(_mean(light, 10.0 ** (-0.4 * of_part["a_v"]))),
    }
    times = [quantity for quantity in LABELS.values() if quantity.percent is not None]
    found |= history_scalars(-np.diff(found["cum_mass"], axis=1), edges_yr, times)
    if set(found) != set(of_part):
        unknown = ", ".join(sorted(set(of_part) ^ set(found)))
        raise ValueError(f"nothing says how {unknown} of a sum follows from its parts; add it to {__name__}")
    return found, rate
