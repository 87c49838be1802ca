"""Tests of calibration on Gaussians: calibrated ones pass, over- and underconfident and shifted ones do not."""

import numpy as np
import pytest
from scipy.stats import norm

from sfhnet.core.quantities import LEVELS
from sfhnet.validation.rank_statistics import (
    area_to_curve,
    expected_coverage,
    pit,
    sample_ranks,
    tarp,
    uniformity,
)

N = 3000


def gaussian(width=1.0, shift=0.0, n_dim=1, seed=0):
    """Prior N(0, 1), data with unit noise: the exact posterior, its width and place spoilt if so wanted."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(N, n_dim))
    data = truth + rng.normal(size=(N, n_dim))
    sd = np.sqrt(0.5)
    return truth, data / 2 + shift * sd, width * sd


@pytest.mark.parametrize("source", ["quantiles", "samples"])
def test_ranks_of_exact_posteriors_are_uniform_and_of_wrong_ones_are_not(source):
    def ranks(width, shift=0.0):
        rng = np.random.default_rng(5)
        truth, mean, sd = gaussian(width, shift)
        if source == "quantiles":
            return pit(mean + sd * norm.ppf(LEVELS), truth[:, 0], rng)
        return sample_ranks(mean + sd * rng.normal(size=(N, 200)), truth[:, 0], rng)

    assert uniformity(ranks(1.0))["ks"] < 0.03
    assert uniformity(ranks(1.0))["p"] > 0.01
    # A normal half as wide differs from the exact one by up to 0.16 in probability, one moved by half a sigma by 0.2.
    assert uniformity(ranks(0.5))["ks"] == pytest.approx(0.16, abs=0.03)
    assert uniformity(ranks(1.0, 0.5))["ks"] == pytest.approx(0.197, abs=0.03)
    assert uniformity(ranks(2.0))["p"] < 1e-6


def test_expected_coverage_of_wide_and_narrow_posteriors():
    levels = np.array([0.0, 0.5, 0.68, 0.95, 1.0])
    rng = np.random.default_rng(1)
    for width in (0.5, 1.0, 2.0):
        truth, mean, sd = gaussian(width)
        found = expected_coverage(pit(mean + sd * norm.ppf(LEVELS), truth[:, 0], rng), levels)
        expected = 2 * norm.cdf(width * norm.ppf(0.5 + levels / 2)) - 1
        assert found == pytest.approx(expected, abs=0.025)


def test_pit_at_a_bound_is_spread_over_the_quantiles_that_lie_there():
    quantiles = np.tile(np.concatenate([np.zeros(5), np.arange(1.0, 5.0)]), (4000, 1))
    ranks = pit(quantiles, np.zeros(4000), np.random.default_rng(0))
    assert uniformity(ranks / 0.5)["ks"] < 0.03
    assert pit(quantiles, np.full(4000, 1e9), np.random.default_rng(0)) == pytest.approx(1.0)
    assert pit(quantiles, np.full(4000, -1e9), np.random.default_rng(0)) == pytest.approx(0.0)


@pytest.mark.parametrize("n_dim", [1, 6])
def test_tarp_is_diagonal_for_the_exact_posterior_only(n_dim):
    def credibility(width, shift=0.0):
        rng = np.random.default_rng(2)
        truth, mean, sd = gaussian(width, shift, n_dim)
        samples = mean[:, None] + sd * rng.normal(size=(N, 100, n_dim))
        return tarp(samples, truth, rng)

    exact = credibility(1.0)
    assert uniformity(exact)["ks"] < 0.03
    assert area_to_curve(exact) == pytest.approx(0.0, abs=0.006)
    assert area_to_curve(credibility(0.5)) < -0.02
    assert area_to_curve(credibility(2.0)) > 0.02
    assert uniformity(credibility(1.0, 1.0))["ks"] > 0.05


def test_tarp_sees_a_wrong_correlation_that_no_marginal_shows():
    rng = np.random.default_rng(3)
    truth = rng.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], N)
    # The right marginals without the correlation.
    samples = rng.normal(size=(N, 100, 2))
    for k in range(2):
        assert uniformity(sample_ranks(samples[:, :, k], truth[:, k], rng))["p"] > 0.01
    assert uniformity(tarp(samples, truth, rng))["p"] < 1e-3
