"""Metrics against cases whose answer is known."""

import numpy as np
import pytest
from scipy.stats import norm

from sfhnet.core.quantities import LEVELS
from sfhnet.validation import metrics

EDGES = np.array([0.0, 10, 100, 1000, 10000])


def test_moving_all_mass_by_one_decade_is_one_dex_away():
    young, old = np.zeros((1, 4)), np.zeros((1, 4))
    young[0, 1], old[0, 2] = 1.0, 1.0
    assert metrics.wasserstein_dex(young.cumsum(1), old.cumsum(1), EDGES) == pytest.approx(1.0)
    assert metrics.wasserstein_dex(old.cumsum(1), old.cumsum(1), EDGES) == pytest.approx(0.0)


def test_the_three_smapes_differ_as_defined():
    truth, estimate = np.array([[0.5, 0.5, 0.0]]), np.array([[0.4, 0.6, 0.0]])
    assert metrics.smape_lovell(estimate, truth) == pytest.approx(0.2 / 2.0)
    assert metrics.smape_floored(estimate, truth) == pytest.approx((0.2 / 1.0 + 0.2 / 1.2 + 0.0) / 3)
    assert metrics.smape_textbook(estimate, truth) == pytest.approx((0.2 / 0.9 + 0.2 / 1.1) / 3)


def test_age_ranges_share_out_every_bin_once():
    edges = np.array(
        [0, 10, 20, 40, 63, 100, 180, 320, 560, 1000, 1800, 3200, 5000, 7100, 9000, 11200, 13800.0]
    )
    ranges = metrics.age_ranges(edges)
    assert np.array_equal(sum(bins.astype(int) for bins in ranges.values()), np.ones(16))
    assert ranges["young"].sum() == 5
    assert ranges["intermediate"].sum() == 5


def gaussian(n, width=1.0, seed=0):
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=n)
    truth = centre + rng.normal(size=n)
    return centre[:, None] + width * norm.ppf(LEVELS), truth


def test_exact_quantiles_cover_what_they_say():
    quantiles, truth = gaussian(40000)
    for nominal, found in metrics.coverage(quantiles, truth).items():
        assert 100 * found == pytest.approx(float(nominal), abs=1.0)


def test_narrow_quantiles_cover_less_and_score_worse():
    exact, narrow, truth = gaussian(5000)[0], gaussian(5000, 0.5)[0], gaussian(5000)[1]
    assert metrics.coverage(narrow, truth)["68"] < 0.5
    assert metrics.crps(exact, truth) < metrics.crps(narrow, truth)
    assert metrics.log_score(exact, truth) > metrics.log_score(narrow, truth)
    # The entropy of a unit normal, as far as nine quantiles can draw it.
    assert metrics.log_score(exact, truth) == pytest.approx(-0.5 * np.log(2 * np.pi * np.e), abs=0.05)


def test_scalar_metrics_of_a_constant_offset():
    truth = np.linspace(0, 1, 101)
    found = metrics.scalar_metrics(truth + 0.4, truth)
    assert found["bias"] == pytest.approx(0.4)
    assert found["scatter"] == pytest.approx(0.0, abs=1e-12)
    assert found["outliers"] == 1.0


def test_truth_takes_the_logarithm_of_rates_with_a_floor():
    labels = dict.fromkeys(("lw_log_age", "mw_log_age", "lw_mh", "mw_mh", "a_v", "log_ml"), np.zeros(2))
    labels |= {f"t{q}": np.zeros(2) for q in (10, 25, 50, 75, 90)}
    labels |= {"mass_fraction": np.ones((2, 1)), "mh": np.zeros((2, 1))}
    labels |= {"sfr10": np.array([0.0, 1e-9]), "sfr100": np.array([1e-10, 1e-30])}
    truth = metrics.truth_from_labels(labels)
    assert truth["log_sfr10"].tolist() == pytest.approx([-13.0, -9.0])
    assert truth["log_sfr100"].tolist() == pytest.approx([-10.0, -13.0])
