"""The learning curve: a network trained for more and more draws, its errors, and where they would end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfhnet.core.posterior import Posterior
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.dataset import Mocks
from sfhnet.training.setup import training_config
from sfhnet.training.trainer import Trainer
from sfhnet.training.transfer import spec_and_start
from sfhnet.validation.benchmark_sets import make_benchmark
from sfhnet.validation.metrics import point_metrics

if TYPE_CHECKING:
    from sfhnet.config import Config
    from sfhnet.networks import Network

__all__ = ["curves_of", "errors_of", "extrapolated", "learning_point"]

# Errors whose curve is drawn.
_ERRORS = {
    "w1_dex": "Wasserstein-1 [dex of age]",
    "mw_log_age_robust": "mass-weighted log age, robust scatter [dex]",
    "mw_mh_robust": "mass-weighted [M/H], robust scatter [dex]",
}

# Powers of the draws that a curve may fall with; one at an end means that the points do not tell.
_POWERS = np.linspace(0.1, 1.5, 57)

# A curve that falls by no more than this share of its value from the first point on is flat, as far as it goes.
_LEAST_FALL = 0.01


def learning_point(
    config: Config,
    shards: Sequence[Path],
    epochs: int,
    *,
    validation: Sequence[Path],
    test: Sequence[Path],
    folder: Path,
    provenance: dict[str, Any],
) -> dict[str, Any]:
    """Train for some epochs, with a schedule of its own that ends there, and measure.

    A model with ``start_from`` goes on from that network at every point.

    Parameters
    ----------
    config : Config
        The whole configuration.
    shards : sequence of Path
        Training shards.
    epochs : int
        Passes through them, each with new noise.
    validation, test : sequence of Path
        Shards for early stopping, and for the errors.
    folder : Path
        Folder of the model.
    provenance : dict
        Stored with the model.

    Returns
    -------
    dict
        ``draws``, ``seconds`` and ``held_out_loss`` of the first stage of training, and `errors_of`.
    """
    name = config.learning_curve.model
    training = training_config(config, name).model_copy(update={"epochs": epochs})
    mocks, held_out = Mocks(shards, training.cache_gb), Mocks(validation, training.cache_gb)
    spec, start = spec_and_start(config.models[name], mocks)
    trainer = Trainer(
        spec,
        training,
        config.noise,
        mocks=mocks,
        held_out=held_out,
        folder=folder,
        seed=config.seed,
        provenance=provenance,
        start=start,
    )
    network = trainer.run()
    first = [row for row in trainer.history if row["stage"] == 0]
    result: dict[str, Any] = {
        "model": name,
        "draws": int(first[-1]["step"]) * training.batch,
        "seconds": first[-1]["seconds"],
        "held_out_loss": min(row["held_out_total"] for row in first),
    }
    return result | errors_of(network, Mocks(test, training.cache_gb), config)


def extrapolated(draws: Sequence[float], values: Sequence[float]) -> float | None:
    """Return where an error would end: the limit of ``limit + b draws**-c`` through the points.

    Parameters
    ----------
    draws, values : sequence of float
        Points of the curve.

    Returns
    -------
    float or None
        None if there are fewer than four points, or if they do not tell: they do not bend towards a limit above zero.
    """
    x, y = np.asarray(draws, dtype=float), np.asarray(values, dtype=float)
    if len(x) < 4:
        return None
    best = (np.inf, 0.0, 0.0)
    for power in _POWERS:
        columns = np.stack([np.ones_like(x), (x / x.min()) ** -power], axis=1)
        # Relative errors: all points of a curve scatter alike.
        solution, *_ = np.linalg.lstsq(columns / y[:, None], np.ones_like(y), rcond=None)
        chi2 = float((((columns @ solution) / y - 1) ** 2).sum())
        if solution[1] > _LEAST_FALL * y.min() and chi2 < best[0]:
            best = (chi2, float(solution[0]), float(power))
    _, limit, power = best
    return limit if limit > 0 and _POWERS[0] < power < _POWERS[-1] else None


def curves_of(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the curves of points by quantity, with their limits.

    Parameters
    ----------
    points : sequence of mapping
        From `learning_point`.

    Returns
    -------
    list of dict
        ``title``, ``benchmark`` (None for the loss), ``draws``, ``seconds``, ``values``, ``limit``.
    """
    points = sorted(points, key=lambda point: point["draws"])
    draws, seconds = ([point[name] for point in points] for name in ("draws", "seconds"))
    found: list[tuple[str, str | None, list[float]]] = [
        ("held-out loss", None, [point["held_out_loss"] for point in points])
    ]
    for key, title in _ERRORS.items():
        found += [(title, b, [point[b][key] for point in points]) for b in ("ideal", "real")]
    return [
        {
            "title": title,
            "benchmark": benchmark,
            "draws": draws,
            "seconds": seconds,
            "values": values,
            "limit": extrapolated(draws, values),
        }
        for title, benchmark, values in found
    ]


def errors_of(network: Network, mocks: Mocks, config: Config) -> dict[str, dict[str, float]]:
    """Measure a network on the benchmarks ``ideal`` and ``real`` with bands, at ``validation.stress_snr``.

    Parameters
    ----------
    network : Network
        Trained, in evaluation mode.
    mocks : Mocks
        Test mocks.
    config : Config

    Returns
    -------
    dict
        ``ideal``, ``real``: W1 of the history in dex, scatter and robust scatter of mass-weighted log age and [M/H].
    """
    result = {}
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
            "mw_log_age_robust": found["scalars"]["mw_log_age"]["robust_scatter"],
            "mw_mh_robust": found["scalars"]["mw_mh"]["robust_scatter"],
        }
    return result
