"""The last blocks of an endless sequence of draws, mixed, each draw used a few times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sfhnet.tools.random_streams import stream

__all__ = ["Draws", "Plan", "Reservoir"]

Draws = dict[str, Tensor]
"""Draws by name, all (n, ...)."""


@dataclass(frozen=True)
class Plan:
    """How draws are used.

    Parameters
    ----------
    block : int
        Draws of a block.
    n_block : int
        Blocks that are at hand at a time: the pool that a batch is mixed from.
    reuse : float
        How often a draw is used, on average over the sequence.
    batch : int
        Draws of a step.
    seed : int
        Decides the order.
    rank, n_rank : int
        Which of the processes that share the sequence: each has blocks of its own.

    Notes
    -----
    A generation is the steps between two blocks. In each, all blocks at hand give as many draws, each block its own ones
    in turn; while the first blocks come in they are used more often. Which draws a step has is a function of the plan and
    the number of the step alone.
    """

    block: int
    n_block: int
    reuse: float
    batch: int
    seed: int
    rank: int = 0
    n_rank: int = 1

    def __post_init__(self) -> None:
        if self.block < 1 or self.n_block < 1 or self.batch < 1 or not self.reuse > 0:
            raise ValueError(
                f"a reservoir of {self.n_block} blocks of {self.block} draws, used {self.reuse} times in batches of "
                f"{self.batch}: all of these must be above zero"
            )

    @property
    def steps(self) -> int:
        """Steps of a generation."""
        return max(1, round(self.reuse * self.block / self.batch))

    def at_hand(self, generation: int) -> range:
        """Return the blocks of a generation, numbers of this process."""
        return range(max(0, generation - self.n_block + 1), generation + 1)

    def number(self, block: int) -> int:
        """Return the number in the common sequence of a block of this process."""
        return block * self.n_rank + self.rank

    def _share(self, generation: int, block: int) -> int:
        blocks = self.at_hand(generation)
        whole, rest = divmod(self.steps * self.batch, len(blocks))
        return whole + (block - blocks.start < rest)

    def order(self, generation: int) -> np.ndarray:
        """Return the rows of the pool that the steps of a generation take, (steps, batch) int64.

        Block b lies in the pool from row ``(b % n_block) * block`` on.
        """
        rows = []
        for block in self.at_hand(generation):
            used = sum(self._share(earlier, block) for earlier in range(block, generation))
            turn = np.arange(used, used + self._share(generation, block))
            passes, place = np.divmod(turn, self.block)
            for number in np.unique(passes):
                rng = stream("stream.order", self.seed, self.number(block), int(number))
                chosen = rng.permutation(self.block)[place[passes == number]]
                rows.append(block % self.n_block * self.block + chosen)
        mixed = stream("stream.mixed", self.seed, generation, self.rank).permutation(np.concatenate(rows))
        return mixed.reshape(self.steps, self.batch)


class Reservoir:
    """Batches of draws in the order of a plan.

    Parameters
    ----------
    make : callable
        Returns the draws of a block, on the host, from its number alone.
    plan : Plan
        How they are used.
    device : torch.device or str
        Where batches are.
    executor : Executor, optional
        Makes the blocks to come while others are used. Without one each is made when it is needed.
    ahead : int
        How many blocks the executor makes at a time.
    """

    def __init__(
        self,
        make: Callable[[int], Draws],
        plan: Plan,
        *,
        device: torch.device | str = "cpu",
        executor: Executor | None = None,
        ahead: int = 1,
    ) -> None:
        self.make, self.plan, self.device = make, plan, torch.device(device)
        self.executor, self.ahead = executor, ahead
        self._pool: Draws = {}

    def batches(self, step: int = 0) -> Iterator[Draws]:
        """Yield the batches of a step and all that follow.

        Parameters
        ----------
        step : int
            To begin with; the blocks that it takes are made first.

        Yields
        ------
        Draws
            ``plan.batch`` of them, on the device.
        """
        plan = self.plan
        generation, skip = divmod(step, plan.steps)
        coming = self._blocks(plan.at_hand(generation).start)
        for block in plan.at_hand(generation)[:-1]:
            self._put(block, next(coming))
        try:
            while True:
                self._put(generation, next(coming))
                order = self._moved(torch.from_numpy(plan.order(generation)))
                for rows in order[skip:]:
                    yield {name: values.index_select(0, rows) for name, values in self._pool.items()}
                generation, skip = generation + 1, 0
        finally:
            coming.close()

    def _blocks(self, first: int) -> Generator[Draws, None, None]:
        """Yield the blocks from one on, some of them in the making."""
        if self.executor is None:
            while True:
                yield self.make(self.plan.number(first))
                first += 1
        making: deque[Future[Draws]] = deque()
        try:
            while True:
                while len(making) <= self.ahead:
                    making.append(self.executor.submit(self.make, self.plan.number(first + len(making))))
                first += 1
                yield making.popleft().result()
        finally:
            for future in making:
                future.cancel()

    def _put(self, block: int, draws: Draws) -> None:
        plan = self.plan
        if not self._pool:
            rows = plan.n_block * plan.block
            self._pool = {
                name: torch.empty(rows, *values.shape[1:], dtype=values.dtype, device=self.device)
                for name, values in draws.items()
            }
        start = block % plan.n_block * plan.block
        for name, values in draws.items():
            self._pool[name][start : start + plan.block].copy_(self._pinned(values), non_blocking=True)

    def _moved(self, values: Tensor) -> Tensor:
        return self._pinned(values).to(self.device, non_blocking=True)

    def _pinned(self, values: Tensor) -> Tensor:
        # Only from memory that stays where it is can a device copy by itself.
        return values.pin_memory() if self.device.type == "cuda" else values
