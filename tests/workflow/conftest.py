"""Fresh copies of the project, and one that has run the tiny configuration."""

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
    """A copy in which the tiny configuration has run to its end; tests change only copies of it."""
    for source in TINY_SOURCES:
        upstream(source)
    project = make_project(tmp_path_factory.mktemp("tiny") / "project")
    project.run(seconds=1500)
    return project
