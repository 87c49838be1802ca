"""The real workflow on a real SLURM: the same results as on one machine, a dead head node, a preempted training."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from cluster import Cluster, wait_for
from projects import TINY_SOURCES, Project, make_project

# the first test waits for a whole run of the workflow, twice
pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(3600)]
TINY = ("--configfile", "configs/tiny.yaml")
LONG = ("--configfile", "configs/tiny.yaml", "long.yaml")
MODEL = "flow"
WEIGHTS = f"results/model/{MODEL}/weights.safetensors"
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


def start(project: Project, cluster: Cluster, *arguments: str, profile: str = "slurm") -> subprocess.Popen:
    """The head process, in a group of its own, with what it prints in head.txt."""
    command = project.command(
        *arguments, "--workflow-profile", profile, "--latency-wait", "20", "--jobs", "4"
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
    assert (tiny_run.folder / WEIGHTS).read_bytes() == (project.folder / WEIGHTS).read_bytes()
    posterior = "results/galaxies/mock_spiral/posterior.h5"
    same(tiny_run.folder / posterior, project.folder / posterior)
    assert list((project.folder / "logs" / "slurm").rglob("*.log"))


def test_head_that_was_killed_is_started_again(project: Project, cluster: Cluster):
    """The recovery of docs/cluster.md: wait for the jobs that still run, unlock, start again."""
    folder = project.folder / "results" / "synthesis"
    before = last_job(cluster)
    head = start(project, cluster, *SYNTHESIS, *TINY)
    try:
        wait_for("a shard is whole", lambda: any(folder.glob("[0-9]*.h5")), 900)
    finally:
        kill(head)
    left = jobs_at_work(cluster)
    assert left, "all jobs had ended before the head was killed"
    early = unlock(project, cluster)
    assert early.returncode == 1
    assert f"SLURM still has {len(left)} jobs" in early.stderr, early.stderr
    print(f"\n{early.stderr.strip()}")
    wait_for("the jobs of the dead head have ended", lambda: not jobs_at_work(cluster), 600)
    whole = {path.name: path.stat().st_mtime_ns for path in folder.glob("[0-9]*.h5")}
    late = unlock(project, cluster)
    assert late.returncode == 0, late.stdout + late.stderr
    finish(project, start(project, cluster, *SYNTHESIS, *TINY), 1200)
    redone = [name for name, mtime in whole.items() if (folder / name).stat().st_mtime_ns != mtime]
    rows = [row for row in listing(cluster, before) if "synthesize" in row[5]]
    print(f"{len(left)} jobs left by the killed head, {len(whole)} shards whole after them, redone: {redone}")
    print(f"{len(rows)} shard jobs for {len(SYNTHESIS)} shards: {[(row[0], row[1]) for row in rows]}")
    assert redone == []
    assert len(list(folder.glob("[0-9]*.h5"))) == len(SYNTHESIS)
    assert len(rows) == len(SYNTHESIS), "a shard was submitted twice"


def unlock(project: Project, cluster: Cluster) -> subprocess.CompletedProcess[str]:
    """What docs/cluster.md says to type after a dead head."""
    command = [sys.executable, "scripts/_unlock.py"]
    return subprocess.run(
        command, cwd=project.folder, env=cluster.env(), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def longer(upstream, tmp_path_factory) -> Project:
    """A copy in which a training that is long enough to be interrupted has run on this machine, undisturbed."""
    for source in TINY_SOURCES:
        upstream(source)
    project = make_project(tmp_path_factory.mktemp("longer") / "project")
    training = {"epochs": 8, "patience": 8}
    overlay = {"training": {"checkpoint_minutes": 0.05}, "models": {MODEL: {"training": training}}}
    (project.folder / "long.yaml").write_text(json.dumps(overlay))
    done = project.snakemake("--cores", "2", WEIGHTS, *LONG, seconds=1800)
    assert done.returncode == 0, done.stdout[-3000:]
    return project


def trainings(cluster: Cluster, since: int) -> list[list[str]]:
    """Training jobs from number `since` on: id, state, restarts by SLURM, memory asked for."""
    rows = cluster.columns("jobid", "state", "restartcnt", "minmemory", "comment", "name")
    return [row[:4] for row in rows if int(row[0]) > since and "train_model" in row[4] + row[5]]


@pytest.mark.parametrize(
    ("profile", "grace", "expected"),
    [
        # it ends by itself within the grace time, which is a failure to SLURM: Snakemake tries again
        # (the training ends within seconds, but on a busy machine the two Snakemakes around it take minutes)
        ("slurm", 600, [("FAILED", "0"), ("COMPLETED", "0")]),
        # SLURM ends it and starts the same job again
        ("slurm", 0, [("COMPLETED", "1")]),
        # the fallback has no job requeued by SLURM: a preempted one has failed, and Snakemake tries again
        ("slurm-generic", 0, [("PREEMPTED", "0"), ("COMPLETED", "0")]),
    ],
    ids=["ends in the grace time", "requeued by SLURM", "fallback"],
)
def test_preempted_training_goes_on_from_its_checkpoint(
    longer: Project, cluster: Cluster, tmp_path: Path, profile: str, grace: int, expected: list
):
    """A partition of higher priority takes the GPU node: SIGTERM, a checkpoint, and the next try resumes."""
    project = longer.copy(tmp_path / "project")
    model = project.folder / Path(WEIGHTS).parent
    shutil.rmtree(model)
    cluster.set_grace(grace)
    before, started = last_job(cluster), time.monotonic()
    head = start(project, cluster, WEIGHTS, *LONG, profile=profile)
    try:
        wait_for("the training has written a checkpoint", (model / "checkpoint.safetensors").exists, 600)
        urgent = cluster.submit("--partition=urgent", "--exclusive", "--wrap=sleep 2")
        wait_for("the urgent job has run", lambda: [urgent, "COMPLETED"] in cluster.jobs("%i", "%T"), 700)
        first = trainings(cluster, before)[0]
        if first[1] == "PENDING":
            # SLURM waits two minutes before it starts a job again; the test does not
            cluster.start_now(first[0])
        text = finish(project, head, 1200)
    finally:
        kill(head)
    rows = trainings(cluster, before)
    print(f"\n{profile}, grace {grace} s, {time.monotonic() - started:.0f} s: id, state, restarts, memory")
    for row in rows:
        print("  ", *row)
    assert [(state, restarts) for _, state, restarts, _ in rows] == expected, text[-6000:]
    log = (project.folder / "logs" / "train_model" / f"{MODEL}.log").read_text()
    resumed = re.search(r"resumed from step (\d+)", log)
    assert resumed, log[-2000:]
    assert int(resumed[1]) > 0
    print(f"resumed from step {resumed[1]}")
    same_bytes = (longer.folder / WEIGHTS).read_bytes() == (project.folder / WEIGHTS).read_bytes()
    assert same_bytes, "the interrupted training gave other weights than the undisturbed one"
