"""Training: stops and resumes bit for bit, reads shards in pieces as from memory, refuses what is damaged."""

import csv
import importlib
import logging
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from host_sync import NoHostSync
from sfhnet.config import TrainingConfig
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.shards import read_shard, write_shard
from sfhnet.networks.storage import load_network, load_tensors
from sfhnet.old_names import MOVED
from sfhnet.training.checkpoint import CHECKPOINT
from sfhnet.training.setup import precision_of
from sfhnet.training.trainer import Preempted
from small_networks import small_trainer


def weights(folder):
    return load_tensors(folder / "weights.safetensors")[0]


def read_history(folder):
    with (folder / "history.csv").open() as handle:
        return list(csv.DictReader(handle))


def same(first, second):
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", ["pca_mlp", "linear_flow", "flow", "four_branch"])
def test_a_stopped_run_resumes_bit_for_bit(kind, mocks, held_out, tmp_path):
    small_trainer(kind, mocks, held_out, tmp_path / "whole").run()
    # Stopped within an epoch, then after one: six steps an epoch.
    with pytest.raises(Preempted, match="stopped at step 4 of 12"):
        small_trainer(kind, mocks, held_out, tmp_path / "parts").run(stop_after_steps=4)
    with pytest.raises(Preempted):
        small_trainer(kind, mocks, held_out, tmp_path / "parts").run(stop_after_steps=5)
    small_trainer(kind, mocks, held_out, tmp_path / "parts").run()
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    rows = [(tmp_path / name / "history.csv").read_text().splitlines() for name in ("whole", "parts")]
    without_time = [[",".join(np.delete(line.split(","), 3)) for line in part] for part in rows]
    assert without_time[0] == without_time[1]


def test_sigterm_writes_a_checkpoint(mocks, held_out, tmp_path):
    trainer = small_trainer("pca_mlp", mocks, held_out, tmp_path)
    step = trainer._step

    def stop_at_third(batch):
        if trainer.state.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(batch)

    trainer._step = stop_at_third
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Preempted):
        trainer.run()
    assert load_tensors(tmp_path / CHECKPOINT)[1]["progression"]["step"] == 3
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_checkpoint_of_another_configuration_is_left_alone(mocks, held_out, tmp_path):
    with pytest.raises(Preempted):
        small_trainer("pca_mlp", mocks, held_out, tmp_path).run(stop_after_steps=3)
    other = small_trainer("pca_mlp", mocks, held_out, tmp_path, learning_rate=1e-4)
    other.run()
    assert other.state.step == 12
    assert len(other.history) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("prior", "its mocks.made_for.prior is old, here it is new"),
        ("galaxies", r"its mocks.shards\[1\] is [0-9a-f]{64}, here it is [0-9a-f]{64}"),
        ("held_out", r"its held_out.shards\[0\] is"),
    ],
)
def test_a_checkpoint_of_other_mocks_is_not_resumed(change, words, shard_paths, tmp_path, caplog):
    """As many mocks, but another prior or other galaxies: the weights would be of neither."""

    def copy(path, folder, **identity):
        galaxies = read_shard(path)
        made_for = {"shard": int(path.stem), **identity}
        return write_shard(tmp_path / folder / path.name, galaxies, made_for)

    first = [copy(path, "first", prior="old") for path in shard_paths[:3]]
    # Made again, the same galaxies are the same mocks, wherever they lie.
    again = [copy(path, "again", prior="old") for path in shard_paths[:3]]
    last = shard_paths[3]
    other = {
        "prior": [copy(path, "other", prior="new") for path in shard_paths[:2]] + first[2:],
        "galaxies": [first[0], copy(last, "other", prior="old"), first[2]],
        "held_out": [*first[:2], copy(last, "other", prior="old")],
    }[change]

    def trainer(paths):
        return small_trainer("pca_mlp", Mocks(paths[:2]), Mocks(paths[2:]), tmp_path / "model")

    with caplog.at_level(logging.INFO, "sfhnet.training"):
        with pytest.raises(Preempted):
            trainer(first).run(stop_after_steps=4)
        with pytest.raises(Preempted, match="step 6 of 12"):
            trainer(again).run(stop_after_steps=2)
        assert "resumed from step 4" in caplog.text
        caplog.clear()
        with pytest.raises(Preempted, match="step 3 of 12"):
            trainer(other).run(stop_after_steps=3)
    assert "resumed" not in caplog.text
    assert re.search(rf"checkpoint.safetensors is of another run: {words}.*; starting anew", caplog.text)


def test_a_damaged_checkpoint_is_an_error_that_names_it(mocks, held_out, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"not a tensor")
    with pytest.raises(ValueError, match="damaged"):
        small_trainer("pca_mlp", mocks, held_out, tmp_path).run()


def test_training_learns(mocks, held_out, tmp_path):
    trainer = small_trainer("pca_mlp", mocks, held_out, tmp_path, epochs=12, learning_rate=5e-3)
    trainer.run()
    held = [row["held_out_total"] for row in trainer.history]
    assert min(held) < 0.85 * held[0]
    prior = small_trainer("prior_mean", mocks, held_out, tmp_path / "prior")
    prior.run()
    assert min(held) < 0.9 * prior.history[0]["held_out_total"]


def test_early_stopping_keeps_the_best_weights(mocks, held_out, tmp_path):
    trainer = small_trainer("pca_mlp", mocks, held_out, tmp_path, epochs=30, patience=2)
    losses, seen = iter([3.0, 1.0, 2.0, 2.5, 4.0, 0.5]), []

    def evaluate():
        seen.append({name: value.clone() for name, value in trainer.averaged.state_dict().items()})
        return {"total": next(losses)}

    trainer.evaluate = evaluate
    trainer.run()
    assert trainer.state.epoch == 5  # best at 2, patience of 2 used up at 5
    network, info = load_network(tmp_path)
    assert info["training"]["best"] == 1.0
    assert same(seen[1], network.state_dict())
    assert not same(seen[4], network.state_dict())


def test_reading_in_pieces_gives_the_same_batches_as_memory(shard_paths):
    cached, pieces = Mocks(shard_paths[:3]), Mocks(shard_paths[:3], cache_gb=0.0)
    assert cached._cached is not None
    assert pieces._cached is None
    for skip in (0, 3):
        for first, second in zip(
            cached.epoch(1, 7, 32, skip=skip), pieces.epoch(1, 7, 32, skip=skip), strict=True
        ):
            assert torch.equal(first.flux, second.flux)
            assert torch.equal(first.labels["t50"], second.labels["t50"])


def test_an_epoch_shows_every_mock_once_and_ranks_share(mocks):
    order = mocks.order(3, 1)
    assert np.array_equal(np.sort(order), np.arange(len(mocks)))
    assert not np.array_equal(order, mocks.order(4, 1))
    flux = [torch.cat([b.flux for b in mocks.epoch(0, 1, 16, rank=rank, n_rank=2)]) for rank in (0, 1)]
    assert len(flux[0]) == len(flux[1]) == len(mocks) // 2
    assert not any(bool((row == flux[1]).all(1).any()) for row in flux[0][:5])


def test_too_large_a_batch_is_an_error(mocks):
    with pytest.raises(ValueError, match=r"lower training\.batch"):
        mocks.batches_per_epoch(10**6)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"epoch": 3}, "did you mean epochs"),
        ({"epochs": 0}, "training.epochs is 0"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_overrides_of_a_model_are_checked_with_the_configuration(training, message):
    from sfhnet.config.models import AttentionConfig

    with pytest.raises(ValueError, match=message):
        AttentionConfig(training=training)


N_EPOCH = 8


def two_processes(root, shard_paths, folder):
    """Return the command of the workflow that trains with two processes of torchrun on the CPU."""
    overlay = folder / "two.yaml"
    overlay.write_text(
        "training: {validation_galaxies: 48, fit_galaxies: 96, device: cpu, processes: 2}\n"
        f"models: {{pca_mlp: {{training: {{epochs: {N_EPOCH}, batch: 16}}}}}}\n"
    )
    rules = (root / "rules" / "common" / "models.smk").read_text()
    launcher = re.search(r'^TORCHRUN = f"(.+?)"$', rules, re.M)[1].format(N_PROCESS=2).split()
    arguments = ["--config", root / "config.yaml", overlay, "--threads", "2", "--log", folder / "log"]
    arguments += ["--model", "pca_mlp", "--shards", *shard_paths[:2], "--validation", shard_paths[2]]
    script = root / "scripts" / "train_model.py"
    return list(map(str, [sys.executable, *launcher, script, *arguments, "--out-dir", folder]))


@pytest.fixture(scope="module")
def whole(shard_paths, root, tmp_path_factory):
    """Folder of a training by two processes that nothing stopped, and what both said."""
    folder = tmp_path_factory.mktemp("whole")
    command = two_processes(root, shard_paths, folder)
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.mark.slow
def test_two_processes_train_one_network(whole):
    """torchrun with two processes on the CPU: each sees its own mocks, and both hold the same weights."""
    folder, said = whole
    trained = re.findall(r"epoch 1: train ([0-9.]+), held out", said)
    # Both write at once, now and then on one line.
    held_out = re.findall(r"epoch 1: train [0-9.]+, held out ([0-9.]+) \(best", said)
    assert len(set(trained)) == 2
    assert len(held_out) == 2
    assert held_out[0] == held_out[1]
    assert load_network(folder)[1]["training"]["step"] == 6 * N_EPOCH
    assert len(re.findall("epoch 1: ", (folder / "log").read_text())) == 1


@pytest.mark.slow
def test_two_processes_stop_together_and_resume_bit_for_bit(whole, shard_paths, root, tmp_path):
    """SIGTERM to torchrun: both processes end at one step, with a checkpoint, however many steps they had gone."""
    command = two_processes(root, shard_paths, tmp_path)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=root) as running:
        deadline = time.monotonic() + 200
        while not (tmp_path / "history.csv").is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        running.terminate()
        assert running.wait(timeout=60) != 0
    stopped = re.search(r"checkpoint written at step (\d+)", (tmp_path / "log").read_text())
    assert stopped, (tmp_path / "log").read_text()
    assert 6 <= int(stopped[1]) < 6 * N_EPOCH
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"resumed from step {stopped[1]}" in (tmp_path / "log").read_text()
    assert same(load_network(whole[0])[0].state_dict(), load_network(tmp_path)[0].state_dict())


def test_the_posterior_is_trained_on_latents_that_stay(mocks, held_out, tmp_path):
    trainer = small_trainer("linear_flow", mocks, held_out, tmp_path, epochs=8, learning_rate=5e-3)
    begin, before = trainer._begin_stage, {}

    def begin_and_look():
        begin()
        before.update({name: value.clone() for name, value in trainer.network.state_dict().items()})

    trainer._begin_stage = begin_and_look
    network = trainer.run()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name, _ in network.named_parameters() if name.startswith("posterior.")}
    rows = read_history(tmp_path)
    assert [row["stage"] for row in rows] == ["0"] * 6 + ["1"] * 2
    assert float(rows[-1]["held_out_nll"]) < float(rows[5]["held_out_nll"]) - 0.1
    assert rows[-1]["held_out_cum"] == rows[-2]["held_out_cum"]
    assert float(rows[6]["learning_rate"]) > float(rows[5]["learning_rate"])


def test_one_epoch_is_too_few_for_two_stages(mocks, held_out, tmp_path):
    with pytest.raises(ValueError, match=r"training\.epochs is 1"):
        small_trainer("linear_flow", mocks, held_out, tmp_path, epochs=1)


def test_nothing_in_a_step_waits_for_the_device(mocks, held_out, tmp_path):
    trainer = small_trainer("linear", mocks, held_out, tmp_path)
    batch = next(trainer.source.batches(0))
    trainer._step(batch)
    with NoHostSync():
        trainer._step(batch)


def test_banked_features_train_as_the_batches_they_came_from(mocks, held_out, tmp_path):
    """A source may give features in place of spectra, computed once."""
    first, second = (small_trainer("linear", mocks, held_out, tmp_path / name) for name in "ab")

    class Bank:
        steps_per_epoch, identity = first.source.steps_per_epoch, first.source.identity

        def batches(self, step):
            return map(second.network.prepared, first.source.batches(step))

    second.source = Bank()
    assert same(first.run().state_dict(), second.run().state_dict())


def test_a_step_without_a_finite_gradient_is_left_out(mocks, held_out, tmp_path, caplog):
    trainer = small_trainer("linear", mocks, held_out, tmp_path)
    batches = trainer.source.batches(0)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    spoilt = next(batches)
    spoilt.band_mask[0], spoilt.band_flux[0] = True, torch.nan
    trainer._step(spoilt)
    assert same(before, trainer.network.state_dict())
    trainer._step(next(batches))
    moved = trainer.network.state_dict()
    assert not same(before, moved)
    assert all(torch.isfinite(value).all() for value in moved.values())
    with caplog.at_level(logging.WARNING):
        trainer.run()
    assert "1 steps left out: their gradient was not finite" in caplog.text


def test_precision_falls_back_where_the_device_has_no_bfloat16(monkeypatch, caplog):
    cpu = torch.device("cpu")

    def chosen(wanted, has):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has}, raising=False)
        return precision_of(TrainingConfig(precision=wanted), cpu)

    assert chosen("auto", True) is chosen("bfloat16", True) is torch.bfloat16
    assert chosen("auto", False) is chosen("float32", True) is torch.float32
    assert not caplog.records
    assert chosen("bfloat16", False) is torch.float32
    assert "does not compute in it" in caplog.text


def test_half_precision_leaves_heads_and_features_exact(mocks, held_out, tmp_path, monkeypatch):
    trainer = small_trainer("linear", mocks, held_out, tmp_path, learning_rate=5e-3, epochs=6)
    trainer.precision = torch.bfloat16
    kinds = []
    head = trainer.network.head
    monkeypatch.setattr(head, "forward", lambda x, plain=head.forward: kinds.append(x.dtype) or plain(x))
    trainer.run()
    assert set(kinds) == {torch.float32}
    losses = [row["held_out_total"] for row in trainer.history]
    assert losses[-1] < 0.9 * losses[0]


def test_settings_are_found_where_version_0_1_had_them():
    today = importlib.import_module(f"sfhnet.{MOVED['train']}")
    had = {"Preempted", "Trainer", "device_of", "distributed", "make_spec", "training_config"}
    assert had <= set(today.__all__)
    assert all(hasattr(today, name) for name in had)
