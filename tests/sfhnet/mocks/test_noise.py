"""Noise and nuisances: what is asked for is what is drawn, and each effect can be switched off."""

import numpy as np
import pytest
import torch

from ingredients import BANDS, WAVE_AA
from pyprospect.constants import C_KMS
from sfhnet.config import NoiseConfig
from sfhnet.mocks.noise import EFFECTS, Lines, NoiseModel


def draw(n=64, off=(), snr=None, seed=1, config=None, flux=None, **rest):
    flux = torch.ones(n, len(WAVE_AA)) if flux is None else flux
    noise_model = NoiseModel(config or NoiseConfig(), WAVE_AA, BANDS, off=off)
    return noise_model(flux, torch.ones(len(flux), 5), torch.Generator().manual_seed(seed), snr=snr, **rest)


@pytest.mark.parametrize("snr", [15.0, 100.0])
def test_the_median_signal_to_noise_is_the_one_asked_for(snr):
    batch = draw(snr=snr, off=("error_scatter",))
    found = 10 ** batch.log_snr.numpy()
    # Calibration errors, masks and the sample of pixels move single spectra a little.
    assert found.mean() == pytest.approx(snr, rel=0.03)
    assert found == pytest.approx(snr, rel=0.2)


def test_noise_has_the_size_that_sigma_says():
    off = tuple(effect for effect in EFFECTS if effect != "variance_shape")
    batch = draw(n=200, off=off, snr=20.0)
    pull = (batch.flux - 1.0) / batch.sigma
    # Dividing by the noisy median of the window adds a little: 160 pixels, far below a per cent.
    assert float(pull.std()) == pytest.approx(1.0, abs=0.02)
    assert float(pull.mean()) == pytest.approx(0.0, abs=0.02)
    blue, red = batch.sigma[:, 10].mean(), batch.sigma[:, 2000].mean()
    assert 1.8 < blue / red < 4.0  # MUSE is noisier in the blue


def test_correlated_noise_keeps_the_error_of_averages():
    keep = ("correlation",)
    off = tuple(effect for effect in EFFECTS if effect not in keep)
    batch = draw(n=400, off=off, snr=20.0)
    noise = (batch.flux - 1.0) / batch.sigma
    smoothed = noise[300:]  # the last rows have the widest kernel
    assert float(smoothed.std()) < 0.65
    # Against the mean of the spectrum: dividing by the noisy window moves all of it.
    smoothed = smoothed - smoothed.mean(1, keepdim=True)
    means = smoothed[:, : 36 * 100].reshape(len(smoothed), 36, 100).mean(2) * 10.0
    assert float(means.std()) == pytest.approx(1.0, abs=0.08)


def test_the_same_key_draws_the_same_and_another_key_does_not():
    first, again, other = draw(seed=4), draw(seed=4), draw(seed=5)
    assert torch.equal(first.flux, again.flux)
    assert torch.equal(first.mask, again.mask)
    assert not torch.equal(first.flux, other.flux)


@pytest.mark.parametrize("effect", EFFECTS)
def test_every_effect_can_be_switched_off(effect):
    x = torch.from_numpy(1.0 + 0.3 * np.sin(WAVE_AA / 15.0)).float().expand(64, -1).contiguous()
    profile = torch.exp(-0.5 * ((torch.from_numpy(WAVE_AA).float() - 6563.0) / 3.0) ** 2)[None]
    lines = Lines(torch.full((64, 1), 0.5), profile)
    with_it = draw(flux=x, lines=lines)
    without = draw(flux=x, lines=lines, off=(effect,))
    same = all(
        torch.equal(getattr(with_it, name), getattr(without, name))
        for name in ("flux", "sigma", "mask", "band_flux", "band_mask")
    )
    assert not same


def test_all_effects_off_leaves_plain_gaussian_noise():
    batch = draw(off=EFFECTS)
    assert bool(batch.mask.all())
    assert bool(batch.band_mask.all())
    assert float((batch.sigma / batch.sigma[:, :1]).std()) == pytest.approx(0.0, abs=1e-6)


def test_an_unknown_effect_is_an_error():
    with pytest.raises(ValueError, match="unknown noise effects"):
        draw(off=("gravity",))


def test_kinematic_errors_equal_an_exact_shift():
    sigma = np.hypot(1.1, 6563.0 * 150.0 / C_KMS)

    def line(wave):
        return 1.0 + np.exp(-0.5 * ((wave - 6563.0) / sigma) ** 2)

    config = NoiseConfig(dispersion_scatter=0.0)
    noise_model = NoiseModel(config, WAVE_AA, BANDS)
    draws = torch.tensor([[1.0]])
    calls = iter([draws, torch.zeros(1, 1)])
    moved = noise_model._kinematics(torch.from_numpy(line(WAVE_AA)).float()[None], lambda *_: next(calls))[
        0
    ].numpy()
    exact = line(WAVE_AA / (1 + config.velocity_sigma_kms / C_KMS))
    assert np.abs(moved - exact)[100:-100].max() < 0.004


def test_dispersion_errors_equal_an_exact_broadening():
    pixel = 6563.0 / 1.25 / C_KMS
    config = NoiseConfig(velocity_sigma_kms=0.0, dispersion_scatter=0.1)
    width = config.dispersion_kms * pixel * 1.25
    noise_model = NoiseModel(config, WAVE_AA, BANDS)
    for sign in (-1.0, 1.0):
        line = np.exp(-0.5 * ((WAVE_AA - 6563.0) / width) ** 2) / width
        wider = width * (1 + sign * 0.1)
        exact = np.exp(-0.5 * ((WAVE_AA - 6563.0) / wider) ** 2) / wider
        calls = iter([torch.zeros(1, 1), torch.tensor([[sign]])])
        found = noise_model._kinematics(
            torch.from_numpy(line).float()[None], lambda *_, given=calls: next(given)
        )[0].numpy()
        # Second order: the error is a fraction of the change itself.
        assert np.abs(found - exact).max() < 0.25 * np.abs(line - exact).max()


def test_line_scatter_moves_lines_only():
    profile = torch.zeros(1, len(WAVE_AA))
    profile[0, 1450] = 0.8
    lines = Lines(torch.ones(32, 1), profile)
    off = tuple(effect for effect in EFFECTS if effect != "line_scatter")
    flux = torch.ones(32, len(WAVE_AA)) + profile
    batch = draw(flux=flux, lines=lines, off=off, snr=1e6)
    assert float(batch.flux[:, 1450].std()) > 0.1
    assert float(batch.flux[:, 1500].std()) < 1e-3


def test_bands_and_pixels_drop_out_as_often_as_asked():
    config = NoiseConfig(band_drop_probability=0.3, all_bands_drop_probability=0.0, pixel_drop_share=0.1)
    batch = draw(n=1000, config=config, off=("edges",))
    assert float(batch.band_mask.float().mean()) == pytest.approx(0.7, abs=0.03)
    assert 0.75 < float(batch.mask.float().mean()) < 0.9


def test_an_uneven_grid_is_refused():
    with pytest.raises(ValueError, match="evenly spaced"):
        NoiseModel(NoiseConfig(), np.geomspace(4750, 9350, 3681), BANDS)
