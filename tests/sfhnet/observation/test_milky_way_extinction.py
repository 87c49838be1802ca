"""Milky-Way extinction against published numbers."""

import numpy as np
import pytest

from sfhnet.observation.milky_way_extinction import (
    SF11_PER_SFD98,
    attenuation_mag,
    correction,
    ebv_sf11,
)


def test_phangs_table():
    # A_lambda of NGC 628 in the PHANGS-HST table (F275W, F336W, F438W, F555W, F814W): SF11 E(B-V) 0.0607.
    found = attenuation_mag(np.array([2707.0, 3355.0, 4326.0, 5306.0, 8048.0]), 0.0607)
    np.testing.assert_allclose(found, [0.379, 0.307, 0.250, 0.194, 0.103], rtol=0.11)


def test_v_band_is_r_v_times_ebv():
    assert attenuation_mag(np.array([5495.0]), 0.3)[0] == pytest.approx(0.93, rel=0.01)
    assert attenuation_mag(np.array([5495.0]), 0.3, r_v=4.0)[0] == pytest.approx(1.2, rel=0.01)


@pytest.mark.parametrize("law", ["O94", "CCM89", "F99", "G23"])
def test_laws_agree_in_the_optical(law):
    wave = np.linspace(4700, 9400, 50)
    np.testing.assert_allclose(
        attenuation_mag(wave, 1.0, law), attenuation_mag(wave, 1.0), rtol=0.12, atol=0.08
    )


def test_correction_undoes_extinction():
    wave = np.linspace(4700, 9400, 7)
    np.testing.assert_allclose(correction(wave, 0.4) * 10 ** (-0.4 * attenuation_mag(wave, 0.4)), 1.0)
    np.testing.assert_array_equal(correction(wave, 0.0), 1.0)


def test_scales():
    assert ebv_sf11(0.1, "sf11") == 0.1
    assert ebv_sf11(0.0706, "sfd98") == pytest.approx(0.0607, rel=0.002)
    assert pytest.approx(0.86) == SF11_PER_SFD98


def test_the_infrared_goes_on_where_the_law_ends():
    wave = np.array([10_000.0, 33_000.0, 33_622.0, 76_393.0, 207_950.0])
    found = attenuation_mag(wave, 1.0)
    assert found == pytest.approx(found[0] * (wave / wave[0]) ** -1.61, rel=1e-3)
    assert 0.02 < found[3] / attenuation_mag(np.array([21_900.0]), 1.0)[0] < 0.2


def test_bad_input():
    with pytest.raises(ValueError, match="scale 'sfd'"):
        ebv_sf11(0.1, "sfd")
    with pytest.raises(ValueError, match="give a value >= 0"):
        ebv_sf11(-0.1, "sf11")
    with pytest.raises(ValueError, match="law 'calzetti' is unknown"):
        attenuation_mag(np.array([5000.0]), 0.1, "calzetti")
    with pytest.raises(ValueError, match=r"begins at 1000 Angstrom"):
        attenuation_mag(np.array([500.0]), 0.1)
