"""What a network takes from mocks before it is trained: scales and components."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sfhnet.config import NoiseConfig
from sfhnet.mocks.noise import NoiseModel
from sfhnet.networks import Network, Spec
from sfhnet.tools.random_streams import stream, torch_stream
from sfhnet.training.source import FixedMocks
from sfhnet.training.summaries import label_ranges, prior_summary

__all__ = ["set_scales"]

# What the basis of a network need not describe: with these off, and practically without white noise, the rest is left.
_NOT_IN_BASIS = (
    *("band_dropout", "correlation", "edges", "error_scatter", "pixel_dropout", "sky_residuals"),
    *("windows", "hidden_lines", "model_error", "telluric", "other_instruments", "poor_bands"),
)
_FIT_SNR = 1e5


def set_scales(
    network: Network, spec: Spec, mocks: FixedMocks, noise: NoiseConfig, *, n: int, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set scales and components of a network; the same on every rank, on the CPU.

    Parameters
    ----------
    network : Network
        Not yet trained.
    spec : Spec
        What it was built from.
    mocks : FixedMocks
        From which `n` are picked, or all if there are fewer.
    noise : NoiseConfig
        Configuration section.
    n, seed : int
        Number of mocks; seed of their choice and noise.

    Returns
    -------
    prior, label_ranges : dict
        For ``model.json``: summary of the prior, and the range of each label.
    """
    rng = stream("train.fit_choice", seed)
    picked = mocks.get(np.sort(rng.choice(len(mocks), min(n, len(mocks)), replace=False)))
    grids = mocks.wave_aa, mocks.band_names
    clean_model = NoiseModel(noise, *grids, off=_NOT_IN_BASIS)
    noisy = picked.noisy(NoiseModel(noise, *grids), torch_stream("train.fit_noisy", seed))
    clean = picked.noisy(clean_model, torch_stream("train.fit_clean", seed), snr=_FIT_SNR)
    with torch.no_grad():
        network.fit(clean, noisy)
    return prior_summary(spec, noisy), label_ranges(picked.labels)
