"""Fixtures of the sfhnet tests: real ingredients of the forward model, and small real mocks (prior, toy library, shards)."""

import numpy as np
import pytest
import torch

from ingredients import BANDS, top_hats, toy_stars
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
def cloudy_file(upstream):
    """HII-region line ratios of Cloudy."""
    return next(upstream("cloudy_lines").glob("*.fits"))


@pytest.fixture(scope="session")
def toy_ssp():
    """The toy library, 1800 to 10700 Angstrom: 4 metallicities, 14 ages, ends at 14 Gyr."""
    return toy_stars()


@pytest.fixture(scope="session")
def shard_paths(toy_ssp, tmp_path_factory):
    """Four shards of 96 galaxies: real prior and forward model, toy stars, top-hat bands, no lines."""
    from sfhnet.mocks.shards import write_shard
    from sfhnet.mocks.synthesize import make_synthesizer, synthesize
    from sfhnet.priors.sample import sample

    config = Config()
    synthesizer = make_synthesizer(config, toy_ssp, top_hats(), lines=None)
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
