"""sfhnet train, and the prepared command for a GPU, run on the CPU: seconds in, a model in pieces out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sfhnet.mocks.forward_file import write_forward
from sfhnet.training.carried import bring
from small_networks import SMALL
from small_stream import SHORT, small_forward

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """What is carried to a machine: the forward model, and an overlay."""
    folder = tmp_path_factory.mktemp("bare")
    write_forward(folder / "forward.safetensors", small_forward())
    overlay = {
        "training": SHORT,
        "models": {"small": {"kind": "linear", **SMALL["linear"]}},
        "galaxies": {"model": "small"},
    }
    (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    return folder


def run(bare, *words):
    told = {"GPU": bare, "CONFIG": bare / "overlay.yaml", "MODEL": "small", "GPU_PYTHON": sys.executable}
    settings = [f"{name}={value}" for name, value in told.items()]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    return subprocess.run(
        ["make", "-C", str(ROOT), "gpu-train", *settings, *words], env=env, capture_output=True, text=True
    )


def test_the_prepared_command_trains_for_some_seconds(bare, tmp_path):
    done = run(bare, "SECONDS=2", f"OUT={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "held out" in done.stderr
    assert max(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 16 * 2**20
    names = bring(tmp_path / "out", tmp_path / "home")
    assert {"weights.safetensors", "model.json", "history.csv"} <= set(names)


def test_what_is_missing_is_said(bare, tmp_path):
    done = run(tmp_path, "SECONDS=2")
    assert done.returncode != 0
    assert "forward.safetensors is missing: make gpu-inputs at home" in done.stdout
