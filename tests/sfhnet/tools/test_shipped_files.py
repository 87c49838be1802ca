"""What comes with the program: found by name, compared with its checksums."""

import shutil
import subprocess

import pytest

import sfhnet
from sfhnet.__main__ import main
from sfhnet.tools import provenance, shipped_files


@pytest.fixture
def flow(root, tmp_path):
    """A copy of the shipped network, checksums included."""
    return shutil.copytree(root / "data" / "models" / "flow", tmp_path / "copy")


def test_a_shipped_model_is_loaded_by_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sfhnet.load("flow").name == "flow"
    with pytest.raises(FileNotFoundError, match=r"no model 'flwo': .* \(flow\)"):
        sfhnet.load("flwo")


def test_a_folder_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow").mkdir()
    with pytest.raises(FileNotFoundError, match=r"flow holds no model\.json"):
        sfhnet.load("flow")


def test_damaged_files_are_named(flow):
    with (flow / "weights.safetensors").open("r+b") as file:
        file.seek(10_000)
        file.write(b"damage")
    with pytest.raises(ValueError, match=r"weights\.safetensors is not the file that .*SHA256SUMS lists"):
        sfhnet.load(flow)
    (flow / "calibration.json").unlink()
    (flow / "weights.safetensors").unlink()
    with pytest.raises(ValueError, match=r"weights\.safetensors is missing, .*SHA256SUMS lists"):
        sfhnet.load(flow)
    (flow / "SHA256SUMS").write_text("../elsewhere\n")
    with pytest.raises(ValueError, match="is no checksum and name of a file"):
        sfhnet.load(flow)


def test_checksums_are_those_of_sha256sum(flow):
    names = ["model.json", "weights.safetensors"]
    shipped_files.write_checksums(flow, names)
    assert list(shipped_files.verify(flow)) == names
    subprocess.run(["sha256sum", "--check", "--quiet", shipped_files.CHECKSUMS], cwd=flow, check=True)


def test_models_are_listed(capsys, monkeypatch, tmp_path, flow):
    assert main(["models", "list"]) == 0
    assert "flow  [kind linear_flow, sfhnet.model/" in capsys.readouterr().out
    assert main(["models", "list", "nothing"]) == 1
    assert "no model 'nothing'" in capsys.readouterr().err
    # a model that was put there without its checksums is no shipped model
    (flow / "SHA256SUMS").unlink()
    monkeypatch.setattr(shipped_files, "CHECKOUT", tmp_path)
    (tmp_path / "data" / "models").mkdir(parents=True)
    flow.rename(tmp_path / "data" / "models" / "mine")
    assert main(["models", "list"]) == 1
    assert "mine lists no checksum of weights.safetensors" in capsys.readouterr().err


def test_the_code_of_other_packages_is_no_part_of_a_fingerprint(tmp_path, monkeypatch):
    """As in site-packages, where every package lies beside ours."""
    covered = provenance.code_modules(["sfhnet.inference.model"])
    assert {name.partition(".")[0] for name in covered} == {"pyprospect", "sfhnet"}
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "yaml.py").write_text("")
    assert provenance._home("yaml") is None
    assert provenance._home("pyprospect") == provenance.SRC


def test_an_installed_package_has_no_commit(root):
    assert provenance.git_commit(root) != "unknown"
    assert provenance.git_commit(None) == "unknown"
