"""Atomic files, HDF5 with units and schema, provenance and its fingerprints, and the shared command line."""

import fcntl
import json
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap

import h5py
import numpy as np
import pytest

from sfhnet.__main__ import main
from sfhnet.config import NoiseConfig
from sfhnet.tools import script_options
from sfhnet.tools.hdf5 import (
    atomic_write,
    create_h5,
    open_h5,
    put,
    read_dataset,
    read_json,
    write_json,
    write_text,
)
from sfhnet.tools.progress import Progress, track
from sfhnet.tools.provenance import (
    code_modules,
    config_hash,
    fingerprint,
    git_commit,
    provenance,
    sha256_file,
)


def test_atomic_write_is_all_or_nothing(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "one")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as partial:
        partial.write_text(f"half {1 // 0}")
    assert path.read_text() == "one"
    with pytest.raises(FileNotFoundError, match="nothing was written"), atomic_write(path):
        pass
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_killed_writer_leaves_no_file(tmp_path):
    program = (
        "import os, signal, sys; from sfhnet.tools.hdf5 import create_h5, put\n"
        "with create_h5(sys.argv[1], 's', 1) as f:\n"
        "    put(f, 'a', [1.0], unit='', axes='n'); f.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.h5")], check=False)
    assert done.returncode == -9
    assert not (tmp_path / "a.h5").exists()
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    # What a living process is writing stays.
    ours = left[0].with_name(re.sub(r"-\d+-(?=\w{8}\.part)", f"-{os.getpid()}-", left[0].name))
    ours.touch()
    with create_h5(tmp_path / "a.h5", "s", 1) as file:
        put(file, "a", [1.0], unit="", axes="n")
    assert set(tmp_path.iterdir()) == {tmp_path / "a.h5", ours}


def test_h5_round_trip(tmp_path, rng):
    path, flux = tmp_path / "a.h5", rng.normal(size=(30, 200)).astype(np.float32)
    with create_h5(path, "sfhnet.test", 2, provenance=provenance(seed=3)) as file:
        put(file, "flux", flux, unit="Lsol/AA", axes="galaxy, wave")
        put(file, "labels/age", np.float64(3.0), unit="yr", axes="")
    with open_h5(path, "sfhnet.test", 2) as file:
        assert np.array_equal(read_dataset(file, "flux", unit="Lsol/AA", axes="galaxy, wave"), flux)
        assert read_dataset(file["labels"], "age") == 3.0
        with pytest.raises(ValueError, match="'flux' has unit 'Lsol/AA', expected 'Jy'"):
            read_dataset(file, "flux", unit="Jy")
        with pytest.raises(ValueError, match="no dataset 'flx'"):
            read_dataset(file, "flx")
        assert json.loads(file.attrs["provenance"])["seed"] == 3


def test_axes_are_counted(tmp_path):
    with (
        pytest.raises(ValueError, match="has 2 dimensions but axes 'galaxy'"),
        create_h5(tmp_path / "a.h5", "s", 1) as f,
    ):
        put(f, "x", np.zeros((2, 2)), unit="", axes="galaxy")
    assert not (tmp_path / "a.h5").exists()


def test_foreign_and_truncated_h5(tmp_path):
    path = tmp_path / "a.h5"
    with create_h5(path, "sfhnet.test", 1) as file:
        put(file, "x", np.arange(5000.0), unit="", axes="n")
    with (
        pytest.raises(ValueError, match=r"schema 'sfhnet\.test/1', expected 'sfhnet\.test/2'"),
        open_h5(path, "sfhnet.test", 2),
    ):
        pass
    path.write_bytes(path.read_bytes()[:1000])
    with (
        pytest.raises(ValueError, match=r"a\.h5 is damaged or not an HDF5 file"),
        open_h5(path, "sfhnet.test", 1),
    ):
        pass
    with pytest.raises(FileNotFoundError), open_h5(tmp_path / "b.h5", "sfhnet.test", 1):
        pass
    with h5py.File(path, "w"):
        pass
    with pytest.raises(ValueError, match="schema 'none'"), open_h5(path, "sfhnet.test", 1):
        pass


def test_json(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": np.float32(1.5), "a": np.arange(3), "p": tmp_path})
    assert read_json(path) == {"b": 1.5, "a": [0, 1, 2], "p": str(tmp_path)}
    with pytest.raises(ValueError):
        write_json(path, {"x": float("nan")})
    assert read_json(path)["b"] == 1.5
    path.write_text("{")
    with pytest.raises(ValueError, match=r"a\.json is not valid JSON"):
        read_json(path)


@pytest.fixture
def source_tree(tmp_path):
    """A package `pkg` with a public front, and a module `app` that uses part of it."""
    files = {
        "pkg/__init__.py": "from pkg.dust import attenuate\nfrom .other import unused\n",
        "pkg/dust.py": '"""Dust."""\nfrom . import constants\ndef attenuate(x):\n    return x * constants.K\n',
        "pkg/constants.py": "K = 2\n",
        "pkg/other.py": "def unused():\n    return 1\n",
        "pkg/figures.py": "COLOUR = 'red'\n",
        "app.py": "import numpy\nfrom typing import TYPE_CHECKING\nfrom pkg import attenuate\n"
        "if TYPE_CHECKING:\n    from pkg.figures import COLOUR\n",
        "whole.py": "import pkg as p\ndef f(x):\n    return p.attenuate(x)\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def edit(path, text):
    path.write_text(text)
    later = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))


@pytest.mark.parametrize("module", ["app", "whole"])
def test_fingerprint_follows_what_is_used(source_tree, module):
    covered = set(code_modules([module], source_tree))
    assert covered == {module, "pkg.dust", "pkg.constants"}
    before = fingerprint([module], source_tree)
    edit(source_tree / "pkg" / "figures.py", "COLOUR = 'blue'\n")
    edit(source_tree / "pkg" / "other.py", "def unused():\n    return 2\n")
    edit(
        source_tree / "pkg" / "dust.py",
        '"""Better words."""\nfrom . import constants\n\n\ndef attenuate(x):\n    """Say it."""\n'
        "    return x * constants.K  # why\n",
    )
    assert fingerprint([module], source_tree) == before, "words, layout and unused modules do not count"
    edit(source_tree / "pkg" / "constants.py", "K = 3\n")
    assert fingerprint([module], source_tree) != before


def test_fingerprint_leaves_out(source_tree):
    assert "pkg.constants" not in code_modules(["app"], source_tree, without=["pkg.constants"])
    with pytest.raises(ValueError, match=r"no module 'pkg\.nowhere'"):
        fingerprint(["pkg.nowhere"], source_tree)
    (source_tree / "pkg" / "dust.py").write_text("def (:\n")
    with pytest.raises(ValueError, match=r"dust\.py does not parse"):
        fingerprint(["app"], source_tree)


def test_fingerprint_of_this_project(root):
    synthesis = code_modules(["sfhnet.mocks.noise"])
    assert "sfhnet.config.noise" in synthesis and "sfhnet.config.figures" not in synthesis
    script = root / "scripts" / "fetch_source.py"
    assert script.name in code_modules([str(script)])


def test_provenance(tmp_path, root):
    (tmp_path / "in.txt").write_text("abc")
    record = provenance(
        NoiseConfig(), ["sfhnet.tools.atomic_files"], [tmp_path / "in.txt"], seed=[1, 2], galaxy="NGC1"
    )
    json.dumps(record)
    assert record["inputs"] == {"in.txt": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert record["config_sha256"] == config_hash(NoiseConfig())
    assert record["code_sha256"] == fingerprint(["sfhnet.tools.atomic_files"])
    assert record["seed"] == [1, 2] and record["galaxy"] == "NGC1"
    assert record["versions"]["numpy"] == np.__version__
    assert sha256_file(tmp_path / "in.txt") == record["inputs"]["in.txt"]
    assert git_commit(tmp_path) == "unknown"


def test_config_hash_ignores_order():
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1}) != config_hash({"a": 2, "b": 1})


def test_progress_lines(caplog):
    with caplog.at_level(logging.INFO, "sfhnet"):
        assert list(track(range(4), "counting", every_s=0.0)) == [0, 1, 2, 3]
        with Progress(None, "training") as progress:
            progress.update(3, "loss 0.2")
    assert "counting: 2 it, of 4 it (50 %)" in caplog.text
    assert "training: 3 it, in 0 s, loss 0.2" in caplog.text


def test_bar_on_a_terminal(tmp_path):
    program = "from sfhnet.tools.progress import track; import time\nfor _ in track(range(5), 'drawing'): time.sleep(0.2)"

    def seen(size):
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        subprocess.run([sys.executable, "-c", program], stderr=follower, check=True)
        os.set_blocking(leader, False)
        try:
            return os.read(leader, 1 << 16).decode()
        except BlockingIOError:
            return ""
        finally:
            os.close(follower)
            os.close(leader)

    assert "drawing" in seen((40, 120)) and "/5" in seen((40, 120))
    assert "drawing" not in seen((0, 0)), "without a size there is no bar, but lines in the log"


SCRIPT = '''
"""A step."""
import logging
from sfhnet.tools.script_options import parser, setup
from sfhnet.tools.progress import track

if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--fail", action="store_true")
    args = options.parse_args()
    setup(args)
    for _ in track(range(3), "working"):
        pass
    if args.fail:
        raise ValueError("flux has 3 wavelengths, templates have 4; resample first")
'''


def run_script(tmp_path, root, *arguments, **env):
    script = tmp_path / "step.py"
    script.write_text(textwrap.dedent(SCRIPT))
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(root / "src"), **env},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )


def test_script_logs_to_file_and_terminal(tmp_path, root):
    done = run_script(tmp_path, root, "--log", "logs/step.log", "--threads", "1")
    log = (tmp_path / "logs" / "step.log").read_text()
    assert done.returncode == 0
    assert "working: 3 it, of 3 it (100 %)" in log and "working" in done.stderr
    assert run_script(tmp_path, root, "--threads", "0").returncode != 0
    assert "--config" in run_script(tmp_path, root, "--help").stdout


def test_script_failure_is_in_the_log(tmp_path, root):
    done = run_script(tmp_path, root, "--log", "step.log", "--fail")
    log = (tmp_path / "step.log").read_text()
    assert done.returncode == 1
    assert "Traceback" in log and log.rstrip().endswith("templates have 4; resample first")
    assert done.stderr.rstrip().endswith("resample first")


def test_promised_environment_is_required(tmp_path, root):
    outside = run_script(tmp_path, root, "--require-env", CONDA_PREFIX="/nowhere")
    assert outside.returncode != 0 and "the activation failed" in outside.stderr
    # The tests' own environment holds snakemake, as no step environment does.
    snakemakes = run_script(tmp_path, root, "--require-env", CONDA_PREFIX=sys.prefix)
    assert snakemakes.returncode != 0 and "holds snakemake" in snakemakes.stderr


def test_logging_can_be_set_twice(tmp_path):
    args = script_options.parser("x").parse_args(["--log", str(tmp_path / "a.log")])
    logger, hook = logging.getLogger("sfhnet"), sys.excepthook
    kept = list(logger.handlers), logger.propagate, logging.getLogger("py.warnings").handlers
    try:
        script_options.setup(args)
        script_options.setup(args)
        logger.info("once")
        assert (tmp_path / "a.log").read_text().count("once") == 1
    finally:
        sys.excepthook = hook
        logging.captureWarnings(False)
        for handler in logger.handlers:
            handler.close()
        logger.handlers, logger.propagate = kept[0], kept[1]
        logging.getLogger("py.warnings").handlers = kept[2]


def test_show(tmp_path, capsys):
    path = tmp_path / "a.h5"
    with create_h5(path, "sfhnet.test", 1, provenance=provenance(seed=7)) as file:
        put(file, "labels/flux", np.zeros((3, 4)), unit="Lsol/AA", axes="galaxy, wave")
    assert main(["show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "schema_version: sfhnet.test/1" in shown and "seed: 7" in shown
    assert re.search(r"labels/flux +3x4 +\(galaxy, wave\) \[Lsol/AA\]", shown)
    assert main(["show", "--provenance", str(path)]) == 0
    assert '"git_commit"' in capsys.readouterr().out
    path.write_text("text")
    assert main(["show", str(path)]) == 1
    assert "not an HDF5 file" in capsys.readouterr().err
