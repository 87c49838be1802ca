"""Mocks from other libraries and with other histories; configurations that would train on a test library."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingredients import gas_lines, top_hats, toy_stars
from sfhnet.config import Config
from sfhnet.core.held_out_libraries import TEST_LIBRARIES
from sfhnet.foreign.bagpipes_galaxies import DUST_LAWS, FAMILIES, draw_components, make_galaxies
from sfhnet.foreign.make_mocks import MADE_HERE, make_mocks
from sfhnet.foreign.other_histories import HISTORIES, with_histories
from sfhnet.foreign.other_libraries import LIBRARIES, Populations, in_the_light_of
from sfhnet.priors.sample import sample
from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS, FOREIGN_MOCKS


@pytest.fixture(scope="module")
def stars():
    return toy_stars()


def as_populations(stars, change=1.0, **more):
    """The toy library, as if its files were another's."""
    ages = np.flatnonzero(stars.age_yr > 3e7)
    n_z = stars.z.size
    return Populations(
        "twin",
        np.tile(stars.age_yr[ages], n_z),
        np.repeat(stars.z, ages.size),
        stars.wave_aa,
        change * stars.spectra[:, ages].reshape(n_z * ages.size, -1),
        np.full(stars.wave_aa.size, 2.51),
        **more,
    )


def test_a_twin_changes_nothing(stars):
    same = in_the_light_of(stars, as_populations(stars), Config().grid)
    np.testing.assert_allclose(same.spectra, stars.spectra, rtol=2e-3)
    assert same.name == "toy as twin" and same.meta == stars.meta


def test_a_difference_between_stars_is_carried_over_at_all_ages_that_have_it(stars):
    bump = 1 + 0.1 * np.exp(-0.5 * ((stars.wave_aa - 7000.0) / 80.0) ** 2)
    other = in_the_light_of(stars, as_populations(stars, bump, per_mass=False), Config().grid)
    ratio = other.spectra / stars.spectra
    at = np.abs(stars.wave_aa - 7000.0).argmin()
    old = stars.age_yr > 3e7
    np.testing.assert_allclose(ratio[:, old, at], 1.1, atol=0.005)
    # a library without masses keeps the light of the training's; far from the bump nothing is changed
    far = np.abs(stars.wave_aa - 5400.0).argmin()
    np.testing.assert_allclose(ratio[..., far], 1.0, atol=0.002)
    # half a dex below the youngest age nothing of it is left
    assert np.all(ratio[:, stars.age_yr < 5e6, at] < 1.001)


def test_a_library_of_another_range_or_of_one_age_is_refused(stars):
    twin = as_populations(stars)
    short = twin.wave_aa < 5500.0
    with pytest.raises(ValueError, match="too little of the training grid"):
        in_the_light_of(
            stars,
            replace(
                twin, wave_aa=twin.wave_aa[short], spectra=twin.spectra[:, short], fwhm_aa=twin.fwhm_aa[short]
            ),
            Config().grid,
        )
    with pytest.raises(
        ValueError, match=r"Z = 0.4..50, the training's library 0.0004..0.05: there is nothing"
    ):
        in_the_light_of(stars, replace(twin, z=1000 * twin.z), Config().grid)
    first = np.unique(twin.z, return_index=True)[1]
    lonely = replace(twin, age_yr=twin.age_yr[first], z=twin.z[first], spectra=twin.spectra[first])
    with pytest.raises(ValueError, match="has 1 ages at log Z"):
        in_the_light_of(stars, lonely, Config().grid)


@pytest.mark.parametrize("kind", ["mastar", "m11_stelib"])
def test_libraries_of_the_package_are_read(kind, upstream):
    populations = LIBRARIES[kind](upstream({"mastar": "mastar_ssp"}.get(kind, kind)))
    assert populations.spectra.shape == (populations.age_yr.size, populations.wave_aa.size)
    assert populations.age_yr.min() < 4e7 and populations.age_yr.max() > 1.2e10
    assert np.any(np.isclose(populations.z, 0.02)) and 5e-4 < populations.z.min() < populations.z.max() < 0.05
    assert np.all((populations.fwhm_aa > 1) & (populations.fwhm_aa < 8))
    # air: Na D and the calcium triplet lie where they should
    old = populations.spectra[np.argmax(populations.age_yr)]
    near = np.abs(populations.wave_aa - 8542.1) < 8
    assert populations.wave_aa[near][old[near].argmin()] == pytest.approx(8542.1, abs=1.8)


def test_no_folder_of_a_library_says_which(tmp_path):
    with pytest.raises(ValueError, match=r"holds no file named like MaStar.*fetch its source"):
        LIBRARIES["mastar"](tmp_path)
    with pytest.raises(ValueError, match=r"need the folder of that library's files"):
        make_mocks("mastar", Config(), toy_stars(), bands={}, lines=None)
    with pytest.raises(ValueError, match=r"no foreign mocks 'bagpipe'"):
        make_mocks("bagpipe", Config(), toy_stars(), bands={}, lines=None)


@pytest.mark.parametrize("kind", list(HISTORIES))
def test_histories_sum_to_one_and_are_drawn_again_alike(kind):
    config = Config()
    bins = 1e6 * np.asarray(config.age_bins_myr)
    drawn = sample(config.prior, 60, 3, shard=0, age_bins_yr=bins)
    one, again = (with_histories(drawn, kind, 5) for _ in range(2))
    np.testing.assert_allclose(one.mass.sum(axis=1), 1.0)
    assert np.all(one.mass >= 0) and not np.array_equal(one.mass, drawn.mass)
    np.testing.assert_array_equal(one.mass, again.mass)
    np.testing.assert_array_equal(one.z, drawn.z)
    assert not np.array_equal(one.mass, with_histories(drawn, kind, 6).mass)
    with pytest.raises(ValueError, match="no foreign histories 'flat'"):
        with_histories(drawn, "flat", 5)


def test_peaked_histories_are_narrow_and_diffstar_ones_are_not():
    config = Config()
    drawn = sample(config.prior, 200, 3, shard=0, age_bins_yr=1e6 * np.asarray(config.age_bins_myr))
    widths = np.diff(drawn.edges_yr)
    time_yr = {}
    for kind in HISTORIES:
        mass = with_histories(drawn, kind, 5).mass
        # the shortest time that holds nine tenths of the mass
        order = np.argsort(-mass / widths, axis=1)
        formed = np.cumsum(np.take_along_axis(mass, order, axis=1), axis=1)
        time_yr[kind] = np.median(np.where(formed < 0.9, widths[order], 0.0).sum(axis=1))
    assert time_yr["peaked"] < 0.4 * time_yr["diffstar"] < 4e9


@pytest.mark.parametrize("key", ["old", "young"])
@pytest.mark.parametrize("library", TEST_LIBRARIES)
def test_a_configuration_that_trains_on_a_test_library_is_refused(key, library):
    with pytest.raises(ValueError, match=rf"'{library}' is a test library"):
        Config.model_validate({"ssp": {key: library}})


def test_kinds_and_files_belong_together():
    assert set(MADE_HERE) | {"bagpipes"} == set(FOREIGN_MOCKS)
    assert set(LIBRARIES) <= set(TEST_LIBRARIES)
    assert all(not kind.foreign or kind.stress for kind in BENCHMARK_KINDS.values())


def test_galaxies_of_bagpipes_depend_on_their_number_alone():
    family, components = draw_components(1, 8)
    assert (family, components) == draw_components(1, 8) != draw_components(2, 8)
    drawn = [draw_components(1, number) for number in range(70)]
    assert {name for name, _ in drawn} == set(FAMILIES)
    assert {c["dust"]["type"] for _, c in drawn} == set(DUST_LAWS)
    assert Config().foreign.chunk_of(5) == range(250, 300)
    with pytest.raises(ValueError, match=r"no chunk 6 of 300 galaxies"):
        Config().foreign.chunk_of(6)


@pytest.mark.skipif(importlib.util.find_spec("bagpipes") is not None, reason="bagpipes is installed")
def test_without_bagpipes_it_says_how_to_get_it():
    with pytest.raises(ModuleNotFoundError, match=r"pip install phangs-sfh\[foreign\]"):
        make_galaxies(1, range(1))


def test_mocks_are_sound_and_differ_in_what_is_foreign(monkeypatch, stars):
    config = Config.model_validate({"foreign": {"mocks": 12}})
    monkeypatch.setitem(
        LIBRARIES, "mastar", lambda folder: as_populations(stars, 1 + 0.2 * (stars.wave_aa > 7000))
    )
    made = {
        kind: make_mocks(kind, config, stars, bands=top_hats(), lines=gas_lines(), folder=Path())
        for kind in ("own", "peaked", "mastar")
    }
    for galaxies in made.values():
        galaxies.assert_sound()
    own, peaked, mastar = (made[kind] for kind in ("own", "peaked", "mastar"))
    assert not np.allclose(peaked.labels["mass_fraction"], own.labels["mass_fraction"])
    # other stars: the same histories, another colour
    np.testing.assert_array_equal(mastar.labels["mass_fraction"], own.labels["mass_fraction"])
    colour = {
        name: g.flux[:, -400:].mean(axis=1) / g.flux[:, 200:600].mean(axis=1) for name, g in made.items()
    }
    assert np.median(colour["mastar"] / colour["own"]) > 1.1
