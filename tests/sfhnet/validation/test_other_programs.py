import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from ingredients import WIDE_AGE_EDGES_MYR
from sfhnet.__main__ import main
from sfhnet.core.histories import mean_log_age
from sfhnet.core.quantities import SCALARS
from sfhnet.tools.hdf5 import write_json
from sfhnet.validation.other_programs import score, write_benchmark

N, N_WAVE = 30, 50


@pytest.fixture
def truth(rng):
    fraction = rng.dirichlet(np.ones(7), N)
    mh = rng.uniform(-1, 0.3, (N, 7))
    scalars = {name: rng.uniform(7, 10, N) for name in SCALARS}
    scalars["mw_log_age"] = fraction @ mean_log_age(1e6 * WIDE_AGE_EDGES_MYR)
    scalars["mw_mh"] = (fraction * mh).sum(axis=1)
    scalars["log_sfr10"] = np.log10(fraction[:, 0] / 1e7)
    return {"mass_fraction": fraction, "mh": mh, **scalars}


@pytest.fixture
def benchmark(tmp_path, truth):
    batch = SimpleNamespace(
        flux=torch.ones(N, N_WAVE),
        sigma=torch.full((N, N_WAVE), 0.02),
        mask=torch.ones(N, N_WAVE, dtype=torch.bool),
        band_flux=torch.ones(N, 5),
        band_sigma=torch.full((N, 5), 0.05),
        band_mask=torch.ones(N, 5, dtype=torch.bool),
    )
    frozen = SimpleNamespace(truth=truth, family=np.array(["delayed"] * N), sha256="abc")
    case = SimpleNamespace(batch=batch, name="real_snr050", benchmark=frozen)
    path = tmp_path / "real_snr050.h5"
    write_benchmark(
        case,
        np.arange(4750.0, 4800.0),
        tuple("ABCDE"),
        age_edges_myr=WIDE_AGE_EDGES_MYR,
        out=path,
        provenance={},
    )
    return path


def answer(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def test_the_truth_scores_perfectly(tmp_path, benchmark, truth):
    path = answer(tmp_path / "a.h5", mass_fraction=truth["mass_fraction"], mh=truth["mh"])
    found = score(benchmark, path)
    assert (found["n"], found["failed"], found["case"]) == (N, 0, "real_snr050")
    assert found["cum_mae"] == pytest.approx(0, abs=1e-12)
    for name in ("mw_log_age", "mw_mh", "log_sfr10"):
        assert found["scalars"][name]["scatter"] == pytest.approx(0, abs=1e-9)
    # What a history does not hold is not scored.
    assert np.isnan(found["scalars"]["lw_log_age"]["scatter"])


def test_answers_to_some_galaxies_are_scored_as_the_networks_are(tmp_path, benchmark, truth, rng):
    row = np.array([7, 2, 19, 4])
    fraction = rng.dirichlet(np.ones(7), 4)
    scalars = {name: truth[name][row] + 0.1 for name in SCALARS}
    fraction_with_hole = np.vstack([fraction, np.full((1, 7), np.nan)])
    path = answer(
        tmp_path / "a.h5",
        row=np.append(row, 5),
        mass_fraction=fraction_with_hole,
        mh=np.zeros((5, 7)),
        **{name: np.append(values, np.nan) for name, values in scalars.items()},
    )
    found = score(benchmark, path)
    assert (found["n"], found["failed"]) == (4, 1)
    assert found["scalars"]["lw_mh"]["bias"] == pytest.approx(0.1)
    expected = np.abs((fraction - truth["mass_fraction"][row]).cumsum(axis=1))[:, :-1].mean()
    assert found["cum_mae"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mass_fraction": None}, "no dataset mass_fraction"),
        ({"mh": np.zeros((N, 6))}, r"mh has shape \(30, 6\), expected \(30, 7\)"),
        ({"mass_fraction": np.ones((N, 7))}, "sum to one"),
        ({"row": np.arange(N) + 1}, "whole numbers from 0 to 29"),
        ({"lw_mh": np.zeros(3)}, "lw_mh has shape"),
    ],
)
def test_wrong_answers_are_refused(tmp_path, benchmark, truth, change, words):
    right = {"mass_fraction": truth["mass_fraction"], "mh": truth["mh"]}
    datasets = {name: values for name, values in (right | change).items() if values is not None}
    with pytest.raises(ValueError, match=words):
        score(benchmark, answer(tmp_path / "a.h5", **datasets))


def test_the_command_prints_a_table_beside_a_network(tmp_path, benchmark, truth, capsys):
    path = answer(tmp_path / "mine.h5", mass_fraction=truth["mass_fraction"], mh=truth["mh"])
    scores = {name: {"scatter": 0.2, "r2": 0.5} for name in SCALARS}
    metrics = {"cum_mae": 0.05, "w1_dex": 0.1, "smape_lovell": 0.3, "scalars": scores}
    network = {
        "model": "flow",
        "benchmarks_sha256": {"real_snr050": "abc"},
        "cases": {"real_snr050": {"model": metrics, "prior_mean": metrics}},
    }
    write_json(tmp_path / "metrics.json", network)
    beside = ["--beside", str(tmp_path / "metrics.json")]
    out = tmp_path / "scores.json"
    assert main(["score", str(path), "--benchmark", str(benchmark), *beside, "-o", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "real_snr050: 30 galaxies, 0 failed"
    zero = "0.000"
    assert lines[-3].split()[:-1] == ["mine", zero, zero, zero, zero, "-", zero, "-"]
    assert lines[-2].split()[:2] == ["flow", "0.050"]
    assert json.loads(out.read_text())["scalars"]["lw_mh"]["scatter"] is None
    write_json(tmp_path / "metrics.json", network | {"benchmarks_sha256": {"real_snr050": "other"}})
    assert main(["score", str(path), "--benchmark", str(benchmark), *beside]) == 1
    assert "other mocks or noise" in capsys.readouterr().err
