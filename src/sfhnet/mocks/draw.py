"""Noisy realisations of many mocks at once, for whatever measures a network on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from sfhnet.config import NoiseConfig
from sfhnet.core.batch import Batch
from sfhnet.mocks.calibration_errors import ripples
from sfhnet.mocks.dataset import MockBatch, Mocks
from sfhnet.mocks.noise import NoiseModel
from sfhnet.tools.random_streams import torch_stream

__all__ = ["CHUNK", "draw"]

# Mocks made noisy in one go; the kinds of correlated noise are shared among them in order.
CHUNK = 500


def draw(
    mocks: Mocks,
    index: np.ndarray,
    noise: NoiseConfig,
    *,
    key: tuple[str, *tuple[int, ...]],
    off: tuple[str, ...] = (),
    snr: float | None = None,
    ripple: float = 0.0,
) -> tuple[Batch, np.ndarray]:
    """Draw one noisy realisation of some mocks, the same on every machine with the same torch.

    Parameters
    ----------
    mocks : Mocks
        Noiseless mocks.
    index : ndarray of int
        Which of them.
    noise : NoiseConfig
        Sizes of the errors.
    key : tuple of str and int
        Name of the stream of random numbers, seed, and what else its key has.
    off : tuple of str
        Effects to leave out.
    snr : float, optional
        Median S/N per pixel for all; drawn from the range otherwise.
    ripple : float
        Amplitude of a sine in the flux calibration beside what `noise` has, fraction; its period is drawn as there.

    Returns
    -------
    Batch, ndarray
        With labels; family of each mock.
    """
    noise_model = NoiseModel(noise, mocks.wave_aa, mocks.band_names, off=off)
    generator = torch_stream(*key)
    # A generator of its own: the noise is the same with and without the ripple.
    waves = torch_stream("benchmark.ripple", *key[1:])
    batches, families = [], []
    for start in range(0, len(index), CHUNK):
        picked = mocks.get(index[start : start + CHUNK])
        if ripple:
            picked = _rippled(picked, mocks.wave_aa, ripple, noise.ripple_period_aa, waves)
        batches.append(picked.noisy(noise_model, generator, snr=snr))
        families.append(picked.family.numpy())
    return Batch.cat(batches), np.concatenate(families)


def _rippled(
    picked: MockBatch,
    wave_aa: np.ndarray,
    amplitude: float,
    periods_aa: tuple[float, float],
    generator: torch.Generator,
) -> MockBatch:
    of_period, of_phase = (torch.rand(len(picked), 1, generator=generator) for _ in range(2))
    curve = amplitude * ripples(
        torch.from_numpy(wave_aa).float(), periods_aa, of_period=of_period, of_phase=of_phase
    )
    return replace(picked, flux=picked.flux * torch.exp(curve))
