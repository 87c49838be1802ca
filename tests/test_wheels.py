"""Both packages as a user has them: built, each installed alone into an empty environment, used in an empty folder."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from packaging.utils import canonicalize_name

import pyprospect
import sfhnet
from distributions import FOLDERS, requirements
from sfhnet.core.posterior import Posterior
from sfhnet.tools.provenance import fingerprint

pytestmark = pytest.mark.wheels

# As make gives them to pip: an index, or a folder of wheels.
PIP_ARGS = shlex.split(os.environ.get("PIP_ARGS", ""))
# What only the workflow needs.
WORKFLOW = {
    "snakemake",
    "psutil",
    "photutils",
    "regions",
    "reproject",
    "dust-extinction",
    "matplotlib",
}
EXAMPLE = """
from pyprospect import sfh_func, toy_library
galaxy = sfh_func("snorm", mSFR=3, mpeak=9, Z=0.02, speclib=toy_library(), sparse=1, z=0.0, filters=None)
print(galaxy.masstot, galaxy.lum_atten.max() / galaxy.lum_unatten.max())
"""


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Folder with both wheels."""
    folder = tmp_path_factory.mktemp("dist")
    pip("wheel", "-q", *PIP_ARGS, "--no-deps", "-w", folder, *map(str, FOLDERS.values()))
    for wheel in sorted(folder.glob("*.whl")):
        print(f"\n{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB")
    return folder


class Installation:
    """A distribution in an environment of its own, and an empty folder to work in."""

    def __init__(self, name: str, wheels: Path, folder: Path, constraints: Path):
        self.bin, self.folder = folder / "env" / "bin", folder / "empty"
        self.folder.mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
        python = ("--python", self.bin / "python")
        wanted = ("--find-links", wheels, "-c", constraints, name)
        pip(*python, "install", "-q", "--no-compile", *PIP_ARGS, *wanted)
        listed = json.loads(pip(*python, "list", "--format", "json"))
        self.packages = {canonicalize_name(item["name"]): item["version"] for item in listed}
        others = len(self.packages) - 1
        print(f"\n{name}: {len(requirements(name))} packages asked for, {others} installed with it")

    def run(self, *command: str) -> str:
        """Run a program of the environment in the empty folder; it must end well. Returns what it printed."""
        hidden = ("PYTHONPATH", "PYPROSPECT_DATA", "PHANGS_SFH_MIRROR")
        env = {key: value for key, value in os.environ.items() if key not in hidden}
        env |= {"PYTHONNOUSERSITE": "1", "XDG_DATA_HOME": str(self.folder)}
        program = [self.bin / command[0], *command[1:]]
        done = subprocess.run(program, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def prospect(wheels, tmp_path_factory, root):
    return Installation("pyprospect", wheels, tmp_path_factory.mktemp("pyprospect"), root / "constraints.txt")


@pytest.fixture(scope="module")
def networks(wheels, tmp_path_factory, root):
    return Installation("phangs-sfh", wheels, tmp_path_factory.mktemp("phangs-sfh"), root / "constraints.txt")


def test_pyprospect_alone(prospect):
    assert prospect.packages["pyprospect"] == pyprospect.__version__
    assert not {"torch", "rdata", "pandas", "phangs-sfh"} & set(prospect.packages)
    shown = prospect.run("python", "-m", "pyprospect")
    assert shown.startswith(f"pyprospect {pyprospect.__version__}: ")
    assert f"python -m pyprospect fetch (into {prospect.folder / 'pyprospect'})" in shown
    assert "site-packages" not in shown and "pip install 'pyprospect[fast]'" in shown
    mass_msun, dimming = map(float, prospect.run("python", "-c", EXAMPLE).split())
    assert mass_msun > 1e9 and 0 < dimming < 1


def test_networks_need_no_workflow(networks):
    assert networks.packages["phangs-sfh"] == networks.packages["pyprospect"] == sfhnet.__version__
    assert set(requirements("phangs-sfh")) <= set(networks.packages)
    assert not WORKFLOW & set(networks.packages)


def test_networks_know_sources_and_models(networks, root):
    registered = networks.run("sfhnet", "sources", "list")
    assert "\nprospect_tables  [0/" in registered
    shown = networks.run("sfhnet", "models", "list")
    weights = (root / "data" / "models" / "flow" / "SHA256SUMS").read_text().split()[0]
    assert shown.startswith("flow  [kind linear_flow, ") and weights in shown and "site-packages" in shown


def test_infer_answers_as_in_the_checkout(networks, rng):
    """The same numbers and the same fingerprint of the code; the versions installed stand in for the commit."""
    wave_aa = np.arange(4750.0, 9351.0, 1.25)
    flux = 1.0 + 0.1 * np.sin(wave_aa / 300.0) + rng.normal(0.0, 0.02, wave_aa.size)
    sigma = np.full(wave_aa.size, 0.02)
    path = networks.folder / "spectrum.txt"
    np.savetxt(path, np.stack([wave_aa, flux, sigma], axis=1))
    printed = networks.run("sfhnet", "infer", "spectrum.txt", "-o", "posterior.h5")
    assert "wrote posterior.h5" in printed
    answer = Posterior.read(networks.folder / "posterior.h5")
    wave_aa, flux, sigma = np.loadtxt(path, unpack=True)
    here = sfhnet.load("flow").infer(wave_aa, flux, sigma)
    np.testing.assert_allclose(answer.mass_fraction, here.mass_fraction, atol=1e-5)
    for name, values in here.scalars.items():
        np.testing.assert_allclose(answer.scalars[name], values, atol=1e-4, err_msg=name)
    with h5py.File(networks.folder / "posterior.h5") as file:
        record = json.loads(file.attrs["provenance"])
    assert record["code_sha256"] == fingerprint(["sfhnet.inference.model"])
    assert record["git_commit"] == "unknown"
    assert record["versions"]["phangs-sfh"] == sfhnet.__version__
