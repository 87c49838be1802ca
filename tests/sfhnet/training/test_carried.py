"""A trained network in pieces: whole again at home, small enough on the way, refused when a piece is wrong."""

import pytest

from sfhnet.training import carried
from sfhnet.training.carried import bring, carry
from sfhnet.training.checkpoint import CHECKPOINT


@pytest.fixture
def folder(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    for name, size in (("weights.safetensors", 300_000), ("model.json", 500), (CHECKPOINT, 700_000)):
        (model / name).write_bytes(bytes(range(256)) * (size // 256))
    return model


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(carried, "LARGEST_MIB", 0.25)
    monkeypatch.setattr(carried, "TOTAL_MIB", 1.5)


def test_what_is_carried_is_whole_again(folder, tmp_path, small):
    assert "with weights.safetensors, model.json, checkpoint.safetensors" in carry(folder, tmp_path / "out")
    pieces = sorted((tmp_path / "out").glob("carried.tar.*"))
    assert len(pieces) == 4
    assert max(piece.stat().st_size for piece in pieces) <= 2**18
    assert bring(tmp_path / "out", tmp_path / "home") == ["weights.safetensors", "model.json", CHECKPOINT]
    for path in folder.iterdir():
        assert (tmp_path / "home" / path.name).read_bytes() == path.read_bytes()


def test_a_checkpoint_that_does_not_fit_is_left_out(folder, tmp_path, small, monkeypatch):
    monkeypatch.setattr(carried, "TOTAL_MIB", 0.75)
    carry(folder, tmp_path / "out")
    assert bring(tmp_path / "out", tmp_path / "home") == ["weights.safetensors", "model.json"]
    monkeypatch.setattr(carried, "TOTAL_MIB", 0.25)
    with pytest.raises(ValueError, match=r"weights.safetensors does not fit into 0.25 MiB; train a smaller"):
        carry(folder, tmp_path / "other")


def test_wrong_pieces_are_refused(folder, tmp_path, small):
    with pytest.raises(FileNotFoundError, match=r"carried.json does not exist; give the folder"):
        bring(tmp_path, tmp_path / "home")
    out = tmp_path / "out"
    carry(folder, out)
    piece = out / "carried.tar.1"
    data = piece.read_bytes()
    piece.write_bytes(data[:-1] + b"x")
    with pytest.raises(ValueError, match="damaged or of two runs"):
        bring(out, tmp_path / "home")
    piece.unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks carried.tar.1"):
        bring(out, tmp_path / "home")
    assert not (tmp_path / "home").exists()
