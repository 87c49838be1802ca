"""Errors of the flux calibration: what is drawn has the sizes that were asked for, and so has its linear model."""

import numpy as np
import pytest
import torch

from ingredients import WAVE_AA
from sfhnet.config import NoiseConfig
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.calibration_errors import (
    CalibrationCurves,
    linear_curves,
    ripples,
    tilt_rms,
    zero_point_factors,
    zero_point_rms,
)

ORDER = 16


def drawn(noise, n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    curves = CalibrationCurves(noise, torch.from_numpy(WAVE_AA))
    factors = curves(
        n,
        lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.float64),
        lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64),
    )
    return np.log(factors.numpy())


def test_draws_have_the_rms_that_was_asked_for():
    for noise, rms in (
        (NoiseConfig(ripple_rms=0.0, tilt_range=(0.02, 0.02)), 0.02),
        (NoiseConfig(tilt_range=(1e-4, 1e-4)), 0.008),
        (BENCHMARK_NOISE, np.hypot(0.02, 0.008)),
        # Log-uniform: the mean square is (b^2 - a^2) / (2 ln b/a).
        (NoiseConfig(ripple_rms=0.0), np.sqrt((0.15**2 - 0.005**2) / (2 * np.log(30)))),
    ):
        assert np.sqrt((drawn(noise, 3000) ** 2).mean()) == pytest.approx(rms, rel=0.06)
        assert np.hypot(tilt_rms(noise), noise.ripple_rms) == pytest.approx(rms, rel=0.001)


def test_orders_of_the_tilt_fall_as_asked_for():
    noise = NoiseConfig(ripple_rms=0.0, tilt_range=(0.02, 0.02), tilt_order=8, tilt_slope=1.0)
    x = np.linspace(-1, 1, WAVE_AA.size)
    found = np.polynomial.legendre.legfit(x, drawn(noise, 3000).T, 8)[1:].std(axis=1)
    sizes = found / np.sqrt(2 * np.arange(1, 9) + 1)
    np.testing.assert_allclose(sizes / sizes[0], 1 / np.arange(1, 9), rtol=0.08)


def test_the_linear_model_spreads_like_the_draws():
    """The predictive check allows for what the networks were trained with: order by order the same size."""
    noise = BENCHMARK_NOISE
    columns = linear_curves(noise, WAVE_AA.size, ORDER)
    coefficients = np.linalg.lstsq(columns.T, drawn(noise, 2000).T, rcond=None)[0]
    rms = np.sqrt((coefficients**2).mean(axis=1))
    np.testing.assert_allclose(rms[: noise.tilt_order], 1.0, rtol=0.1)
    # A sine reaches beyond its own order: those of the ripple agree on the whole only.
    np.testing.assert_allclose(rms[5:], 1.0, rtol=0.3)


def test_ripples_are_sines_at_every_pixel():
    draws = torch.rand(2, 50, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = ripples(torch.from_numpy(WAVE_AA), (100.0, 2000.0), of_period=draws[0], of_phase=draws[1])
    period = 100.0 * 20.0 ** draws[0].numpy()
    expected = np.sin(2 * np.pi * (WAVE_AA / period + draws[1].numpy()))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def test_a_ripple_of_one_period_has_a_linear_model():
    noise = NoiseConfig(ripple_period_aa=(800.0, 800.0))
    rms = np.sqrt((linear_curves(noise, WAVE_AA.size, ORDER) ** 2).mean(axis=1))
    assert (rms[noise.tilt_order :] == pytest.approx(noise.ripple_rms)) and np.isfinite(rms).all()


def test_zero_points_have_one_size_whether_drawn_or_linear(rng):
    noise = NoiseConfig(zero_point_mag=0.04, band_to_spectrum_mag=0.02)
    common, single = zero_point_rms(noise)
    nothing, one = np.zeros((5000, 1)), rng.standard_normal((5000, 3))
    assert zero_point_factors(noise, nothing, one).std() == pytest.approx(single, rel=0.05)
    together = zero_point_factors(noise, one[:, :1], np.zeros((5000, 3)))
    assert together.std() == pytest.approx(common, rel=0.05)
    assert (together[:, 0] == together[:, 2]).all()
    assert zero_point_rms(noise, off=("zero_points",)) == (0.0, 0.0)
    assert zero_point_rms(NoiseConfig(off=("zero_points",))) == (0.0, 0.0)
