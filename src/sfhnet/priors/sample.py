"""Draw a shard of galaxies from the prior: a pure function of (configuration, seed, shard)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import qmc

from sfhnet.config.prior_names import FAMILY_PARAMETERS, METALLICITY_PARAMETERS, NUISANCE_PARAMETERS
from sfhnet.priors import age_grid, flatten
from sfhnet.priors.age_cells import normalise
from sfhnet.priors.enrichment import HISTORIES, Z_FLOOR
from sfhnet.priors.families import FAMILIES
from sfhnet.tools.random_streams import stream

if TYPE_CHECKING:
    from sfhnet.config.distributions import Distribution
    from sfhnet.config.prior import FamilyConfig, PriorConfig

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PriorSample:
    """Galaxies drawn from the prior.

    Parameters
    ----------
    edges_yr : ndarray, shape (n_cell + 1,)
        Look-back age grid in yr, first edge 0.
    mass : ndarray, shape (n, n_cell)
        Share of all mass formed in each cell; rows sum to one.
    z : ndarray, shape (n, n_cell)
        Metal mass fraction of the stars that form in each cell.
    parameters : dict of ndarray, shape (n,)
        Dust, line, kinematic parameters and redshift, and the drawn parameters of histories
        (``sfh_*``, ``zh_*``; NaN where a galaxy's family does not have the parameter).
    family, metallicity : ndarray of int8, shape (n,)
        Numbers into `sfhnet.config.prior_names`.
    log_prior : ndarray, shape (n,)
        Natural log of the prior density of all that was drawn, weights of mixtures included.
    """

    edges_yr: Array
    mass: Array
    z: Array
    parameters: dict[str, Array]
    family: NDArray[np.int8]
    metallicity: NDArray[np.int8]
    log_prior: Array

    @property
    def n(self) -> int:
        """Number of galaxies."""
        return self.mass.shape[0]

    def take(self, index: ArrayLike) -> PriorSample:
        """Return galaxies by index, as a new sample."""
        index = np.asarray(index)
        return PriorSample(
            self.edges_yr,
            self.mass[index],
            self.z[index],
            {name: values[index] for name, values in self.parameters.items()},
            self.family[index],
            self.metallicity[index],
            self.log_prior[index],
        )


def _uniforms(sampler: str, n: int, dimensions: int, seed: int, shard: int) -> Array:
    if sampler == "random":
        return stream("prior.uniform", seed, shard).random((n, dimensions))
    # One scrambled sequence for all shards: a shard is its own stretch of it, so that shards fill each other's gaps.
    engine = qmc.Sobol(dimensions, scramble=True, rng=stream("prior.sobol", seed))
    if shard > 0:
        engine.fast_forward(shard * n)
        return engine.random(n)
    return engine.random_base2(int(np.ceil(np.log2(max(n, 2)))))[:n]


def _choose(
    u: Array, kinds: dict[str, FamilyConfig], order: tuple[str, ...]
) -> tuple[NDArray[np.int8], Array]:
    weights = np.array([kinds[name].weight if name in kinds else 0.0 for name in order])
    weights = weights / weights.sum()
    number = np.searchsorted(np.cumsum(weights)[:-1], u, side="right").astype(np.int8)
    return number, np.log(np.where(weights > 0, weights, 1.0))[number]


def _draw(
    config: dict[str, Distribution], names: tuple[str, ...], u: Array
) -> tuple[dict[str, Array], Array]:
    values = {name: config[name].quantile(u[:, i]) for i, name in enumerate(names)}
    return values, sum((config[name].log_density(values[name]) for name in names), np.zeros(len(u)))


def sample(
    config: PriorConfig,
    n: int,
    seed: int,
    *,
    shard: int,
    age_bins_yr: ArrayLike,
    hold_out: bool = True,
) -> PriorSample:
    """Draw galaxies.

    Parameters
    ----------
    config : PriorConfig
    n : int
        Galaxies.
    seed, shard : int
        Together with ``config`` and ``n`` these fix the result bit for bit.
    age_bins_yr : (k,)
        Label bins in yr; their edges are put on the age grid, and their last one is the oldest age.
    hold_out : bool
        Leave ``config.held_out_families`` out; False for test shards.

    Returns
    -------
    PriorSample

    Raises
    ------
    ValueError
        If a family draws a history without mass or with impossible metallicity.
    """
    if config.flattening.oversample > 1:
        drawn = _sample(config, n * config.flattening.oversample, seed, shard, age_bins_yr, hold_out)
        rng = stream("prior.flatten", seed, shard)
        keep, log_kept = flatten.thin(drawn, n, config.flattening, rng=rng)
        kept = drawn.take(keep)
        kept.log_prior[:] += log_kept
        return kept
    return _sample(config, n, seed, shard, age_bins_yr, hold_out)


@dataclass(frozen=True)
class _Population:
    """What one kind of galaxy is drawn from."""

    share: float
    families: dict[str, FamilyConfig]
    metallicity: dict[str, FamilyConfig]
    nuisance: dict[str, Distribution]


def _populations(config: PriorConfig, hold_out: bool) -> list[_Population]:
    rest = 1.0 - sum(population.share for population in config.populations.values())

    def trained(families: dict[str, FamilyConfig]) -> dict[str, FamilyConfig]:
        return {k: f for k, f in families.items() if not (hold_out and k in config.held_out_families)}

    own = _Population(rest, trained(config.families), config.metallicity, config.nuisance)
    return [own] * (rest > 1e-9) + [
        _Population(
            p.share,
            trained(p.families) or own.families,
            p.metallicity or own.metallicity,
            own.nuisance | p.nuisance,
        )
        for p in config.populations.values()
    ]


def _sample(
    config: PriorConfig, n: int, seed: int, shard: int, age_bins_yr: ArrayLike, hold_out: bool
) -> PriorSample:
    age_bins_yr = np.asarray(age_bins_yr, dtype=float)
    edges = age_grid.fine_edges_yr(float(age_bins_yr[-1]), config.n_per_dex, age_bins_yr)
    n_family = max(len(names) for names in FAMILY_PARAMETERS.values())
    n_metal = max(len(names) for names in METALLICITY_PARAMETERS.values())
    # columns of u keep their meaning whichever families and populations are in use
    u = _uniforms(config.sampler, n, 3 + n_family + n_metal + len(NUISANCE_PARAMETERS), seed, shard)
    u = np.clip(u, 0.0, np.nextafter(1.0, 0.0))
    populations = _populations(config, hold_out)
    share = np.array([population.share for population in populations])
    kind = np.searchsorted(np.cumsum(share)[:-1], u[:, 0], side="right")
    room = _Drawn(
        edges,
        np.empty((n, edges.size - 1)),
        np.empty((n, edges.size - 1)),
        {},
        np.empty(n, np.int8),
        np.empty(n, np.int8),
        np.log(share)[kind],
    )
    rng = stream("prior.steps", seed, shard)
    try:
        for number, population in enumerate(populations):
            room.fill(np.flatnonzero(kind == number), population, u[:, 1:], rng)
    except ValueError as error:
        raise ValueError(f"shard {shard}: {error}") from error
    if not np.all(np.isfinite(room.z)) or room.z.max() >= 1:
        raise ValueError(
            f"shard {shard} has metal mass fractions up to {room.z.max()}; narrow the metallicity prior"
        )
    return PriorSample(
        edges,
        room.mass,
        np.maximum(room.z, Z_FLOOR),
        room.parameters,
        room.family,
        room.metallicity,
        room.log_prior,
    )


@dataclass(frozen=True)
class _Drawn:
    """Room for the galaxies of all populations; fields as in `PriorSample`."""

    edges_yr: Array
    mass: Array
    z: Array
    parameters: dict[str, Array]
    family: NDArray[np.int8]
    metallicity: NDArray[np.int8]
    log_prior: Array

    def keep(self, prefix: str, rows: NDArray[np.intp], values: dict[str, Array]) -> None:
        for name, value in values.items():
            column = self.parameters.setdefault(f"{prefix}{name}", np.full(len(self.mass), np.nan))
            column[rows] = value

    def fill(
        self, rows: NDArray[np.intp], population: _Population, u: Array, rng: np.random.Generator
    ) -> None:
        """Draw the galaxies of one population into its rows."""
        n_family = max(len(names) for names in FAMILY_PARAMETERS.values())
        n_metal = max(len(names) for names in METALLICITY_PARAMETERS.values())
        self.family[rows], log_family = _choose(u[rows, 0], population.families, tuple(FAMILY_PARAMETERS))
        self.metallicity[rows], log_metal = _choose(
            u[rows, 1], population.metallicity, tuple(METALLICITY_PARAMETERS)
        )
        self.log_prior[rows] += log_family + log_metal
        for number, (name, names) in enumerate(FAMILY_PARAMETERS.items()):
            mine = rows[self.family[rows] == number]
            if mine.size == 0:
                continue
            values, density = _draw(population.families[name].parameters, names, u[mine, 2:])
            cells, extra = FAMILIES[name](self.edges_yr, values, rng)
            try:
                self.mass[mine] = normalise(cells)
            except ValueError as error:
                raise ValueError(f"family {name!r}: {error}") from error
            self.log_prior[mine] += density if extra is None else density + extra
            self.keep("sfh_", mine, values)
        for number, (name, names) in enumerate(METALLICITY_PARAMETERS.items()):
            mine = rows[self.metallicity[rows] == number]
            if mine.size == 0:
                continue
            values, density = _draw(population.metallicity[name].parameters, names, u[mine, 2 + n_family :])
            self.z[mine] = HISTORIES[name](self.mass[mine], self.edges_yr, values)
            self.log_prior[mine] += density
            self.keep("zh_", mine, values)
        nuisance, density = _draw(population.nuisance, NUISANCE_PARAMETERS, u[rows, 2 + n_family + n_metal :])
        self.log_prior[rows] += density
        self.keep("", rows, nuisance)
