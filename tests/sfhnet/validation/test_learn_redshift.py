"""When a redshift is believed: learnt on spectra of the shipped network's basis."""

import numpy as np
import pytest

import sfhnet
from sfhnet.core.batch import Batch
from sfhnet.validation.learn_redshift import learn_redshift


@pytest.fixture(scope="module")
def learned(root):
    model = sfhnet.load(root / "data" / "models" / "flow")
    rng = np.random.default_rng(3)
    rows = model.basis.broadened(0.0)
    amplitudes = np.zeros((240, len(rows)))
    amplitudes[:, 0] = 1.0
    amplitudes[:, 1:8] = 0.3 * rng.standard_normal((240, 7))
    flux = amplitudes @ rows
    sigma = np.median(flux, axis=1, keepdims=True) / np.geomspace(0.15, 60, 240)[:, None] * np.ones_like(flux)
    none = np.zeros((240, len(model.band_names)))
    batch = Batch.from_arrays(
        model.wave_aa,
        flux + sigma * rng.standard_normal(flux.shape),
        sigma,
        mask=None,
        band_flux=none,
        band_sigma=none + 1,
        band_mask=none > 0,
    )
    return learn_redshift(model.basis.finder, model.wave_aa, batch, seed=1)


def test_what_is_believed_is_right_and_what_has_no_features_is_not(learned):
    assert learned.report["believed"] > 0.9
    assert learned.report["right"] > 0.98
    assert learned.report["believed_without_features"] < 0.02
    assert 0 < learned.lead < 100 and 0 < learned.gain < 300


def test_faint_spectra_are_not_all_right(learned):
    # Otherwise the limits would have nothing to learn from.
    assert learned.report["right_of_all"] < learned.report["right"]
