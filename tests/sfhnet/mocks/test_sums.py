"""Mocks that are sums of galaxies: light adds up, and so does every label."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ingredients import top_hats
from sfhnet.config import Config
from sfhnet.config.synthesis import SumsConfig
from sfhnet.core.quantities import LABELS
from sfhnet.mocks.labels import Labeller
from sfhnet.mocks.sums import with_sums
from sfhnet.mocks.synthesize import make_synthesizer, synthesize
from sfhnet.priors.sample import sample

N = 200


@pytest.fixture(scope="module")
def made(toy_ssp):
    config = Config()
    synthesizer = make_synthesizer(config, toy_ssp, top_hats(), lines=None)
    bins_yr = np.asarray(config.age_bins_myr) * 1e6
    drawn = sample(config.prior, N, 1, shard=0, age_bins_yr=bins_yr)

    def galaxies():
        return synthesize(synthesizer, drawn, config, shard=0, threads=1, progress=False)

    return config, synthesizer, drawn, galaxies


def test_a_sum_of_one_galaxy_with_itself_is_that_galaxy(made):
    *_, galaxies = made
    single = galaxies()
    alone = replace(
        single,
        **{
            name: np.repeat(getattr(single, name)[:1], 3, 0)
            for name in ("flux", "band_flux", "line_flux", "family", "log_prior")
        },
        labels={name: np.repeat(values[:1], 3, 0) for name, values in single.labels.items()},
        parameters={name: np.repeat(values[:1], 3, 0) for name, values in single.parameters.items()},
    )
    summed = with_sums(alone, SumsConfig(share=1.0), seed=1, shard=0)
    np.testing.assert_allclose(summed.flux, np.repeat(single.flux[:1], 3, 0), rtol=2e-6)
    for name, values in summed.labels.items():
        np.testing.assert_allclose(values[1], single.labels[name][0], rtol=2e-5, atol=2e-5, err_msg=name)


def test_labels_of_sums_are_those_of_the_summed_history(made):
    config, synthesizer, drawn, galaxies = made
    summed = with_sums(galaxies(), SumsConfig(share=0.3, parts=(2, 2)), seed=1, shard=0)
    rows = np.flatnonzero(np.asarray(summed.family_names)[summed.family] == "sum")
    assert rows.size == 60
    single = galaxies()
    # Which galaxy was added follows from the bands: two unknowns, mass and number, against five bands.
    labeller = Labeller(synthesizer, drawn.edges_yr, np.asarray(config.age_bins_myr) * 1e6)
    checked = 0
    for row in rows[:20]:
        other, share = _partner(single.band_flux.astype(float), summed.band_flux[row], row)
        mass = (share * drawn.mass[row] + (1 - share) * drawn.mass[other])[None]
        log_z = (
            share * drawn.mass[row] * np.log(drawn.z[row])
            + (1 - share) * drawn.mass[other] * np.log(drawn.z[other])
        ) / np.maximum(mass[0], 1e-300)
        z = np.exp(np.where(mass[0] > 0, log_z, np.log(drawn.z[row])))[None]
        tensors = torch.from_numpy(mass), torch.from_numpy(z)
        ssp_mass, ssp_z = labeller.ssp(*tensors)
        zero = torch.zeros(1)
        expected = labeller(
            *tensors, ssp_mass=ssp_mass, ssp_z=ssp_z, tau_birth=zero, tau_screen=zero, bump=zero
        )
        for name in ("mass_fraction", "cum_mass", "mw_log_age", "mw_mh", "sfr10", "sfr100"):
            np.testing.assert_allclose(
                summed.labels[name][row], expected[name][0], rtol=2e-3, atol=2e-3, err_msg=name
            )
        for quantity in LABELS.values():
            if quantity.percent is not None:
                assert summed.labels[quantity.name][row] == pytest.approx(
                    float(expected[quantity.name]), abs=0.02
                )
        light = [w * single.labels["v_light"][k] for w, k in ((share, row), (1 - share, other))]
        lw = (
            light[0] * single.labels["lw_log_age"][row] + light[1] * single.labels["lw_log_age"][other]
        ) / sum(light)
        assert summed.labels["lw_log_age"][row] == pytest.approx(lw, abs=2e-3)
        dusty = [
            part * 10 ** (-0.4 * single.labels["a_v"][k]) for part, k in zip(light, (row, other), strict=True)
        ]
        assert summed.labels["a_v"][row] == pytest.approx(-2.5 * np.log10(sum(dusty) / sum(light)), abs=2e-3)
        np.testing.assert_allclose(
            summed.flux[row], share * single.flux[row] + (1 - share) * single.flux[other], rtol=1e-4
        )
        checked += 1
    assert checked == 20
    untouched = np.setdiff1d(np.arange(N), rows)
    np.testing.assert_array_equal(summed.flux[untouched], single.flux[untouched])
    assert np.isnan(summed.log_prior[rows]).all() and np.isfinite(summed.log_prior[untouched]).all()
    assert np.isfinite(summed.parameters["tau_birth"]).all()
    summed.assert_sound()


def _partner(band_flux, total, row):
    best = (np.inf, 0, 0.0)
    for other in range(len(band_flux)):
        if other == row:
            continue
        scale = 1 / total
        a, b = band_flux[row] * scale, band_flux[other] * scale
        difference = a - b
        share = ((1 - b) * difference).sum() / (difference**2).sum()
        left = np.abs(share * a + (1 - share) * b - 1).max()
        if 0 <= share <= 1 and left < best[0]:
            best = (left, other, share)
    assert best[0] < 1e-5
    return best[1], best[2]


def test_sums_are_a_pure_function_of_seed_and_shard_and_can_be_off(made):
    *_, galaxies = made
    first, again = (with_sums(galaxies(), SumsConfig(), seed=1, shard=0) for _ in range(2))
    np.testing.assert_array_equal(first.flux, again.flux)
    assert (np.asarray(first.family_names)[first.family] == "sum").mean() == pytest.approx(0.15, abs=0.01)
    assert not np.array_equal(first.flux, with_sums(galaxies(), SumsConfig(), seed=1, shard=1).flux)
    np.testing.assert_array_equal(
        with_sums(galaxies(), SumsConfig(share=0), seed=1, shard=0).flux, galaxies().flux
    )


def test_a_label_without_a_rule_is_an_error(made):
    *_, galaxies = made
    with_more = galaxies()
    with_more.labels["colour"] = with_more.labels["a_v"]
    with pytest.raises(ValueError, match="how colour of a sum follows"):
        with_sums(with_more, SumsConfig(), seed=1, shard=0)
