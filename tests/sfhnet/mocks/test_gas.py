"""Gas of the mocks: each lever of the prior does what its name says, and no label knows of it."""

import numpy as np
import pytest

from ingredients import toy_stars
from pyprospect.constants import HALPHA_LSOL_PER_SFR
from sfhnet.config import Config
from sfhnet.mocks.filters_and_lines import load_lines
from sfhnet.mocks.synthesize import halpha_of_photons, make_synthesizer, synthesize
from sfhnet.priors.sample import sample

LEVERS = {
    "log_line_scale": 0.0,
    "log_u_offset": 0.0,
    "line_scatter_dex": 0.0,
    "metal_line_dex": 0.0,
    "line_mix": 0.0,
    "diffuse_ew_aa": 0.0,
    "tau_birth": 0.0,
    "tau_screen": 0.0,
}
N = 40


@pytest.fixture(scope="module")
def lines(mappings_file, cloudy_file):
    return load_lines(mappings_file, 1990.0, 9700.0, cloudy=cloudy_file)


def galaxies(lines, hst_bands, halpha="photons", **levers):
    config = Config.model_validate({"synthesis": {"halpha": halpha}})
    nuisance = config.model_dump(mode="json")["prior"]["nuisance"] | LEVERS | levers
    config = Config.model_validate({"synthesis": {"halpha": halpha}, "prior": {"nuisance": nuisance}})
    drawn = sample(config.prior, N, 1, shard=0, age_bins_yr=1e6 * np.asarray(config.age_bins_myr))
    synthesizer = make_synthesizer(config, toy_stars(), hst_bands, lines=lines)
    return synthesize(synthesizer, drawn, config, shard=0, threads=1, progress=False), drawn


@pytest.fixture(scope="module")
def plain(lines, hst_bands):
    return galaxies(lines, hst_bands)[0]


def column(made, name):
    return made.line_flux[:, made.line_names.index(name)]


def test_halpha_is_that_of_the_photons_of_the_stars(plain, lines, hst_bands):
    stars = toy_stars()
    compat, _ = galaxies(lines, hst_bands, halpha="sfr")
    per_rate = (halpha_of_photons(stars) * np.diff(stars.age_edges_yr)).sum(axis=1)
    strong = column(compat, "Halpha") > np.median(column(compat, "Halpha"))
    ratio = column(plain, "Halpha")[strong] / column(compat, "Halpha")[strong]
    # constant star formation gives this; bursts within 10 Myr more or less
    assert np.median(ratio) == pytest.approx(np.median(per_rate) / HALPHA_LSOL_PER_SFR, rel=0.4)


def test_labels_know_nothing_of_gas(plain, lines, hst_bands):
    other, _ = galaxies(
        lines,
        hst_bands,
        line_mix=1.0,
        diffuse_ew_aa=5.0,
        metal_line_dex=0.3,
        line_scatter_dex=0.2,
        log_line_scale=0.4,
    )
    for name, values in plain.labels.items():
        np.testing.assert_array_equal(other.labels[name], values, err_msg=name)
    assert np.all(column(other, "NII6583") > 1.3 * column(plain, "NII6583"))


def test_common_scatter_moves_metals_together_and_leaves_hydrogen(plain, lines, hst_bands):
    moved, _ = galaxies(lines, hst_bands, metal_line_dex=0.3)
    lit = column(plain, "Halpha") > 0
    for name in ("NII6583", "SII6716", "ArIII7136", "SIII9069"):
        np.testing.assert_allclose((column(moved, name) / column(plain, name))[lit], 10**0.3, rtol=1e-4)
    for name in ("Halpha", "Hbeta", "Pa10", "Pa14"):
        np.testing.assert_allclose(column(moved, name), column(plain, name), rtol=1e-6)


def test_gas_shines_in_galaxies_without_young_stars(plain, lines, hst_bands):
    lit, drawn = galaxies(lines, hst_bands, diffuse_ew_aa=2.0)
    quiet = column(plain, "Halpha") < 1e-3 * column(lit, "Halpha")
    assert quiet.sum() >= 3
    ratio = column(lit, "NII6583")[quiet] / column(lit, "Halpha")[quiet]
    np.testing.assert_allclose(ratio, 0.8, rtol=1e-2)
    assert np.all(drawn.parameters["diffuse_ew_aa"] == 2.0)


def test_argon_is_between_one_and_seven_per_cent_of_halpha(plain):
    lit = column(plain, "Halpha") > 0
    ratio = (column(plain, "ArIII7136") / column(plain, "Halpha"))[lit]
    assert 0.005 < np.median(ratio) < 0.07
    np.testing.assert_allclose(
        (column(plain, "ArIII7751") / column(plain, "ArIII7136"))[lit], 0.24, rtol=0.05
    )


def test_a_library_without_photons_is_refused(hst_bands, lines):
    stars = toy_stars()
    stars.meta.pop("ionizing_photons")
    with pytest.raises(
        ValueError, match=r"'toy' has no count of ionising photons .* or set synthesis.halpha: sfr"
    ):
        make_synthesizer(Config(), stars, hst_bands, lines=lines)
    compat = Config.model_validate({"synthesis": {"halpha": "sfr"}})
    assert make_synthesizer(compat, stars, hst_bands, lines=lines).halpha.max() > 0
