"""Maps, tables and the summary: units, places, words, and the comparison with the truth."""

import json

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from galaxy_answers import AGE_EDGES_MYR, make_answer, make_spectra
from sfhnet.core.flags import Flag
from sfhnet.core.geometry import arcsec_kpc, deprojected_radius
from sfhnet.products.bin_table import bin_columns
from sfhnet.products.galaxy_summary import integrated_history, summarise, verdict
from sfhnet.products.maps import to_map, write_maps, write_table
from sfhnet.products.relations import gradient

SIDE = 12


@pytest.fixture(scope="module")
def spectra():
    return make_spectra(SIDE)


@pytest.fixture(scope="module")
def answer(spectra):
    return make_answer(spectra)


@pytest.fixture(scope="module")
def table(spectra, answer):
    return bin_columns(spectra, answer)


def test_mass_and_rates_have_the_distance_in_them(spectra, answer, table):
    np.testing.assert_allclose(table["log_mass_formed"], np.log10(spectra.truth["mass_formed"]), atol=1e-6)
    np.testing.assert_allclose(table["log_sfr100"], -2.1, atol=1e-6)
    far = bin_columns(make_spectra(SIDE, distance_mpc=20.0), answer)
    np.testing.assert_allclose(far["log_mass_formed"] - table["log_mass_formed"], np.log10(4), atol=1e-6)
    # Surface densities do not depend on the distance, but for (1 + z)**4 in the angular size.
    np.testing.assert_allclose(far["log_mass_density"], table["log_mass_density"], atol=1e-6)
    kpc = arcsec_kpc(spectra)
    assert kpc == pytest.approx(10e3 / 1.0022**2 / 206264.8, rel=1e-5)
    expected = np.log10(spectra.truth["mass_formed"] / (4 * kpc**2))
    np.testing.assert_allclose(table["log_mass_density"], expected, atol=1e-6)


def test_inclination_opens_the_disc():
    tilted = make_spectra(
        SIDE, meta={"redshift_systemic": 0.0022, "inclination_deg": 60.0, "position_angle_deg": 0.0}
    )
    flat = make_spectra(SIDE)
    shift = (
        bin_columns(tilted, make_answer(tilted))["log_mass_density"]
        - bin_columns(flat, make_answer(flat))["log_mass_density"]
    )
    np.testing.assert_allclose(shift, np.log10(0.5), atol=1e-6)
    radius = deprojected_radius(tilted)
    on_minor = np.argmin(np.abs(tilted.y_arcsec) * 1e3 - np.abs(tilted.x_arcsec))
    expected = np.hypot(tilted.y_arcsec[on_minor], 2 * tilted.x_arcsec[on_minor])
    assert radius[on_minor] == pytest.approx(expected)


def test_numbers_of_bins_must_agree(spectra):
    with pytest.raises(
        ValueError, match="toy: 144 spectra but 1 answers; infer this very spectra file again"
    ):
        bin_columns(spectra, make_answer(make_spectra(1)))


def test_painting():
    found = to_map(np.array([[0, -1], [1, 0]]), np.array([3.0, 5.0]))
    np.testing.assert_array_equal(found, [[3, np.nan], [5, 3]])


def test_maps_file(tmp_path, spectra, answer, table):
    path = write_maps(tmp_path / "maps.fits", spectra, answer, table=table, provenance={"git_commit": "abc"})
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["OBJECT"] == "toy"
        for name in (
            "MW_LOG_AGE",
            "MW_LOG_AGE_P16",
            "MW_LOG_AGE_P84",
            "LW_MH",
            "A_V",
            "LOG_MASS_DENSITY",
            "T50",
        ):
            assert hdus[name].shape == (SIDE, SIDE)
            assert np.isfinite(hdus[name].data).all()
        assert hdus["MW_LOG_AGE"].header["BUNIT"] == "log10 yr"
        assert hdus["VELOCITY"].header["BUNIT"] == "km / s"
        assert hdus["LOG_MASS_DENSITY"].header["BUNIT"] == "log10 Msun/kpc2"
        assert np.all(hdus["MW_LOG_AGE_P16"].data < hdus["MW_LOG_AGE_P84"].data)
        wcs = WCS(hdus["A_V"].header)
        assert wcs.pixel_to_world(5.5, 5.5).ra.deg == pytest.approx(24.17)
        mass = hdus["MASS_PER_AGE"].data
        assert mass.shape == (16, SIDE, SIDE)
        np.testing.assert_allclose(mass.sum(), spectra.truth["mass_formed"].sum(), rtol=1e-5)
        np.testing.assert_allclose(hdus["AGE_BINS"].data["AGE_MAX"], AGE_EDGES_MYR[1:])
        assert hdus["FLAGS"].data.dtype.kind == "i"
        assert "OUT_OF_DISTRIBUTION" in list(hdus["FLAG_BITS"].data["NAME"])
        assert np.array_equal(hdus["UNBINNED"].data == 0, hdus["BIN"].data >= 0)
        assert "4 low snr" in str(hdus["UNBINNED"].header["COMMENT"])


def test_mass_of_a_bin_is_shared_among_its_spaxels(tmp_path, answer):
    doubled = np.repeat(np.arange(SIDE * SIDE).reshape(SIDE, SIDE), 2, axis=0)
    spectra = make_spectra(SIDE, bin_map=doubled, white=np.ones(doubled.shape))
    path = write_maps(tmp_path / "m.fits", spectra, answer, table=bin_columns(spectra, answer))
    with fits.open(path) as hdus:
        np.testing.assert_allclose(
            hdus["MASS_PER_AGE"].data.sum(), spectra.truth["mass_formed"].sum(), rtol=1e-5
        )


def test_table_keeps_units_and_words(tmp_path, spectra, answer):
    flagged = make_spectra(SIDE, flags=int(Flag.MISSING_BANDS))
    path = write_table(tmp_path / "bins.ecsv", bin_columns(flagged, answer), {"galaxy": "toy"})
    again = QTable.read(path)
    assert again.meta["galaxy"] == "toy"
    assert again["velocity"].unit == u.km / u.s
    assert set(again["flag_words"]) == {"MISSING_BANDS"}
    assert "Msun" in again["log_mass_formed"].info.description
    assert len(again) == SIDE * SIDE


def test_bins_without_an_answer_stay_empty(tmp_path, spectra):
    import dataclasses

    answer = make_answer(spectra)
    bad = np.zeros(spectra.n, dtype=bool)
    bad[7] = True

    def blank(values):
        values = np.array(values, dtype=float)
        values[bad] = np.nan
        return values

    holed = dataclasses.replace(
        answer,
        scalars={k: blank(v) for k, v in answer.scalars.items()},
        scalars_q={k: blank(v) for k, v in answer.scalars_q.items()},
        mass_fraction=blank(answer.mass_fraction),
        mh=blank(answer.mh),
        flags=np.where(bad, int(Flag.NO_VALID_PIXELS), 0).astype(np.uint32),
    )
    table = bin_columns(spectra, holed)
    assert np.isnan(table["mw_log_age"][7])
    assert table["flag_words"][7] == "NO_VALID_PIXELS"
    summary = summarise(spectra, holed, table)
    assert summary["n_answered"] == spectra.n - 1
    assert np.isfinite(summary["integrated"]["log_mass_formed"])
    path = write_maps(tmp_path / "m.fits", spectra, holed, table=table)
    with fits.open(path) as hdus:
        assert np.isnan(hdus["A_V"].data).sum() == 1
        assert (hdus["FLAGS"].data == int(Flag.NO_VALID_PIXELS)).sum() == 1


def test_integrated_history_is_the_mass_weighted_sum(spectra, answer, table):
    history = integrated_history(spectra, answer, table)
    mass = spectra.truth["mass_formed"][:, None] * spectra.truth["mass_fraction"]
    np.testing.assert_allclose(history["mass_per_age"], mass.sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(history["cum_mass"][-1], 1, rtol=1e-6)
    metals = (mass * spectra.truth["mh"]).sum(axis=0) / mass.sum(axis=0)
    np.testing.assert_allclose(history["mh"], metals, atol=1e-5)
    assert (history["cum_mass_p16"] <= history["cum_mass"] + 1e-9).all()


def test_gradient(rng):
    radius = rng.uniform(0, 5, 200)
    values = 9.8 - 0.05 * radius + 0.02 * rng.standard_normal(200)
    found = gradient(radius, values, np.full(200, 0.001), good=np.ones(200, dtype=bool))
    assert found["slope"] == pytest.approx(-0.05, abs=4 * found["slope_err"])
    assert found["slope_err"] == pytest.approx(0.02 / np.sqrt(200 * radius.var()), rel=0.2)
    assert found["scatter"] == pytest.approx(0.02, rel=0.2)
    assert gradient(radius[:3], values[:3], values[:3], good=np.ones(3, dtype=bool))["slope"] is None


def test_gradient_knows_errors_that_neighbours_share(rng):
    sector = np.repeat(np.arange(8), 50)
    everywhere = np.ones(400, dtype=bool)
    apart = []
    for _ in range(40):
        radius = rng.uniform(0, 5, 400)
        # a slope error of each sector, as a calibration curve of its pointing makes it
        shared = 0.1 * rng.standard_normal(8)[sector] * (radius - 2.5)
        fit = gradient(radius, -0.05 * radius + shared, np.full(400, 0.02), good=everywhere, sector=sector)
        apart.append((fit["slope"] + 0.05) / fit["slope_err"])
    assert 0.6 < np.std(apart) < 1.6


def test_gradient_knows_what_the_bins_of_a_field_share(rng):
    x, y = np.meshgrid(np.arange(21) - 10.0, np.arange(21) - 10.0)
    radius = np.hypot(x, y).ravel()
    field = (np.round(x / 7) * 3 + np.round(y / 7)).ravel().astype(int)
    _, place = np.unique(field, return_inverse=True)
    everywhere, apart, alone = np.ones(radius.size, dtype=bool), [], []
    for _ in range(200):
        noise = 0.02 * rng.standard_normal(radius.size)
        offset = 0.08 * rng.standard_normal(place.max() + 1)[place]
        quoted = np.full(radius.size, np.hypot(0.02, 0.08))
        fit = gradient(radius, -0.05 * radius + offset + noise, quoted, good=everywhere, field=field)
        apart.append((fit["slope"] + 0.05) / fit["slope_err"])
        alone.append(
            gradient(radius, noise, np.full(radius.size, 0.02), good=everywhere, field=field)["slope_err"]
        )
    assert 0.85 < np.std(apart) < 1.15
    # Bins that scatter as they say share nothing; what they say and their scatter are added.
    assert np.median(alone) == pytest.approx(
        np.sqrt(2) * 0.02 / np.sqrt(radius.size * radius.var()), rel=0.15
    )


def test_summary_of_a_perfect_answer(spectra, answer, table):
    prior = {"mw_log_age": np.array([9.0, 9.4]), "a_v": np.array([0.3])}
    summary = summarise(spectra, answer, table, prior=prior)
    json.dumps(summary, allow_nan=False)
    assert summary["verdict"] == ["Nothing found wrong."]
    assert summary["truth"]["mw_log_age"]["rms"] == pytest.approx(0, abs=1e-6)
    assert summary["truth"]["mw_log_age"]["beats_prior_mean"]
    expected = np.sqrt(np.mean((9.2 - spectra.truth["mw_log_age"]) ** 2))
    assert summary["truth"]["mw_log_age"]["rms_prior_mean"] == pytest.approx(expected)
    assert summary["truth"]["log_mass_formed"]["coverage_68"] == 1.0
    # The mean age itself is not linear in radius, but found and true gradients are one.
    slope = summary["gradients"]["mw_log_age_per_kpc"]
    assert slope["slope"] == pytest.approx(slope["true_slope"], rel=0.02)
    assert slope["slope"] < 0
    ratio = summary["gradients"]["mw_mh_per_r25"]["slope"] / summary["gradients"]["mw_mh_per_kpc"]["slope"]
    assert ratio == pytest.approx(60.0 * arcsec_kpc(spectra), rel=0.01)


def test_summary_of_a_wrong_answer(spectra, rng):
    answer = make_answer(spectra, {"mw_log_age": -0.5, "log_ml": 0.1 * rng.standard_normal(spectra.n)})
    summary = summarise(
        spectra, answer, bin_columns(spectra, answer), prior={"mw_log_age": spectra.truth["mw_log_age"]}
    )
    assert summary["truth"]["mw_log_age"]["bias"] == pytest.approx(-0.5, abs=1e-5)
    assert not summary["truth"]["mw_log_age"]["beats_prior_mean"]
    assert summary["truth"]["mw_log_age"]["coverage_90"] == 0
    # Errors of 0.05 dex against a scatter of 0.1: 68 % intervals hold about 38 %.
    assert summary["truth"]["log_mass_formed"]["coverage_68"] == pytest.approx(0.38, abs=0.12)


def test_verdict_shouts():
    flags = np.array([int(Flag.OUT_OF_DISTRIBUTION | Flag.MISSING_BANDS)] * 2 + [0], dtype=np.uint32)
    words = verdict(flags, np.ones(3, dtype=bool))
    assert words[0] == "OUT OF DISTRIBUTION: do not use these numbers (2 of 3 bins)."
    assert verdict(flags[:1] * 0, np.zeros(1, dtype=bool))[0].startswith("NO RESULT")


def test_single_spectrum(tmp_path):
    spectra = make_spectra(1, simulated=False)
    answer = make_answer(spectra)
    table = bin_columns(spectra, answer)
    summary = summarise(spectra, answer, table)
    assert "gradients" not in summary
    assert "truth" not in summary
    with fits.open(write_maps(tmp_path / "m.fits", spectra, answer, table=table)) as hdus:
        assert hdus["A_V"].shape == (1, 1)
        assert "CTYPE1" not in hdus["A_V"].header
