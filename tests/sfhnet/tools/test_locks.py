"""Two processes never work in one folder; a killed one leaves no lock behind, and a step that outlived its run is seen."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from sfhnet.tools.folder_lock import LOCK, alone_in
from sfhnet.tools.run_lock import release

HOLD = (
    "import sys, time; from pathlib import Path; from sfhnet.tools.folder_lock import alone_in\n"
    "with alone_in(Path(sys.argv[1]), 'a training'):\n"
    "    print('held', flush=True); time.sleep(600)\n"
)


@contextmanager
def child(*command, cwd=None):
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=cwd)
    try:
        assert process.stdout.readline().strip() == "held"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_process_is_refused_with_host_and_process(tmp_path):
    with child("-c", HOLD, str(tmp_path)) as holder:
        words = f"a training is at work in .* process {holder.pid} on {socket.gethostname()}, since 2"
        with pytest.raises(RuntimeError, match=words), alone_in(tmp_path, "a training"):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with alone_in(tmp_path, "a training"):
            pass
    assert (tmp_path / LOCK).read_text() == ""


def test_a_trainer_does_not_share_its_folder(mocks, held_out, tmp_path):
    from small_networks import small_trainer

    trainer = small_trainer("prior_mean", mocks, held_out, tmp_path)
    with child("-c", HOLD, str(tmp_path)), pytest.raises(RuntimeError, match="a training is at work"):
        trainer.run()
    trainer.run()
    assert (tmp_path / "weights.safetensors").is_file()


@pytest.fixture
def locked(tmp_path):
    """A folder with the lock of a run on this machine."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "train_model.py").write_text(
        "import time\nprint('held', flush=True)\ntime.sleep(600)\n"
    )
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.output.lock").write_text("results/a\n")
    return tmp_path.resolve()


def test_a_step_that_outlived_its_run_is_seen(locked):
    step = str(locked / "scripts" / "train_model.py")
    with (
        child("-u", step, "--config", "config.yaml", cwd=locked) as left,
        pytest.raises(RuntimeError, match=f"step train_model is still at work .process {left.pid}."),
    ):
        release(locked)
    assert list((locked / ".snakemake" / "locks").iterdir())


@pytest.mark.parametrize("record", [None, "", "[]", "{}"])
def test_a_record_that_a_full_disk_spoilt_is_no_crash(locked, record):
    if record is not None:
        (locked / ".snakemake" / "run.json").write_text(record)
    with pytest.raises(RuntimeError, match="locked by a run on an unknown machine"):
        release(locked)
