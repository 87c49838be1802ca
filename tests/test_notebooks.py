"""Each notebook runs from its first cell to its last, as a reader runs it, and draws what it says."""

import json
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from explored_galaxy import make_checked
from ingredients import toy_stars
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.products.galaxy_products import write_galaxy_products


@pytest.fixture
def run(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")

    def notebook(name):
        code = (root / f"docs/notebooks/{name}.py").read_text()
        names = {}
        exec(compile(code, f"{name}.py", "exec"), names)
        plt.close("all")
        return names

    return notebook


def drawn(name):
    return np.ptp(plt.imread(name)[..., :3].mean(axis=2)) > 0.5


def test_first_spectrum(run):
    names = run("first_spectrum")
    assert abs(names["best"]["log_mass"] - names["truth"]["log_mass"][0]) < 0.3
    assert drawn("first-spectrum.png")
    assert drawn("first-fit.png")


def test_answer_a_spectrum(run, root, upstream, tmp_path):
    upstream("ngc3073")
    (tmp_path / "data").symlink_to(root / "data")
    names = run("answer_a_spectrum")
    assert 0 < np.median(names["share"]) < 1
    assert drawn("answer.png")


def test_read_a_galaxy(run, tmp_path, capsys):
    spectra, answer, predictive, _ = make_checked(5)
    stars = toy_stars()
    stars = replace(stars, evolution=np.full_like(stars.evolution, 0.6))
    stars.write(tmp_path / "ssp.h5")
    folder = tmp_path / "results/galaxies/simulated"
    folder.mkdir(parents=True)
    answer.write(folder / "posterior.h5")
    grid = TrainingGrid(spectra.wave_aa, np.full(spectra.wave_aa.size, 2.7), {"lsf": "muse_udf10"})
    prior = {name: getattr(answer, name)[0].tolist() for name in ("cum_mass_q", "mh_q")}
    prior["scalars_q"] = {name: value[0].tolist() for name, value in answer.scalars_q.items()}
    write_galaxy_products(
        spectra,
        answer,
        {"prior": prior, **grid.to_json()},
        predictive=predictive,
        summed=None,
        held_out=[],
        ssp=tmp_path / "ssp.h5",
        out_maps=folder / "maps.fits",
        out_bins=folder / "bins.ecsv",
        out_spectra=folder / "bin_spectra.fits",
        out_json=folder / "summary.json",
        provenance={},
    )
    assert json.loads((folder / "summary.json").read_text())["integrated"]["log_mass_surviving"] > 0
    run("read_a_galaxy")
    printed = capsys.readouterr().out
    assert "log_mass_surviving" in printed
    assert drawn("maps.png")
    assert drawn("bin.png")
