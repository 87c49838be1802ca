"""Batches of galaxies drawn while a network trains: kept as features on a CPU, new spectra in every batch on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sfhnet.config import TrainingConfig
from sfhnet.core.batch import Batch
from sfhnet.mocks.dataset import MockBatch
from sfhnet.mocks.galaxy_stream import Galaxies, GalaxyStream
from sfhnet.mocks.noise import NoiseModel
from sfhnet.networks import Network
from sfhnet.networks.linear_features import FeatureBatch
from sfhnet.tools.random_streams import torch_stream
from sfhnet.training.feature_bank import FeatureBank, batch_of
from sfhnet.training.reservoir import Plan, Reservoir
from sfhnet.training.source import step_noise

__all__ = ["DrawnMocks", "Makers", "StreamedFeatures", "StreamedGalaxies", "block_of"]

# Blocks that batches are mixed from.
N_BLOCK = 16


def block_of(training: TrainingConfig) -> int:
    """Return how many galaxies a block has, for a pool of the size that is asked for."""
    return max(1, training.pool // (N_BLOCK * training.realisations))


@dataclass(frozen=True)
class Makers:
    """Who makes the blocks to come while others are used: an executor, and how many at a time; none: nobody."""

    executor: Executor | None = None
    ahead: int = 1


def _plan(block: int, training: TrainingConfig, seed: int, *, rank: int, n_rank: int) -> Plan:
    return Plan(
        block=block,
        n_block=N_BLOCK,
        reuse=training.reuse,
        batch=training.batch,
        seed=seed,
        rank=rank,
        n_rank=n_rank,
    )


class _Streamed:
    def __init__(self, training: TrainingConfig, plan: Plan, about: dict[str, Any], makers: Makers) -> None:
        self.training, self.plan, self.makers = training, plan, makers
        self._about = about

    @property
    def steps_per_epoch(self) -> int:
        """Steps between two measurements of the held-out loss, for the number of draws that is asked for."""
        c = self.training
        return max(1, round(c.draws / (c.epochs * c.batch * self.plan.n_rank)))

    @property
    def identity(self) -> dict[str, Any]:
        """What the draws are made of, and how they are used."""
        return {**self._about, "block": self.plan.block, "n_block": N_BLOCK, "reuse": self.plan.reuse}

    def _reservoir(
        self, make: Callable[[int], dict[str, torch.Tensor]], device: torch.device | str
    ) -> Reservoir:
        makers = self.makers
        return Reservoir(make, self.plan, device=device, executor=makers.executor, ahead=makers.ahead)


class StreamedFeatures(_Streamed):
    """Noisy draws as a network sees them, each used a few times; see `sfhnet.training.source.Source`.

    Parameters
    ----------
    bank : FeatureBank
        Makes the draws.
    training : TrainingConfig
        How many, in which batches, used how often.
    seed : int
        Of their order.
    rank, n_rank : int
        Each process has blocks of its own.
    makers : Makers
        Make blocks beside the training.
    """

    def __init__(
        self,
        bank: FeatureBank,
        training: TrainingConfig,
        *,
        seed: int,
        rank: int = 0,
        n_rank: int = 1,
        makers: Makers,
    ) -> None:
        plan = _plan(bank.block_size, training, seed, rank=rank, n_rank=n_rank)
        super().__init__(training, plan, bank.identity, makers)
        self.bank = bank

    def batches(self, step: int) -> Iterator[FeatureBatch]:
        """Give the batches from a step on."""
        for draws in self._reservoir(self.bank.block, "cpu").batches(step):
            yield batch_of(draws)


class StreamedGalaxies(_Streamed):
    """Galaxies with new noise each time they are used, on the device that trains; see `sfhnet.training.source.Source`.

    Parameters
    ----------
    galaxies : GalaxyStream
        On the device.
    make : callable
        Returns a block of it by number, on the host.
    training : TrainingConfig
        As of `StreamedFeatures`; so are the others that are not named here.
    noise : NoiseModel
        On the device.
    network : Network
        What it makes of a batch before any weight comes in is done here.
    about : dict
        Plain data that tells these galaxies and this noise from others.
    """

    def __init__(
        self,
        galaxies: GalaxyStream,
        make: Callable[[int], Galaxies],
        training: TrainingConfig,
        *,
        noise: NoiseModel,
        network: Network,
        about: dict[str, Any],
        seed: int,
        rank: int = 0,
        n_rank: int = 1,
        makers: Makers,
    ) -> None:
        plan = _plan(galaxies.block_size, training, seed, rank=rank, n_rank=n_rank)
        super().__init__(training, plan, about, makers)
        self.galaxies, self.make, self.noise, self.network = galaxies, make, noise, network

    def batches(self, step: int) -> Iterator[Batch | FeatureBatch]:
        """Give the batches from a step on."""
        plan, device = self.plan, self.galaxies.synthesizer.device
        for drawn in self._reservoir(self.make, device).batches(step):
            key = (plan.seed, step, plan.rank)
            with torch.no_grad():
                clean = self.galaxies.spectra(drawn, torch_stream("train.lines", *key, device=device))
                noisy = clean.noisy(self.noise, step_noise(*key, device=device))
                prepared = self.network.prepared(noisy)
            yield prepared
            step += 1


class DrawnMocks:
    """Some galaxies of a stream, fixed, in place of shards: those that scales are set from, and those held out.

    Parameters
    ----------
    galaxies : GalaxyStream
    first : int
        Number of the block that they begin with.
    n : int
        How many.
    """

    def __init__(self, galaxies: GalaxyStream, first: int, n: int) -> None:
        self.wave_aa, self.band_names, self.grid = galaxies.wave_aa, galaxies.band_names, galaxies.grid
        self.age_edges_myr = galaxies.age_edges_myr
        self.identity: dict[str, Any] = {"first": first, "n": n, "block": galaxies.block_size}
        device = galaxies.synthesizer.device
        whole: MockBatch | None = None
        for start in range(0, n, galaxies.block_size):
            number = first + start // galaxies.block_size
            rows = slice(start, min(start + galaxies.block_size, n))
            some = {name: v[: rows.stop - start].to(device) for name, v in galaxies.block(number).items()}
            with torch.no_grad():
                piece = galaxies.spectra(some, galaxies.line_generator(number)).to("cpu")
            whole = piece.empty(n) if whole is None else whole
            whole.put(rows, piece)
        if whole is None:
            raise ValueError(f"{n} galaxies asked for; give at least 1")
        self._mocks = whole

    def __len__(self) -> int:
        return len(self._mocks)

    def get(self, index: np.ndarray) -> MockBatch:
        """Return the mocks at `index`, (n,) int."""
        return self._mocks.take(torch.from_numpy(np.asarray(index, dtype=np.int64)))
