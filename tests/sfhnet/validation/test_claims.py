"""The paper's claims on made-up answers whose truth is known, and the learning curve end to end."""

import numpy as np
import pytest

from sfhnet.config import Config, FiguresConfig, LearningCurveConfig, TrainingConfig, ValidationConfig
from sfhnet.figures.claims import plot_claims
from sfhnet.figures.learning_curve import plot_learning_curve
from sfhnet.validation.claims import StoredAnswers
from sfhnet.validation.claims import evaluate_claims as claims_of
from sfhnet.validation.learning_curve import curves_of, extrapolated, learning_point
from small_networks import small_model

EDGES = np.array([0.0, 10, 100, 1000, 2500, 6000, 13000])


def answers(name, kind, error, without=1.0, sums=None):
    """Answers that move a share of the mass between neighbouring bins; `without` scales what happens without bands."""
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.ones(6), 400)
    cases, mass = {}, {}
    for benchmark in ("ideal", "real"):
        for bands in (True, False):
            case = f"{benchmark}_snr050" + ("" if bands else "_nobands")
            found = truth.copy()
            # Young and old errors of the same share; only the young one is larger without bands.
            young = np.minimum(error * (1 if bands else without) * truth[:, 0], truth[:, 0])
            old = 4 * error * truth[:, 5]
            found[:, 0] -= young
            found[:, 2] += young
            middle = 4 * error * truth[:, 3]
            found[:, 3] -= middle
            found[:, 2] += middle
            found[:, 5] -= old
            found[:, 4] += old
            mass[case] = (truth, found)
            ranges = {r: {"w1_dex": 0.1, "mh_mae": 0.1} for r in ("young", "intermediate", "old")}
            cases[case] = {
                "snr": 50.0,
                "benchmark": benchmark,
                "model": {"age_ranges": ranges},
                "prior_mean": {"age_ranges": ranges},
            }
    return StoredAnswers({"model": name, "kind": kind, "cases": cases, "aperture": sums}, EDGES, mass)


def sums(many):
    return {n: {"w1_dex": w, "cum_mass_coverage68": 0.68} for n, w in {"1": 0.1, "8": many}.items()}


def test_claims_hold_where_they_should_and_only_there():
    good = claims_of([answers("a", "attention", 0.1, 3.0, sums(0.1)), answers("b", "four_branch", 0.2, 3.0)])
    assert {name: claim["holds"] for name, claim in good.items()} == dict.fromkeys(good, True)
    ratio = good["newer_network"]["numbers"]["a / b"]["ideal"]
    assert ratio["low"] <= ratio["ratio"] <= ratio["high"]
    assert ratio["ratio"] == pytest.approx(0.5, abs=0.01)
    bad = claims_of([answers("a", "attention", 0.2, 1.0, sums(0.2)), answers("b", "four_branch", 0.1)])
    assert bad["newer_network"]["holds"] is False
    assert bad["photometry"]["holds"] is False
    assert bad["aperture"]["holds"] is False


def test_what_was_not_measured_is_not_claimed(tmp_path):
    claims = claims_of([answers("a", "attention", 0.1)])
    assert claims["newer_network"]["holds"] is None
    assert "four_branch" in claims["newer_network"]["reason"]
    assert claims["aperture"]["holds"] is None
    assert [path.suffix for path in plot_claims(claims, tmp_path / "claims", FiguresConfig(dpi=60))] == [
        ".pdf",
        ".png",
    ]


def test_the_learning_curve_counts_draws(shard_paths, tmp_path):
    config = Config(
        models={"pca_mlp": small_model("pca_mlp")},
        galaxies={"model": "pca_mlp"},
        training=TrainingConfig(epochs=2, batch=32, validation_galaxies=48, fit_galaxies=96, device="cpu"),
        validation=ValidationConfig(galaxies=48),
        learning_curve=LearningCurveConfig(model="pca_mlp"),
    )
    points = [
        learning_point(
            config,
            shard_paths[:2],
            size,
            validation=shard_paths[2:3],
            test=shard_paths[3:],
            folder=tmp_path / str(size),
            provenance={},
        )
        for size in (1, 2)
    ]
    assert [point["draws"] for point in points] == [192, 384]
    assert all(point["seconds"] > 0 for point in points)
    assert all(np.isfinite(point["held_out_loss"]) for point in points)
    assert points[0]["real"]["w1_dex"] > 0
    plot_learning_curve(points, tmp_path / "curve", FiguresConfig(dpi=60))
    assert (tmp_path / "curve.png").stat().st_size > 5000


def test_limits_are_those_of_a_power_law():
    draws = 1e5 * np.array([1, 2, 4, 8, 16])
    assert extrapolated(draws, 0.08 + 0.1 * (draws / 1e5) ** -0.6) == pytest.approx(0.08, rel=0.03)
    # what does not bend, or bends upwards, has no limit that it tells
    assert extrapolated(draws, 1.0 - 1e-7 * draws) is None
    assert extrapolated(draws, 0.1 + 1e-7 * draws) is None
    assert extrapolated(draws[:3], [3.0, 2.0, 1.5]) is None


def test_curves_of_a_report_have_limits():
    def point(draws):
        errors = {"w1_dex": 0.1 + draws**-0.5, "mw_log_age_robust": 0.06 + draws**-0.5, "mw_mh_robust": 0.05}
        return {"draws": draws, "seconds": draws / 10, "held_out_loss": 1.0, "ideal": errors, "real": errors}

    curves = curves_of([point(n) for n in (800, 100, 200, 400)])
    assert len(curves) == 7
    assert curves[1]["draws"] == [100, 200, 400, 800]
    assert curves[1]["limit"] == pytest.approx(0.1, rel=0.05)
    assert curves[0]["limit"] is None
