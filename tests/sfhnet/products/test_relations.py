"""Information gained, the summed spectrum, relations between bins, quality levels, and times read off histories."""

import dataclasses

import numpy as np
import pytest
from scipy.special import ndtri

from galaxy_answers import AGE_EDGES_MYR, GAUSS, make_answer, make_spectra
from sfhnet.core.flags import QUALITY, Flag, quality
from sfhnet.core.quantities import LEVELS
from sfhnet.inference.information import information, information_gain
from sfhnet.products.bin_table import bin_columns, formation_time
from sfhnet.products.galaxy_summary import summarise
from sfhnet.products.relations import plane, profiles
from sfhnet.products.summed_spectrum import summed_spectrum

LEVEL = np.array(LEVELS)
Z = ndtri(LEVEL)


@pytest.mark.parametrize(("width", "shift"), [(1.0, 0.0), (0.5, 0.0), (0.2, 0.0), (0.3, 1.0), (1.0, 2.0)])
def test_information_is_that_of_normals(width, shift):
    found = information_gain((width * Z + shift)[None], Z, LEVEL)[0]
    exact = -np.log(width) + 0.5 * (width**2 + shift**2 - 1)
    # nine quantiles bound it from below, closely
    assert exact - 0.14 - 0.1 * exact < found <= exact + 1e-9


def test_information_does_not_depend_on_the_scale():
    prior, posterior = Z, 0.3 * Z + 0.5
    plain = information_gain(posterior[None], prior, LEVEL)
    np.testing.assert_allclose(
        information_gain(7 * posterior[None] + 2, 7 * prior + 2, LEVEL), plain, rtol=1e-6
    )


def test_information_where_half_of_the_prior_is_the_same():
    prior = np.array([0, 0, 0, 0, 0, 0.1, 0.2, 0.5, 0.7])
    same, found = information_gain(np.stack([prior, np.full(9, 0.3)]), prior, LEVEL)
    assert same == pytest.approx(0, abs=1e-6)
    assert found > 1.0


def test_information_of_a_galaxy():
    spectra = make_spectra(6)
    answer = make_answer(spectra, width=0.05)
    wide = make_answer(spectra, width=0.5)
    prior = {
        "cum_mass_q": wide.cum_mass_q[0].tolist(),
        "mh_q": wide.mh_q[0].tolist(),
        "scalars_q": {name: value[0].tolist() for name, value in wide.scalars_q.items()},
    }
    gain = information(answer, prior)
    assert gain["history"].shape == (36, 16)
    assert (gain["history"][:, -1] == 0).all()
    assert gain["mw_log_age"][0] == pytest.approx(np.log(10) - 0.5, abs=0.3)
    table = bin_columns(spectra, answer, prior)
    np.testing.assert_allclose(table["info_metallicity"], gain["metallicity"].mean(axis=1))
    np.testing.assert_allclose(table["info_history"], gain["history"][:, :-1].mean(axis=1))
    prior["mh_q"] = prior["mh_q"][:3]
    with pytest.raises(ValueError, match="infer again with this model"):
        information(answer, prior)


def test_summed_spectrum_is_the_sum():
    spectra = make_spectra(6)
    whole = summed_spectrum(spectra)
    np.testing.assert_allclose(whole.flux[0], spectra.flux.sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(whole.sigma[0], np.sqrt((spectra.sigma**2).sum(axis=0)), rtol=1e-5)
    assert whole.band_flux[0, 0] == pytest.approx(80.0 * 36)
    # zero points are shared: the relative error of a band does not fall with the number of bins
    assert whole.band_sigma[0, 0] / whole.band_flux[0, 0] == pytest.approx(3 / 80)
    assert whole.snr[0] == pytest.approx(np.median(whole.flux / whole.sigma))
    assert whole.area_arcsec2[0] == pytest.approx(144.0)


def test_summed_spectrum_makes_up_for_missing_pixels():
    spectra = make_spectra(6)
    mask = spectra.mask.copy()
    mask[3, 100:200] = False
    mask[:, 500:510] = False
    flags = np.where(np.arange(36) == 5, int(Flag.NO_VALID_PIXELS), 0)
    holed = dataclasses.replace(spectra, mask=mask, flags=flags.astype(np.uint32))
    whole = summed_spectrum(holed)
    assert not whole.mask[0, 500:510].any()
    assert whole.mask[0, 100:200].all()
    expected = np.delete(spectra.flux, 5, axis=0).sum(axis=0)
    np.testing.assert_allclose(whole.flux[0, 100:200], expected[100:200], rtol=0.01)
    assert whole.meta["summed_bins"] == 35
    none = dataclasses.replace(spectra, flags=np.full(36, int(Flag.NO_VALID_PIXELS), dtype=np.uint32))
    with pytest.raises(ValueError, match="toy: no bin has a usable spectrum to sum"):
        summed_spectrum(none)


def test_summed_spectrum_and_bins_are_compared():
    spectra = make_spectra(6)
    answer = make_answer(spectra)
    table = bin_columns(spectra, answer)
    total = summed_spectrum(spectra)
    single = make_answer(spectra).take(np.array([14]))
    plain = summarise(spectra, answer, table, prior=None, summed=(total, single, bin_columns(total, single)))
    apart = plain["summed"]["mw_log_age"]
    assert apart["difference"] == pytest.approx(apart["summed"] - plain["integrated"]["mw_log_age"])
    assert apart["n_sigma"] == pytest.approx(apart["difference"] / (0.05 * 0.99446), rel=1e-3)
    cum = np.abs(single.cum_mass[0] - np.array(plain["integrated"]["cum_mass"]))
    assert plain["summed"]["max_cum_difference"] == pytest.approx(cum.max())


def test_time_is_read_off_the_history():
    spectra = make_spectra(1)
    answer = make_answer(spectra)
    # a constant star-formation rate over 13.8 Gyr: 80 % had formed 0.2 * 13.8 Gyr ago
    cum = np.broadcast_to(AGE_EDGES_MYR[1:] / AGE_EDGES_MYR[-1], (1, 9, 16))
    spread = np.clip(cum + 0.1 * GAUSS[None, :, None], 0, 1)
    median, low, high = formation_time(dataclasses.replace(answer, cum_mass_q=spread), 80)
    assert median[0] == pytest.approx(np.log10(0.2 * 13.8e9), abs=1e-6)
    # where the mass younger than the age is high, the time is short
    assert low[0] == pytest.approx(np.log10((0.2 - 0.1 * 0.99446) * 13.8e9), abs=0.02)
    assert high[0] == pytest.approx(np.log10((0.2 + 0.1 * 0.99446) * 13.8e9), abs=0.02)


def test_plane_is_recovered(rng):
    x, y = rng.uniform(6, 9, 400), rng.uniform(-3, -1, 400)
    values = 0.1 + 0.2 * (x - x.mean()) - 0.1 * (y - y.mean()) + 0.05 * rng.standard_normal(400)
    found = plane(x, y, values, errors=np.full(400, 0.02), good=np.ones(400, dtype=bool))
    for name, true in (("mass_slope", 0.2), ("sfr_slope", -0.1), ("at_pivot", 0.1)):
        assert abs(found[name] - true) < 4 * found[f"{name}_err"]
        assert 0 < found[f"{name}_err"] < 0.02
    assert found["scatter"] == pytest.approx(0.05, rel=0.15)
    few = plane(x, y, values, errors=np.full(400, 0.02), good=np.arange(400) < 8)
    assert few["mass_slope"] is None
    assert few["n"] == 8


def test_profile_follows_the_galaxy():
    spectra = make_spectra(12)
    table = bin_columns(spectra, make_answer(spectra))
    found = profiles(spectra, table, np.ones(spectra.n, dtype=bool))
    assert sum(found["n"]) == spectra.n
    assert np.all(np.diff(found["radius_kpc"]) > 0)
    np.testing.assert_allclose(found["mw_mh"], found["mw_mh_true"], atol=1e-6)
    assert np.all(np.diff(found["mw_mh"]) < 0)
    assert found["radius_r25"][0] == pytest.approx(
        found["radius_kpc"][0] * np.degrees(1 / 1e4) * 3600 * 1.0022**2 / 60.0, rel=1e-3
    )
    assert profiles(spectra, table, np.arange(spectra.n) < 3) == {}


def test_planes_and_gradients_are_set_against_the_truth():
    spectra = make_spectra(12)
    summary = summarise(spectra, make_answer(spectra), bin_columns(spectra, make_answer(spectra)))
    assert abs(summary["gradients"]["mw_mh_per_kpc"]["n_sigma"]) < 0.1
    fit = summary["planes"]["mw_mh"]
    assert fit["mass_slope"] == pytest.approx(fit["true_mass_slope"], abs=1e-3)


def test_quality_is_the_worst_flag():
    flags = [
        0,
        Flag.NO_BANDS,
        Flag.MISSING_BANDS,
        Flag.NOT_REPRODUCED | Flag.LOW_SNR,
        Flag.OUT_OF_DISTRIBUTION | Flag.LOW_SNR,
    ]
    np.testing.assert_array_equal(quality(np.array([int(flag) for flag in flags])), [0, 0, 1, 2, 3])
    levels = [members for _, members in QUALITY]
    assert not any(a & b for i, a in enumerate(levels) for b in levels[i + 1 :])
