"""What Snakemake plans after an edit, checked on a finished run of the tiny configuration; and how long it plans."""

import json
import os
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from projects import Project, job_counts, make_project

# The first test waits for the run of the tiny configuration.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
FIGURE_RULES = {"plot_validation", "plot_galaxy", "plot_simulated_galaxy", "report"}
TARGETS = {"all", "train", "validate", "figures", "galaxies"}


@pytest.fixture(scope="module")
def finished(tiny_run: Project, tmp_path_factory) -> Project:
    return tiny_run.copy(tmp_path_factory.mktemp("planning") / "project")


def module(project: Project, name: str) -> Path:
    return project.folder / "src" / name


def test_finished_run_has_nothing_left_to_do(finished: Project):
    assert finished.planned() == {}


@pytest.mark.parametrize(
    ("name", "planned_first", "not_planned"),
    [
        (
            "sfhnet/figures/validation.py",
            {"plot_validation"},
            {"synthesize", "train_model", "validate_model", "map_galaxy"},
        ),
        (
            "pyprospect/dust/attenuation.py",
            {"synthesize", "train_model", "validate_model", "infer_galaxy"},
            {"sample_prior"},
        ),
        (
            "sfhnet/training/trainer.py",
            {"train_model", "validate_model", "infer_galaxy"},
            {"synthesize", "simulate_galaxy"},
        ),
        ("sfhnet/products/maps.py", {"map_galaxy"}, {"prepare_galaxy", "infer_galaxy", "train_model"}),
    ],
)
def test_changed_module_plans_its_steps_and_what_follows(finished, name, planned_first, not_planned):
    with changed(module(finished, name)):
        planned = set(finished.planned())
    assert planned_first <= planned
    assert not planned & not_planned
    if name == "sfhnet/figures/validation.py":
        assert planned - TARGETS <= FIGURE_RULES


@contextmanager
def changed(path: Path):
    """A real change of a module, in a file that keeps its old date: dates say nothing about code."""
    text, before = path.read_text(), path.stat()
    try:
        path.write_text(text + "\nANOTHER = 1\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        yield
    finally:
        path.write_text(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_new_dates_and_comments_of_code_plan_nothing(finished: Project):
    """A fresh clone, a branch tried and left, a better sentence: the code is the same."""
    for path in (finished.folder / "src").rglob("*.py"):
        os.utime(path)
    for path in (finished.folder / "scripts").glob("*.py"):
        os.utime(path)
    dust = module(finished, "pyprospect/dust/attenuation.py")
    text = dust.read_text()
    dust.write_text(text + "\n# a remark\n")
    try:
        assert finished.planned() == {}
    finally:
        dust.write_text(text)


def test_changed_script_plans_its_step(finished: Project):
    with changed(finished.folder / "scripts" / "map_galaxy.py"):
        planned = set(finished.planned())
    assert {"map_galaxy", "plot_galaxy", "report"} <= planned
    assert not planned & {"infer_galaxy", "prepare_galaxy", "train_model"}


def test_newer_data_plan_what_is_made_of_them(finished: Project):
    """Data go by their dates, and small ones by their content besides."""
    spectra = finished.folder / "results" / "galaxies" / "NGC3073" / "posterior.h5"
    before, content = spectra.stat(), spectra.read_bytes()
    try:
        spectra.write_bytes(content + b"more")
        planned = set(finished.planned())
    finally:
        spectra.write_bytes(content)
        os.utime(spectra, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert {"map_galaxy", "check_galaxy"} <= planned
    assert "infer_galaxy" not in planned


def test_moved_project_has_nothing_to_do(finished: Project, tmp_path: Path):
    moved = finished.copy(tmp_path / "it's elsewhere")
    assert moved.planned() == {}


def test_an_explorer_shows_no_file_that_lies_about(finished: Project):
    pages = list((finished.folder / "results/galaxies").glob("*/explorer.html"))
    assert pages
    strays = [page.with_name("ppxf.h5") for page in pages]
    try:
        for stray in strays:
            stray.touch()
        assert finished.planned() == {}
    finally:
        for stray in strays:
            stray.unlink()


def test_plumbing_reruns_nothing(finished: Project):
    with ExitStack() as edits:
        for name in ("sfhnet/tools/script_options.py", "sfhnet/config/root.py", "sfhnet/tools/provenance.py"):
            edits.enter_context(changed(module(finished, name)))
        assert finished.planned() == {}


@pytest.mark.parametrize(
    ("overlay", "planned", "not_planned"),
    [
        (
            "figures: {dpi: 97}",
            {"plot_validation", "plot_galaxy"},
            {"train_model", "validate_model", "map_galaxy"},
        ),
        ("training: {epochs: 3}", {"train_model", "validate_model"}, {"synthesize", "prepare_galaxy"}),
        ("training: {cache_gb: 3.0}", set(), {"train_model"}),
        # what an explorer shows is an input of it
        ("ppxf: {in_explorer: true}", {"fit_ppxf_galaxy", "explore_galaxy"}, {"map_galaxy", "fit_ppxf"}),
        (
            "synthesis: {n_shards: 8}",
            {"sample_prior", "synthesize", "train_model"},
            {"build_ssp", "prepare_galaxy"},
        ),
    ],
)
def test_setting_plans_its_steps(finished, tmp_path, overlay, planned, not_planned):
    file = tmp_path / "overlay.yaml"
    file.write_text(overlay + "\n")
    done = finished.snakemake("--cores", "2", "--dry-run", "--configfile", "configs/tiny.yaml", str(file))
    assert done.returncode == 0, done.stdout[-3000:]
    found = job_counts(done.stdout)
    assert planned <= set(found)
    assert not set(found) & not_planned
    if "n_shards" in overlay:
        # the shards that are there stay; four are new
        assert (found["sample_prior"], found["synthesize"]) == (4, 4)


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_full_plan_of_ten_million_galaxies_takes_less_than_a_minute(tmp_path, profile):
    """In processor time: planning has one thread, and other programs on the machine do not count."""
    project = make_project(tmp_path / "project")
    sheet = ["galaxy\tkind\tpath\tredshift\tdistance_mpc"]
    for number in range(19):
        (project.folder / f"galaxy{number}.fits").touch()
        sheet.append(f"galaxy{number}\tcube\tgalaxy{number}.fits\t0.002\t10")
    (project.folder / "nineteen.tsv").write_text("\n".join(sheet) + "\n")
    large = {
        "synthesis": {"n_shards": 1000, "galaxies_per_shard": 10_000},
        "galaxies": {"sheet": "nineteen.tsv"},
    }
    (project.folder / "large.yaml").write_text(json.dumps(large))
    started, used = time.monotonic(), processor_seconds()
    plan = ("--cores", "2", "--dry-run", "--quiet", "rules", "--configfile", "large.yaml")
    done = project.snakemake("--workflow-profile", profile, *plan)
    seconds, used = time.monotonic() - started, processor_seconds() - used
    assert done.returncode == 0, done.stdout[-3000:]
    counts = job_counts(done.stdout)
    print(f"\n{sum(counts.values())} jobs planned in {used:.1f} CPU s, {seconds:.1f} s: {counts}")
    assert counts["synthesize"] == 1000
    assert counts["infer_galaxy"] == 19
    assert used < 60


def processor_seconds() -> float:
    """User and system time of the programs that this one has started and waited for."""
    times = os.times()
    return times.children_user + times.children_system


def test_the_shipped_model_maps_galaxies_without_training(finished: Project):
    """Galaxies of the ready-made model: nothing is trained, calibrated or validated."""
    overlays = ["--configfile", "configs/tiny.yaml", "configs/shipped.yaml"]
    planned = job_counts(finished.snakemake("--cores", "2", "--dry-run", "galaxies", *overlays).stdout)
    assert planned["infer_galaxy"] >= 1
    assert not {"train_model", "calibrate_model", "validate_model"} & set(planned)
