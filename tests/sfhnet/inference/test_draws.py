"""What joint samples say beyond the scalars: rates over other times, burstiness, the last burst."""

from dataclasses import replace

import numpy as np
import pytest

from galaxy_answers import make_answer, make_spectra
from ingredients import AGE_EDGES_MYR
from sfhnet.core.quantities import FROM_DRAWS, OF_BINS
from sfhnet.inference.draws import last_burst_yr, quantiles_of_draws, quantities_from_draws

EDGES_YR = 1e6 * np.asarray(AGE_EDGES_MYR, dtype=float)
STEADY = np.diff(EDGES_YR) / EDGES_YR[-1]


def with_history(mass, n_draw=40, side=2):
    """Answers whose joint samples are all the same history."""
    answer = make_answer(make_spectra(side))
    samples = np.broadcast_to(mass / np.sum(mass), (len(answer), n_draw, len(STEADY))).astype(np.float16)
    return replace(answer, samples={"mass_fraction": samples, "mh": np.zeros_like(samples)})


def burst_at(age_myr, factor):
    mass = STEADY.copy()
    mass[np.searchsorted(AGE_EDGES_MYR, age_myr, side="right") - 1] *= factor
    return mass


def test_a_steady_history_has_its_rates_and_no_burst():
    found = quantities_from_draws(with_history(STEADY))
    assert set(found) == set(FROM_DRAWS)
    expected = np.log10(1 / EDGES_YR[-1])
    for name in ("log_sfr30", "log_sfr1000"):
        np.testing.assert_allclose(found[name], expected, atol=2e-3)
    np.testing.assert_allclose(found["log_sfr10_over_sfr100"], 0.0, atol=2e-3)
    np.testing.assert_array_equal(found["p_burst"], 0.0)
    assert np.isnan(found["log_t_burst"]).all()


@pytest.mark.parametrize(
    ("age_myr", "factor", "is_one"), [(5, 4, True), (5, 2.5, False), (250, 4, True), (2500, 50, False)]
)
def test_a_burst_is_three_times_what_was_before_and_recent(age_myr, factor, is_one):
    found = quantities_from_draws(with_history(burst_at(age_myr, factor)))
    np.testing.assert_array_equal(found["p_burst"], float(is_one))
    k = np.searchsorted(AGE_EDGES_MYR, age_myr, side="right") - 1
    middle = np.log10(0.5 * (EDGES_YR[k] + EDGES_YR[k + 1]))
    np.testing.assert_allclose(found["log_t_burst"], middle if is_one else np.nan)


def test_the_last_of_two_bursts_counts():
    both = burst_at(800, 9.0)
    both[1] *= 5.0
    assert last_burst_yr(both, EDGES_YR) == pytest.approx(15e6)
    assert last_burst_yr(np.stack([STEADY, burst_at(800, 9.0)]), EDGES_YR)[1] == pytest.approx(780e6)


def test_intervals_are_those_of_the_draws(rng):
    answer = with_history(STEADY, n_draw=400)
    factor = 10 ** rng.uniform(-1, 1, 400)
    mass = np.broadcast_to(STEADY, (len(answer), 400, len(STEADY))).copy()
    mass[..., 0] *= factor
    mass /= mass.sum(axis=-1, keepdims=True)
    found = quantities_from_draws(replace(answer, samples=answer.samples | {"mass_fraction": mass}))
    ratio = factor / (0.1 * factor + 0.9)
    expected = np.quantile(np.log10(ratio), [0.5, 0.16, 0.84])
    np.testing.assert_allclose(found["log_sfr10_over_sfr100"], np.tile(expected, (len(answer), 1)), atol=1e-6)
    np.testing.assert_allclose(found["p_burst"], (factor > 3).mean(), atol=0.01)
    means = quantiles_of_draws(answer, lambda mass, mh: (mass * (mh + 2)).sum(axis=-1))
    np.testing.assert_allclose(means, 2.0, rtol=2e-3)


def test_spectra_without_an_answer_hold_nan_and_networks_without_samples_nothing():
    answer = with_history(STEADY)
    samples = {name: values.copy() for name, values in answer.samples.items()}
    samples["mass_fraction"][1] = np.nan
    found = quantities_from_draws(replace(answer, samples=samples))
    for values in found.values():
        assert np.isnan(values[1]).all()
    assert np.isfinite(found["log_sfr30"][[0, 2, 3]]).all()
    assert quantities_from_draws(make_answer(make_spectra(2))) == {}


def test_all_are_among_the_columns_of_bins():
    assert set(FROM_DRAWS) <= set(OF_BINS)
