"""Fixtures of the pyprospect tests: the reference file of R ProSpect and the table of its comparison."""

import os
from pathlib import Path

import h5py
import pytest
from parity import ParityTable

from pyprospect.messages import forget_warnings
from pyprospect.tables import find_table

TABLE = pytest.StashKey[ParityTable]()


def pytest_configure(config):
    config.stash[TABLE] = ParityTable()


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash[TABLE].lines()
    if lines:
        terminalreporter.section("parity with R ProSpect 1.11.0")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def parity(request):
    """The table of parity rows; call ``parity.check(group, ours, theirs, target)``."""
    return request.config.stash[TABLE]


def _absent(reason):
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def reference_dir():
    """Folder with the outputs of R ProSpect; absent: skipped with the reason, in CI a failure."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "reference"
    if not (folder / "prospect_reference.h5").is_file():
        _absent(f"the outputs of R ProSpect (prospect_reference.h5) are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def prospect_tables():
    """Folder with ProSpect's tables; absent: skipped with the reason, in CI a failure."""
    try:
        return find_table("LKL10_NormHalpha.rda").parent
    except FileNotFoundError as error:
        return _absent(str(error))


@pytest.fixture(scope="session")
def reference(reference_dir):
    """The open file prospect_reference.h5."""
    with h5py.File(reference_dir / "prospect_reference.h5") as file:
        yield file


@pytest.fixture(autouse=True)
def _warnings_talk_again():
    """Every test hears every warning, whatever ran before it."""
    forget_warnings()
