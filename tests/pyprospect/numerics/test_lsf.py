"""Line-spread functions and velocity dispersion."""

import re

import numpy as np
import pytest

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.numerics import lsf


def _total(wave, lum):
    return float(np.sum(np.diff(wave) * (lum[1:] + lum[:-1]) / 2))


def test_dispersion(reference, parity):
    group = reference["unit/disp_stars"]
    wave, lum = group["wave"][()], group["lum"][()]
    for name in group:
        numbers = re.fullmatch(r"const_v(\d+)_range(\d+)_res([\d.]+)", name)
        if numbers:
            veldisp, extent, res = map(float, numbers.groups())
            ours = lsf.disp_stars(wave, lum, veldisp, range=extent, res=res, compat=True)
            parity.check("unit/disp_stars", ours, group[name][()], 1e-10, label=name)
    ours = lsf.disp_stars(wave, lum, 150, LSF="muse", z=0.05, compat=True)
    parity.check("unit/disp_stars", ours, group["muse_z0.05_v150"][()], 1e-10, label="muse")


def test_one_zero_pixel_does_not_spoil_its_neighbours(reference, parity):
    group = reference["unit/disp_stars"]
    wave, lum = group["wave"][()], group["lum"][()]
    lum[999] = 0
    theirs = group["with_zero_at_index1000_1based"][()]
    ours = lsf.disp_stars(wave, lum, 150, LSF="muse", z=0.05, compat=True)
    assert np.isnan(theirs).any()  # what ProSpect does: NaN over +-5 sigma
    assert np.all(ours > 0)
    far = np.abs(np.arange(wave.size) - 999) > 25
    parity.check("unit/disp_stars", ours[far], theirs[far], 1e-10, label="away from a zero pixel")
    theirs_again = lsf.disp_stars_with_nan(wave, lum, 150, LSF="muse", z=0.05)
    parity.check("unit/disp_stars", theirs_again, theirs, 1e-10, label="NaN beside a zero pixel")


def test_dispersion_conserves_flux():
    wave = np.arange(4000.0, 7000.0, 0.5)
    lum = 1.0 + 50 * np.exp(-(((wave - 5500) / 3) ** 2) / 2) - 0.8 * np.exp(-(((wave - 5000) / 4) ** 2) / 2)
    for kernel in (None, "muse", 80.0):
        broad = lsf.disp_stars(wave, lum, 150, LSF=kernel)
        assert _total(wave, broad) == pytest.approx(_total(wave, lum), rel=1e-6)
    # ProSpect's interpolation of the logarithm loses light where the spectrum is sharp.
    lost = 1 - _total(wave, lsf.disp_stars(wave, lum, 150, compat=True)) / _total(wave, lum)
    assert 1e-5 < lost < 1e-3


def test_dispersion_adds_in_quadrature():
    wave = np.arange(6400.0, 6700.0, 0.1)
    line = np.exp(-(((wave - 6550) / 1.0) ** 2) / 2) + 1e-12
    broad = lsf.disp_stars(wave, line, 120, LSF=50.0)
    width = np.sqrt(np.sum(broad * (wave - 6550) ** 2) / np.sum(broad))
    expected = np.hypot(1.0, np.hypot(120, 50) / C_KMS * 6550)
    assert width == pytest.approx(expected, rel=2e-3)


def test_dispersion_is_linear():
    wave = np.arange(4000.0, 4500.0)
    first, second = 1 + np.sin(wave / 3) ** 2, np.where(wave > 4200, wave / 4000, 0.0)
    parts = lsf.disp_stars(wave, first, 150) + 3 * lsf.disp_stars(wave, second, 150)
    np.testing.assert_allclose(lsf.disp_stars(wave, first + 3 * second, 150), parts, rtol=1e-12)


def test_zero_dispersion_changes_nothing():
    wave = np.arange(4000.0, 5000.0)
    lum = 1 + np.sin(wave / 30) ** 2
    for compat in (True, False):
        np.testing.assert_allclose(lsf.disp_stars(wave, lum, 0, compat=compat), lum, rtol=1e-6)
    assert np.all(lsf.disp_stars(wave, np.zeros(wave.size), 100) == 0)


def test_forms_of_lsf_agree():
    wave = np.linspace(4800, 9300, 50)
    nodes = np.geomspace(4700, 9400, 400)
    sigma = lsf.muse_udf10_sigma_kms(nodes, extrapolate=True)
    expected = lsf.muse_udf10_sigma_kms(wave)
    table = np.column_stack([nodes, sigma])
    for form in (
        lsf.muse_udf10_sigma_kms,
        "muse",
        table,
        table[::-1],
        (nodes, sigma),
        {"w": nodes, "s": sigma},
    ):
        np.testing.assert_allclose(lsf.lsf_sigma_kms(form, wave), expected, rtol=1e-4)
    two = np.array([[4700.0, 55.0], [9400.0, 40.0]])
    named = np.rec.fromarrays(two.T, names="wave,sigma")
    expected = lsf.lsf_sigma_kms(
        np.vstack([two[:1], [[6000.0, np.interp(np.log(6000), np.log(two[:, 0]), two[:, 1])]], two[1:]]), wave
    )
    for form in (two, two.T, two.tolist(), tuple(two.T), {"sigma": two[:, 1], "wave": two[:, 0]}, named):
        np.testing.assert_allclose(lsf.lsf_sigma_kms(form, wave), expected, rtol=1e-12)
    np.testing.assert_array_equal(lsf.lsf_sigma_kms(60, wave), 60.0)
    np.testing.assert_array_equal(lsf.lsf_sigma_kms([60.0], wave), 60.0)
    np.testing.assert_array_equal(lsf.lsf_sigma_kms(None, wave), 0.0)


def test_muse_lsf_is_held_outside_the_instrument():
    assert lsf.muse_udf10_fwhm_aa(6500.0) == pytest.approx(2.547, abs=1e-3)
    assert lsf.muse_udf10_fwhm_aa(1216.0) == lsf.muse_udf10_fwhm_aa(4750.0)
    assert lsf.muse_udf10_fwhm_aa(1216.0, extrapolate=True) > 5.0
    assert lsf.muse_udf10_sigma_kms(1216.0, extrapolate=True) == pytest.approx(525, rel=0.01)


def test_effective_lsf_is_clipped_at_zero():
    wave = np.array([5000.0, 8000.0])
    fine = lsf.effective_lsf("muse", lambda rest: np.full(rest.shape, 1.0), z=0.01)(wave)
    instrument = lsf.muse_udf10_sigma_kms(wave)
    own = 1.0 / FWHM_PER_SIGMA / (wave / 1.01) * C_KMS
    np.testing.assert_allclose(np.hypot(fine, own), instrument, rtol=1e-12)
    np.testing.assert_array_equal(lsf.effective_lsf("muse", 9.0)(wave), 0.0)


def test_bad_input():
    wave = np.arange(4000.0, 5000.0)
    lum = np.ones(wave.size)
    with pytest.raises(ValueError, match="LSF of shape"):
        lsf.disp_stars(wave, lum, LSF=lum)
    with pytest.raises(ValueError, match="finite and >= 0"):
        lsf.disp_stars(wave, lum, LSF=lambda w: -w)
    with pytest.raises(ValueError, match="named"):
        lsf.disp_stars(wave, lum, LSF="hubble")
    with pytest.raises(ValueError, match="ascend"):
        lsf.disp_stars(wave[::-1], lum)
    with pytest.raises(ValueError, match="equal vectors"):
        lsf.disp_stars(wave, lum[1:])
    with pytest.raises(ValueError, match="negative or NaN"):
        lsf.disp_stars(wave, -lum)
    with pytest.raises(ValueError, match="light speed"):
        lsf.disp_stars(wave, lum, 1e5)
    with pytest.raises(ValueError, match="states no resolution"):
        lsf.effective_lsf(60, lambda rest: None)(wave)
