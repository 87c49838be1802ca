"""Noise and nuisances: what is asked for is what is drawn, and each effect can be switched off."""

import numpy as np
import pytest
import torch

from host_sync import NoHostSync
from ingredients import BANDS
from pyprospect.constants import C_KMS
from sfhnet.config import GridConfig, NoiseConfig
from sfhnet.core.emission_lines import line_pixels
from sfhnet.core.training_grid import grid_wave_aa
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.instrument_noise import error_shapes
from sfhnet.mocks.noise import EFFECTS, Lines, NoiseModel

# All that MUSE sees, with its telluric bands and the calcium triplet.
WAVE_AA = grid_wave_aa(GridConfig(wave_max_aa=9350.0))


def draw(n=64, off=(), snr=None, seed=1, config=None, flux=None, **rest):
    flux = torch.ones(n, len(WAVE_AA)) if flux is None else flux
    noise_model = NoiseModel(config or NoiseConfig(), WAVE_AA, BANDS, off=off)
    return noise_model(flux, torch.ones(len(flux), 5), torch.Generator().manual_seed(seed), snr=snr, **rest)


def only(*effects):
    """Everything off but these."""
    return tuple(effect for effect in EFFECTS if effect not in effects)


def draw_plain(effect, *, n=400, snr=1e6, seed=1, flux=None, **config):
    """Mocks with one effect and practically no noise."""
    return draw(n=n, off=only(effect), snr=snr, seed=seed, flux=flux, config=NoiseConfig(**config))


@pytest.mark.parametrize("snr", [15.0, 100.0])
def test_the_median_signal_to_noise_is_the_one_asked_for(snr):
    # Model errors and bands that are absent move the continuum, windows see a part of the range.
    off = ("error_scatter", "windows", "calibration", "other_instruments")
    batch = draw(snr=snr, off=off, config=NoiseConfig(red_edge_aa=8500.0))
    found = 10 ** batch.log_snr.numpy()
    # Calibration errors, masks and the sample of pixels move single spectra a little.
    assert found.mean() == pytest.approx(snr, rel=0.03)
    assert found == pytest.approx(snr, rel=0.2)


def test_noise_has_the_size_that_sigma_says():
    batch = draw(n=200, off=only("variance_shape"), snr=20.0)
    pull = (batch.flux - 1.0) / batch.sigma
    # Dividing by the noisy median of the window adds a little: 160 pixels, far below a per cent.
    assert float(pull.std()) == pytest.approx(1.0, abs=0.02)
    assert float(pull.mean()) == pytest.approx(0.0, abs=0.02)
    blue, red = batch.sigma[:, 10].mean(), batch.sigma[:, 2000].mean()
    assert 1.8 < blue / red < 4.0  # MUSE is noisier in the blue


def test_correlated_noise_keeps_the_error_of_averages():
    batch = draw(n=400, off=only("correlation"), snr=20.0)
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
    flux = torch.from_numpy(line(WAVE_AA)).float()[None]
    moved = noise_model._kinematics(flux, torch.ones(1, 1), torch.zeros(1, 1))[0].numpy()
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
        flux = torch.from_numpy(line).float()[None]
        found = noise_model._kinematics(flux, torch.zeros(1, 1), torch.full((1, 1), sign))[0].numpy()
        # Second order: the error is a fraction of the change itself.
        assert np.abs(found - exact).max() < 0.25 * np.abs(line - exact).max()


def test_line_scatter_moves_lines_only():
    profile = torch.zeros(1, len(WAVE_AA))
    profile[0, 1450] = 0.8
    lines = Lines(torch.ones(32, 1), profile)
    off = only("line_scatter")
    flux = torch.ones(32, len(WAVE_AA)) + profile
    batch = draw(flux=flux, lines=lines, off=off, snr=1e6)
    assert float(batch.flux[:, 1450].std()) > 0.1
    assert float(batch.flux[:, 1500].std()) < 1e-3


def test_bands_and_pixels_drop_out_as_often_as_asked():
    config = NoiseConfig(band_drop_probability=0.3, all_bands_drop_probability=0.0, pixel_drop_share=0.1)
    batch = draw(n=1000, config=config, off=("edges", "windows", "hidden_lines"))
    assert float(batch.band_mask.float().mean()) == pytest.approx(0.7, abs=0.03)
    assert 0.75 < float(batch.mask.float().mean()) < 0.9


def test_an_uneven_grid_is_refused():
    with pytest.raises(ValueError, match="evenly spaced"):
        NoiseModel(NoiseConfig(), np.geomspace(4750, 9350, 3681), BANDS)


def test_windows_are_log_uniform_in_length_and_often_begin_in_the_blue():
    mask = draw_plain("windows", n=2000).mask.numpy()
    seen = mask.sum(1) * 1.25
    whole = WAVE_AA[-1] - WAVE_AA[0]
    cut = seen < whole - 20
    assert cut.mean() == pytest.approx(0.5, abs=0.04)
    # Log-uniform from 600 AA to the whole range: quartiles.
    expected = 600 * (whole / 600) ** np.array([0.01, 0.25, 0.5, 0.75])
    found = np.quantile(seen[cut], [0.01, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(found, expected, rtol=0.08)
    assert mask[cut, 0].mean() == pytest.approx(0.5, abs=0.06)
    # One stretch, without a hole.
    assert (np.abs(np.diff(mask.astype(int), axis=1)).sum(1) <= 2).all()


def test_a_window_is_scaled_as_an_observed_spectrum_is():
    """Mocks and data have one function for the scale: it falls back where the first window is not seen."""
    slope = torch.from_numpy((WAVE_AA / 5400.0) ** -1.5).float().expand(600, -1).contiguous()
    batch = draw_plain("windows", n=600, flux=slope, window_probability=1.0)
    assert len(set(batch.window.tolist())) == 5
    assert bool(batch.usable.all())
    for row in (batch.window == 4).nonzero()[:5, 0]:
        good = batch.mask[row]
        assert float(batch.flux[row][good].median()) == pytest.approx(1.0, abs=1e-3)
        assert 10.0 ** float(batch.log_scale[row]) == pytest.approx(float(slope[0][good].median()), rel=1e-3)


def test_lines_are_hidden_in_half_of_the_draws():
    mask = draw_plain("hidden_lines", n=2000).mask.numpy()
    hidden = {
        name: ~mask[:, line_pixels(WAVE_AA, 2.0, [name])].any(1) for name in ("balmer", "forbidden", "weak")
    }
    every = np.logical_and.reduce(list(hidden.values()))
    assert (~mask.all(1)).mean() == pytest.approx(0.5 * (1 - 0.5**5), abs=0.04)
    # All together in half of these; single groups in half of the others.
    assert every.mean() == pytest.approx(0.5 * (0.5 + 0.5**4), abs=0.04)
    for rows in hidden.values():
        assert rows.mean() == pytest.approx(0.5 * 0.75, abs=0.04)
    alone = hidden["balmer"] & ~hidden["forbidden"]
    assert alone.mean() == pytest.approx(0.5 * 0.5 * 0.25, abs=0.03)
    # Nothing but lines, out to the widest: the calcium triplet stays in most.
    assert mask[:, ~line_pixels(WAVE_AA, 14.0)].all()
    assert mask[:, np.abs(WAVE_AA - 8542.1) < 3].all(1).mean() == pytest.approx(0.75, abs=0.04)


def test_model_errors_have_their_rms_length_and_place():
    curves = torch.log(draw_plain("model_error", n=800).flux).numpy()
    good = (WAVE_AA > 5400) & (WAVE_AA < 7200)
    bad = WAVE_AA > 7400
    rms = curves[:, good].std(1)
    # Log-uniform from .2 to 2 %; long curves have less within 1800 AA.
    assert np.quantile(rms, 0.5) == pytest.approx(0.00632, rel=0.12)
    assert 0.001 < rms.min() < rms.max() < 0.03
    assert np.median(curves[:, bad].std(1) / rms) == pytest.approx(1.5, rel=0.06)
    for k, length in enumerate(np.geomspace(6, 60, 4)):
        mine = curves[k::4][:, good] / rms[k::4, None]

        def change(lag_aa, mine=mine):
            lag = round(lag_aa / 1.25)
            return ((mine[:, lag:] - mine[:, :-lag]) ** 2).mean()

        # Smoothed by a Gaussian of sigma L, a process has the correlation exp(-(lag / 2L)^2).
        assert change(length) / change(6 * length) == pytest.approx(1 - np.exp(-0.25), abs=0.06)


def test_telluric_residuals_stay_in_their_bands():
    curves = torch.log(draw_plain("telluric", n=800, redshift_max=0.0).flux).numpy()
    for low, high in ((6865, 6950), (7165, 7340), (7594, 7700), (8130, 8345)):
        inside = (low < WAVE_AA) & (high > WAVE_AA)
        assert np.sqrt((curves[:, inside] ** 2).mean()) == pytest.approx(0.03, rel=0.35)
    assert np.abs(curves[:, WAVE_AA < 6800]).max() < 1e-4
    b, a, water = (np.abs(WAVE_AA - wave).argmin() for wave in (6880.0, 7620.0, 8230.0))
    together = np.corrcoef(curves[:, [b, a, water]].T)
    assert together[0, 1] > 0.99
    assert abs(together[0, 2]) < 0.15


def test_errors_of_other_instruments_have_their_shapes():
    batch = draw_plain("other_instruments", n=10)  # without variance_shape nothing shows
    assert float((batch.sigma / batch.sigma[:, :1]).std()) == pytest.approx(0.0, abs=1e-5)
    batch = draw(n=900, off=only("variance_shape", "other_instruments"), snr=1e5, seed=3)
    ratio = (batch.sigma[:, 10] / batch.sigma[:, 2000]).numpy()
    smooth, _ = error_shapes(WAVE_AA, [0.0])
    flat, sdss = ratio < 1.02, (ratio > 1.02) & (ratio < 1.6)
    assert flat.mean() == pytest.approx(0.15, abs=0.04)
    assert sdss.mean() == pytest.approx(0.15, abs=0.04)
    assert np.median(ratio[sdss]) == pytest.approx(smooth[2, 0, 10] / smooth[2, 0, 2000], rel=0.05)


def test_quoted_errors_are_wrong_by_a_factor_and_from_pixel_to_pixel():
    batch = draw(n=2000, off=only("error_scatter"), snr=50.0)
    log = torch.log10(batch.sigma * 50.0).numpy()
    assert log.mean(1).std() == pytest.approx(0.1, rel=0.06)
    assert (log - log.mean(1, keepdims=True)).std() == pytest.approx(0.03, rel=0.03)
    assert abs(np.corrcoef(log[0], log[1])[0, 1]) < 0.1


def test_calibration_errors_have_an_amplitude_drawn_for_each_spectrum():
    curves = torch.log(draw_plain("calibration", n=2000, ripple_rms=0.0).flux).numpy()
    rms = curves.std(1)
    assert np.quantile(rms, 0.5) == pytest.approx(np.sqrt(0.005 * 0.15), rel=0.2)
    assert np.quantile(rms, 0.02) < 0.006
    assert np.quantile(rms, 0.98) > 0.1


def test_poor_bands_reach_three_times_their_flux_and_are_told():
    batch = draw(n=4000, off=only("poor_bands"), snr=1e5)
    relative = batch.band_sigma.numpy()
    assert (relative > 0.105).mean() == pytest.approx(0.15 * np.log(3 / 0.105) / np.log(300), abs=0.012)
    assert relative.max() == pytest.approx(3.0, rel=0.1)
    assert 0.005 < (batch.band_flux < 0).float().mean() < 0.05
    pull = (batch.band_flux - 1).numpy() / relative
    assert pull.std() == pytest.approx(1.0, abs=0.02)
    assert (pull[relative > 1]).std() == pytest.approx(1.0, abs=0.06)


def test_benchmark_noise_stays_what_it_was():
    """Numbers of the version that first had benchmark sets: no new effect moves them."""
    flux = torch.from_numpy(1.0 + 0.3 * np.sin(WAVE_AA / 15.0)).float().expand(64, -1).contiguous()
    batch = draw(flux=flux, config=BENCHMARK_NOISE, snr=50.0, off=("band_dropout",))
    found = [float(batch.flux[40, 1000]), float(batch.sigma[3, 2000]), float(batch.band_flux[5, 2])]
    assert found == pytest.approx([0.71671, 0.017252, 0.96435], rel=0.01)
    assert int(batch.mask.sum()) == pytest.approx(218721, abs=3)


def test_one_batch_is_drawn_as_any_other_size_of_its_pieces():
    """Work is done some rows at a time: the last, incomplete piece is like the rest."""
    for n in (1, 31, 33, 70):
        batch = draw(n=n)
        assert len(batch) == n and bool(torch.isfinite(batch.flux).all()) and bool((batch.sigma > 0).all())


def test_mocks_given_are_not_changed():
    flux = torch.from_numpy(1.0 + 0.3 * np.sin(WAVE_AA / 15.0)).float().expand(40, -1).contiguous()
    before = flux.clone()
    draw(flux=flux, lines=Lines(torch.ones(40, 1), torch.zeros(1, len(WAVE_AA))))
    draw(flux=flux, off=EFFECTS)
    assert torch.equal(flux, before)


def test_nothing_waits_for_a_device(monkeypatch):
    """The way of a GPU, taken on the CPU."""
    for module in ("sfhnet.core.cleaning", "sfhnet.mocks.noise"):
        monkeypatch.setattr(f"{module}.looked_at", lambda _: False)
    lines = Lines(torch.ones(64, 1), torch.zeros(1, len(WAVE_AA)))
    flux = torch.from_numpy(1.0 + 0.3 * np.sin(WAVE_AA / 15.0)).float().expand(64, -1).contiguous()
    noise_model = NoiseModel(NoiseConfig(), WAVE_AA, BANDS)
    generator = torch.Generator().manual_seed(1)
    with NoHostSync():
        there = noise_model(flux, torch.ones(64, 5), generator, lines=lines)
    monkeypatch.undo()
    here = draw(flux=flux, lines=lines)
    assert torch.equal(here.mask, there.mask)
    assert torch.allclose(here.flux, there.flux, rtol=1e-4, atol=1e-5)
