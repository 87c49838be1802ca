"""Applying a model: from any sampling, medium and file; bad spectra are flagged alone; calibration covers."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import sfhnet
from sfhnet.__main__ import main
from sfhnet.config import NoiseConfig
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import LEVELS, SCALARS
from sfhnet.inference.conformal import Conformal, Strata
from sfhnet.inference.familiarity import Familiarity
from sfhnet.mocks.draw import draw
from sfhnet.observation.stored_spectra import StoredRows
from sfhnet.tools.hdf5 import read_json, write_json
from sfhnet.validation.benchmark_sets import make_benchmark
from sfhnet.validation.metrics import coverage


@pytest.fixture(scope="module")
def model(model_dir):
    return sfhnet.load(model_dir)


@pytest.fixture(scope="module")
def drawn(test_mocks):
    off = ("pixel_dropout", "edges", "band_dropout")
    return draw(test_mocks, np.arange(12), NoiseConfig(), key=("benchmark.noise", 9), off=off, snr=60.0)[0]


@pytest.fixture(scope="module")
def bands(model, drawn):
    flux, sigma = drawn.band_flux.numpy().astype(float), drawn.band_sigma.numpy().astype(float)
    return {name: (flux[:, k], sigma[:, k]) for k, name in enumerate(model.band_names)}


@pytest.fixture(scope="module")
def spectra(drawn):
    batch = drawn
    return {"flux": batch.flux.numpy().astype(float), "sigma": batch.sigma.numpy().astype(float)}


# Mocks at rest, of the training's own resolution: nothing is measured where something else is tested.
KNOWN = {"redshift": 0.0, "dispersion_kms": "training", "check_errors": False}


def test_the_same_grid_passes_through(model, spectra):
    posterior = model.infer(model.wave_aa, spectra["flux"], spectra["sigma"], **KNOWN)
    assert len(posterior) == 12
    assert posterior.usable.all()
    assert posterior.mass_fraction.sum(1) == pytest.approx(1.0, abs=1e-5)
    assert posterior.meta["calibrated"]


@pytest.mark.parametrize(
    ("height", "sigma_aa"), [(-0.6, 2.7), (0.9, 2.7), (40.0, 2.7), (40.0, 6.0), (400.0, 6.0)]
)
def test_a_foreign_line_takes_its_own_width_and_no_more(model, spectra, height, sigma_aa):
    # Where no line of a galaxy is.
    off_aa = model.wave_aa - 6100.0
    line = height * np.exp(-0.5 * (off_aa / sigma_aa) ** 2)
    flux = spectra["flux"]  # zero where a spectrum sees nothing
    plain = model.infer(model.wave_aa, flux, spectra["sigma"], **KNOWN)
    lined = model.infer(model.wave_aa, np.where(flux == 0, 0, flux + line), spectra["sigma"], **KNOWN)
    lost = plain.seen.mask & ~lined.seen.mask
    assert not lined.seen.mask[:, np.abs(off_aa) < 1.2 * sigma_aa].any()
    assert not lost[:, np.abs(off_aa) > 7 * sigma_aa].any()
    half = 0.5 * np.diff(plain.interval("mw_log_age", 0.68), axis=0)[0]
    assert (np.abs(lined.scalars["mw_log_age"] - plain.scalars["mw_log_age"]) < 0.5 * half).all()


def test_sampling_and_units_hardly_matter(model, spectra):
    plain = model.infer(model.wave_aa, spectra["flux"], spectra["sigma"], **KNOWN)
    fine = np.arange(4700.0, 9400.0, 0.8)
    resampled = np.stack([np.interp(fine, model.wave_aa, f) for f in spectra["flux"]]) * 1e-17
    error = (
        np.stack([np.interp(fine, model.wave_aa, s) for s in spectra["sigma"]]) * 1e-17 * np.sqrt(1.25 / 0.8)
    )
    again = model.infer(fine, resampled, error, **KNOWN)
    spread = plain.interval("mw_log_age", 0.68)
    half = 0.5 * (spread[1] - spread[0])
    assert (np.abs(again.scalars["mw_log_age"] - plain.scalars["mw_log_age"]) < half).all()
    assert again.log_scale - plain.log_scale == pytest.approx(-17.0, abs=0.02)
    assert again.snr == pytest.approx(plain.snr, rel=0.1)


def test_vacuum_and_redshift_are_undone(model, spectra):
    plain = model.infer(model.wave_aa, spectra["flux"], spectra["sigma"], **KNOWN)
    wave = model.wave_aa
    inverse = (1e4 / wave) ** 2
    # Morton (1991), the other direction, good to 1e-3 AA.
    vacuum = wave * (1 + 6.4328e-5 + 2.94981e-2 / (146 - inverse) + 2.5540e-4 / (41 - inverse))
    moved = model.infer(
        vacuum * 1.01,
        spectra["flux"],
        spectra["sigma"],
        redshift=0.01,
        medium="vacuum",
        dispersion_kms="training",
    )
    ignored = model.infer(vacuum * 1.01, spectra["flux"], spectra["sigma"], **KNOWN)
    low, high = plain.interval("lw_log_age", 0.68)

    # The second way resamples the noise too: answers move, by less than their own width.
    def change(posterior):
        return np.abs(posterior.scalars["lw_log_age"] - plain.scalars["lw_log_age"]) / (0.5 * (high - low))

    assert change(moved).max() < 1.0
    assert change(moved).mean() < 0.3 * change(ignored).mean()
    assert ignored.ood_score.mean() > moved.ood_score.mean()


@pytest.mark.parametrize(
    ("spoil", "flag"),
    [
        (lambda f, s: (f * np.nan, s), Flag.NO_VALID_PIXELS),
        (lambda f, s: (f, -s), Flag.NO_VALID_PIXELS),
        (lambda f, s: (f, s * np.nan), Flag.NO_VALID_PIXELS),
        (lambda f, s: (f, np.where(np.arange(f.size) % 50 == 0, np.nan, s)), Flag.BAD_SIGMA),
        (lambda f, s: (f, np.where(np.arange(f.size) % 50 == 0, -s, s)), Flag.BAD_SIGMA),
        (lambda f, s: (-f, s), Flag.NEGATIVE_FLUX),
        (lambda f, s: (f, s * 100), Flag.LOW_SNR),
        (lambda f, s: (np.where(np.arange(f.size) % 50 == 0, np.nan, f), s), Flag.NOT_FINITE),
        (lambda f, s: (f, np.where(np.arange(f.size) % 50 == 0, 0.0, s)), Flag.BAD_SIGMA),
        (lambda f, s: (f * 1e20, s * 1e20), Flag.NONE),
        (
            lambda f, s: (1 + np.arange(f.size) / 300.0 + s * np.sin(np.arange(f.size) ** 2), s),
            Flag.OUT_OF_DISTRIBUTION,
        ),
    ],
)
def test_one_bad_spectrum_is_flagged_and_changes_no_other(model, spectra, spoil, flag):
    flux, sigma = spectra["flux"].copy(), spectra["sigma"].copy()
    clean = model.infer(model.wave_aa, flux, sigma, **KNOWN)
    flux[3], sigma[3] = spoil(flux[3], sigma[3])
    posterior = model.infer(model.wave_aa, flux, sigma, **KNOWN)
    assert flag in Flag(int(posterior.flags[3]))
    usable = flag not in (Flag.NO_VALID_PIXELS, Flag.NEGATIVE_FLUX)
    assert posterior.usable[3] == usable
    assert np.isfinite(posterior.mass_fraction[3]).all() == usable
    keep = np.arange(12) != 3
    assert posterior.mass_fraction[keep] == pytest.approx(clean.mass_fraction[keep], abs=1e-5)
    assert np.array_equal(posterior.flags[keep], clean.flags[keep])


def test_a_spectrum_whose_pixels_are_all_masked_has_no_answer_and_the_others_have(model, spectra):
    mask = np.ones(spectra["flux"].shape, dtype=bool)
    mask[5] = False
    posterior = model.infer(model.wave_aa, spectra["flux"], spectra["sigma"], mask=mask, **KNOWN)
    assert Flag.NO_VALID_PIXELS in Flag(int(posterior.flags[5]))
    assert np.isnan(posterior.scalars["t50"][5])
    assert posterior.usable.sum() == 11


@pytest.mark.parametrize("factor", [1e20, 30.0])
def test_bands_in_other_units_are_flagged_and_ignored(model, spectra, bands, factor):
    flux, sigma = spectra["flux"], spectra["sigma"]
    wrong = np.where(np.arange(12) == 2, factor, 1.0)
    moved = {name: (value * wrong, error * wrong) for name, (value, error) in bands.items()}
    posterior = model.infer(model.wave_aa, flux, sigma, bands=moved, **KNOWN)
    assert Flag.WRONG_UNITS in Flag(int(posterior.flags[2]))
    others = np.arange(12) != 2
    right = model.infer(model.wave_aa, flux, sigma, bands=bands, **KNOWN)
    np.testing.assert_array_equal(posterior.flags[others], right.flags[others])
    alone = model.infer(model.wave_aa, flux, sigma, **KNOWN)
    assert posterior.scalars["mw_log_age"][2] == pytest.approx(alone.scalars["mw_log_age"][2], abs=1e-5)
    # Spectrum and bands both wrong by the same factor: nothing is wrong but the mass.
    many = {name: (value * factor, error * factor) for name, (value, error) in bands.items()}
    together = model.infer(model.wave_aa, flux * factor, sigma * factor, bands=many, **KNOWN)
    plain = model.infer(model.wave_aa, flux, sigma, bands=bands, **KNOWN)
    assert together.mass_fraction == pytest.approx(plain.mass_fraction, abs=1e-5)
    assert together.log_scale - plain.log_scale == pytest.approx(np.log10(factor), abs=1e-6)


def test_one_bad_cell_costs_one_band(model, spectra, bands):
    flux, sigma = spectra["flux"], spectra["sigma"]
    without = {name: pair for name, pair in bands.items() if name != "F438W"}
    expected = model.infer(model.wave_aa, flux, sigma, bands=without, **KNOWN)
    value, error = bands["F438W"]
    for cell in (
        (np.zeros(12), np.full(12, 9.9e99)),
        (np.full(12, -99.0), np.full(12, 99.0)),
        (np.full(12, np.nan), error),
    ):
        found = model.infer(model.wave_aa, flux, sigma, bands=bands | {"F438W": cell}, **KNOWN)
        np.testing.assert_array_equal(found.mass_fraction, expected.mass_fraction)
    hundredfold = model.infer(
        model.wave_aa, flux, sigma, bands=bands | {"F438W": (100 * value, 100 * error)}, **KNOWN
    )
    # This small network, of spectra that end at 7350 Angstrom, lets one of twelve pass.
    found_out = hundredfold.flags & int(Flag.MUSE_HST_DISAGREE) > 0
    assert found_out.sum() > 10
    # One whose other bands are refused with it has another verdict on these.
    told = (expected.flags & int(Flag.WRONG_UNITS) == 0) & found_out
    assert told.sum() > 6
    np.testing.assert_array_equal(hundredfold.mass_fraction[told], expected.mass_fraction[told])


def test_a_range_that_is_covered_in_part_is_answered_and_flagged(model, spectra):
    keep = model.wave_aa < 6000.0
    part = model.infer(model.wave_aa[keep], spectra["flux"][:, keep], spectra["sigma"][:, keep], **KNOWN)
    assert part.usable.all()
    assert (part.flags & int(Flag.MASKED_PIXELS) > 0).all()


def test_nothing_usable_at_all_is_all_nan_and_flagged(model, spectra):
    posterior = model.infer(model.wave_aa, spectra["flux"] * np.nan, spectra["sigma"], **KNOWN)
    assert not posterior.usable.any()
    assert np.isnan(posterior.mass_fraction).all()
    assert np.isnan(posterior.scalars["mw_mh"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda w, f, s: (np.roll(w, 5), f, s), "must ascend or descend: .* is followed by"),
        (lambda w, f, s: (w[:100], f, s), "must all be"),
        (lambda w, f, s: (w - 2200, f, s), "400 AA of the training range .* at least 600 are needed"),
        (lambda w, f, s: (w * 1e6, f, s), "in no unit of an optical spectrum"),
    ],
)
def test_input_that_fits_no_spectrum_is_an_error(model, spectra, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.infer(*arguments(model.wave_aa, spectra["flux"], spectra["sigma"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redshift": np.nan}, "redshift must be from -0.02 to 0.5"),
        ({"redshift": 0.04 * np.arange(12)}, "spectrum 11 covers .* at least 600 are needed"),
        ({"medium": "glass"}, "medium is 'glass'; choose air or vacuum"),
        ({"fwhm_aa": 0.0}, "fwhm_aa must be finite and above zero"),
        ({"dispersion_kms": -5.0}, "dispersion_kms must be finite and not below zero"),
    ],
)
def test_impossible_options_are_an_error(model, spectra, options, message):
    with pytest.raises(ValueError, match=message):
        model.infer(model.wave_aa, spectra["flux"], spectra["sigma"], **options)


def test_the_stretch_of_a_redshift_is_undone_in_spectrum_and_bands(model, spectra):
    flux, sigma = spectra["flux"], spectra["sigma"]
    bands = dict.fromkeys(model.band_names, (flux[:, 100], 0.05 * flux[:, 100]))
    moved = {name: (value / 1.25, error / 1.25) for name, (value, error) in bands.items()}
    rest = model.infer(model.wave_aa, flux, sigma, bands=bands, mask_sky=False, **KNOWN)
    seen = model.infer(
        1.25 * model.wave_aa,
        flux / 1.25,
        sigma / 1.25,
        bands=moved,
        redshift=0.25,
        mask_sky=False,
        dispersion_kms="training",
        check_errors=False,
    )
    np.testing.assert_allclose(seen.log_scale, rest.log_scale, atol=1e-6)
    np.testing.assert_allclose(seen.scalars["t50"], rest.scalars["t50"], atol=1e-4)


def test_telluric_absorption_is_masked_unless_it_is_to_be_kept(model, spectra):
    # Redshifted, the grid reaches the A band.
    flux, sigma, known = spectra["flux"], spectra["sigma"], {**KNOWN, "redshift": 0.05}
    observed = model.wave_aa * 1.05
    band = (observed > 7595) & (observed < 7705)
    spoilt = np.where(band, 0.9, 1.0) * flux
    masked, clean = (model.infer(observed, values, sigma, **known) for values in (spoilt, flux))
    np.testing.assert_array_equal(masked.mass_fraction, clean.mass_fraction)
    kept = model.infer(observed, spoilt, sigma, mask_sky=False, **known)
    untouched = model.infer(observed, flux, sigma, mask_sky=False, **known)
    sees = untouched.seen.mask[:, band].any(axis=1)
    assert sees.any() and (kept.chi2[sees] > untouched.chi2[sees]).all()


def test_inference_needs_no_reader_of_files():
    code = "import sys, sfhnet.inference.model; sys.exit(any(name.startswith('astropy') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bands_by_name(model, spectra):
    flux, sigma = spectra["flux"], spectra["sigma"]
    some = model.infer(model.wave_aa, flux, sigma, bands={"F275W": (np.ones(12), np.full(12, 0.1))}, **KNOWN)
    none = model.infer(model.wave_aa, flux, sigma, **KNOWN)
    assert Flag.MISSING_BANDS in Flag(int(some.flags[0]))
    assert Flag.NO_BANDS in Flag(int(none.flags[0]))
    assert not np.allclose(some.scalars["a_v"], none.scalars["a_v"])
    with pytest.raises(ValueError, match="does not know F999W"):
        model.infer(model.wave_aa, flux, sigma, bands={"F999W": (1.0, 0.1)}, **KNOWN)


def test_another_schema_version_is_refused(model_dir, tmp_path):
    shutil.copytree(model_dir, tmp_path / "old")
    info = read_json(tmp_path / "old" / "model.json")
    info["schema_version"] = "sfhnet.model/1"
    write_json(tmp_path / "old" / "model.json", info)
    with pytest.raises(
        ValueError, match=r"schema 'sfhnet\.model/1', .*'sfhnet\.model/2' .*train the model again"
    ):
        sfhnet.load(tmp_path / "old")
    shutil.copytree(model_dir, tmp_path / "calibrated")
    calibration = read_json(tmp_path / "calibrated" / "calibration.json")
    calibration["schema_version"] = "sfhnet.calibration/0"
    write_json(tmp_path / "calibrated" / "calibration.json", calibration)
    with pytest.raises(ValueError, match=r"schema 'sfhnet\.calibration/0'.*calibrate again"):
        sfhnet.load(tmp_path / "calibrated")
    with pytest.raises(FileNotFoundError, match="no model"):
        sfhnet.load(tmp_path)


def test_a_posterior_survives_its_file(model, spectra, tmp_path):
    posterior = model.infer(model.wave_aa, spectra["flux"], spectra["sigma"], **KNOWN)
    posterior.write(tmp_path / "p.h5")
    again = Posterior.read(tmp_path / "p.h5")
    assert again.mass_fraction == pytest.approx(posterior.mass_fraction, abs=1e-6)
    assert again.scalars["t50"] == pytest.approx(posterior.scalars["t50"])
    assert np.array_equal(again.flags, posterior.flags)
    assert again.meta == posterior.meta
    assert again.log_z == pytest.approx(again.mh + np.log10(0.019))


def write_csv(path, wave, flux, sigma):
    np.savetxt(
        path, np.stack([wave, flux, sigma], 1), delimiter=",", header="wave_aa,flux,sigma", comments=""
    )


def write_sdss(path, wave, flux, sigma):
    with np.errstate(divide="ignore"):
        Table({"loglam": np.log10(wave), "flux": flux, "ivar": sigma**-2}).write(path)


def write_image(path, wave, flux, sigma):
    image = fits.ImageHDU(flux, name="DATA")
    image.header.update(CRVAL1=wave[0], CDELT1=wave[1] - wave[0], CRPIX1=1, CTYPE1="AWAV")
    fits.HDUList([fits.PrimaryHDU(), image, fits.ImageHDU(sigma**2, name="STAT")]).writeto(path)


def write_hdf5(path, wave, flux, sigma):
    import h5py

    with h5py.File(path, "w") as file:
        file["wave_aa"], file["flux"], file["sigma"] = wave, flux[None], sigma[None]


def write_text(path, wave, flux, sigma):
    np.savetxt(path, np.stack([wave, flux, sigma], 1))


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("s.csv", write_csv),
        ("s.fits", write_image),
        ("sdss.fits", write_sdss),
        ("s.h5", write_hdf5),
        ("s.dat", write_text),
    ],
)
def test_the_command_reads_every_format(name, writer, model, model_dir, spectra, tmp_path, capsys):
    writer(tmp_path / name, model.wave_aa, spectra["flux"][0], spectra["sigma"][0])
    out = tmp_path / "out.h5"
    options = ["--medium", "air"] if name == "sdss.fits" else []
    assert main(["infer", str(tmp_path / name), "--model", str(model_dir), "-o", str(out), *options]) == 0
    found, plain = Posterior.read(out), model.infer(model.wave_aa, spectra["flux"], spectra["sigma"], **KNOWN)
    assert found.scalars["mw_log_age"][0] == pytest.approx(plain.scalars["mw_log_age"][0], abs=0.02)
    assert "NO_BANDS" in capsys.readouterr().out


def test_the_command_says_what_a_file_lacks(model_dir, tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("wave,flux\n5000,1\n5001,1\n")
    assert (
        main(["infer", str(tmp_path / "bad.csv"), "--model", str(model_dir), "-o", str(tmp_path / "o.h5")])
        == 1
    )
    assert "has no errors" in capsys.readouterr().err
    assert not (tmp_path / "o.h5").exists()


def gaussian_posterior(n, width, seed):
    """Answers that are a unit normal about the truth, with intervals `width` times too wide."""
    from scipy.stats import norm

    rng = np.random.default_rng(seed)
    mass = rng.dirichlet(np.ones(4), n)
    mh = rng.normal(size=(n, 4))
    step = width * norm.ppf(LEVELS)
    scalars = {name: rng.normal(size=n) for name in SCALARS}
    posterior = Posterior(
        age_edges_myr=np.array([0, 10, 100, 1000, 10000.0]),
        mass_fraction=mass,
        mh=mh,
        mass_fraction_q=np.clip(mass[:, None] + 0.01 * step[:, None], 0, 1),
        cum_mass_q=np.clip(mass.cumsum(1)[:, None] + 0.01 * step[:, None], 0, 1),
        mh_q=mh[:, None] + step[:, None],
        scalars=scalars,
        scalars_q={name: value[:, None] + step for name, value in scalars.items()},
        flags=np.zeros(n, dtype=np.uint32),
        snr=10 ** rng.uniform(1, 2, n),
        log_scale=np.zeros(n),
        chi2=np.ones(n),
        ood_score=np.zeros(n),
    )
    truth = {name: value + rng.normal(size=n) for name, value in scalars.items()}
    truth |= {"mass_fraction": mass, "mh": mh + rng.normal(size=mh.shape)}
    return posterior, truth


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_conformal_factors_restore_coverage_on_fresh_mocks(width):
    posterior, truth = gaussian_posterior(6000, width, 0)
    strata = Strata(np.array([15.0, 60.0]), np.array([0.0]), np.array([0.0]))
    conformal = Conformal.fit(posterior, truth, strata, min_stratum=100)
    conformal = Conformal.from_json(json.loads(json.dumps(conformal.to_json())))
    fresh, fresh_truth = gaussian_posterior(6000, width, 1)
    before = coverage(fresh.scalars_q["a_v"], fresh_truth["a_v"])
    after = conformal.apply(fresh)
    assert abs(before["68"] - 0.68) > 0.15
    for nominal, found in coverage(after.scalars_q["a_v"], fresh_truth["a_v"]).items():
        assert 100 * found == pytest.approx(float(nominal), abs=2.0)
    for nominal, found in coverage(after.mh_q, fresh_truth["mh"], fresh.mass_fraction).items():
        assert 100 * found == pytest.approx(float(nominal), abs=2.0)
    assert (np.diff(after.scalars_q["t50"], axis=1) >= 0).all()
    assert np.array_equal(after.scalars["t50"], fresh.scalars["t50"])


def test_samples_take_the_calibrated_distribution_and_keep_their_order():
    posterior, truth = gaussian_posterior(2000, 2.0, 0)
    conformal = Conformal.fit(
        posterior, truth, Strata(np.array([30.0]), np.zeros(1), np.zeros(1)), min_stratum=100
    )
    drawn = posterior.scalars["t50"][:, None] + 5.0 * np.random.default_rng(2).normal(size=(2000, 200))
    posterior = replace(posterior, samples={"t50": drawn, "mass_fraction": np.ones((2000, 200, 4)) / 4})
    assert np.array_equal(conformal.apply(posterior).samples["t50"], drawn)
    moved = conformal.apply(posterior, carry_samples=True).samples
    # Five times too wide, they become as wide as the errors, which are a unit normal.
    assert (moved["t50"] - posterior.scalars["t50"][:, None]).std() == pytest.approx(1.0, abs=0.1)
    assert np.array_equal(moved["t50"].argsort(axis=1), drawn.argsort(axis=1))
    assert np.array_equal(moved["mass_fraction"], posterior.samples["mass_fraction"])


def test_familiarity_keeps_mocks_and_sees_strangers():
    rng = np.random.default_rng(0)
    components, chi2 = rng.normal(size=(4000, 8)), rng.chisquare(50, 4000) / 50
    snr, log_ew = 10 ** rng.uniform(1, 2, 4000), rng.uniform(0, 3, 4000)
    # Bright lines make components and residuals large, and are not strange for that.
    bright = log_ew > 2
    components[bright] *= 3
    chi2[bright] *= 5
    like = {"chi2": chi2, "snr": snr, "log_ew": log_ew}
    taught, tested = slice(None, 2000), slice(2000, None)
    familiarity = Familiarity.fit(
        components[taught],
        **{name: values[taught] for name, values in like.items()},
        snr_edges=np.array([30.0]),
        line_edges=np.array([2.0]),
        quantile=0.99,
    )
    familiarity = Familiarity.from_json(json.loads(json.dumps(familiarity.to_json())))
    components, bright = components[tested], bright[tested]
    like = {name: values[tested] for name, values in like.items()}
    strange = like | {"chi2": 3 * like["chi2"]}
    known = familiarity.score(components, **like)
    for kind in (bright, ~bright):
        assert 0.001 < (known[kind] > 1).mean() < 0.03
    assert (familiarity.score(components + 3.0, **like)[~bright] > 1).mean() > 0.99
    assert (familiarity.score(components, **strange) > 1).mean() > 0.99
    assert familiarity.poor_fit(**strange).mean() > 0.99
    assert familiarity.poor_fit(**like).mean() < 0.03


def test_benchmarks_are_frozen(test_mocks):
    first = make_benchmark("real", 30.0, test_mocks, n=20, noise=NoiseConfig(), seed=1)
    again = make_benchmark("real", 30.0, test_mocks, n=20, noise=NoiseConfig(), seed=1)
    other = make_benchmark("ideal", 30.0, test_mocks, n=20, noise=NoiseConfig(), seed=1)
    assert first.sha256 == again.sha256
    assert first.sha256 != other.sha256
    assert other.batch.mask.all()
    assert first.batch.band_mask.all()
    rippled = make_benchmark("ripple", 30.0, test_mocks, n=20, noise=NoiseConfig(), seed=1, ripple=0.02)
    # The noise of ideal under a sine of 2 %: both are divided by their own median, so their ratio has a mean near one.
    ratio = rippled.batch.flux / other.batch.flux
    assert float(ratio.std(dim=1).median()) == pytest.approx(0.02 / np.sqrt(2), rel=0.1)
    with pytest.raises(ValueError, match="no benchmark"):
        make_benchmark("easy", 30.0, test_mocks, n=20, noise=NoiseConfig(), seed=1)


def test_text_with_a_header_is_read_by_its_names(tmp_path):
    from sfhnet.observation.spectrum_files import read_spectra

    path = tmp_path / "spectrum.dat"
    path.write_text("# a comment\nwave variance flux\n5000 0.04 1.0\n5001 0.09 2.0\n")
    found = read_spectra(path)
    assert found.flux[0] == pytest.approx([1.0, 2.0])
    assert found.sigma[0] == pytest.approx([0.2, 0.3])
    path.write_text("wave spec error\n5000 1.0 0.2\n5001 2.0 0.3\n")
    with pytest.raises(ValueError, match=r"it has wave, spec, error\. Name its columns wave, flux and sigma"):
        read_spectra(path)


def test_the_kind_of_a_file_is_found_and_can_be_named(upstream, tmp_path):
    from sfhnet.observation.spectrum_files import kind_of, read_spectra

    sdss = upstream("ngc3073") / "NGC3073_SDSS_DR18.fits"
    assert kind_of(sdss) == "sdss"
    found = read_spectra(sdss)
    assert found.medium == "vacuum"
    assert found.flux_unit_cgs == pytest.approx(1e-17)
    # The fibres' sigma is about 60 to 70 km/s.
    sigma_kms = found.fwhm_aa / 2.3548 / found.wave_aa * 299792.458
    assert 50 < np.median(sigma_kms) < 75
    assert not found.sigma[~found.good].any()
    path = tmp_path / "s.dat"
    path.write_text("5000 1.0 0.2\n5001 2.0 0.3\n")
    with pytest.raises(ValueError, match=r"s: .*kind 'png' of spectra is unknown; choose one of sdss"):
        read_spectra(path, "png")
    with pytest.raises(FileNotFoundError, match=r"G: .*none\.fits does not exist"):
        read_spectra(tmp_path / "none.fits", galaxy="G")


def test_a_spectrum_that_is_cut_short_is_an_error(model, spectra, tmp_path):
    from sfhnet.observation.spectrum_files import read_spectra

    path = tmp_path / "s.fits"
    write_image(path, model.wave_aa, spectra["flux"][0], spectra["sigma"][0])
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(ValueError, match=r"s\.fits is truncated: extension 1 \[DATA\] .*fetch it again"):
        read_spectra(path)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_spectra(model, spectra, monkeypatch):
    # An answer holds 5 kB; of the spectra, some 400 kB each on the way, nothing may stay.
    from sfhnet.inference import model as module

    monkeypatch.setattr(module, "_OBSERVED", 64)
    n, seen = 16 * 64, []

    def watched(*args, **options):
        seen.append(rss_bytes())
        return read_arrays(*args, **options)

    read_arrays = module.read_arrays
    monkeypatch.setattr(module, "read_arrays", watched)
    rows = np.arange(n) % len(spectra["flux"])
    flux = np.broadcast_to(spectra["flux"][0], (n, len(model.wave_aa)))
    flux, sigma = StoredRows(flux.shape, lambda some: spectra["flux"][rows[some]]), spectra["sigma"][0]
    answers = model.infer(model.wave_aa, flux, sigma, keep_spectra=False, **KNOWN)
    assert len(answers) == n
    assert len(seen) == 16
    assert (seen[-1] - seen[4]) / (11 * 64) < 20_000


def rss_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
