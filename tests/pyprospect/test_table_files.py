"""Fetching ProSpect's tables: checked on arrival, and the same files as the registry of sources knows."""

import pytest

from pyprospect import table_files, tables
from pyprospect.__main__ import main
from sfhnet.sources import load_registry


def test_the_registry_knows_the_same_files():
    source = load_registry().source("prospect_tables")
    known = {file.name: (file.bytes, file.sha256) for file in source.files}
    assert source.url == table_files.ADDRESS
    for name, table in table_files.TABLES.items():
        assert known[name] == (table.size_bytes, table.sha256)


def test_fetched_tables_are_found(upstream, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "CHECKOUT", None)
    monkeypatch.delenv(tables.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    address = upstream("prospect_tables").as_uri() + "/"
    assert main(["fetch", "--address", address]) == 0
    folder = tmp_path / "pyprospect"
    assert capsys.readouterr().out.split() == [str(folder / name) for name in table_files.TABLES]
    assert tables.find_table("Dale_Orig.rda") == folder / "Dale_Orig.rda"
    # what is there needs no address any more
    assert table_files.fetch(["Dale_Orig.rda"], address="http://[::1]:1/") == [folder / "Dale_Orig.rda"]


def test_a_false_table_is_not_kept(tmp_path):
    (tmp_path / "EAZY_filters.rda").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"is not the known EAZY_filters\.rda"):
        table_files.fetch(["EAZY_filters.rda"], folder=tmp_path / "new", address=tmp_path.as_uri() + "/")
    assert list((tmp_path / "new").iterdir()) == []


def test_what_cannot_be_had_names_table_and_remedy(tmp_path, capsys):
    with pytest.raises(ValueError, match=r"no table 'Dale' .*Dale_Orig\.rda"):
        table_files.fetch(["Dale"], folder=tmp_path)
    assert main(
        ["fetch", "Dale_Orig.rda", "--folder", str(tmp_path), "--address", (tmp_path / "no").as_uri() + "/"]
    )
    assert f"put it into {tmp_path}" in capsys.readouterr().err
