"""The quick start does what it says: its command and its Python run, and give one answer."""

import re
import shlex

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from sfhnet.__main__ import main
from sfhnet.core.posterior import Posterior


@pytest.fixture
def page(root, upstream, tmp_path, monkeypatch):
    upstream("ngc3073")
    (tmp_path / "data").symlink_to(root / "data")
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    return (root / "docs" / "quick-start.md").read_text()


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


def test_the_command_and_the_python_give_one_answer(page, tmp_path, capsys):
    (command,) = [line for block in blocks(page, "") for line in block.splitlines() if "sfhnet infer" in line]
    assert main(shlex.split(command)[1:]) == 0
    by_command = Posterior.read("ngc3073.h5")
    printed = capsys.readouterr().out
    (tmp_path / "ngc3073.h5").unlink()
    (tmp_path / "ngc3073.png").unlink()

    first, second = blocks(page, "python")
    assert len(first.splitlines()) <= 10
    names = {}
    for number, block in enumerate((first, second), 1):
        exec(compile(block, f"quick-start.md, block {number}", "exec"), names)
    by_python = Posterior.read("ngc3073.h5")
    np.testing.assert_allclose(by_python.mass_fraction, by_command.mass_fraction, atol=1e-6)
    assert names["answers"].summary(0) in printed
    assert np.ptp(plt.imread("ngc3073.png")[..., :3].mean(axis=2)) > 0.5
