"""Dale dust emission and the radio continuum: R's numbers and conservation of energy."""

import numpy as np
import pytest

from pyprospect.dust import emission as D
from pyprospect.dust.radio import radio_emission, radiocont

pytestmark = pytest.mark.usefixtures("prospect_tables")

DEFAULT_GRID = 2.0 + 0.01 * np.arange(736)


def power(wave, flux):
    return float(np.sum(np.diff(wave, prepend=wave[0]) * flux))


@pytest.fixture(scope="module")
def dale(reference):
    return reference["unit/Dale"]


def test_templates(dale, parity):
    grid = D.dale_templates()
    parity.check("unit/Dale templates", grid.Aspec[0], dale["NormTot_AGNfrac0"][()], 1e-13)
    for ours, name in ((grid.Wave, "Wave"), (grid.alpha_SF, "alpha_SF"), (grid.AGNfrac, "AGNfrac")):
        parity.check("unit/Dale templates", ours, dale[name][()], 1e-15, label=name)
    for i, alpha in enumerate(dale["interp_alpha"][()]):
        parity.check("unit/Dale interp", D.dale_interp(alpha).Aspec, dale["interp_AGN0"][i], 1e-13)
    for i, (alpha, agn) in enumerate(dale["interp2_params"][()]):
        parity.check("unit/Dale interp", D.dale_interp(alpha, agn).Aspec, dale["interp2"][i], 1e-13)


def test_mass_to_light(dale, parity):
    m2l, alpha = D.dale_m2l_func(), dale["M2L_alpha"][()]
    parity.check("unit/Dale M2L", m2l(alpha), dale["M2L_func"][()], 1e-12)
    for name in "xybcd":
        stored = dale["M2L_spline"][name][()]
        scale = np.abs(stored).max() if name in "bcd" else None
        parity.check("unit/Dale M2L", getattr(m2l, name), stored, 1e-11, scale=scale, label=name)
    parity.check("unit/Dale M2L", D.dale_m2l_variable_dth(alpha), dale["M2L_variableDTH"][()], 1e-12)


def test_scale(dale, parity):
    stored = dict(
        zip(dale["Dale_scale_a1.5_f0.5"].attrs["names"], dale["Dale_scale_a1.5_f0.5"][()], strict=True)
    )
    for name, value in D.dale_scale(1.5, 0.5, compat=True).items():
        parity.check("unit/Dale scale", value, stored[name], 1e-12, label=name)
    exact = D.dale_scale(1.5, 0.5)
    assert exact["Dustfrac_bol"] + exact["AGNfrac_bol"] == pytest.approx(1.0)
    assert exact["AGNfrac_bol"] == pytest.approx(stored["AGNfrac_bol"], rel=0.05)
    assert D.dale_scale(1.5, 0.0)["AGNfrac_bol"] == 0.0 and D.dale_scale(1.5, 1.0)["AGNfrac_bol"] == 1.0


@pytest.mark.parametrize(("case", "grid"), [("default", DEFAULT_GRID), ("null", None)])
def test_atten_emit(case, grid, dale, parity):
    stored = dale[f"atten_emit_waveout_{case}"]
    wave, flux = stored["wave"][()], stored["flux"][()]
    # the stored case: recovered from its own spectra
    out = D.atten_emit(
        wave, flux, 0.7, -0.9, alpha_SF=1.8, Dale_M2L_func=D.dale_m2l_func(), waveout=grid, Eb=1.2
    )
    parity.check("unit/Dale atten_emit", out.total_atten, stored.attrs["total_atten"], 1e-12)
    parity.check("unit/Dale atten_emit", out.dustmass, stored.attrs["dustmass"], 1e-12)
    parity.check("unit/Dale atten_emit", out.final.wave, stored["final_wave"][()], 1e-13)
    parity.check("unit/Dale atten_emit", out.final.flux, stored["final_flux"][()], 1e-12)
    assert power(*out.emit) == pytest.approx(power(wave, flux) - power(*out.atten), rel=1e-12)


def test_templates_have_unit_power():
    grid = D.dale_templates()
    np.testing.assert_allclose(np.sum(np.diff(grid.Wave, prepend=grid.Wave[0]) * grid.Aspec, axis=-1), 1.0)
    for alpha in (0.0625, 0.9, 3.99, 10.0):
        assert power(*D.dale_interp(alpha)) == pytest.approx(1.0, rel=1e-12)


def test_refined_templates_have_unit_power_by_any_rule():
    for alpha, agn in ((0.0625, 0.0), (1.7, 0.0), (3.0, 0.4), (1.0, 1.0)):
        fine = D.dale_interp(alpha, agn, refine=True)
        assert power(*fine) == pytest.approx(1.0, rel=1e-12)
        assert np.trapezoid(fine.Aspec, fine.Wave) == pytest.approx(1.0, abs=2e-3)
        coarse = D.dale_interp(alpha, agn)
        ratio = np.interp(coarse.Wave, *fine) / coarse.Aspec
        # same shape, lower than ProSpect's by what its sum misses
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
        assert 0.8 < ratio[0] < 0.95


def test_refined_mass_to_light():
    per_mass = D.dale_interp(2.0, type="Msol", refine=True)
    assert D.dale_m2l_func(refine=True)(2.0) == pytest.approx(power(*per_mass), rel=1e-10)
    assert D.dale_m2l_func(refine=True)(2.0) > 1.05 * D.dale_m2l_func()(2.0)


def test_small_alpha_is_warm():
    peaks = [D.dale_interp(a) for a in (0.0625, 1.0, 2.0, 4.0)]
    far = peaks[0].Wave > 3e5
    peaks = [t.Wave[far][np.argmax((t.Wave * t.Aspec)[far])] for t in peaks]
    assert peaks == sorted(peaks) and peaks[-1] > 1.5 * peaks[0]
    m2l = D.dale_m2l_func()
    assert m2l(0.0625) > m2l(1.0) > m2l(4.0) > 0


def test_dustmass_agrees_with_the_mass_to_light_ratio():
    wave = np.linspace(1000.0, 10000.0, 500)
    bare, behind = np.ones(500), np.full(500, 0.4)
    template = D.dale_interp(2.0, type="Msol")
    out = D.dustmass(wave, bare, behind, wave_dust=template.Wave, lum_dust=template.Aspec)
    assert out["DustLum"] == pytest.approx(0.6 * 9000.0)
    assert out["DustMass"] == pytest.approx(out["DustLum"] / D.dale_m2l_func()(2.0), rel=1e-10)


def test_radiocont(reference, parity):
    group = reference["unit/radiocont"]
    wave, flux = group["wave"][()], group["flux"][()]
    for only in (False, True):
        stored = group[f"out_wave_subtractonly{str(only).upper()}"]
        out = radiocont(wave, flux, flux_in="wave", subtractonly=only, compat=True)
        parity.check("unit/radiocont", out.wave, stored["wave"][()], 1e-13)
        parity.check("unit/radiocont", out.flux, stored["flux"][()], 1e-11)
    # the stored case has Te = 2e4 K: its radio end is 2^0.45 of the default's
    stored = group["out_z0.5_ff0.2"]
    out = radiocont(wave, flux, z=0.5, Te=2e4, ff_frac=0.2, flux_in="wave", compat=True)
    parity.check("unit/radiocont", out.wave, stored["wave"][()], 1e-13)
    parity.check("unit/radiocont", out.flux, stored["flux"][()], 1e-11)


def test_radiocont_leaves_the_flux_of_redshifted_sources_alone():
    dust = D.dale_interp(2.0)
    optical = dust.Wave < 5e5
    for unit in ("wave", "freq"):
        fixed = radiocont(dust.Wave, dust.Aspec, z=0.5, flux_in=unit, subtractonly=True)
        np.testing.assert_allclose(fixed.flux[optical], dust.Aspec[optical], rtol=1e-12)
    quirk = radiocont(dust.Wave, dust.Aspec, z=0.5, flux_in="wave", subtractonly=True, compat=True)
    np.testing.assert_allclose(quirk.flux[optical], dust.Aspec[optical] / 1.5**2, rtol=1e-12)


def test_radiocont_puts_back_what_it_takes_off():
    # the templates carry ProSpect's default continuum: replacing it by itself changes little
    dust = D.dale_interp(1.5)
    out = radiocont(*dust, flux_in="wave", wavesamp=np.linspace(6, 9.35, 400))
    at = (dust.Wave > 2e6) & (dust.Wave < 1e9)
    again = np.interp(np.log10(dust.Wave[at]), np.log10(out.wave), out.flux)
    np.testing.assert_allclose(again, dust.Aspec[at], rtol=0.2)
    more = radiocont(*dust, flux_in="wave", wavesamp=np.linspace(6, 9.35, 400), ff_frac=0.05)
    radio = out.wave > 1e9
    # all but the last pixel of the templates, which lies beyond the sampling of the new continuum
    assert np.all(more.flux[radio][:-1] > 1.5 * out.flux[radio][:-1])


def test_radio_emission_slopes():
    nu = np.array([1.4e9, 2.8e9])
    thermal = radio_emission(nu, 1e-13, ff_frac=1.0)
    assert thermal[1] / thermal[0] == pytest.approx(2**-0.1)
    total = radio_emission(1.4e9, 1e-13, ff_frac=0.1)
    assert total == pytest.approx(10 * thermal[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: D.dale_templates("NormSFR"), "unknown"),
        (lambda: D.dale_interp(1.0, 1.5), "between 0 and 1"),
        (lambda: D.dale_interp(np.nan), "alpha_SF=nan must be a finite number"),
        (lambda: D.dale_scale(1.0, -0.1), "between 0 and 1"),
        (lambda: D.dale_m2l_variable_dth(1.0, qPAH_VSG=0.0), "between 0 and 1"),
        (lambda: D.dustmass([1, 2], [1, 2], [1, 2, 3], wave_dust=[1, 2], lum_dust=[1, 2]), "shapes differ"),
        (lambda: D.dustmass([1, 2], [1, 2], [0, 0], wave_dust=[1, 2], lum_dust=[0, 0]), "must be positive"),
        (lambda: radiocont([1e6, 1e7], [1.0, 1.0], ff_frac=0.0), "ff_frac"),
        (lambda: radiocont([1e6, 1e7], [1.0, 1.0], Te=0.0), "Te="),
        (lambda: radiocont([1e6, 1e7], [1.0], flux_in="wave"), "equal vectors"),
        (lambda: radiocont([1e6, 1e7], [1.0, 1.0], flux_in="nu"), "flux_in"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
