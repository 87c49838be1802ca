"""pyprospect needs numpy, scipy, h5py and astropy; what needs more says which extra brings it."""

import subprocess
import sys

import pytest

from pyprospect import sfh_func

# Refused when imported, as what is not there: a None in sys.modules is a package to who only looks there (scipy).
WITHOUT = """
import importlib, pkgutil, sys
from pathlib import Path
ABSENT = {"torch", "rdata", "pandas", "xarray", "matplotlib", "dust_extinction", "requests", "pooch", "yaml"}
class Absent:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent)
import pyprospect
"""


def run(code, folder):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, cwd=folder, timeout=120
    )


def test_every_module_but_the_synthesizer_and_fits_imports_without_extras(tmp_path):
    code = """
missed = {}
for module in pkgutil.walk_packages(pyprospect.__path__, "pyprospect.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        missed[module.name] = error.name
print(sorted(missed.items()))
assert set(missed.values()) == {"torch"}
assert all(name.split(".")[-1] in ("fast", "synthesis", "folded_library", "fit") for name in missed), missed
"""
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_history_is_the_same_without_extras(library, tmp_path):
    library.write(tmp_path / "toy.h5")
    code = """
library = pyprospect.SSPLibrary.read(Path("toy.h5"))
galaxy = pyprospect.sfh_func("snorm", mSFR=3, Z=0.02, speclib=library, z=0.0, filters=None, sparse=1)
print(galaxy.masstot, galaxy.lumtot_atten)
"""
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr
    here = sfh_func("snorm", mSFR=3, Z=0.02, speclib=library, z=0.0, filters=None, sparse=1)
    assert [float(word) for word in result.stdout.split()] == [here.masstot, here.lumtot_atten]


def test_the_inventory_runs_without_extras(tmp_path):
    result = run(
        'from pyprospect.__main__ import main\nassert main([]) == 0\nassert main(["x.rda"]) == 1', tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "pip install 'pyprospect[fast]'" in result.stdout


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "pyprospect.Synthesizer",
            "the fast synthesizer needs torch, which is not installed: pip install 'pyprospect[fast]'",
        ),
        (
            "pyprospect.tables.set_data_dir('.'); pyprospect.tables.load('Dale_Orig')",
            "ProSpect's table Dale_Orig.rda needs rdata, which is not installed: pip install 'pyprospect[rda]'",
        ),
        (
            "pyprospect.SSPLibrary.read('Dale_Orig.rda')",
            "the library Dale_Orig.rda needs rdata, which is not installed: pip install 'pyprospect[rda]'",
        ),
    ],
)
def test_what_is_missing_names_the_extra(code, message, tmp_path):
    (tmp_path / "Dale_Orig.rda").write_bytes(b"RDX3")
    result = run("import pyprospect.tables\n" + code, tmp_path)
    assert result.returncode != 0
    assert message in result.stderr
