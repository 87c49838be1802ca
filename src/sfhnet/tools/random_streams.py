"""Random numbers by name: a stream for each use, of which the seed, the use and its numbers alone decide.

A stream is ``SeedSequence(seed, spawn_key=(crc32(name), *numbers))``. Plain keys are no such promise: numpy takes
``[1]``, ``[1, 0]`` and ``[1, 0, 0]`` for the same, a spawn key is hashed to its end. Names stand in
`sfhnet.tools.stream_names`, so that no two uses share one.
"""

from __future__ import annotations

import operator
import zlib
from typing import TYPE_CHECKING

import numpy as np

from sfhnet.tools.stream_names import STREAMS

if TYPE_CHECKING:
    import torch

__all__ = ["STREAMS", "seed_torch", "stream", "stream_seed", "torch_stream"]

# A larger part of a key would run over into the words of the next.
_SEEDS, _NUMBERS = 2**128, 2**32


def stream(name: str, seed: int, *numbers: int) -> np.random.Generator:
    """Return numpy's generator of a stream.

    Parameters
    ----------
    name : str
        One of `STREAMS`.
    seed : int
        Seed of the configuration.
    *numbers : int
        What tells streams of one name apart: shard, epoch, step ...

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    ValueError
        If the name is not registered, or a number is negative or too large.
    """
    return np.random.default_rng(_sequence(name, seed, *numbers))


def stream_seed(name: str, seed: int, *numbers: int) -> int:
    """Return a seed of 63 bits from a stream, for generators that take nothing else.

    Parameters
    ----------
    name, seed, *numbers
        As of `stream`, which says what is refused.

    Returns
    -------
    int
    """
    return int(_sequence(name, seed, *numbers).generate_state(1, np.uint64)[0] >> 1)


def torch_stream(name: str, seed: int, *numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return torch's generator of a stream. On the CPU torch uses 32 bits of its seed.

    Parameters
    ----------
    name, seed, *numbers
        As of `stream`, which says what is refused.
    device : torch.device or str
        Where the numbers are drawn.

    Returns
    -------
    torch.Generator
    """
    import torch

    return torch.Generator(device=device).manual_seed(stream_seed(name, seed, *numbers))


def seed_torch(name: str, seed: int, *numbers: int) -> None:
    """Seed torch's global generator, for what takes no other (weights, dropout).

    Parameters
    ----------
    name, seed, *numbers
        As of `stream`, which says what is refused.
    """
    import torch

    torch.manual_seed(stream_seed(name, seed, *numbers))


def _sequence(name: str, seed: int, *numbers: int) -> np.random.SeedSequence:
    if name not in STREAMS:
        raise ValueError(
            f"no random stream {name!r}; add it, with what it draws, to sfhnet.tools.stream_names, which has "
            f"{', '.join(STREAMS)}"
        )
    seed, *key = map(operator.index, (seed, *numbers))
    if not 0 <= seed < _SEEDS or not all(0 <= number < _NUMBERS for number in key):
        raise ValueError(
            f"random stream {name!r}: seed {seed} and numbers {key} must be whole, not negative, and below "
            "2**128 and 2**32"
        )
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()), *key))
