"""Galaxies of another code on the training grid: light, lines and labels are what they were."""

from dataclasses import replace

import numpy as np
import pytest

from ingredients import toy_stars
from pyprospect.bands.curve import Filter
from pyprospect.constants import Z_SUN
from sfhnet.config import Config
from sfhnet.core.training_grid import training_grid
from sfhnet.foreign.fold import fold, halpha_ew_aa
from sfhnet.foreign.native import NativeGalaxies, join, read_native, write_native
from sfhnet.mocks.shards import read_shard, write_shard

EDGES_YR = np.array([0.0, 5e6, 2e7, 1e8, 1e9, 4e9, 1.2e10])


@pytest.fixture(scope="module")
def bands(config):
    boxes = {name: 2700.0 + 1200.0 * i for i, name in enumerate(config.bands)}
    return {
        name: Filter(name, np.array([c - 301.0, c - 300.0, c + 300.0, c + 301.0]), np.array([0, 1.0, 1.0, 0]))
        for name, c in boxes.items()
    }


@pytest.fixture(scope="module")
def config():
    return Config()


@pytest.fixture(scope="module")
def native():
    wave = np.arange(2250.0, 10400.0, 0.7)
    mass = np.zeros((2, EDGES_YR.size - 1))
    mass[0, 5], mass[1, 1], mass[1, 4] = 1.0, 0.25, 0.75
    light = mass * np.array([1e-2, 1e-2, 3e-3, 1e-3, 1e-4, 3e-5])
    lines = np.array([[0.0, 0.0], [0.02, 0.01]])
    return NativeGalaxies(
        made_by="test",
        wave_aa=wave,
        flux=np.outer([1e-4, 3e-4], 1 + (wave - 5500) / 2e4),
        line_names=("H  1  6562.80A", "N  2  6583.45A"),
        line_wave_aa=np.array([6562.8, 6583.45]),
        line_flux=lines,
        age_edges_yr=EDGES_YR,
        mass=mass,
        mh=np.full_like(mass, -0.3),
        v_light=light,
        a_v=np.array([0.2, 0.7]),
        family=np.array(["quiet", "busy"]),
        fwhm_aa=2.5,
    )


@pytest.fixture(scope="module")
def folded(native, config, bands):
    return fold(native, config, toy_stars(), bands=bands)


def test_a_straight_continuum_stays_and_lines_keep_their_light(folded, native, config):
    expected = 1e-4 * (1 + (folded.wave_aa - 5500) / 2e4)
    np.testing.assert_allclose(folded.flux[0], expected, rtol=1e-4)
    lines = folded.flux[1] - 3 * expected
    assert lines.sum() * config.grid.wave_step_aa == pytest.approx(0.03, rel=1e-3)
    # as wide as the training's lines: instrument and dispersion, not the library's own resolution
    second = np.sum(lines * (folded.wave_aa - 6569.68) ** 2) / lines.sum()
    sigma = training_grid(config.grid, toy_stars()).sigma_aa[np.abs(folded.wave_aa - 6570).argmin()]
    apart = 2 / 9 * (6583.45 - 6562.8) ** 2
    assert np.sqrt(second - apart) == pytest.approx(sigma, rel=0.02)


def test_labels_are_those_of_the_history(folded):
    labels = folded.labels
    np.testing.assert_allclose(labels["mass_fraction"].sum(axis=1), 1.0)
    edges = folded.age_bins_myr
    young = edges[1:] <= 20
    assert labels["mass_fraction"][1, young].sum() == pytest.approx(0.25)
    np.testing.assert_allclose(labels["mh"], -0.3, atol=1e-6)
    np.testing.assert_allclose(labels["lw_mh"], -0.3, atol=1e-6)
    # mass-weighted: exact mean of log age over 4 to 12 Gyr
    t = np.linspace(4e9, 1.2e10, 100_001)
    assert labels["mw_log_age"][0] == pytest.approx(np.log10(t).mean(), abs=1e-3)
    assert labels["lw_log_age"][1] < labels["mw_log_age"][1]
    np.testing.assert_allclose(labels["a_v"], [0.2, 0.7])
    assert Z_SUN == 0.019  # [M/H] of native galaxies is on this scale


def test_families_are_told_apart_by_their_lines(folded, native):
    assert [folded.family_names[i] for i in folded.family] == ["quiet, EW < 20", "busy, EW > 20"]
    np.testing.assert_allclose(halpha_ew_aa(native), [0.0, 0.02 / (3e-4 * (1 + 1060 / 2e4))], rtol=2e-3)


def test_bands_see_continuum_and_lines(folded, native, bands):
    name = next(name for name, band in bands.items() if band(np.array([6562.8]))[0] > 0)
    column = folded.band_names.index(name)
    dark = replace(native, line_flux=np.zeros_like(native.line_flux))
    without = fold(dark, Config(), toy_stars(), bands=bands).band_flux[1, column]
    assert folded.band_flux[1, column] - without == pytest.approx(0.03 / 600.0, rel=0.15)
    assert folded.band_flux[0, column] == pytest.approx(
        1e-4 * (1 + (bands[name].pivot_aa - 5500) / 2e4), rel=0.01
    )


def test_files_go_round(native, folded, tmp_path):
    write_native(tmp_path / "a.h5", native)
    twice = join([read_native(tmp_path / "a.h5")] * 2)
    assert len(twice) == 4 and twice.made_by == "test"
    np.testing.assert_allclose(twice.flux[2:], native.flux, rtol=1e-6)
    shard = read_shard(write_shard(tmp_path / "bagpipes.h5", folded, {"shard": "bagpipes"}))
    np.testing.assert_array_equal(shard.flux, folded.flux)


def test_bad_galaxies_are_refused(native, config, bands):
    with pytest.raises(ValueError, match="no files of foreign galaxies"):
        join([])
    with pytest.raises(ValueError, match="not on the same grids"):
        join([native, replace(native, line_wave_aa=native.line_wave_aa + 1)])
    with pytest.raises(ValueError, match=r"test: mass has shape \(2, 3\)"):
        replace(native, mass=native.mass[:, :3])
    with pytest.raises(ValueError, match="flux is not finite"):
        replace(native, flux=native.flux * np.nan)
    late = replace(native, age_edges_yr=np.append(EDGES_YR[:-1], 1.5e10))
    with pytest.raises(ValueError, match=r"reach 15000 Myr, the age bins 13800 Myr"):
        fold(late, config, toy_stars(), bands=bands)
