"""Small real mocks for the networks: drawn from the prior, synthesised with the toy library, written as shards."""

import numpy as np
import pytest
import torch
from small_networks import small_trainer

from sfhnet.config import Config, NoiseConfig

N_SHARD, N_GALAXY = 4, 96


@pytest.fixture(scope="session")
def shard_paths(toy_ssp, tmp_path_factory):
    """Four shards of 96 galaxies: real prior and forward model, toy stars, top-hat bands, no lines."""
    from sfhnet.library import write_shard
    from sfhnet.priors.sample import sample
    from sfhnet.synthesis import make_synthesizer, synthesize

    config = Config()
    edges = {"F275W": (2400, 3000), "F336W": (3100, 3600), "F438W": (4000, 4700), "F555W": (4600, 6200)}
    edges["F814W"] = (7100, 9500)
    bands = {}
    for name, (low, high) in edges.items():
        wave = np.linspace(low - 10.0, high + 10.0, 200)
        bands[name] = (wave, ((wave > low) & (wave < high)).astype(float))
    synthesizer = make_synthesizer(config, toy_ssp, bands, None)
    folder = tmp_path_factory.mktemp("shards")
    paths = []
    for shard in range(N_SHARD):
        drawn = sample(config.prior, N_GALAXY, 1, shard, np.asarray(config.age_bins_myr) * 1e6)
        galaxies = synthesize(synthesizer, drawn, config, shard, threads=1, progress=False)
        paths.append(write_shard(folder / f"{shard:04d}.h5", galaxies, {"test": True, "shard": shard}))
    return paths


@pytest.fixture(scope="session")
def mocks(shard_paths):
    """The first two shards in memory."""
    from sfhnet.dataset import Mocks

    return Mocks(shard_paths[:2])


@pytest.fixture(scope="session")
def held_out(shard_paths):
    """The third shard."""
    from sfhnet.dataset import Mocks

    return Mocks(shard_paths[2:3])


@pytest.fixture(scope="session")
def test_mocks(shard_paths):
    """The fourth shard."""
    from sfhnet.dataset import Mocks

    return Mocks(shard_paths[3:])


@pytest.fixture(scope="session")
def batch(mocks):
    """Sixty-four noisy mocks with labels, every nuisance on."""
    from sfhnet.noise import Nuisance

    picked = mocks.get(np.arange(64))
    nuisance = Nuisance(NoiseConfig(), mocks.wave_aa, mocks.band_names)
    generator = torch.Generator().manual_seed(3)
    return nuisance(picked.flux, picked.band_flux, generator, picked.labels, picked.lines)


@pytest.fixture(scope="session")
def model_dir(mocks, held_out, tmp_path_factory):
    """A trained and calibrated small network."""
    from sfhnet.calibrate import calibrate
    from sfhnet.config import CalibrationConfig
    from sfhnet.infer import CALIBRATION

    folder = tmp_path_factory.mktemp("model") / "small"
    small_trainer("pca_mlp", mocks, held_out, folder, epochs=8, learning_rate=5e-3).run()
    calibrate(folder, held_out, CalibrationConfig(realisations=2), NoiseConfig(), 1, folder / CALIBRATION, {})
    return folder
