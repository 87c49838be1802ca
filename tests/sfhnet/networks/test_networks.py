"""Every network through the one interface: shapes, bounds, blindness to what is masked, and that it can learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sfhnet.config.base import kind_of, models_in
from sfhnet.config.models import AttentionConfig, FlowLossWeights, LossWeights, ModelConfig
from sfhnet.core.quantities import LEVELS, SCALARS
from sfhnet.networks import KINDS, Spec, build
from sfhnet.networks.attention import high_pass
from sfhnet.networks.heads import Head
from sfhnet.networks.projection import Projection
from sfhnet.training.setup import make_spec
from small_networks import small_model

LEARNERS = [kind for kind in KINDS if kind != "prior_mean"]


def make(kind, mocks, batch):
    network = build(
        make_spec(small_model(kind), len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr)
    )
    network.fit(batch, batch)
    return network.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_what_they_should_be(kind, mocks, batch):
    network = make(kind, mocks, batch)
    answer = network.answer(batch)
    n, n_age = len(batch), 16
    assert answer["mass_fraction"].shape == (n, n_age)
    assert answer["mass_fraction"].sum(1) == pytest.approx(1.0, abs=1e-5)
    assert answer["mass_fraction"].min() >= 0
    for name in ("mass_fraction_q", "cum_mass_q", "mh_q"):
        assert answer[name].shape == (n, len(LEVELS), n_age)
        assert (np.diff(answer[name], axis=1) >= -1e-6).all()
    assert answer["cum_mass_q"].min() >= 0
    assert answer["cum_mass_q"].max() <= 1
    assert set(answer["scalars"]) == set(SCALARS)
    for quantiles in answer["scalars_q"].values():
        assert (np.diff(quantiles, axis=1) >= -1e-6).all()
    loss = network.loss(batch)
    assert torch.isfinite(loss["total"])


@pytest.mark.parametrize("kind", LEARNERS)
def test_what_is_masked_cannot_be_seen(kind, mocks, batch):
    network = make(kind, mocks, batch)
    gone = batch.band_mask.clone()
    gone[:, 0] = False
    mask = batch.mask.clone()
    mask[:, 1000:1100] = False
    plain = replace(batch, band_mask=gone, mask=mask)
    other = replace(
        plain,
        band_flux=torch.where(gone, plain.band_flux, 7.0),
        flux=torch.where(mask, plain.flux, -3.0),
    )
    with torch.no_grad():
        first, second = network(plain), network(other)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_spectrum_does_not_change_its_neighbours(kind, mocks, batch):
    network = make(kind, mocks, batch)
    strange = batch.flux.clone()
    strange[5] = 1e4
    with torch.no_grad():
        first, second = network(batch), network(replace(batch, flux=strange))
    keep = torch.arange(len(batch)) != 5
    for name, value in first.items():
        assert torch.allclose(value[keep], second[name][keep], atol=1e-5), name


@pytest.mark.parametrize("kind", KINDS)
def test_one_look_gives_all_that_three_give(kind, mocks, batch):
    network = make(kind, mocks, batch)
    few = batch[:6]
    width = network.sample_width
    normal = torch.randn(6, 20, width, generator=torch.Generator().manual_seed(1)) if width else None
    with torch.no_grad():
        found, seen = network.infer(few, normal), network.latent_for_ood(few)
        samples = network.samples(few, normal) if width else {}
    for name, value in network.answer(few).items():
        for key in value if isinstance(value, dict) else [...]:
            assert found.answer[name][key] == pytest.approx(value[key], abs=1e-5), name
    assert set(found.samples) == set(samples)
    assert all(torch.allclose(found.samples[name], value, atol=1e-4) for name, value in samples.items())
    assert (found.familiarity is None) is (seen is None)
    for once, apart in zip(found.familiarity or (), seen or (), strict=True):
        assert torch.allclose(once, apart, atol=1e-5)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_few_steps_learn_eight_galaxies(kind, mocks, batch):
    network = make(kind, mocks, batch).train()
    few = batch[:8]
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(40):
        loss = network.loss(few)["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_the_projection_fills_gaps_from_the_components():
    torch.manual_seed(0)
    n_wave, rank = 400, 5
    basis = torch.linalg.qr(torch.randn(n_wave, rank)).Q.T
    flux = 1.0 + torch.randn(200, rank) @ basis
    batch = _plain(flux)
    projection = Projection(n_wave, rank, n_fill=30)
    projection.fit(batch)
    whole, _ = projection(batch)
    mask = torch.ones_like(batch.mask)
    mask[:, 100:160] = False
    filled, spectrum = projection(replace(batch, mask=mask))
    assert torch.allclose(filled, whole, atol=0.02)
    recovered = spectrum * projection.shape + projection.mean
    assert torch.allclose(recovered, flux, atol=0.03)
    assert float(projection.residual_chi2(batch, whole).max()) < 1e-3


def _plain(flux):
    from sfhnet.core.batch import Batch

    n, n_wave = flux.shape
    return Batch(
        flux=flux,
        sigma=torch.full_like(flux, 0.1),
        mask=torch.ones(n, n_wave, dtype=torch.bool),
        band_flux=torch.zeros(n, 0),
        band_sigma=torch.ones(n, 0),
        band_mask=torch.ones(n, 0, dtype=torch.bool),
        log_snr=torch.ones(n),
        log_scale=torch.zeros(n, dtype=torch.float64),
        window=torch.zeros(n, dtype=torch.int64),
        flags=torch.zeros(n, dtype=torch.int64),
    )


def test_the_high_pass_removes_slopes_and_keeps_lines():
    x = torch.linspace(0, 5, 1000)[None].clone()
    x[0, 500] += 1.0
    passed = high_pass(x, 30)[0]
    assert passed[100:400].abs().max() < 1e-4
    assert float(passed[500]) == pytest.approx(1.0 - 1.0 / 61, abs=1e-3)


def test_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="unknown network kind"):
        build(Spec("oracle", 10, (), (0.0, 1.0, 2.0)))


class Read(dict):
    """Options that remember which of them were asked for."""

    def __init__(self, options):
        super().__init__(options)
        self.names = set()

    def __getitem__(self, name):
        self.names.add(name)
        return super().__getitem__(name)


def test_every_kind_has_its_options():
    assert {kind_of(model) for model in models_in(ModelConfig)} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_reads_every_option_of_its_kind_and_no_other(kind, mocks):
    spec = make_spec(
        small_model(kind), len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr
    )
    options = Read(spec.options)
    build(replace(spec, options=options))
    assert options.names == set(spec.options)


def test_every_loss_term_has_a_weight(mocks, batch):
    weights = LossWeights().model_dump()
    head = Head(8, list(mocks.age_edges_myr), weights)
    assert set(head.loss(head(torch.zeros(len(batch), 8)), batch.labels)) == {*weights, "total"}
    assert set(make("flow", mocks, batch).loss(batch)) == {*FlowLossWeights().model_dump(), "total"}


def test_a_spec_survives_json(mocks):
    import json

    spec = make_spec(AttentionConfig(), 3681, mocks.band_names, age_edges_myr=mocks.age_edges_myr)
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_equal_seeds_give_equal_weights(mocks):
    spec = make_spec(small_model("pca_mlp"), 3681, mocks.band_names, age_edges_myr=mocks.age_edges_myr)
    state = torch.get_rng_state()
    first, second, third = build(spec, 1), build(spec, 1), build(spec, 2)
    assert torch.equal(torch.get_rng_state(), state)
    weights = [next(iter(network.mlp.parameters())) for network in (first, second, third)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
