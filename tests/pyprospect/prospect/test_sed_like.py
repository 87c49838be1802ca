"""ProSpectSEDlike: R's formulae on R's own photometry and spectra, and the options of its Data list."""

import numpy as np
import pytest
from scipy import special, stats

from pyprospect import prospect_sed, prospect_sed_like
from pyprospect.line_of_sight.cosmology import lum_dist_mpc, universe_age_yr
from pyprospect.prospect.sed_like import SEDLike, log_likelihood
from reference_cases import python_call

pytestmark = [
    pytest.mark.usefixtures("prospect_tables"),
    pytest.mark.filterwarnings("ignore::pyprospect.messages.ClampWarning"),
]
TARGET = 1e-10
# Stored runs in which R made photometry in bands that are to be had (none in 7 and 31).
RUNS = tuple(run for run in range(1, 33, 3) if run not in (7, 31))


def by_hand(chi, like, df):
    """R's dnorm, dchisq and dt, written out."""
    if like == "norm":
        return float((-0.5 * chi**2 - 0.5 * np.log(2 * np.pi)).sum())
    if like == "chisq":
        x = (chi**2).sum()
        return float((df / 2 - 1) * np.log(x) - x / 2 - df / 2 * np.log(2) - special.gammaln(df / 2))
    v = np.var(chi, ddof=1)
    dof = max(1.0, 2 * v / (v - 1))
    norm = special.gammaln((dof + 1) / 2) - special.gammaln(dof / 2) - 0.5 * np.log(dof * np.pi)
    return float((norm - (dof + 1) / 2 * np.log1p(chi**2 / dof)).sum())


@pytest.fixture(scope="module")
def curves(reference):
    return {k: (v["wave"][()], v["response"][()]) for k, v in reference["unit/filters"].items()}


def stored(reference, libraries, curves, run):
    """A call of ProSpectSED that R made, the bands to be had, and R's fluxes in them."""
    case = reference[f"sed/ProSpectSED_toy/draw_{run:03d}"]
    call = python_call(case["inputs"], libraries=libraries, reference=reference)
    names = [n.decode() for n in case["filter_names"][()]] if "filter_names" in case else []
    known = [i for i, name in enumerate(names) if name in curves]
    call.pop("filters", None)
    if call.get("waveout") == "NULL":
        call["waveout"] = None
    if "AGNlum" in call:
        call["AGN"] = "AGN_UnOb_Sparse"
    bands = {names[i]: curves[names[i]] for i in known}
    return call, bands, case["Photom"][()][known] if known else None


@pytest.mark.parametrize("run", RUNS)
def test_likelihoods_of_stored_runs(run, reference, libraries, curves, parity, rng):
    call, bands, photom = stored(reference, libraries, curves, run)
    assert photom is not None
    error = 0.05 * np.abs(photom)
    flux = photom + 2 * error * rng.standard_normal(photom.size)
    free = {"tau_screen": call.pop("tau_screen", 0.3), "mSFR": call.pop("mSFR")}
    library = call.pop("speclib")
    extra = {name: call.pop(name) for name in ("AGN",) if name in call}
    data = {
        "parm.names": list(free),
        "logged": [False, True],
        "flux": {"flux": flux, "fluxerr": error, "filter": list(bands)},
        "filtout": bands,
        "speclib": library,
        "arglist": {**call, "compat": True},
        **extra,
    }
    parm = [free["tau_screen"], np.log10(free["mSFR"])]
    chi = (flux - photom) / error
    for like in ("norm", "st", *(("chisq",) if photom.size > 2 else ())):
        found = prospect_sed_like(parm, {**data, "like": like})
        expected = by_hand(chi, like, photom.size - 2)
        parity.check(f"sed_like {like}", -found, expected, TARGET, label=str(run))


@pytest.mark.parametrize("like", ["norm", "st", "chisq"])
def test_formulae(like, rng):
    for scale in (0.5, 1.0, 3.0):
        chi = scale * rng.standard_normal(12)
        np.testing.assert_allclose(log_likelihood(chi, like, 9), by_hand(chi, like, 9), rtol=1e-12)
    chi[3] = np.nan  # R's na.rm
    np.testing.assert_allclose(log_likelihood(chi, like, 9), by_hand(np.delete(chi, 3), like, 9), rtol=1e-12)


def test_scatter_of_exactly_one_is_normal():
    chi = np.array([-1.0, 0.0, 1.0])
    assert chi.var(ddof=1) == 1.0
    np.testing.assert_allclose(log_likelihood(chi, "st"), stats.norm.logpdf(chi).sum(), rtol=1e-12)


@pytest.fixture
def data(library, curves):
    bands = {name: curves[name] for name in ("F336W", "F438W", "F555W", "F814W")}
    fixed = {"massfunc": "snorm", "Z": 0.02, "z": 0.05, "sparse": 5, "mperiod": 2.0}
    sed = prospect_sed(
        speclib=library, filters=bands, mSFR=3.0, mpeak=8.0, tau_screen=0.3, Dale_M2L_func=None, **fixed
    )
    return {
        "parm.names": ["mSFR", "mpeak", "tau_screen"],
        "logged": [True, False, False],
        "flux": {"flux": sed.Photom, "fluxerr": 0.1 * sed.Photom, "filter": list(bands)},
        "filtout": bands,
        "speclib": library,
        "arglist": fixed,
        "like": "norm",
    }


TRUTH = [np.log10(3.0), 8.0, 0.3]


def test_truth_has_the_smallest_value(data):
    at_truth = prospect_sed_like(TRUTH, data)
    np.testing.assert_allclose(at_truth, 4 * 0.5 * np.log(2 * np.pi), rtol=1e-10)
    assert prospect_sed_like([0.6, 8.0, 0.3], data) > at_truth
    assert prospect_sed_like({"tau_screen": 0.5, "mSFR": TRUTH[0], "mpeak": 8.0}, data) > at_truth


def test_what_r_returns(data):
    asked = ["LP", "masstot", "SFRburst", "dustmass.total", "dustlum.total", "flux.F555W"]
    options = {**data, "mon.names": asked, "Dale_M2L_func": True}
    for kind in ("LD", "la", "check"):
        out = prospect_sed_like(TRUTH, {**options, "fit": kind, "prior": lambda p: -p["mpeak"]})
        assert isinstance(out, SEDLike)
        np.testing.assert_allclose(out.LP, -0.5 * out["Dev"] - 8.0)
        assert list(out.Monitor) == asked and out.Monitor["dustmass.total"] > 0
        np.testing.assert_allclose(out.Monitor["flux.F555W"], data["flux"]["flux"][2])
        assert out.yhat == 1 and (out.SEDout is not None) == (kind == "check")
    with pytest.raises(ValueError, match=r"mon.names has \['mass'\]"):
        prospect_sed_like(TRUTH, {**data, "mon.names": ["mass"], "fit": "ld"})


def test_constraints_then_intervals_then_logs(data):
    seen = []

    def constraints(parm):
        seen.append(dict(parm))
        return {**parm, "tau_screen": 0.3, "mSFR": 5.0}

    intervals = {"lo": [-3, 1, 0], "hi": [TRUTH[0], 12, 5]}
    out = prospect_sed_like(
        [0.1, 8.0, 9.0], {**data, "constraints": constraints, "intervals": intervals, "fit": "ld"}
    )
    assert seen == [{"mSFR": 0.1, "mpeak": 8.0, "tau_screen": 9.0}]
    assert out.parm == {"mSFR": TRUTH[0], "mpeak": 8.0, "tau_screen": 0.3}
    np.testing.assert_allclose(-out.LP, prospect_sed_like(TRUTH, data))


def test_spectra_and_both(data, library):
    names = {"parm.names": data["parm.names"], "logged": data["logged"], "speclib": library, "like": "norm"}
    sed = prospect_sed(
        speclib=library,
        filters=None,
        mSFR=3.0,
        mpeak=8.0,
        tau_screen=0.3,
        Dale_M2L_func=None,
        **data["arglist"],
    )
    wave, flux = sed.FinalFlux
    own = {"wave": wave, "flux": flux, "fluxerr": np.ones(wave.size)}
    spec = {**names, "arglist": data["arglist"], "spec": own, "mode": "spec"}
    constant = 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(prospect_sed_like(TRUTH, spec), wave.size * constant, rtol=1e-10)
    coarse = np.geomspace(4000, 9000, 50)
    from pyprospect.numerics.rebin import spec_rebin

    table = {"wave": coarse, "flux": spec_rebin(wave, flux, coarse, rough=True).flux, "fluxerr": np.ones(50)}
    np.testing.assert_allclose(prospect_sed_like(TRUTH, {**spec, "spec": table}), 50 * constant, rtol=1e-9)
    both = {**spec, "mode": "both", "spec": table, "photom": data["flux"], "filtout": data["filtout"]}
    away = prospect_sed_like(TRUTH, {**both, "photom": {**data["flux"], "flux": 1.1 * data["flux"]["flux"]}})
    at = prospect_sed_like(TRUTH, both)
    # the returned spectrum is coarse, so that bands of it are right to a few per cent of an error of 10 %
    assert 0 <= at - 54 * constant < 0.3 and away > at


def test_photo_z_moves_distance_and_age(data):
    z = 0.4
    fixed = {k: v for k, v in data["arglist"].items() if k != "z"}
    expected = prospect_sed(
        speclib=data["speclib"], filters=data["filtout"], mSFR=3.0, mpeak=8.0, tau_screen=0.3, z=z,
        agemax=universe_age_yr(z, ref="737") - universe_age_yr(20, ref="737"),
        magemax=(universe_age_yr(z, ref="737") - universe_age_yr(20, ref="737")) / 1e9,
        LumDist_Mpc=lum_dist_mpc(z, ref="737"), IGMabsorb=stats.norm.cdf(z, 3.8, 1.2), ref="737",
        Dale_M2L_func=None, **fixed,
    ).Photom  # fmt: skip
    arglist = {**fixed, "photoz": True, "ref": "737", "z_genSF": 20, "IGMfunc": "Songaila04"}
    names = {
        "parm.names": [*data["parm.names"], "z"],
        "logged": [True, False, False, True],
        "arglist": arglist,
    }
    flux = {**data["flux"], "flux": expected, "fluxerr": 0.1 * expected}
    found = prospect_sed_like([*TRUTH, np.log10(z)], {**data, **names, "flux": flux})
    np.testing.assert_allclose(found, 2 * np.log(2 * np.pi), rtol=1e-9)
    with pytest.raises(ValueError, match="photoz needs a cosmology"):
        prospect_sed_like([*TRUTH, -0.4], {**data, **names, "arglist": {**fixed, "photoz": True}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parm.names": None}, "Data needs parm.names"),
        ({"like": "normal"}, "like='normal' is unknown"),
        ({"fit": "mcmc"}, "fit='mcmc' is unknown"),
        ({"mode": "spectrum"}, "mode='spectrum' is unknown"),
        ({"filtout": None, "mode": "photom"}, "needs the bands: give filtout"),
        ({"flux": None}, "needs data: give photom"),
        ({"flux": {"flux": [1.0] * 4}}, "no column 'fluxerr'"),
        ({"flux": {"flux": [1.0], "fluxerr": [1.0]}}, "1 fluxes for 4 bands"),
        ({"logged": [True]* 2}, "logged has 2 flags for 3"),
        ({"intervals": {"lo": [2, 0, 0], "hi": [1, 1, 1]}}, "is above hi"),
        ({"Speclib": 1}, "which ProSpectSEDlike does not know"),
        ({"like": "chisq", "parm.names": ["mSFR", "mpeak", "tau_screen", "tau_birth"]}, "parm has 3 numbers"),
    ],
)  # fmt: skip
def test_mistakes_are_said(data, change, message):
    with pytest.raises(ValueError, match=message):
        prospect_sed_like(TRUTH, {**data, **change})
