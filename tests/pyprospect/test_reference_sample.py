"""The sample of R ProSpect's outputs in tests/reference: small, a part of the full file, and enough to run."""

import hashlib
import importlib.util
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

import absence
from reference_files import FULL, SAMPLE, SAMPLE_DIR, Reference, reference_file

PARITY = (
    "histories/test_histories.py::test_mass_functions",
    "prospect/test_sfh_parity.py",
    "dust/test_attenuation.py",
    "gas/test_lines.py",
)


@pytest.fixture
def sample():
    stored = Reference(SAMPLE_DIR / SAMPLE)
    yield stored
    stored.file.close()


def contents(file):
    """Every dataset and attribute by its path."""
    found = {f"@{name}": value for name, value in file.attrs.items()}

    def visit(path, node):
        found.update({f"{path}@{name}": value for name, value in node.attrs.items()})
        if isinstance(node, h5py.Dataset):
            found[path] = node[()]

    file.visititems(visit)
    return found


def test_it_is_small_and_has_the_library_that_r_used(sample):
    assert sum(path.stat().st_size for path in SAMPLE_DIR.iterdir() if path.is_file()) <= 1_000_000
    digest = hashlib.sha256((SAMPLE_DIR / "speclib_toy.h5").read_bytes()).hexdigest()
    assert digest == sample.file.attrs["sha256_speclib_toy.h5"]
    page = (SAMPLE_DIR / "README.md").read_text()
    for room in ("unit", "sfh"):
        assert [f"{room}/{name}" for name in sample[room] if f"`{room}/{name}`" not in page] == []


def test_its_script_makes_it_from_the_full_file(sample, reference_dir, tmp_path):
    if not (reference_dir / FULL).is_file():
        absence.absent(f"the full reference is not at {reference_dir / FULL}")
    spec = importlib.util.spec_from_file_location("make_sample", SAMPLE_DIR / "make_sample.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make_sample(reference_dir / FULL, tmp_path / SAMPLE)
    with h5py.File(tmp_path / SAMPLE) as file:
        again, stored = contents(file), contents(sample.file)
    assert list(again) == list(stored)
    for path, value in stored.items():
        np.testing.assert_array_equal(again[path], value, err_msg=path)


@pytest.mark.parametrize(
    ("in_ci", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)]
)
def test_what_it_lacks_is_skipped_but_fails_in_ci(sample, in_ci, outcome, monkeypatch):
    monkeypatch.setattr(absence, "IN_CI", in_ci)
    assert len(sample["unit/massfuncs"]) == 15
    with pytest.raises(outcome, match="no unit/emission"):
        sample["unit/emission"]


def test_a_wrong_folder_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PYPROSPECT_REFERENCE", str(SAMPLE_DIR))
    assert reference_file() == SAMPLE_DIR / SAMPLE
    monkeypatch.setenv("PYPROSPECT_REFERENCE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="holds neither"):
        reference_file()


def test_parity_runs_with_it(root):
    """As one sees it who has this repository only: runs with gas and other libraries are skipped."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0"]
        + [f"tests/pyprospect/{name}" for name in PARITY],
        env={**os.environ, "CI": "", "PYPROSPECT_REFERENCE": str(SAMPLE_DIR)},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert "parity with R ProSpect 1.11.0: the sample in tests/reference" in run.stdout
    rows = [line.split("  ")[0] for line in run.stdout.splitlines()]
    assert {"unit/massfuncs", "unit/dust", "SFHfunc_toy spectra", "SFHburst_toy spectra"} <= set(rows)
    assert "the sample of R ProSpect's outputs has no unit/emission" in run.stdout
