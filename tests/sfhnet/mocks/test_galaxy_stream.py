"""Galaxies drawn on the fly: those of the prior, the same each time, made without waiting for a device."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from host_sync import NoHostSync
from ingredients import gas_lines, top_hats
from sfhnet.config import Config, NoiseConfig
from sfhnet.config.prior_names import FAMILY_NAMES
from sfhnet.config.synthesis import SumsConfig
from sfhnet.core import cleaning
from sfhnet.core.batch import Batch
from sfhnet.core.training_grid import training_grid
from sfhnet.mocks.dataset import MockBatch
from sfhnet.mocks.galaxy_stream import GalaxyStream
from sfhnet.mocks.noise import Lines, NoiseModel
from sfhnet.mocks.sums import added_up
from sfhnet.mocks.synthesize import make_synthesizer, synthesize
from sfhnet.priors.sample import sample
from sfhnet.tools.random_streams import stream_seed


@pytest.fixture(scope="module")
def galaxies(toy_ssp):
    config = Config()
    synthesizer = make_synthesizer(config, toy_ssp, top_hats(), lines=gas_lines())
    return GalaxyStream(config, synthesizer, training_grid(config.grid, toy_ssp), block=128)


@pytest.fixture(scope="module")
def single(galaxies):
    """The same galaxies, none of them added up."""
    config = Config(synthesis={"sums": {"share": 0.0}})
    return GalaxyStream(config, galaxies.synthesizer, galaxies.grid, block=128)


@pytest.fixture(scope="module")
def block(galaxies):
    return galaxies.block(3)


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def test_a_block_is_a_function_of_its_number(galaxies, block, toy_ssp):
    again = GalaxyStream(galaxies.config, galaxies.synthesizer, galaxies.grid, block=128).block(3)
    assert all(torch.equal(block[name], again[name]) for name in block)
    other = galaxies.block(4)
    assert not torch.isin(other["label.mw_log_age"], block["label.mw_log_age"]).any()


def quiet(block, scatter=0.0):
    return {**block, "scatter": torch.full((128,), scatter), "metal": torch.zeros(128)}


def test_galaxies_are_those_of_the_shards_code(galaxies, single, block):
    """Spectra and labels of a block are what the same drawn galaxies have as a shard, but for the scatter of their lines."""
    config = galaxies.config
    seed = stream_seed("stream.galaxies", config.seed, 3)
    drawn = sample(config.prior, 128, seed, shard=0, age_bins_yr=np.array(config.age_bins_myr) * 1e6)
    drawn.parameters["line_scatter_dex"][:] = drawn.parameters["metal_line_dex"][:] = 0
    shard = synthesize(galaxies.synthesizer, drawn, config, shard=0, threads=1, progress=False)
    plain = single.spectra(quiet(block), generator())
    np.testing.assert_allclose(plain.flux.numpy(), shard.flux, rtol=2e-5)
    np.testing.assert_allclose(plain.band_flux.numpy(), shard.band_flux, rtol=2e-5)
    for name in ("mass_fraction", "mw_log_age", "a_v", "t50"):
        np.testing.assert_allclose(plain.labels[name].numpy(), shard.labels[name], rtol=1e-6)
    np.testing.assert_array_equal(plain.family.numpy(), shard.family)


def test_lines_scatter_as_the_prior_says_and_those_of_hydrogen_do_not(single, block):
    scattered = single.spectra(quiet(block, 0.1), generator()).lines.flux
    plain = single.spectra(quiet(block), generator()).lines.flux
    lit = plain.amin(1) > 0
    dex = torch.log10(scattered[lit] / plain[lit])
    assert dex[:, [0, 3]].abs().max() < 1e-5  # Hbeta, Halpha
    assert dex[:, [1, 2, 4]].std() == pytest.approx(0.1, rel=0.15)


def test_some_galaxies_are_sums_as_in_shards(galaxies, single, block):
    alone, mixed = single.spectra(block, generator()), galaxies.spectra(block, generator())
    n_sum = round(0.15 * 128)
    is_sum = mixed.family == FAMILY_NAMES.index("sum")
    assert is_sum.tolist() == [True] * n_sum + [False] * (128 - n_sum)
    assert torch.equal(mixed.flux[n_sum:], alone.flux[n_sum:])
    assert torch.equal(mixed.labels["t50"][n_sum:], alone.labels["t50"][n_sum:])
    assert (mixed.labels["mw_log_age"][:n_sum] != alone.labels["mw_log_age"][:n_sum]).all()


def test_a_sum_is_what_its_parts_are(single, block):
    """Spectra of one pixel a galaxy show the shares of the mass, from which the labels follow."""
    labels = {name.removeprefix("label."): v for name, v in block.items() if name.startswith("label.")}
    mocks = MockBatch(torch.eye(128), torch.eye(128), labels, block["family"].long(), None)
    config = SumsConfig(share=0.5, parts=(2, 5))
    sums = added_up(mocks, config, single._edges_yr, generator=generator())
    share, of_sum = sums.flux[:64], {name: values[:64] for name, values in sums.labels.items()}
    torch.testing.assert_close(share.sum(1), torch.ones(64))
    count = (share > 0).sum(1)
    assert set(count.tolist()) == {2, 3, 4, 5}
    assert (share.diagonal() > 0).all()
    for name in ("mass_fraction", "cum_mass", "sfr100", "mw_log_age", "v_light"):
        torch.testing.assert_close(of_sum[name], share @ labels[name], rtol=1e-4, atol=1e-5)
    light = share * labels["v_light"]
    seen = light * 10 ** (-0.4 * labels["a_v"])
    torch.testing.assert_close(of_sum["a_v"], -2.5 * torch.log10(seen.sum(1) / light.sum(1)))
    torch.testing.assert_close(of_sum["lw_mh"], (light @ labels["lw_mh"]) / light.sum(1))
    # Parts are as bright as each other but for the scatter.
    dex = torch.log10(seen[share > 0]) - torch.log10(seen.sum(1) / count).repeat_interleave(count)
    assert dex.std() == pytest.approx(0.3, rel=0.25)
    assert torch.equal(sums.flux[64:], mocks.flux[64:])


def test_nothing_waits_for_a_device(galaxies, block, monkeypatch):
    """The path of a GPU, on the CPU: dust, lines, kinematics, noise and cleaning never look at a value."""
    monkeypatch.setattr(cleaning, "looked_at", lambda values: False)
    noise = NoiseModel(NoiseConfig(), galaxies.wave_aa, galaxies.band_names)
    # A gradient asks for the products that a GPU takes.
    drawn = {**block, "mass": block["mass"].clone().requires_grad_()}
    with NoHostSync():
        clean = galaxies.spectra(drawn, generator())
        lines = Lines(clean.lines.flux.detach(), clean.lines.profile)
        flux, band_flux = clean.flux.detach().clone(), clean.band_flux.detach()
        batch = replace(clean, flux=flux, band_flux=band_flux, lines=lines).noisy(noise, generator(2))
    assert torch.isfinite(batch.flux).all()
    torch.testing.assert_close(
        clean.flux.detach(), galaxies.spectra(block, generator()).flux, rtol=1e-4, atol=0
    )


def test_cleaning_says_the_same_whether_it_looks_or_not(galaxies, block, monkeypatch):
    flux = galaxies.spectra(block, generator()).flux
    sigma, mask = (
        0.1 * flux.mean() * torch.ones_like(flux),
        torch.rand(flux.shape, generator=generator()) > 0.3,
    )
    flux[0], flux[1, 5], sigma[2, 7] = -1.0, torch.nan, 0.0
    mask[3:6, 400:620] = False  # the first window
    mask[6], mask[7, 400:3000] = False, False
    bands = torch.ones(128, 5)
    given = {"mask": mask, "band_flux": bands, "band_sigma": bands, "band_mask": bands > 0}
    wave_aa = torch.from_numpy(galaxies.wave_aa)
    looked = Batch.build(wave_aa, flux, sigma, **given)
    monkeypatch.setattr(cleaning, "looked_at", lambda values: False)
    blind = Batch.build(wave_aa, flux, sigma, **given)
    assert set(looked.window.tolist()) >= {0, 1, 4}
    for name in ("flux", "sigma", "mask", "flags", "window", "log_snr", "log_scale"):
        torch.testing.assert_close(getattr(looked, name), getattr(blind, name), rtol=0, atol=0)
