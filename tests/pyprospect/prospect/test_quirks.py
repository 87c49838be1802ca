"""The quirks Q1 to Q16 of ProSpect: what compat mode reproduces and the default mode mends, or what both refuse.

Tests of a quirk that lie elsewhere: Q4 also test_sfh_input.py::test_ionising_lines_need_ionising_light and
test_sfh_parity.py::test_fuv_lines_on_emiles_are_an_error_as_in_r; Q6 also test_rebin.py (last pixel, weights); Q8
also test_sed.py::test_age_limit_follows_the_cosmology; Q15 also test_lsf.py.
"""

import inspect

import numpy as np
import pytest

from histories import HISTORY, RUN
from pyprospect import prospect_sed, sfh_burst, sfh_func, smstar_func, toy_library
from pyprospect.bands.band_matrix import resolve
from pyprospect.constants import HALPHA_LSOL_PER_SFR
from pyprospect.dust.attenuation import CF, CF_birth, CF_screen
from pyprospect.gas.lines import sfr2lum
from pyprospect.histories import massfunc
from pyprospect.numerics.lsf import disp_stars
from pyprospect.numerics.rebin import spec_rebin
from pyprospect.prospect.starlight import total

pytestmark = pytest.mark.filterwarnings("ignore::pyprospect.messages.ClampWarning")


def test_q1_line_energy_belongs_to_birth_clouds(library, prospect_tables):
    run = {**RUN, "speclib": library, "emission": True, "tau_birth": 0.4, "tau_screen": 0}
    ours, theirs = sfh_func(**run), sfh_func(**run, compat=True)
    # With no screen ProSpect leaves the light of the lines in lumtot_birth although it is seen.
    seen = total(theirs.wave_lum, theirs.lum_atten)
    assert theirs.lumtot_birth + seen > 1.01 * theirs.lumtot_unatten
    assert ours.lumtot_birth + total(ours.wave_lum, ours.lum_atten) == pytest.approx(
        ours.lumtot_unatten, rel=1e-9
    )


def test_q2_lines_end_at_five_sigma(library, prospect_tables):
    run = {**RUN, "speclib": library, "emission": True, "veldisp": 50, "LSF": 200.0}
    light = {compat: sfh_func(**run, compat=compat) for compat in (True, False)}
    bare = sfh_func(**{**run, "emission": False}, escape_frac=0)
    between = 3200.0  # no line within 5 sigma
    excess = {
        compat: np.interp(between, r.wave_lum, r.lum_atten)
        / np.interp(between, bare.wave_lum, bare.lum_atten)
        - 1
        for compat, r in light.items()
    }
    assert abs(excess[False]) < 1e-3
    assert excess[True] > 0.01


def test_q3_short_library_is_not_extended(optical, prospect_tables):
    run = {**RUN, "speclib": optical, "emission": True, "emission_scale": "SFR"}
    ours, theirs = sfh_func(**run), sfh_func(**run, compat=True)
    assert ours.wave_lum[0] == optical.wave_aa[0]
    assert ours.wave_lum[-1] == optical.wave_aa[-1]
    assert theirs.wave_lum[-1] > 1.5e6
    assert theirs.lumtot_atten < 0
    assert theirs.lumtot_screen == 0
    assert ours.lumtot_screen > 0
    assert ours.lumtot_outside > 0
    balance = (
        ours.lumtot_unatten + ours.lumtot_excess - ours.lumtot_outside - total(ours.wave_lum, ours.lum_atten)
    )
    assert ours.lumtot_birth + ours.lumtot_screen == pytest.approx(balance, rel=1e-9)
    optical_part = (theirs.wave_lum > 4500) & (theirs.wave_lum < 7000)
    np.testing.assert_allclose(
        np.interp(theirs.wave_lum[optical_part], ours.wave_lum, ours.lum_atten),
        theirs.lum_atten[optical_part],
        rtol=0.05,  # the two sample the peaks of lines at different points
    )


def test_q5_zero_pixels_do_not_spread(library):
    run = {**RUN, "speclib": library, "disp_stars": True, "escape_frac": 0.0}
    for compat in (True, False):  # where R stops with an error
        assert np.all(np.isfinite(sfh_func(**run, compat=compat).lum_atten))


def test_q11_one_escape_fraction_for_several_limits(library, prospect_tables):
    run = {**RUN, "speclib": library, "emission": True, "Ly_limit": [1215.67, 911.75]}
    spread = sfh_func(**run, escape_frac=[0.3, 0.3])
    single = sfh_func(**{**run, "Ly_limit": 1215.67}, escape_frac=0.3)
    assert spread.lumtot_lines == pytest.approx(single.lumtot_lines, rel=1e-3)
    with pytest.raises(ValueError, match="needs one escape_frac"):
        sfh_func(**run, escape_frac=[0.3, 0.1], emission_scale="SFR")


@pytest.mark.parametrize("compat", [False, True])
def test_q12_lines_of_a_burst_survive_without_birth_dust(library, prospect_tables, compat):
    run = {
        "burstmass": 1e8,
        "burstage": 1e6,
        "speclib": library,
        "filters": None,
        "sparse": 1,
        "tau_screen": 0,
    }
    light = sfh_burst(**run, emission=True, tau_birth=0, compat=compat)
    bare = sfh_burst(**run, tau_birth=0, compat=compat)
    peak = np.argmin(np.abs(light.wave_lum - 6562.8))
    assert light.lum_atten[peak] > 2 * np.interp(6562.8, bare.wave_lum, bare.lum_atten)
    # ProSpect leaves the ionising light in the spectrum that has powered the lines.
    assert (light.lum_atten[light.wave_lum < 900].max() > 0) == compat


@pytest.mark.parametrize("compat", [False, True])
def test_q4_ionising_lines_without_ionising_light_are_an_error(optical, prospect_tables, compat):
    run = {**RUN, "speclib": optical, "emission": True, "compat": compat}
    with pytest.raises(
        ValueError, match=r"'FUV' scales the lines by the light below 911\.75.*use emission_scale='SFR'"
    ):
        sfh_func(**run, emission_scale="FUV")
    assert sfh_func(**run, emission_scale="SFR").lumtot_lines > 0


def test_q6_line_fluxes_on_an_uneven_grid(library, prospect_tables):
    run = {**RUN, "speclib": library, "emission": True, "tau_birth": 0, "tau_screen": 0}
    light = sfh_func(**run)
    wave, flux = light.wave_lum, light.lum_atten - light.lum_unatten
    grid = np.arange(6500.0, 6625.0, 1.25)
    inside = (wave > 6505) & (wave < 6620)
    power = np.trapezoid(flux[inside], wave[inside])
    ours, theirs = (
        1.25 * np.sum(spec_rebin(wave, flux, grid, logbin=False, compat=compat).flux[4:-4])
        for compat in (False, True)
    )
    assert ours == pytest.approx(power, rel=1e-6)
    assert abs(theirs / power - 1) > 0.01


def test_q7_scaling_of_halpha_is_prospects_and_can_be_changed(library, prospect_tables):
    run = {**RUN, "speclib": library, "emission": True, "emission_scale": "SFR"}
    assert (
        inspect.signature(sfh_func).parameters["lumscale"].default
        == HALPHA_LSOL_PER_SFR
        == sfr2lum(1)
        == 21612724
    )
    chabrier = 1.53 / 7.9e-42 / 3.828e33
    for compat in (False, True):
        usual, brighter = (
            sfh_func(**run, compat=compat, lumscale=scale) for scale in (HALPHA_LSOL_PER_SFR, chabrier)
        )
        assert brighter.lumtot_lines / usual.lumtot_lines == pytest.approx(2.34, rel=2e-3)


def test_q8_cosmology_reaches_the_age_limit(library, prospect_tables):
    run = {**RUN, "speclib": library, "z": 0.5, "H0": 50.0}
    alone = sfh_func(**run).agemax
    ours, theirs = (prospect_sed(**run, compat=compat).Stars.agemax for compat in (False, True))
    assert ours == alone
    assert theirs == sfh_func(**{**run, "H0": 67.8}).agemax != ours


@pytest.mark.parametrize("compat", [False, True])
def test_q9_remaining_mass_knows_all_arguments(library, compat):
    run = {"speclib": library, "Z": 0.01, "agemax": 5e9, "forcemass": 1e10, "compat": compat, **HISTORY}
    light = sfh_func(**run, z=0.3, filters=None, SMstar=True)
    assert light.SMstar == smstar_func(**run, z=0.3)
    assert light.SMstar.TotSMform == pytest.approx(1e10)
    assert light.SMstar != smstar_func(**{**run, "agemax": None, "forcemass": False})  # what R answers


def test_q10_history_is_sampled_at_the_ages_of_the_library(library):
    light = sfh_func(**RUN, speclib=library, agemax=8e8)
    rates = massfunc.snorm_burst(library.age_yr, **{k: v for k, v in HISTORY.items() if k != "massfunc"})
    kept = library.age_yr <= 8e8
    np.testing.assert_array_equal(light.massvec, (rates * library.age_weights_yr)[kept])
    last = np.flatnonzero(kept)[-1]  # the whole bin, although part of it is older
    assert light.agevec[-1] == library.age_yr[last] < 8e8 < library.age_edges_yr[last + 1]
    old = toy_library()
    late = type(old)(
        old.z,
        old.age_yr[4:],
        np.append(0, old.age_edges_yr[5:]),
        old.wave_aa,
        old.spectra[:, 4:],
        old.evolution[:, 4:],
    )
    # without stars up to 10 Myr the first bin, here 0 to 22 Myr, is the birth cloud
    dusty, clear = (sfh_func(**RUN, speclib=late, tau_birth=tau, tau_screen=0) for tau in (1.0, 0.0))
    young = {"Z": 0.01, "z": 0.02, "sparse": 1, "filters": None, "tau_birth": 0, "tau_screen": 0}
    first = sfh_func(lambda age: (age < 2e7) * 1.0, **young, speclib=late)
    weight = massfunc.snorm_burst(late.age_yr[0], mSFR=3.0, mpeak=5.0, mperiod=3.0, mburst=0.5)
    lost = weight * first.lum_atten * (1 - CF_birth(dusty.wave_lum))
    np.testing.assert_allclose(clear.lum_atten - dusty.lum_atten, lost, rtol=1e-9, atol=1e-12 * lost.max())


def test_q12_no_dust_transmits_all():
    wave = np.array([1000.0, 5500.0, 1e5])
    for curve in (CF, CF_birth, CF_screen):
        np.testing.assert_array_equal(curve(wave, tau=0), 1.0)  # R gives 0


@pytest.mark.usefixtures("prospect_tables")
def test_q13_what_r_lets_pass_is_refused(library):
    for LSF in ([50.0, 60.0, 70.0], np.full(library.wave_aa.size, 60.0)):
        with pytest.raises(ValueError, match="LSF of shape"):
            sfh_func(**RUN, speclib=library, disp_stars=True, LSF=LSF)
    with pytest.raises(ValueError, match="'WAVES' is unknown"):
        resolve("WAVES")
    with pytest.raises(TypeError, match=r"'HO'.*mean 'H0'"):
        sfh_func(**RUN, speclib=library, HO=70)


def test_q14_defaults_of_sampling(library):
    assert inspect.signature(sfh_func).parameters["sparse"].default == 5
    assert inspect.signature(prospect_sed).parameters["sparse"].default == 5
    assert inspect.signature(spec_rebin).parameters["logbin"].default is True
    light = sfh_func(**{k: v for k, v in RUN.items() if k != "sparse"}, speclib=library)
    np.testing.assert_array_equal(light.wave_lum, library.wave_aa[::5])


def test_q15_kernel_ends_at_five_sigma():
    wave = np.arange(4000.0, 6000.0, 0.5)
    for compat in (False, True):
        flat = disp_stars(wave, np.ones(wave.size), veldisp=0, compat=compat)
        np.testing.assert_allclose(flat, 0.99999989, rtol=1e-8)


@pytest.mark.parametrize("compat", [False, True])
def test_q16_no_call_changes_another(library, prospect_tables, compat):
    run = {**RUN, "speclib": library, "emission": True, "disp_stars": True, "LSF": 60.0, "compat": compat}
    before = library.spectra.copy()
    first = sfh_func(**run)
    sfh_func(**{**run, "Z": "massmap_lin", "tau_birth": 2.0, "emission_scale": "SFR"})
    again = sfh_func(**run)
    np.testing.assert_array_equal(first.lum_atten, again.lum_atten)
    np.testing.assert_array_equal(first.lum_unatten, again.lum_unatten)
    np.testing.assert_array_equal(library.spectra, before)
