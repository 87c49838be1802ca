"""Pixels that hold no light are found, lines and noise are left; errors that are none are recognised."""

import numpy as np
import pytest

from sfhnet.observation.artefacts import error_scale, fill_values, light, spikes

N = 800


@pytest.fixture
def spectrum(rng):
    wave = np.arange(N)
    line = 8 * np.exp(-0.5 * ((wave - 300) / 1.0) ** 2)
    flux = 1 + 0.1 * np.sin(wave / 30) + line + 0.02 * rng.standard_normal(N)
    return flux[None], np.full((1, N), 0.02), np.ones((1, N), bool)


def test_zeros_repeats_and_straight_gaps_are_found(spectrum):
    flux = spectrum[0].copy()
    assert not fill_values(flux).any()
    flux[0, 100] = 0.0
    flux[0, 200:206] = 1.234
    flux[0, 400:430] = np.linspace(flux[0, 400], flux[0, 429], 30)
    found = np.flatnonzero(fill_values(flux)[0])
    assert set(found) == {100, *range(200, 206), *range(400, 430)}
    assert fill_values(np.full((1, 50), 3.0)).all()
    assert not fill_values(np.full((1, 50), np.nan)).any()


def test_spikes_go_and_lines_stay(spectrum):
    flux, sigma, good = spectrum
    assert not spikes(flux, sigma, good).any()
    spoilt = flux.copy()
    spoilt[0, [50, 500, 700]] = 3.0, -50.0, 1e5
    found = np.flatnonzero(spikes(spoilt, sigma, good)[0])
    assert {50, 500, 700} <= set(found)
    assert len(found) <= 9
    assert not set(found) & set(range(290, 311))
    kept = light(np.where(np.arange(N) == 10, np.nan, spoilt), sigma**2, good)
    assert set(np.flatnonzero(~kept[0])) == {10, *found}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 400.0, 4e4])
def test_a_variance_or_an_ivar_called_error_is_recognised(spectrum, scale):
    flux, sigma, good = spectrum[0] * scale, spectrum[1] * scale, spectrum[2]
    right = error_scale(flux, sigma, good)
    assert right.ratio[0] == pytest.approx(1.0, abs=0.15)
    assert right.looks_like[0] == "sigma"
    for kind, wrong in (("variance", sigma**2), ("ivar", sigma**-2.0)):
        assert error_scale(flux, wrong, good).looks_like[0] == kind


def test_correlated_noise_is_no_wrong_error(rng):
    white = rng.standard_normal(4 * N)
    smooth = np.convolve(white, np.exp(-0.5 * (np.arange(-12, 13) / 3.0) ** 2), "same")
    flux = 100 + 16 * smooth[None, :N] / smooth.std()
    found = error_scale(flux, np.full(flux.shape, 16.0), np.ones(flux.shape, bool))
    assert found.ratio[0] < 0.3
    assert found.looks_like[0] == "sigma"


@pytest.mark.parametrize("profile", [[20, 20, 20], [20, 12, 5], [4, 9], [3, 3, 3, 3]])
def test_cosmic_rays_of_some_pixels_go(spectrum, profile):
    flux, sigma, good = spectrum
    spoilt = flux.copy()
    spoilt[0, 500 : 500 + len(profile)] += profile
    found = set(np.flatnonzero(spikes(spoilt, sigma, good)[0]))
    assert set(range(500, 500 + len(profile))) <= found
    assert found <= set(range(499, 501 + len(profile)))


@pytest.mark.parametrize("centre", [499.5, 499.75, 500.0, 500.3])
@pytest.mark.parametrize("fwhm", [2.0, 2.5, 4.0])
@pytest.mark.parametrize("height", [1.5, 20.0, 300.0])
def test_bright_lines_of_two_pixels_stay(spectrum, centre, fwhm, height):
    flux, sigma, good = spectrum
    line = height * np.exp(-4 * np.log(2) * ((np.arange(N) - centre) / fwhm) ** 2)
    assert not spikes(flux + line, sigma, good).any()
