"""The frozen benchmark sets: fixed mocks, fixed noise, a checksum that says so.

``ideal``: Gaussian noise of MUSE's shape, known kinematics, nothing missing. ``real``: every nuisance of the training.
Bands are all present or all absent by choice, so that photometry's worth can be told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from sfhnet.batch import Batch
from sfhnet.config import NoiseConfig
from sfhnet.dataset import Mocks
from sfhnet.metrics import truth_from_labels
from sfhnet.noise import EFFECTS, Nuisance

__all__ = ["BENCHMARKS", "Benchmark", "draw", "make_benchmark"]

BENCHMARKS: dict[str, tuple[str, ...]] = {
    "ideal": tuple(effect for effect in EFFECTS if effect != "variance_shape"),
    "real": ("band_dropout",),
}

_CHUNK = 500


@dataclass(frozen=True)
class Benchmark:
    """Noisy mocks with their truth: batch, truth by name (`sfhnet.metrics.truth_from_labels`), family (n,), sha256."""

    batch: Batch
    truth: dict[str, np.ndarray]
    family: np.ndarray
    sha256: str


def draw(
    mocks: Mocks,
    index: np.ndarray,
    noise: NoiseConfig,
    seed: list[int],
    off: tuple[str, ...] = (),
    snr: float | None = None,
) -> tuple[Batch, np.ndarray]:
    """Draw one noisy realisation of some mocks, the same on every machine with the same torch.

    Parameters
    ----------
    mocks : Mocks
        Noiseless mocks.
    index : ndarray of int
        Which of them.
    noise : NoiseConfig
        Nuisances.
    seed : list of int
        Key of the randomness.
    off : tuple of str
        Effects to leave out.
    snr : float, optional
        Median S/N per pixel for all; drawn from the range otherwise.

    Returns
    -------
    Batch, ndarray
        With labels; family of each mock.
    """
    nuisance = Nuisance(noise, mocks.wave_aa, mocks.band_names, "cpu", off=off)
    state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)
    generator = torch.Generator().manual_seed(state)
    batches, families = [], []
    for start in range(0, len(index), _CHUNK):
        picked = mocks.get(index[start : start + _CHUNK])
        batches.append(nuisance(picked.flux, picked.band_flux, generator, picked.labels, picked.lines, snr))
        families.append(picked.family.numpy())
    return Batch.cat(batches), np.concatenate(families)


def make_benchmark(
    name: Literal["ideal", "real"], snr: float, mocks: Mocks, n: int, noise: NoiseConfig, seed: int
) -> Benchmark:
    """Make a benchmark set at one S/N from the first `n` mocks.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if name not in BENCHMARKS:
        raise ValueError(f"no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    index = np.arange(min(n, len(mocks)))
    key = [seed, 11, list(BENCHMARKS).index(name), round(10 * snr)]
    batch, family = draw(mocks, index, noise, key, BENCHMARKS[name], snr)
    digest = hashlib.sha256()
    for value in (batch.flux, batch.sigma, batch.mask, batch.band_flux, batch.band_sigma):
        digest.update(value.contiguous().numpy().tobytes())
    truth = truth_from_labels({key: value.numpy() for key, value in batch.labels.items()})
    return Benchmark(batch, truth, family, digest.hexdigest())
