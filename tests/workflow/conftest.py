"""Fresh copies of the project, and one that has run the tiny configuration."""

import fcntl
import os

import pytest

from projects import TINY_SOURCES, Project, make_project


@pytest.fixture
def project(tmp_path, upstream) -> Project:
    """A fresh copy of the project, nothing run."""
    for source in TINY_SOURCES:
        upstream(source)
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, upstream) -> Project:
    """A copy in which the tiny configuration has run to its end, once for all workers; tests change only copies of it."""
    for source in TINY_SOURCES:
        upstream(source)
    base = tmp_path_factory.getbasetemp()
    # Of several workers each has a folder of its own below the common one.
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, ended = base / "tiny" / "project", base / "tiny.ended"
    with (base / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make_project(folder).run(seconds=1500)
            ended.touch()
    assert ended.exists(), "the run of the tiny configuration failed in another worker, which says why"
    return Project(folder)
