"""The table of bands: true to the curves, and the only place that a new band needs."""

import dataclasses

import pytest

from sfhnet.config import Config, ConfigError, GalaxiesConfig, config_from_dict
from sfhnet.core import bands
from sfhnet.core.bands import BANDS, PHANGS_HST, find_band
from sfhnet.mocks.filters_and_lines import load_bands


def test_pivots_are_those_of_the_curves(upstream):
    for name, curve in load_bands(upstream("hst_filters"), BANDS).items():
        assert BANDS[name].pivot_aa == pytest.approx(curve.pivot_aa, abs=0.006), name


def test_one_entry_makes_a_band(upstream, monkeypatch):
    """The table is all that has to change: the configuration, the curve and the point-spread function follow."""
    with pytest.raises(ConfigError):
        config_from_dict({"bands": ["F475W"]})
    entry = dataclasses.replace(BANDS["F438W"], name="F475W", curve_record="UVIS/f475w.dat")
    monkeypatch.setitem(bands.BANDS, "F475W", entry)
    assert config_from_dict({"bands": ["F475W"]}).bands == ("F475W",)
    assert load_bands(upstream("hst_filters"), ["F475W"])["F475W"].pivot_aa == pytest.approx(4772, abs=2)
    assert GalaxiesConfig().band_fwhm_arcsec("F475W") == entry.psf_fwhm_arcsec


def test_the_default_is_phangs():
    assert Config().bands == PHANGS_HST


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("F200W", "did you mean F275W"),
        ("f814w", "did you mean F814W"),
        ("V", "Known are F275W, F336W, F438W"),
    ],
)
def test_an_unknown_band(name, words):
    with pytest.raises(ValueError, match=words) as caught:
        find_band(name)
    assert repr(name) in str(caught.value) and "sfhnet/core/bands.py" in str(caught.value)


def test_the_point_spread_function_can_be_ones_own():
    config = GalaxiesConfig(hst_fwhm_arcsec={"F814W": 0.12})
    assert [config.band_fwhm_arcsec(band) for band in ("F814W", "F555W")] == [0.12, 0.08]


def test_a_missing_curve_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"wfc3_uvis_f555w\.par does not exist; fetch the source"):
        load_bands(tmp_path, ["F555W"])
