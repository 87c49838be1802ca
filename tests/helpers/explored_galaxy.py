"""A small galaxy with answers, draws, checks and models of every bin, and its page."""

from dataclasses import replace

import numpy as np

from galaxy_answers import make_answer, make_spectra
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import point_posterior
from sfhnet.core.quantities import DUST_AND_LINES
from sfhnet.explorer.bins import CORNER
from sfhnet.explorer.page import write_explorer
from sfhnet.predictive_check.result import BLOCK_NAMES, PREDICTIONS, Predictive
from sfhnet.products.bin_table import bin_columns


def make_checked(side=12, **changes):
    """Spectra, answers, checks and table of a square galaxy; bins 5 and 7 have flags."""
    rng = np.random.default_rng(3)
    spectra = make_spectra(side, **changes)
    answer, n = make_answer(spectra), spectra.n
    level = 10.0 ** answer.log_scale[:, None]
    model = np.concatenate([spectra.flux, spectra.band_flux], axis=1) / level
    predictive = Predictive(
        chi2={kind: np.ones((n, len(BLOCK_NAMES))) for kind in PREDICTIONS},
        n_data=np.ones((n, len(BLOCK_NAMES)), dtype=int),
        expected=np.ones(n),
        shift=np.ones(n),
        calibration_rms=np.full(n, 0.01),
        refined={
            "mass_fraction": answer.mass_fraction,
            "mh": answer.mh,
            **dict.fromkeys(("log_ml", *DUST_AND_LINES), np.zeros(n)),
        },
        flags=np.zeros(n, dtype=np.uint32),
        wave_aa=spectra.wave_aa,
        band_names=spectra.band_names,
        models={
            name: (factor * model).astype(np.float16)
            for name, factor in (("refined", 1.0), ("draws_p16", 0.98), ("draws_p84", 1.02))
        },
    )
    samples = {
        name: answer.scalars[name][:, None] + 0.1 * rng.standard_normal((n, 100)).astype(np.float32)
        for name in CORNER
    }
    flags = answer.flags.copy()
    flags[[5 % n, 7 % n]] |= np.array([Flag.OUT_OF_DISTRIBUTION, Flag.LOW_SNR], dtype=flags.dtype)
    answer = replace(answer, samples=samples, flags=flags)
    return spectra, answer, predictive, bin_columns(spectra, answer, predictive=predictive)


def make_ppxf(answer, failed=(9,)):
    """Point estimates of another program for the same bins, older by a fixed step; some of its fits failed."""
    scalars = {name: values + 0.1 for name, values in answer.scalars.items()}
    found = point_posterior(
        answer.age_edges_myr, np.roll(answer.mass_fraction, 1, axis=1), answer.mh - 0.2, scalars=scalars
    )
    for values in (found.mass_fraction, found.mh, *found.scalars.values()):
        values[list(failed)] = np.nan
    return found


def make_page(path, side=12, *, compared=False, **changes):
    """Write the page of such a galaxy."""
    spectra, answer, predictive, table = make_checked(side, **changes)
    ppxf = make_ppxf(answer) if compared else None
    made = {
        "made_utc": "2026-01-01",
        "git_commit": 8 * "01234",
        "code_sha256": 8 * "abcd1234",
        "interpreter": "/a/place",
    }
    return write_explorer(
        path, spectra, answer, table=table, predictive=predictive, ppxf=ppxf, provenance=made
    )
