"""Other folders than the project's own: results elsewhere, use as a module, and names that a shell would run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from projects import ROOT, Project, job_counts, make_project

pytestmark = pytest.mark.slow
PRIOR = "results/prior/0000.h5"


def snakemake(folder: Path, *arguments: str | Path) -> str:
    """Run Snakemake in a folder; it must end well. Returns what it printed."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def seed_of(path: Path) -> int:
    with h5py.File(path) as file:
        return json.loads(file.attrs["provenance"])["seed"][0]


def test_results_land_in_the_directory_that_is_asked_for(project: Project, tmp_path: Path):
    other = tmp_path / "else where"
    other.mkdir()
    run = ("-s", project.folder / "Snakefile", "--directory", other)
    tiny = ("--configfile", project.folder / "configs" / "tiny.yaml")
    assert job_counts(snakemake(tmp_path, "--dry-run", *run, *tiny)) == project.planned()
    snakemake(tmp_path, *run, PRIOR, *tiny)
    assert seed_of(other / PRIOR) == 1
    assert (other / "logs" / "sample_prior" / "0000.log").is_file()
    assert not (project.folder / "results").exists()
    assert job_counts(snakemake(tmp_path, "--dry-run", *run, PRIOR, *tiny)) == {}


def test_configuration_and_sheet_beside_the_results_come_first(project: Project, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    text = (project.folder / "config.yaml").read_text()
    (other / "config.yaml").write_text(text.replace("seed: 1 ", "seed: 7 "))
    (other / "mine.yaml").write_text("galaxies: {sheet: mine.tsv}\n")
    (other / "own.dat").touch()
    (other / "mine.tsv").write_text(
        "galaxy\tkind\tpath\tredshift\tdistance_mpc\nown\ttable\town.dat\t0.001\t10\n"
    )
    run = ("-s", project.folder / "Snakefile")
    mine = ("--configfile", "mine.yaml")
    plan = snakemake(other, "--dry-run", *run, "results/galaxies/own/spectra.h5", *mine)
    assert job_counts(plan)["prepare_galaxy"] == 1
    snakemake(other, *run, PRIOR, *mine)
    assert seed_of(other / PRIOR) == 7


def test_use_as_a_module_of_another_workflow(project: Project, tmp_path: Path):
    other = tmp_path / "importer"
    other.mkdir()
    tiny = (project.folder / "configs" / "tiny.yaml").read_text()
    (other / "config.yaml").write_text(f"seed: 7\n{tiny}")
    (other / "Snakefile").write_text(
        f'''
configfile: "config.yaml"

module sfh:
    snakefile: "{project.folder}/Snakefile"
    config: config

use rule * from sfh as sfh_*

rule own:
    default_target: True
    input: "{PRIOR}"
    output: "own.txt"
    shell: "ls {{input}} > {{output}}"
'''
    )
    whole = job_counts(snakemake(other, "--dry-run", "sfh_all"))
    own_plan = project.planned()
    assert {name.removeprefix("sfh_"): count for name, count in whole.items()} == own_plan
    snakemake(other)
    assert (other / "own.txt").read_text().strip() == PRIOR
    assert seed_of(other / PRIOR) == 7
    assert not (project.folder / "results").exists()
    assert job_counts(snakemake(other, "--dry-run")) == {}


def test_names_are_data_and_never_run(upstream, tmp_path: Path):
    """Blanks, quotes, globs and commands in the names of project, overlay, sheet, data and model, through real steps."""
    for source in ("emiles", "bc03_miles", "hst_filters", "ngc3073"):
        upstream(source)
    project = make_project(tmp_path / 'it\'s $(touch RAN1) a;touch RAN2; [x] & "y"')
    folder = project.folder
    model = Path("data") / "models $(touch RAN3)" / "it's"
    shutil.copytree(ROOT / "data" / "models" / "flow", folder / model)
    data = folder / "my $(touch RAN4) data"
    data.mkdir()
    name = "a;touch RAN5;'g[1]'.fits"
    shutil.copy(next((ROOT / "data" / "ngc3073").glob("*.fits*")), data / name)
    (data / "a;touch RAN5;'g1'.fits").write_text("the neighbour that a shell would take")
    sheet = "she et `touch RAN6`.tsv"
    (folder / sheet).write_text(
        "galaxy\tkind\tpath\tredshift\tdistance_mpc\tmedium\tarea_arcsec2\n"
        f"g\tsdss\t{name}\t0.00376\t32.8\tvacuum\t7.07\n"
    )
    overlay = "over lay's $(touch RAN7);touch RAN8.yaml"
    galaxies = {"sheet": sheet, "data_dir": data.name, "model": str(model)}
    (folder / overlay).write_text(json.dumps({"galaxies": galaxies}))
    snakemake(folder, "results/galaxies/g/posterior.h5", "--configfile", overlay)
    with h5py.File(folder / "results" / "galaxies" / "g" / "posterior.h5") as file:
        assert json.loads(file.attrs["provenance"])["seed"] == 1
    assert not list(tmp_path.rglob("RAN*"))


def test_braces_in_a_name_are_refused_before_any_job(project: Project):
    (project.folder / "a{b}.dat").touch()
    (project.folder / "mine.tsv").write_text(
        "galaxy\tkind\tpath\tredshift\tdistance_mpc\none\ttable\ta{b}.dat\t0.001\t10\n"
    )
    (project.folder / "mine.yaml").write_text("galaxies: {sheet: mine.tsv}\n")
    done = project.snakemake("--cores", "1", "--configfile", "mine.yaml")
    assert done.returncode == 1
    assert "a{b}.dat has braces in its name" in done.stdout
    assert not (project.folder / "results").exists()


@pytest.mark.parametrize("name", ["project {b}", "project:2"])
def test_folders_that_cannot_work_are_refused_with_a_reason(tmp_path: Path, name):
    project = make_project(tmp_path / name)
    done = project.snakemake("--cores", "1", "--dry-run")
    assert done.returncode == 1
    assert "rename the folder" in done.stdout
