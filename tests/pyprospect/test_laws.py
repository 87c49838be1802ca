"""Laws that hold for every input, tried on many: energy, flux and mass are conserved, and inverse maps invert."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyprospect.bands.photometry import flux2lum, lum2flux
from pyprospect.dust.attenuation import CF, CF_screen, CF_screen_atten
from pyprospect.numerics.age_bins import rebin_matrix
from pyprospect.numerics.rebin import pixel_edges, smoothing_matrix, spec_rebin

WAVE = np.geomspace(912.0, 3e4, 60)
POSITIVE = arrays(float, WAVE.size, elements=st.floats(1e-3, 1e3))
DEPTH = st.floats(0.0, 5.0)
SLOPE = st.floats(-2.0, -0.1)


def ascending(n_min, n_max, low, high):
    return st.lists(st.floats(low, high), min_size=n_min, max_size=n_max, unique=True).map(np.sort)


@given(flux=POSITIVE, tau=DEPTH, slope=SLOPE, bump=st.floats(0.0, 4.0))
def test_what_dust_takes_from_the_spectrum_it_has_absorbed(flux, tau, slope, bump):
    behind = CF_screen_atten(WAVE, flux, tau, slope, Eb=bump)
    assert np.all(behind.flux <= flux)
    step = np.diff(WAVE, prepend=WAVE[0])
    kept, had = np.sum(step * behind.flux), np.sum(step * flux)
    assert kept + behind.total_atten == pytest.approx(had, rel=1e-10)


@given(first=DEPTH, second=DEPTH, slope=SLOPE)
def test_two_screens_are_one_of_both_depths(first, second, slope):
    np.testing.assert_allclose(
        CF(WAVE, first, slope) * CF(WAVE, second, slope), CF(WAVE, first + second, slope), rtol=1e-9
    )


@given(tau=st.floats(0.01, 5.0), more=st.floats(1.01, 2.0), slope=SLOPE)
def test_more_dust_transmits_less_and_blue_light_least(tau, more, slope):
    thin, thick = CF_screen(WAVE, tau, slope), CF_screen(WAVE, tau * more, slope)
    assert np.all(thick <= thin)
    assert np.all(np.diff(thin) >= 0)


@given(lum=POSITIVE, z=st.floats(0.001, 6.0))
def test_luminosity_to_flux_and_back(lum, z):
    there = lum2flux(WAVE, lum, z)
    back = flux2lum(there.wave, there.flux, z)
    np.testing.assert_allclose(back.wave, WAVE, rtol=1e-12)
    np.testing.assert_allclose(back.lum, lum, rtol=1e-12)


@given(lum=POSITIVE, z=st.floats(0.001, 6.0), distance=st.floats(1.0, 1e4))
def test_redshift_keeps_the_power_that_passes(lum, z, distance):
    near, far = (lum2flux(WAVE, lum, shift, lum_dist_mpc=distance) for shift in (0.0, z))
    assert np.trapezoid(far.flux, far.wave) == pytest.approx(np.trapezoid(near.flux, near.wave), rel=1e-12)


@given(
    values=arrays(float, 40, elements=st.floats(0.0, 1e3)),
    step=st.floats(0.3, 4.0),
    width=st.floats(0.0, 5.0),
)
def test_broadening_and_rebinning_keep_the_flux(values, step, width):
    inside = np.arange(5000.0, 5040.0)
    outside = np.arange(4900.0, 5140.0, step)  # reaches further than any kernel
    edges = pixel_edges(outside)
    sigma = np.full(outside.size, width)
    mean = smoothing_matrix(pixel_edges(inside), edges, sigma, 12.0) @ values
    assert np.sum(mean * np.diff(edges)) == pytest.approx(values.sum(), rel=1e-6, abs=1e-9)


@given(level=st.floats(1e-20, 1e20), wave=ascending(5, 40, 4000.0, 6000.0))
def test_a_flat_spectrum_stays_flat_on_any_grid(level, wave):
    grid = np.linspace(wave[0], wave[-1], 12)[1:-1]
    if np.diff(wave).min() < 1e-3:
        return
    found = spec_rebin(wave, np.full(wave.size, level), grid, logbin=False)
    np.testing.assert_allclose(found.flux, level, rtol=1e-9)


@given(cells=ascending(2, 20, 0.0, 1.3e10), bins=ascending(1, 20, 1.0, 1.3e10), seed=st.integers(0, 999))
def test_ages_on_another_grid_hold_the_same_mass(cells, bins, seed):
    bins = np.unique(np.concatenate([[-1.0], bins, [1.4e10]]))
    matrix = rebin_matrix(cells, bins)
    mass = np.random.default_rng(seed).dirichlet(np.ones(cells.size - 1))
    assert np.all(matrix >= 0)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-9)
    assert (mass @ matrix).sum() == pytest.approx(1.0, rel=1e-9)
