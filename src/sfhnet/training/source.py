"""Where the batches of a training run come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch

from sfhnet.core.batch import Batch
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.mocks.dataset import MockBatch, Mocks
from sfhnet.mocks.noise import NoiseModel
from sfhnet.networks.linear_features import FeatureBatch
from sfhnet.tools.random_streams import torch_stream

__all__ = ["FixedMocks", "Source", "StoredMocks", "step_noise"]


def step_noise(seed: int, step: int, rank: int, *, device: torch.device | str) -> torch.Generator:
    """Return what the noise of a step is drawn with, wherever its mocks come from."""
    return torch_stream("train.noise", seed, step, rank, device=device)


class FixedMocks(Protocol):
    """Noiseless mocks that scales are set from or that are held out; those of shards are `sfhnet.mocks.dataset.Mocks`."""

    wave_aa: np.ndarray
    band_names: list[str]
    age_edges_myr: np.ndarray
    grid: TrainingGrid

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """Plain data that tells these mocks from others."""
        ...

    def get(self, index: np.ndarray) -> MockBatch:
        """Return the mocks at `index`, (n,) int, on the host."""
        ...


class Source(Protocol):
    """What `sfhnet.training.trainer.Trainer` asks of whatever makes its batches.

    The batch of a step is a pure function of the configuration, the seed, the step and the rank, so that a run can go on
    from any step. Galaxies synthesised on the fly, a bank of features or draws made on a device fit in here: a source
    gives noisy labelled spectra, or their features where the network takes these (`Network.prepared`), on the device
    that trains, and does not wait for it.
    """

    @property
    def steps_per_epoch(self) -> int:
        """Steps between two measurements of the held-out loss."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """Plain data that tells these batches from others; a checkpoint of others is not resumed."""
        ...

    def batches(self, step: int) -> Iterator[Batch | FeatureBatch]:
        """Give the batches of this step and all that follow, without end.

        Parameters
        ----------
        step : int
            Number from 0.

        Yields
        ------
        Batch or FeatureBatch
        """
        ...


class StoredMocks:
    """Mocks of shards, epoch after epoch in another order, each time with new noise.

    Parameters
    ----------
    mocks : Mocks
        Noiseless.
    noise_model : NoiseModel
        On the device that trains.
    batch, seed : int
        Mocks in a batch; seed of order and noise.
    rank, n_rank : int
        Each process gets its own share.
    """

    def __init__(
        self, mocks: Mocks, noise_model: NoiseModel, *, batch: int, seed: int, rank: int = 0, n_rank: int = 1
    ) -> None:
        self.mocks, self.noise_model, self.batch, self.seed = mocks, noise_model, batch, seed
        self.rank, self.n_rank = rank, n_rank
        self._steps = mocks.batches_per_epoch(batch, n_rank)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches that each rank gets of the mocks."""
        return self._steps

    @property
    def identity(self) -> dict[str, Any]:
        """Of the shards; order and noise follow from settings that a checkpoint holds anyway."""
        return self.mocks.identity

    def batches(self, step: int) -> Iterator[Batch]:
        """Give the batches from a step on; see `Source.batches`."""
        device = self.noise_model.device
        share = {"rank": self.rank, "n_rank": self.n_rank}
        while True:
            epoch, done = divmod(step, self._steps)
            for picked in self.mocks.epoch(epoch, self.seed, self.batch, skip=done, **share):
                generator = step_noise(self.seed, step, self.rank, device=device)
                yield picked.to(device).noisy(self.noise_model, generator)
                step += 1
