"""The parts of a fit: priors, mass functions with gradients, likelihoods, nuclei, chains on laws that are known."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from scipy.interpolate import CubicSpline

from fitted_galaxies import BANDS, PARAMETERS, WAVE_AA, empty_data, make_model, observed, stars, true_values
from pyprospect.fit import (
    Calibration,
    Data,
    Dirichlet,
    FromScipy,
    GalaxyModel,
    Likelihood,
    LogUniform,
    Normal,
    Nucleus,
    Photometry,
    Several,
    Spectrum,
    Student,
    TruncatedNormal,
    Uniform,
    compare,
    fit,
)
from pyprospect.fit.convergence import effective_size, r_hat
from pyprospect.fit.histories import Cells, mass_function_parameters, rates
from pyprospect.fit.nucleus import NucleusLight
from pyprospect.fit.nuts import sample_nuts
from pyprospect.fit.parameters import Parameters
from pyprospect.fit.simulated import rank_test, ranks
from pyprospect.fit.weigh import pareto_smoothed
from pyprospect.histories import massfunc
from pyprospect.prospect.sed_like import log_likelihood

PRIORS = {
    Uniform(-1, 3): stats.uniform(-1, 4),
    LogUniform(0.1, 10): stats.loguniform(0.1, 10),
    Normal(2, 0.5): stats.norm(2, 0.5),
    TruncatedNormal(0, 1, -0.5, 2): stats.truncnorm(-0.5, 2),
    Student(0.5, 0.3, 2): stats.t(2, 0.5, 0.3),
    FromScipy(stats.beta(2, 5)): stats.beta(2, 5),
}


@pytest.mark.parametrize(("prior", "law"), PRIORS.items(), ids=lambda x: type(x).__name__)
def test_priors_are_their_laws(prior, law):
    u = torch.linspace(-4, 4, 41, dtype=torch.float64)[:, None].requires_grad_(True)
    x = prior.from_normal(u)
    (slope,) = torch.autograd.grad(x.sum(), u)
    x, at, slope = x.detach(), u.detach().numpy()[:, 0], slope.numpy()[:, 0]
    np.testing.assert_allclose(x.numpy(), law.ppf(stats.norm.cdf(at)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(prior.log_prob(x).numpy(), law.logpdf(x.numpy()), rtol=1e-8)
    np.testing.assert_allclose(prior.to_normal(x).numpy()[:, 0], at, atol=1e-6)
    # densities change as the map stretches
    np.testing.assert_allclose(stats.norm.logpdf(at) - np.log(slope), law.logpdf(x.numpy()), atol=1e-6)


@pytest.mark.parametrize("concentration", [[1.0, 1.0, 1.0], [0.5, 2.0, 1.0, 3.0]])
def test_shares_are_dirichlet(concentration):
    prior = Dirichlet(concentration)
    rng = np.random.default_rng(1)
    shares = prior.from_normal(torch.as_tensor(rng.standard_normal((20000, len(concentration) - 1))))
    law = stats.dirichlet(concentration)
    np.testing.assert_allclose(shares.sum(dim=1), 1.0)
    np.testing.assert_allclose(shares.mean(dim=0), law.mean(), atol=0.01)
    np.testing.assert_allclose(shares.var(dim=0, correction=0), law.var(), rtol=0.05)
    some = shares[:50]
    np.testing.assert_allclose(prior.from_normal(prior.to_normal(some)), some, atol=1e-9)
    np.testing.assert_allclose(
        prior.log_prob(some), law.logpdf(some.numpy().T / some.numpy().sum(1)), rtol=1e-8
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(1, 0), "low < high"),
        (lambda: LogUniform(0, 1), "low < high"),
        (lambda: Normal(0, 0), "sigma=0 must be a positive"),
        (lambda: TruncatedNormal(0, 1, 40, 50), "next to nothing"),
        (lambda: Dirichlet([1.0]), "at least two positive"),
        (lambda: Several([Dirichlet([1, 1])]), "each of a single number"),
        (lambda: FromScipy(3), "takes a frozen distribution"),
        (lambda: Parameters({"a": 1.0}), "no parameter is free"),
        (lambda: Parameters({"a": Uniform(0, 1), "b": float("nan")}), "b=nan is not a number"),
    ],
)
def test_priors_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", [n for n in massfunc.FUNCTIONS if n != "custom"])
def test_mass_functions_are_those_of_prospect(name):
    """Rates in cells are the means of ProSpect's function over them, at the defaults and away from them."""
    cells = Cells(np.array([0.0, 1e7, 1e8, 1e9, 5e9, 1.4e10]), per_bin=40)
    defaults = mass_function_parameters(name)
    values = {"mSFR": 3.0, "mpeak": 6.0, "mskew": -0.3, "mburst": 2.0, "mtau": 1.4, "m1": 1.0, "m2": 3.0, "m3": 0.5,
              "m4": 2.0, "m5": 0.1, "m6": 1.0, "magemax": 13.0}  # fmt: skip
    for given in ({}, {k: v for k, v in values.items() if k in defaults}):
        tensors = {k: torch.tensor([v], dtype=torch.float64) for k, v in given.items()}
        if not tensors:
            first = next(k for k, v in defaults.items() if v is not None)
            tensors = {first: torch.tensor([float(defaults[first])], dtype=torch.float64)}
        mine = rates(name, cells, tensors)[0].numpy()
        function = massfunc.FUNCTIONS[name]
        for i in range(0, len(mine), 13):
            low, high = float(cells.low[i]), float(cells.high[i])
            ages = np.linspace(low, high, 801)
            theirs = integrate.trapezoid(np.maximum(function(ages, **given), 0), ages) / (high - low)
            assert abs(mine[i] - theirs) < 0.01 * max(mine.max(), 1e-3), (name, given, low, high)


def test_likelihoods_are_prospects(rng):
    library = stars()
    model = make_model(library)
    values = true_values(model)
    data = observed(model, values, rng=rng)
    rows = torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        light = model.predict(values)
    unit = data.photometry.jansky_per_flam
    chi = np.append(
        (data.spectrum.flux - light.spectrum.numpy()) / data.spectrum.sigma,
        (data.photometry.flux / unit - light.bands.numpy()) / (data.photometry.sigma / unit),
    )
    for kind in ("norm", "st", "chisq"):
        mine = float(Likelihood(data, kind, n_free=4)(light, values, rows)[0])
        np.testing.assert_allclose(mine, log_likelihood(chi, kind, chi.size - 4), rtol=1e-10)


def test_calibration_is_integrated_out(rng):
    """The same as a normal whose covariance has the calibration in it."""
    model = make_model(stars())
    values = true_values(model)
    data = observed(model, values, rng=rng, instrument=("hst", "hst", "sdss"))
    calibration = Calibration(3, (0.1, 0.05, 0.02), level=0.04, zero_points={"hst": 0.03})
    like = Likelihood(data, calibration=calibration)
    rows = torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        light = model.predict(values)
        mine = float(like(light, values, rows)[0])
        r = like.residuals(light, values, rows)
        columns = (like._columns * r.model[0]).numpy()
        sigma, residual = r.sigma[0].numpy(), r.residual[0].numpy()
    scaled = columns / sigma
    covariance = np.eye(sigma.size) + scaled.T @ scaled
    expected = stats.multivariate_normal(cov=covariance).logpdf(residual / sigma)
    np.testing.assert_allclose(mine, expected, rtol=1e-8)


def test_mistakes_in_data_and_calibration_are_said():
    data = empty_data()
    bands = empty_data(spectrum=False)
    for make, message in (
        (lambda: Likelihood(data, "normal"), "likelihood 'normal' is unknown"),
        (lambda: Likelihood(data, "st", calibration=Calibration(2)), "knows neither calibration"),
        (lambda: Likelihood(bands, calibration=Calibration(2)), "needs a spectrum"),
        (lambda: Likelihood(bands, "chisq", n_free=3), "more values than the 3 free"),
        (
            lambda: Likelihood(data, calibration=Calibration(zero_points={"vlt": 0.1})),
            "no band is of the instrument",
        ),
        (lambda: Data(redshift=0.1), "nothing to fit"),
        (lambda: Data(Spectrum(WAVE_AA, WAVE_AA, WAVE_AA)), "gives no distance"),
        (lambda: Data(empty_data(2).spectrum, redshift=[0.1, 0.2]), "share no axis at rest"),
        (lambda: Photometry(BANDS, [1, 2], [1, 2]), "must be"),
        (lambda: Photometry(BANDS, [1, 2, 3], [1, 2, 3], instrument=["a"]), "1 instruments for 3 bands"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_mass_has_a_coordinate_of_its_own_unless_something_hangs_on_it(rng):
    """An extra prior on other parameters leaves the coordinate, and counts; one on the mass does not."""
    library = stars()
    plain = make_model(library)
    data = observed(plain, true_values(plain), rng=rng)

    def target(log_prior):
        return fit(data, make_model(library, data, Parameters(PARAMETERS, log_prior=log_prior))).target

    old = target(lambda p: -0.5 * ((p["mpeak"] - 10.0) / 0.1) ** 2)
    assert old.level and not target(lambda p: -0.1 * p["log_mass"]).level
    u, rows = torch.zeros(2, 4, dtype=torch.float64), torch.zeros(2, dtype=torch.long)
    u[1, 1] = 0.3
    expected = -0.5 * ((old.values(u, rows)["mpeak"] - 10.0) / 0.1) ** 2
    found = old.log_prob(u, rows) - fit(data, plain).target.log_prob(u, rows)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_spectrum_is_moved_by_velocity():
    grid = np.arange(5100.0, 5500.0, 1.25)
    shape = Data(Spectrum(grid, np.ones(grid.size), np.ones(grid.size)), redshift=0.0, lum_dist_mpc=20.0)
    parameters = {**PARAMETERS, "velocity_kms": Uniform(-150, 150)}
    model = make_model(stars(), shape, parameters, dtype=torch.float64)
    values = dict(model.parameters.values(torch.zeros(3, model.parameters.n_free, dtype=torch.float64)))
    values["velocity_kms"] = torch.tensor([0.0, 90.0, -60.0], dtype=torch.float64)
    with torch.no_grad():
        still, *others = model.predict(values).spectrum.numpy()
    spline = CubicSpline(grid, still)
    for moved, velocity in zip(others, (90.0, -60.0), strict=True):
        inner = slice(8, -8)
        expected = spline(grid / (1 + velocity / 299792.458))
        wrong, change = (np.abs(moved / other - 1)[inner].max() for other in (expected, still))
        assert wrong < 0.002 and wrong < 0.1 * change


def test_binned_histories(rng):
    library = stars()
    edges = np.array([0, 1e8, 1e9, 1.4e10])
    given = {
        "log_mass": Uniform(7, 11),
        "mass_fraction": Dirichlet(np.ones(3)),
        "mh": Several([Uniform(-1, 0.2)] * 3),
    }
    model = GalaxyModel(
        library, empty_data(), given, history="binned", metallicity="binned", age_edges_yr=edges
    )
    values = model.parameters.values(torch.as_tensor(rng.standard_normal((4, model.parameters.n_free))))
    mass, z = model.masses(values)
    np.testing.assert_allclose(torch.log10(mass.sum(dim=1)), values["log_mass"], rtol=1e-10)
    young = library.age_edges_yr[1:] <= 1e8
    np.testing.assert_allclose(
        mass[:, young].sum(dim=1) / mass.sum(dim=1), values["mass_fraction"][:, 0], atol=1e-9
    )
    np.testing.assert_allclose(torch.log10(z[:, 0] / 0.019), values["mh"][:, 0], atol=1e-9)
    ratio = {"log_mass": Uniform(7, 11), "log_sfr_ratio": Several([Student(0, 0.3, 2)] * 2)}
    model = GalaxyModel(library, empty_data(), ratio, history="binned", age_edges_yr=edges)
    values = model.parameters.values(torch.as_tensor(rng.standard_normal((4, 3))))
    mass, _ = model.masses(values)
    rate = torch.stack([mass[:, young].sum(1) / 1e8, mass[:, ~young].sum(1)], dim=1)
    assert bool((rate > 0).all())
    with pytest.raises(ValueError, match="3 bins of age ask for 3"):
        GalaxyModel(
            library, empty_data(), {"mass_fraction": Dirichlet([1, 1])}, history="binned", age_edges_yr=edges
        )


def test_metals_rise_with_the_stars():
    library = stars()
    for metallicity in ("massmap_lin", "massmap_box", "p2"):
        model = make_model(
            library, parameters={"log_mass": Uniform(7, 11), "mpeak": 7.0}, metallicity=metallicity
        )
        _, z = model.masses(model.parameters.values(torch.zeros(1, 1, dtype=torch.float64)))
        if metallicity == "p2":
            np.testing.assert_allclose(z.numpy(), 0.02)
        else:
            assert bool((z[0, 1:] <= z[0, :-1] + 1e-12).all()) and 0.015 < float(z[0, 0]) <= 0.0201


# A nucleus

NUCLEUS = Nucleus(power_law=True)


def test_light_of_a_nucleus_is_what_was_asked():
    shape = empty_data().photometry
    parts = Nucleus(power_law=True, narrow_lines=True)
    light = NucleusLight(parts, np.arange(4900.0, 5300.0, 1.0), list(shape.bands), redshift=0.0)
    p = {k: torch.tensor([v], dtype=torch.float64) for k, v in
         {"log_agn_5100": 43.0, "agn_slope": -1.0, "log_agn_oiii": -50.0, "tau_AGN": 0.0, "pow_AGN": -0.7,
          "tau_screen": 0.0, "pow_screen": -0.7}.items()}  # fmt: skip
    spectrum, bands = light(p)
    np.testing.assert_allclose(float(spectrum[0, 200]) * 5100 * 3.828e33, 1e43, rtol=1e-5)
    np.testing.assert_allclose(bands[0] / spectrum[0, 200], 5100.0 / shape.pivot_aa, rtol=0.01)
    other = {"log_agn_5100": -50.0, "log_agn_oiii": 41.0}
    lines, _ = light(p | {k: torch.tensor([v], dtype=torch.float64) for k, v in other.items()})
    near = slice(90, 125)  # 4990 to 5025 Angstrom
    np.testing.assert_allclose(float(lines[0, near].sum()) * 3.828e33, 1e41, rtol=0.01)
    dimmed, _ = light(p | {"tau_AGN": torch.tensor([1.0], dtype=torch.float64)})
    np.testing.assert_allclose(
        float(dimmed[0, 200] / spectrum[0, 200]), np.exp(-((5100 / 5500) ** -0.7)), rtol=1e-6
    )


def test_evidence_tells_a_nucleus(rng):
    """A bright power law is found, and one that is not there is not."""
    library = stars()
    with_it = {**PARAMETERS, "mpeak": 7.0, "log_agn_5100": Uniform(38.0, 44.0)}
    active = make_model(library, parameters=with_it, nucleus=NUCLEUS)
    quiet = make_model(library, parameters={**PARAMETERS, "mpeak": 7.0})
    factors = []
    for luminosity in (38.2, 43.0):
        truth = {"log_mass": 9.3, "mh": -0.4, "tau_screen": 0.4, "log_agn_5100": luminosity}
        u = active.parameters.to_normal({k: [v] for k, v in truth.items()})
        data = observed(active, active.parameters.values(u), rng=rng)
        fits = {"quiet": fit(data, quiet), "active": fit(data, active)}
        for found in fits.values():
            found.map(n_start=8)
        factors.append(compare(fits, "laplace")[1].log_bayes_factor)
    assert factors[0] < 0 and factors[1] > 5, factors
    other = observed(active, active.parameters.values(u), rng=rng)
    with pytest.raises(ValueError, match="of other data"):
        compare({"a": fits["quiet"], "b": fit(other, active)}, "laplace")
    with pytest.raises(ValueError, match="no evidence by 'nested'"):
        compare(fits)


# Chains


def correlated():
    factor = np.random.default_rng(0).standard_normal((4, 4))
    return factor @ factor.T + np.eye(4)


def test_chains_on_a_normal():
    precision = correlated()

    def gradient(x, which):
        return -0.5 * np.einsum("ni,ij,nj->n", x, precision, x), -x @ precision

    found = sample_nuts(gradient, np.zeros((4, 4)), 500, seed=1, warm=100, step=0.2)
    flat = found.draws.reshape(-1, 4)
    np.testing.assert_allclose(np.cov(flat.T), np.linalg.inv(precision), atol=0.12)
    sizes = [effective_size(found.draws[..., i]) for i in range(4)]
    assert min(sizes) > 200 and found.divergences == 0 and 0.6 < found.acceptance < 0.99
    assert max(r_hat(found.draws[..., i]) for i in range(4)) < 1.03
    again = sample_nuts(gradient, np.zeros((4, 4)), 500, seed=1, warm=100, step=0.2)
    np.testing.assert_array_equal(found.draws, again.draws)


def test_convergence_is_measured(rng):
    good = rng.standard_normal((4, 500))
    assert r_hat(good) < 1.01 and 1500 < effective_size(good) < 2600
    apart = good + np.arange(4)[:, None]
    assert r_hat(apart) > 1.3 and effective_size(apart) < 20
    slow = np.zeros((2, 5000))
    for t in range(1, 5000):
        slow[:, t] = 0.9 * slow[:, t - 1] + rng.standard_normal(2)
    assert 0.5 < effective_size(slow) / (10000 * 0.1 / 1.9) < 1.6


def test_pareto_k_tells_weights_that_collapse(rng):
    x = rng.standard_normal(4000)
    fine = stats.norm.logpdf(x, 0, 0.9) - stats.norm.logpdf(x)
    poor = stats.norm.logpdf(x, 3, 0.5) - stats.norm.logpdf(x)
    assert pareto_smoothed(fine)[1] < 0.5 < 0.7 < pareto_smoothed(poor)[1]


@pytest.mark.ranks
def test_truths_have_uniform_ranks():
    model = make_model(
        stars(),
        parameters={"log_mass": Uniform(7, 11), "mh": Uniform(-1.5, 0.3), "tau_screen": Uniform(0, 1.5)},
    )
    found = ranks(model, 40, lambda f: f.sample("nuts", n_chain=4, min_effective=60), snr=20.0, seed=3)
    result = rank_test(found)
    assert np.all(result["p_value"] > 0.005), result
    # posteriors half as wide as they should be are noticed
    narrow = np.clip(0.5 + 2.5 * (found - 0.5), 0, 1)
    assert rank_test(narrow)["p_value"].max() < 0.05
