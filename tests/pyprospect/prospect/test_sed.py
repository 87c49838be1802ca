"""The whole galaxy: every stored run of ProSpectSED against compat mode, and physics in the default mode."""

import inspect

import numpy as np
import pytest

from pyprospect import prospect_sed
from pyprospect.bands.photometry import convert_freq2wave
from pyprospect.constants import ERG_S_TO_LSOL
from pyprospect.dust.emission import dale_interp, dale_templates
from pyprospect.line_of_sight.cosmology import travel_time_yr
from pyprospect.messages import ClampWarning
from pyprospect.prospect import agn
from pyprospect.prospect.sed_parts import ALPHA_LIMITS
from pyprospect.prospect.starlight import total
from reference_cases import python_call

pytestmark = [
    pytest.mark.usefixtures("prospect_tables"),
    # histories start below the metallicities of the test libraries
    pytest.mark.filterwarnings("ignore:metallicit:pyprospect.messages.ClampWarning"),
]
quiet = pytest.mark.filterwarnings("ignore::pyprospect.messages.ClampWarning")

TARGET = 1e-8
RUNS = {"toy": 32, "BC03lr": 4}
HISTORY = {"massfunc": "snorm_burst", "mSFR": 3.0, "mburst": 2.0, "Z": "massmap_lin", "Zfinal": 0.02}


@pytest.fixture(scope="module")
def curves(reference):
    return {k: (v["wave"][()], v["response"][()]) for k, v in reference["unit/filters"].items()}


@pytest.fixture
def galaxy(libraries, curves):
    """prospect_sed of a star-forming galaxy, arguments to be changed."""
    bands = {name: curve for name, curve in curves.items() if name.startswith("F") and name.endswith("W")}

    def run(library="toy", **changes):
        args = {"speclib": libraries(library), "sparse": 1, "z": 0.01, "filters": bands} | HISTORY | changes
        return prospect_sed(**args)

    return run


def stored_call(case, libraries, reference, curves):
    """Arguments, and which of the stored bands are to be had (the file holds 11 of R's curves)."""
    call = python_call(case["inputs"], libraries=libraries, reference=reference)
    names = [n.decode() for n in case["filter_names"][()]] if "filter_names" in case else []
    known = [i for i, name in enumerate(names) if name in curves]
    call["filters"] = {names[i]: curves[names[i]] for i in known} or None
    if call.get("waveout") == "NULL":
        call["waveout"] = None
    if "AGNlum" in call:
        call["AGN"] = "AGN_UnOb_Sparse"
    return call, known


@quiet
@pytest.mark.parametrize(("library", "run"), [(k, i) for k, n in RUNS.items() for i in range(1, n + 1)])
def test_stored_runs(library, run, libraries, reference, curves, parity):
    case = reference[f"sed/ProSpectSED_{library}/draw_{run:03d}"]
    call, known = stored_call(case, libraries, reference, curves)
    ours = prospect_sed(compat=True, **call)
    row = f"sed/ProSpectSED_{library}"
    for what in ("FinalLum", "FinalFlux", "StarsAtten", "StarsUnAtten", "DustEmit", "AGN"):
        stored = [name for name in case if name.startswith(what + "_")]
        mine = getattr(ours, what)
        assert (mine is not None) == bool(stored), f"{what}: {mine}"
        for name in stored:
            values = mine.wave if name.endswith("_wave") else mine[1]
            parity.check(f"{row} spectra", values, case[name][()], TARGET, label=f"{run} {name}")
    unit = case.attrs["lumtot_unatten"]
    parity.check(f"{row} dustlum", ours.dustlum, case["dustlum"][()], TARGET, label=str(run), scale=unit)
    parity.check(f"{row} dustmass", ours.dustmass, case["dustmass"][()], TARGET, label=str(run))
    for name in ("lumtot_birth", "lumtot_screen", "lumtot_atten", "lumtot_unatten"):
        parity.check(f"{row} energies", ours.Stars[name], case.attrs[name], TARGET, label=name, scale=unit)
    for name in ("masstot", "SFRburst"):
        parity.check(f"{row} masses", ours.Stars[name], case.attrs[name], TARGET, label=name)
    if known:
        parity.check(f"{row} Photom", ours.Photom, case["Photom"][()][known], TARGET, label=str(run))
    elif call["z"] > 0:
        assert ours.Photom is ours.FinalFlux


def test_stored_runs_are_all_of_them(reference):
    assert {k: len(reference[f"sed/ProSpectSED_{k}"]) for k in RUNS} == RUNS


@quiet
@pytest.mark.filterwarnings("ignore:.*exactly zero:pyprospect.messages.ProSpectWarning")
@pytest.mark.parametrize("where", ["SFHfunc_EMILES", "SFHfunc_BC03lr"])
def test_stars_of_other_libraries_are_those_of_sfh_func(where, reference, parity, libraries):
    """R's runs of SFHfunc, through prospect_sed: E-MILES from the FITS files, with all wavelengths."""
    for name, case in reference[f"sfh/{where}"].items():
        call = python_call(case["inputs"], libraries=libraries, reference=reference)
        ours = prospect_sed(**{**call, "filters": None}, waveout=None, compat=True)
        parity.check(f"sed/{where} stars", ours.StarsAtten.lum, case["lum_atten"][()], TARGET, label=name)
        unit = case.attrs["lumtot_unatten"]
        absorbed = [case.attrs["lumtot_birth"], case.attrs["lumtot_screen"]]
        parity.check(f"sed/{where} dustlum", ours.dustlum[:2], absorbed, TARGET, label=name, scale=unit)
        assert total(*ours.DustEmit) == pytest.approx(sum(absorbed), rel=1e-9)
        dark = prospect_sed(**{**call, "filters": None}, Dale=False, compat=True)
        factor = case.attrs["flux_factor"]
        flux = convert_freq2wave(dark.FinalFlux.flux, dark.FinalFlux.wave) * 1e-23
        parity.check(f"sed/{where} flux", flux, case["lum_atten"][()] * factor, TARGET, label=name)


def test_defaults_are_prospects():
    defaults = {k: p.default for k, p in inspect.signature(prospect_sed).parameters.items()}
    expected = {
        "z": 0.1,
        "tau_birth": 1,
        "tau_screen": 0.3,
        "tau_AGN": 1,
        "alpha_SF_birth": 1,
        "alpha_SF_screen": 3,
    }
    expected |= {
        "alpha_SF_AGN": 0,
        "sparse": 5,
        "H0": 67.8,
        "OmegaM": 0.308,
        "Te_SF": 1e4,
        "ff_frac_AGN": 0.1,
    }
    expected |= {"AGNct": 40, "AGNrm": 60, "AGNan": 30, "AGNal": 4, "AGNbe": -0.5, "L0": 2175.8, "LFWHM": 470}
    assert {k: defaults[k] for k in expected} == expected


ENERGY_CASES = [
    {},
    {"tau_screen": 0},
    {"tau_birth": 0},
    {"tau_birth": 0.01, "tau_screen": 1e-3},
    {"emission": True},
    {"emission": True, "tau_screen": 0},
    {"emission": True, "tau_birth": 0},
    {"emission": True, "emission_scale": "SFR", "escape_frac": 0.3},
    {"emission": True, "disp_stars": True, "veldisp": 150, "LSF": 60.0},
    {"Eb": 2.0, "tau_screen": 1.0, "alpha_SF_screen": 1.3},
]


@quiet
@pytest.mark.parametrize("change", ENERGY_CASES, ids=str)
@pytest.mark.parametrize("library", RUNS)
def test_absorbed_energy_is_emitted(galaxy, library, change):
    sed = galaxy(library, waveout=None, **change)
    stars = sed.Stars
    absorbed = stars.lumtot_unatten + stars.lumtot_excess - stars.lumtot_outside - total(*sed.StarsAtten)
    assert total(*sed.DustEmit) == pytest.approx(absorbed, rel=1e-6, abs=1e-6 * 1e-6 * stars.lumtot_unatten)
    assert sed.dustlum.total == pytest.approx(absorbed, rel=1e-6)
    # nothing is lost in the sum: by trapezoids to the accuracy of the library's own sampling
    parts = sum(np.trapezoid(s[1], s[0]) for s in (sed.StarsAtten, sed.DustEmit))
    assert np.trapezoid(sed.FinalLum.lum, sed.FinalLum.wave) == pytest.approx(parts, rel=5e-4)


@pytest.mark.parametrize("alpha", [ALPHA_LIMITS[0], 1.0, 2.5, ALPHA_LIMITS[1]])
def test_prospect_emits_more_than_was_absorbed(galaxy, alpha):
    args = {"alpha_SF_birth": alpha, "alpha_SF_screen": alpha, "tau_screen": 1.0}

    def emitted_over_absorbed(compat):
        sed = galaxy(compat=compat, **args)
        fine = np.geomspace(3601.0, 2e9, 200001)
        with np.errstate(divide="ignore"):
            dust = np.exp(np.interp(np.log(fine), np.log(sed.DustEmit.wave), np.log(sed.DustEmit.lum)))
        return np.trapezoid(dust, fine) / sed.dustlum.total

    assert emitted_over_absorbed(False) == pytest.approx(1.0, abs=2e-3)
    assert 1.08 < emitted_over_absorbed(True) < 1.18


def test_dust_mass_and_far_infrared_belong_together(galaxy):
    for compat in (False, True):
        sed = galaxy(compat=compat, alpha_SF_birth=2.0, alpha_SF_screen=2.0)
        per_mass = dale_interp(2.0, type="Msol", refine=not compat)
        np.testing.assert_allclose(sed.DustEmit.lum, per_mass.Aspec * sed.dustmass.total, rtol=1e-8)


def test_age_limit_follows_the_cosmology(galaxy):
    args = {"z": 0.5, "H0": 50.0, "OmegaM": 0.3, "mpeak": 9.0}
    limits = {}
    for compat in (False, True):
        sed = galaxy(compat=compat, **args)
        limits[compat] = sed.Stars.agemax
        assert sed.cosmo["H0"] == 50.0
    assert limits[False] == pytest.approx(13.8e9 - travel_time_yr(0.5, H0=50.0, OmegaM=0.3))
    assert limits[True] == pytest.approx(13.8e9 - travel_time_yr(0.5))
    masses = [galaxy("BC03lr", compat=c, **args).Stars.masstot for c in (False, True)]
    assert masses[0] != pytest.approx(masses[1], rel=0.05)


def test_photometry_does_not_depend_on_the_returned_grid(galaxy):
    union, coarse = (galaxy("BC03lr", waveout=w) for w in (None, np.arange(2.0, 9.3, 0.05)))
    np.testing.assert_allclose(coarse.Photom, union.Photom, rtol=1e-12)
    assert coarse.FinalLum.wave.size == 146 and coarse.FinalFlux.wave.size == 146
    at = np.interp(np.log(coarse.FinalLum.wave), np.log(union.FinalLum.wave), np.log(union.FinalLum.lum))
    seen = coarse.FinalLum.lum > 0
    np.testing.assert_allclose(np.log(coarse.FinalLum.lum[seen]), at[seen], atol=1e-9)
    compat = [galaxy("BC03lr", waveout=w, compat=True).Photom for w in (None, np.arange(2.0, 9.3, 0.05))]
    assert np.abs(compat[1] / compat[0] - 1).max() > 0.01


def test_light_scales_with_mass(galaxy):
    one = galaxy(mburst=0.0, emission=True)
    ten = galaxy(mburst=0.0, emission=True, mSFR=30.0)
    np.testing.assert_allclose(ten.FinalLum.lum, 10 * one.FinalLum.lum, rtol=1e-9)
    np.testing.assert_allclose(ten.Photom, 10 * one.Photom, rtol=1e-9)
    np.testing.assert_allclose(ten.dustmass, 10 * np.array(one.dustmass), rtol=1e-9)


def test_results_by_name(galaxy):
    sed = galaxy()
    assert sed["FinalLum"] is sed.FinalLum and {"Photom", "dustmass"} <= set(sed)
    with pytest.raises(KeyError, match="there are Photom"):
        sed["photom"]


def test_no_dust_no_infrared(galaxy):
    sed = galaxy(tau_birth=0, tau_screen=0, waveout=None)
    assert sed.dustlum.total == 0 and sed.dustmass.total == 0 and not sed.DustEmit.lum.any()
    np.testing.assert_allclose(sed.StarsAtten.lum, sed.StarsUnAtten.lum, rtol=1e-12)


def test_without_dust_emission(galaxy):
    for off in (False, 0):
        sed = galaxy(Dale=off)
        assert sed.DustEmit is None and sed.dustlum.total > 0
        np.testing.assert_array_equal(sed.FinalLum.lum, sed.StarsAtten.lum)


def test_templates_can_be_given(galaxy):
    np.testing.assert_array_equal(galaxy(Dale=dale_templates()).FinalLum.lum, galaxy().FinalLum.lum)


def test_dust_mass_needs_a_mass_to_light_ratio(galaxy):
    assert galaxy(Dale_M2L_func=None).dustmass == (0, 0, 0, 0)
    sed = galaxy(Dale_M2L_func=lambda alpha: 1000.0)
    assert sed.dustmass.total == pytest.approx(sed.dustlum.total / 1000.0)


def test_photometry_only(galaxy):
    np.testing.assert_array_equal(galaxy(returnall=False), galaxy().Photom)
    assert galaxy(filters=None, returnall=False).wave.size == 736


def test_absolute_magnitudes(galaxy):
    sed = galaxy(z=0.0)
    assert np.all(sed.Photom < -15) and np.all(sed.Photom > -25)
    near = galaxy(z=0.0, filters=None)
    assert near.Photom is None and near.FinalFlux is None


def test_filtout_wins_and_names_stay(galaxy, curves):
    sed = galaxy(filtout={"mine": curves["F555W"]})
    assert sed.filters == ("mine",)
    assert sed.Photom[0] == pytest.approx(galaxy().Photom[galaxy().filters.index("F555W")])


def test_distance_instead_of_cosmology(galaxy):
    near, far = (galaxy(LumDist_Mpc=d).Photom for d in (10.0, 20.0))
    np.testing.assert_allclose(near / far, 4.0)


def test_dust_does_not_stand_in_for_missing_stars(galaxy, libraries, curves):
    # a library that ends inside F814W, as E-MILES without its holes does; dust goes on to the radio
    short = libraries("BC03lr").trim(0.0, 8951.0)
    band, far = {"F814W": curves["F814W"]}, {"S250": curves["S250_Herschel"]}
    with pytest.raises(ValueError, match="Angstrom, too little for F814W"):
        galaxy(speclib=short, filters=band)
    assert np.isnan(galaxy(speclib=short, filters=band, outside="nan").Photom).all()
    assert np.isnan(galaxy(speclib=short, filters=band, z=0.0, outside="nan").Photom).all()
    # a far-infrared band needs no stars; what dust absorbs beyond 0.9 um is not in the short library
    whole, cut = (galaxy("BC03lr", filters=far, **k).Photom[0] for k in ({}, {"speclib": short}))
    assert 0.8 * whole < cut < whole
    # with a nucleus, that reaches further than the stars
    with pytest.raises(ValueError, match="too little for FUV"):
        galaxy(
            speclib=libraries("BC03lr").trim(1600.0),
            filters={"FUV": curves["FUV_GALEX"]},
            AGN=True,
            AGNlum=1e44,
        )


@quiet
def test_igm(galaxy):
    bare, flat, inoue = (galaxy(z=3.0, IGMabsorb=x).FinalFlux for x in (0.0, 0.4, "Inoue14"))
    rest = bare.wave / 4.0
    forest = (rest > 920) & (rest < 1210)
    np.testing.assert_allclose(flat.flux[forest], 0.6 * bare.flux[forest])
    assert np.all(inoue.flux[forest] < bare.flux[forest])
    assert not flat.flux[rest < 911].any()
    for other in (flat, inoue):
        np.testing.assert_array_equal(other.flux[rest > 1216], bare.flux[rest > 1216])


def test_radio_continuum(galaxy):
    plain, radio, free_free = (
        galaxy(**k) for k in ({}, {"addradio_SF": True}, {"addradio_SF": True, "ff_frac_SF": 1.0})
    )
    at = [np.interp(9.0, np.log10(s.FinalLum.wave), s.FinalLum.lum) for s in (plain, radio, free_free)]
    assert at[1] == pytest.approx(at[0], rel=0.3) and at[2] < 0.5 * at[1]
    optical = plain.FinalLum.wave < 5e5
    np.testing.assert_allclose(
        np.interp(plain.FinalLum.wave, *radio.FinalLum)[optical], plain.FinalLum.lum[optical]
    )


def test_nucleus(galaxy):
    without, with_agn = galaxy(), galaxy(AGN=True, AGNlum=1e44)
    seen = without.FinalLum.wave > 1300.0
    both = without.FinalLum.lum + with_agn.AGN.lum
    np.testing.assert_allclose(with_agn.FinalLum.lum[seen], both[seen], rtol=2e-3)
    assert with_agn.dustlum.AGN > 0 and with_agn.dustlum.screen > without.dustlum.screen
    # all of its power comes out, by one way or another, to the sampling of the template (up to 1.1 dex)
    alone = prospect_sed(SFH=None, AGN=True, AGNlum=1e44, filters=None, waveout=None, z=0.01)
    power = 1e44 * ERG_S_TO_LSOL
    assert np.trapezoid(alone.FinalLum.lum, alone.FinalLum.wave) == pytest.approx(power, rel=0.05)
    assert alone.Stars is None and alone.StarsAtten is None


def test_grid_nucleus(galaxy):
    wave = np.geomspace(1e3, 1e7, 200)
    axes = {"ct": np.array([20.0, 40.0]), "an": np.array([0.0, 90.0])}
    grid = agn.AGNGrid("Fritz", axes, wave, np.ones((2, 2, 1)) * wave**-1.5 * 16.0)
    sed = galaxy(AGN=grid, AGNlum=1e44, waveout=None)
    assert np.isnan(sed.dustlum.AGN) and np.isfinite(sed.dustlum.total)
    assert sed.dustlum.screen > galaxy().dustlum.screen
    compat = galaxy(AGN=grid, AGNlum=1e44, compat=True)
    assert compat.FinalLum.wave.size == 736


def test_one_burst(galaxy, libraries, curves):
    sed = prospect_sed(
        "sfh_burst",
        speclib=libraries("toy"),
        burstmass=1e6,
        burstage=5e6,
        Z=0.02,
        z=0.01,
        filters=None,
        sparse=1,
    )
    assert sed.Stars.masstot == 1e6 and sed.dustlum.birth > 0


@quiet
def test_nothing_formed(galaxy):
    sed = galaxy(mSFR=0.0, mburst=0.0)
    assert not sed.FinalLum.lum.any() and not sed.Photom.any() and sed.dustmass.total == 0


@pytest.mark.parametrize(
    ("name", "value"), [("tau_screen", 12.0), ("pow_birth", -3.0), ("alpha_SF_birth", 9.0)]
)
def test_clipping_is_said(galaxy, name, value):
    with pytest.warns(ClampWarning, match=name):
        galaxy(**{name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": np.nan}, "z=nan"),
        ({"AGNlum": -1.0}, "must not be negative"),
        ({"tau_birth": np.nan}, "tau_birth=nan"),
        ({"alpha_SF_screen": np.inf}, "alpha_SF_screen=inf"),
        ({"Dale": "NormTot"}, "Dale of type str"),
        ({"Dale": False, "AGN": True, "AGNlum": 1e44}, "cannot be combined with an AGN"),
        ({"Dale": False, "addradio_SF": True}, "addradio_SF"),
        ({"Dale_M2L_func": 3.0}, "must be a function"),
        ({"AGN": "Seyfert", "AGNlum": 1e44}, "unknown"),
        ({"SFH": None}, "leaves nothing"),
        ({"SFH": "my_history"}, "unknown"),
        ({"waveout": "union"}, "or None"),
        ({"waveout": [3.0, 2.0]}, "ascending"),
        ({"waveout": [1000.0, 2000.0]}, "log10"),
        ({"IGMabsorb": "Madau95"}, "Inoue14"),
        ({"IGMabsorb": 2.0}, "between 0 and 1"),
        ({"LumDist_Mpc": -1.0}, "must be positive"),
        ({"filters": "F999W"}, "unknown"),
        ({"filters": (np.array([10.0, 20.0, 30.0]), np.array([0.0, 1.0, 0.0]))}, "too little for"),
    ],
)
def test_bad_input(galaxy, change, message):
    with pytest.raises(ValueError, match=message):
        galaxy(**change)
