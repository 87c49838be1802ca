"""The whole workflow on the tiny configuration: its products, its errors, and a run that is killed and taken up again."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

from projects import ROOT, Project
from rule_facts import rule_facts
from sfhnet.tools import script_options

# The first test waits for the run of the tiny configuration.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_products(tiny_run: Project):
    results = tiny_run.folder / "results"
    for galaxy in ("NGC3073", "mock_spiral"):
        for name in (
            "spectra.h5",
            "posterior.h5",
            "maps.fits",
            "bins.ecsv",
            "summary.json",
            "summary.png",
            "summary.pdf",
        ):
            assert (results / "galaxies" / galaxy / name).stat().st_size > 0
    assert (results / "galaxies" / "mock_spiral" / "truth.png").stat().st_size > 0
    for model in ("prior_mean", "flow"):
        metrics = json.loads((results / "validation" / model / "metrics.json").read_text())
        assert metrics["model"] == model
    with h5py.File(results / "synthesis" / "0000.h5") as file:
        assert json.loads(file.attrs["provenance"])["git_commit"]


def test_report_is_one_page_with_everything(tiny_run: Project):
    page = (tiny_run.folder / "results" / "report.html").read_text()
    for word in ("mock_spiral", "NGC3073", "flow", "prior mean", "RMS of the prior mean", "commit"):
        assert word in page
    results = tiny_run.folder / "results"
    figures = [*results.glob("figures/*.png"), *results.glob("galaxies/*/*.png")]
    assert page.count('<img alt="') == len(figures)
    assert not re.search(r'src="(?!data:)|<link', page), "the page asks for another file"
    links = re.findall(r'<a [^>]*href="([^#"][^"]*)"', page)
    assert links and all((results / link).is_file() for link in links)


def test_every_step_wrote_its_log(tiny_run: Project):
    logs = {path.parent.name for path in (tiny_run.folder / "logs").rglob("*.log")}
    assert {
        "sample_prior",
        "synthesize",
        "train_model",
        "calibrate_model",
        "validate_model",
        "infer_galaxy",
    } <= logs


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ("synthesis: {n_shard: 3}", ["synthesis.n_shard", "3", "did you mean synthesis.n_shards?"]),
        ("training: {epochs: many}", ["training.epochs", "many"]),
        ("synthesis: {n_shards: 2}", ["n_shards", "2"]),
        ("galaxies: {sheet: nowhere.tsv}", ["nowhere.tsv"]),
    ],
)
def test_mistake_in_the_configuration_stops_before_any_job(project: Project, overlay, words):
    (project.folder / "wrong.yaml").write_text(overlay + "\n")
    done = project.snakemake("--cores", "2", "--configfile", "wrong.yaml")
    assert done.returncode == 1
    for word in words:
        assert word in done.stdout
    assert not (project.folder / "results").exists()


def test_missing_file_of_a_galaxy_stops_before_any_job(project: Project):
    sheet = project.folder / "configs" / "tiny.tsv"
    sheet.write_text(sheet.read_text() + "NGC1\tcube\t-\tnowhere/cube.fits\t0.001\t10\t-\t-\t-\t-\t-\n")
    done = project.snakemake("--cores", "2", "--configfile", "configs/tiny.yaml")
    assert done.returncode == 1
    assert "nowhere/cube.fits" in done.stdout
    assert not (project.folder / "results").exists()


def test_one_bad_galaxy_does_not_stop_the_others(tiny_run: Project, tmp_path: Path):
    project = tiny_run.copy(tmp_path / "copy")
    folder, galaxies = project.folder, project.folder / "results" / "galaxies"
    whole = next((folder / "data" / "ngc3073").glob("*.fits*")).read_bytes()
    (folder / "cut.fits").write_bytes(whole[: len(whole) // 2])
    columns = ("galaxy", "kind", "path", "redshift", "distance_mpc", "ebv_mw", "medium")
    rows = [
        columns,
        ("bad", "sdss", "cut.fits", "0.00376", "32.8", "0.01", "vacuum"),
        ("good", "sdss", f"{folder}/whole.fits", "0.00376", "32.8", "0.01", "vacuum"),
    ]
    (folder / "whole.fits").write_bytes(whole)
    (folder / "two.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    (folder / "two.yaml").write_text("galaxies: {sheet: two.tsv}\n")
    done = project.snakemake("--cores", "1", "galaxies", "--configfile", "configs/tiny.yaml", "two.yaml")
    assert done.returncode != 0
    assert re.search(r"bad: .*cut\.fits.*truncated", done.stdout), done.stdout[-3000:]
    assert (galaxies / "good" / "summary.png").stat().st_size > 0
    assert not (galaxies / "bad" / "spectra.h5").exists()


def test_settings_on_the_command_line_are_refused(project: Project):
    done = project.snakemake("--cores", "2", "--config", "seed=7")
    assert done.returncode == 1
    assert "--configfile" in done.stdout
    assert not (project.folder / "results").exists()


def test_killed_run_is_taken_up_with_its_finished_shards(project: Project):
    """SIGKILL to Snakemake and all its jobs in the middle of synthesis; the next run reuses what was whole."""
    targets = [f"results/synthesis/{number:04d}.h5" for number in range(4)]
    arguments = [*targets, "--cores", "2", "--configfile", "configs/tiny.yaml"]
    with (project.folder / "head.txt").open("w") as out:
        head = subprocess.Popen(
            project.command(*arguments), cwd=project.folder, stdout=out, stderr=out, start_new_session=True
        )
    shards = project.folder / "results" / "synthesis"
    until = time.monotonic() + 600
    while len(list(shards.glob("[0-9]*.h5"))) < 2 and head.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert head.poll() is None, (project.folder / "head.txt").read_text()[-3000:]
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in shards.glob("[0-9]*.h5")}
    assert 1 <= len(finished) < 4
    locked = project.snakemake(*arguments)
    assert locked.returncode == 1
    assert "locked" in locked.stdout
    subprocess.run([sys.executable, "scripts/_unlock.py"], cwd=project.folder, check=True)
    done = project.snakemake(*arguments)
    assert done.returncode == 0, done.stdout[-3000:]
    assert len(list(shards.glob("[0-9]*.h5"))) == 4
    reused = [name for name, mtime in finished.items() if (shards / name).stat().st_mtime_ns == mtime]
    print(f"\nwhole when killed: {sorted(finished)}; reused: {reused}")
    # a job that was just ending when it was killed has a whole file, but Snakemake had not yet heard of it
    assert len(reused) >= len(finished) - 2
    assert reused


def test_lock_of_a_living_run_is_left_alone(project: Project):
    command = project.command("results/prior/0000.h5", "--cores", "1", "--configfile", "configs/tiny.yaml")
    head = subprocess.Popen(command, cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        locks = project.folder / ".snakemake" / "locks"
        until = time.monotonic() + 600
        while not list(locks.glob("*.lock")) and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(head.pid, signal.SIGSTOP)
        asked = subprocess.run(
            [sys.executable, "scripts/_unlock.py"],
            cwd=project.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 1
        assert f"process {head.pid}" in asked.stderr
        assert list(locks.glob("*.lock"))
    finally:
        os.kill(head.pid, signal.SIGCONT)
        assert head.wait(timeout=600) == 0


def test_lock_of_another_machine_is_left_alone(project: Project):
    locks = project.folder / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/prior/0000.h5\n")
    (project.folder / ".snakemake" / "run.json").write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    asked = subprocess.run(
        [sys.executable, "scripts/_unlock.py"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert "elsewhere" in asked.stderr
    assert (locks / "0.output.lock").exists()


def test_workflow_is_lint_clean():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    files = ["Snakefile", *map(str, sorted((ROOT / "rules").rglob("*.smk")))]
    formatter = Path(sys.executable).with_name("snakefmt")
    done = subprocess.run(
        [formatter, "--check", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_keeps_the_house_rules():
    """Log, environment, memory, time and a message for every rule, and every value in its command quoted."""
    assert len(rule_facts()) > 30
    for name, facts in rule_facts().items():
        assert facts["script"], f"{name} runs no script"
        assert facts["env"], f"{name} has no environment"
        assert len(facts["log"]) == 1, f"{name} has no log"
        assert facts["message"], f"{name} says nothing"
        assert {"mem_mb", "runtime"} <= set(facts["resources"]), name
        assert facts["shell"].startswith("exec {params.program:q} --log {log:q} "), name
        fields = re.findall(r"\{[^{}]*\}", facts["shell"])
        assert all(field.endswith(":q}") for field in fields), f"{name}: {facts['shell']}"
        assert ("code" in facts["params"]) == (not name.startswith("fetch_")), name


@pytest.mark.parametrize("name", sorted(rule_facts()))
def test_rule_tells_its_script_what_it_asks_for(name: str):
    """Every option that a script must have is given, and none that it does not know."""
    facts = rule_facts()[name]
    tree = ast.parse((ROOT / "scripts" / f"{facts['script']}.py").read_text())
    options, shared = {}, script_options._OPTIONS
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            required = any(word.arg == "required" for word in node.keywords)
            options |= {node.args[0].value: required} if node.args else {}
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_options":
            required = not any(word.arg == "required" for word in node.keywords)
            names = [name.value for name in node.args[1:]]
            options |= {f"--{name}": required and shared[name].nargs != "*" for name in names}
    given = set(re.findall(r" (--[\w-]+)", facts["shell"])) - {"--log", "--threads"}
    assert {option for option, required in options.items() if required} <= given
    assert given <= set(options)


def test_jobs_read_the_configuration_that_was_checked(project: Project):
    """The copy for the jobs gives the same configuration, and no later edit changes it."""
    from sfhnet.config import load_config

    overlay = project.folder / "configs" / "networks.yaml"
    checked = load_config([ROOT / "config.yaml", overlay])
    done = project.snakemake("--cores", "1", "--list-rules", "--configfile", "configs/networks.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    (copy,) = (project.folder / ".snakemake" / "phangs-sfh").glob("*.json")
    overlay.write_text("seed: 7\n")
    assert load_config([copy]) == checked
