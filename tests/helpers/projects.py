"""Copies of the project in which the tests run the real workflow, and what a dry run says it would do."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# what the workflow consists of; results, downloads and environments stay behind
PARTS = (
    "Snakefile",
    "config.yaml",
    "galaxies.tsv",
    "rules",
    "scripts",
    "envs",
    "profiles",
    "configs",
    "report",
    "src",
)
# upstream sources that configs/tiny.yaml reads
TINY_SOURCES = ("emiles", "bc03_miles", "mappings51", "cloudy_lines", "hst_filters", "ngc3073")


@dataclass
class Project:
    """A copy of the project, and the ways to run its workflow."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *arguments]

    def snakemake(self, *arguments: str, seconds: int = 900, **env: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; stdout and stderr together are in `.stdout`."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )

    def run(self, *arguments: str, seconds: int = 900, **env: str) -> str:
        """Run Snakemake on the tiny configuration; it must end well. Returns what it printed."""
        done = self.snakemake(
            "--cores", "2", *arguments, "--configfile", "configs/tiny.yaml", seconds=seconds, **env
        )
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run on the tiny configuration plans, by rule."""
        return job_counts(self.run("--dry-run", *arguments))

    def copy(self, folder: Path) -> "Project":
        """Another copy, results and Snakemake's own records included, with the same dates."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


def job_counts(text: str) -> dict[str, int]:
    """The job table that Snakemake prints before it runs or plans."""
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", text, re.DOTALL)
    if table is None:
        assert "Nothing to be done" in text, text[-3000:]
        return {}
    return {name: int(count) for name, count in (line.split() for line in table.group(1).splitlines())}


def make_project(folder: Path) -> Project:
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    # upstream files are linked, not fetched again; the registry itself is a file of the project
    (folder / "data").mkdir()
    for part in (ROOT / "data").iterdir():
        if part.is_dir():
            (folder / "data" / part.name).symlink_to(part)
        else:
            shutil.copy2(part, folder / "data" / part.name)
    return Project(folder)
