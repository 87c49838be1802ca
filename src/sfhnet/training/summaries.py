"""What is kept beside the weights: the prior's answer, the range of the labels, the history of the loss."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sfhnet.config import NoiseConfig
from sfhnet.core.batch import Batch
from sfhnet.networks import Spec, build
from sfhnet.tools.hdf5 import atomic_write

__all__ = ["label_ranges", "prior_summary", "trained_on", "write_history"]


def prior_summary(spec: Spec, batch: Batch) -> dict[str, Any]:
    """Return what always answering the prior would say: the baseline shown beside every model.

    Parameters
    ----------
    spec : Spec
        Of the network that is trained; the baseline has its grids.
    batch : Batch
        Mocks with labels.

    Returns
    -------
    dict
        Fields of `sfhnet.core.posterior.Posterior` for one spectrum, as plain lists.
    """
    network = build(replace(spec, kind="prior_mean"))
    network.fit(batch, batch)
    answer = network.answer(batch[:1])
    return {
        name: {key: array[0].tolist() for key, array in value.items()}
        if isinstance(value, dict)
        else value[0].tolist()
        for name, value in answer.items()
    }


def trained_on(noise: NoiseConfig) -> dict[str, Any]:
    """Return what inference has to know of the noise of the training, as ``model.json`` holds it.

    Parameters
    ----------
    noise : NoiseConfig
        Of the training.

    Returns
    -------
    dict
        ``windows_aa``: shortest window, None if all spectra had the whole range; ``band_error_range``: fractional errors of
        bands; ``band_background``: error of their background at S/N 10, over the normalising flux.
    """
    windows = "windows" not in noise.off and noise.window_probability > 0
    poor = "poor_bands" not in noise.off
    return {
        "windows_aa": noise.window_min_aa if windows else None,
        "band_error_range": list(noise.poor_band_error_range if poor else noise.band_error_range),
        "band_background": noise.band_background,
    }


def label_ranges(labels: dict[str, Tensor]) -> dict[str, list[float]]:
    """Return the 0.5 and 99.5 % quantiles of the scalar labels: beyond them lies the edge of the prior."""
    ranges = {}
    for name, value in labels.items():
        if value.ndim == 1:
            low, high = np.quantile(value.numpy().astype(float), [0.005, 0.995])
            ranges[name] = [float(low), float(high)]
    return ranges


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Write the history of a run to CSV, atomically.

    Parameters
    ----------
    path : Path
        File to write.
    history : list of dict
        One row an epoch; all have the names of the first.
    """
    with atomic_write(path) as partial, partial.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
