"""A copy of the project of its own for the run in conda environments."""

import pytest

from projects import TINY_SOURCES, Project, make_project


@pytest.fixture(scope="module")
def tiny_project(tmp_path_factory, upstream) -> Project:
    for source in TINY_SOURCES:
        upstream(source)
    project = make_project(tmp_path_factory.mktemp("conda-run") / "project")
    # One model goes through every step; what a second one does in the same environments tells nothing more.
    (project.folder / "one_model.yaml").write_text("models: {prior_mean: null}\n")
    return project
