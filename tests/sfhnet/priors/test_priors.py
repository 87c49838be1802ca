"""Priors: histories conserve mass, densities are densities, shards are pure functions."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import integrate, stats

from sfhnet.config.distributions import Distribution
from sfhnet.config.prior import PriorConfig
from sfhnet.config.prior_names import FAMILY_PARAMETERS, METALLICITY_PARAMETERS
from sfhnet.config.root import AGE_BINS_MYR
from sfhnet.core.histories import mean_log_age
from sfhnet.priors import age_grid, dense_basis, enrichment, flatten
from sfhnet.priors.age_cells import normalise
from sfhnet.priors.families import FAMILIES
from sfhnet.priors.prior_shards import read_prior, write_prior
from sfhnet.priors.sample import sample

DISTRIBUTION = TypeAdapter(Distribution)
BINS = np.asarray(AGE_BINS_MYR) * 1e6


def only(config, family):
    families = {family: config.families[family].model_copy(update={"weight": 1.0})}
    return config.model_copy(update={"families": families, "populations": {}})


@pytest.mark.parametrize(
    "text", ["uniform(-1, 3)", "log_uniform(0.1, 20)", "normal(1, 2)", "normal(0.2, 0.6, 0, 2.5)"]
)
def test_density_integrates_to_one_and_matches_the_draws(text):
    d = DISTRIBUTION.validate_python(text)
    low, high = d.quantile(np.array([0.0, 1.0]))
    total = integrate.quad(lambda x: float(np.exp(d.log_density(np.array(x)))), low, high, limit=200)[0]
    assert total == pytest.approx(1.0, abs=1e-6)
    drawn = d.quantile((np.arange(2000) + 0.5) / 2000)
    median = d.quantile(np.array([0.5]))[0]
    below = integrate.quad(lambda x: float(np.exp(d.log_density(np.array(x)))), low, median, limit=200)[0]
    assert below == pytest.approx(0.5, abs=1e-6)
    assert np.all(np.diff(drawn) > 0)
    assert (
        d.log_density(np.array([high + 10.0 * (1 + abs(high))]))[0] < d.log_density(np.array([median]))[0] - 5
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uniform(3, 1)", "not below"),
        ("log_uniform(0, 1)", "above 0"),
        ("normal(1, 0)", "above 0"),
        ("gamma(1, 2)", "no distribution"),
        ("uniform(1, 2, 3)", "arguments"),
        ("uniform(1, two)", "an argument that is no number"),
        (True, "True is no distribution"),
        ({"kind": "fixed"}, "value"),
        ({"kind": "fixed", "value": 1, "low": 1}, "low"),
        ({"kind": "uniform", "low": 1, "high": 2, "mean": 1}, "mean"),
    ],
)
def test_impossible_distributions_are_refused(text, message):
    with pytest.raises(ValidationError, match=message):
        DISTRIBUTION.validate_python(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"nuisance": {"tau_birth": "normal(1, 1)"}},
            "nuisance.tau_birth can be drawn from -4.5 to 6.5, but must stay within 0",
        ),
        (
            {"metallicity": {"constant": {"parameters": {"z_final": "uniform(0, 0.5)"}}}},
            "z_final can be drawn",
        ),
        (
            {"families": {"delayed": {"parameters": {"start_gyr": "uniform(1, 13)"}}}},
            "missing \\['tau_gyr'\\]",
        ),
        ({"families": {"delay": {"parameters": {}}}}, "unknown kind 'delay'"),
        ({"held_out_families": ["snorm"]}, "not in families"),
        ({"populations": {"red": {"share": 0.9}}}, "shares of populations add up to 1.28"),
        (
            {"populations": {"red": {"share": 0.1, "nuisance": {"dust": 1}}}},
            "populations.red.nuisance: unknown",
        ),
        (
            {"populations": {"red": {"share": 0.1, "nuisance": {"tau_screen": "normal(0, 1)"}}}},
            "populations.red.nuisance.tau_screen can be drawn from -5.5 to 5.5, but must stay within 0",
        ),
        (
            {"populations": {"red": {"share": 0.1, "families": {"delay": {}}}}},
            "populations.red.families has the unknown kind 'delay'",
        ),
    ],
)
def test_impossible_priors_are_refused(change, message):
    values = PriorConfig().model_dump(mode="json")
    for section, update in change.items():
        values[section] = (values[section] | update) if isinstance(update, dict) else update
    with pytest.raises(ValidationError, match=message):
        PriorConfig.model_validate(values)


def test_config_yaml_has_the_defaults_of_the_schema(root):
    from sfhnet.config.load import read_yaml
    from sfhnet.config.synthesis import SynthesisConfig

    written = read_yaml(root / "config.yaml")[0]
    assert PriorConfig.model_validate(written["prior"]) == PriorConfig()
    assert SynthesisConfig.model_validate(written["synthesis"]) == SynthesisConfig()


def test_age_grid_has_the_required_edges():
    edges = age_grid.fine_edges_yr(13.8e9, 30, BINS)
    assert edges[0] == 0
    assert edges[-1] == 13.8e9
    assert np.all(np.diff(edges) > 0)
    assert set(BINS) <= set(edges)
    exact = [integrate.quad(lambda a: np.log10(a), a, b)[0] / (b - a) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(mean_log_age(edges), exact, rtol=1e-7)


@pytest.mark.parametrize("family", list(FAMILY_PARAMETERS))
def test_every_family_forms_unit_mass_and_covers_its_parameters(family):
    drawn = sample(only(PriorConfig(), family), 512, 3, shard=0, age_bins_yr=BINS)
    np.testing.assert_allclose(drawn.mass.sum(axis=1), 1.0, rtol=1e-12)
    assert drawn.mass.min() >= 0
    assert np.all(np.isfinite(drawn.log_prior))
    assert np.all(drawn.family == list(FAMILY_PARAMETERS).index(family))
    for name in FAMILY_PARAMETERS[family]:
        assert np.all(np.isfinite(drawn.parameters[f"sfh_{name}"]))
    assert FAMILIES.keys() == FAMILY_PARAMETERS.keys()
    assert (drawn.z >= 1e-4).all()
    assert (drawn.z <= 0.0401).all()


def test_closed_box_and_linear_agree_with_prospect():
    from pyprospect.histories import zfunc

    edges = age_grid.fine_edges_yr(13.8e9, 120, BINS)
    centre = 0.5 * (edges[1:] + edges[:-1])
    p = {"log_z_start": np.log10([0.0005]), "z_final": np.array([0.025]), "metal_yield": np.array([0.03])}
    mass = normalise(np.exp(-(((centre - 8e9) / 3e9) ** 2))[None, :] * np.diff(edges))

    def sfr(age, **_):
        return np.exp(-(((np.maximum(age, 1e5) - 8e9) / 3e9) ** 2))

    for ours, theirs in (
        (enrichment.closed_box, zfunc.massmap_box),
        (enrichment.linear, zfunc.massmap_lin),
    ):
        extra = {"yield_": 0.03} if theirs is zfunc.massmap_box else {}
        expected = theirs(centre, Zstart=0.0005, Zfinal=0.025, massfunc=sfr, Zagemax=13.8, **extra)
        inside = (centre > 3e8) & (centre < 13e9)
        # ProSpect's own sum is a staircase of 100 Myr
        np.testing.assert_allclose(ours(mass, edges, p)[0][inside], expected[inside], rtol=0.06)


def test_monotone_metallicity_never_falls_and_dilution_does():
    config = PriorConfig()
    for kind, falls in (("monotone", False), ("diluted", True)):
        metallicity = {kind: config.metallicity[kind]}
        drawn = sample(
            config.model_copy(update={"metallicity": metallicity, "populations": {}}),
            256,
            1,
            shard=0,
            age_bins_yr=BINS,
        )
        rise = np.diff(drawn.z[:, ::-1], axis=1)  # forwards in time
        assert (rise.min() < -1e-5) == falls
        assert np.all(drawn.metallicity == list(METALLICITY_PARAMETERS).index(kind))


def test_dirichlet_times_are_dirichlet():
    u = np.random.default_rng(0).random((20000, 3))
    for alpha in (1.0, 4.0):
        times, log_density_gaps = dense_basis.dirichlet_times(u, np.full(len(u), alpha))
        gaps = np.diff(np.concatenate([np.zeros((len(u), 1)), times, np.ones((len(u), 1))], axis=1), axis=1)
        for gap in gaps.T:
            assert stats.kstest(gap, stats.beta(alpha, 3 * alpha).cdf).pvalue > 1e-3
        expected = stats.dirichlet(np.full(4, alpha)).logpdf((gaps / gaps.sum(axis=1, keepdims=True))[:50].T)
        np.testing.assert_allclose(log_density_gaps[:50], expected, atol=1e-6)


def test_dense_basis_has_its_quantiles():
    edges = age_grid.fine_edges_yr(13.8e9, 60, BINS)
    p = {
        "alpha": np.ones(1),
        "log_ssfr_per_yr": np.array([-10.0]),
        **{f"u_tx{i}": np.array([0.4]) for i in (1, 2, 3)},
    }
    mass, _ = dense_basis.mass(edges, p, np.random.default_rng(0))
    assert mass.sum() == pytest.approx(1.0, abs=1e-6)
    assert mass[0, edges[1:] <= 1e8].sum() == pytest.approx(0.01, rel=1e-9)
    times, _ = dense_basis.dirichlet_times(np.full((1, 3), 0.4), np.ones(1))
    formed = np.concatenate([[0.0], np.cumsum(mass[0][::-1])])
    at = np.interp(times[0] * (13.8e9 - 1e8), (13.8e9 - edges)[::-1], formed)
    np.testing.assert_allclose(at, np.array([0.25, 0.5, 0.75]) * 0.99, atol=2e-3)


def test_stochastic_walk_has_its_scatter_and_memory():
    edges = np.linspace(0, 13.8e9, 1381)
    n = 400
    p = {
        "start_gyr": np.full(n, 13.8),
        "scatter_dex": np.full(n, 0.3),
        "memory_myr": np.full(n, 300.0),
        "slope_dex_per_gyr": np.zeros(n),
    }
    mass, density = FAMILIES["stochastic"](edges, p, np.random.default_rng(5))
    log_sfr = np.log10(mass)
    log_sfr -= log_sfr.mean(axis=1, keepdims=True)
    assert log_sfr.std() == pytest.approx(0.3, rel=0.05)
    lag = 30  # cells of 10 Myr: one memory time
    correlation = (log_sfr[:, lag:] * log_sfr[:, :-lag]).mean() / log_sfr.var()
    assert correlation == pytest.approx(np.exp(-1), abs=0.05)
    assert np.all(np.isfinite(density))


def test_bursts_have_their_rates_and_their_share_of_the_time():
    edges = np.linspace(0, 2e8, 2001)
    n = 3000
    p = {
        "start_gyr": np.full(n, 13.8),
        "slope_dex_per_gyr": np.zeros(n),
        "spacing_myr": np.full(n, 50.0),
        "duty_fraction": np.full(n, 0.3),
        "scatter_dex": np.zeros(n),
        "log_quiet_ratio": np.full(n, -2.0),
    }
    mass, density = FAMILIES["bursty"](edges, p, np.random.default_rng(3))
    rate = mass / np.diff(edges)
    # Stationary: bursts fill the same share of all times, today's among them.
    on = (rate > 0.5).mean(axis=0)
    assert on[0] == pytest.approx(0.3, abs=0.03)
    assert on.mean() == pytest.approx(0.3, abs=0.01)
    assert rate.mean() == pytest.approx(0.3 + 0.7 * 0.01, rel=0.03)
    assert np.isclose(rate, 1.0).mean() + np.isclose(rate, 0.01).mean() > 0.99
    # Bursts begin every 50 Myr.
    begins = ((rate[:, :-1] > 0.99) & (rate[:, 1:] < 0.02 + 0.97)).sum() / n
    assert begins == pytest.approx(200 / 50, rel=0.1)
    assert np.all(np.isfinite(density))


def test_before_the_bursts_that_are_drawn_the_rate_is_their_mean():
    edges = np.array([0.0, 5e8, 1e10])
    n = 2000
    p = {
        "start_gyr": np.full(n, 13.8),
        "slope_dex_per_gyr": np.zeros(n),
        "spacing_myr": np.full(n, 20.0),
        "duty_fraction": np.full(n, 0.5),
        "scatter_dex": np.full(n, 0.3),
        "log_quiet_ratio": np.full(n, -1.0),
    }
    mass, _ = FAMILIES["bursty"](edges, p, np.random.default_rng(3))
    assert (mass[:, 0].mean() / 5e8) / (mass[:, 1].mean() / 9.5e9) == pytest.approx(1.0, abs=0.03)


def test_populations_have_their_share_and_their_own_dust():
    config = PriorConfig()
    red = {
        "share": 0.25,
        "families": {"single_burst": {"parameters": {"burst_age_myr": 9000, "burst_width_fraction": 0.1}}},
    }
    red |= {"metallicity": {"constant": {"parameters": {"z_final": 0.02}}}, "nuisance": {"tau_screen": 0.01}}
    config = PriorConfig.model_validate(config.model_dump(mode="json") | {"populations": {"red": red}})
    drawn = sample(config, 2000, 1, shard=0, age_bins_yr=BINS)
    of_red = drawn.parameters["tau_screen"] == 0.01
    assert of_red.mean() == pytest.approx(0.25, abs=0.01)
    assert (drawn.parameters["sfh_burst_age_myr"][of_red] == 9000).all()
    assert (drawn.z[of_red] == 0.02).all()
    # What they do not say is as in the rest; the density counts the choice among populations.
    assert drawn.parameters["tau_birth"][of_red].std() == pytest.approx(
        drawn.parameters["tau_birth"][~of_red].std(), rel=0.15
    )
    assert config.drawn_from("tau_screen") == (0.0, 2.5)
    twice = PriorConfig.model_validate(
        config.model_dump(mode="json") | {"populations": {"red": red | {"share": 0.5}}}
    )
    more = sample(twice, 2000, 1, shard=0, age_bins_yr=BINS)
    both = of_red & (more.parameters["tau_screen"] == 0.01)
    np.testing.assert_allclose(more.log_prior[both] - drawn.log_prior[both], np.log(2))


def test_old_galaxies_without_dust_get_their_share():
    drawn = sample(PriorConfig(), 4000, 1, shard=0, age_bins_yr=BINS)
    age = flatten.coordinates(drawn)[:, 0]
    old = age > 9.9
    assert 0.1 < old.mean() < 0.4
    assert np.median(drawn.parameters["tau_screen"][old]) < 0.3
    assert np.median(drawn.parameters["tau_screen"][age < 9]) > 0.4


def test_shard_is_a_pure_function_of_config_seed_and_number():
    config = PriorConfig()
    third = sample(config, 300, 1, shard=3, age_bins_yr=BINS)
    for other in (0, 7):
        sample(config, 300, 1, shard=other, age_bins_yr=BINS)
    again = sample(config, 300, 1, shard=3, age_bins_yr=BINS)
    for name in ("mass", "z", "family", "log_prior"):
        np.testing.assert_array_equal(getattr(third, name), getattr(again, name))
    assert not np.array_equal(third.mass, sample(config, 300, 2, shard=3, age_bins_yr=BINS).mass)
    assert not np.array_equal(third.mass, sample(config, 300, 1, shard=4, age_bins_yr=BINS).mass)


def test_shard_does_not_depend_on_threads(tmp_path):
    code = (
        "import sys, hashlib, numpy as np\n"
        "from sfhnet.config.prior import PriorConfig\n"
        "from sfhnet.config.root import AGE_BINS_MYR\n"
        "from sfhnet.priors.sample import sample\n"
        "c = PriorConfig().model_copy(update={'flattening': PriorConfig().flattening.model_copy("
        "update={'oversample': 3})})\n"
        "s = sample(c, 200, 1, shard=2, age_bins_yr=np.asarray(AGE_BINS_MYR) * 1e6)\n"
        "print(hashlib.sha256(s.mass.tobytes() + s.z.tobytes() + s.log_prior.tobytes()).hexdigest())\n"
    )
    hashes = set()
    for threads in ("1", "2"):
        env = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True
        )
        hashes.add(done.stdout.strip())
    assert len(hashes) == 1


def test_shards_of_the_sobol_sequence_fill_each_others_gaps():
    config = PriorConfig()
    values = np.concatenate(
        [sample(config, 256, 1, shard=k, age_bins_yr=BINS).parameters["bump"] for k in range(4)]
    )
    ordered = np.sort(values)
    uniform = (np.arange(values.size) + 0.5) / values.size
    distance = np.abs(ordered - config.nuisance["bump"].quantile(uniform)).max()
    plain = config.model_copy(update={"sampler": "random"})
    random = np.sort(
        np.concatenate(
            [sample(plain, 256, 1, shard=k, age_bins_yr=BINS).parameters["bump"] for k in range(4)]
        )
    )
    assert distance < 0.3 * np.abs(random - config.nuisance["bump"].quantile(uniform)).max()


def test_a_family_can_be_held_out():
    config = PriorConfig(held_out_families=("stochastic", "dense_basis"))
    left = set(sample(config, 500, 1, shard=0, age_bins_yr=BINS).family.tolist())
    names = list(FAMILY_PARAMETERS)
    assert left.isdisjoint({names.index("stochastic"), names.index("dense_basis")})
    every = set(sample(config, 500, 1, shard=0, age_bins_yr=BINS, hold_out=False).family.tolist())
    assert names.index("stochastic") in every


def test_flattening_evens_out_the_labels():
    config = PriorConfig()
    flat = config.model_copy(update={"flattening": config.flattening.model_copy(update={"oversample": 6})})
    plain, evened = (sample(c, 2000, 1, shard=0, age_bins_yr=BINS) for c in (config, flat))

    def spread(drawn):
        x = flatten.coordinates(drawn)
        counts = np.histogram(x[:, 0], bins=8, range=(7.0, 10.0))[0]
        return counts.min() / counts.max()

    assert evened.n == 2000
    assert spread(evened) > 1.3 * spread(plain)
    assert np.all(np.isfinite(evened.log_prior))


def test_prior_file_round_trip_and_damage(tmp_path):
    drawn = sample(PriorConfig(), 100, 1, shard=0, age_bins_yr=BINS)
    path = write_prior(tmp_path / "0000.h5", drawn, {"shard": 0})
    read, identity = read_prior(path)
    assert identity == {"shard": 0}
    np.testing.assert_allclose(read.mass, drawn.mass, rtol=3e-7, atol=1e-37)
    np.testing.assert_allclose(read.mass.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(read.family, drawn.family)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"0000\.h5"):
        read_prior(path)


def test_a_history_without_mass_is_refused():
    with pytest.raises(ValueError, match="1 of 2 histories"):
        normalise(np.array([[1.0, 2.0], [0.0, 0.0]]))


def test_paper_overlay_has_the_two_families_of_the_paper(root):
    from sfhnet.config import load_config

    prior = load_config([root / "config.yaml", root / "configs" / "paper.yaml"]).prior
    assert set(prior.families) == {"skewed_normal", "dense_basis"}
    assert set(prior.metallicity) == {"closed_box"}
    drawn = sample(prior, 400, 1, shard=0, age_bins_yr=BINS)
    assert np.all(drawn.parameters["tau_screen"] == 0.3)
    assert drawn.z.max() <= 0.0301
    assert np.bincount(drawn.family).min() > 150


def test_prior_figures_and_coverage(tmp_path):
    from sfhnet.config import FiguresConfig
    from sfhnet.figures import prior as prior_figures
    from sfhnet.priors import cluster_colours as clusters

    drawn = sample(PriorConfig(), 200, 1, shard=0, age_bins_yr=BINS)
    prior_figures.draw_histories(FiguresConfig(dpi=60), drawn, tmp_path / "prior_histories")
    assert (tmp_path / "prior_histories.png").stat().st_size > 10000
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 200000))
    region = clusters.dense_region(x, y)
    # 99 % of a round Gaussian lies within 3.035 sigma
    assert region.contains(np.array([0.0, 2.8, 3.3]), np.zeros(3)).tolist() == [True, True, False]
    fresh = rng.standard_normal((2, 50000))
    assert region.contains(*fresh).mean() == pytest.approx(0.99, abs=0.003)
    flux = np.array([[1.0, 2.0]])
    colour = clusters.vega_colour(
        flux, ("F555W", "F814W"), {"F555W": 5308.0, "F814W": 8039.0}, pair=("F555W", "F814W")
    )
    expected = 2.5 * np.log10(2 * (8039 / 5308) ** 2) + 0.008 + 0.442
    assert colour[0] == pytest.approx(expected)
    wave = np.arange(4800.0, 4900.0, 1.25)
    dip = 1 - 0.5 * np.exp(-0.5 * ((wave - 4861.3) / 4.0) ** 2)
    width = prior_figures.equivalent_width_aa(wave, dip[None, :].astype(np.float32), "H$\\beta$")
    assert width[0] == pytest.approx(0.5 * 4.0 * np.sqrt(2 * np.pi), rel=0.03)


def test_cluster_catalogues(upstream):
    from sfhnet.priors import cluster_colours as clusters

    phangs = clusters.read_phangs(upstream("phangs_hst_colours"))
    legus = clusters.read_legus(upstream("legus_ngc1566") / clusters.LEGUS_FILE)
    pair = ("F555W", "F814W")
    assert np.isfinite(phangs.colours[pair]).sum() > 20000
    assert 1000 < np.isfinite(legus.colours[pair]).sum() < 1700
    difference = np.nanmedian(phangs.colours[pair]) - np.nanmedian(legus.colours[pair])
    assert abs(difference) < 0.4
