"""Fixtures of the pyprospect tests: the reference file of R ProSpect, and the toy library."""

from functools import cache

import pytest

from absence import absent
from parity import TABLE
from pyprospect import SSPLibrary, toy_library
from pyprospect.messages import forget_warnings
from reference_files import Reference, reference_file


@pytest.fixture
def parity(request):
    """The table of parity rows; call ``parity.check(group, ours, theirs, target)``."""
    return request.config.stash[TABLE]


@pytest.fixture(scope="session")
def reference_dir():
    """Folder with the outputs of R ProSpect, all or a sample, and their toy library."""
    return reference_file().parent


@pytest.fixture(scope="session")
def prospect_tables(upstream):
    """Folder with ProSpect's tables, which lie where pyprospect.tables looks for them."""
    return upstream("prospect_tables")


@pytest.fixture(scope="session")
def reference():
    """The stored outputs of R ProSpect, by path of a group."""
    stored = Reference(reference_file())
    yield stored
    stored.file.close()


@pytest.fixture(scope="module")
def libraries(reference_dir, upstream):
    """Function from R's name of a library (toy, BC03lr, EMILES) to the SSPLibrary."""

    @cache
    def read(name):
        if name == "EMILES":
            return SSPLibrary.read(upstream("emiles"))
        path = reference_dir / f"speclib_{name}.h5"
        if not path.is_file():
            absent(f"the library {name} of R's runs is not at {path} (tests/reference/README.md)")
        return SSPLibrary.read(path)

    return read


@pytest.fixture(scope="session")
def library():
    """A small library of black bodies, 100 Angstrom to 0.25 mm."""
    return toy_library()


@pytest.fixture(scope="session")
def optical():
    """The same from 3000 to 9500 Angstrom: without ionising light, and shorter than the list of lines."""
    return toy_library().trim(3000.0, 9500.0)


@pytest.fixture(autouse=True)
def _warnings_talk_again():
    """Every test hears every warning, whatever ran before it."""
    forget_warnings()
