"""Resampling with errors and masks: errors stay honest, bad pixels do not leak."""

import numpy as np
import pytest

from pyprospect.numerics.rebin import smoothing_matrix
from sfhnet.observation.resample import kernel, pixel_edges, resample

WAVE = 4700.0 + 1.25 * np.arange(1200)
OUT = 4750.0 + 1.25 * np.arange(1000)


def test_the_cut_of_the_kernel_is_not_seen():
    edges, sigma = (pixel_edges(WAVE), pixel_edges(OUT)), np.full(OUT.size, 3.0)
    cut, whole = kernel(*edges, sigma), smoothing_matrix(*edges, sigma)
    assert cut.count_nonzero() < 0.8 * whole.nnz
    np.testing.assert_allclose(cut.sum(axis=1), 1.0, atol=3e-5)
    assert abs(cut - whole).max() < 1e-5


@pytest.mark.parametrize("redshift", [-0.003, 0.0, 0.0137, 0.12])
@pytest.mark.parametrize("sigma", [(1.2, 1.2), (2.4, 3.7), (6.0, 9.0)])
def test_kernels_of_even_pixels_are_those_of_any(redshift, sigma):
    edges, widths = (pixel_edges(WAVE / (1 + redshift)), pixel_edges(OUT)), np.linspace(*sigma, OUT.size)
    quick, exact = kernel(*edges, widths), smoothing_matrix(*edges, widths, 4.3)
    assert abs(quick - exact).max() < 3e-8
    # Pixels that are not even, and Gaussians unlike each other, are integrated.
    uneven = pixel_edges(np.geomspace(4700.0, 6200.0, 1200))
    for given, wide in ((uneven, widths), (edges[0], np.linspace(0.0, 3.0, OUT.size))):
        found, wanted = kernel(given, edges[1], wide), smoothing_matrix(given, edges[1], wide, 4.3)
        np.testing.assert_array_equal(found.toarray(), wanted.toarray())


def test_the_error_is_right_for_averages(rng):
    sigma_in = 2.0
    noise = sigma_in * rng.standard_normal((400, WAVE.size))
    matrix = kernel(pixel_edges(WAVE), pixel_edges(OUT), np.full(OUT.size, 3.0))
    good = np.ones(WAVE.size, dtype=bool)
    out = np.array(
        [
            resample(matrix, row, np.full(WAVE.size, sigma_in**2), good=good, pixel_ratio=1.0)[0]
            for row in noise
        ]
    )
    _, variance, _ = resample(matrix, noise[0], np.full(WAVE.size, sigma_in**2), good=good, pixel_ratio=1.0)
    blocks = out.reshape(400, -1, 100).mean(axis=2)
    assert blocks.std() == pytest.approx(np.sqrt(variance.mean() / 100), rel=0.08)
    # Pixel to pixel the noise is smoother than that: sigma says what averages do.
    assert out.std() < 0.5 * np.sqrt(variance.mean())


def test_bad_pixels_do_not_leak(rng):
    flux = np.full(WAVE.size, 10.0)
    good = np.ones(WAVE.size, dtype=bool)
    flux[500:560], good[500:560] = 1e9, False
    flux[700], good[700] = -1e9, False
    matrix = kernel(pixel_edges(WAVE), pixel_edges(OUT), np.full(OUT.size, 2.0))
    out, variance, kept = resample(
        matrix, flux, np.where(good, 1.0, 0.0), good=good, pixel_ratio=1.0, min_weight=0.8
    )
    np.testing.assert_allclose(out[kept], 10.0, rtol=1e-9)
    assert not kept[(WAVE[503] < OUT) & (WAVE[556] > OUT)].any()
    assert kept[(WAVE[580] < OUT) & (WAVE[690] > OUT)].all()
    assert (variance[kept] > 0).all()


def test_nothing_outside_the_input():
    short = WAVE[300:600]
    matrix = kernel(pixel_edges(short), pixel_edges(OUT), np.full(OUT.size, 2.0))
    _, _, kept = resample(matrix, np.ones(300), np.ones(300), good=np.ones(300, dtype=bool), pixel_ratio=1.0)
    assert kept.sum() == pytest.approx(300, abs=4)
    assert OUT[kept].min() > short[0] - 2
