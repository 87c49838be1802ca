"""Medians of many spectra are those that numpy and scipy give one by one."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from sfhnet.observation.medians import above_medians, beside_too, far_medians, good_medians


@pytest.fixture
def spectra(rng):
    values = 20 + rng.standard_normal((5, 400)) * np.array([0.1, 1.0, 3.0, 1.0, 0.0])[:, None]
    values[1, 50] = 1e9
    values[2, 100:140] = -30.0
    values[3, 200:204] = [25.0, 60.0, 58.0, 24.0]
    return values


def test_of_good_pixels(spectra, rng):
    good = rng.random(spectra.shape) > 0.3
    good[0], good[1] = False, np.arange(400) == 7
    found = good_medians(np.where(good, spectra, np.nan), good, empty=-1.0)
    assert found[0] == -1.0
    assert found[1:].tolist() == [
        np.median(row[kept]) for row, kept in zip(spectra[1:], good[1:], strict=True)
    ]


@pytest.mark.parametrize("n_pixel", [15, 41])
def test_running_ones_where_something_is_far(spectra, n_pixel):
    exact = np.array([median_filter(row, n_pixel, mode="nearest") for row in spectra])
    least = np.full(spectra.shape, 4.0)
    found = far_medians(spectra, n_pixel, least=least)
    far = np.abs(spectra - exact) > least
    assert far.sum() > 40
    np.testing.assert_array_equal(found[beside_too(far)], exact[beside_too(far)])
    # What is not far keeps its value, or gets its median.
    assert ((found == exact) | (found == spectra)).all()
    assert not (np.abs(spectra - found) > least)[~far].any()


def test_above_a_multiple(rng):
    variance = rng.uniform(0.5, 2.0, 900)
    variance[[0, 300, 301, 600, 899]] = 50.0
    for ratio in (1.5, 9.0):
        expected = variance > ratio * median_filter(variance, 151, mode="nearest")
        np.testing.assert_array_equal(above_medians(variance, 151, ratio=ratio), expected)


def test_neighbours(rng):
    where = rng.random((3, 50)) > 0.9
    padded = np.pad(where, ((0, 0), (2, 2)))
    expected = np.any([padded[:, k : k + 50] for k in range(5)], axis=0)
    np.testing.assert_array_equal(beside_too(where, 2), expected)
