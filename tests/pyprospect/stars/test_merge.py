"""Joining libraries at a seam and mending holes."""

from dataclasses import replace

import numpy as np
import pytest

from pyprospect import ProSpectWarning
from pyprospect.stars.library import SSPLibrary, age_edges_from_ages
from pyprospect.stars.merge import YOUNG_EDGES_YR, merge, repair_holes


def analytic(z, age_yr, wave_aa, mass_factor=1.0, name="analytic"):
    """A library with closed forms: light falls as 1 / (1 + age), is linear in log Z, smooth in wavelength."""
    z, age_yr = np.asarray(z, float), np.asarray(age_yr, float)
    light = 1.0 / (1.0 + age_yr / 3e7)
    slope = (wave_aa / 5500.0) ** -1.5
    spectra = mass_factor * np.einsum("z,a,w->zaw", 3.0 + np.log10(z / 0.02), light, slope)
    evolution = np.full((z.size, age_yr.size, 5), np.nan)
    evolution[..., 0] = 1 - 0.3 * mass_factor * (1 - light)
    return SSPLibrary(
        z, age_yr, age_edges_from_ages(age_yr), wave_aa, spectra, evolution, name=name, meta={"medium": "air"}
    )


OLD_AGES = np.geomspace(5e7, 1e10, 24)
YOUNG_AGES = np.concatenate([[0.0], np.geomspace(1e5, 2e8, 4000)])
OLD_WAVE = np.arange(3000.0, 9500.0, 5.0)
YOUNG_WAVE = np.arange(2900.0, 9600.0, 1.5)


def test_merge_of_the_same_stars_is_seamless():
    """Two halves of one analytic library, the young one per 1.6 times less mass: the truth comes back."""
    old = analytic([0.004, 0.02, 0.03], OLD_AGES, OLD_WAVE)
    young = analytic([0.002, 0.05], YOUNG_AGES, YOUNG_WAVE, mass_factor=1.6)
    merged = merge(young, old, seam_age_yr=6.3e7)
    np.testing.assert_allclose(list(merged.meta["merge"]["factor_per_z"].values()), 1 / 1.6, rtol=1e-4)
    first = np.searchsorted(OLD_AGES, 6.3e7)
    n_young = len(YOUNG_EDGES_YR) - 1
    assert merged.age_edges_yr[: n_young + 1].tolist() == list(YOUNG_EDGES_YR)
    np.testing.assert_array_equal(merged.age_yr[n_young:], OLD_AGES[first:])
    np.testing.assert_array_equal(merged.spectra[:, n_young:], old.spectra[:, first:])
    edges = np.array(YOUNG_EDGES_YR) / 3e7
    mean_light = np.diff(np.log1p(edges)) / np.diff(edges)
    truth = np.einsum("z,a,w->zaw", 3.0 + np.log10(old.z / 0.02), mean_light, (OLD_WAVE / 5500.0) ** -1.5)
    np.testing.assert_allclose(merged.spectra[:, :n_young], truth, rtol=2e-4)
    np.testing.assert_allclose(merged.evolution[0, :n_young, 0], 1 - 0.3 * (1 - mean_light), rtol=2e-4)


def test_merge_conserves_flux_of_narrow_features():
    old = analytic([0.02], OLD_AGES, OLD_WAVE)
    young = analytic([0.02], YOUNG_AGES[::200], YOUNG_WAVE)
    spike = young.spectra.copy()
    spike[:, :, np.argmin(abs(YOUNG_WAVE - 3203.0))] += 40.0
    merged = merge(replace(young, spectra=spike), old, 6.3e7, window_aa=(4000, 9000))
    plain = merge(young, old, 6.3e7, window_aa=(4000, 9000))
    factor = next(iter(plain.meta["merge"]["factor_per_z"].values()))
    added = (merged.spectra - plain.spectra)[0, 0].sum() * 5.0
    assert added == pytest.approx(40.0 * 1.5 * factor, rel=1e-9)


def test_merge_refuses_what_does_not_fit():
    old = analytic([0.004, 0.02], OLD_AGES, OLD_WAVE, name="old")
    young = analytic([0.002, 0.05], YOUNG_AGES[::40], YOUNG_WAVE, name="young")
    with pytest.raises(ValueError, match="covers 3101"):
        merge(young.trim(3100), old, 6.3e7)
    with pytest.raises(ValueError, match="young is in vacuum"):
        merge(replace(young, meta={"medium": "vacuum"}), old, 6.3e7)
    with pytest.raises(ValueError, match="ends at 1e"):
        merge(young, old, 2e10)
    with pytest.raises(ValueError, match="cannot be scaled to meet"):
        merge(young, old, 3e9)
    with pytest.raises(ValueError, match="ascend from 0"):
        merge(young, old, 6.3e7, young_edges_yr=[0, 1e7, 2e7])
    with pytest.warns(ProSpectWarning, match=r"\[0.004\] of old lie outside young"):
        merged = merge(analytic([0.01, 0.05], YOUNG_AGES[::40], YOUNG_WAVE, name="young"), old, 6.3e7)
    assert merged.meta["merge"]["z_clamped"] == [0.004]


def test_repair_fills_only_the_holes():
    library = analytic([0.004, 0.02], OLD_AGES, OLD_WAVE)
    spectra = library.spectra.copy()
    spectra[0, :2, OLD_WAVE > 8950] = 0
    spectra[1, 0, OLD_WAVE > 8000] = 0
    holed = replace(library, spectra=spectra)
    donor = analytic([0.002, 0.05], np.geomspace(1e7, 1e9, 3000), YOUNG_WAVE, mass_factor=1.6)
    mended = repair_holes(holed, donor)
    np.testing.assert_array_equal(mended.spectra[spectra > 0], spectra[spectra > 0])
    np.testing.assert_allclose(mended.spectra, library.spectra, rtol=1e-5)
    assert mended.holes().size == 0
    spans = mended.meta["repaired_holes"]["spans"]
    assert len(spans) == 3
    assert all(abs(span["constant"] * 1.6 - 1) < 1e-4 for span in spans)
    assert repair_holes(library, donor) is library
    spectra = spectra.copy()
    spectra[0, 3, 100:120] = 0
    with pytest.raises(ValueError, match="do not run to the red end"):
        repair_holes(replace(library, spectra=spectra), donor)
    with pytest.raises(ValueError, match="covers 2900"):
        repair_holes(holed, donor.trim(0, 9000))


@pytest.fixture(scope="module")
def training_library(upstream):
    old = SSPLibrary.read(upstream("emiles")).trim(1680, 11000)
    young = SSPLibrary.read(upstream("bc03_miles") / "bc03_miles_stellar_grids.fits").trim(1600, 11200)
    return merge(young, repair_holes(old, young), 63e6).select_ages(14.1e9)


def test_training_library_covers_the_label_bins(training_library):
    library = training_library
    assert library.holes().size == 0
    assert library.spectra.shape[:2] == (6, 38)
    edges = library.age_edges_yr
    assert {0.0, 1e7, 2e7, 4e7, 6.3e7} <= set(edges)
    assert edges[-1] > 13.8e9
    assert np.all((library.age_yr > edges[:-1]) & (library.age_yr < edges[1:]))
    assert np.all(library.evolution[..., 0] > 0.3)
    # Kroupa (BC03) against a unimodal slope of 1.3 (E-MILES): 0.6 to 1 times the light per mass
    factors = np.array(list(library.meta["merge"]["factor_per_z"].values()))
    assert np.all((factors > 0.6) & (factors < 1.0))


@pytest.mark.parametrize(
    ("low_aa", "high_aa"),
    [(2500, 2950), (3100, 3650), (4000, 4700), (4800, 6000), (7100, 9000), (8960, 9350)],
)
def test_training_library_is_smooth_across_the_seam(training_library, low_aa, high_aa):
    """Band fluxes at the seam lie within 0.2 mag of a line (log flux, log age) through their neighbours."""
    library = training_library
    inside = (library.wave_aa > low_aa) & (library.wave_aa < high_aa)
    log_flux = np.log10(library.spectra[:, :, inside].mean(axis=2))
    log_age = np.log10(library.age_yr)
    seam = int(np.searchsorted(library.age_yr, 63e6))
    solar = library.z > 0.003  # below, E-MILES itself jumps by 0.3 mag when the AGB sets in at 126 Myr
    for i_z in np.flatnonzero(solar):
        line = np.polyfit(log_age[[seam - 3, seam - 2]], log_flux[i_z, [seam - 3, seam - 2]], 1)
        step_mag = -2.5 * (log_flux[i_z, seam] - np.polyval(line, log_age[seam]))
        assert abs(step_mag) < 0.2, (library.z[i_z], step_mag)
