"""Training on galaxies that are drawn meanwhile: bit for bit the same when it goes on, on the path of a CPU and of a GPU."""

import csv
from itertools import islice

import pytest
import torch

from host_sync import NoHostSync
from sfhnet.core import cleaning
from sfhnet.mocks.forward_file import write_forward
from sfhnet.networks.linear_features import FeatureBatch
from sfhnet.networks.storage import load_tensors
from sfhnet.training import stream_run
from sfhnet.training.stream_run import train_on_stream
from sfhnet.training.trainer import Preempted, Trainer
from small_stream import small_forward, stream_config


@pytest.fixture(scope="module")
def forward(tmp_path_factory):
    path = tmp_path_factory.mktemp("forward") / "forward.safetensors"
    write_forward(path, small_forward())
    return path


@pytest.fixture
def train(forward):
    def train(folder, config=None, **options):
        return train_on_stream(config or stream_config(), "small", forward, folder=folder, **options)

    return train


def weights(folder):
    return load_tensors(folder / "weights.safetensors")[0]


def same(first, second):
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", ["linear", "pca_mlp"])
def test_a_stopped_run_resumes_bit_for_bit(kind, train, tmp_path, monkeypatch):
    """The first kind learns from features used again, the second from new spectra in every batch."""
    config = stream_config(kind)
    train(tmp_path / "whole", config)
    with monkeypatch.context() as patch:
        run = Trainer.run
        patch.setattr(Trainer, "run", lambda self, resume: run(self, resume, stop_after_steps=5))
        with pytest.raises(Preempted, match="stopped at step 5 of 12"):
            train(tmp_path / "parts", config)
    train(tmp_path / "parts", config)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_threads_beside_the_training_change_nothing(train, tmp_path):
    train(tmp_path / "alone")
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train(tmp_path / "beside")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert same(weights(tmp_path / "alone"), weights(tmp_path / "beside"))


def test_a_bank_on_disk_changes_nothing(train, tmp_path):
    config = stream_config(bank_gb=1.0)
    train(tmp_path / "without")
    for name in ("with", "again"):
        train(tmp_path / name, config, bank=tmp_path / "bank")
        assert same(weights(tmp_path / "without"), weights(tmp_path / name))
    assert len(list((tmp_path / "bank").glob("*.safetensors"))) > 1


def test_a_run_of_so_many_seconds_ends_in_time_and_goes_on(train, tmp_path, monkeypatch):
    config = stream_config(seconds=3.0, epochs=3)
    with monkeypatch.context() as patch:
        run = Trainer.run
        patch.setattr(Trainer, "run", lambda self, resume: run(self, resume, stop_after_steps=2))
        with pytest.raises(Preempted, match=r"stopped at second \d of 3"):
            train(tmp_path, config)
    network = train(tmp_path, config)
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert len(rows) == 3
    assert 3.0 <= float(rows[-1]["seconds"]) < 60.0
    assert float(rows[-1]["learning_rate"]) < 0.3 * config.training.learning_rate
    assert not network.training


def test_a_batch_that_does_not_fit_is_halved(train, tmp_path, monkeypatch, caplog):
    step = Trainer._step

    def small_device(self, batch):
        if len(batch) > 64:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(self, batch)

    monkeypatch.setattr(Trainer, "_step", small_device)
    train(tmp_path / "fits", stream_config(batch=256, draws=512))
    assert "a batch of 256 does not fit into the device; going on with 128" in caplog.text
    assert "going on with 64" in caplog.text
    monkeypatch.setattr(stream_run, "_LEAST_BATCH", 128)
    with pytest.raises(RuntimeError, match=r"a batch of 128 does not fit.*lower width"):
        train(tmp_path / "not", stream_config(batch=256, draws=512))


def test_nothing_waits_for_the_device_between_two_looks(train, tmp_path, monkeypatch):
    """The loop of a GPU, on the CPU: spectra, noise, features, step and average, with no value seen by the host."""
    monkeypatch.setattr(cleaning, "looked_at", lambda values: False)
    config = stream_config()
    model = small_forward(config)
    trainers = []
    loop = Trainer._loop

    def watched(self, stop_after_steps):
        trainers.append(self)
        source = _device_source(self, model)
        batches = source.batches(0)
        first = next(batches)
        assert isinstance(first, FeatureBatch)
        self._step(first)
        with NoHostSync():
            for batch in islice(batches, 3):
                self._step(batch)
        loop(self, stop_after_steps)

    monkeypatch.setattr(Trainer, "_loop", watched)
    train(tmp_path, config)
    assert trainers


def _device_source(trainer, model):
    from sfhnet.training.streamed import Makers, StreamedGalaxies

    galaxies = stream_run._stream(model, trainer.training)
    return StreamedGalaxies(
        galaxies,
        galaxies.block,
        # The steps that are watched lie between two blocks: these are made on the host.
        trainer.training.model_copy(update={"reuse": 16.0}),
        noise=trainer.noise_model,
        network=trainer.network,
        about={},
        seed=1,
        makers=Makers(),
    )
