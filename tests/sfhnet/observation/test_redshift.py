"""The finder of redshifts against the plain least squares that it stands for, redshift by redshift."""

import numpy as np
import pytest

from sfhnet.observation.redshift import RedshiftFinder, line_templates

REST_AA = np.arange(4800.0, 5600.0, 1.25)
WAVE_AA = np.arange(4800.0, 5800.0, 1.25)


@pytest.fixture
def finder(rng):
    stars = 1 + 0.1 * np.cumsum(rng.standard_normal((3, REST_AA.size)), axis=1) / 10
    lines = line_templates(REST_AA, np.full(REST_AA.size, 3.0))[:2]
    return RedshiftFinder(REST_AA, stars, lines, z_range=(-0.002, 0.02))


def plain_gain(finder, weight, values):
    """Chi-square that the templates save at each redshift, lines that would absorb left out."""
    templates, n_line = finder._templates, finder._n_line
    n = templates.shape[1]
    result = []
    for k in range(len(finder.z)):
        w, y = weight[k : k + n], values[k : k + n]
        rows = np.arange(len(templates))
        for _ in range(2):
            some = templates[rows]
            gram = (some * w) @ some.T + 1e-4 * weight.sum() * np.eye(len(rows))
            right = some @ (w * y)
            amplitude = np.linalg.solve(gram, right)
            result_here = amplitude @ right
            keep = (rows < len(templates) - n_line) | (amplitude >= 0)
            if keep.all():
                break
            rows = rows[keep]
        result.append(result_here)
    return np.array(result)


def test_gains_are_those_of_least_squares(finder, rng):
    n = 6
    flux = 1 + 0.05 * rng.standard_normal((n, WAVE_AA.size))
    variance = rng.uniform(0.5, 2.0, flux.shape) * 0.05**2
    good = rng.random(flux.shape) > 0.05
    weight, values = finder._observed(WAVE_AA, flux, variance, good)
    found = finder._gain(weight, values)
    for i in range(n):
        expected = plain_gain(finder, weight[i], values[i])
        np.testing.assert_allclose(found[i], expected, rtol=1e-3, atol=0.02)


def test_a_spectrum_is_judged_alone_and_its_prior_is_its_own(finder, rng):
    z = np.array([0.003, 0.015, 0.009])
    star = 1 + 0.1 * np.cumsum(rng.standard_normal(REST_AA.size)) / 10
    finder = RedshiftFinder(
        REST_AA, star[None], line_templates(REST_AA, np.full(REST_AA.size, 3.0)), z_range=(-0.002, 0.02)
    )
    flux = np.array([np.interp(WAVE_AA / (1 + one), REST_AA, star) for one in z])
    flux = flux + 0.01 * rng.standard_normal(flux.shape)
    variance, good = np.full(flux.shape, 1e-4), np.ones(flux.shape, dtype=bool)
    good[2] = False
    together = finder.find(WAVE_AA, flux, variance, good=good, prior=(z, 0.001))
    assert np.abs(together.z - z)[:2].max() < 1e-4
    assert np.isnan(together.z[2]) and together.probability[2] == 0
    for i in range(2):
        rows = slice(i, i + 1)
        alone = finder.find(WAVE_AA, flux[rows], variance[rows], good=good[rows], prior=(z[rows], 0.001))
        assert alone.z[0] == pytest.approx(together.z[i], abs=1e-8)
        assert alone.lead[0] == pytest.approx(together.lead[i], rel=1e-4)
