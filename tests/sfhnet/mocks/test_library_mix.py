"""Mocks whose stars are a mixture of libraries: spectra, bands and labels of the mixture's own light."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from ingredients import top_hats
from pyprospect.fast.synthesizer import Synthesizer
from sfhnet.config import Config
from sfhnet.config.inputs import SspConfig
from sfhnet.config.synthesis import LibraryMixtureConfig, SumsConfig
from sfhnet.core.histories import mean_log_age
from sfhnet.core.training_grid import training_grid
from sfhnet.mocks.galaxy_stream import GalaxyStream
from sfhnet.mocks.library_mix import draw_library_mix
from sfhnet.mocks.synthesize import make_synthesizer, synthesize
from sfhnet.priors.sample import sample
from sfhnet.tools.random_streams import stream_seed

MIXTURE = LibraryMixtureConfig(old=("emiles_basti", "xsl"), young="bpass", alpha_fe=(-0.1, 0.4))


@pytest.fixture(scope="module")
def mixed(toy_ssp):
    """The toy with four variants: other colours, other light with age."""
    wave, age = toy_ssp.wave_aa / 5500.0, toy_ssp.age_yr[:, None] / 1e9
    change = {
        "emiles_basti": wave**0.1 * (1 + 0.2 * age / (1 + age)),
        "xsl": wave**-0.1 * (1 - 0.1 * age / (1 + age)),
        "bpass": wave ** (-0.2 / (1 + 10 * age)),
        "alpha": 1 + 0.02 * np.sin(toy_ssp.wave_aa / 7.0) * age / (1 + age),
    }
    return replace(toy_ssp, variants={name: toy_ssp.spectra * values for name, values in change.items()})


def synthesis_of(config, mixture):
    return config.model_copy(
        update={"synthesis": config.synthesis.model_copy(update={"library_mixture": mixture})}
    )


def test_a_mixture_is_the_weighted_sum_of_its_libraries(mixed):
    wave_aa = 4750.0 + 2.5 * np.arange(800)
    names = tuple(mixed.variants)
    both = Synthesizer(mixed, wave_aa, variants=names, bands=top_hats(), veldisp_kms=(100.0, 200.0))
    rng = np.random.default_rng(1)
    mass, z = rng.random((6, mixed.age_yr.size)), np.full((6, mixed.age_yr.size), 0.013)
    mix = torch.from_numpy(rng.uniform(-0.1, 0.5, (6, len(names)))).float()
    dust = {"tau_birth": 1.0, "tau_screen": 0.4, "veldisp_kms": 150.0}
    found = both(mass, z, library_mix=mix, **dust)
    weights = torch.cat([1 - mix.sum(1, keepdim=True), mix], 1)
    flux, band = 0.0, 0.0
    for k, spectra in enumerate([mixed.spectra, *mixed.variants.values()]):
        one = Synthesizer(
            replace(mixed, spectra=spectra, variants={}),
            wave_aa,
            bands=top_hats(),
            veldisp_kms=(100.0, 200.0),
            compression=0.0,
        )(mass, z, **dust)
        flux, band = flux + weights[:, k, None] * one.flux, band + weights[:, k, None] * one.band_flux
    torch.testing.assert_close(found.flux, flux, rtol=3e-3, atol=0)
    torch.testing.assert_close(found.band_flux, band, rtol=1e-4, atol=0)
    alone = Synthesizer(mixed, wave_aa, bands=top_hats(), veldisp_kms=(100.0, 200.0))(mass, z, **dust)
    torch.testing.assert_close(both(mass, z, **dust).flux, alone.flux, rtol=3e-3, atol=0)
    with pytest.raises(ValueError, match=r"must be \(n, n_variant\) = \(6, 4\)"):
        both(mass, z, library_mix=mix[:, :2], **dust)
    with pytest.raises(ValueError, match="no variants sun; it has emiles_basti, xsl"):
        Synthesizer(mixed, wave_aa, variants=("sun",))


def test_labels_are_of_the_mixtures_own_light(mixed):
    config = synthesis_of(Config(), MIXTURE)
    synthesizer = make_synthesizer(config, mixed, top_hats(), lines=None)
    drawn = sample(config.prior, 64, 1, shard=0, age_bins_yr=np.asarray(config.age_bins_myr) * 1e6)
    galaxies = synthesize(synthesizer, drawn, config, shard=0, threads=1, progress=False)
    galaxies.assert_sound()
    columns = [galaxies.parameters[f"library_{name}"] for name in MIXTURE.variants]
    mix = np.stack(columns, axis=1)
    weights = np.concatenate([1 - mix.sum(axis=1, keepdims=True), mix], axis=1)
    window = (mixed.wave_aa >= 5450) & (mixed.wave_aa <= 5550)
    light = np.stack([s[:, :, window].mean(axis=2) for s in (mixed.spectra, *mixed.variants.values())])
    from sfhnet.mocks.labels import Labeller

    labeller = Labeller(synthesizer, drawn.edges_yr, np.asarray(config.age_bins_myr) * 1e6)
    mass, z = labeller.ssp(torch.from_numpy(drawn.mass), torch.from_numpy(drawn.z))
    cells = synthesizer.weights(mass.float(), z.float()).double().numpy()
    per_age = np.einsum("nza,lza,nl->na", cells, light, weights)
    np.testing.assert_allclose(galaxies.labels["v_light"], per_age.sum(axis=1), rtol=1e-4)
    log_age = mean_log_age(mixed.age_edges_yr)
    coarse = (per_age * log_age).sum(axis=1) / per_age.sum(axis=1)
    assert np.abs(galaxies.labels["lw_log_age"] - coarse).mean() < 0.1
    other = synthesize(
        make_synthesizer(Config(), mixed, top_hats(), lines=None),
        drawn,
        Config(),
        shard=0,
        threads=1,
        progress=False,
    )
    assert np.abs(galaxies.labels["lw_log_age"] - other.labels["lw_log_age"]).max() > 1e-3
    np.testing.assert_array_equal(galaxies.labels["mw_log_age"], other.labels["mw_log_age"])
    assert "library_xsl" not in other.parameters


def test_weights_fill_the_triangle_and_a_little_beyond():
    mix = draw_library_mix(MIXTURE, 20000, seed=1, shard=0)
    assert mix.shape == (20000, 4)
    corners = np.concatenate([1 - mix[:, :2].sum(axis=1, keepdims=True), mix[:, :2]], axis=1)
    # A point of the triangle moved by 1.3 from its middle: from 1/3 - 1.3/3 to 1/3 + 1.3 * 2/3.
    assert corners.min() >= 1 / 3 - 1.3 / 3 - 1e-12 and corners.max() <= 1 / 3 + 1.3 * 2 / 3 + 1e-12
    assert corners.min() == pytest.approx(-0.1, abs=0.002)
    np.testing.assert_allclose(corners.mean(axis=0), 1 / 3, atol=0.01)
    assert mix[:, 2].min() >= 0 and mix[:, 2].max() <= 1
    assert mix[:, 3].min() == pytest.approx(-0.25, abs=0.01) and mix[:, 3].max() == pytest.approx(
        1.0, abs=0.01
    )
    np.testing.assert_array_equal(mix, draw_library_mix(MIXTURE, 20000, seed=1, shard=0))
    assert draw_library_mix(LibraryMixtureConfig(), 10, seed=1, shard=0) is None


@pytest.mark.parametrize("name", ["mastar", "MaStar", "m11-stelib", "CB09", "cb09_kroupa"])
def test_no_network_is_trained_on_a_test_library(name):
    for section, key, value in (
        (LibraryMixtureConfig, "old", [name]),
        (LibraryMixtureConfig, "young", name),
        (SspConfig, "old", name),
        (SspConfig, "young", name),
    ):
        with pytest.raises(ValidationError, match="is a test library"):
            section.model_validate({key: value}, strict=False)
    with pytest.raises(ValidationError, match=r"a seam at 1e\+08 yr would train on BC03-MILES above 63 Myr"):
        SspConfig(seam_age_yr=1e8)


def test_the_overlay_asks_for_registered_files(root):
    from sfhnet.config import load_config
    from sfhnet.sources import load_registry

    config = load_config([root / "config.yaml", root / "configs" / "libraries.yaml"])
    mixture = config.synthesis.library_mixture
    assert mixture.variants == ("emiles_basti", "xsl", "bpass", "alpha")
    registry = load_registry()
    for key in mixture.sources:
        assert len(registry.source(key).files) == 1
        assert not registry.source(key).default
    assert not load_config([root / "config.yaml"]).synthesis.library_mixture.variants


def test_galaxies_drawn_while_training_are_mixtures_too(mixed):
    """Blocks of a stream have the libraries that a shard of the same draw has, in spectra and labels."""
    config = synthesis_of(Config(), MIXTURE)
    config = config.model_copy(
        update={"synthesis": config.synthesis.model_copy(update={"sums": SumsConfig(share=0.0)})}
    )
    synthesizer = make_synthesizer(config, mixed, top_hats(), lines=None)
    galaxies = GalaxyStream(config, synthesizer, training_grid(config.grid, mixed), block=32)
    seed = stream_seed("stream.galaxies", config.seed, 0)
    drawn = sample(config.prior, 32, seed, shard=0, age_bins_yr=np.array(config.age_bins_myr) * 1e6)
    as_shard = config.model_copy(update={"seed": seed})
    shard = synthesize(synthesizer, drawn, as_shard, shard=0, threads=1, progress=False)
    made = galaxies.spectra(galaxies.block(0), torch.Generator().manual_seed(1))
    np.testing.assert_allclose(made.flux.numpy(), shard.flux, rtol=2e-5)
    np.testing.assert_allclose(made.labels["lw_log_age"].numpy(), shard.labels["lw_log_age"], rtol=1e-6)
    plain = make_synthesizer(Config(), mixed, top_hats(), lines=None)
    alone = synthesize(plain, drawn, Config(), shard=0, threads=1, progress=False)
    assert np.abs(alone.flux / shard.flux - 1).max() > 0.01
