"""Learn on mocks how badly the forward model misses where nothing is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.config import CalibrationConfig, NoiseConfig
from sfhnet.core.flags import Flag
from sfhnet.inference.model import Model
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.draw import CHUNK, draw
from sfhnet.predictive_check.check import check, noise_shrinkage
from sfhnet.predictive_check.forward_model import Forward
from sfhnet.predictive_check.limits import PREDICTIVE_SCHEMA, Limits
from sfhnet.tools.hdf5 import write_json

__all__ = ["learn_limits"]


def learn_limits(
    model: Model,
    forward: Forward,
    mocks: Mocks,
    *,
    redshift: np.ndarray,
    config: CalibrationConfig,
    noise: NoiseConfig,
    n_draws: int,
    seed: int,
    out: Path,
    provenance: dict[str, Any],
) -> Limits | None:
    """Check mocks, learn the limits from half of them, report how many of the other half are flagged, and write both.

    Parameters
    ----------
    model : Model
    forward : Forward
    mocks : Mocks
        Calibration mocks; ``config.predictive_mocks`` of them at most.
    redshift : ndarray (n_mock,)
        Of each mock.
    config, noise : CalibrationConfig, NoiseConfig
    n_draws : int
        Draws of the posterior that are checked.
    seed : int
    out : Path
    provenance : dict

    Returns
    -------
    Limits or None
        None, and so it is written, for a network without joint samples.
    """
    limits, report = None, {}
    if model.draws_samples:
        n = min(len(mocks), config.predictive_mocks)
        index = np.arange(n)
        batch, _ = draw(mocks, index, noise, key=("limits.noise", seed))
        posterior = model.infer_batch(batch, n_samples=n_draws, seed=seed)
        expected = noise_shrinkage(_smoothing(n, noise), float(mocks.wave_aa[1] - mocks.wave_aa[0]))
        found = check(
            forward, noise, batch, samples=posterior.samples, redshift=redshift[index], expected=expected
        )
        # The smoothing of the noise goes by the order of the mocks: every second one has all kinds of it.
        taught, tested = found.take(index[::2]), found.take(index[1::2])
        half = Limits.fit(taught, posterior.snr[::2], config.snr_edges, quantile=config.ood_quantile)
        flagged = half.flags(tested, posterior.snr[1::2])
        limits = Limits.fit(found, posterior.snr, config.snr_edges, quantile=config.ood_quantile)
        report = {
            "n_mocks": n,
            "flagged_in_other_half": {
                flag.name: float(np.mean((flagged & np.uint32(int(flag))) != 0))
                for flag in (Flag.NOT_REPRODUCED, Flag.DRAWS_OFF)
            },
            "chi2_over_noise": {
                kind: {
                    f"{quantile:g}": _quantiles(found.relative(kind), quantile)
                    for quantile in (0.16, 0.5, 0.84)
                }
                for kind in found.chi2
            },
        }
    write_json(
        out,
        {
            "schema_version": PREDICTIVE_SCHEMA,
            "limits": None if limits is None else limits.to_json(),
            "report": report,
            "provenance": provenance,
        },
    )
    return limits


def _quantiles(values: np.ndarray, quantile: float) -> list[float | None]:
    """Return a quantile of each column; None where no row has a value (a block beyond the grid)."""
    known = [column[np.isfinite(column)] for column in values.T]
    return [float(np.quantile(column, quantile)) if column.size else None for column in known]


def _smoothing(n: int, noise: NoiseConfig) -> np.ndarray:
    """Sigma in Angstrom of the smoothing that `sfhnet.mocks.noise.NoiseModel` gives the noise of each row of a batch."""
    if "correlation" in noise.off:
        return np.zeros(n)
    kinds = [0.0, *noise.correlation_sigma_aa]
    parts = [
        np.concatenate(
            [
                np.full(len(part), kind)
                for part, kind in zip(np.array_split(np.arange(size), len(kinds)), kinds, strict=True)
            ]
        )
        for size in (min(CHUNK, n - start) for start in range(0, n, CHUNK))
    ]
    return np.concatenate(parts)
