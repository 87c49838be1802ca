"""What a network answers to a batch as it is, with the flags that the answer itself tells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sfhnet.core.batch import Batch
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.inference.familiarity import log_width
from sfhnet.inference.judge import lines_of
from sfhnet.tools.random_streams import stream

if TYPE_CHECKING:
    from sfhnet.inference.model import Model

__all__ = ["answer", "scalars"]

# Scalars whose point estimate is compared with the range of the training labels.
_EDGE_SCALARS = ("mw_log_age", "lw_log_age", "mw_mh", "lw_mh", "a_v")


@torch.no_grad()
def answer(model: Model, batch: Batch, n_samples: int, *, seed: int, first: int) -> Posterior:
    """Return what the network answers to a batch, flagged; rows that are not usable hold NaN.

    Parameters
    ----------
    model : Model
        Network with its limits.
    batch : Batch
        n spectra, all in one pass.
    n_samples : int
        Joint samples of each spectrum.
    seed, first : int
        Of the samples; number of the first spectrum.

    Returns
    -------
    Posterior
        Not calibrated.
    """
    n, usable = len(batch), batch.usable
    flags = batch.flags.cpu().numpy().astype(np.uint32)
    snr = 10.0 ** batch.log_snr.double().cpu().numpy()
    low, high = model.info["snr_range"]
    # A quarter of tolerance: the S/N itself is an estimate.
    flags |= np.where(snr < 0.75 * low, int(Flag.LOW_SNR), 0).astype(np.uint32)
    flags |= np.where(snr > 1.33 * high, int(Flag.HIGH_SNR), 0).astype(np.uint32)
    chi2, score = np.full(n, np.nan), np.full(n, np.nan)
    rows = usable.nonzero()[:, 0]
    index = rows.cpu().numpy()
    fields: dict[str, Any] = {}
    if len(rows):
        part = (batch if len(rows) == n else batch[rows]).to(model.device)
        normal = _normal(model, seed, first + index, n_samples=n_samples) if n_samples else None
        found = model.network.infer(part, normal)
        answer, seen = found.answer, found.familiarity
        fields = {name: _scatter(value, index, n) for name, value in answer.items()}
        if n_samples:
            fields["samples"] = {
                name: _scatter(value.float().cpu().numpy(), index, n) for name, value in found.samples.items()
            }
        if seen is not None:
            components, chi2[index] = seen[0].double().cpu().numpy(), seen[1].double().cpu().numpy()
            if model.familiarity is not None:
                width = log_width(lines_of(part, model.wave_aa).halpha_ew_aa)
                like = {"chi2": chi2[index], "snr": snr[index], "log_ew": width}
                score[index] = model.familiarity.score(components, **like)
                for strange, flag in (
                    (model.familiarity.poor_fit(**like), Flag.BAD_FIT),
                    (score[index] > 1, Flag.OUT_OF_DISTRIBUTION),
                ):
                    flags[index] |= np.where(strange, int(flag), 0).astype(np.uint32)
    else:
        # Nothing to answer: one flat spectrum tells the shapes, and every row stays NaN.
        shapes = model.network.answer(_flat(batch[:1].to(model.device)))
        fields = {name: _scatter(value, index, n) for name, value in shapes.items()}
        if n_samples:
            flat = _flat(batch[:1].to(model.device))
            drawn = model.network.samples(
                flat, _normal(model, seed, first + np.zeros(1, int), n_samples=n_samples)
            )
            fields["samples"] = {
                name: _scatter(value[:0].float().cpu().numpy(), index, n) for name, value in drawn.items()
            }
    for name in _EDGE_SCALARS:
        low, high = model.info["label_ranges"][name]
        value = fields["scalars"][name]
        flags |= np.where((value < low) | (value > high), int(Flag.EDGE_OF_PRIOR), 0).astype(np.uint32)
    return Posterior(
        age_edges_myr=model.age_edges_myr,
        flags=flags,
        snr=snr,
        log_scale=np.where(usable.cpu().numpy(), batch.log_scale.cpu().numpy(), np.nan),
        chi2=chi2,
        ood_score=score,
        **fields,
    )


@torch.no_grad()
def scalars(model: Model, batch: Batch) -> dict[str, np.ndarray]:
    """Return the point estimates of the scalars alone, (n,) each: a fraction of the time of a whole answer.

    Parameters
    ----------
    model : Model
    batch : Batch
        n usable spectra, all in one pass.
    """
    found: dict[str, np.ndarray] = model.network.answer(batch.to(model.device))["scalars"]
    return found


def _normal(model: Model, seed: int, index: np.ndarray, *, n_samples: int) -> Tensor:
    # A generator a spectrum: what is drawn for one depends on no other.
    shape = (n_samples, model.network.sample_width)
    drawn = [stream("inference.samples", seed, i).standard_normal(shape, dtype=np.float32) for i in index]
    return torch.from_numpy(np.stack(drawn)).to(model.device)


def _flat(batch: Batch) -> Batch:
    return replace(batch, flux=torch.ones_like(batch.flux), mask=torch.ones_like(batch.mask))


def _scatter(value: Any, index: np.ndarray, n: int) -> Any:
    if isinstance(value, dict):
        return {name: _scatter(array, index, n) for name, array in value.items()}
    if len(index) == n == len(value):
        return value
    result = np.full((n, *value.shape[1:]), np.nan, dtype=value.dtype)
    result[index] = value[: len(index)]
    return result
