"""What happens on a real SLURM when a job fails, runs out of time or is cancelled from outside, per profile."""

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster import Cluster, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
HERE = Path(__file__).parent
PROFILES = HERE.parents[2] / "profiles"


@dataclass
class Run:
    """One run of the jobs that go wrong, through one profile."""

    profile: str
    folder: Path
    rows: list[list[str]] = field(default_factory=list)  # id, state, time limit, node, name and comment

    @property
    def text(self) -> str:
        return (self.folder / "head.txt").read_text()

    def states(self, rule: str) -> list[tuple[str, str]]:
        """(state, time limit) of the SLURM jobs of a rule, in the order of submission."""
        return [(state, limit) for _, state, limit, _, text in self.rows if re.search(rf"[_-]{rule}\b", text)]


def start(profile: str, cluster: Cluster, folder: Path) -> tuple[Run, subprocess.Popen]:
    shutil.copy(HERE / "behaviour.smk", folder / "Snakefile")
    shutil.copytree(PROFILES, folder / "profiles")
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", profile, "--retries", "0"]
    with (folder / "head.txt").open("w") as out:
        head = subprocess.Popen(command, cwd=folder, env=cluster.env(), stdout=out, stderr=subprocess.STDOUT)
    return Run(profile, folder), head


@pytest.fixture(scope="module")
def runs(cluster: Cluster, tmp_path_factory) -> dict[str, Run]:
    """Both profiles at once; the job `cancelled` of each is cancelled while it runs."""
    started = [start(p, cluster, tmp_path_factory.mktemp(p)) for p in ("slurm", "slurm-generic")]
    try:

        def to_cancel() -> list[str]:
            rows = cluster.jobs("%i", "%T", "%j %k")
            return [job for job, state, text in rows if state == "RUNNING" and "cancelled" in text]

        wait_for("both jobs to cancel run", lambda: len(to_cancel()) == len(started), 300)
        time.sleep(2)
        since = time.monotonic()
        subprocess.run(["scancel", *to_cancel()], check=True, env=cluster.env())
        for run, _ in started:
            wait_for("Snakemake notices the cancel", lambda r=run: "Error in rule cancelled" in r.text, 240)
            print(f"\n{run.profile}: external cancel noticed within {time.monotonic() - since:.0f} s")
        for run, head in started:
            assert head.wait(timeout=600) == 1, run.text[-3000:]
    finally:
        for _, head in started:
            if head.poll() is None:
                head.kill()
    rows = cluster.jobs("%i", "%T", "%l", "%N", "%j %k")
    for run, _ in started:
        plugin = run.profile == "slurm"
        run.rows = [row for row in rows if row[-1].startswith("phangs-sfh" if plugin else "sfh-")]
        print(f"{run.profile}: id, state, time limit, node, name and comment")
        for row in run.rows:
            print("  ", *row)
    return {run.profile: run for run, _ in started}


@pytest.fixture(params=["slurm", "slurm-generic"])
def run(request, runs: dict[str, Run]) -> Run:
    return runs[request.param]


def test_failing_job_names_its_logs(run: Run):
    assert run.states("fails") == [("FAILED", "10:00")]
    error = run.text[run.text.index("Error in rule fails") :]
    assert "logs/fails.log" in error
    assert "the reason of the failure" in error
    logs = list(
        (run.folder / "logs" / "slurm").rglob("*fails*/*.log" if run.profile == "slurm" else "*fails*.log")
    )
    assert len(logs) == 1
    if run.profile == "slurm":
        assert str(logs[0]) in error


def test_other_jobs_go_on(run: Run):
    assert (run.folder / "results" / "good.txt").read_text().startswith("node c")


def test_job_out_of_time_is_retried_with_more(run: Run):
    assert run.states("slow") == [("TIMEOUT", "1:00"), ("COMPLETED", "2:00")]
    assert (run.folder / "results" / "slow.txt").read_text().strip() == "2"
    assert "Trying to restart job" in run.text


def test_cancel_from_outside_is_an_error_and_no_hang(run: Run):
    assert run.states("cancelled") == [("CANCELLED", "10:00")]
    assert not (run.folder / "results" / "cancelled.txt").exists()
