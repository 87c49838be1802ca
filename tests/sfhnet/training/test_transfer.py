"""A trained network learns new bands: silent at first, and for ever where they are absent if its trunk stays."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ingredients import BANDS
from sfhnet.config import (
    Config,
    LearningCurveConfig,
    NoiseConfig,
    TrainingConfig,
    ValidationConfig,
    config_from_dict,
)
from sfhnet.inference.model import load
from sfhnet.mocks.dataset import Mocks
from sfhnet.networks import Spec, build
from sfhnet.training.muon import optimizer_for
from sfhnet.training.setup import make_spec
from sfhnet.training.trainer import Trainer
from sfhnet.training.transfer import Start, start_of
from sfhnet.validation.learning_curve import learning_point
from small_networks import small_model

NEW = ("F435W", "F770W")


@pytest.fixture(scope="module")
def wider_shards(shard_paths, tmp_path_factory):
    """The shards with two bands more: one between F336W and F438W, and one that tells how much dust there is."""
    from sfhnet.mocks.shard_set import ShardSet
    from sfhnet.mocks.shards import read_shard, write_shard

    folder = tmp_path_factory.mktemp("wider")
    paths = []
    for path in shard_paths:
        library = read_shard(path)
        flux = library.band_flux
        a_v = library.labels["a_v"][:, None]
        f435w = flux[:, [2]] ** 0.95 * flux[:, [1]] ** 0.05
        f770w = flux[:, [4]] * 10.0 ** (0.8 * a_v - 2)
        wider = replace(
            library,
            band_names=(*library.band_names, *NEW),
            band_flux=np.concatenate([flux, f435w, f770w], axis=1),
        )
        paths.append(folder / path.name)
        write_shard(paths[-1], wider, {"test": True, "shard": len(paths) - 1})
    assert ShardSet(paths).band_names == (*BANDS, *NEW)
    return paths


@pytest.fixture(scope="module", params=["linear", "linear_flow"])
def base(request, shard_paths, tmp_path_factory):
    """A network that was trained with the five bands."""
    from small_networks import small_trainer

    folder = tmp_path_factory.mktemp(request.param) / "base"
    mocks = Mocks(shard_paths[:3]), Mocks(shard_paths[3:])
    small_trainer(request.param, *mocks, folder).run()
    return folder


def trainer_from(base, shards, folder, *, trunk_rate=0.0, **training):
    mocks = Mocks(shards[:3])
    kind = load(base).network.spec.kind
    spec = make_spec(
        small_model(kind), len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr
    )
    start = Start(base, trunk_rate)
    settings = {"epochs": 2, "batch": 32, "validation_galaxies": 48, "fit_galaxies": 96, "device": "cpu"}
    return Trainer(
        start.spec(spec, mocks.grid),
        TrainingConfig(**{**settings, **training}),
        NoiseConfig(),
        mocks=mocks,
        held_out=Mocks(shards[3:]),
        folder=folder,
        seed=7,
        start=start,
    )


def batches(shards, base):
    """Mocks with all seven bands, and as the base sees them."""
    from sfhnet.mocks.noise import NoiseModel
    from sfhnet.tools.random_streams import torch_stream

    mocks = Mocks(shards[3:])
    model = NoiseModel(NoiseConfig(), mocks.wave_aa, mocks.band_names, off=("band_dropout",))
    every = mocks.get(np.arange(len(mocks))).noisy(model, torch_stream("train.held_out", 3))
    five = replace(
        every,
        band_flux=every.band_flux[:, :5],
        band_sigma=every.band_sigma[:, :5],
        band_mask=every.band_mask[:, :5],
    )
    gone = every.band_mask.clone()
    gone[:, 5:] = False
    absent = replace(
        every,
        band_flux=torch.where(gone, every.band_flux, 0),
        band_sigma=torch.where(gone, every.band_sigma, 1),
        band_mask=gone,
    )
    return every, absent, five


def outputs(network, batch):
    """All that a network says of a batch, in order."""
    normal = None
    if network.sample_width:
        shape = (len(batch), 4, network.sample_width)
        normal = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = network.eval().infer(batch, normal)
    answer = [found.answer["mass_fraction_q"], found.answer["mh_q"], *found.answer["scalars_q"].values()]
    return [torch.as_tensor(value) for value in (*answer, *found.samples.values(), *found.familiarity)]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_new_bands_start_neutral(base, wider_shards, tmp_path):
    old = load(base).network
    new = trainer_from(base, wider_shards, tmp_path / "new").network
    assert new.spec.learnt == (BANDS, NEW)
    every, absent, five = batches(wider_shards, base)
    known = outputs(old, five)
    assert same(outputs(new, absent), known), (
        "answers without the new bands are those of before, to the last digit"
    )
    assert same(outputs(new, every), known), "and nothing has been learnt of the new bands yet"


def test_a_frozen_trunk_stays_and_the_new_band_is_learnt(base, wider_shards, tmp_path):
    old = load(base).network
    every, absent, five = batches(wider_shards, base)
    known = outputs(old, five)
    trainer = trainer_from(base, wider_shards, tmp_path / "new", epochs=30, learning_rate=3e-3)
    trainer.run()
    new = load(tmp_path / "new").network
    assert same(outputs(new, absent), known)
    assert not same(outputs(new, every), known)
    truth = every.labels["a_v"]
    names = list(new.answer(every)["scalars"])
    assert "a_v" in names
    error = {
        name: np.abs(network.answer(batch)["scalars"]["a_v"] - truth.numpy()).mean()
        for name, network, batch in (("before", old, five), ("without", new, absent), ("with", new, every))
    }
    assert error["without"] == error["before"]
    if new.spec.kind == "linear_flow":
        assert error["with"] < 0.97 * error["before"], error
    with torch.no_grad():
        assert new.eval().loss(every)["total"] < old.eval().loss(five)["total"]


def test_a_slow_trunk_moves_less_than_what_is_new(base, wider_shards, tmp_path):
    old = load(base).network
    trainer = trainer_from(base, wider_shards, tmp_path / "new", trunk_rate=0.1, epochs=1)
    shares = dict.fromkeys((1.0, 0.1), 0)
    inherited = {id(p) for name, p in trainer.network.named_parameters() if name in trainer.network.inherited}
    for group in trainer.optimizer.param_groups:
        shares[group["share"]] += len(group["params"])
        assert all((id(p) in inherited) is (group["share"] == 0.1) for p in group["params"])
    assert min(shares.values()) > 0
    trainer.run()
    new = load(tmp_path / "new").network
    moved = [
        float((value - dict(old.named_parameters())[name]).abs().max())
        for name, value in new.named_parameters()
        if name in trainer.network.inherited
    ]
    assert max(moved) > 0


def test_a_band_can_go_and_another_come_later(base, wider_shards, tmp_path):
    """F435W in place of F438W, then F770W: each time with what was learnt before."""
    mocks = Mocks(wider_shards[:3])
    kind = load(base).network.spec.kind
    names = ("F275W", "F336W", "F435W", "F555W", "F814W")
    spec = make_spec(small_model(kind), len(mocks.wave_aa), names, age_edges_myr=mocks.age_edges_myr)
    first = Start(base, 0.0).spec(spec, mocks.grid)
    assert first.learnt == (BANDS, ("F435W",)) and first.band_names == names
    network = build(first, 1)
    Start(base, 0.0).begin(network)
    every, _, five = batches(wider_shards, base)
    order = [0, 1, 5, 3, 4]
    replaced = replace(
        every, **{key: getattr(every, key)[:, order] for key in ("band_flux", "band_sigma", "band_mask")}
    )
    keep = torch.tensor([True, True, False, True, True])
    without = replace(five, band_mask=five.band_mask & keep)
    assert same(outputs(network, replaced), outputs(load(base).network, without))
    again = Spec.from_json(first.to_json())
    assert again == first
    later = Start(base, 0.0)
    assert later.spec(replace(spec, band_names=(*names, "F770W")), mocks.grid).learnt[1] == ("F435W", "F770W")


def test_only_what_is_new_is_in_the_optimiser(base, wider_shards, tmp_path):
    network = trainer_from(base, wider_shards, tmp_path / "new").network
    held = {id(p) for group in optimizer_for(network, 1e-3, 0.01).param_groups for p in group["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in held}
    assert names and all(name.startswith("added.") for name in names)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 48}, "has width = 32, the model 48; give the model width: 32"),
        ({"kind": "pca_mlp"}, "is a network of kind linear"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(base, wider_shards, tmp_path, changes, words):
    mocks = Mocks(wider_shards[:3])
    kind = changes.get("kind", load(base).network.spec.kind)
    model = small_model(kind).model_copy(update={k: v for k, v in changes.items() if k != "kind"})
    spec = make_spec(model, len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr)
    with pytest.raises(ValueError, match=words):
        Start(base, 0.0).spec(spec, mocks.grid)


def test_nothing_to_learn_is_said(base, shard_paths):
    mocks = Mocks(shard_paths[:3])
    kind = load(base).network.spec.kind
    spec = make_spec(
        small_model(kind), len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr
    )
    for rate in (0.0, 0.1):
        with pytest.raises(ValueError, match=r"nothing is new to learn.*trunk_rate: 1"):
            Start(base, rate).spec(spec, mocks.grid)


def test_a_network_goes_on_learning(base, shard_paths, tmp_path):
    trainer = trainer_from(base, shard_paths, tmp_path, trunk_rate=1.0, epochs=4, learning_rate=1e-3)
    before = load(base).network
    assert trainer.network.spec == before.spec and trainer.network.n_stage == before.n_stage
    known = before.state_dict()
    assert all(torch.equal(value, known[name]) for name, value in trainer.network.state_dict().items())
    network = trainer.run()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, known[name])}
    trained = {name for name, _ in network.named_parameters()}
    assert {name.split(".")[0] for name in moved & trained} == {name.split(".")[0] for name in trained}
    info = json.loads((tmp_path / "model.json").read_text())["training"]
    assert len(info["parts"]) == 2 and info["n_spectra"] == sum(part["spectra"] for part in info["parts"])
    # Scales and components are those that its weights have learnt.
    assert not moved - trained


def test_the_configuration_says_where_to_start():
    config = config_from_dict(
        {"models": {"jwst": {"kind": "linear_flow", "start_from": "data/models/x", "trunk_rate": 0.05}},
         "galaxies": {"model": "jwst"}}
    )  # fmt: skip
    start = start_of(config.models["jwst"])
    assert str(start.folder) == "data/models/x" and start.trunk_rate == 0.05
    assert start_of(small_model("pca_mlp")) is None


def test_points_of_the_learning_curve_go_on_from_it(base, wider_shards, tmp_path):
    old = load(base).network
    model = small_model(old.spec.kind).model_copy(update={"start_from": base})
    config = Config(
        models={"more": model},
        galaxies={"model": "more"},
        training=TrainingConfig(epochs=1, batch=32, validation_galaxies=48, fit_galaxies=96, device="cpu"),
        validation=ValidationConfig(galaxies=48),
        learning_curve=LearningCurveConfig(model="more"),
    )
    paths = {"validation": wider_shards[2:3], "test": wider_shards[3:]}
    folder = tmp_path / "point"
    point = learning_point(config, wider_shards[:2], 2, **paths, folder=folder, provenance={})
    new = load(folder).network
    assert point["draws"] == 384 and point["real"]["w1_dex"] > 0
    assert new.spec.learnt == (BANDS, NEW)
    kept = dict(new.named_parameters())
    assert all(torch.equal(value, kept[name]) for name, value in old.named_parameters())
