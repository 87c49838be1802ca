"""The table of bands: true to the curves, one place for every band, and bands of one's own."""

import numpy as np
import pytest

from pyprospect.constants import C_KMS
from sfhnet.config import Config, ConfigError, GalaxiesConfig, config_from_dict
from sfhnet.core import bands
from sfhnet.core.bands import PHANGS_HST, all_bands, declare_facts, find_band, measure, own_bands, sources_of
from sfhnet.mocks.filters_and_lines import load_bands

# Pivot wavelengths of the handbooks [Angstrom]: WFC3 IHB tables 6.2 and 7.2, ACS IHB table 5.1, JDox, Doi+10, Morrissey+05.
HANDBOOK_AA = {
    "F225W": 2372, "F275W": 2710, "F336W": 3355, "F390W": 3924, "F438W": 4326, "F475W": 4773, "F555W": 5308,
    "F606W": 5889, "F625W": 6243, "F775W": 7651, "F814W": 8039, "F110W": 11534, "F160W": 15369,
    "F435W": 4328, "ACS_F475W": 4747, "ACS_F555W": 5361, "ACS_F606W": 5921, "ACS_F775W": 7692, "ACS_F814W": 8057,
    "F200W": 19880, "F300M": 29960, "F335M": 33620, "F360M": 36230,
    "F770W": 76390, "F1000W": 99530, "F1130W": 113090, "F2100W": 207950,
    "SDSS_u": 3557, "SDSS_g": 4702, "SDSS_r": 6176, "SDSS_i": 7490, "SDSS_z": 8947,
    "GALEX_FUV": 1535, "GALEX_NUV": 2301,
}  # fmt: skip


@pytest.fixture
def forget(monkeypatch):
    """Bands of one's own are known to this test alone."""
    monkeypatch.setattr(bands, "_OWN", {})


@pytest.fixture(scope="module")
def curves(upstream):
    """Those with names of their own, and some of the others: each record of the EAZY list is read through the whole of it."""
    upstream("sedpy_filters")
    every = list(all_bands())
    named = [name for name, band in all_bands().items() if band.detector]
    return load_bands(upstream("hst_filters"), [*named, *every[len(named) :: 41]])


def test_every_row_is_what_its_curve_says(curves):
    assert len(curves) > 50
    for name, curve in curves.items():
        band = find_band(name)
        found = measure(curve.wave_aa, curve.response)
        assert found[0] == pytest.approx(curve.pivot_aa, rel=1e-9)
        assert (band.pivot_aa, band.width_aa, band.low_aa, band.high_aa) == pytest.approx(found, abs=0.006), (
            name
        )


def test_pivots_are_those_of_the_handbooks():
    for name, pivot_aa in HANDBOOK_AA.items():
        assert find_band(name).pivot_aa == pytest.approx(pivot_aa, rel=2.5e-3), name


def test_two_cameras_share_names_and_plain_ones_are_of_wfc3():
    for name in ("F475W", "F555W", "F606W", "F775W", "F814W"):
        plain, acs = find_band(name), find_band(f"ACS_{name}")
        assert (plain.detector, acs.detector) == ("WFC3/UVIS", "ACS/WFC")
        assert 1e-4 < abs(plain.pivot_aa / acs.pivot_aa - 1) < 0.02
    assert find_band("F435W").detector == "ACS/WFC"


def test_images_have_what_they_need():
    """One electron/s through a curve of HST, from first principles: within 5 % of the table."""
    for name in HANDBOOK_AA:
        band = find_band(name)
        assert band.unit and band.psf_fwhm_arcsec > 0
        if band.unit == "nanomaggy":
            f_nu = band.photflam * band.pivot_aa**2 / (C_KMS * 1e13)
            assert -2.5 * np.log10(f_nu) - 48.6 == pytest.approx(22.5, abs=0.01), name


def test_zero_points_of_hst_follow_from_the_curves(curves):
    planck_erg_s, area_cm2 = 6.62607015e-27, 45238.93
    total = {name: band for name, band in all_bands().items() if band.unit == "electron/s"}
    for name, band in total.items():
        if band.source == "hst_filters" and band.curve_record:
            continue  # the EAZY list scales its curves
        counts = np.trapezoid(curves[name].response * curves[name].wave_aa, curves[name].wave_aa)
        assert band.photflam == pytest.approx(planck_erg_s * C_KMS * 1e13 / (area_cm2 * counts), rel=0.05), (
            name
        )


def test_the_configuration_takes_any_curve():
    names = ("F435W", "ACS_F814W", "F335M", "SDSS_g", "twomass_J", "EAZY_278")
    assert config_from_dict({"bands": list(names)}).bands == names
    assert sources_of(["F275W", "EAZY_278"]) == ["hst_filters"]
    assert sources_of(names) == ["hst_filters", "sedpy_filters"]


def test_the_default_is_phangs_and_needs_no_more_than_before():
    assert Config().bands == PHANGS_HST and sources_of(PHANGS_HST) == ["hst_filters"]
    assert [find_band(name).photflam for name in ("F275W", "F814W")] == [3.18585e-18, 1.47727e-19]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("F211W", "did you mean F110W"),
        ("f814w", "did you mean F814W"),
        ("ACS_F435W", "did you mean F435W or ACS_F475W"),
        ("SDSS_G0", "did you mean SDSS_G|sdss_g0"),
        ("eazy_156", "EAZY_156"),
        ("V", "Known are F225W, F275W, F336W"),
    ],
)
def test_an_unknown_band(name, words):
    with pytest.raises(ValueError, match=words) as caught:
        find_band(name)
    assert repr(name) in str(caught.value) and "docs/bands.md" in str(caught.value)


def test_a_band_of_ones_own(forget, tmp_path):
    path = tmp_path / "narrow.dat"
    path.write_text("# nm\n500.0 0\n501.0 0.8\n503.0 0.8\n504.0 0\n")
    config = config_from_dict({"band_files": {"narrow": str(path)}, "bands": ["F555W", "narrow"]})
    assert config.bands == ("F555W", "narrow")
    band = find_band("narrow")
    assert band.pivot_aa == pytest.approx(5020, abs=0.1) and band.width_aa == pytest.approx(30)
    assert load_bands(tmp_path, ["narrow"])["narrow"].wave_aa[0] == pytest.approx(5000)
    with pytest.raises(ValueError, match=r"narrow is not known.*hst_fwhm_arcsec"):
        config.galaxies.band_fwhm_arcsec("narrow")
    # A model takes what is known along.
    facts = own_bands(config.bands)
    bands._OWN.clear()
    declare_facts(*facts)
    assert find_band("narrow") == band


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5000 0\n5010 0.5\n5020 -0.3\n5030 0\n", r"mine\.dat has throughput down to -60\.0 % of its peak"),
        (
            "5000 0\n5010 0.5\n5020 0\n5001.4 0\n5011.4 0.5\n5021.4 0\n",
            "goes back from 5020 to 5001.4.*air and in vacuum",
        ),
        ("5000 0\n5010 nan\n5020 0\n", "mine contains NaN"),
        ("0.5 0\n0.51 1\n0.52 0\n", "nm or micron"),
        ("5000 0\n5010 0\n", "responds nowhere"),
    ],
)
def test_a_wrong_file_is_named(forget, tmp_path, text, words):
    path = tmp_path / "mine.dat"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        config_from_dict({"band_files": {"mine": str(path)}, "bands": ["mine"]})


def test_a_file_that_is_not_there_or_takes_a_name(forget, tmp_path):
    with pytest.raises(ConfigError, match=r"none\.dat does not exist"):
        config_from_dict({"band_files": {"mine": str(tmp_path / "none.dat")}})
    with pytest.raises(ConfigError, match="F814W is a known band"):
        config_from_dict({"band_files": {"F814W": str(tmp_path / "none.dat")}})
    for name in ("mine_err", "b\u00e4nd", "a b", "../a", "$(touch a)"):
        with pytest.raises(ConfigError, match="cannot name a band"):
            config_from_dict({"band_files": {name: str(tmp_path / "none.dat")}})


def test_the_point_spread_function_can_be_ones_own():
    config = GalaxiesConfig(hst_fwhm_arcsec={"F814W": 0.12})
    assert [config.band_fwhm_arcsec(band) for band in ("F814W", "F555W")] == [0.12, 0.08]


def test_a_missing_curve_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"wfc3_uvis_f555w\.par does not exist; fetch the source hst_filters"
    ):
        load_bands(tmp_path, ["F555W"])
    with pytest.raises(
        FileNotFoundError, match=r"sedpy_filters/acs_wfc_f435w\.par does not exist; fetch the source sedpy"
    ):
        load_bands(tmp_path / "hst_filters", ["F435W"])
