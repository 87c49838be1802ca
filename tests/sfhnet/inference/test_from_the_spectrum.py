"""What a spectrum says of itself with the shipped network's basis: redshift, width, nuclei; what stays unsaid."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import Table

import sfhnet
from pyprospect.constants import C_KMS
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.inference.answers import MEASURED
from sfhnet.inference.measured import measure_lines

SNR = 60.0
MUSE_AA = np.arange(4750.0, 9351.0, 1.25)


@pytest.fixture(scope="module")
def model(root):
    return sfhnet.load(root / "data" / "models" / "flow")


@pytest.fixture(scope="module")
def galaxies(model):
    """Three spectra that the mocks' mean and first components make: stars with some lines."""
    rows = model.basis.broadened(0.0)
    amplitudes = np.zeros((3, len(rows)))
    amplitudes[:, 0] = 1.0
    amplitudes[1, 1], amplitudes[2, 2] = -0.3, 0.3
    return amplitudes @ rows


def seen(model, galaxies, redshift, seed=1, wave=MUSE_AA):
    rng = np.random.default_rng(seed)
    flux = np.array([np.interp(wave / (1 + redshift), model.wave_aa, row) for row in galaxies])
    sigma = np.full(flux.shape, np.median(flux, axis=1, keepdims=True) / SNR)
    return flux + sigma * rng.standard_normal(flux.shape), sigma


@pytest.mark.parametrize("redshift", [-0.002, 0.0, 0.0007, 0.01, 0.06, 0.12])
def test_the_redshift_is_found_wherever_it_is(model, galaxies, redshift):
    flux, sigma = seen(model, galaxies, redshift)
    answers = model.infer(MUSE_AA, flux, sigma)
    off_kms = np.abs(answers.measured["redshift"] - redshift) * C_KMS
    assert off_kms.max() < 30
    assert (answers.measured["redshift_probability"] > 0.99).all()
    assert answers.usable.all()


def test_spectra_are_answered_alike_alone_and_together(model, galaxies):
    redshift = np.array([0.003, 0.012, 0.0075])
    flux, sigma = (
        np.concatenate(part)
        for part in zip(
            *(seen(model, galaxies[i : i + 1], z, seed=i) for i, z in enumerate(redshift)), strict=True
        )
    )
    given = {"fwhm_aa": muse_udf10_fwhm_aa(MUSE_AA)}
    together = model.infer(MUSE_AA, flux, sigma, **given)
    for i in range(3):
        alone = model.infer(MUSE_AA, flux[i], sigma[i], **given)
        assert alone.measured["redshift"][0] == pytest.approx(together.measured["redshift"][i], abs=1e-7)
        assert alone.measured["dispersion_kms"][0] == pytest.approx(
            together.measured["dispersion_kms"][i], rel=2e-3
        )
        for name, values in together.scalars.items():
            assert alone.scalars[name][0] == pytest.approx(values[i], abs=2e-3)
        assert alone.flags[0] == together.flags[i]


@pytest.mark.parametrize("off_kms", [200.0, 600.0, 3000.0])
def test_a_redshift_that_is_believed_is_mended_and_a_known_one_flagged(model, galaxies, off_kms):
    flux, sigma = seen(model, galaxies, 0.01)
    wrong = 0.01 + off_kms / C_KMS
    mended = model.infer(MUSE_AA, flux, sigma, redshift=wrong)
    assert np.abs(mended.measured["redshift"] - 0.01).max() * C_KMS < 30
    known = model.infer(MUSE_AA, flux, sigma, redshift=wrong, redshift_err=0.0)
    assert np.array_equal(known.measured["redshift"], np.full(3, wrong))
    assert ((known.flags & int(Flag.REDSHIFT)) > 0).all() == (off_kms > 300)
    right = model.infer(MUSE_AA, flux, sigma, redshift=0.01, redshift_err=0.0)
    assert not (right.flags & int(Flag.REDSHIFT)).any()


@pytest.mark.parametrize("medium", ["air", "vacuum"])
def test_wavelengths_of_the_other_medium_are_told_where_the_redshift_is_known(model, galaxies, medium):
    flux, sigma = seen(model, galaxies, 0.01)
    known = {"redshift": 0.01, "redshift_err": 0.0}
    other = model.infer(
        MUSE_AA if medium == "vacuum" else MUSE_AA * 1.000277, flux, sigma, medium=medium, **known
    )
    assert any(f"not in {medium}: check --medium" in note for note in other.notes)
    right = model.infer(
        MUSE_AA if medium == "air" else MUSE_AA * 1.000277, flux, sigma, medium=medium, **known
    )
    assert not any("check --medium" in note for note in right.notes)


@pytest.mark.parametrize("redshift", [900.0, 1.0, 0.6, -0.05, np.nan])
def test_redshifts_that_no_nearby_galaxy_has_are_refused(model, galaxies, redshift):
    flux, sigma = seen(model, galaxies, 0.0)
    with pytest.raises(ValueError, match=r"redshift must be from -0\.02 to 0\.5"):
        model.infer(MUSE_AA, flux, sigma, redshift=redshift)


@pytest.mark.parametrize("kind", ["noise", "flat", "slope"])
def test_what_is_no_galaxy_has_no_answer(model, kind, rng):
    shape = {"noise": np.zeros(MUSE_AA.size), "flat": np.ones(MUSE_AA.size), "slope": MUSE_AA / 5000}[kind]
    flux = shape + 0.02 * rng.standard_normal(MUSE_AA.size)
    answers = model.infer(MUSE_AA, flux, np.full(MUSE_AA.size, 0.02))
    assert Flag.NOT_A_GALAXY in Flag(int(answers.flags[0]))
    assert np.isnan(answers.scalars["mw_log_age"][0])
    assert "no answer" in answers.summary(0)


def test_the_width_of_another_instrument_is_found(model, galaxies):
    # Mocks have 150 km/s; what MUSE sees of them is taken to be as sharp as it says.
    flux, sigma = seen(model, galaxies, 0.0)
    answers = model.infer(MUSE_AA, flux, sigma, fwhm_aa=muse_udf10_fwhm_aa(MUSE_AA))
    width, error = answers.measured["dispersion_kms"], answers.measured["dispersion_err_kms"]
    assert (np.abs(width - 150) < np.maximum(3 * error, 20)).all()
    assert not (answers.flags & int(Flag.RESOLUTION)).any()
    far = model.infer(MUSE_AA, flux, sigma, redshift=0.0, dispersion_kms=500.0)
    assert ((far.flags & int(Flag.RESOLUTION)) > 0).all()


def test_a_width_beyond_the_training_is_undone(model, galaxies):
    rows = model.basis.broadened(240.0)
    amplitudes = np.zeros((2, len(rows)))
    amplitudes[:, 0] = 1.0
    amplitudes[1, 1] = -0.3
    flux, sigma = seen(model, amplitudes @ rows, 0.0)
    known = {"redshift": 0.0, "mask_sky": False}
    undone = model.infer(MUSE_AA, flux, sigma, dispersion_kms=float(np.hypot(150, 240)), **known)
    sharp, _ = seen(model, galaxies[:2], 0.0)
    wanted = model.infer(MUSE_AA, sharp, sigma, dispersion_kms="training", **known)
    left = model.infer(MUSE_AA, flux, sigma, dispersion_kms="training", **known)
    for name in ("mw_mh", "lw_log_age"):
        off = np.abs(undone.scalars[name] - wanted.scalars[name])
        low, high = wanted.interval(name, 0.68)
        assert (off < 0.5 * (high - low)).all()
        assert off.mean() < np.abs(left.scalars[name] - wanted.scalars[name]).mean()


def test_the_laser_gap_as_zeros_is_no_data(model, galaxies):
    flux, sigma = seen(model, galaxies, 0.005)
    gap = (MUSE_AA > 5800) & (MUSE_AA < 5970)
    zeros = model.infer(MUSE_AA, np.where(gap, 0.0, flux), sigma)
    missing = model.infer(MUSE_AA, flux, sigma, mask=np.broadcast_to(~gap, flux.shape))
    np.testing.assert_array_equal(zeros.mass_fraction, missing.mass_fraction)


@pytest.mark.parametrize("size", [0.0, 3.0, 100.0, 1e5, -50.0])
def test_one_wild_pixel_decides_nothing(model, galaxies, size):
    flux, sigma = seen(model, galaxies, 0.0)
    spoilt = flux.copy()
    spoilt[:, 1096] = size
    plain, found = (model.infer(MUSE_AA, values, sigma) for values in (flux, spoilt))
    for name in ("mw_mh", "mw_log_age", "a_v"):
        low, high = plain.interval(name, 0.68)
        assert (np.abs(found.scalars[name] - plain.scalars[name]) < 0.15 * (high - low)).all()


def test_a_variance_called_error_is_said_and_mended(model, galaxies, caplog):
    flux, sigma = seen(model, galaxies, 0.0)
    right = model.infer(MUSE_AA, 400 * flux, 400 * sigma)
    found = model.infer(MUSE_AA, 400 * flux, (400 * sigma) ** 2)
    assert found.snr == pytest.approx(right.snr, rel=1e-3)
    assert "right if they are the variance" in found.notes[0]
    assert "right if they are the variance" in caplog.text


def test_an_active_nucleus_is_said(model, galaxies):
    flux, sigma = seen(model, galaxies, 0.0)
    assert not (model.infer(MUSE_AA, flux, sigma).flags & int(Flag.AGN_LIKE)).any()
    broad = sum(
        height * np.exp(-0.5 * ((MUSE_AA / centre - 1) * C_KMS / 1500) ** 2)
        for centre, height in ((6562.8, 1.5), (4861.3, 0.5))
    )
    assert ((model.infer(MUSE_AA, flux + broad, sigma).flags & int(Flag.AGN_LIKE)) > 0).all()


def test_narrow_lines_of_a_seyfert_lie_above_those_of_stars():
    wave, flat = np.arange(4750.0, 9350.0, 1.25), np.ones(3680)

    def lines(**heights):
        centre = {"ha": 6562.8, "hb": 4861.33, "o3": 5006.84, "n2": 6583.45}
        flux = flat + sum(h * np.exp(-0.5 * ((wave - centre[k]) / 2.8) ** 2) for k, h in heights.items())
        return measure_lines(wave, flux[None], 0.01 * flat[None], np.ones((1, 3680), bool))

    assert lines(ha=3.0, n2=3.6, hb=1.0, o3=9.0).above_kewley[0] > 0.15
    assert lines(ha=3.0, n2=0.6, hb=1.0, o3=2.0).above_kewley[0] < 0
    assert np.isnan(lines(ha=0.01).above_kewley[0])


def test_an_answer_is_a_text_a_table_a_picture_and_a_file(model, galaxies, tmp_path):
    flux, sigma = seen(model, galaxies, 0.02)
    answers = model.infer(MUSE_AA, flux, sigma, flux_unit_cgs=1e-16)
    assert answers.summary().count("quality") == 3
    assert "z = 0.0200" in answers.summary(1)
    assert np.isfinite(answers.measured["log_mass_formed"]).all()
    figure = answers.plot(1)
    assert len(figure.axes) == 5
    plt.close("all")
    for name in ("a.ecsv", "a.fits"):
        answers.write(tmp_path / name)
        table = Table.read(tmp_path / name)
        assert len(table) == 3
        assert {"mw_log_age", "mw_log_age_p16", "redshift", "flag_words"} <= set(table.colnames)
        np.testing.assert_allclose(table["redshift"], answers.measured["redshift"])
    answers.write(tmp_path / "a.h5")
    np.testing.assert_allclose(Posterior.read(tmp_path / "a.h5").scalars["t50"], answers.scalars["t50"])
    assert set(answers.measured) == set(MEASURED)
    with pytest.raises(ValueError, match="there is no spectrum 3; there are 3"):
        answers.plot(3)
    with pytest.raises(ValueError, match="keep_spectra=True"):
        model.infer(MUSE_AA, flux, sigma, keep_spectra=False).plot()


def test_spectra_are_answered_alike_alone_and_in_chunks(model, galaxies, monkeypatch):
    flux, sigma = seen(model, galaxies, 0.004)
    together = model.infer(MUSE_AA, flux, sigma)
    monkeypatch.setattr("sfhnet.inference.model._CHUNK", 2)
    parts = model.infer(MUSE_AA, flux, sigma)
    np.testing.assert_allclose(parts.mass_fraction, together.mass_fraction, atol=1e-5)
    np.testing.assert_array_equal(parts.measured["redshift"], together.measured["redshift"])
    np.testing.assert_array_equal(parts.flags, together.flags)


def test_answers_below_the_training_are_as_uncertain_as_their_noise(model, galaxies):
    known = {"redshift": 0.0, "dispersion_kms": "training"}
    flux, _ = seen(model, galaxies, 0.0)
    rng = np.random.default_rng(7)
    noise = np.median(flux, axis=1, keepdims=True) * np.ones_like(flux)
    halves = []
    for snr in (3.0, 0.75):
        sigma = noise / snr
        answers = model.infer(MUSE_AA, flux + sigma * rng.standard_normal(flux.shape), sigma, **known)
        low, high = answers.interval("mw_mh", 0.68)
        halves.append(np.median(high - low))
    assert halves[1] > 2.5 * halves[0]
    assert ((answers.flags & int(Flag.LOW_SNR)) > 0).all()


def test_a_narrow_window_in_which_all_components_look_alike_is_fitted(model):
    basis = model.basis
    # in 60 Angstrom of a steep continuum the components are nearly one
    steep = np.exp(3 * (basis.grid.wave_aa / 7000 - 1))
    alike = replace(basis, components=30 * steep * (1 + 1e-5 * basis.components / basis.mean))
    mask = np.abs(basis.grid.wave_aa - 5400) < 30
    flux = (alike.mean + 0.1 * alike.components[0])[None]
    amplitudes = alike.fit(flux, np.full_like(flux, 1e-4), mask[None])
    fitted = alike.model(amplitudes)[0]
    np.testing.assert_allclose(fitted[mask], flux[0][mask], rtol=0.01)
