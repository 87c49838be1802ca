"""Dense-basis histories: the mass they promise, when they promise it, and as a massfunc."""

import numpy as np
import pytest
from scipy.integrate import quad

from pyprospect import sfh_func
from pyprospect.histories import massfunc
from pyprospect.histories.dense_basis import dense_basis, draw_times


def formed(rate, since_yr, start_yr):
    nodes = np.linspace(start_yr - since_yr, start_yr, 200001)
    return np.trapezoid(rate(nodes), nodes)


def test_mass_forms_by_the_times():
    times = np.array([0.1, 0.35, 0.8])
    rate = dense_basis(times, mass_msun=3e10, start_gyr=13.0)
    for number, time in enumerate([*times, 1.0], 1):
        assert formed(rate, time * 13e9, 13e9) == pytest.approx(3e10 * number / 4, rel=1e-6)
    age = np.linspace(0, 14e9, 1000)
    assert np.all(rate(age) >= 0)
    assert np.all(rate(age[age > 13e9]) == 0)
    assert quad(rate, 0, 13e9, limit=500)[0] == pytest.approx(3e10, rel=1e-6)


def test_rate_of_today():
    rate = dense_basis([0.2, 0.5], mass_msun=1e10, sfr_msun_yr=2.0)
    assert formed(rate, 13.8e9, 13.8e9) == pytest.approx(1e10, rel=1e-5)
    age = np.linspace(0, 1e8, 1001)
    assert np.trapezoid(rate(age), age) == pytest.approx(2e8, rel=1e-4)
    with pytest.raises(ValueError, match="must be >= 0 and form less"):
        dense_basis([0.2, 0.5], mass_msun=1e8, sfr_msun_yr=2.0)


def test_even_times_make_a_constant_rate():
    rate = dense_basis([0.25, 0.5, 0.75], mass_msun=1e10, start_gyr=10.0)
    np.testing.assert_allclose(rate(np.array([0.0, 3e9, 9.9e9])), 1.0, rtol=1e-12)


def test_drawn_times_follow_the_dirichlet():
    times = draw_times(np.random.default_rng([3, 2]), n_tx=3, alpha=1.0, size=40000)
    assert times.shape == (40000, 3)
    assert np.all(np.diff(times, axis=1) > 0)
    # the k-th of three uniform order statistics: mean k/4, variance k (4 - k) / 80
    np.testing.assert_allclose(times.mean(axis=0), [0.25, 0.5, 0.75], atol=0.005)
    np.testing.assert_allclose(times.var(axis=0), np.array([3, 4, 3]) / 80, rtol=0.03)
    smooth = draw_times(np.random.default_rng([3, 2]), alpha=20.0, size=4000)
    assert smooth.std() < times.std()
    assert draw_times(np.random.default_rng(0)).shape == (3,)
    np.testing.assert_array_equal(draw_times(np.random.default_rng(5)), draw_times(np.random.default_rng(5)))


def test_as_massfunc(libraries):
    result = sfh_func(
        massfunc=dense_basis([0.3, 0.5, 0.7], mass_msun=1e10, start_gyr=13.0),
        Z=0.02,
        speclib=libraries("toy"),
        z=0.0,
        filters=None,
        intSFR=True,
        agemax=15e9,
    )
    assert result.masstot == pytest.approx(1e10, rel=1e-3)


def test_mass_between_ages_is_exact():
    history = dense_basis([0.3, 0.5, 0.7], mass_msun=1e10, sfr_msun_yr=2.0, start_gyr=13.0)
    assert massfunc.integrate(history, 0.0, 13e9) == pytest.approx(1e10, rel=1e-12)
    assert massfunc.integrate(history, 5e9, 20e9) == pytest.approx(
        np.trapezoid(history(np.linspace(5e9, 13e9, 200001)), dx=4e4), rel=1e-8
    )


@pytest.mark.parametrize("times", [[0.5, 0.4], [0.0, 0.5], [0.5, 1.0], [0.2, np.nan]])
def test_bad_times(times):
    with pytest.raises(ValueError, match="must ascend strictly"):
        dense_basis(times)


def test_bad_arguments():
    with pytest.raises(ValueError, match="must be positive"):
        dense_basis([0.5], mass_msun=-1)
    with pytest.raises(ValueError, match="alpha=0 must be positive"):
        draw_times(np.random.default_rng(0), alpha=0)
