"""The first pages do what they say: their command and their Python run, and give one answer."""

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
    return lambda name: (root / "docs" / name).read_text()


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


def test_the_command_and_the_python_give_one_answer(page, tmp_path, capsys):
    page = page("quick-start.md")
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


def test_the_picture_of_what_an_answer_means(page):
    (block,) = blocks(page("concepts.md"), "python")
    names = {}
    exec(compile(block, "concepts.md", "exec"), names)
    plt.close("all")
    age, log_ml = (names["answers"].samples[name][0] for name in ("mw_log_age", "log_ml"))
    assert np.corrcoef(age, log_ml)[0, 1] > 0.4, (
        "the page says that older stars go with more mass for the light"
    )
    assert np.ptp(plt.imread("draws.png")[..., :3].mean(axis=2)) > 0.5
