"""The forward model in one file: the same galaxies without library, filter curves or line grid."""

import pytest
import torch

from sfhnet.config import Config
from sfhnet.mocks.forward_file import build_forward, read_forward, write_forward
from sfhnet.mocks.galaxy_stream import GalaxyStream
from sfhnet.tools.tensor_files import save_tensors


def config(**sections):
    # The library of the tests has no count of ionising photons.
    return Config(**{"synthesis": {"halpha": "sfr"}, **sections})


@pytest.fixture(scope="module")
def forward(ssp_library, upstream, mappings_file, cloudy_file, tmp_path_factory):
    ssp = tmp_path_factory.mktemp("ssp") / "library.h5"
    ssp_library.write(ssp)
    return build_forward(
        config(), ssp=ssp, filters=upstream("hst_filters"), mappings=mappings_file, cloudy=cloudy_file
    )


def test_the_file_gives_the_same_galaxies(forward, tmp_path):
    path = tmp_path / "forward.safetensors"
    write_forward(path, forward)
    assert path.stat().st_size < 16 * 2**20
    # What galaxies do not depend on may differ.
    other = config(training={"source": "stream"})
    again = read_forward(path, other)
    assert again.config is other
    assert again.identity == forward.identity
    made = []
    for model in (forward, again):
        stream = GalaxyStream(model.config, model.synthesizer, model.grid, block=32)
        made.append(stream.spectra(stream.block(0), torch.Generator().manual_seed(1)))
    first, second = made
    assert torch.equal(first.flux, second.flux)
    assert torch.equal(first.band_flux, second.band_flux)
    assert torch.equal(first.lines.profile, second.lines.profile)
    assert all(torch.equal(first.labels[name], second.labels[name]) for name in first.labels)


def test_a_file_for_other_galaxies_is_refused(forward, tmp_path):
    path = tmp_path / "f.safetensors"
    write_forward(path, forward)
    with pytest.raises(
        ValueError, match=r"f.safetensors was packed for .*: its seed is 1, here it is 2; pack it again"
    ):
        read_forward(path, config(seed=2))
    with pytest.raises(ValueError, match=r"its synthesis.birth_age_myr is 10.0, here it is 7.0"):
        read_forward(path, config(synthesis={"halpha": "sfr", "birth_age_myr": 7.0}))


def test_what_is_no_forward_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="sfhnet run results/forward"):
        read_forward(tmp_path / "none.safetensors", config())
    save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, {"schema": "sfhnet.forward/0"})
    with pytest.raises(ValueError, match="pack it again"):
        read_forward(tmp_path / "other.safetensors", config())
