"""The real workflow on a real SLURM: the same results as on one machine, a dead head node, a preempted training."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from cluster import Cluster, wait_for
from projects import Project

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
TINY = ("--configfile", "configs/tiny.yaml")
SYNTHESIS = [f"results/synthesis/{number:04d}.h5" for number in range(6)]


def listing(cluster: Cluster, since: int) -> list[list[str]]:
    """Jobs from number `since` on: id, state, node, time used, GPUs asked for, rule with wildcards."""
    rows = cluster.jobs("%i", "%T", "%N", "%M", "%k")
    gpus = dict(cluster.columns("jobid", "tres-per-job"))
    return [[*row[:4], gpus[row[0]], row[4]] for row in rows if int(row[0]) > since]


def last_job(cluster: Cluster) -> int:
    return max([0, *(int(row[0]) for row in cluster.jobs("%i"))])


def datasets(path: Path) -> dict[str, np.ndarray]:
    """Every dataset of a file, without the provenance, which names times and machines."""
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return found


def same(one: Path, other: Path) -> None:
    first, second = datasets(one), datasets(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=f"{one.name}: {name}")


def start(project: Project, cluster: Cluster, *arguments: str) -> subprocess.Popen:
    """The head process, in a group of its own, with what it prints in head.txt."""
    command = project.command(
        *arguments, "--workflow-profile", "slurm", "--latency-wait", "20", "--jobs", "4"
    )
    with (project.folder / "head.txt").open("a") as out:
        return subprocess.Popen(
            command, cwd=project.folder, env=cluster.env(), stdout=out, stderr=out, start_new_session=True
        )


def kill(head: subprocess.Popen) -> None:
    if head.poll() is None:
        os.killpg(head.pid, signal.SIGKILL)
    head.wait()


def finish(project: Project, head: subprocess.Popen, seconds: float) -> str:
    """Wait for the head process, which must end well; returns what it printed."""
    try:
        code = head.wait(timeout=seconds)
    finally:
        kill(head)
    text = (project.folder / "head.txt").read_text()
    assert code == 0, text[-6000:]
    return text


def jobs_at_work(cluster: Cluster) -> list[str]:
    return [job for job, state in cluster.jobs("%i", "%T") if state in ("RUNNING", "PENDING", "COMPLETING")]


def test_results_are_those_of_one_machine(tiny_run: Project, project: Project, cluster: Cluster):
    before, started = last_job(cluster), time.monotonic()
    finish(project, start(project, cluster, *TINY), 1500)
    rows = listing(cluster, before)
    print(
        f"\n{len(rows)} SLURM jobs in {time.monotonic() - started:.0f} s: id, state, node, time, GPUs, rule"
    )
    for row in rows:
        print("  ", *row)
    assert all(row[1] == "COMPLETED" for row in rows)
    assert len({row[2] for row in rows}) > 1, "all jobs ran on one node"
    training = [row for row in rows if "train_model" in row[5]]
    assert len(training) == 2
    assert all(node == "g1" and "gpu:1" in gpus for _, _, node, _, gpus, _ in training)
    for name in ("prior", "synthesis"):
        for file in sorted((tiny_run.folder / "results" / name).glob("*.h5")):
            same(file, project.folder / "results" / name / file.name)
    weights = "results/model/flow/weights.safetensors"
    assert (tiny_run.folder / weights).read_bytes() == (project.folder / weights).read_bytes()
    posterior = "results/galaxies/mock_spiral/posterior.h5"
    same(tiny_run.folder / posterior, project.folder / posterior)
    assert list((project.folder / "logs" / "slurm").rglob("*.log"))


def test_head_that_was_killed_is_started_again(project: Project, cluster: Cluster):
    """The recovery of docs/cluster.md: wait for the jobs that still run, unlock, start again."""
    folder = project.folder / "results" / "synthesis"
    head = start(project, cluster, *SYNTHESIS, *TINY)
    try:
        wait_for("two shards are whole", lambda: len(list(folder.glob("[0-9]*.h5"))) >= 2, 300)
    finally:
        kill(head)
    left = jobs_at_work(cluster)
    wait_for("the jobs of the dead head have ended", lambda: not jobs_at_work(cluster), 300)
    whole = {path.name: path.stat().st_mtime_ns for path in folder.glob("[0-9]*.h5")}
    unlocked = project.snakemake("--unlock", *TINY)
    assert unlocked.returncode == 0, unlocked.stdout
    finish(project, start(project, cluster, *SYNTHESIS, *TINY), 600)
    redone = [name for name, mtime in whole.items() if (folder / name).stat().st_mtime_ns != mtime]
    print(
        f"\n{len(left)} jobs were left alone by the killed head, {len(whole)} shards whole after them, redone: {redone}"
    )
    assert redone == []
    assert len(list(folder.glob("[0-9]*.h5"))) == len(SYNTHESIS)


def test_preempted_training_goes_on_from_its_checkpoint(tiny_run: Project, cluster: Cluster, tmp_path: Path):
    """A partition of higher priority takes the GPU node: SIGTERM, a checkpoint, and the next try resumes."""
    project = tiny_run.copy(tmp_path / "project")
    # long enough to be interrupted
    (project.folder / "long.yaml").write_text(
        "training: {epochs: 60, patience: 60, checkpoint_minutes: 0.05}\n"
    )
    weights = "results/model/flow/weights.safetensors"
    config = ("--configfile", "configs/tiny.yaml", "long.yaml")
    before = last_job(cluster)
    head = start(project, cluster, weights, *config)
    try:
        checkpoint = project.folder / "results" / "model" / "flow" / "checkpoint.safetensors"
        wait_for("the training has written a checkpoint", checkpoint.exists, 240)
        urgent = subprocess.run(
            [
                "sbatch",
                "--parsable",
                "--partition=urgent",
                "--exclusive",
                "--output=/dev/null",
                "--wrap=sleep 5",
            ],
            check=True,
            capture_output=True,
            text=True,
            env=cluster.env(),
        ).stdout.strip()
        finish(project, head, 900)
    finally:
        kill(head)
    rows = listing(cluster, before)
    print("\nid, state, node, time, GPUs, rule")
    for row in rows:
        print("  ", *row)
    assert [row[1] for row in rows if row[0] == urgent] == ["COMPLETED"]
    log = (project.folder / "logs" / "train_model" / "flow.log").read_text()
    resumed = re.search(r"resum\w+ .*step (\d+)", log)
    assert resumed, log[-2000:]
    assert int(resumed[1]) > 0
    print(f"resumed at step {resumed[1]}")
    assert (project.folder / weights).is_file()
