"""Make intervals cover what they say, and learn what is like the mocks, on mocks used for nothing else."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfhnet.config import CalibrationConfig, NoiseConfig
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import INTERVALS
from sfhnet.inference.conformal import Conformal, Strata
from sfhnet.inference.familiarity import Familiarity, log_width
from sfhnet.inference.judge import lines_of
from sfhnet.inference.model import CALIBRATION_SCHEMA, Model, load
from sfhnet.inference.screens import Screens
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.draw import draw
from sfhnet.tools.hdf5 import write_json
from sfhnet.tools.progress import track
from sfhnet.validation.interval_scores import strata_coverage
from sfhnet.validation.learn_screens import learn_screens
from sfhnet.validation.metrics import truth_from_labels
from sfhnet.validation.strata import strata

__all__ = ["calibrate"]

_log = logging.getLogger("sfhnet.validation.calibrate")


def calibrate(
    folder: Path,
    mocks: Mocks,
    config: CalibrationConfig,
    *,
    noise: NoiseConfig,
    seed: int,
    out: Path,
    provenance: dict[str, Any],
) -> dict[str, Any]:
    """Fit conformal factors and limits of familiarity, and write them.

    The mocks are split in two: factors come from the first half, the coverage reported from the second.

    Parameters
    ----------
    folder : Path
        Model folder.
    mocks : Mocks
        Calibration mocks.
    config, noise : CalibrationConfig, NoiseConfig
        Configuration sections.
    seed : int
        Seed of the noise.
    out : Path
        Where to write; inference looks for ``calibration.json`` in the model's folder.
    provenance : dict
        Stored in the file.

    Returns
    -------
    dict
        Coverage before and after, as stored.
    """
    model = replace(load(folder), conformal=None, familiarity=None, screens=Screens())
    # Odd mocks test what even mocks taught: all realisations of one mock stay on one side.
    index = np.arange(len(mocks))
    taught, tested = index % 2 == 0, index % 2 == 1
    answers, truths, components, widths = _answers(model, mocks, config, noise, seed)
    # Each realisation is answered twice, with its bands and without any.
    many = np.tile(np.arange(len(mocks)), 2 * config.realisations)
    with_bands = np.tile(np.repeat([True, False], len(mocks)), config.realisations)
    first = _fit(answers.take(taught[many]), _rows(truths, taught[many]), config)
    before = answers.take(tested[many])
    after = first.apply(before)
    truth = _rows(truths, tested[many])
    rows = strata(before, snr_edges=config.snr_edges)
    report = {
        "before": strata_coverage(before, truth, rows),
        "after": strata_coverage(after, truth, rows),
    }
    # The factors that are kept use every calibration mock.
    conformal = _fit(answers, truths, config)
    familiarity, unlike = None, None
    if components is not None:
        seen, odd = answers.take(with_bands), tested[many[with_bands]]
        half = _familiarity(components[~odd], seen.take(~odd), widths[~odd], config)
        rest = seen.take(odd)
        unlike = float(
            np.mean(half.score(components[odd], chi2=rest.chi2, snr=rest.snr, log_ew=widths[odd]) > 1)
        )
        familiarity = _familiarity(components, seen, widths, config)
    screens = learn_screens(replace(model, conformal=conformal), mocks, config, noise=noise, seed=seed)
    write_json(
        out,
        {
            "schema_version": CALIBRATION_SCHEMA,
            "conformal": conformal.to_json(),
            "familiarity": familiarity.to_json() if familiarity else None,
            "screens": screens.to_json(),
            "out_of_distribution_in_other_half": unlike,
            "coverage": report,
            "nominal": [100 * nominal for nominal in INTERVALS],
            "n_mocks": len(mocks),
            "realisations": config.realisations,
            "provenance": provenance,
        },
    )
    _log.info(
        "coverage of 68 %% intervals: %.3f before, %.3f after", *(report[k]["all"]["68"] for k in report)
    )
    return report


def _fit(answers: Posterior, truth: dict[str, np.ndarray], config: CalibrationConfig) -> Conformal:
    strata = Strata(*(np.asarray(x, float) for x in (config.snr_edges, config.age_edges, config.a_v_edges)))
    return Conformal.fit(answers, truth, strata, min_stratum=config.min_stratum)


def _familiarity(
    components: np.ndarray, seen: Posterior, widths: np.ndarray, config: CalibrationConfig
) -> Familiarity:
    return Familiarity.fit(
        components,
        chi2=seen.chi2,
        snr=seen.snr,
        log_ew=widths,
        snr_edges=np.asarray(config.snr_edges),
        line_edges=np.asarray(config.ood_line_edges),
        quantile=config.ood_quantile,
        min_stratum=config.min_stratum,
    )


def _rows(truth: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: value[rows] for name, value in truth.items()}


def _answers(
    model: Model, mocks: Mocks, config: CalibrationConfig, noise: NoiseConfig, seed: int
) -> tuple[Posterior, dict[str, np.ndarray], np.ndarray | None, np.ndarray]:
    parts, labels, components, widths = [], [], [], []
    index = np.arange(len(mocks))
    for number in track(range(config.realisations), "calibrating", unit="realisations"):
        batch, _ = draw(mocks, index, noise, key=("calibrate.noise", seed, number))
        label = {name: value.numpy() for name, value in batch.labels.items()}
        # Few mocks lose all their bands: without bands each is answered once more, which costs no new noise.
        for given in (batch, batch.without_bands()):
            parts.append(model.infer_batch(given, calibrated=False))
            labels.append(label)
        widths.append(log_width(lines_of(batch, model.wave_aa).halpha_ew_aa))
        with torch.no_grad():
            seen = model.network.latent_for_ood(batch)
        if seen is not None:
            components.append(seen[0].double().numpy())
    joined = {name: np.concatenate([label[name] for label in labels]) for name in labels[0]}
    seen_components = np.concatenate(components) if components else None
    return Posterior.cat(parts), truth_from_labels(joined), seen_components, np.concatenate(widths)
