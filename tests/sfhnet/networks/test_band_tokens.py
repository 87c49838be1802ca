"""Bands as tokens that carry physics: any subset, any order, and what a band is makes a difference."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ingredients import BANDS
from sfhnet.config import NoiseConfig
from sfhnet.core.bands import find_band
from sfhnet.figures.network_drawing import parts_of
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.noise import NoiseModel
from sfhnet.networks import Spec, build
from sfhnet.networks.band_tokens import BandTokens
from sfhnet.tools.random_streams import torch_stream
from sfhnet.training.setup import make_spec
from small_networks import small_model

BAND_FIELDS = ("band_flux", "band_sigma", "band_mask")


@pytest.fixture(scope="module")
def batch(shard_paths):
    mocks = Mocks(shard_paths[:2])
    model = NoiseModel(NoiseConfig(), mocks.wave_aa, mocks.band_names)
    return mocks.get(np.arange(len(mocks))).noisy(model, torch_stream("train.held_out", 4))


def made(batch, names=BANDS):
    model = small_model("linear").model_copy(update={"band_tokens": True})
    edges = np.array(
        [0, 10, 20, 40, 63, 100, 180, 320, 560, 1000, 1800, 3200, 5000, 7100, 9000, 11200, 13800.0]
    )
    network = build(make_spec(model, batch.flux.shape[1], names, age_edges_myr=edges), seed=2)
    network.fit(batch, batch)
    with torch.no_grad():
        for block in network.mlp:
            if hasattr(block, "shrink"):
                torch.nn.init.normal_(
                    block.shrink.weight, std=0.1, generator=torch.Generator().manual_seed(1)
                )
    return network.eval()


def test_a_token_is_what_is_known_of_a_band():
    tokens = BandTokens([find_band(name) for name in ("F555W", "ACS_F555W", "F770W", "twomass_J")])
    assert tokens.facts.shape == (4, 9)
    assert torch.equal(tokens.facts[:, 2:].argmax(1), torch.tensor([1, 2, 4, 0]))
    assert tokens.facts[2, 0] > tokens.facts[3, 0] > tokens.facts[1, 0] > tokens.facts[0, 0]
    assert tokens.facts.abs().max() < 4


def test_the_order_of_the_bands_means_nothing(batch):
    network = made(batch)
    order = [3, 0, 4, 2, 1]
    names = tuple(BANDS[k] for k in order)
    other = made(batch, names)
    state = network.state_dict()
    for name in ("features.band_mean", "features.band_std", "tokens.facts"):
        state[name] = state[name][order]
    other.load_state_dict(state)
    turned = replace(batch, **{name: getattr(batch, name)[:, order] for name in BAND_FIELDS})
    with torch.no_grad():
        assert torch.allclose(network.encode(batch), other.encode(turned), atol=1e-5)
        # The same numbers under other bands are something else.
        assert not torch.allclose(network.encode(batch), network.encode(turned), atol=1e-2)


def test_any_subset_is_taken_and_what_is_absent_says_nothing(batch):
    network = made(batch)
    with torch.no_grad():
        for keep in ([True] * 5, [False] * 5, [True, False, True, False, False]):
            some = batch.only_bands(torch.tensor(keep))
            wild = replace(some, band_flux=torch.where(some.band_mask, some.band_flux, 1e3))
            assert torch.isfinite(network.encode(some)).all()
            assert torch.equal(network.encode(some), network.encode(wild))


def test_it_is_stored_drawn_and_off_by_default(batch):
    network = made(batch)
    again = build(Spec.from_json(network.spec.to_json()))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval().encode(batch), network.encode(batch))
    assert sum(part.n_weights for part in parts_of(network)) == sum(p.numel() for p in network.parameters())
    plain = make_spec(small_model("linear"), 100, BANDS, age_edges_myr=[0.0, 1.0, 2.0])
    assert "band_tokens" not in plain.options and build(plain).tokens is None


def test_weights_of_the_tokens_learn(batch):
    network = made(batch).train()
    network.loss(batch)["total"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.tokens.parameters())
