"""Dust curves: ProSpect's numbers and their limits."""

import numpy as np
import pytest

from pyprospect.dust import attenuation as dust


def test_attenuation_curves(reference, parity):
    group = reference["unit/dust"]
    wave = group["wave"][()]
    for name, curve in (("CF", dust.CF), ("CF_birth", dust.CF_birth)):
        for row, (tau, power) in enumerate(group["CF_params"][()]):
            parity.check("unit/dust", curve(wave, tau, power), group[name][row], 1e-12, label=f"{name} {row}")
    names = [str(c) for c in group["CF_screen_params"].attrs["columns"]]
    for row, values in enumerate(group["CF_screen_params"][()]):
        ours = dust.CF_screen(wave, **dict(zip(names, values, strict=True)))
        parity.check("unit/dust", ours, group["CF_screen"][row], 1e-12, label=f"CF_screen {row}")
    parity.check("unit/dust", dust.drude(wave, 3.3), group["drude_Eb3.3"][()], 1e-12, label="drude")


def test_attenuated_spectra(reference, parity):
    group = reference["unit/dust"]
    wave, flux = group["wave"][()], group["flux_in"][()]
    for name, ours in {
        "CF_atten": dust.CF_atten(wave, flux, tau=0.5, pow=-1),
        "CF_birth_atten": dust.CF_birth_atten(wave, flux),
        "CF_screen_atten_Eb1": dust.CF_screen_atten(wave, flux, Eb=1),
    }.items():
        theirs = group[name]
        parity.check("unit/dust atten", ours.flux, theirs["flux"][()], 1e-12, label=name)
        parity.check("unit/dust atten", ours.total_atten, theirs.attrs["total_atten"], 1e-12, label=name)
        parity.check("unit/dust atten", ours.attenfrac, theirs.attrs["attenfrac"], 1e-12, label=name)


def test_no_dust_transmits_all():
    wave = np.geomspace(912, 1e6, 50)
    # ProSpect's own curve is 0 at tau = 0, which would switch the light off.
    np.testing.assert_array_equal(dust.CF(wave, 0), 1.0)
    np.testing.assert_array_equal(dust.CF_screen(wave, 0, Eb=3), 1.0)
    np.testing.assert_allclose(dust.CF_birth(wave, 1e-12), 1.0, rtol=1e-10)


def test_optical_depth_at_pivot_and_bump_height():
    assert dust.CF(5500.0, 0.7, -1.3) == pytest.approx(np.exp(-0.7))
    assert dust.drude(2175.8, Eb=2.0) == pytest.approx(2.0)
    half = dust.drude(np.array([2175.8 - 235, 2175.8 + 235]), Eb=2.0)
    np.testing.assert_allclose(half, 1.0, rtol=0.07)


def test_bad_input():
    with pytest.raises(ValueError, match=r"wave=.* must be positive"):
        dust.CF([-1.0, 5500.0])
    with pytest.raises(ValueError, match="equal vectors"):
        dust.CF_atten([1.0, 2.0], [1.0])
