"""Sums of galaxies as mocks: an aperture or a bin seldom holds one history, one metallicity and one screen of dust."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from sfhnet.config.prior_names import FAMILY_NAMES, NUISANCE_PARAMETERS
from sfhnet.core.histories import Values, history_scalars, log10_of
from sfhnet.core.quantities import LABELS
from sfhnet.mocks.dataset import MockBatch
from sfhnet.mocks.galaxy_library import GalaxyLibrary
from sfhnet.mocks.noise import Lines
from sfhnet.tools.random_streams import stream

if TYPE_CHECKING:
    from sfhnet.config.synthesis import SumsConfig

__all__ = ["added_up", "mean_mh", "weighted_mean", "with_sums"]

Array = NDArray[np.float64]

_BY_MASS = tuple(name for name, quantity in LABELS.items() if quantity.adds_by == "mass")
_BY_LIGHT = tuple(name for name, quantity in LABELS.items() if quantity.adds_by == "light")
# What belongs to the youngest stars is averaged by their rate.
_OF_YOUNG = ("tau_birth", "pow_birth", "birth_age_scale", "log_line_scale", "log_u_offset")
# A little rate everywhere, so that there is gas where no stars formed.
_RATE_FLOOR_PER_YR = 1e-15


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
        values[rows] = weighted_mean(weight, values[parts]) if name in NUISANCE_PARAMETERS else np.nan
    family, log_prior = galaxies.family.copy(), galaxies.log_prior.copy()
    family[rows], log_prior[rows] = FAMILY_NAMES.index("sum"), np.nan
    return replace(
        galaxies, parameters=parameters, family=family, log_prior=log_prior, family_names=FAMILY_NAMES
    )


def added_up(
    mocks: MockBatch, config: SumsConfig, edges_yr: Array, *, generator: torch.Generator
) -> MockBatch:
    """Make the first mocks of a batch sums of themselves and others of it, as `with_sums` does with a share of a shard.

    Parameters
    ----------
    mocks : MockBatch
        In random order, with all labels of `sfhnet.mocks.labels.Labeller` and, beside them, parameters.
    config : SumsConfig
        As of `with_sums`.
    edges_yr : ndarray (n_cell + 1,)
        Look-back age of ``cum_mass`` in yr.
    generator : torch.Generator
        Of the random choice, on the device of the mocks.

    Returns
    -------
    MockBatch
        New tensors; nothing here waits for a device.
    """
    n, n_sum = len(mocks), round(config.share * len(mocks))
    if n_sum == 0:
        return mocks
    device, (least, most) = mocks.flux.device, config.parts

    def below(limit: int, *shape: int) -> Tensor:
        uniform = torch.rand(*shape, generator=generator, device=device)
        return (limit * uniform).long().clamp_max(limit - 1)

    place = torch.arange(n_sum, device=device)[:, None]
    parts = torch.cat([place, below(n, n_sum, most - 1)], dim=1)
    used = torch.arange(most, device=device) < least + below(most - least + 1, n_sum, 1)
    scatter = torch.randn(n_sum, most, generator=generator, device=device, dtype=torch.float64)
    of_part = {name: values[parts].double() for name, values in mocks.labels.items() if name in LABELS}
    mass = used * 10.0 ** (config.light_scatter_dex * scatter)
    mass = mass / (of_part["v_light"] * 10.0 ** (-0.4 * of_part["a_v"]))
    mass = mass / mass.sum(1, keepdim=True)
    labels, rate = _labels(of_part, mass, edges_yr)
    by_light = mass * of_part["v_light"]
    for name in mocks.labels.keys() - LABELS.keys():
        labels[name] = weighted_mean(
            rate if name in _OF_YOUNG else by_light, mocks.labels[name][parts].double()
        )
    matrix = torch.zeros(n_sum, n, device=device).scatter_add_(1, parts, mass.float())

    def summed(values: Tensor) -> Tensor:
        return torch.cat([matrix @ values, values[n_sum:]])

    def put(values: Tensor, sums: Tensor) -> Tensor:
        return torch.cat([sums.to(values), values[n_sum:]])

    family = torch.full((n_sum,), FAMILY_NAMES.index("sum"), device=device)
    return MockBatch(
        summed(mocks.flux),
        summed(mocks.band_flux),
        {name: put(values, labels[name]) for name, values in mocks.labels.items()},
        put(mocks.family, family),
        None if mocks.lines is None else Lines(summed(mocks.lines.flux), mocks.lines.profile),
    )


def weighted_mean(weight: Values, values: Values) -> Values:
    """Return weighted means over the parts of sums.

    Parameters
    ----------
    weight : Tensor or ndarray (n, k)
        Of k parts; (n, k, m) where it differs among the values.
    values : Tensor or ndarray (n, k) or (n, k, m)

    Returns
    -------
    Tensor or ndarray (n,) or (n, m)
    """
    weight = weight.reshape(*weight.shape, *[1] * (values.ndim - weight.ndim))
    return (weight * values).sum(1) / weight.sum(1)


def mean_mh(mass: Values, mass_fraction: Values, mh: Values) -> Values:
    """Return the mean [M/H] of each age bin of sums, by the mass that the parts formed in it.

    Parameters
    ----------
    mass : Tensor or ndarray (n, k)
        Formed by k parts.
    mass_fraction, mh : Tensor or ndarray (n, k, n_age)
        Of the parts.

    Returns
    -------
    Tensor or ndarray (n, n_age)
    """
    # A little mass everywhere, so that bins in which nothing formed have a metallicity too.
    return weighted_mean(mass[:, :, None] * (mass_fraction + 1e-9), mh)


def _labels(of_part: dict[str, Values], mass: Values, edges_yr: Array) -> tuple[dict[str, Values], Values]:
    """Return the labels of sums, and the star-formation rate (n, k) of each part."""
    light = mass * of_part["v_light"]
    rate = mass * (of_part["sfr10"] + _RATE_FLOOR_PER_YR)
    found = {name: weighted_mean(mass, of_part[name]) for name in _BY_MASS if name in of_part}
    found |= {name: weighted_mean(light, of_part[name]) for name in _BY_LIGHT}
    seen = weighted_mean(light, 10.0 ** (-0.4 * of_part["a_v"]))
    found |= {
        "mh": mean_mh(mass, of_part["mass_fraction"], of_part["mh"]),
        "gas_mh": weighted_mean(rate, of_part["gas_mh"]),
        "v_light": light.sum(1),
        "a_v": -2.5 * log10_of(seen),
    }
    times = [quantity for quantity in LABELS.values() if quantity.percent is not None]
    formed = found["cum_mass"]
    found |= history_scalars(formed[:, :-1] - formed[:, 1:], edges_yr, times)
    if set(found) != set(of_part):
        unknown = ", ".join(sorted(set(of_part) ^ set(found)))
        raise ValueError(f"nothing says how {unknown} of a sum follows from its parts; add it to {__name__}")
    return found, rate
