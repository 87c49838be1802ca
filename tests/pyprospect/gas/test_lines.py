"""Emission lines: ProSpect's numbers, and what the default mode repairs."""

import numpy as np
import pytest

from pyprospect.gas import lines as nebular
from pyprospect.messages import ClampWarning
from pyprospect.numerics.lsf import muse_udf10_sigma_kms


def _muse(wave):
    return muse_udf10_sigma_kms(wave, extrapolate=True)


def _power(spectrum):
    return np.sum(np.diff(spectrum.wave) * (spectrum.lum[1:] + spectrum.lum[:-1]) / 2)


@pytest.mark.filterwarnings("ignore::pyprospect.messages.ClampWarning")
def test_emission_lines(reference, parity, prospect_tables):
    group = reference["unit/emission"]
    lsfs = {"muse": _muse, "matrix": group["LSF_matrix"][()]}
    cases = [name for name in group if name.startswith("case_")]
    assert len(cases) == 26
    for name in cases:
        inputs = dict(group[name]["inputs"].attrs)
        if "log" in inputs:
            inputs["log"] = bool(inputs["log"])
        if isinstance(inputs.get("LSF"), str):
            inputs["LSF"] = lsfs[inputs["LSF"]]
        ours = nebular.emission_lines(**inputs, compat=True)
        parity.check("unit/emission", ours.wave, group[name]["wave"][()], 1e-10, label=f"{name} wave")
        parity.check("unit/emission", ours.lum, group[name]["lum"][()], 1e-10, label=f"{name} lum")


def test_line_tables_and_scalings(reference, parity, prospect_tables):
    group = reference["unit/emission"]
    for norm in ("All", "Halpha", "Hbeta", "Hlines"):
        ours, theirs = nebular.lkl10(norm), group[f"LKL10/Norm{norm}"]
        for field, name in (("z", "Z"), ("q", "q"), ("wave_aa", "wave"), ("linelum", "linelum")):
            parity.check(
                "unit/emission LKL10", getattr(ours, field), theirs[name][()], 0.0, label=norm + name
            )
        assert list(ours.element) == [e.decode() for e in theirs["element"][()]]
    parity.check("unit/emission", nebular.Z2q(group["Z2q_Z"][()]), group["Z2q"][()], 1e-12, label="Z2q")
    parity.check("unit/emission", nebular.sfr2lum(1), group.attrs["SFR2Lum_1"], 1e-15, label="SFR2Lum")


def test_sfr_calibration_is_kennicutt_over_1p53():
    # Kennicutt (1998): SFR = 7.9e-42 L(Halpha)
    assert nebular.sfr2lum(1.0) == pytest.approx(1 / 7.9e-42 / 1.53 / 3.828e33, rel=1e-3)


@pytest.mark.filterwarnings("ignore::pyprospect.messages.ClampWarning")
def test_all_lines_add_up_to_the_scaling(prospect_tables):
    for Z in (0.001, 0.013, 0.04):
        assert nebular.line_luminosities(All_lum=3e8, Z=Z)[1].sum() == pytest.approx(3e8, rel=1e-6)
    wave, lum = nebular.line_luminosities(Ha_lum=1e7, Z=0.02)
    assert lum[np.argmin(np.abs(wave - 6562.8))] == pytest.approx(1e7, rel=1e-6)


def test_lsf_widens_the_grid_by_default(prospect_tables):
    lines = nebular.emission_lines(All_lum=1e8, veldisp=20, LSF=200)
    cut = nebular.emission_lines(All_lum=1e8, veldisp=20, LSF=200, compat=True)
    assert _power(lines) == pytest.approx(1e8, rel=1e-3)
    assert lines.lum[0] == lines.lum[-1] == 0
    # ProSpect cuts these lines at 5 x 20 km/s, which is half a sigma.
    assert cut.lum[0] > 0
    assert cut.lum[-1] > 0


def test_instrument_alone_gives_lines_a_width(prospect_tables):
    for compat in (False, True):
        lines = nebular.emission_lines(All_lum=1e8, veldisp=0, LSF=100.0, compat=compat)
        assert lines.lum.max() > 0
    assert _power(nebular.emission_lines(All_lum=1e8, veldisp=0, LSF=100.0)) == pytest.approx(1e8, rel=1e-3)


def test_profiles_conserve_power_on_any_grid():
    wave = np.sort(np.random.default_rng([1]).uniform(4000, 5000, 3000))
    centres, sigma, lum = (
        np.array([4300.0, 4306.0, 4861.0]),
        np.array([2.0, 3.0, 1.5]),
        np.array([1.0, 5.0, 2.0]),
    )
    profile = nebular.line_profiles(wave, centres, sigma, lum=lum, conserve=True)
    assert np.sum(np.diff(wave) * profile[1:]) == pytest.approx(8.0, rel=1e-12)


def test_gas_outside_the_table_warns_once(prospect_tables):
    with pytest.warns(ClampWarning, match=r"Z=0\.09 is outside"):
        nebular.line_luminosities(All_lum=1.0, Z=0.09, q=1e8)
    edge = nebular.line_luminosities(All_lum=1.0, Z=0.04, q=1e8)[1]
    np.testing.assert_array_equal(nebular.line_luminosities(All_lum=1.0, Z=0.09, q=1e8)[1], edge)


def test_bad_input(prospect_tables):
    with pytest.raises(ValueError, match="need a scaling"):
        nebular.emission_lines()
    with pytest.raises(ValueError, match="SFR=-1 must be not negative"):
        nebular.emission_lines(SFR=-1)
    with pytest.raises(ValueError, match="dispersion > 0"):
        nebular.emission_lines(SFR=1, veldisp=0)
    with pytest.raises(ValueError, match="relative to All"):
        nebular.emission_lines(SFR=1, LKL10=nebular.lkl10("All"))
    with pytest.raises(ValueError, match="norm="):
        nebular.lkl10("Hgamma")
