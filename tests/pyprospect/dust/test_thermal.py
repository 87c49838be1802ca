"""Black and grey bodies and dust temperatures: R's numbers, and laws of physics."""

import astropy.constants as ac
import numpy as np
import pytest

from pyprospect import constants
from pyprospect.dust import thermal


def test_reference(reference, parity):
    group = reference["unit/thermal"]
    wave = group["wave"][()]
    ours = {
        "blackbody_T50": thermal.blackbody(wave, 50),
        "greybody_T30_b1.8": thermal.greybody(wave, 30, 1.8),
        "blackbody_norm_T40_z0.1_norm2": thermal.blackbody_norm(wave, 40, z=0.1, norm=2, compat=True),
        "greybody_norm_T20_50_b1.5_2": thermal.greybody_norm(
            wave, [20, 50], [1.5, 2], norm=[1, 3], compat=True
        ),
    }
    for name, values in ours.items():
        parity.check("unit/thermal", values, group[name][()], 1e-11, label=name)


def test_temperatures(reference, parity):
    group = reference["unit/alphaSF_Temp"]
    parity.check(
        "unit/alphaSF_Temp", thermal.alpha_sf_to_temp(group["alpha_in"][()]), group["T_out"][()], 1e-12
    )
    parity.check("unit/alphaSF_Temp", thermal.temp_to_alpha_sf(group["T"][()]), group["alpha"][()], 1e-11)


def test_temperature_round_trip():
    alpha = np.linspace(0.1, 3.9, 77)
    back = thermal.temp_to_alpha_sf(thermal.alpha_sf_to_temp(alpha))
    np.testing.assert_allclose(back, alpha, atol=2e-5)
    assert isinstance(thermal.alpha_sf_to_temp(1.25), float)
    assert thermal.alpha_sf_to_temp(1.25) == 55.0


@pytest.mark.parametrize(("temp", "beta"), [(20.0, 0.0), (45.0, 1.5), (80.0, 2.0)])
@pytest.mark.parametrize("z", [0.0, 1.5])
def test_normalisation(temp, beta, z):
    wave = np.geomspace(1e4, 1e11, 40001) * (1 + z)
    total = np.trapezoid(thermal.greybody_norm(wave, temp, beta, z=z, norm=3.0), wave)
    assert total == pytest.approx(3.0, rel=1e-6)


def test_stefan_boltzmann():
    wave = np.geomspace(1e3, 1e10, 40001)
    power = [np.trapezoid(thermal.blackbody(wave, t), wave) for t in (30.0, 60.0)]
    assert power[1] / power[0] == pytest.approx(16.0, rel=1e-7)
    # 4 kappa sigma T^4 per mass
    expected = 4 * 0.077 * ac.sigma_sb.value * 30.0**4 * 1.989e30 / 3.828e26
    assert power[0] == pytest.approx(expected, rel=1e-5)


def test_wien():
    wave = np.geomspace(1e5, 1e7, 200001)
    peak = wave[np.argmax(thermal.blackbody(wave, 50.0))]
    assert peak * 50.0 == pytest.approx(ac.b_wien.value * 1e10, rel=1e-4)


def test_radio_tail_is_rayleigh_jeans():
    slope = np.diff(np.log(thermal.greybody(np.array([1e10, 1.01e10]), 40.0, 1.5)))[0] / np.log(1.01)
    assert slope == pytest.approx(-(4 + 1.5), rel=1e-3)


def test_constants_are_those_of_physics():
    assert pytest.approx(ac.h.value, rel=1e-6) == constants.PLANCK_J_S
    assert pytest.approx(ac.k_B.value, rel=1e-5) == constants.BOLTZMANN_J_K
    assert pytest.approx((ac.m_p + ac.m_e).value, rel=1e-3) == constants.HYDROGEN_KG


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: thermal.blackbody([1e5], -3.0), "Temp=-3.0 must be between 0.1 "),
        (lambda: thermal.blackbody([-1e5], 30.0), "must be positive"),
        (lambda: thermal.greybody_norm([1e5], [20, 30], [1.0, 1.5, 2.0]), "do not match"),
        (lambda: thermal.greybody_norm([1e5], 20, z=-1.0), "z=-1.0 must be between -0.999"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
