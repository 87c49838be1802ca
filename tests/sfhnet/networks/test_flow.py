"""The joint posterior: the code of histories inverts, the density is one, samples are reproducible and conditional."""

import numpy as np
import pytest
import torch

from sfhnet.core.histories import history_scalars
from sfhnet.core.quantities import DUST_AND_LINES, SCALARS
from sfhnet.networks import build
from sfhnet.networks.heads import scalar_labels
from sfhnet.networks.history_code import HistoryCode
from sfhnet.training.setup import make_spec
from small_networks import small_model


@pytest.fixture(scope="module")
def network(mocks, batch):
    network = build(
        make_spec(
            small_model("flow"), len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr
        )
    )
    network.fit(batch, batch)
    return network.eval()


def test_decoding_inverts_encoding(batch, mocks):
    code = HistoryCode(list(mocks.age_edges_myr), n_mh=16)
    code.fit(batch.labels)
    decoded = code.decode(code.encode(batch.labels, noisy=False))
    assert torch.allclose(decoded["mass_fraction"], batch.labels["mass_fraction"], atol=1e-5)
    assert torch.allclose(decoded["mh"], batch.labels["mh"], atol=1e-4)
    for name in (*DUST_AND_LINES, "lw_log_age", "mw_mh", "a_v", "log_ml"):
        assert torch.allclose(decoded[name], batch.labels[name].float(), atol=1e-4), name
    assert set(decoded) == {"mass_fraction", "mh", *SCALARS, *DUST_AND_LINES}


def test_few_components_hold_most_of_the_metallicity(batch, mocks):
    code = HistoryCode(list(mocks.age_edges_myr), n_mh=8)
    code.fit(batch.labels)
    decoded = code.decode(code.encode(batch.labels, noisy=False))
    assert (decoded["mh"] - batch.labels["mh"]).std() < 0.1 * batch.labels["mh"].std()


def test_noise_is_as_small_as_said(batch, mocks):
    code = HistoryCode(list(mocks.age_edges_myr), n_mh=16)
    code.fit(batch.labels)
    torch.manual_seed(1)
    decoded = code.decode(code.encode(batch.labels, noisy=True))
    assert 0.01 < (decoded["mh"] - batch.labels["mh"]).std() < 0.03
    assert 0.005 < (decoded["a_v"] - batch.labels["a_v"]).std() < 0.015
    # Lognormal noise has tails: all but one in a hundred bins.
    off = (decoded["mass_fraction"] - batch.labels["mass_fraction"]).abs()
    assert torch.quantile(off, 0.99) < 1.5e-3


def test_scalars_agree_with_the_labels(batch, mocks):
    found = history_scalars(batch.labels["mass_fraction"], 1e6 * mocks.age_edges_myr)
    truth = dict(zip(SCALARS, scalar_labels(batch.labels).unbind(1), strict=True))
    for name in ("log_sfr10", "log_sfr100"):
        assert torch.allclose(found[name], truth[name], atol=1e-3), name
    # bins hide when within them the stars formed: up to half the width of a bin
    for name in ("t25", "t50", "t75"):
        assert (found[name] - truth[name]).abs().median() < 0.05, name


def test_the_density_is_that_of_its_samples(network, batch):
    latent = network.encode(batch[:4]).detach()
    with torch.no_grad():
        normal = torch.randn(4, network.sample_width, generator=torch.Generator().manual_seed(2))
        vectors = network.posterior.draw(latent, normal[:, None])[:, 0]
        log_prob = network.posterior.log_prob(latent, vectors)
    for row in range(2):
        jacobian = torch.autograd.functional.jacobian(
            lambda z, row=row: network.posterior.draw(latent[row : row + 1], z[None, None])[0, 0], normal[row]
        )
        volume = torch.linalg.slogdet(jacobian)[1]
        by_hand = torch.distributions.Normal(0.0, 1.0).log_prob(normal[row]).sum() - volume
        assert float(log_prob[row]) == pytest.approx(float(by_hand), abs=1e-2)


def test_samples_are_sound_and_depend_on_their_own_noise_only(network, batch):
    normal = torch.randn(6, 50, network.sample_width, generator=torch.Generator().manual_seed(3))
    samples = network.samples(batch[:6], normal)
    assert set(samples) == {"mass_fraction", "mh", *SCALARS, *DUST_AND_LINES}
    assert samples["mass_fraction"].shape == (6, 50, 16)
    assert samples["mass_fraction"].min() >= 0
    assert torch.allclose(samples["mass_fraction"].sum(-1), torch.ones(6, 50), atol=1e-5)
    other = normal.clone()
    other[3] = 0.0
    again = network.samples(batch[:6], other)
    keep = torch.arange(6) != 3
    for name, value in samples.items():
        assert torch.allclose(value[keep], again[name][keep], atol=1e-5), name


def test_the_joint_posterior_learns_what_the_spectrum_says(mocks, batch):
    network = build(
        make_spec(
            small_model("flow"), len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr
        )
    )
    network.fit(batch, batch)
    few, optimizer = batch[:16], torch.optim.AdamW(network.parameters(), lr=3e-3)
    torch.manual_seed(0)
    for _ in range(120):
        optimizer.zero_grad()
        network.loss(few)["total"].backward()
        optimizer.step()
    normal = torch.randn(16, 100, network.sample_width, generator=torch.Generator().manual_seed(4))
    age = network.eval().samples(few, normal)["mw_log_age"]
    truth = few.labels["mw_log_age"].float()
    assert np.corrcoef(age.mean(1).numpy(), truth.numpy())[0, 1] > 0.8
    assert age.std(1).mean() < 0.8 * truth.std()
