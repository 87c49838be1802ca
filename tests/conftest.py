"""Fixtures of all tests: the folders of reference data, fetched upstream files, and small synthetic data."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import ingredients
from absence import absent
from parity import TABLE, ParityTable
from reference_files import is_sample, reference_file

ROOT = Path(__file__).resolve().parents[1]

# The same examples each time, as everything else here; a slow machine is no failure.
settings.register_profile("house", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("house")


# Files that take minutes, the longest first: workers begin with them, and quick ones fill what is left at the end.
LONG_FILES = (
    "workflow/conda/test_conda.py",
    "workflow/test_planning.py",
    "workflow/test_workflow.py",
    "workflow/test_places.py",
    "test_wheels.py",
    "sfhnet/training/test_trainer.py",
    "sfhnet/training/test_streamed.py",
    "pyprospect/fit/test_fit.py",
    "sfhnet/inference/test_model.py",
)


def pytest_collection_modifyitems(items):
    rank = {ROOT / "tests" / name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_configure(config):
    tables = ROOT / "data" / "prospect_tables"
    if tables.is_dir():
        os.environ.setdefault("PYPROSPECT_DATA", str(tables))
    config.stash[TABLE] = ParityTable()


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["parity"] = session.config.stash[TABLE].to_plain()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[TABLE].add(getattr(node, "workeroutput", {}).get("parity", {}))


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash[TABLE].lines()
    if lines:
        extent = "the sample in tests/reference" if is_sample(reference_file()) else "every stored output"
        terminalreporter.section(f"parity with R ProSpect 1.11.0: {extent}")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def root():
    """Folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_dir():
    """Folder beside the checkout with a mirror (mirror/) and all outputs of R ProSpect (reference/)."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        absent(f"the reference data are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def upstream():
    """Function from a source key to the folder with its files, fetched by the registry if need be."""
    from sfhnet.sources import Fetcher, FetchError

    mirror = os.environ.get("PHANGS_SFH_MIRROR") or ROOT.parent / "shared" / "mirror"
    fetcher = Fetcher(ROOT / "data", mirror if Path(mirror).is_dir() else None)
    checked = {}

    def folder(key):
        if key not in checked:
            try:
                fetcher.fetch([key])
            except FetchError as error:
                absent(f"source {key} is not to be had: {error}")
            checked[key] = ROOT / "data" / key
        return checked[key]

    return folder


@pytest.fixture
def rng():
    """Random numbers, the same in each run."""
    return np.random.default_rng([20240607, 1])


@pytest.fixture(scope="session")
def wave_aa():
    """Rest-frame training grid of the default configuration, Angstrom in air."""
    return ingredients.WAVE_AA
