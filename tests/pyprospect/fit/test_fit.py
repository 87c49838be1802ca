"""Fits of small galaxies: every way of answering finds the truth, and they agree; what is wrong is said."""

import dataclasses
import warnings

import h5py
import numpy as np
import pytest
import torch

from fitted_galaxies import (
    BANDS,
    PARAMETERS,
    TRUTH,
    WAVE_AA,
    empty_data,
    make_model,
    observed,
    stars,
    true_values,
)
from pyprospect.fit import Calibration, Data, Fit, Photometry, Spectrum, Uniform, fit, fit_many
from pyprospect.fit.answers import FitFileError
from pyprospect.fit.fitting import ConvergenceWarning, FewDataWarning
from pyprospect.fit.target import BadModelError
from pyprospect.messages import ProSpectWarning


@pytest.fixture(scope="module")
def library():
    return stars()


@pytest.fixture(scope="module")
def model(library):
    return make_model(library)


@pytest.fixture(scope="module")
def data(model):
    return observed(model, true_values(model), rng=np.random.default_rng(3))


@pytest.fixture(scope="module")
def found(data, model, tmp_path_factory):
    """A fit with its mode, chains and normal draws, in a file."""
    result = fit(data, model, path=tmp_path_factory.mktemp("fit") / "galaxy.h5")
    result.map()
    result.sample("laplace", n_draw=1000)
    result.sample("nuts", n_chain=4, min_effective=80)
    return result


def pulls(answer):
    return {r.name: (r.mean - TRUTH[r.name]) / r.sigma for r in answer.rows() if r.name in TRUTH}


def test_chains_find_the_truth(found):
    assert max(np.abs(list(pulls(found.answers["nuts"]).values()))) < 3.5
    for row in found.answers["nuts"].rows():
        assert row.effective > 40 and row.r_hat < 1.08, row


def test_normal_about_the_mode_is_that_of_the_chains(found):
    chains, normal = ({r.name: r for r in found.answers[way].rows()} for way in ("nuts", "laplace"))
    for name in ("log_mass", "mh", "tau_screen"):
        assert abs(chains[name].mean - normal[name].mean) < 1.0 * chains[name].sigma, name
        assert 0.5 < normal[name].sigma / chains[name].sigma < 2.0, name


@pytest.mark.slow
def test_nested_sampling_agrees_and_goes_on(found, data, model, tmp_path):
    pytest.importorskip("nautilus")
    few = {"n_live": 150, "n_effective": 200, "n_networks": 0}
    other = fit(data, model, path=tmp_path / "galaxy.h5")
    with pytest.warns(ConvergenceWarning, match="give it more seconds"):
        other.sample("nested", **few, seconds=0.05)
    (state,) = tmp_path.glob("galaxy.nested-*.h5")
    state.write_bytes(state.read_bytes()[:1000])  # killed while it wrote
    with pytest.warns(ProSpectWarning, match="is damaged .* starts again"):
        answer = other.sample("nested", **few)
    # a fit of something else does not take up this state
    elsewhere = fit(data, make_model(other.model.library, data, {**PARAMETERS, "mh": Uniform(-1.0, 0.3)}))
    elsewhere.path = other.path
    with pytest.warns(ConvergenceWarning):
        elsewhere.sample("nested", **few, seconds=0.05)
    assert len(list(tmp_path.glob("galaxy.nested-*.h5"))) == 2
    chains = {r.name: r for r in found.answers["nuts"].rows()}
    for row in answer.rows():
        if row.name in TRUTH:
            assert abs(row.mean - chains[row.name].mean) < 0.8 * chains[row.name].sigma, row.name
    # a posterior that is nearly normal: the normal's evidence is near
    assert abs(other.log_evidence["nested"] - found.log_evidence["laplace"]) < 1.5


def test_a_fit_is_read_again_and_goes_on(found, data, model, tmp_path):
    again = fit(data, model, path=found.path)
    assert list(again.answers) == list(found.answers)
    np.testing.assert_array_equal(again.answers["nuts"].values, found.answers["nuts"].values)
    before = again.answers["nuts"].u.shape[1]
    again.path = tmp_path / "more.h5"
    with pytest.warns(ConvergenceWarning, match="raise max_draws"):
        more = again.sample("nuts", n_chain=4, min_effective=1e5, max_draws=before + 20)
    assert more.u.shape[1] > before
    np.testing.assert_allclose(more.u[:, :before], found.answers["nuts"].u, atol=1e-6)
    stored = Fit.read(again.path)
    assert stored.summary("nuts") == again.summary("nuts")
    assert "log_age_mass" in stored.summary("nuts")
    for call in (lambda: stored.sample("nuts"), stored.map, lambda: stored.weigh({})):
        with pytest.raises(ValueError, match="has no model"):
            call()


def test_a_file_of_another_fit_is_refused(found, data, library, tmp_path):
    other = make_model(library, data, {**PARAMETERS, "mh": Uniform(-1.0, 0.3)})
    with pytest.raises(FitFileError, match="of other data or another model"):
        fit(data, other, path=found.path)
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(FitFileError, match="is not HDF5"):
        Fit.read(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(FitFileError, match="is not a fit"):
        Fit.read(tmp_path / "other.h5")


def test_figures_show_something(found):
    pytest.importorskip("matplotlib")
    stored = Fit.read(found.path)
    for figure in (found.corner("nuts", truth=TRUTH), found.plot_sed(), stored.plot_sfh("nuts")):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        assert np.ptp(np.asarray(canvas.buffer_rgba())[..., :3].mean(axis=2)) > 100


def test_gradient_is_that_of_the_probability(data, library):
    model = make_model(library, data, dtype=torch.float64)
    target = fit(data, model, calibration=Calibration(3, 0.05, level=0.1)).target
    rng, rows = np.random.default_rng(1), torch.zeros(4, dtype=torch.long)
    u = target.start(4, rng)
    _, gradient = target.with_gradient(u, rows)
    for i in range(u.shape[1]):
        step = torch.zeros_like(u)
        step[:, i] = 1e-5
        slope = (target.log_prob(u + step, rows) - target.log_prob(u - step, rows)) / 2e-5
        np.testing.assert_allclose(gradient[:, i], slope, rtol=1e-4, atol=1e-2)


def test_many_galaxies_are_fitted_as_one_by_one(library, tmp_path):
    rng = np.random.default_rng(5)
    model = make_model(library, empty_data(5))
    u = torch.as_tensor(0.7 * rng.standard_normal((5, model.parameters.n_free)))
    truth = model.parameters.values(u)
    data = observed(model, truth, rng=rng)
    path = tmp_path / "many.h5"
    many = fit_many(data, model, block=2, path=path)
    width = 0.5 * (many.quantiles[:, 2] - many.quantiles[:, 0])
    true = model.parameters.flat(truth).numpy()
    pull = (many.quantiles[:, 1, : true.shape[1]] - true) / width[:, : true.shape[1]]
    assert np.median(np.abs(pull)) < 1.5
    assert np.all(np.abs(many.chi2 / many.n_values - 1) < 0.4)
    np.testing.assert_allclose(many.column("log_mass")[:, 1], true[:, 0], atol=0.3)
    # what is in the file is not made again
    with h5py.File(path, "a") as file:
        file["block_2/chi2"][...] = 7.0
    again = fit_many(data, model, block=2, path=path)
    assert list(again.chi2[2:4]) == [7.0, 7.0]
    with pytest.raises(FitFileError, match="of other data"):
        fit_many(data.take([0, 1]), make_model(library, data.take([0, 1])), path=path)


def test_galaxies_without_an_answer_are_named(library):
    """One of three has a spectrum that no model comes near to, one has next to no data: the third is as it would be alone."""
    rng = np.random.default_rng(6)
    model = make_model(library, empty_data(3))
    data = observed(model, true_values(make_model(library)), rng=rng)
    s, p = (np.repeat(part.flux, 3, axis=0) for part in (data.spectrum, data.photometry))
    mask = np.ones(s.shape, bool)
    mask[2, 2:] = False
    s[1] = 1e200
    sigma = np.repeat(data.spectrum.sigma, 3, axis=0)
    sigma[1] = 1e-200
    none = np.ones(p.shape, bool)
    none[2] = False
    three = Data(
        Spectrum(WAVE_AA, s, sigma, mask),
        Photometry(BANDS, p, np.repeat(data.photometry.sigma, 3, axis=0), none),
        redshift=0.005,
        lum_dist_mpc=20.0,
    )
    with (
        pytest.warns(ConvergenceWarning, match=r"1 of 3 galaxies did not converge, such as \[1\]"),
        pytest.warns(FewDataWarning, match=r"1 of 3 galaxies have fewer values than the 4 .*\[2\]"),
    ):
        many = fit_many(three, make_model(library, three))
    assert many.converged.tolist() == [True, False, True]
    assert np.isnan(many.quantiles[1]).all() and np.isfinite(many.quantiles[[0, 2]]).all()
    assert abs(many.column("log_mass")[0, 1] - TRUTH["log_mass"]) < 0.2


def test_network_draws_are_weighed(found, data, model):
    """Draws of the posterior itself keep their weight, draws of somewhere else do not."""
    chains = found.answers["nuts"]
    names = list(model.parameters.priors)
    draws = {name: chains.column(name).ravel() for name in names}
    good = fit(data, model)
    answer = good.weigh(draws)
    assert answer.about["effective_size"] > 0.3 * chains.log_weight.size and not answer.about["collapsed"]
    assert abs(good.log_evidence["weighed"] - found.log_evidence["laplace"]) < 1.5
    off = {**draws, "log_mass": draws["log_mass"] + 0.5}
    with pytest.warns(ConvergenceWarning, match="the weights collapse"):
        answer = good.weigh(off)
    assert answer.about["collapsed"]
    with pytest.raises(ValueError, match="the draws lack mh"):
        good.weigh({k: v for k, v in draws.items() if k != "mh"})
    started = good.map(n_start=2, starts={k: v[:3] for k, v in draws.items()})
    assert abs(started["log_mass"] - TRUTH["log_mass"]) < 0.1


def test_what_cannot_be_fitted_is_said(library, data, model):
    few = Data(None, data.photometry, redshift=0.005, lum_dist_mpc=20.0)
    bands_only = make_model(library, few)
    with pytest.warns(FewDataWarning, match="3 values for 4 free parameters"):
        fit(few, bands_only)
    nothing = dataclasses.replace(data.spectrum, mask=np.zeros((1, WAVE_AA.size), bool))
    masked = dataclasses.replace(data.photometry, mask=np.zeros((1, 3), bool))
    with pytest.raises(ValueError, match="nothing to fit"):
        fit(Data(nothing, masked, redshift=0.005, lum_dist_mpc=20.0), model)
    with pytest.raises(ValueError, match=r"parameter 'mpeek' is not one of this model; do you mean 'mpeak'"):
        make_model(library, data, {"log_mass": Uniform(7, 11), "mpeek": 3.0})
    with pytest.raises(ValueError, match=r"log_mass: Uniform\(low=7.0, high=11.0\) excludes 12"):
        fit(data, model).map(starts={name: [value] for name, value in (TRUTH | {"log_mass": 12.0}).items()})
    with pytest.raises(ValueError, match="of 2 galaxies; use fit_many"):
        fit(empty_data(2), model)
    far = {"far": (np.array([9e4, 1e5, 1.1e5]), np.array([0.0, 1.0, 0.0]))}
    with pytest.raises(ValueError, match=r"band .*far responds over"):
        make_model(library, Data(None, Photometry(far, [1.0], [1.0]), redshift=0.005, lum_dist_mpc=20.0))
    with pytest.raises(ValueError, match="errors that are not positive"):
        Spectrum(WAVE_AA, np.ones(WAVE_AA.size), np.zeros(WAVE_AA.size))
    with pytest.raises(ValueError, match="unknown; use one of"):
        fit(data, model).sample("mcmc")


def test_a_likelihood_that_is_no_number_is_said(library, data):
    from pyprospect.fit.parameters import Parameters

    parameters = Parameters(PARAMETERS, log_prior=lambda p: p["mh"] * float("nan"))
    with pytest.raises(BadModelError, match=r"not a finite number at any of 16 starts, such as \{'log_mass'"):
        fit(data, make_model(library, data, parameters)).map()


def test_chains_that_stop_too_early_warn(data, model):
    few = fit(data, model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        few.map()
    with pytest.warns(ConvergenceWarning, match="raise max_draws"):
        few.sample("nuts", n_chain=2, max_draws=10, min_effective=1e6)


@pytest.mark.parametrize("spectrum", [True, False])
def test_data_that_no_model_meets_have_a_mode(library, spectrum):
    """Errors ten times too small, and few bands whose fit is all but perfect: the mode is that of the full likelihood."""
    rng = np.random.default_rng(9)
    model = make_model(library, empty_data(spectrum=spectrum), {**PARAMETERS, "mpeak": 7.0, "mh": -0.4})
    truth = model.parameters.to_normal({k: [TRUTH[k]] for k in model.parameters.priors})
    data = observed(model, model.parameters.values(truth), rng=rng)
    if spectrum:
        data = Data(
            dataclasses.replace(data.spectrum, sigma=data.spectrum.sigma / 10),
            data.photometry,
            redshift=0.005,
            lum_dist_mpc=20.0,
        )
    found = fit(data, model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        found.map(n_start=8)
    _, gradient = found.target.with_gradient(found.mode.u, found.row)
    step = found.mode.factor[0] @ found.mode.factor[0].T @ gradient[0]
    assert float(gradient[0] @ step) < 0.1  # what one more step would gain, twice


def test_upper_limits_and_errors_that_are_fitted(library):
    rng = np.random.default_rng(8)
    model = make_model(library)
    data = observed(model, true_values(model), rng=rng)
    p = data.photometry
    limited = dataclasses.replace(
        p, bands=BANDS, flux=p.flux * [3.0, 1.0, 1.0], upper_limit=[True, False, False]
    )
    spectrum = dataclasses.replace(data.spectrum, sigma=data.spectrum.sigma / 2)
    given = Data(spectrum, limited, redshift=0.005, lum_dist_mpc=20.0)
    parameters = {**PARAMETERS, "log_error_scale": Uniform(-1.0, 2.0)}
    result = fit(given, make_model(library, given, parameters))
    found = result.map()
    assert abs(found["log_error_scale"] - np.log(2)) < 0.15  # errors were given twice too small
    assert abs(found["log_mass"] - TRUTH["log_mass"]) < 0.15
    # a limit below the galaxy pulls it down
    tight = dataclasses.replace(limited, bands=BANDS, flux=p.flux * [0.7, 1.0, 1.0])
    lower = Data(spectrum, tight, redshift=0.005, lum_dist_mpc=20.0)
    pulled = fit(lower, make_model(library, lower, parameters)).map()
    assert pulled["log_prob"] < found["log_prob"] - 3
