"""Draws kept as features: the same whoever makes them, on disk whole or not at all, refused where they do not belong."""

import errno
import logging

import pytest
import torch

from sfhnet.config import NoiseConfig
from sfhnet.mocks.noise import NoiseModel
from sfhnet.networks import build
from sfhnet.training import feature_bank
from sfhnet.training.feature_bank import FeatureBank, batch_of
from sfhnet.training.setup import make_spec
from small_networks import small_model
from small_stream import small_stream


@pytest.fixture(scope="module")
def galaxies():
    return small_stream(block=48)


@pytest.fixture(scope="module")
def noise(galaxies):
    return NoiseModel(NoiseConfig(), galaxies.wave_aa, galaxies.band_names)


@pytest.fixture(scope="module")
def network(galaxies, batch):
    edges = galaxies.age_edges_myr
    spec = make_spec(small_model("linear"), len(galaxies.wave_aa), galaxies.band_names, age_edges_myr=edges)
    network = build(spec, 1)
    network.fit(batch, batch)
    return network.eval()


def bank(galaxies, noise, network, **options):
    return FeatureBank(galaxies, noise, network, **{"about": {"prior": "a"}, "realisations": 2, **options})


def same(first, second):
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_a_block_holds_what_the_network_sees(galaxies, noise, network):
    made = bank(galaxies, noise, network).block(2)
    seen = batch_of(made)
    assert len(seen) == 96
    # Two realisations of each galaxy: the same labels, other noise.
    assert torch.equal(seen.labels["t50"][:48], seen.labels["t50"][48:])
    assert not torch.equal(seen.features[:48], seen.features[48:])
    assert torch.isfinite(network.loss(seen)["total"])
    assert same(made, bank(galaxies, noise, network).block(2))


def test_blocks_on_disk_are_taken_instead_of_drawn_again(galaxies, noise, network, tmp_path, monkeypatch):
    first = bank(galaxies, noise, network, folder=tmp_path, limit_gb=1.0).block(0)
    again = bank(galaxies, noise, network, folder=tmp_path, limit_gb=1.0)
    monkeypatch.setattr(galaxies, "block", lambda number: pytest.fail("drawn again"))
    assert same(first, again.block(0))


def test_a_damaged_block_is_drawn_again(galaxies, noise, network, tmp_path, caplog):
    first = bank(galaxies, noise, network, folder=tmp_path, limit_gb=1.0).block(0)
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert same(first, bank(galaxies, noise, network, folder=tmp_path, limit_gb=1.0).block(0))
    assert "is damaged" in caplog.text


def test_a_bank_of_something_else_is_refused(galaxies, noise, network, tmp_path):
    bank(galaxies, noise, network, folder=tmp_path, limit_gb=1.0)
    with pytest.raises(ValueError, match=r"draws of another run: its prior is a, here it is b; delete it or"):
        bank(galaxies, noise, network, folder=tmp_path, limit_gb=1.0, about={"prior": "b"})
    with pytest.raises(ValueError, match="its block is 96, here it is 144"):
        bank(galaxies, noise, network, folder=tmp_path, limit_gb=1.0, realisations=3)


def test_a_bank_keeps_to_its_size(galaxies, noise, network, tmp_path):
    small = bank(galaxies, noise, network, folder=tmp_path, limit_gb=1e-4)
    for number in range(3):
        small.block(number)
    assert [file.name for file in tmp_path.glob("*.safetensors")] == ["00000000.safetensors"]


def test_a_full_disk_stops_the_keeping_not_the_run(galaxies, noise, network, tmp_path, monkeypatch, caplog):
    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(feature_bank, "save_tensors", no_room)
    full = bank(galaxies, noise, network, folder=tmp_path, limit_gb=1.0)
    with caplog.at_level(logging.WARNING):
        assert len(full.block(0)["features"]) == 96
        assert len(full.block(1)["features"]) == 96
    assert caplog.text.count("the disk is full") == 1
    assert not list(tmp_path.glob("*.safetensors"))
