"""Physics of composite spectra that needs no oracle, and the quirks of ProSpect that the default mode mends."""

import numpy as np
import pytest

from histories import HISTORY, RUN
from pyprospect import SSPLibrary, sfh_burst, sfh_func, smstar_func
from pyprospect.constants import LSOL_ERG_S, LSOL_TO_ABSOLUTE, MPC_CM
from pyprospect.histories import massfunc, zfunc
from pyprospect.prospect.starlight import total

pytestmark = pytest.mark.filterwarnings("ignore::pyprospect.messages.ClampWarning")


def test_light_and_mass_are_linear_in_the_rate(library, prospect_tables):
    one, three = (
        sfh_func(**{**RUN, "mSFR": k * 3, "mburst": k * 0.5}, speclib=library, emission=True, disp_stars=True)
        for k in (1, 3)
    )
    np.testing.assert_allclose(
        three.lum_atten, 3 * one.lum_atten, rtol=1e-11, atol=1e-9 * one.lum_atten.max()
    )
    for name in ("masstot", "lumtot_unatten", "lumtot_birth", "lumtot_screen", "SFRburst"):
        assert three[name] == pytest.approx(3 * one[name], rel=1e-11)
    assert pytest.approx(one.M2L, rel=1e-11) == three.M2L


def test_histories_add_up(library):
    def both(age):
        return massfunc.snorm(age, mpeak=4) + massfunc.const(age, mSFR=0.3)

    run = {"Z": 0.01, "z": 0.02, "sparse": 1, "filters": None, "speclib": library}
    parts = [sfh_func("snorm", mpeak=4, **run), sfh_func("const", mSFR=0.3, **run)]
    whole = sfh_func(both, **run)
    np.testing.assert_allclose(whole.lum_atten, sum(part.lum_atten for part in parts), rtol=1e-12)
    assert whole.masstot == pytest.approx(sum(part.masstot for part in parts), rel=1e-12)


@pytest.mark.parametrize("disp_stars", [False, True])
@pytest.mark.parametrize("emission_scale", [None, "FUV", "SFR"])
@pytest.mark.parametrize("taus", [(0, 0), (1.5, 0), (0, 0.6), (1.5, 0.6)])
def test_energy_absorbed_is_energy_missing(library, prospect_tables, disp_stars, emission_scale, taus):
    lines = {"emission": True, "emission_scale": emission_scale} if emission_scale else {}
    run = {
        **RUN,
        "tau_birth": taus[0],
        "tau_screen": taus[1],
        "disp_stars": disp_stars,
        "veldisp": 150,
        **lines,
    }
    light = sfh_func(**run, speclib=library, LSF="muse")
    assert light.lumtot_unatten == total(light.wave_lum, light.lum_unatten)
    missing = light.lumtot_unatten + light.lumtot_excess - total(light.wave_lum, light.lum_atten)
    assert light.lumtot_outside == 0
    absorbed = light.lumtot_birth + light.lumtot_screen
    assert absorbed == pytest.approx(missing, abs=1e-9 * light.lumtot_unatten)
    assert light.lumtot_atten == absorbed
    assert (light.lumtot_screen > 0) == (taus[1] > 0)
    if emission_scale != "SFR":
        assert (light.lumtot_birth > 1e-9 * light.lumtot_unatten) == (taus[0] > 0)
    else:
        assert light.lumtot_excess > 0 or light.lumtot_birth > 0


def test_lines_carry_the_ionising_light(library, prospect_tables):
    bare = sfh_func(**RUN, speclib=library, tau_birth=0, tau_screen=0)
    light = sfh_func(**RUN, speclib=library, tau_birth=0, tau_screen=0, emission=True)
    ionising = bare.wave_lum < 911.75
    power = total(bare.wave_lum[ionising], bare.lum_atten[ionising])
    assert light.lumtot_lines == pytest.approx(power, rel=1e-6)
    assert np.all(light.lum_atten[light.wave_lum < 911.75] == 0)
    half = sfh_func(**RUN, speclib=library, tau_birth=0, tau_screen=0, emission=True, escape_frac=0.5)
    assert half.lumtot_lines == pytest.approx(power / 2, rel=1e-6)


def test_ionising_light_without_lines_heats_dust(library):
    light = sfh_func(**RUN, speclib=library, tau_birth=0, tau_screen=0, escape_frac=0.25)
    ionising = light.wave_lum < 911.75
    power = total(light.wave_lum[ionising], light.lum_unatten[ionising])
    assert light.lumtot_birth == pytest.approx(0.75 * power, rel=1e-9)


@pytest.mark.parametrize("compat", [False, True])
def test_no_dust_is_the_limit_of_little_dust(library, prospect_tables, compat):
    run = {**RUN, "speclib": library, "emission": True, "compat": compat}
    little = sfh_func(**run, tau_birth=1e-10, tau_screen=1e-10)
    none = sfh_func(**run, tau_birth=0, tau_screen=0)
    np.testing.assert_allclose(little.lum_atten, none.lum_atten, rtol=1e-7)
    if not compat:  # R counts the absorbed ionising light in lumtot_birth, however thin the dust
        assert little.lumtot_birth == pytest.approx(0, abs=1e-8 * none.lumtot_unatten)
        assert none.lumtot_birth == pytest.approx(0, abs=1e-12 * none.lumtot_unatten)


def test_dispersion_moves_light_and_keeps_it(library):
    run = {**RUN, "speclib": library, "tau_birth": 0, "tau_screen": 0}
    sharp, broad = sfh_func(**run), sfh_func(**run, disp_stars=True, veldisp=200)
    assert total(broad.wave_lum, broad.lum_atten) == pytest.approx(sharp.lumtot_unatten, rel=1e-12)
    hbeta = np.argmin(np.abs(sharp.wave_lum - 4861))
    around = [np.argmin(np.abs(sharp.wave_lum - w)) for w in (4840, 4882)]
    depth = [1 - r.lum_atten[hbeta] / r.lum_atten[around].mean() for r in (sharp, broad)]
    assert depth[1] < 0.85 * depth[0]


def test_flat_spectrum_has_the_same_flux_in_every_band(library):
    flat = np.broadcast_to(1e3 / library.wave_aa**2, library.spectra.shape).copy()
    flat = SSPLibrary(
        library.z, library.age_yr, library.age_edges_yr, library.wave_aa, flat, library.evolution, "flat f_nu"
    )
    bands = {
        "box": (np.array([4999.0, 5000.0, 6000.0, 6001.0]), np.array([0.0, 1.0, 1.0, 0.0])),
        "table": np.column_stack([[4000.0, 4500.0, 5000.0], [0.0, 0.7, 0.0]]),
        "curve": lambda wave: np.exp(-(((wave - 7000) / 200) ** 2)),
    }
    run = {**RUN, "speclib": flat, "tau_birth": 0, "tau_screen": 0, "z": 0.03, "filters": bands}
    light = sfh_func(**run, outtype="jansky")
    np.testing.assert_allclose(light.out, light.out[0], rtol=1e-3)
    assert light.filter_names == ("box", "table", "curve")
    magnitudes = sfh_func(**run).out
    np.testing.assert_allclose(
        magnitudes, -2.5 * np.log10(light.out) - 2.5 * np.log10(1e-23) - 48.6, atol=1e-9
    )


def test_flux_of_a_distance(library):
    near = sfh_func(**{**RUN, "filters": "F555W", "z": 0.01}, speclib=library, LumDist_Mpc=20.0)
    factor = LSOL_ERG_S / (4 * np.pi * (20 * MPC_CM) ** 2) / 1.01
    np.testing.assert_allclose(near.flux.flux, near.lum_atten * factor, rtol=1e-12)
    np.testing.assert_allclose(near.flux.wave, near.wave_lum * 1.01, rtol=1e-12)
    absolute = sfh_func(**{**RUN, "filters": "F555W", "z": 0}, speclib=library)
    np.testing.assert_allclose(absolute.flux.flux, absolute.lum_atten * LSOL_TO_ABSOLUTE, rtol=1e-12)
    behind = sfh_func(**{**RUN, "filters": "F555W", "z": -1}, speclib=library, agemax=1e10)
    assert behind.flux is None
    assert behind.out is None


def test_birth_clouds_hold_young_stars_only(library):
    old = sfh_burst(1e9, 2e7, speclib=library, filters=None, sparse=1, tau_birth=3, tau_screen=0)
    np.testing.assert_array_equal(old.lum_atten, old.lum_unatten)
    new = sfh_burst(1e9, 5e6, speclib=library, filters=None, sparse=1, tau_birth=3, tau_screen=0)
    assert np.all(new.lum_atten < new.lum_unatten)


def test_age_limit_and_forced_mass(library):
    light = sfh_func(**RUN, speclib=library, agemax=5e9, forcemass=1e10)
    assert light.masstot == pytest.approx(1e10)
    assert light.agevec.max() <= 5e9
    assert light.massvec.sum() == pytest.approx(1e10)
    free = sfh_func(**RUN, speclib=library, unimax=False)
    assert free.agemax is None
    assert free.agevec.size == library.age_yr.size


def test_metallicity_histories_reach_the_light(library):
    box = sfh_func(**{**RUN, "Z": "massmap_box"}, speclib=library, Zfinal=0.03, yield_=0.02)
    expected = zfunc.massmap_box(library.age_yr, Zfinal=0.03, yield_=0.02, **HISTORY)
    np.testing.assert_array_equal(box.Zvec_allages, expected)
    given = sfh_func(**{**RUN, "Z": expected}, speclib=library)
    np.testing.assert_array_equal(given.lum_atten, box.lum_atten)
    prefixed = sfh_func(
        **{
            **RUN,
            "Z": "Zfunc_massmap_box",
            "massfunc": "massfunc_snorm_burst",
            "yield": 0.02,
            "Zfinal": 0.03,
        },
        speclib=library,
    )
    np.testing.assert_array_equal(prefixed.lum_atten, box.lum_atten)


def test_custom_histories(library):
    age = np.linspace(0, 13e9, 400)
    table = {"age_yr": age, "sfr": massfunc.snorm(age, mpeak=5, mperiod=3)}
    run = {"z": 0.02, "sparse": 1, "filters": None, "speclib": library}
    tabulated = sfh_func("custom", **table, Z="custom", Zage_yr=[0, 1e10], Zhist=[0.02, 0.002], **run)
    smooth = sfh_func("snorm", mpeak=5, mperiod=3, Z=tabulated.Zvec_allages, **run)
    np.testing.assert_allclose(tabulated.massvec, smooth.massvec, rtol=5e-3)
    np.testing.assert_allclose(tabulated.lum_atten, smooth.lum_atten, rtol=2e-3)
    edges = np.array([0, 1e8, 1e9, 13e9])
    steps = massfunc.custom(np.array([0, 5e7, 1e8, 2e9, 13e9, 13.1e9]), age_yr=edges, sfr=[3.0, 2.0, 1.0])
    np.testing.assert_array_equal(steps, [3, 3, 2, 1, 1, 0])
    assert massfunc.integrate("custom", 5e7, 1.3e10, age_yr=edges, sfr=[3.0, 2.0, 1.0]) == pytest.approx(
        5e7 * 3 + 9e8 * 2 + 1.2e10
    )


def test_integrated_history_finds_a_burst_between_samples(library):
    def burst(age):
        return np.where((age > 4.00e8) & (age < 4.02e8), 50.0, 0.0)

    run = {"Z": 0.02, "z": 0.02, "sparse": 1, "filters": None, "speclib": library, "compat": True}
    assert sfh_func(burst, **run).masstot == 0
    assert sfh_func(burst, intSFR=True, **run).masstot == pytest.approx(50 * 2e6, rel=0.2)


def test_remaining_mass(library):
    masses = smstar_func(**HISTORY, Z=0.01, speclib=library, agemax=1.3e10)
    assert 0.5 * masses.TotSMform < masses.TotSMstar < masses.TotSMform
    light = sfh_func(**RUN, speclib=library, agemax=1.3e10, SMstar=True)
    assert light.SMstar == masses  # ProSpect's own SMstar=TRUE forgets agemax, z and forcemass (quirk Q9)
    assert masses.TotSMform == pytest.approx(light.masstot)
