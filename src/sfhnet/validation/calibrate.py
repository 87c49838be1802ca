"""Make intervals cover what they say, and learn what is like the mocks, on mocks used for nothing else."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfhnet.config import CalibrationConfig, NoiseConfig
from sfhnet.core.batch import Batch
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import INTERVALS
from sfhnet.inference.conformal import Conformal, Strata
from sfhnet.inference.draws import of_histories
from sfhnet.inference.familiarity import Familiarity, log_width
from sfhnet.inference.judge import lines_of
from sfhnet.inference.model import CALIBRATION_SCHEMA, Model, load
from sfhnet.inference.screens import Screens
from sfhnet.inference.surviving_mass import SurvivingMass
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.draw import draw
from sfhnet.tools.hdf5 import write_json
from sfhnet.tools.progress import track
from sfhnet.tools.random_streams import stream
from sfhnet.validation.interval_scores import coverage, strata_coverage
from sfhnet.validation.learn_screens import learn_screens
from sfhnet.validation.metrics import truth_from_labels
from sfhnet.validation.strata import strata

__all__ = ["calibrate"]

# Joint samples of a spectrum, about as many as are kept of each bin of a galaxy, and spectra whose samples are in memory.
_N_SAMPLE, _ROWS = 100, 512
# Probabilities of a burst between which it is counted how often there was one.
_BURST_EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)

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
    surviving: SurvivingMass | None = None,
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
    surviving : SurvivingMass, optional
        How much of the stars of the mocks is there today. It is kept in the file, and answers then tell what survives.

    Returns
    -------
    dict
        Coverage before and after, as stored.
    """
    model = replace(load(folder), conformal=None, familiarity=None, screens=Screens(), surviving=surviving)
    # Half of the mocks test what the others taught: all realisations of one mock stay on one side. Chance halves them, for
    # neighbours in a Sobol sequence take turns: most of the even ones have smooth histories, most of the odd ones bursty ones.
    tested = stream("calibrate.halves", seed).permutation(len(mocks)) % 2 == 1
    taught = ~tested
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
    of_draws = None
    if model.draws_samples:
        drawn, true = _draws(model, mocks, config, noise, seed)
        of_draws = _report_draws(first, drawn, true, tested=np.tile(tested, 2), least=config.min_stratum)
        conformal = conformal.with_draws(drawn, true, min_stratum=config.min_stratum)
    familiarity, unlike = None, None
    if components is not None:
        seen, apart = answers.take(with_bands), tested[many[with_bands]]
        half = _familiarity(components[~apart], seen.take(~apart), widths[~apart], config)
        rest = seen.take(apart)
        unlike = float(
            np.mean(half.score(components[apart], chi2=rest.chi2, snr=rest.snr, log_ew=widths[apart]) > 1)
        )
        familiarity = _familiarity(components, seen, widths, config)
    screens, redshifts = learn_screens(
        replace(model, conformal=conformal), mocks, config, noise=noise, seed=seed
    )
    write_json(
        out,
        {
            "schema_version": CALIBRATION_SCHEMA,
            "conformal": conformal.to_json(),
            "familiarity": familiarity.to_json() if familiarity else None,
            "screens": screens.to_json(),
            "surviving": surviving.to_json() if surviving else None,
            "redshifts": redshifts,
            "out_of_distribution_in_other_half": unlike,
            "coverage": report,
            "from_draws": of_draws,
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


def _noisy(mocks: Mocks, noise: NoiseConfig, seed: int, number: int) -> Batch:
    """Return all mocks with one realisation of the noise."""
    return draw(mocks, np.arange(len(mocks)), noise, key=("calibrate.noise", seed, number))[0]


def _draws(
    model: Model, mocks: Mocks, config: CalibrationConfig, noise: NoiseConfig, seed: int
) -> tuple[Posterior, dict[str, np.ndarray]]:
    """Answers with what their joint samples say, with bands and without any, and the truth of that."""
    batch = _noisy(mocks, noise, seed, 0)
    parts: list[Posterior] = []
    for given in (batch, batch.without_bands()):
        for start in track(range(0, len(given), _ROWS), "calibrating draws", unit="chunks"):
            rows = given[start : start + _ROWS]
            found = model.infer_batch(
                rows, calibrated=False, n_samples=_N_SAMPLE, seed=seed, first=len(parts) * _ROWS
            )
            parts.append(replace(found, samples={}))
    mass, mh = (batch.labels[name].double().numpy() for name in ("mass_fraction", "mh"))
    true = of_histories(mass, mh, 1e6 * model.age_edges_myr, surviving=model.surviving)
    return Posterior.cat(parts), {name: np.tile(value, 2) for name, value in true.items()}


def _report_draws(
    conformal: Conformal, drawn: Posterior, true: dict[str, np.ndarray], *, tested: np.ndarray, least: int
) -> dict[str, Any]:
    """Coverage of what joint samples say, before and after factors that the other half teaches, and how often bursts are."""
    after = conformal.with_draws(drawn.take(~tested), _rows(true, ~tested), min_stratum=least)
    before = drawn.take(tested)
    truth = _rows(true, tested)
    report: dict[str, Any] = {}
    for state, answers in (("before", before), ("after", after.apply(before))):
        report[state] = {}
        for name, quantiles in answers.from_draws.items():
            if name not in after.scalars:
                continue
            known = np.isfinite(truth[name]) & np.isfinite(quantiles).all(axis=1)
            report[state][name] = coverage(quantiles[known], truth[name][known]) | {"n": int(known.sum())}
    said, was = before.from_draws["p_burst"], np.isfinite(truth["log_t_burst"])
    place = np.digitize(said, _BURST_EDGES[1:-1])
    report["bursts"] = [
        {"said": float(said[here].mean()), "was": float(was[here].mean()), "n": int(here.sum())}
        for here in (place == k for k in range(len(_BURST_EDGES) - 1))
        if here.any()
    ]
    return report


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
    for number in track(range(config.realisations), "calibrating", unit="realisations"):
        batch = _noisy(mocks, noise, seed, number)
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
