"""Answers that are asked again: changes in half widths of their intervals, and limits from mocks."""

import numpy as np
import pytest

from galaxy_answers import make_answer, make_spectra
from sfhnet.core.batch import Batch
from sfhnet.inference.screens import Screens
from sfhnet.inference.stability import VARIANTS, Stability, ask_again

WAVE_AA = np.arange(4800.0, 7000.0, 2.5)


def test_limits_leave_the_share_that_was_asked_for(rng):
    snr = np.repeat([10.0, 100.0], 2000)
    changes = np.abs(rng.standard_normal((4000, 4))) * np.where(snr > 50, 3.0, 1.5)[:, None]
    stability = Stability.fit(changes, snr, np.array([50.0]), quantile=0.97)
    over = stability.over_limit(changes, snr)
    for one in (10.0, 100.0):
        assert (over[snr == one] > 1).mean() == pytest.approx(0.03, abs=0.002)
    assert stability.limit[1] == pytest.approx(2 * stability.limit[0], rel=0.1)
    # What moves by less than the half width of its interval is stable, however still mocks are.
    assert Stability.fit(changes / 100, snr, np.array([50.0]), quantile=0.97).limit.tolist() == [1.0, 1.0]


def test_changes_are_counted_in_half_widths():
    answer = make_answer(make_spectra(side=2), width=0.1)
    n, none = len(answer), np.zeros((len(answer), 1))
    flux = np.ones((n, WAVE_AA.size))
    mask = np.ones(flux.shape, dtype=bool)
    mask[3, WAVE_AA < 5900] = False
    batch = Batch.from_arrays(
        WAVE_AA, flux, 0.02 * flux, mask=mask, band_flux=none, band_sigma=none + 1, band_mask=none > 0
    )
    halves = {
        name: 0.5 * (high - low) for name in answer.scalars for low, high in [answer.interval(name, 0.68)]
    }
    moved = 3 * halves["mw_log_age"][0]

    def again(some):
        # Without its blue half a spectrum is taken to be older.
        blue_hidden = not some.mask[:, : WAVE_AA.size // 4].any()
        rows = np.arange(len(some))
        return {
            name: values[rows] + (moved if blue_hidden and name == "mw_log_age" else 0)
            for name, values in answer.scalars.items()
        }

    changes = ask_again(again, batch, WAVE_AA, answer)
    assert changes.shape == (n, len(VARIANTS))
    assert changes[:3, VARIANTS.index("blue_half")] == pytest.approx(3.0)
    # Nothing is hidden beyond 7350 AA, nor in a spectrum that has no blue half.
    assert not changes[:, VARIANTS.index("red")].any()
    assert not changes[3, VARIANTS.index("blue_half")].any()


def test_screens_of_another_version_are_refused():
    stored = Screens().to_json()
    assert Screens.from_json(stored) == Screens()
    with pytest.raises(
        ValueError, match=r"screens have schema 'sfhnet.screens/1', expected .* calibrate again"
    ):
        Screens.from_json(stored | {"schema_version": "sfhnet.screens/1"})
