"""What joint samples say beyond the scalars: rates over other times, bursts, metallicities of ages; calibrated like scalars."""

from dataclasses import replace

import numpy as np
import pytest

from galaxy_answers import make_answer, make_spectra
from ingredients import AGE_EDGES_MYR
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import FROM_DRAWS, LEVELS, OF_BINS, SFR_FLOOR_PER_YR
from sfhnet.inference.conformal import Conformal, Strata
from sfhnet.inference.draws import (
    AS_DRAWN,
    as_drawn,
    last_burst_yr,
    of_histories,
    quantiles_of_samples,
    quantities_from_draws,
)
from sfhnet.inference.screens import widened
from sfhnet.inference.surviving_mass import SurvivingMass
from sfhnet.products.bin_table import bin_columns
from sfhnet.validation.metrics import coverage

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
    assert set(found) == set(FROM_DRAWS) - {"surviving_fraction"}
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
    median, low, high = found["log_t_burst"].T
    if not is_one:
        assert np.isnan(median).all()
        return
    # In which part of its bin it was, the history does not tell: the interval is 68 % of the bin.
    for value, share in ((median, 0.5), (low, 0.16), (high, 0.84)):
        expected = EDGES_YR[k] + share * (EDGES_YR[k + 1] - EDGES_YR[k])
        np.testing.assert_allclose(10**value, expected, atol=0.03 * (EDGES_YR[k + 1] - EDGES_YR[k]))


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


def test_metallicities_are_those_of_the_stars_of_an_age():
    mass = STEADY.copy()
    mh = np.where(EDGES_YR[1:] <= 1e9, 0.2, np.where(EDGES_YR[:-1] >= 5e9, -0.7, np.nan))
    found = of_histories(mass[None], mh[None], EDGES_YR)
    assert found["mh_young"] == pytest.approx([0.2])
    assert found["mh_old"] == pytest.approx([-0.7])
    mass[EDGES_YR[1:] <= 1e9] = 0.0
    assert np.isnan(of_histories(mass[None], mh[None], EDGES_YR)["mh_young"]).all()


def test_what_most_samples_have_not_has_no_answer():
    old = STEADY.copy()
    old[EDGES_YR[1:] <= 1e9] = 0.0
    answer = with_history(old)
    found = quantities_from_draws(answer)
    for name in ("log_sfr10_over_sfr100", "mh_young", "log_t_burst"):
        assert np.isnan(found[name]).all()
    np.testing.assert_array_equal(found["log_sfr30"], np.log10(SFR_FLOOR_PER_YR))
    mass = answer.samples["mass_fraction"].copy()
    mass[:, :30] = STEADY
    found = quantities_from_draws(replace(answer, samples=answer.samples | {"mass_fraction": mass}))
    np.testing.assert_allclose(found["log_sfr10_over_sfr100"], 0.0, atol=2e-3)


def guessed(rng, n=3000, n_draw=100, narrow=0.5):
    """Histories, and answers whose samples scatter about a wrong guess by half of what the guess is off."""
    n_age = len(STEADY)
    spread = 0.6
    truth = rng.normal(0.0, 1.2, (n, n_age))
    guess = truth + rng.normal(0.0, spread, (n, n_age))
    logs = guess[:, None] + narrow * rng.normal(0.0, spread, (n, n_draw, n_age))

    def shares(values):
        values = STEADY * np.exp(values)
        return values / values.sum(axis=-1, keepdims=True)

    true_mh = rng.normal(-0.3, 0.3, (n, n_age))
    mh = (true_mh + rng.normal(0, 0.2, (n, n_age)))[:, None] + narrow * rng.normal(0, 0.2, (n, n_draw, n_age))
    few = make_answer(make_spectra(2))
    answer = few.take(np.arange(n) % len(few))
    answer = replace(answer, samples={"mass_fraction": shares(logs), "mh": mh}, snr=rng.uniform(10, 100, n))
    surviving = SurvivingMass(np.array([-2.0, 0.5]), np.linspace([0.9, 0.8], [0.5, 0.4], n_age).T)
    drawn = replace(answer, from_draws=quantiles_of_samples(answer, surviving))
    return replace(drawn, samples={}), of_histories(shares(truth), true_mh, EDGES_YR, surviving=surviving)


def test_intervals_of_what_is_drawn_hold_what_they_promise_once_calibrated(rng):
    drawn, truth = guessed(rng)
    even = np.arange(len(drawn)) % 2 == 0
    strata = Strata(np.array([20.0, 60.0]), np.array([9.5]), np.array([0.6]))
    one = np.ones((strata.cells(drawn).shape[1], 4))
    as_is = {
        name: np.tile(one[:, :, None], len(STEADY)) for name in ("mass_fraction_q", "cum_mass_q", "mh_q")
    }
    plain = Conformal(strata, dict.fromkeys(drawn.scalars_q, one), as_is)

    def rows(which):
        return {name: values[which] for name, values in truth.items()}

    taught = plain.with_draws(drawn.take(even), rows(even), min_stratum=100)
    left = drawn.take(~even)
    right = taught.apply(left)
    np.testing.assert_array_equal(right.from_draws["p_burst"], left.from_draws["p_burst"])
    for name in set(FROM_DRAWS) - {"p_burst"}:
        true = truth[name][~even]
        known = np.isfinite(true) & np.isfinite(left.from_draws[name]).all(axis=1)
        before, after = (coverage(one.from_draws[name][known], true[known]) for one in (left, right))
        for level, held in after.items():
            share = float(level) / 100
            margin = 0.02 + 3 * np.sqrt(share * (1 - share) / known.sum())
            assert held == pytest.approx(share, abs=margin), (name, level)
        # Draws half as wide as the errors promise too much.
        assert before["68"] < 0.6, name


def test_answers_hold_them_calibrated_in_files_and_tables(rng, tmp_path):
    spectra = make_spectra(4)
    answer = with_history(STEADY, side=4)
    mass = np.repeat(STEADY[None, None], 40, axis=1) * rng.lognormal(0, 0.3, (len(answer), 40, len(STEADY)))
    answer = replace(answer, samples=answer.samples | {"mass_fraction": mass / mass.sum(-1, keepdims=True)})
    answer = replace(answer, from_draws=quantiles_of_samples(answer))
    wide = widened(answer, np.full(len(answer), 2.0))
    of_wide, of_plain = (quantities_from_draws(one)["log_sfr30"] for one in (wide, answer))
    np.testing.assert_allclose(np.ptp(of_wide[:, 1:], axis=1), 2 * np.ptp(of_plain[:, 1:], axis=1))
    np.testing.assert_array_equal(wide.from_draws["p_burst"], answer.from_draws["p_burst"])
    some = [name for name in answer.from_draws if name not in ("mh_old", "log_t_burst")]
    wide.with_meta(calibrated_draws=some).write(tmp_path / "posterior.h5")
    again = Posterior.read(tmp_path / "posterior.h5")
    assert as_drawn(again) == {"mh_old", "log_t_burst", "surviving_fraction"}
    table = bin_columns(spectra, again)
    np.testing.assert_allclose(
        table["log_sfr30_p84"] - table["log_sfr30_p16"], np.ptp(of_wide[:, 1:], axis=1), rtol=1e-4
    )
    assert table["mh_old"].info.description.endswith(AS_DRAWN)
    assert AS_DRAWN not in table["log_sfr30"].info.description + table["p_burst"].info.description
    assert again.from_draws["mh_young"].shape == (len(again), len(LEVELS))


def test_answers_stored_before_say_that_theirs_are_as_drawn(tmp_path):
    answer = with_history(STEADY)
    answer.write(tmp_path / "posterior.h5")
    old = Posterior.read(tmp_path / "posterior.h5")
    assert old.from_draws == {}
    assert as_drawn(old) == set(FROM_DRAWS) - {"p_burst"}
    np.testing.assert_allclose(quantities_from_draws(old)["log_sfr10_over_sfr100"], 0.0, atol=2e-3)
    assert as_drawn(make_answer(make_spectra(2))) == set()
