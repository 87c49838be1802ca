"""A disk that fills up: an error that names the file and the remedy, nothing half written, and the next try works."""

import subprocess
import sys

import pytest

# Each writes more than there is room for, over a small whole file that was there before.
WRITERS = {
    "h5": "with create_h5(path, 's', 1) as file: put(file, 'a', np.random.default_rng(n).random(n), unit='', axes='n')",
    "json": "write_json(path, {'a': list(range(n))})",
    "safetensors": "save_tensors(path, {'a': torch.rand(n)}, {})",
    "fits": "with atomic_write(path) as part: fits.HDUList([fits.PrimaryHDU(np.zeros(n))]).writeto(part, checksum=True)",
}
PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from astropy.io import fits
from sfhnet.tools.hdf5 import atomic_write, create_h5, put, write_json
from sfhnet.tools.tensor_files import save_tensors
path, full = Path(sys.argv[1]), sys.argv[2] == "full"
if full:
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
n = 100_000 if full else 100
WRITE
"""


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_full_disk_leaves_what_was_and_says_so(suffix, tmp_path):
    path = tmp_path / f"product.{suffix}"

    def write(how):
        command = [sys.executable, "-c", PROGRAM.replace("WRITE", WRITERS[suffix]), str(path), how]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert write("with room").returncode == 0
    before = path.read_bytes()
    failed = write("full")
    # the HDF5 library cannot let go of a file that it could not close, and may crash when all is said
    assert failed.returncode in ((1, -11) if suffix == "h5" else (1,))
    assert "free space (or raise the quota) and run again" in failed.stderr
    assert path.name in failed.stderr.splitlines()[-1]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before
    path.unlink()
    assert write("with room").returncode == 0
    assert path.is_file()


def test_a_training_goes_on_after_the_disk_was_full(mocks, held_out, tmp_path, monkeypatch):
    """No room for the history and the checkpoint: the last checkpoint stays, and the run with room ends with the same bits."""
    import errno

    from sfhnet.networks.storage import load_network
    from sfhnet.tools import atomic_files
    from sfhnet.training.trainer import Preempted
    from small_networks import small_trainer

    undisturbed = tmp_path / "undisturbed"
    small_trainer("pca_mlp", mocks, held_out, undisturbed).run()
    with pytest.raises(Preempted):
        small_trainer("pca_mlp", mocks, held_out, tmp_path / "model").run(stop_after_steps=2)

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "fsync", full)
    with pytest.raises(OSError, match="free space"):
        small_trainer("pca_mlp", mocks, held_out, tmp_path / "model").run()
    monkeypatch.undo()
    small_trainer("pca_mlp", mocks, held_out, tmp_path / "model").run()
    one, other = (load_network(folder)[0].state_dict() for folder in (undisturbed, tmp_path / "model"))
    assert all(bool((one[name] == other[name]).all()) for name in one)
