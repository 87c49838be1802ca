"""The best linear estimate: equal to a dense solve whatever is missing, and features that say what is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from host_sync import NoHostSync
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.networks.best_linear import BestLinear
from sfhnet.networks.linear_features import Continuum, LinearFeatures, pair_pixels

K = 24


@pytest.fixture(scope="module")
def clean(mocks):
    """Mocks without white noise, every pixel present."""
    from sfhnet.mocks.noise import NoiseModel

    off = ["pixel_dropout", "edges", "band_dropout", "sky_residuals", "error_scatter", "correlation"]
    picked = mocks.get(np.arange(len(mocks)))
    noise_model = NoiseModel(BENCHMARK_NOISE, mocks.wave_aa, mocks.band_names, off=off)
    generator = torch.Generator().manual_seed(1)
    return picked.noisy(noise_model, generator, snr=1e5)


@pytest.fixture(scope="module", params=[False, True], ids=["pixels", "pairs"])
def features(request, clean, mocks):
    features = LinearFeatures(len(mocks.wave_aa), K, len(mocks.band_names), pairs=request.param)
    features.fit(clean)
    return features


@pytest.fixture(scope="module")
def spectra(held_out):
    """Unseen mocks with sky lines, edges, gaps and S/N of 10 to 200."""
    from sfhnet.mocks.noise import NoiseModel

    noise_model = NoiseModel(BENCHMARK_NOISE, held_out.wave_aa, held_out.band_names)
    picked = held_out.get(np.arange(64))
    return picked.noisy(noise_model, torch.Generator().manual_seed(2))


def windowed(batch):
    """Half of them end early, half begin late."""
    mask = batch.mask.clone()
    mask[::2, 1500:] = False
    mask[1::2, :1100] = False
    return replace(batch, mask=mask)


def one_block(batch):
    mask = torch.zeros_like(batch.mask)
    mask[:, 1000:1008] = True
    return replace(batch, mask=mask)


def spiky(batch):
    """Errors jump by a hundred in every twentieth pixel."""
    hit = torch.rand(batch.mask.shape, generator=torch.Generator().manual_seed(3)) < 0.05
    return replace(batch, sigma=torch.where(hit, 100 * batch.sigma, batch.sigma))


def mistaken(batch):
    """One error of nearly nothing."""
    sigma = batch.sigma.clone()
    sigma[:, 1700] *= 1e-6
    return replace(batch, sigma=sigma)


def sparse(batch):
    """A third of the pixels at random."""
    kept = torch.rand(batch.mask.shape, generator=torch.Generator().manual_seed(4)) < 0.33
    return replace(batch, mask=batch.mask & kept)


def dense(view, values, weight):
    """Posterior mean and standard deviation of the components in float64, one spectrum after the other."""
    basis, shape, prior = view.basis.double(), view.shape.double(), torch.diag(view.spread.double() ** -2)
    mean, std = [], []
    for value, w in zip(values.double(), weight.double(), strict=True):
        w = w * shape**2
        covariance = torch.linalg.inv((basis * w) @ basis.T + prior)
        mean.append(covariance @ (basis @ (w * (value - view.mean.double()) / shape)))
        std.append(covariance.diagonal().sqrt())
    return torch.stack(mean), torch.stack(std)


def views(features, batch):
    """Both linear estimates with what they are given."""
    values, weight = features.pixels(batch)
    continuum, _ = features.continuum(values, weight)
    ratio = torch.where(weight > 0, values / continuum - 1, 0)
    return [(features.projection, values, weight), (features.lines, ratio, weight * continuum**2)]


@pytest.mark.parametrize("change", [lambda b: b, windowed, one_block, spiky, mistaken, sparse])
def test_the_estimate_is_that_of_a_dense_solve(features, spectra, change):
    for view, values, weight in views(features, change(spectra)):
        mean, std = dense(view, values, weight)
        off = ((view(values, weight).coefficients - mean) / std).abs()
        assert float(torch.quantile(off, 0.99)) < 0.1


def test_without_pixels_it_is_the_prior(features, spectra):
    nothing = replace(spectra, mask=torch.zeros_like(spectra.mask))
    for view, values, weight in views(features, nothing):
        estimate = view(values, weight)
        assert (estimate.coefficients == 0).all()
        expected = torch.log10(view.spread / view.scale).expand_as(estimate.log_known)
        assert torch.allclose(estimate.log_known, expected, atol=1e-4)
    assert torch.isfinite(features(nothing)[0]).all()


def test_what_is_known_grows_with_pixels_and_signal(features, spectra):
    view, values, weight = views(features, spectra)[0]
    known = view(values, weight).log_known
    assert (view(values, 0.25 * weight).log_known >= known - 1e-4).all()
    assert (view(values, torch.zeros_like(weight)).log_known >= known - 1e-4).all()
    # The last component has nothing after it: its number is the posterior standard deviation.
    _, std = dense(view, values, weight)
    last = std[:, -1] / view.scale[-1]
    assert (10 ** known[:, -1] / last).median() == pytest.approx(1.0, abs=0.1)


def test_more_iterations_than_needed_do_no_harm(features, spectra):
    view, values, weight = views(features, spiky(spectra))[0]
    mean, std = dense(view, values, weight)
    n_iteration, view.n_iteration = view.n_iteration, 40
    many = view(values, weight).coefficients
    view.n_iteration = n_iteration
    assert float(((many - mean) / std).abs().max()) < 0.05


def test_nearly_noiseless_spectra_give_finite_features(features, clean):
    out, _ = features(clean)
    assert torch.isfinite(out).all()


def test_blocks_are_short_where_the_components_change():
    wave = torch.linspace(0, 1, 600)
    line = torch.exp(-0.5 * ((wave - 0.7) / 0.004) ** 2)
    draws = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    view = BestLinear(600, 2, n_block=40)
    view.fit(draws[:, :1] * wave + draws[:, 1:] * line, torch.ones(600))
    edges, size = view.edges, torch.diff(view.edges)
    assert edges[0] == 0 and edges[-1] == 600 and (size >= 1).all()
    at_line = torch.searchsorted(edges, 420) - 1
    assert size[at_line] <= 3
    assert size[0] > 15


def test_the_reduced_chi_square_is_one_for_mocks_and_large_for_strangers(features, mocks):
    from sfhnet.mocks.noise import NoiseModel

    picked = mocks.get(np.arange(96))
    noise_model = NoiseModel(
        BENCHMARK_NOISE, mocks.wave_aa, mocks.band_names, off=["correlation", "error_scatter"]
    )
    batch = picked.noisy(noise_model, torch.Generator().manual_seed(5), snr=30.0)
    components, chi2 = features.familiarity(batch, features(batch)[1])
    assert components.shape == (96, K)
    assert 0.8 < float(chi2.median()) < 1.3
    wiggle = 1 + 0.3 * torch.sin(torch.arange(batch.flux.shape[1]) / 20.0)
    strange = replace(batch, flux=batch.flux * wiggle)
    assert float(features.familiarity(strange, features(strange)[1])[1].median()) > 5


def test_familiarity_needs_no_second_projection(features, spectra):
    once = features.familiarity(spectra, features(spectra)[1])
    again = features.familiarity(spectra, features.whole(spectra))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


def test_the_continuum_follows_slopes_and_bridges_gaps():
    n = 1600
    slope = torch.linspace(0.5, 1.5, n).expand(2, -1)
    weight = torch.ones(2, n)
    weight[1, 700:900] = 0
    continuum = Continuum(n, cell=16, half=7, n_node=6)
    smooth, nodes = continuum(slope * (weight > 0), weight)
    assert nodes.shape == (2, 6)
    off = (smooth / slope - 1).abs()[:, 200:-200]
    assert off[0].max() < 1e-3
    assert off[1].max() < 0.1
    empty, _ = continuum(torch.zeros(2, n), torch.zeros(2, n))
    assert (empty > 0).all()


def test_a_tilt_moves_the_nodes_and_hardly_the_lines(features, clean):
    x = torch.linspace(-1, 1, clean.flux.shape[1])
    tilted = replace(clean, flux=clean.flux * torch.exp(0.05 * x))
    moved = []
    for batch in (clean, tilted):
        values, weight = features.pixels(batch)
        continuum, _ = features.continuum(values, weight)
        moved.append((values, values / continuum))
    (flux, ratio), (flux_tilted, ratio_tilted) = moved
    inner = slice(100, -100)
    assert (ratio_tilted / ratio - 1)[:, inner].abs().max() < 0.1 * (flux_tilted / flux - 1).abs().max()


def test_pairs_are_weighted_means():
    values = torch.tensor([[1.0, 3.0, 5.0, 0.0, 0.0, 0.0, 7.0]])
    weight = torch.tensor([[1.0, 3.0, 2.0, 0.0, 0.0, 0.0, 1.0]])
    mean, total = pair_pixels(values, weight)
    assert mean.tolist() == [[2.5, 5.0, 0.0, 7.0]]
    assert total.tolist() == [[4.0, 2.0, 0.0, 1.0]]


def test_features_survive_saving(features, spectra, mocks):
    again = LinearFeatures(len(mocks.wave_aa), K, len(mocks.band_names), pairs=features.pairs)
    again.load_state_dict(load(save(features.state_dict())))
    assert torch.equal(features(spectra)[0], again(spectra)[0])


def test_a_spectrum_does_not_feel_its_neighbours(features, spectra):
    alone = torch.cat([features(spectra[k : k + 1])[0] for k in range(4)])
    assert torch.allclose(features(spectra)[0][:4], alone, atol=1e-3)


def test_nothing_waits_for_the_device(features, spectra):
    few = spectra[:8]
    with NoHostSync():
        out, whole = features(few)
        features.familiarity(few, whole)
    assert out.shape == (8, features.width)


def test_too_few_mocks_are_refused():
    with pytest.raises(ValueError, match="use more"):
        BestLinear(100, 10).fit(torch.randn(10, 100), torch.ones(100))


def bands_of(features, batch, flux, sigma):
    """Features of the first band of the first spectrum with another flux and error."""
    band_flux, band_sigma = batch.band_flux.clone(), batch.band_sigma.clone()
    band_flux[0, 0], band_sigma[0, 0] = flux, sigma
    present = torch.ones_like(batch.band_mask)
    return features.bands(replace(batch, band_flux=band_flux, band_sigma=band_sigma, band_mask=present))[0, 0]


def test_a_band_with_a_huge_error_says_nothing_whatever_its_flux(features, clean):
    usual = float(clean.band_flux[:, 0].median())
    found = torch.stack(
        [
            bands_of(features, clean, flux, sigma)
            for flux, sigma in ((usual, 900.0), (-99.0, 99.0), (-900.0, 900.0), (900.0, 900.0), (0.0, 900.0))
        ]
    )
    assert float(found[:, 0].abs().max()) < 0.05
    # Told to be no better than its flux (log error + 1), which is believed up to three times the spread of the mocks;
    # up to the largest error that is told.
    assert 1.0 < float(found[:, 1].min()) <= float(found[:, 1].max()) == pytest.approx(2.0)
    doubtful = bands_of(features, clean, -9 * usual, 10 * usual)
    assert abs(float(doubtful[0])) < 0.5


def test_a_band_that_is_measured_well_is_told_as_it_is(features, clean):
    for row in range(5):
        flux = float(clean.band_flux[row, 0])
        value, error, present = bands_of(features, clean, flux, 0.03 * flux)
        expected = (np.arcsinh(flux / 0.01) - features.band_mean[0]) / features.band_std[0]
        assert float(value) == pytest.approx(float(expected), rel=1e-4)
        assert float(error) == pytest.approx(np.log10(0.03 * flux / (flux + 0.01) + 1e-3) + 1, abs=1e-3)
        assert present == 1
