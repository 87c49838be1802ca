"""Finding and reading ProSpect's tables."""

import numpy as np
import pytest

from pyprospect import tables


@pytest.fixture(autouse=True)
def _forget_choice():
    yield
    tables.set_data_dir(None)


def test_missing_table_names_file_places_and_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv(tables.ENVIRONMENT_VARIABLE, str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError) as caught:
        tables.load("no_such_table")
    text = str(caught.value)
    assert "no_such_table.rda" in text and str(tmp_path / "elsewhere") in text and "set_data_dir" in text


def test_search_order(tmp_path, monkeypatch):
    for folder in ("chosen", "environment", "cwd/data/prospect_tables"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.rda").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "cwd")
    assert tables.find_table("a.rda") == tmp_path / "cwd/data/prospect_tables/a.rda"
    monkeypatch.setenv(tables.ENVIRONMENT_VARIABLE, str(tmp_path / "environment"))
    assert tables.find_table("a.rda") == tmp_path / "environment/a.rda"
    tables.set_data_dir(tmp_path / "chosen")
    assert tables.find_table("a.rda") == tmp_path / "chosen/a.rda"


def test_an_installed_package_searches_no_folder_of_python(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CHECKOUT", None)
    monkeypatch.delenv(tables.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.chdir(tmp_path)
    assert tables.places() == [tmp_path / "data" / "prospect_tables", tmp_path / "share" / "pyprospect"]


def test_choosing_no_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="not a folder"):
        tables.set_data_dir(tmp_path / "nothing")


def test_damaged_table_is_an_error(tmp_path):
    (tmp_path / "LKL10_NormAll.rda").write_bytes(b"not an R file at all")
    tables.set_data_dir(tmp_path)
    with pytest.raises(ValueError, match="fetch it again"):
        tables.load("LKL10_NormAll")


def test_tables_are_read_and_kept(prospect_tables):
    lines = tables.load("LKL10_NormAll")
    assert set(lines) == {"Z", "q", "Mappings"}
    np.testing.assert_allclose(lines["Z"], [0.001, 0.004, 0.008, 0.02, 0.04])
    assert tables.load("LKL10_NormAll") is lines
    filters = tables.load("EAZY_filters")
    assert len(filters["filters"]) == 347 and filters["filters"][0].shape[1] == 2
