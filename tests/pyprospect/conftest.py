"""Fixtures of the pyprospect tests: the reference file of R ProSpect, and the toy library."""

import h5py
import pytest

from parity import TABLE
from pyprospect.messages import forget_warnings
from synthetic_library import make_library


@pytest.fixture
def parity(request):
    """The table of parity rows; call ``parity.check(group, ours, theirs, target)``."""
    return request.config.stash[TABLE]


@pytest.fixture(scope="session")
def reference_dir(shared_dir):
    """Folder with the outputs of R ProSpect."""
    return shared_dir / "reference"


@pytest.fixture(scope="session")
def prospect_tables(upstream):
    """Folder with ProSpect's tables, which lie where pyprospect.tables looks for them."""
    return upstream("prospect_tables")


@pytest.fixture(scope="session")
def reference(reference_dir):
    """The open file prospect_reference.h5."""
    with h5py.File(reference_dir / "prospect_reference.h5") as file:
        yield file


@pytest.fixture(scope="session")
def library():
    """A small library of black bodies, 100 Angstrom to 0.25 mm."""
    return make_library()


@pytest.fixture(scope="session")
def optical():
    """The same from 3000 to 9500 Angstrom: without ionising light, and shorter than the list of lines."""
    return make_library(3000.0, 9500.0)


@pytest.fixture(autouse=True)
def _warnings_talk_again():
    """Every test hears every warning, whatever ran before it."""
    forget_warnings()
