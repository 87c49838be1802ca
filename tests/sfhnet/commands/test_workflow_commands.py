"""`sfhnet run` and `sfhnet step`: they find the checkout, and become Snakemake or a script."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from projects import job_counts, make_project
from sfhnet.__main__ import main
from sfhnet.commands import run as run_command
from sfhnet.tools import checkout
from typed import said_one_line, sfhnet


class Became(BaseException):
    """In place of becoming another program."""


@pytest.fixture
def became(monkeypatch, root):
    """Function that types a command of `sfhnet run` in a folder: what it would become, and where."""

    def execv(path, words):
        raise Became(words, Path.cwd())

    monkeypatch.setattr(os, "execv", execv)

    def typed(*words, cwd):
        monkeypatch.chdir(cwd)
        with pytest.raises(Became) as caught:
            main(["run", *words])
        command, folder = caught.value.args
        assert command[:3] == [sys.executable, "-m", "snakemake"]
        return command[3:], folder

    return typed


def small_checkout(folder: Path) -> Path:
    (folder / "rules" / "common").mkdir(parents=True)
    (folder / "docs").mkdir()
    for name in ("Snakefile", "rules/common/step.smk", "a.yaml", "docs/b.yaml"):
        (folder / name).write_text("")
    return folder


@pytest.mark.parametrize(
    "typed, command",
    [
        ("", "--cores all"),
        ("train figures --cores 3", "train figures --cores 3"),
        ("--cores 3 train", "train --cores 3"),
        ("train --config a.yaml docs/b.yaml", "train --cores all --configfile a.yaml docs/b.yaml"),
        ("--config a.yaml -- train", "train --cores all --configfile a.yaml"),
        ("-- --dry-run train", "--dry-run train --cores all"),
        ("train -- -c2", "train -c2"),
        ("train -- --workflow-profile slurm", "train --workflow-profile slurm"),
        ("train --cores 1 -- --workflow-profile slurm", "train --workflow-profile slurm --cores 1"),
        ("-- --jobs=4", "--jobs=4"),
    ],
)
def test_run_becomes_snakemake(became, tmp_path, typed, command):
    folder = small_checkout(tmp_path / "project")
    assert became(*typed.split(), cwd=folder) == (command.split(), folder)


def test_run_below_the_checkout_works_in_it(became, tmp_path, capsys):
    folder = small_checkout(tmp_path / "project")
    command, where = became("--config", "b.yaml", cwd=folder / "docs")
    assert where == folder
    assert command[-2:] == ["--configfile", str(folder / "docs" / "b.yaml")]
    assert f"working in {folder}" in capsys.readouterr().err


def test_run_elsewhere_works_there(became, tmp_path, root):
    (tmp_path / "mine.yaml").write_text("")
    command, where = became("--config", "mine.yaml", cwd=tmp_path)
    assert where == tmp_path
    assert command[2:] == ["--snakefile", str(root / "Snakefile"), "--configfile", "mine.yaml"]


def test_run_needs_snakemake(monkeypatch, capsys):
    monkeypatch.setattr(run_command.importlib.util, "find_spec", lambda name: None)
    assert main(["run"]) == 1
    assert "pip install 'phangs-sfh[workflow]'" in capsys.readouterr().err


def test_without_a_checkout(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "lib" / "sfhnet" / "tools" / "checkout.py"))
    monkeypatch.chdir(tmp_path)
    for command in ("run", "step"):
        assert main([command]) == 1
        assert "go to a checkout of the project, or clone it" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--", "--directory", "{}"), ("--", "--directory={}")])
def test_run_leaves_the_lock_of_another_machine(tmp_path, options):
    folder = tmp_path / "project"
    (folder / ".snakemake" / "locks").mkdir(parents=True)
    lock = folder / ".snakemake" / "locks" / "0.output.lock"
    lock.write_text("results/prior/0000.h5\n")
    (folder / ".snakemake" / "run.json").write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    done = sfhnet("run", *(word.format(folder) for word in options), cwd=tmp_path if options else folder)
    assert done.returncode == 1 and said_one_line(done)
    assert "locked by a run on elsewhere" in done.stderr and lock.exists()


@pytest.mark.slow
def test_run_on_the_project(tmp_path):
    """A plan, the lock of a dead run taken away before it."""
    project = make_project(tmp_path / "project").folder
    locks = project / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/prior/0000.h5\n")
    record = {"host": os.uname().nodename, "pid": 1}
    (project / ".snakemake" / "run.json").write_text(json.dumps(record))
    typed = ("results/prior/0000.h5", "--config", "../configs/tiny.yaml", "--", "--dry-run")
    done = sfhnet("run", *typed, cwd=project / "rules")
    assert done.returncode == 0, done.stderr
    assert "the last run was killed" in done.stderr and not list(locks.glob("*.lock"))
    assert job_counts(done.stdout + done.stderr) == {"sample_prior": 1}
    assert not (project / "results").exists()


def test_run_ends_as_snakemake_ends(root):
    done = sfhnet("run", "--", "--no-such-option", cwd=root)
    assert done.returncode == 2 and "error: unrecognized arguments: --no-such-option" in done.stderr


def test_step_lists_the_steps(root, tmp_path):
    done = sfhnet("step", cwd=tmp_path)
    listed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert set(listed) == {path.stem for path in (root / "scripts").glob("[a-z]*.py")}
    assert listed["plot_claims"] == "Draw the tests of the paper's claims from stored numbers."
    assert min(map(len, listed.values())) > 10


def test_step_is_its_script(root, tmp_path):
    helped = sfhnet("step", "sample_prior", "--help", cwd=tmp_path)
    assert helped.returncode == 0 and helped.stdout.startswith("usage: sample_prior.py")
    mistyped = sfhnet("step", "sample_prior", "--shrd", "1", cwd=tmp_path)
    assert mistyped.returncode == 2 and "did you mean --shard?" in mistyped.stderr
    shutil.copy(root / "configs" / "tiny.yaml", tmp_path)
    shared = ("--config", root / "config.yaml", "tiny.yaml", "--threads", "1")
    made = sfhnet("step", "sample_prior", "--shard", "1", "--out", "prior.h5", *shared, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "prior.h5").stat().st_size > 10_000


def test_mistyped_step(capsys):
    assert main(["step", "sampl_prior"]) == 2
    assert capsys.readouterr().err == "error: there is no step sampl_prior; did you mean sample_prior?\n"
    assert main(["step", "qqq", "--help"]) == 2
    assert "sfhnet step lists them" in capsys.readouterr().err
