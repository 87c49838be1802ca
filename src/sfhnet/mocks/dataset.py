"""Mocks in random order, the same order whether they fit in memory or are read from shards piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfhnet.core.batch import Batch
from sfhnet.core.quantities import DUST_AND_LINES, LEARNED
from sfhnet.mocks.noise import Lines, NoiseModel
from sfhnet.mocks.shard_set import ShardSet
from sfhnet.tools.random_streams import stream

__all__ = ["MockBatch", "Mocks"]

# Galaxies read in one go into memory that keeps them all.
_PIECE = 8192

# Galaxies read in one go otherwise; a pool of several such pieces is shuffled together.
_CHUNK = 512
_POOL_CHUNKS = 16


@dataclass(frozen=True)
class MockBatch:
    """Noiseless mocks: flux (n, n_wave), band_flux (n, n_band), labels, family (n,), lines if the shards hold them."""

    flux: Tensor
    band_flux: Tensor
    labels: dict[str, Tensor]
    family: Tensor
    lines: Lines | None

    def __len__(self) -> int:
        return len(self.flux)

    def to(self, device: torch.device | str) -> MockBatch:
        """Move to a device."""
        lines = (
            None if self.lines is None else Lines(self.lines.flux.to(device), self.lines.profile.to(device))
        )
        return MockBatch(
            self.flux.to(device),
            self.band_flux.to(device),
            {name: value.to(device) for name, value in self.labels.items()},
            self.family.to(device),
            lines,
        )

    def _tensors(self) -> dict[str, Tensor]:
        own = {"flux": self.flux, "band_flux": self.band_flux, "family": self.family, **self.labels}
        return own if self.lines is None else {**own, "lines": self.lines.flux}

    def empty(self, n: int) -> MockBatch:
        """Return room for n mocks like these."""
        room = {name: value.new_empty(n, *value.shape[1:]) for name, value in self._tensors().items()}
        lines = None if self.lines is None else Lines(room.pop("lines"), self.lines.profile)
        flux, band_flux, family = (room.pop(name) for name in ("flux", "band_flux", "family"))
        return MockBatch(flux, band_flux, room, family, lines)

    def put(self, rows: slice, piece: MockBatch) -> None:
        """Copy a piece into these rows.

        Parameters
        ----------
        rows : slice
            Where to.
        piece : MockBatch
            As many mocks as there are rows.
        """
        for room, value in zip(self._tensors().values(), piece._tensors().values(), strict=True):
            room[rows] = value

    def take(self, index: Tensor) -> MockBatch:
        """Return some of the mocks."""
        lines = None if self.lines is None else Lines(self.lines.flux[index], self.lines.profile)
        return MockBatch(
            self.flux[index],
            self.band_flux[index],
            {name: value[index] for name, value in self.labels.items()},
            self.family[index],
            lines,
        )

    def noisy(self, noise: NoiseModel, generator: torch.Generator, *, snr: float | None = None) -> Batch:
        """Draw one noisy realisation of each mock.

        Parameters
        ----------
        noise : NoiseModel
            On the device of the mocks.
        generator : torch.Generator
            Source of all randomness, on that device.
        snr : float, optional
            Median S/N per pixel for all; drawn from the range otherwise.

        Returns
        -------
        Batch
            With labels.
        """
        return noise(self.flux, self.band_flux, generator, labels=self.labels, lines=self.lines, snr=snr)


class Mocks:
    """Mocks of one or more shards.

    Parameters
    ----------
    paths : sequence of Path
        Files of `sfhnet.mocks.shards`.
    cache_gb : float
        Keep everything in memory if it takes no more than this; read pieces from disk otherwise.
    """

    def __init__(self, paths: Sequence[Path], cache_gb: float = 4.0) -> None:
        if not paths:
            raise ValueError("no shards given; name at least one file of results/synthesis")
        self.shards = ShardSet([Path(path) for path in paths])
        self.wave_aa = np.asarray(self.shards.wave_aa, dtype=np.float64)
        self.grid = self.shards.grid
        self.band_names = [str(name) for name in self.shards.band_names]
        self.age_edges_myr = np.asarray(self.shards.age_edges_myr, dtype=np.float64)
        self.n = int(self.shards.n)
        profile = np.asarray(self.shards.line_profile)
        # Lines outside the range (their bands see them) have nothing to scatter in the spectrum.
        self._line_rows = np.flatnonzero(profile.any(axis=1)) if profile.size else np.zeros(0, dtype=np.int64)
        self._line_profile = _tensor(profile[self._line_rows])
        self._cached: MockBatch | None = None
        if 4e-9 * self.n * len(self.wave_aa) <= cache_gb:
            self._cached = self._load_all()

    def __len__(self) -> int:
        return self.n

    @property
    def identity(self) -> dict[str, Any]:
        """What tells these mocks from others; see `ShardSet`."""
        return dict(self.shards.identity)

    def _load(self, index: np.ndarray) -> MockBatch:
        raw = self.shards.batch(index)
        labels = raw["labels"]
        lines = None
        if self._line_rows.size and "line_flux" in raw:
            lines = Lines(_tensor(raw["line_flux"][:, self._line_rows]), self._line_profile)
        return MockBatch(
            flux=_tensor(raw["flux"]),
            band_flux=_tensor(raw["band_flux"]),
            labels={
                **{name: _tensor(labels[name]) for name in LEARNED},
                **{name: _tensor(raw["parameters"][name]) for name in DUST_AND_LINES},
            },
            family=torch.from_numpy(np.asarray(raw["family"]).astype(np.int64)),
            lines=lines,
        )

    def _load_all(self) -> MockBatch:
        # Piece by piece into place: joining pieces afterwards would take the memory of all of them twice.
        piece = self._load(np.arange(min(_PIECE, self.n)))
        whole = piece.empty(self.n)
        whole.put(slice(len(piece)), piece)
        for start in range(_PIECE, self.n, _PIECE):
            piece = self._load(np.arange(start, min(start + _PIECE, self.n)))
            whole.put(slice(start, start + len(piece)), piece)
        return whole

    def get(self, index: np.ndarray) -> MockBatch:
        """Return the mocks at `index`, (n,) int."""
        if self._cached is not None:
            return self._cached.take(torch.from_numpy(np.asarray(index, dtype=np.int64)))
        return self._load(np.asarray(index))

    def batches_per_epoch(self, batch_size: int, n_rank: int = 1) -> int:
        """Return the number of full batches each rank gets in an epoch.

        Parameters
        ----------
        batch_size : int
            Mocks in a batch.
        n_rank : int
            Processes that share an epoch.

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If there is not one.
        """
        n = self.n // n_rank // batch_size
        if n == 0:
            raise ValueError(
                f"{self.n} mocks for {n_rank} ranks give no batch of {batch_size}; lower training.batch"
            )
        return n

    def epoch(
        self, epoch: int, seed: int, batch_size: int, *, skip: int = 0, rank: int = 0, n_rank: int = 1
    ) -> Iterator[MockBatch]:
        """Go once through the mocks in an order that only `seed` and `epoch` decide.

        Parameters
        ----------
        epoch, seed : int
            Which order.
        batch_size : int
            Mocks in a batch; the incomplete last one is left out.
        skip : int
            Batches to pass over without reading, to resume within an epoch.
        rank, n_rank : int
            Every rank gets its own share.

        Yields
        ------
        MockBatch
            `batch_size` mocks.
        """
        order = self.order(epoch, seed)
        total = self.batches_per_epoch(batch_size, n_rank)
        share = order[rank::n_rank]
        if self._cached is not None:
            for number in range(skip, total):
                yield self.get(share[number * batch_size : (number + 1) * batch_size])
            return
        per_pool = max(1, _POOL_CHUNKS * _CHUNK // batch_size)
        number = skip
        while number < total:
            last = min(total, (number // per_pool + 1) * per_pool)
            wanted = share[number * batch_size : last * batch_size]
            # Sorted reading is sequential on disk; the shuffled order is restored in memory.
            inverse = np.argsort(np.argsort(wanted, kind="stable"), kind="stable")
            pool = self._load(np.sort(wanted))
            for start in range(0, len(wanted), batch_size):
                yield pool.take(torch.from_numpy(inverse[start : start + batch_size]))
            number = last

    def order(self, epoch: int, seed: int) -> np.ndarray:
        """Return the order of an epoch: pieces shuffled, then shuffled within pools of pieces.

        Parameters
        ----------
        epoch, seed : int
            They alone decide.

        Returns
        -------
        ndarray of int (n,)
            Numbers of the mocks.
        """
        rng = stream("train.order", seed, epoch)
        chunks = [np.arange(start, min(start + _CHUNK, self.n)) for start in range(0, self.n, _CHUNK)]
        mixed = [chunks[k] for k in rng.permutation(len(chunks))]
        pools = [np.concatenate(mixed[k : k + _POOL_CHUNKS]) for k in range(0, len(mixed), _POOL_CHUNKS)]
        return np.concatenate([rng.permutation(pool) for pool in pools])


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
