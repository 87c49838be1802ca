"""Fixtures of the sfhnet tests: real ingredients of the forward model, and small real mocks (prior, toy library, shards)."""

import numpy as np
import pytest
import torch

from ingredients import BANDS
from pyprospect.stars.library import SSPLibrary
from sfhnet.config import Config, NoiseConfig
from small_networks import small_trainer

N_SHARD, N_GALAXY = 4, 96


@pytest.fixture(scope="session")
def ssp_library(upstream):
    """The pipeline's SSP library: E-MILES, BC03-MILES below 63 Myr, as scripts/build_ssp.py builds it."""
    from pyprospect.stars.merge import repair_holes

    old = SSPLibrary.read(upstream("emiles")).trim(1680.0, 11000.0)
    young = SSPLibrary.read(upstream("bc03_miles") / "bc03_miles_stellar_grids.fits")
    return SSPLibrary.merge(young, repair_holes(old, young), seam_age_yr=63e6).select_ages(14.1e9)


@pytest.fixture(scope="session")
def hst_bands(upstream):
    """The five WFC3/UVIS curves."""
    from sfhnet.mocks.filters_and_lines import load_bands

    return load_bands(upstream("hst_filters"), BANDS)


@pytest.fixture(scope="session")
def mappings_file(upstream):
    """HII-region line ratios of MAPPINGS 5.1."""
    return upstream("mappings51") / "NB_HII_grid.fits.gz"


@pytest.fixture(scope="session")
def toy_ssp():
    """A small smooth SSP library that needs no files: 3 Z, 12 ages, 1800-9800 Angstrom, ends at 14 Gyr."""
    z = np.array([0.004, 0.019, 0.03])
    edges = np.concatenate([[0.0], np.geomspace(3e6, 1.4e10, 12)])
    edges[np.argmin(np.abs(edges - 1e7))] = 1e7
    age = 0.5 * (edges[1:] + edges[:-1])
    wave = np.arange(1800.0, 9800.0, 2.0)
    hot = 3.0e4 * (age / 1e6) ** -0.25
    planck = 1.0 / (wave / 5000.0) ** 5 / np.expm1(1.4388e8 / (wave * hot[:, None]))
    bump = 1.0 + 0.1 * np.sin(wave / 40.0) + 0.2 * z[:, None, None] / 0.03 * np.cos(wave / 65.0)
    spectra = 1e-3 * (age[:, None] / 1e7) ** -0.8 * planck / planck.mean(axis=1, keepdims=True) * bump
    evolution = np.broadcast_to((1 - 0.05 * np.arange(12))[None, :, None], (3, 12, 5)).copy()
    return SSPLibrary(z, age, edges, wave, spectra, evolution, name="toy", meta={"medium": "air"})


@pytest.fixture(scope="session")
def shard_paths(toy_ssp, tmp_path_factory):
    """Four shards of 96 galaxies: real prior and forward model, toy stars, top-hat bands, no lines."""
    from sfhnet.mocks.shards import write_shard
    from sfhnet.mocks.synthesize import make_synthesizer, synthesize
    from sfhnet.priors.sample import sample

    config = Config()
    edges = {"F275W": (2400, 3000), "F336W": (3100, 3600), "F438W": (4000, 4700), "F555W": (4600, 6200)}
    edges["F814W"] = (7100, 9500)
    bands = {}
    for name, (low, high) in edges.items():
        wave = np.linspace(low - 10.0, high + 10.0, 200)
        bands[name] = (wave, ((wave > low) & (wave < high)).astype(float))
    synthesizer = make_synthesizer(config, toy_ssp, bands, lines=None)
    folder = tmp_path_factory.mktemp("shards")
    paths = []
    for shard in range(N_SHARD):
        drawn = sample(
            config.prior, N_GALAXY, 1, shard=shard, age_bins_yr=np.asarray(config.age_bins_myr) * 1e6
        )
        galaxies = synthesize(synthesizer, drawn, config, shard=shard, threads=1, progress=False)
        paths.append(write_shard(folder / f"{shard:04d}.h5", galaxies, {"test": True, "shard": shard}))
    return paths


@pytest.fixture(scope="session")
def mocks(shard_paths):
    """The first two shards in memory."""
    from sfhnet.mocks.dataset import Mocks

    return Mocks(shard_paths[:2])


@pytest.fixture(scope="session")
def held_out(shard_paths):
    """The third shard."""
    from sfhnet.mocks.dataset import Mocks

    return Mocks(shard_paths[2:3])


@pytest.fixture(scope="session")
def test_mocks(shard_paths):
    """The fourth shard."""
    from sfhnet.mocks.dataset import Mocks

    return Mocks(shard_paths[3:])


@pytest.fixture(scope="session")
def batch(mocks):
    """Sixty-four noisy mocks with labels, every nuisance on."""
    from sfhnet.mocks.noise import NoiseModel

    picked = mocks.get(np.arange(64))
    noise_model = NoiseModel(NoiseConfig(), mocks.wave_aa, mocks.band_names)
    generator = torch.Generator().manual_seed(3)
    return picked.noisy(noise_model, generator)


@pytest.fixture(scope="session")
def model_dir(mocks, held_out, tmp_path_factory):
    """A trained and calibrated small network."""
    from sfhnet.config import CalibrationConfig
    from sfhnet.inference.model import CALIBRATION
    from sfhnet.validation.calibrate import calibrate

    folder = tmp_path_factory.mktemp("model") / "small"
    small_trainer("pca_mlp", mocks, held_out, folder, epochs=8, learning_rate=5e-3).run()
    calibrate(
        folder,
        held_out,
        CalibrationConfig(realisations=2),
        noise=NoiseConfig(),
        seed=1,
        out=folder / CALIBRATION,
        provenance={},
    )
    return folder
