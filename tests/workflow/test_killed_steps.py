"""Every kind of step is killed at random moments and taken up again: its products are, bit for bit, those of a quiet run."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import pytest

from projects import Project
from pyprospect.content import content_sha256
from sfhnet.tools.atomic_files import read_json
from sfhnet.tools.tensor_files import load_tensors, tensors_sha256

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

N_KILL = 2
# A network that trains in seconds and writes a checkpoint at every step, and one real galaxy.
OVERLAY = """
synthesis: {galaxies_per_shard: 64}
models: {flow: null, prior_mean: null, pca_mlp: {kind: pca_mlp, n_component: 12, training: {epochs: 4, batch: 32}}}
training: {checkpoint_minutes: 0.0001, validation_galaxies: 32, fit_galaxies: 48}
validation: {galaxies: 32, stress_galaxies: 32}
learning_curve: {model: pca_mlp}
galaxies: {sheet: one.tsv, model: pca_mlp}
"""
TARGETS = ("results/galaxies/NGC3073/posterior.h5", "results/validation/pca_mlp/metrics.json")
# Scripts of steps, the first job of each of which is killed.
KILLED = (
    *("build_ssp", "sample_prior", "synthesize", "train_model", "calibrate_model", "validate_model"),
    *("prepare_galaxy", "infer_galaxy"),
)
# What a clock or a machine says.
MEASURED = {"validation_seconds", "peak_memory_mb", "seconds", "inference_ms_per_spectrum", "provenance"}


def commands(project: Project) -> list[list[str]]:
    """The commands of all jobs, in an order in which they can be run, as Snakemake prints them."""
    options = ("--dry-run", "--printshellcmds", "--cores", "1", *TARGETS, "--configfile")
    planned = project.snakemake(*options, "configs/tiny.yaml", "killed.yaml")
    assert planned.returncode == 0, planned.stdout[-3000:]
    begin = "Shell command: exec "
    lines = [line.strip() for line in planned.stdout.splitlines()]
    return [shlex.split(line.removeprefix(begin)) for line in lines if line.startswith(begin)]


def content(path: Path):
    """Return what a product holds, but for where, when and how fast it was made; None where that is all there is."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return content_sha256(file)
    if path.suffix == ".safetensors" and path.stem != "checkpoint":
        return tensors_sha256(load_tensors(path)[0])
    return without_clocks(read_json(path)) if path.suffix == ".json" else None


def without_clocks(value):
    if isinstance(value, dict):
        return {key: without_clocks(item) for key, item in value.items() if key not in MEASURED}
    return [without_clocks(item) for item in value] if isinstance(value, list) else value


def products(folder: Path) -> dict[str, Path]:
    """Every file of the results, but hidden ones."""
    results = folder / "results"
    found = {str(path.relative_to(results)): path for path in results.rglob("*") if path.is_file()}
    return {name: path for name, path in found.items() if not path.name.startswith(".")}


def run(command: list[str], folder: Path) -> float:
    """Run a step to its end; return how long it took."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return time.monotonic() - started


def kill(command: list[str], folder: Path, after: float) -> bool:
    """Start a step and end it without a warning; return whether it was still at work."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as step:
        try:
            step.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(step.pid, signal.SIGKILL)
            return True
    return False


def kill_at_checkpoint(command: list[str], folder: Path) -> bool:
    """Start a training and end it without a warning once it has written a checkpoint."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as step:
        while step.poll() is None:
            if list((folder / "results" / "model").rglob("checkpoint.safetensors")):
                os.killpg(step.pid, signal.SIGKILL)
                return True
            time.sleep(0.01)
    return False


def test_killed_steps_end_with_the_same_bits(project: Project, tmp_path: Path, rng):
    quiet, other = project.folder, tmp_path / "killed"
    (quiet / "killed.yaml").write_text(OVERLAY)
    sheet = (quiet / "configs" / "tiny.tsv").read_text().splitlines()
    (quiet / "one.tsv").write_text("\n".join(sheet[:3]) + "\n")
    planned = commands(project)
    project.copy(other)
    killed: dict[str, int] = {}
    for command in planned:
        script = next(Path(word).stem for word in command if word.endswith(".py"))
        seconds = run(command, quiet)
        if script in KILLED and script not in killed:
            # Python's own start is hardly worth a kill: the moments lie in the later part.
            again = [word.replace(str(quiet), str(other)) for word in command]
            moments = seconds * rng.uniform(0.3, 1.0, N_KILL)
            killed[script] = sum(kill(again, other, moment) for moment in moments)
            if script == "train_model":
                killed[script] += kill_at_checkpoint(again, other)
            run(again, other)
            made, expected = products(other), products(quiet)
            assert set(made) == set(expected)
            for name, path in expected.items():
                assert content(made[name]) == content(path), (
                    f"{script}, killed {killed[script]} times: {name}"
                )
        else:
            shutil.copytree(quiet / "results", other / "results", dirs_exist_ok=True)
    print(f"\nkilled at work: {killed}")
    assert set(killed) == set(KILLED)
    assert sum(killed.values()) >= len(KILLED)
    assert "resumed from step" in "".join(
        path.read_text() for path in (other / "logs" / "train_model").iterdir()
    )
    assert not list((other / "results").rglob(".*.part*")), "unfinished files were left behind"
