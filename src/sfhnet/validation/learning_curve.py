"""One point of the learning curve: a network trained on part of the training galaxies, and its errors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfhnet.core.posterior import Posterior
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.dataset import Mocks
from sfhnet.training.setup import make_spec, training_config
from sfhnet.training.trainer import Trainer
from sfhnet.validation.benchmark_sets import make_benchmark
from sfhnet.validation.metrics import point_metrics

if TYPE_CHECKING:
    from sfhnet.config import Config

__all__ = ["learning_point"]


def learning_point(
    config: Config,
    shards: Sequence[Path],
    n_shard: int,
    *,
    validation: Sequence[Path],
    test: Sequence[Path],
    folder: Path,
    provenance: dict[str, Any],
) -> dict[str, Any]:
    """Train on the first `n_shard` of the shards and measure.

    The shards are repeated until they are as many as all: every point has the same number of steps and passes, with new
    noise in each, so that what differs is how many galaxies there are.

    Parameters
    ----------
    config : Config
        The whole configuration.
    shards : sequence of Path
        All training shards.
    n_shard : int
        How many of them are used.
    validation, test : sequence of Path
        Shards for early stopping, and for the errors.
    folder : Path
        Folder of the model.
    provenance : dict
        Stored with the model.

    Returns
    -------
    dict
        ``n_mocks`` (different galaxies), ``held_out_loss``, and errors of ``ideal`` and ``real`` with bands at
        ``validation.stress_snr``.
    """
    name = config.learning_curve.model
    training = training_config(config, name)
    used = list(islice(cycle(shards[:n_shard]), len(shards)))
    mocks, held_out = Mocks(used, training.cache_gb), Mocks(validation, training.cache_gb)
    trainer = Trainer(
        make_spec(
            config.models[name], len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr
        ),
        training,
        config.noise,
        mocks=mocks,
        held_out=held_out,
        folder=folder,
        seed=config.seed,
        provenance=provenance,
    )
    network, mocks = trainer.run(), Mocks(test, training.cache_gb)
    result: dict[str, Any] = {
        "model": name,
        "n_mocks": Mocks(shards[:n_shard], 0.0).n,
        "held_out_loss": min(row["held_out_total"] for row in trainer.history if row["stage"] == 0),
    }
    snr = config.validation.stress_snr
    for benchmark in ("ideal", "real"):
        made = make_benchmark(
            benchmark, snr, mocks, n=config.validation.galaxies, noise=BENCHMARK_NOISE, seed=config.seed
        )
        n = len(made.batch)
        answers = Posterior(
            age_edges_myr=mocks.age_edges_myr,
            flags=made.batch.flags.numpy().astype(np.uint32),
            snr=10.0 ** made.batch.log_snr.double().numpy(),
            log_scale=made.batch.log_scale.numpy(),
            chi2=np.full(n, np.nan),
            ood_score=np.full(n, np.nan),
            **network.answer(made.batch),
        )
        found = point_metrics(answers, made.truth)
        result[benchmark] = {
            "w1_dex": found["w1_dex"],
            "mw_log_age_scatter": found["scalars"]["mw_log_age"]["scatter"],
            "mw_mh_scatter": found["scalars"]["mw_mh"]["scatter"],
        }
    return result
