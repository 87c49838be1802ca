"""Fixtures of the pyprospect tests: the reference file of R ProSpect and the table of its comparison."""

import os
from pathlib import Path

import h5py
import pytest
from parity import ParityTable

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


@pytest.fixture(scope="session")
def reference_dir():
    """Folder with the outputs of R ProSpect; absent: skipped with the reason, in CI a failure."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "reference"
    if not (folder / "prospect_reference.h5").is_file():
        reason = f"the outputs of R ProSpect (prospect_reference.h5) are not at {folder}"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def reference(reference_dir):
    """The open file prospect_reference.h5."""
    with h5py.File(reference_dir / "prospect_reference.h5") as file:
        yield file


@pytest.fixture(autouse=True)
def _warnings_talk_again():
    """Every test hears every warning, whatever ran before it."""
    from pyprospect.messages import forget_warnings

    forget_warnings()
