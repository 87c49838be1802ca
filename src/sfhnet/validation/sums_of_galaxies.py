"""Is an answer agnostic to the aperture? The spectrum of a sum of galaxies must give the sum of their histories."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sfhnet.config import NoiseConfig, ValidationConfig
from sfhnet.core.batch import WINDOWS_AA
from sfhnet.core.quantities import LABELS, LEARNED
from sfhnet.inference.model import Model
from sfhnet.mocks.dataset import MockBatch, Mocks
from sfhnet.mocks.noise import Lines, NoiseModel
from sfhnet.mocks.sums import mean_mh, weighted_mean
from sfhnet.tools.random_streams import stream, torch_stream
from sfhnet.validation.interval_scores import inside
from sfhnet.validation.metrics import wasserstein_dex

__all__ = ["add_up", "aperture_test"]


# Scatter in dex of the light of the parts: bins of a galaxy differ by a factor of a few.
_LIGHT_SCATTER_DEX = 0.3

_BATCH = 256

# Parts are inferred one by one as well, in sums of at most so many: beyond, it only takes time.
_PARTS_AT_MOST = 8


def add_up(picked: MockBatch, mass: torch.Tensor, n_part: int) -> MockBatch:
    """Add up neighbouring mocks, ``n_part`` at a time, each with its mass.

    Parameters
    ----------
    picked : MockBatch
        n * n_part mocks, per Msol formed.
    mass : Tensor (n * n_part,)
        Mass formed of each.
    n_part : int
        Mocks in a sum.

    Returns
    -------
    MockBatch
        n sums per Msol formed. Light-weighted labels, attenuation and formation times, which do not add up, are NaN.
    """
    n = len(picked) // n_part
    weight = (mass.view(n, n_part) / mass.view(n, n_part).sum(1, keepdim=True)).float()

    def of_parts(values: torch.Tensor) -> torch.Tensor:
        return values.view(n, n_part, *values.shape[1:])

    def mean(values: torch.Tensor) -> torch.Tensor:
        return torch.einsum("np,np...->n...", weight, of_parts(values))

    known = {name: of_parts(picked.labels[name]) for name in LEARNED}
    labels = {
        name: weighted_mean(weight, known[name])
        if LABELS[name].adds_by == "mass"
        else torch.full((n,), torch.nan)
        for name in LEARNED
        if name != "mh"
    }
    labels["mh"] = mean_mh(weight, known["mass_fraction"], known["mh"])
    lines = None if picked.lines is None else Lines(mean(picked.lines.flux), picked.lines.profile)
    family = picked.family.view(n, n_part)[:, 0]
    return MockBatch(mean(picked.flux), mean(picked.band_flux), labels, family, lines)


def aperture_test(
    model: Model, mocks: Mocks, config: ValidationConfig, *, noise: NoiseConfig, seed: int
) -> dict[str, Any]:
    """Infer sums of random test mocks, every nuisance on, and compare with the mass-weighted sums of their histories.

    Random galaxies differ more than neighbouring bins of one galaxy do: a hard case. Sums and parts have the S/N
    ``validation.stress_snr``.

    Parameters
    ----------
    model : Model
        Calibrated or not.
    mocks : Mocks
        Test mocks.
    config, noise : ValidationConfig, NoiseConfig
        Configuration sections.
    seed : int
        Of the sums and their noise.

    Returns
    -------
    dict
        By number of parts: ``n``; of the sums the mean Wasserstein-1 distance in dex, bias and scatter of mass-weighted
        log age and [M/H], coverage of their 68 % intervals and of those of the cumulative mass, and the share that is
        flagged as unlike the mocks; for few parts also ``parts_w1_dex``, the distance between the truth and the
        mass-weighted sum of the histories inferred from the parts.
    """
    noise_model = NoiseModel(noise, mocks.wave_aa, mocks.band_names, off=("band_dropout",))
    return {str(n_part): _one(model, mocks, noise_model, config, n_part, seed) for n_part in config.sums}


def _one(
    model: Model, mocks: Mocks, noise_model: NoiseModel, config: ValidationConfig, n_part: int, seed: int
) -> dict[str, float]:
    rng = stream("validation.sums", seed, n_part)
    generator = torch_stream("validation.sums_noise", seed, n_part)
    window = torch.from_numpy((mocks.wave_aa >= WINDOWS_AA[0][0]) & (mocks.wave_aa <= WINDOWS_AA[0][1]))
    found: dict[str, list[np.ndarray]] = {}
    usable = 0
    per_batch = max(1, _BATCH // n_part)
    for start in range(0, config.sum_galaxies, per_batch):
        n = min(per_batch, config.sum_galaxies - start)
        picked = mocks.get(rng.integers(len(mocks), size=n * n_part))
        # Equal light on average, so that every part counts.
        light = torch.from_numpy(10 ** (_LIGHT_SCATTER_DEX * rng.standard_normal(n * n_part)))
        mass = light / picked.flux[:, window].mean(1).double()
        summed = add_up(picked, mass, n_part)
        answer = model.infer_batch(summed.noisy(noise_model, generator, snr=config.stress_snr))
        truth = {
            name: summed.labels[name].double().numpy() for name in ("mass_fraction", "mw_log_age", "mw_mh")
        }
        cum = truth["mass_fraction"].cumsum(1)
        edges = np.asarray(model.age_edges_myr)
        rows = {
            "w1_dex": wasserstein_dex(answer.cum_mass, cum, edges),
            "cum_mass_coverage68": inside(answer.cum_mass_q[:, :, :-1], cum[:, :-1], 0.68).mean(axis=1),
            "flagged": answer.ood_score > 1,
        }
        for name in ("mw_log_age", "mw_mh"):
            rows[f"{name}_error"] = answer.scalars[name] - truth[name]
            rows[f"{name}_coverage68"] = inside(answer.scalars_q[name], truth[name], 0.68)
        if n_part <= _PARTS_AT_MOST:
            parts = model.infer_batch(picked.noisy(noise_model, generator, snr=config.stress_snr))
            # The mass of a part follows from its own mass-to-light ratio.
            inferred = (10 ** parts.scalars["log_ml"] * light.numpy()).reshape(n, n_part, 1)
            history = (parts.mass_fraction.reshape(n, n_part, -1) * inferred).sum(1) / inferred.sum(1)
            rows["parts_w1_dex"] = wasserstein_dex(history.cumsum(1), cum, edges)
        usable += int(answer.usable.sum())
        for name, value in rows.items():
            found.setdefault(name, []).append(np.asarray(value, dtype=float)[answer.usable])
    joined = {name: np.concatenate(values) for name, values in found.items()}
    result = {name: float(np.nanmean(value)) for name, value in joined.items() if not name.endswith("_error")}
    for name in ("mw_log_age", "mw_mh"):
        error = joined[f"{name}_error"]
        result |= {f"{name}_bias": float(error.mean()), f"{name}_scatter": float(error.std())}
    return {"n": usable, **result}
