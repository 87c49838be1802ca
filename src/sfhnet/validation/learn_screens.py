"""Learn on mocks what is checked of every spectrum beside the answer: redshift, stability, bands, broad lines, the stars."""

from __future__ import annotations

import logging

import numpy as np

from sfhnet.config import CalibrationConfig, NoiseConfig
from sfhnet.inference.band_check import BandCheck
from sfhnet.inference.judge import lines_of, stars_chi2
from sfhnet.inference.model import Model
from sfhnet.inference.screens import BroadLines, Screens, StarsFit
from sfhnet.inference.stability import Stability, ask_again
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.draw import draw
from sfhnet.validation.learn_redshift import learn_redshift

__all__ = ["learn_screens"]

_log = logging.getLogger("sfhnet.validation.learn_screens")

# Share of the mocks whose answers count as stable. At 0.97 a tenth of the right answers to foreign mocks were flagged.
_STABLE = 0.985


def learn_screens(
    model: Model, mocks: Mocks, config: CalibrationConfig, *, noise: NoiseConfig, seed: int
) -> tuple[Screens, dict[str, float | None]]:
    """Learn the limits.

    Parameters
    ----------
    model : Model
        Calibrated, without limits.
    mocks : Mocks
        Calibration mocks, ``config.screen_mocks`` of them at most.
    config, noise : CalibrationConfig, NoiseConfig
    seed : int
        Of the noise.

    Returns
    -------
    Screens, dict
        Limits, and what those of the redshift do (`sfhnet.validation.learn_redshift.RedshiftLimits`).
    """
    n = min(len(mocks), config.screen_mocks)
    batch, _ = draw(mocks, np.arange(n), noise, key=("screens.noise", seed))
    batch = batch[batch.usable]
    edges = np.asarray(config.snr_edges, dtype=float)
    posterior = model.infer_batch(batch)
    snr = posterior.snr
    changes = ask_again(model.scalars, batch, model.wave_aa, posterior)
    broad = BroadLines.fit(lines_of(batch, model.wave_aa))
    stability = Stability.fit(changes, snr, edges, quantile=_STABLE)
    basis = model.basis
    if basis is None:
        return Screens(stability=stability, broad_lines=broad), {}
    amplitudes = basis.fit(batch.flux.double().numpy(), batch.sigma.double().numpy(), batch.mask.numpy())
    bands = BandCheck.fit(
        amplitudes[:, 1:], batch.band_flux.double().numpy(), batch.band_mask.numpy(), snr=snr, snr_edges=edges
    )
    chi2 = stars_chi2(batch, basis.model(amplitudes), model.wave_aa)
    stars = StarsFit.fit(chi2, snr, edges, quantile=config.ood_quantile)
    _log.info(
        "screens from %d mocks; changes when asked again are limited to %s", len(batch), stability.limit
    )
    redshift = learn_redshift(basis.finder, model.wave_aa, batch, seed=seed)
    _log.info("redshifts lead by %.1f and save %.1f: %s", redshift.lead, redshift.gain, redshift.report)
    screens = Screens(
        stability=stability,
        bands=bands,
        stars=stars,
        broad_lines=broad,
        redshift_lead=redshift.lead,
        redshift_gain=redshift.gain,
    )
    return screens, redshift.report
