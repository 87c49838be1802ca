"""A copy of the project of its own for the run in conda environments."""

import pytest

from projects import TINY_SOURCES, Project, make_project


@pytest.fixture(scope="module")
def tiny_project(tmp_path_factory, upstream) -> Project:
    for source in TINY_SOURCES:
        upstream(source)
    return make_project(tmp_path_factory.mktemp("conda-run") / "project")
