"""The posterior-predictive check for single spectra: the same as that of a galaxy's bins, put into their answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sfhnet.config import NoiseConfig
from sfhnet.core.batch import Batch
from sfhnet.core.histories import weighted_means
from sfhnet.core.quantities import DUST_AND_LINES
from sfhnet.inference.answers import Answers
from sfhnet.predictive_check.check import check, noise_shrinkage
from sfhnet.predictive_check.forward_model import Forward
from sfhnet.predictive_check.limits import Limits

__all__ = ["check_answers"]


def check_answers(
    answers: Answers, forward: Forward, *, noise: NoiseConfig, limits: Limits | None, n_draws: int
) -> Answers:
    """Run the forward model on draws of the answers, refine, and flag what it cannot give back.

    Parameters
    ----------
    answers : Answers
        With joint samples and what the network saw (``n_samples``, ``keep_spectra`` of `sfhnet.inference.model.Model.infer`).
    forward, noise
        As of `sfhnet.predictive_check.check.check`.
    limits : Limits or None
        Of the model; without them nothing is flagged.
    n_draws : int
        Draws that are checked, the first ones.

    Returns
    -------
    Answers
        With `Answers.refined`, flags, and the refined spectra as the models of what was seen.

    Raises
    ------
    ValueError
        If samples or spectra are missing.
    """
    seen = answers.seen
    if seen is None or not answers.samples:
        raise ValueError(
            "the check needs joint samples and the spectra; infer with n_samples and keep_spectra=True, by a model of kind flow"
        )
    batch = Batch.from_arrays(
        seen.wave_aa,
        seen.flux,
        seen.sigma,
        mask=seen.mask & answers.usable[:, None],
        band_flux=seen.band_flux,
        band_sigma=seen.band_sigma,
        band_mask=seen.band_mask,
    )
    step = float(seen.wave_aa[1] - seen.wave_aa[0])
    found = check(
        forward,
        noise,
        batch,
        samples={name: values[:, :n_draws] for name, values in answers.samples.items()},
        redshift=np.nan_to_num(answers.measured["redshift"]),
        expected=noise_shrinkage(answers.measured["smoothing_aa"], step),
        keep_models=True,
    )
    flags = answers.flags if limits is None else answers.flags | limits.flags(found, answers.snr)
    share = found.refined["mass_fraction"]
    means = weighted_means(share, found.refined["mh"], answers.age_edges_myr * 1e6, by="mw")
    refined = {
        **{name: found.refined[name] for name in ("mass_fraction", "mh", "log_ml", *DUST_AND_LINES)},
        **means,
        "chi2": found.pixel_chi2("refined") / found.expected,
        "shift": found.shift,
    }
    # The spectra came over their normalising flux, which the batch has measured again.
    scale = 10.0 ** batch.log_scale.numpy()[:, None]
    model = (found.models["refined"][:, : seen.wave_aa.size] * scale).astype(np.float32)
    known = np.isfinite(model).all(axis=1, keepdims=True)
    return replace(
        answers, flags=flags, refined=refined, seen=replace(seen, model=np.where(known, model, seen.model))
    )
