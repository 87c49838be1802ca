"""Galaxies drawn from the prior while a network trains on them, block after block, each block new.

A block is a pure function of (configuration, seed, number of the block), as a shard is: histories, dust, lines and labels
are made by the same code on the host. Spectra are made of them where the network is, from the block or from any mixture of
blocks, and nothing there waits for the device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.gas.line_grids import HYDROGEN
from sfhnet.core.quantities import DUST_AND_LINES, LEARNED
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.mocks.dataset import MockBatch
from sfhnet.mocks.dust_emission import draw_dust_emission
from sfhnet.mocks.labels import Labeller
from sfhnet.mocks.library_mix import draw_library_mix
from sfhnet.mocks.noise import Lines
from sfhnet.mocks.sums import added_up
from sfhnet.mocks.synthesize import BLOCK, forward_inputs, histories_of, labels_of
from sfhnet.priors.age_grid import fine_edges_yr
from sfhnet.priors.sample import sample
from sfhnet.tools.random_streams import stream_seed, torch_stream

if TYPE_CHECKING:
    from sfhnet.config import Config

__all__ = ["FIT_BLOCK", "HELD_OUT_BLOCK", "Galaxies", "GalaxyStream"]

Galaxies = dict[str, Tensor]
"""Galaxies before their spectra are made, all (n, ...) float32: ``mass`` and ``z`` in the ages of the library, ``family``,
``scatter`` and ``metal`` in dex of the ratios of lines, ``input.NAME`` of the synthesizer, ``label.NAME``."""

# Blocks that no training reaches: for the scales of a network, and held out.
FIT_BLOCK, HELD_OUT_BLOCK = 2**31, 2**31 + 2**16


class GalaxyStream:
    """An endless sequence of blocks of galaxies.

    Parameters
    ----------
    config : Config
        The prior, the age bins and the seed decide what is drawn.
    synthesizer : Synthesizer
        Of `sfhnet.mocks.synthesize.make_synthesizer`, on the device where spectra are wanted.
    grid : TrainingGrid
        Of the spectra.
    block : int
        Galaxies of a block; a power of two keeps the balance of the Sobol sequence.
    """

    def __init__(
        self, config: Config, synthesizer: Synthesizer, grid: TrainingGrid, *, block: int = 4096
    ) -> None:
        self.config, self.synthesizer, self.grid, self.block_size = config, synthesizer, grid, block
        self.wave_aa = np.asarray(synthesizer.wave_aa, dtype=np.float64)
        self.band_names = [str(name) for name in synthesizer.band_names]
        self.age_edges_myr = np.asarray(config.age_bins_myr, dtype=np.float64)
        bins_yr = self.age_edges_myr * 1e6
        self._edges_yr = fine_edges_yr(float(bins_yr[-1]), config.prior.n_per_dex, bins_yr)
        self._labeller = Labeller(synthesizer, self._edges_yr, bins_yr)
        names = () if synthesizer.lines is None else synthesizer.lines.names
        self._scatters = torch.tensor(
            [HYDROGEN.fullmatch(name) is None for name in names], device=synthesizer.device
        )
        profile = np.asarray(synthesizer.line_profiles, dtype=np.float32)
        # Lines outside the range have nothing to scatter in the spectrum.
        rows = np.flatnonzero(profile.any(axis=1))
        self._line_rows = torch.as_tensor(rows, device=synthesizer.device)
        self._line_profile = torch.as_tensor(profile[rows], device=synthesizer.device)

    def block(self, number: int) -> Galaxies:
        """Return the galaxies of a block, on the host.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        Galaxies

        Raises
        ------
        ValueError
            If the prior draws what cannot be synthesised; names block and value.
        """
        config = self.config
        # Sobol sequences of their own: stretches of the shards' sequence would hold the galaxies held out.
        seed, n = stream_seed("stream.galaxies", config.seed, number), self.block_size
        drawn = sample(config.prior, n, seed, shard=0, age_bins_yr=self.age_edges_myr * 1e6)
        mix = draw_library_mix(config.synthesis.library_mixture, n, seed=seed, shard=0)
        warmth = draw_dust_emission(config, n, seed=seed, shard=0)
        drawn = replace(drawn, parameters={**drawn.parameters, **warmth})
        parts = []
        with torch.no_grad():
            for start in range(0, drawn.n, BLOCK):
                histories = histories_of(drawn, slice(start, start + BLOCK), self._labeller, mix=mix)
                own = histories.parameters
                labels = labels_of(self._labeller, histories, config)
                labels.pop("mass_fraction_surviving", None)
                made: dict[str, Any] = {"mass": histories.ssp_mass, "z": histories.ssp_z}
                made |= {"scatter": own["line_scatter_dex"], "metal": own["metal_line_dex"]}
                made |= {f"input.{name}": value for name, value in forward_inputs(histories, config).items()}
                if histories.library_mix is not None:
                    made["input.library_mix"] = histories.library_mix
                # Those that are not learnt say how sums of galaxies come out.
                made |= {f"label.{name}": value for name, value in labels.items()}
                made |= {f"label.{name}": own[name] for name in DUST_AND_LINES}
                parts.append({name: value.float() for name, value in made.items()})
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        whole["family"] = torch.from_numpy(drawn.family).float()
        for name, value in whole.items():
            if not bool(torch.isfinite(value).all()):
                raise ValueError(
                    f"block {number} of the stream has {name} that is not finite; narrow the prior that it comes from"
                )
        return whole

    def line_generator(self, number: int) -> torch.Generator:
        """Return what the line ratios and sums of a whole block are drawn with, on the synthesizer's device."""
        return torch_stream("stream.lines", self.config.seed, number, 0, device=self.synthesizer.device)

    def spectra(self, galaxies: Galaxies, generator: torch.Generator) -> MockBatch:
        """Return the noiseless spectra and band fluxes of galaxies, some of them added up, on the synthesizer's device.

        Parameters
        ----------
        galaxies : Galaxies
            Some of any blocks, in random order, on that device.
        generator : torch.Generator
            Of the scatter of line ratios and of the choice of sums, on that device.

        Returns
        -------
        MockBatch
        """
        inputs = _named(galaxies, "input.")
        if len(self._scatters):
            normal = torch.randn(
                len(galaxies["mass"]), len(self._scatters), generator=generator, device=self._scatters.device
            )
            dex = galaxies["scatter"][:, None] * normal + galaxies["metal"][:, None]
            # Ratios of hydrogen lines are atomic physics and do not scatter with the gas.
            inputs["line_scatter"] = torch.where(self._scatters, 10.0**dex, 1.0)
        made = self.synthesizer.of_checked(galaxies["mass"], galaxies["z"], **inputs)
        lines = None
        if len(self._line_rows):
            lines = Lines(made.line_flux.index_select(1, self._line_rows), self._line_profile)
        family = galaxies["family"].to(torch.int64)
        single = MockBatch(made.flux, made.band_flux, _named(galaxies, "label."), family, lines)
        mocks = added_up(single, self.config.synthesis.sums, self._edges_yr, generator=generator)
        return replace(mocks, labels={name: mocks.labels[name] for name in (*LEARNED, *DUST_AND_LINES)})


def _named(galaxies: Galaxies, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in galaxies.items() if name.startswith(prefix)}
