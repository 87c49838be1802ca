"""Broadening and resampling: flux is conserved, widths add in quadrature, errors stay honest."""

import numpy as np
import pytest

from sfhnet.resample import kernel, pixel_edges, resample

WAVE = 4700.0 + 1.25 * np.arange(1200)
OUT = 4750.0 + 1.25 * np.arange(1000)


def test_edges():
    np.testing.assert_allclose(pixel_edges(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])


def test_no_change_on_the_same_grid():
    matrix = kernel(pixel_edges(WAVE), pixel_edges(WAVE), np.zeros(WAVE.size))
    np.testing.assert_allclose(matrix.toarray(), np.eye(WAVE.size), atol=2e-3)


@pytest.mark.parametrize("sigma", [0.0, 0.4, 3.0, 8.0])
def test_flat_stays_flat_and_flux_is_conserved(sigma):
    matrix = kernel(pixel_edges(WAVE), pixel_edges(OUT), np.full(OUT.size, sigma))
    np.testing.assert_allclose(matrix @ np.ones(WAVE.size), 1.0, atol=3e-5)
    line = np.exp(-0.5 * ((WAVE - 5300.3) / 2.0) ** 2)
    assert (matrix @ line).sum() == pytest.approx(line.sum(), rel=1e-4)


def test_widths_add_in_quadrature():
    line = np.exp(-0.5 * ((WAVE - 5300.3) / 2.0) ** 2)
    out = kernel(pixel_edges(WAVE), pixel_edges(OUT), np.full(OUT.size, 3.0)) @ line
    centre = (out * OUT).sum() / out.sum()
    width = np.sqrt((out * (OUT - centre) ** 2).sum() / out.sum())
    assert centre == pytest.approx(5300.3, abs=1e-3)
    # Besides the two Gaussians there are the boxes of the input and the output pixel.
    assert width == pytest.approx(np.sqrt(2.0**2 + 3.0**2 + 2 * 1.25**2 / 12), rel=2e-3)


def test_sigma_follows_the_output_pixel():
    sigma = np.where(OUT < 5300, 1.0, 6.0)
    matrix = kernel(pixel_edges(WAVE), pixel_edges(OUT), sigma)
    for place, expected in ((5000.0, 1.0), (5700.0, 6.0)):
        row = matrix[[int(np.argmin(abs(OUT - place)))]].toarray()[0]
        width = np.sqrt((row * (WAVE - (row * WAVE).sum()) ** 2).sum())
        assert width == pytest.approx(np.hypot(expected, 1.25 / np.sqrt(6)), rel=0.02)


def test_the_error_is_right_for_averages(rng):
    sigma_in = 2.0
    noise = sigma_in * rng.standard_normal((400, WAVE.size))
    matrix = kernel(pixel_edges(WAVE), pixel_edges(OUT), np.full(OUT.size, 3.0))
    good = np.ones(WAVE.size, dtype=bool)
    out = np.array([resample(matrix, row, np.full(WAVE.size, sigma_in**2), good, 1.0)[0] for row in noise])
    _, variance, _ = resample(matrix, noise[0], np.full(WAVE.size, sigma_in**2), good, 1.0)
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
    out, variance, kept = resample(matrix, flux, np.where(good, 1.0, 0.0), good, 1.0, 0.8)
    np.testing.assert_allclose(out[kept], 10.0, rtol=1e-9)
    assert not kept[(WAVE[503] < OUT) & (WAVE[556] > OUT)].any()
    assert kept[(WAVE[580] < OUT) & (WAVE[690] > OUT)].all()
    assert (variance[kept] > 0).all()


def test_nothing_outside_the_input():
    short = WAVE[300:600]
    matrix = kernel(pixel_edges(short), pixel_edges(OUT), np.full(OUT.size, 2.0))
    _, _, kept = resample(matrix, np.ones(300), np.ones(300), np.ones(300, dtype=bool), 1.0)
    assert kept.sum() == pytest.approx(300, abs=4)
    assert OUT[kept].min() > short[0] - 2
