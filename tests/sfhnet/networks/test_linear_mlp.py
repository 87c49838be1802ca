"""The MLP on linear features: what every network promises, and one projection for answer and familiarity."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from sfhnet.config.models import LossWeights
from sfhnet.core.quantities import LEVELS
from sfhnet.networks.base import Spec
from sfhnet.networks.linear_mlp import LinearMlp
from sfhnet.training.muon import hidden_matrices, optimizer_for


def made(mocks, batch, **options):
    """A small network with its scales set."""
    weights = LossWeights().model_dump()
    small = {
        "n_component": 12,
        "width": 32,
        "depth": 1,
        "n_node": 24,
        "continuum_pixels": 240,
        "pairs": False,
    }
    options = {**small, "loss_weights": weights, **options}
    edges = tuple(float(edge) for edge in mocks.age_edges_myr)
    torch.manual_seed(5)
    network = LinearMlp(Spec("linear", len(mocks.wave_aa), tuple(mocks.band_names), edges, options))
    network.fit(batch, batch)
    return network.eval()


@pytest.fixture(scope="module")
def network(mocks, batch):
    return made(mocks, batch)


def test_answers_are_what_they_should_be(network, batch):
    answer = network.answer(batch)
    n, n_age = len(batch), 16
    assert answer["mass_fraction"].shape == (n, n_age)
    assert answer["mass_fraction"].sum(1) == pytest.approx(1.0, abs=1e-5)
    assert answer["cum_mass_q"].shape == (n, len(LEVELS), n_age)
    assert all(np.isfinite(values).all() for values in answer["scalars_q"].values())


def test_what_is_masked_cannot_be_seen(network, batch):
    mask, gone = batch.mask.clone(), batch.band_mask.clone()
    mask[:, 1000:1100], gone[:, 0] = False, False
    plain = replace(batch, band_mask=gone, mask=mask)
    other = replace(
        plain,
        flux=torch.where(mask, plain.flux, -3.0),
        sigma=torch.where(mask, plain.sigma, 0.0),
        band_flux=torch.where(gone, plain.band_flux, 7.0),
    )
    with torch.no_grad():
        assert torch.equal(network.encode(plain), network.encode(other))


def test_a_few_steps_with_muon_learn_eight_galaxies(mocks, batch):
    network = made(mocks, batch).train()
    few, optimizer = batch[:8], optimizer_for(network, lr=5e-3, weight_decay=0.0)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = network.loss(few)["total"]
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_one_projection_gives_answer_and_familiarity(network, batch):
    with torch.no_grad():
        latent, familiarity = network.encode_with_familiarity(batch)
        assert torch.equal(latent, network.encode(batch))
        for once, apart in zip(familiarity, network.latent_for_ood(batch), strict=True):
            assert torch.equal(once, apart)


def test_options_reach_the_features(mocks, batch):
    network = made(mocks, batch, pairs=True, n_node=9)
    assert network.features.projection.basis.shape == (12, (len(mocks.wave_aa) + 1) // 2)
    assert network.features.continuum.log_mean.shape == (9,)
    assert np.isfinite(network.answer(batch)["mh"]).all()


def test_weights_survive_saving(network, mocks, batch):
    other = LinearMlp(network.spec).eval()
    other.load_state_dict(load(save(network.state_dict())))
    with torch.no_grad():
        assert torch.equal(network.encode(batch), other.encode(batch))


def test_muon_takes_the_residual_blocks(network):
    assert [tuple(matrix.shape) for matrix in hidden_matrices(network)] == [(64, 32), (32, 64)]
    groups = optimizer_for(network, lr=1e-3, weight_decay=0.0).param_groups
    taken = [id(p) for group in groups for p in group["params"]]
    assert sorted(taken) == sorted(id(p) for p in network.parameters())
