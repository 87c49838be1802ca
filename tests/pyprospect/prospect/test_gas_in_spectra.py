"""Lines and continuum of the gas in sfh_func: what powers them, and where every Lsol goes."""

import numpy as np
import pytest

from histories import RUN
from pyprospect import prospect_sed, sfh_burst, sfh_func, toy_library
from pyprospect.bands.band_matrix import resolve
from pyprospect.bands.photometry import bandpass
from pyprospect.gas.continuum import (
    CloudyContinuum,
    continuum_at,
    electron_temperature,
    nebular_continuum_per_halpha,
)
from pyprospect.gas.ionizing_light import (
    halpha_from_ionizing_photons,
    ionizing_luminosity,
    ionizing_photons,
    ionizing_photons_from_sfr,
)
from pyprospect.gas.line_grids import LineGrid
from pyprospect.prospect.starlight import total

pytestmark = [
    pytest.mark.filterwarnings("ignore::pyprospect.messages.ClampWarning"),
    pytest.mark.usefixtures("prospect_tables"),
]
GAS = {**RUN, "emission": True, "nebular_continuum": True}
CLEAR = {"tau_birth": 0, "tau_screen": 0}


def halpha_of(light, stars):
    """Halpha in the spectrum, from the power within 7 Angstrom over its surroundings and the stars' own line."""
    inside = np.abs(light.wave_lum - 6562.8) < 7
    wave, lum = light.wave_lum[inside], light.lum_atten[inside]
    lum = lum - np.interp(wave, stars.wave_lum, stars.lum_atten)
    return np.trapezoid(lum - np.interp(wave, wave[[0, -1]], lum[[0, -1]]), wave)


@pytest.mark.parametrize("escape_frac", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("emission_scale", ["FUV", "photons", "SFR"])
@pytest.mark.parametrize("taus", [(0, 0), (1.5, 0), (1.5, 0.6)])
def test_every_lsol_is_accounted_for(library, emission_scale, escape_frac, taus):
    gas = {"emission_scale": emission_scale, "escape_frac": escape_frac}
    light = sfh_func(**GAS, **gas, tau_birth=taus[0], tau_screen=taus[1], speclib=library, disp_stars=True)
    missing = light.lumtot_unatten + light.lumtot_excess - light.lumtot_outside
    missing -= total(light.wave_lum, light.lum_atten)
    absorbed = light.lumtot_birth + light.lumtot_screen
    assert absorbed == pytest.approx(missing, abs=1e-9 * light.lumtot_unatten)
    assert (light.lumtot_continuum > 0) == (light.lumtot_lines > 0) == (escape_frac < 1)
    ionising = light.wave_lum < 911.75
    power = (1 - escape_frac) * total(light.wave_lum[ionising], light.lum_unatten[ionising])
    if emission_scale == "FUV":
        assert light.lumtot_lines + light.lumtot_continuum == pytest.approx(power, rel=1e-6)
        assert light.emission_input["All_lum"] == light.lumtot_lines
    if emission_scale == "photons":
        power_of_gas = light.lumtot_lines + light.lumtot_continuum
        assert light.lumtot_excess == pytest.approx(max(power_of_gas - power, 0), rel=1e-6)


def test_photoionisation_grid_emits_less_than_it_absorbs(libraries, upstream):
    """With Cloudy's lines; those of LKL10 are so many per Halpha (48) that they would need more energy."""
    grid = LineGrid.cloudy(upstream("cloudy_nebular"))
    run = {
        "massfunc": "const",
        "Z": 0.02,
        "z": 0.0,
        "filters": None,
        "sparse": 1,
        "speclib": libraries("BC03lr"),
    }
    light = sfh_func(**run, emission=True, nebular_continuum=True, emission_scale="photons", LKL10=grid)
    ionising = light.wave_lum < 911.75
    power = total(light.wave_lum[ionising], light.lum_unatten[ionising])
    assert 0.5 * power < light.lumtot_lines + light.lumtot_continuum < power
    assert light.lumtot_excess == 0


def test_short_library_leaves_gas_outside(optical):
    run = {**GAS, "emission_scale": "SFR", "speclib": optical}
    light = sfh_func(**run)
    lines_only = sfh_func(**{**run, "nebular_continuum": False})
    assert light.lumtot_lines == lines_only.lumtot_lines
    assert light.lumtot_outside > lines_only.lumtot_outside > 0
    missing = light.lumtot_unatten + light.lumtot_excess - light.lumtot_outside
    missing -= total(light.wave_lum, light.lum_atten)
    assert light.lumtot_birth + light.lumtot_screen == pytest.approx(missing, rel=1e-9)


def test_continuum_is_that_of_the_halpha_of_the_lines(library):
    run = {**GAS, **CLEAR, "speclib": library, "emission_scale": "SFR"}
    light, lines = sfh_func(**run), sfh_func(**{**run, "nebular_continuum": False})
    continuum = light.lum_atten - lines.lum_atten
    halpha = 21612724.0 * light.emission_input["SFR"]
    expected = halpha * nebular_continuum_per_halpha(light.wave_lum, electron_temperature(0.01))
    seen = (light.wave_lum > 950) & (light.wave_lum < 1e5)
    np.testing.assert_allclose(continuum[seen], expected[seen], rtol=2e-3, atol=1e-6 * expected.max())
    stars = sfh_func(**{**run, "emission": False, "nebular_continuum": False})
    assert halpha_of(light, stars) == pytest.approx(halpha, rel=0.01)
    # the Balmer jump of the gas is in emission
    blue, red = (np.interp(w, light.wave_lum, continuum) for w in (3600.0, 3700.0))
    assert blue > 2 * red


def test_interpolated_continuum_is_the_continuum():
    wave = np.random.default_rng(3).uniform(920, 3e4, 3000)
    exact = nebular_continuum_per_halpha(wave, electron_temperature(0.004))
    np.testing.assert_allclose(continuum_at(wave, 0.004), exact, rtol=2e-3, atol=1e-3 * exact.max())
    assert not continuum_at(np.array([100.0]), 0.004).any()


def test_continuum_of_another_model(library, upstream):
    cloudy = CloudyContinuum.read(upstream("cloudy_nebular"))
    np.testing.assert_allclose(
        cloudy(cloudy.wave_aa, cloudy.z[2], cloudy.log_u[1]), cloudy.per_halpha[2, 1], rtol=1e-12
    )
    run = {**GAS, "speclib": library, "emission_scale": "SFR"}
    ours = sfh_func(**run)
    theirs = sfh_func(**{**run, "nebular_continuum": cloudy})
    assert theirs.lumtot_continuum == pytest.approx(ours.lumtot_continuum, rel=0.3)
    flat = sfh_func(**{**run, **CLEAR, "nebular_continuum": lambda wave, z: np.full(wave.shape, 1e-4)})
    lines = sfh_func(**{**run, **CLEAR, "nebular_continuum": False})
    added = flat.lum_atten - lines.lum_atten
    np.testing.assert_allclose(added, 1e-4 * 21612724.0 * flat.emission_input["SFR"], rtol=1e-6)


def test_halpha_from_photons_of_young_stars(library):
    run = {**RUN, **CLEAR, "speclib": library, "emission": True}
    stars = sfh_func(**{**run, "emission": False})
    photons = ionizing_photons(stars.wave_lum, stars.lum_unatten)
    light = sfh_func(**run, emission_scale="photons")
    expected = halpha_from_ionizing_photons(photons)
    assert light.emission_input["Ha_lum"] == pytest.approx(expected, rel=0.02)  # two quadratures
    assert halpha_of(light, stars) == pytest.approx(light.emission_input["Ha_lum"], rel=0.01)
    leaking = sfh_func(**run, emission_scale="photons", escape_frac=0.25)
    assert leaking.emission_input["Ha_lum"] == pytest.approx(0.75 * light.emission_input["Ha_lum"])
    # 'FUV' gives the lines all of the ionising light
    whole = sfh_func(**run, emission_scale="FUV")
    assert whole.lumtot_lines == pytest.approx(
        ionizing_luminosity(stars.wave_lum, stars.lum_unatten), rel=0.02
    )
    by_rate = sfh_func(**run, emission_scale="SFR")
    kennicutt = halpha_from_ionizing_photons(ionizing_photons_from_sfr(1.0, imf="prospect"))
    assert halpha_of(by_rate, stars) == pytest.approx(kennicutt * by_rate.emission_input["SFR"], rel=0.01)


def test_burst_and_whole_galaxy_have_the_continuum_too(library):
    run = {"speclib": library, "z": 0.01, "filters": None, "sparse": 1}
    gas = {"emission": True, "nebular_continuum": True}
    with_gas, lines = (sfh_burst(1e6, 3e6, **run, **g) for g in (gas, {"emission": True}))
    assert with_gas.lumtot_continuum > 0 == lines.lumtot_continuum
    sed = prospect_sed("sfh_burst", burstmass=1e6, burstage=3e6, waveout=None, **run, **gas)
    absorbed = with_gas.lumtot_birth + with_gas.lumtot_screen
    assert total(*sed.DustEmit) == pytest.approx(absorbed, rel=1e-9)


def test_gas_that_cannot_be(library):
    lines = LineGrid.lkl10().select(3000, 6000)
    for change, message in (
        ({"emission": False}, "give emission=True"),
        ({"compat": True}, "ProSpect has none"),
        ({"LKL10": lines}, "no Halpha among the"),
    ):
        with pytest.raises(ValueError, match=message):
            sfh_func(**{**GAS, **change}, speclib=library)
    with pytest.raises(ValueError, match="must be one of"):
        sfh_func(**RUN, speclib=library, emission=True, emission_scale="photons", compat=True)
    with pytest.raises(ValueError, match=r"'photons' scales the lines.*starts at 30"):
        sfh_func(**GAS, emission_scale="photons", speclib=toy_library().trim(3000.0, 9500.0))


def test_wavelengths_that_coincide_but_for_rounding(library):
    wave = library.wave_aa.copy()
    at = np.argmin(np.abs(wave - 6562.8))
    wave[at] = np.nextafter(6562.8, 0)
    axes = {name: getattr(library, name) for name in library.__dataclass_fields__}
    run = {**RUN, "speclib": type(library)(**{**axes, "wave_aa": wave}), "filters": "F555W", "emission": True}
    for z in (0.01, 0.1, 0.37, 1.3):
        ours = sfh_func(**{**run, "z": z})
        assert np.all(np.diff(ours.wave_lum) > 1e-9 * ours.wave_lum[1:])
        assert np.isin(wave, ours.wave_lum).all()
        theirs = sfh_func(**{**run, "z": z}, compat=True)
        assert ours.out == pytest.approx(theirs.out, abs=0.02)
    twice = np.array([4000.0, 5000.0, 5000.0, 6000.0])
    band = resolve({"box": (np.array([4500.0, 5500.0]), np.array([1.0, 1.0]))})
    assert bandpass(twice, np.ones(4), band, outside="compat")[0] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="ascending strictly"):
        bandpass(twice, np.ones(4), band, outside="compat", quadrature="union")
