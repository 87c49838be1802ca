"""The page of results says what the files beside the weights say, and nothing else."""

import json
import shutil

import pytest

from sfhnet.tools.hdf5 import read_json, write_json
from sfhnet.tools.shipped_files import model_names, shipped_model
from sfhnet.validation.band_value import MEASURED, band_sets
from sfhnet.validation.results_page import BAND_VALUE, FOREIGN, SIMULATED_GALAXY, galaxy_results, results_page


@pytest.fixture
def folder(tmp_path):
    shipped = shipped_model(model_names()[0])
    copy = tmp_path / "mine"
    copy.mkdir()
    for name in ("metrics.json", "model.json"):
        shutil.copy(shipped / name, copy)
    return copy


def changed(folder, change):
    metrics = read_json(folder / "metrics.json")
    change(metrics)
    write_json(folder / "metrics.json", metrics)
    return results_page([folder])


def test_it_follows_the_metrics(folder):
    before = results_page([folder])
    assert "## The network mine" in before

    def other(metrics):
        metrics["training"] |= {"source": "shards", "n_mocks": 1_234_567}
        for case in metrics["cases"].values():
            case["model"]["scalars"]["mw_log_age"] |= {"scatter": 0.876, "robust_scatter": 0.543}
            case["model"]["coverage"]["cum_mass"]["68"] = 0.123

    after = changed(folder, other)
    assert "1,234,567 simulated galaxies" in after
    assert "0.88 (0.54)" in after
    assert "| cumulative mass | " in after
    row = next(line for line in after.splitlines() if line.startswith("| cumulative mass |"))
    assert "| 12 |" in row


def test_what_is_read_off_the_draws_is_shown_where_the_calibration_has_it(folder):
    title = "### What is read off the draws"
    assert title not in results_page([folder])
    write_json(folder / "calibration.json", {"schema_version": "any", "from_draws": None})
    assert title not in results_page([folder])
    held = (
        {"mh_young": {"68": 0.513, "95": 0.81, "n": 4321}},
        {"mh_young": {"68": 0.69, "95": 0.94, "n": 4321}},
    )
    found = {"before": held[0], "after": held[1], "bursts": [{"said": 0.8, "was": 0.75, "n": 99}]}
    write_json(folder / "calibration.json", {"from_draws": found})
    page = results_page([folder])
    assert "| [M/H], younger than 1 Gyr | 51 | 69 | 81 | 94 | 4,321 |" in page
    assert "| 80 % | 75 % | 99 |" in page


def test_a_network_of_a_stream_and_what_it_did_with_foreign_galaxies(folder):
    (folder / FOREIGN).write_text(json.dumps({"found": "this"}))

    def streamed(metrics):
        metrics["training"] |= {"source": "stream", "n_spectra": 7_654_321}

    assert "7,654,321 noisy spectra of galaxies drawn meanwhile" in changed(folder, streamed)
    page = results_page([folder], foreign=lambda result: [f"foreign: {result['found']}"])
    assert "foreign: this" in page.splitlines()


def test_a_network_without_bands_is_shown_as_well(folder):
    def no_bands(metrics):
        metrics["cases"] = {name: case for name, case in metrics["cases"].items() if not case["bands"]}

    page = changed(folder, no_bands)
    assert "without bands" in page
    assert "with bands" not in page.split("## The network mine")[1]
    assert "Mocks unlike the training" not in page


def test_the_simulated_galaxy_is_shown_where_it_was_kept(folder):
    summary = {
        "galaxy": "simulated",
        "model": "mine",
        "n_bins": 7,
        "median_snr": 41.0,
        "verdict": ["not kept"],
        "truth": {"mw_mh": {"bias": -0.02, "rms": 0.09, "coverage_68": 0.71, "rms_prior_mean": 0.31}},
        "gradients": {
            "mw_mh_per_kpc": {"slope": -0.03, "slope_err": 0.01, "true_slope": -0.04, "n_sigma": -1.0},
            "mw_mh_per_r25": {"slope": -0.3, "slope_err": 0.1, "true_slope": -0.4, "n_sigma": -1.0},
        },
    }
    (folder / SIMULATED_GALAXY).write_text(json.dumps(galaxy_results(summary)))
    page = results_page([folder])
    assert "7 bins of median S/N 41" in page
    assert "| mass-weighted [M/H] [dex] | -0.02 | 0.09 | 0.31 | 71 % |" in page
    assert page.count("-0.030 ± 0.010") == 1
    assert "not kept" not in page
    with pytest.raises(ValueError, match="a: its truth is not known"):
        galaxy_results({"galaxy": "a"})


def test_what_each_band_brings_is_shown_where_it_was_kept(folder):
    names = ("F275W", "F814W")
    rows = [
        {
            "snr": 20.0,
            "bands": bands,
            "quantity": quantity,
            "error": 0.1 + 0.01 * k,
            "error_change": -3.21 if bands == "only F814W" else 0.0,
            "error_change_err": 0.44,
            "width_change": 1.56,
        }
        for bands in band_sets(names)
        for k, quantity in enumerate(MEASURED)
    ]
    result = {"galaxies": 1234, "calibrated": True, "band_names": names, "rows": rows}
    write_json(folder / BAND_VALUE, result)
    lines = results_page([folder]).splitlines()
    assert any(line.startswith("1,234 mocks of `real`") for line in lines)
    table = lines[next(k for k, line in enumerate(lines) if line.startswith("| S/N 20 |")) :]
    assert table[0].count("|") == 2 + len(MEASURED)
    starts = [line.split(" | ")[0].removeprefix("| ") for line in table[2:8]]
    assert starts == ["none", "all", "without F275W", "without F814W", "only F275W", "only F814W"]
    assert table[3].startswith("| all | 0.1000 | 0.1100 |")
    assert table[7].startswith("| only F814W | -3.2 ± 0.4 (+1.6) |")
