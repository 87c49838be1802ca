"""From a prior shard to a shard of galaxies: the fast synthesis and the labels, in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
import torch
from torch import Tensor

from pyprospect.constants import C_KMS
from pyprospect.fast.node_weights import INSTRUMENT_KMS
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.gas.continuum import continuum_for
from pyprospect.gas.ionizing_light import halpha_from_ionizing_photons, library_ionizing_photons
from pyprospect.gas.line_grids import HYDROGEN
from pyprospect.gas.ratios import LineRatios
from pyprospect.stars.library import SSPLibrary
from sfhnet.config.prior_names import (
    EMISSION_PARAMETERS,
    FAMILY_NAMES,
    METALLICITY_PARAMETERS,
    NUISANCE_PARAMETERS,
)
from sfhnet.core.quantities import DUST, LABELS
from sfhnet.core.training_grid import INSTRUMENTS, grid_wave_aa, training_grid
from sfhnet.mocks.dust_emission import draw_dust_emission, dust_templates
from sfhnet.mocks.galaxy_library import GalaxyLibrary
from sfhnet.mocks.labels import Labeller
from sfhnet.mocks.library_mix import draw_library_mix
from sfhnet.priors.sample import PriorSample
from sfhnet.tools.progress import Progress
from sfhnet.tools.random_streams import stream

if TYPE_CHECKING:
    from sfhnet.config import Config

BLOCK = 512


class SynthesizerInputs(TypedDict, total=False):
    """Keywords of `pyprospect.fast.synthesizer.Synthesizer`, each (n,) or one number."""

    tau_birth: Tensor | float
    tau_screen: Tensor | float
    pow_birth: Tensor | float
    pow_screen: Tensor | float
    bump: Tensor | float
    log_u: Tensor | float
    line_scale: Tensor | float
    line_mix: Tensor | float
    diffuse_ew_aa: Tensor | float
    veldisp_kms: Tensor | float
    lsf_scale: Tensor | float
    redshift: Tensor | float
    birth_age_yr: Tensor | float
    alpha_sf_birth: Tensor | float
    alpha_sf_screen: Tensor | float


def dispersion_nodes_kms(low_kms: float, high_kms: float) -> tuple[float, ...]:
    """Return dispersions between which spectra can be interpolated: more, and closer, the wider the range.

    Parameters
    ----------
    low_kms, high_kms : float
        Ends of the range, km/s.

    Returns
    -------
    tuple of float
        Ascending; one if the ends are the same. 5 from 60 to 220 km/s, 7 from 20 to 350: lines are right to 0.3 % of their
        depth.
    """
    if low_kms == high_kms:
        return (low_kms,)
    low, high = (np.log(v**2 + INSTRUMENT_KMS**2) for v in (low_kms, high_kms))
    n = int(np.ceil(2 + 1.5 * (high - low)))
    x = 0.5 * (1 - np.cos(np.pi * np.arange(n) / (n - 1)))
    inner = np.sqrt(np.exp(low + (high - low) * x[1:-1]) - INSTRUMENT_KMS**2)
    return (low_kms, *inner.tolist(), high_kms)


def _nodes(drawn_from: tuple[float, float], n: int = 5) -> tuple[float, ...]:
    low, high = drawn_from
    if not np.isfinite([low, high]).all():
        raise ValueError(f"a prior that runs {low} .. {high} cannot be tabulated; give it low and high")
    return (low,) if low == high else tuple(np.linspace(low, high, n))


def make_synthesizer(
    config: Config,
    library: SSPLibrary,
    bands: Mapping[str, Any],
    *,
    lines: LineRatios | None,
    **options: Any,
) -> Synthesizer:
    """Build the synthesizer that a configuration asks for.

    Parameters
    ----------
    config : Config
    library : SSPLibrary
    bands : mapping
        Band name -> curve, at least those of ``config.bands``.
    lines : LineRatios, optional
    **options
        For `Synthesizer` (dtype, device).

    Returns
    -------
    Synthesizer

    Raises
    ------
    ValueError
        If a band is missing, or library, grid, age bins and bands do not fit together.
    """
    missing = [name for name in config.bands if name not in bands]
    if missing:
        raise ValueError(f"no filter curves for {missing}; found {sorted(bands)}")
    top_myr = config.age_bins_myr[-1]
    if library.age_edges_yr[-1] < top_myr * 1e6:
        raise ValueError(
            f"age bins reach {top_myr:g} Myr, the SSP library {library.name!r} only "
            f"{library.age_edges_yr[-1] / 1e6:g} Myr; lower the last of age_bins_myr or build a library with older SSPs"
        )
    if config.synthesis.halpha == "photons" and "halpha_lsol_per_msol" not in options:
        options["halpha_lsol_per_msol"] = halpha_of_photons(library)
    prior, birth_age_yr = config.prior, config.synthesis.birth_age_myr * 1e6
    first, last = prior.drawn_from("birth_age_scale")
    return Synthesizer(
        library,
        grid_wave_aa(config.grid),
        variants=config.synthesis.library_mixture.variants,
        lsf_fwhm_aa=INSTRUMENTS[config.grid.lsf],
        veldisp_kms=dispersion_nodes_kms(
            *(config.grid.veldisp_kms * v for v in prior.drawn_from("veldisp_scale"))
        ),
        lsf_scale=_nodes(prior.drawn_from("lsf_scale"), n=3),
        # Five: between three, a strong line on the foot of a curve ([SIII] 9531 in F814W) is off by up to 0.005 mag.
        redshift=_nodes(prior.drawn_from("redshift")),
        bands={name: bands[name] for name in config.bands},
        lines=lines,
        continuum=continuum_for(library) if config.synthesis.nebular_continuum else None,
        birth_age_yr=birth_age_yr,
        dust_templates=dust_templates(config),
        # Around its own age, with which the forward model is run.
        birth_age_range_yr=(min(first, 1.0) * birth_age_yr, max(last, 1.0) * birth_age_yr),
        **{"compression": config.synthesis.basis_tolerance, **options},
    )


def halpha_of_photons(library: SSPLibrary) -> np.ndarray:
    """Return the Halpha luminosity that each SSP's own ionising photons give, all of them absorbed by gas.

    Parameters
    ----------
    library : SSPLibrary

    Returns
    -------
    ndarray (n_z, n_age)
        Lsol per Msol formed.

    Raises
    ------
    ValueError
        If the library has no ionising light and notes none.
    """
    try:
        photons = library_ionizing_photons(library)
    except ValueError as error:
        raise ValueError(
            f"SSP library {library.name!r} has no count of ionising photons ({error}); build it again with this version "
            "(scripts/build_ssp.py), or set synthesis.halpha: sfr"
        ) from error
    return photons * halpha_from_ionizing_photons(1.0)


def gas_log_u(z_gas: Tensor, offset: Tensor | float) -> Tensor:
    """Return the ionisation parameter of HII regions: q = 2.8e7 (Z / 0.012)**-1.3 cm/s (Orsi et al. 2014), U = q / c.

    Parameters
    ----------
    z_gas : Tensor (n,)
        Metal mass fraction of the gas.
    offset : Tensor (n,) or float
        Distance from that relation in dex.

    Returns
    -------
    Tensor (n,)
        log10 of U.
    """
    return float(np.log10(2.8e7 / (C_KMS * 1e5))) - 1.3 * torch.log10(z_gas / 0.012) + offset


def synthesizer_inputs(
    parameters: Mapping[str, Tensor | float],
    z_gas: Tensor,
    veldisp_kms: float | None = None,
    *,
    birth_age_yr: float | None = None,
) -> SynthesizerInputs:
    """Return the keyword arguments of a synthesizer for the parameters that priors draw.

    Parameters
    ----------
    parameters : mapping of Tensor (n,) or float
        Of `NUISANCE_PARAMETERS`: dust and lines, ``veldisp_scale``, ``lsf_scale``, ``redshift``, ``birth_age_scale``. What is
        missing keeps the synthesizer's own value; what has another name is passed over.
    z_gas : Tensor (n,)
        Metal mass fraction of the gas.
    veldisp_kms : float, optional
        Velocity dispersion that ``veldisp_scale`` is a factor on.
    birth_age_yr : float, optional
        Age of birth clouds that ``birth_age_scale`` is a factor on.

    Returns
    -------
    dict
        For `pyprospect.fast.synthesizer.Synthesizer`.

    Raises
    ------
    ValueError
        If there is a ``veldisp_scale`` or ``birth_age_scale`` and nothing that it is a factor on.
    """
    same = (*DUST, "line_mix", "diffuse_ew_aa", "lsf_scale", "redshift", "alpha_sf_birth", "alpha_sf_screen")
    own = {name: parameters[name] for name in same if name in parameters}
    # The table of quantities names dust as the synthesizer does, which no type can say.
    inputs = cast("SynthesizerInputs", own)
    inputs["log_u"] = gas_log_u(z_gas, parameters.get("log_u_offset", 0.0))
    if "log_line_scale" in parameters:
        inputs["line_scale"] = 10.0 ** parameters["log_line_scale"]
    if "veldisp_scale" in parameters:
        if veldisp_kms is None:
            raise ValueError(
                "veldisp_scale is a factor on the training spectra's dispersion; give veldisp_kms"
            )
        inputs["veldisp_kms"] = parameters["veldisp_scale"] * veldisp_kms
    if "birth_age_scale" in parameters:
        if birth_age_yr is None:
            raise ValueError("birth_age_scale is a factor on the age of birth clouds; give birth_age_yr")
        inputs["birth_age_yr"] = parameters["birth_age_scale"] * birth_age_yr
    return inputs


def _line_scatter(drawn: PriorSample, lines: LineRatios | None, seed: int, shard: int) -> np.ndarray | None:
    width, common = (drawn.parameters[name] for name in ("line_scatter_dex", "metal_line_dex"))
    if lines is None or not (np.any(width > 0) or np.any(common)):
        return None
    rng = stream("synthesis.line_scatter", seed, shard)
    steps = rng.standard_normal((drawn.n, len(lines.names)), dtype=np.float32) * width[:, None]
    steps += common[:, None]
    # ratios of hydrogen lines are atomic physics and do not scatter with the gas
    steps[:, [HYDROGEN.fullmatch(name) is not None for name in lines.names]] = 0.0
    return 10.0**steps


def synthesize(
    synthesizer: Synthesizer,
    drawn: PriorSample,
    config: Config,
    *,
    shard: int,
    threads: int | None = None,
    with_labels: bool = True,
    progress: bool = True,
) -> GalaxyLibrary:
    """Turn drawn histories into galaxies; the result does not depend on the number of threads.

    Parameters
    ----------
    synthesizer : Synthesizer
        From `make_synthesizer`.
    drawn : PriorSample
    config : Config
    shard : int
        Seeds the scatter of the line ratios.
    threads : int, optional
        Default: torch's.
    with_labels : bool
        False leaves the labels out (benchmarks).
    progress : bool
        Show progress.

    Returns
    -------
    GalaxyLibrary

    Raises
    ------
    ValueError
        If the histories cannot be synthesised.
    """
    n = drawn.n
    room = _Room.of(n, synthesizer)
    labeller = Labeller(synthesizer, drawn.edges_yr, np.asarray(config.age_bins_myr) * 1e6)
    scatter = _line_scatter(drawn, synthesizer.lines, config.seed, shard)
    mix = draw_library_mix(config.synthesis.library_mixture, n, seed=config.seed, shard=shard)
    warmth = draw_dust_emission(config, n, seed=config.seed, shard=shard)
    drawn = replace(drawn, parameters={**drawn.parameters, **warmth})

    def work(start: int) -> tuple[int, dict[str, Tensor]]:
        rows = slice(start, min(start + BLOCK, n))
        with torch.no_grad():
            block = histories_of(drawn, rows, labeller, mix=mix)
            _fill(room, rows, block, synthesizer, config, None if scatter is None else scatter[rows])
            return start, labels_of(labeller, block, config) if with_labels else {}

    for start, found in _threaded(work, range(0, n, BLOCK), threads or torch.get_num_threads(), n, progress):
        room.keep_labels(start, found)
    return _galaxies(room, synthesizer, drawn, config, mix)


@dataclass(frozen=True)
class _Room:
    """Where blocks of galaxies are put: spectra, band fluxes, line fluxes, labels."""

    flux: Tensor  # (n, n_wave)
    band_flux: Tensor  # (n, n_band)
    line_flux: Tensor  # (n, n_line)
    labels: dict[str, np.ndarray]

    @classmethod
    def of(cls, n: int, synthesizer: Synthesizer) -> _Room:
        widths = synthesizer.wave_aa.size, len(synthesizer.band_names), synthesizer.n_line
        flux, band_flux, line_flux = (torch.empty(n, width, dtype=torch.float32) for width in widths)
        return cls(flux, band_flux, line_flux, {})

    def keep_labels(self, start: int, found: Mapping[str, Tensor]) -> None:
        for name, values in found.items():
            if name not in self.labels:
                self.labels[name] = np.empty((len(self.flux), *values.shape[1:]), dtype=np.float32)
            self.labels[name][start : start + len(values)] = values.numpy()


@dataclass(frozen=True)
class Histories:
    """Some of the drawn galaxies as tensors: histories on the age grid and in the library's bins, parameters."""

    mass: Tensor  # (n, n_cell)
    z: Tensor  # (n, n_cell)
    ssp_mass: Tensor  # (n, n_age)
    ssp_z: Tensor  # (n, n_age)
    parameters: dict[str, Tensor]  # (n,)
    library_mix: Tensor | None  # (n, n_variant)


def histories_of(
    drawn: PriorSample, rows: slice, labeller: Labeller, *, mix: np.ndarray | None = None
) -> Histories:
    """Return some of the drawn galaxies as tensors; `mix` (n, n_variant) holds the libraries of all of them."""
    mass, z = torch.from_numpy(drawn.mass[rows]), torch.from_numpy(drawn.z[rows])
    parameters = {
        name: torch.from_numpy(np.ascontiguousarray(drawn.parameters[name][rows], dtype=np.float64))
        for name in (*NUISANCE_PARAMETERS, *EMISSION_PARAMETERS)
        if name in drawn.parameters
    }
    library_mix = None if mix is None else torch.from_numpy(mix[rows])
    return Histories(mass, z, *labeller.ssp(mass, z), parameters, library_mix)


def forward_inputs(block: Histories, config: Config) -> SynthesizerInputs:
    """Return the keyword arguments of the configuration's synthesizer for drawn galaxies."""
    return synthesizer_inputs(
        block.parameters,
        block.ssp_z[:, 0],
        config.grid.veldisp_kms,
        birth_age_yr=1e6 * config.synthesis.birth_age_myr,
    )


def _fill(
    room: _Room,
    rows: slice,
    block: Histories,
    synthesizer: Synthesizer,
    config: Config,
    scatter: np.ndarray | None,
) -> None:
    result = synthesizer(
        block.ssp_mass,
        block.ssp_z,
        **forward_inputs(block, config),
        library_mix=block.library_mix,
        line_scatter=None if scatter is None else torch.from_numpy(scatter),
        block=BLOCK,
        threads=1,
        out=room.flux[rows],
    )
    room.band_flux[rows], room.line_flux[rows] = result.band_flux, result.line_flux


def labels_of(labeller: Labeller, block: Histories, config: Config) -> dict[str, Tensor]:
    """Return the labels of drawn galaxies."""
    return labeller(
        block.mass,
        block.z,
        ssp_mass=block.ssp_mass,
        ssp_z=block.ssp_z,
        **{name: block.parameters[name] for name in ("tau_birth", "tau_screen", "bump")},
        birth_age_yr=1e6 * config.synthesis.birth_age_myr * block.parameters["birth_age_scale"],
        library_mix=block.library_mix,
    )


def _galaxies(
    room: _Room, synthesizer: Synthesizer, drawn: PriorSample, config: Config, mix: np.ndarray | None
) -> GalaxyLibrary:
    columns = (
        {} if mix is None else {f"library_{name}": mix[:, k] for k, name in enumerate(synthesizer.variants)}
    )
    grid = training_grid(config.grid, synthesizer.library)
    return GalaxyLibrary(
        wave_aa=synthesizer.wave_aa,
        training_sigma_aa=grid.sigma_aa,
        resolution=grid.made_of,
        band_names=synthesizer.band_names,
        age_bins_myr=np.asarray(config.age_bins_myr, dtype=np.float64),
        cum_age_yr=drawn.edges_yr,
        flux=room.flux.numpy(),
        band_flux=room.band_flux.numpy(),
        line_names=() if synthesizer.lines is None else tuple(synthesizer.lines.names),
        line_flux=room.line_flux.numpy(),
        line_profile=synthesizer.line_profiles.astype(np.float32),
        labels={name: room.labels[name] for name in LABELS if name in room.labels},
        parameters={**drawn.parameters, **columns},
        family=drawn.family,
        metallicity=drawn.metallicity,
        family_names=FAMILY_NAMES,
        metallicity_names=tuple(METALLICITY_PARAMETERS),
        log_prior=drawn.log_prior,
    )


def _threaded(
    work: Callable[[int], tuple[int, dict[str, Tensor]]], starts: range, threads: int, n: int, progress: bool
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Blocks on a pool of threads, each with single-threaded products: no result depends on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            if not progress:
                yield from pool.map(work, starts)
                return
            with Progress(n, "synthesising", "galaxies") as bar:
                for start, found in pool.map(work, starts):
                    bar.update(min(starts.step, n - start))
                    yield start, found
    finally:
        torch.set_num_threads(before)


def line_range_aa(config: Config, bands: Mapping[str, Any]) -> tuple[float, float]:
    """Return the first and last wavelength at which an emission line matters to spectra or bands.

    Parameters
    ----------
    config : Config
        Its training grid counts.
    bands : mapping of str to Filter
        Their curves count.

    Returns
    -------
    low_aa, high_aa : float
        Angstrom.
    """
    wave = grid_wave_aa(config.grid)
    reach = [curve.support_aa for curve in bands.values()]
    return min([wave[0], *(low for low, _ in reach)]), max([wave[-1], *(high for _, high in reach)])
