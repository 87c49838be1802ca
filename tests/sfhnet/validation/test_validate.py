"""Validation end to end on a small model: every number, the card and every figure."""

import importlib
import json

import h5py
import numpy as np
import pytest
import torch
from matplotlib import image

from sfhnet.config import CalibrationConfig, FiguresConfig, NoiseConfig, PriorConfig, ValidationConfig
from sfhnet.figures.network_drawing import parts_of
from sfhnet.figures.validation import FIGURES, draw_validation
from sfhnet.inference.model import CALIBRATION
from sfhnet.networks import KINDS, build
from sfhnet.training.setup import make_spec
from sfhnet.validation.calibrate import calibrate
from sfhnet.validation.model_card import model_card
from sfhnet.validation.sums_of_galaxies import add_up
from sfhnet.validation.validate import validate
from small_networks import small_model, small_trainer


@pytest.fixture(scope="module")
def validated(model_dir, test_mocks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("validation")
    config = ValidationConfig(galaxies=96, snr=(20.0, 50.0), sums=(1, 4), sum_galaxies=20)
    # 96 galaxies are few of each of many families.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("sfhnet.validation.validate"), "_FEWEST_OF_FAMILY", 5)
        metrics = validate(
            model_dir,
            {"test": test_mocks, "spiky": test_mocks},
            config,
            noise=NoiseConfig(),
            seed=1,
            out_metrics=folder / "metrics.json",
            out_h5=folder / "validation.h5",
            provenance={},
        )
    return folder, metrics


def test_every_case_has_every_metric(validated):
    folder, metrics = validated
    assert json.loads((folder / "metrics.json").read_text())["model"] == metrics["model"]
    # Two S/N, with and without bands, of ideal and real; the stress tests once each; nothing is held out here.
    assert len(metrics["cases"]) == 10
    assert {"ripple_snr050", "spiky_snr050"} <= set(metrics["cases"])
    for case in metrics["cases"].values():
        for who in ("model", "prior_mean"):
            numbers = case[who]
            assert {"w1_dex", "smape_lovell", "smape_floored", "smape_textbook", "coverage"} <= set(numbers)
            assert set(numbers["age_ranges"]) == {"young", "intermediate", "old"}
            assert np.isfinite(numbers["w1_dex"])
        assert "coverage_uncalibrated" in case
        for state in ("before", "after"):
            assert 0 < case["calibration_tests"][state]["sbc"]["mw_mh"]["ks"] < 0.5
    assert len(metrics["benchmarks_sha256"]) == 6
    with h5py.File(folder / "validation.h5") as file:
        family, n = np.unique(file["real_snr050/family"].asstr()[:], return_counts=True)
    # Families of few galaxies say nothing of their own.
    told = {name: numbers["n"] for name, numbers in metrics["cases"]["real_snr050"]["families"].items()}
    assert told == {str(name): k for name, k in zip(family, n, strict=True) if k >= 5} != {}
    assert metrics["inference_ms_per_spectrum"]["one_core"] > 0


def test_the_small_model_beats_the_prior(validated):
    case = validated[1]["cases"]["real_snr050"]
    assert case["model"]["w1_dex"] < 0.8 * case["prior_mean"]["w1_dex"]
    assert (
        case["model"]["scalars"]["lw_log_age"]["scatter"]
        < 0.7 * case["prior_mean"]["scalars"]["lw_log_age"]["scatter"]
    )


def test_stored_numbers_have_units_and_axes(validated):
    with h5py.File(validated[0] / "validation.h5") as file:
        seen = []

        def check(name, item):
            if isinstance(item, h5py.Dataset):
                seen.append(name)
                assert "unit" in item.attrs, name
                assert len(item.attrs["axes"].split(",")) == item.ndim, name

        file.visititems(check)
        assert "real_snr050_nobands/estimate/mw_log_age" in seen
        truth = file["real_snr050/truth/mass_fraction"][()]
        assert truth.sum(1) == pytest.approx(1.0, abs=1e-4)


def test_the_card_shows_the_numbers(validated, model_dir):
    _, metrics = validated
    card = model_card(model_dir, metrics, PriorConfig())
    case = metrics["cases"]["real_snr050"]
    assert f"{case['model']['w1_dex']:.3f} ({case['prior_mean']['w1_dex']:.3f})" in card
    assert "OUT_OF_DISTRIBUTION" in card
    assert "dense basis 20 %" in card
    assert f"| 4 | {metrics['aperture']['4']['w1_dex']:.3f} |" in card
    assert "ripple_snr050" in card.split("## Limits")[1]


def test_every_figure_is_drawn_and_repeats_exactly(validated, model_dir, tmp_path):
    folder, _ = validated
    config = FiguresConfig(dpi=60)
    arguments = ([folder / "metrics.json"], [folder / "validation.h5"], [model_dir])
    paths = draw_validation(*arguments, out_dir=tmp_path / "a", config=config)
    assert len(paths) == 2 * len(FIGURES)
    for path in paths:
        if path.suffix == ".png":
            assert image.imread(path)[..., :3].std() > 0.02, path
    again = draw_validation(*arguments, out_dir=tmp_path / "b", config=config, names=["coverage"])
    assert [path.name for path in again] == ["coverage.pdf", "coverage.png"]
    for path in again:
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()


def test_an_unknown_figure_is_an_error(validated, tmp_path):
    with pytest.raises(ValueError, match="no figures selfie"):
        draw_validation([], [], [], out_dir=tmp_path, config=FiguresConfig(), names=["selfie"])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "prior_mean"])
def test_drawings_count_the_weights_of_the_network(kind, mocks):
    network = build(
        make_spec(small_model(kind), len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr)
    )
    parts = parts_of(network)
    names = {part.name for part in parts}
    assert all(source in names for part in parts for source in part.feeds)
    assert sum(part.n_weights for part in parts) == sum(p.numel() for p in network.parameters())


def test_joint_samples_are_tested_and_drawn_before_and_after(mocks, held_out, test_mocks, tmp_path):
    folder = tmp_path / "small_flow"
    small_trainer("flow", mocks, held_out, folder, epochs=3).run()
    calibrate(
        folder,
        held_out,
        CalibrationConfig(realisations=1),
        noise=NoiseConfig(),
        seed=1,
        out=folder / CALIBRATION,
        provenance={},
    )
    config = ValidationConfig(galaxies=48, snr=(50.0,), n_samples=50, sums=(1,), sum_galaxies=10)
    files = tmp_path / "metrics.json", tmp_path / "validation.h5"
    metrics = validate(
        folder,
        {"test": test_mocks},
        config,
        noise=NoiseConfig(),
        seed=1,
        out_metrics=files[0],
        out_h5=files[1],
        provenance={},
    )
    tests = metrics["cases"]["real_snr050"]["calibration_tests"]
    assert set(tests["before"]["tarp"]) == {"scalars", "history"}
    # Calibration moves the scalars of the samples, and leaves their histories.
    assert set(tests["after"]["tarp"]) == {"scalars"}
    assert tests["before"]["tarp"]["scalars"] != tests["after"]["tarp"]["scalars"]
    assert 0 < tests["after"]["sbc_samples"]["t50"]["ks"] < 1
    assert "tarp" not in metrics["cases"]["real_snr050_nobands"]["calibration_tests"]["before"]
    assert "TARP of joint samples, scalars" in model_card(folder, metrics, PriorConfig())
    paths = draw_validation(
        [files[0]], [files[1]], [], out_dir=tmp_path, config=FiguresConfig(dpi=60), names=["calibration"]
    )
    assert image.imread(paths[1])[..., :3].std() > 0.02


def test_sums_of_galaxies_are_inferred_about_as_well_as_single_ones(validated):
    aperture = validated[1]["aperture"]
    assert set(aperture) == {"1", "4"}
    for found in aperture.values():
        assert found["n"] == 20
        assert found["w1_dex"] < 0.6
        assert found["parts_w1_dex"] < 0.6


def test_adding_up_conserves_mass_and_light(mocks):
    picked = mocks.get(np.arange(12))
    mass = torch.linspace(1.0, 5.0, 12).double()
    summed = add_up(picked, mass, 4)
    share = (mass[:4] / mass[:4].sum()).float()
    assert torch.allclose(summed.flux[0], (share[:, None] * picked.flux[:4]).sum(0), rtol=1e-5)
    assert summed.labels["mass_fraction"].sum(1).numpy() == pytest.approx(1.0, abs=1e-5)
    metals = summed.labels["mass_fraction"] * summed.labels["mh"]
    expected = (share[:, None] * picked.labels["mass_fraction"][:4] * picked.labels["mh"][:4]).sum(0)
    assert metals[0].numpy() == pytest.approx(expected.numpy(), abs=1e-4)
    assert torch.isnan(summed.labels["lw_log_age"]).all()
