"""The posterior-predictive check: the forward model on draws, what is allowed for, refinement, limits and flags."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from ingredients import AGE_EDGES_MYR, WAVE_AA, gas_lines, top_hats
from pyprospect.constants import Z_SUN
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.numerics.age_bins import rebin_matrix
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.config import NoiseConfig
from sfhnet.core.batch import Batch
from sfhnet.core.flags import Flag
from sfhnet.core.quantities import DUST_AND_LINES
from sfhnet.predictive_check.check import check, noise_shrinkage
from sfhnet.predictive_check.forward_model import Forward
from sfhnet.predictive_check.limits import PREDICTIVE_SCHEMA, Limits
from sfhnet.predictive_check.linear_nuisances import NuisanceColumns, NuisanceSolver, observed
from sfhnet.predictive_check.refine import join
from sfhnet.predictive_check.result import BLOCK_NAMES, BLOCKS_AA, Predictive, unchecked

NOISE = NoiseConfig()
QUIET = NoiseConfig(off=("calibration", "kinematics", "line_scatter", "zero_points"))
SNR, N, N_DRAW = 50.0, 6, 24


@pytest.fixture(scope="module")
def forward(toy_ssp):
    synthesizer = Synthesizer(
        toy_ssp,
        WAVE_AA,
        lsf_fwhm_aa=muse_udf10_fwhm_aa,
        veldisp_kms=(150.0,),
        redshift=(0.0, 0.005, 0.01),
        bands=top_hats(),
        lines=gas_lines(),
    )
    return Forward(synthesizer, AGE_EDGES_MYR, 150.0)


@pytest.fixture(scope="module")
def truth(forward):
    """Parameters of galaxies from old to young, and draws about them that scatter as a network's do."""
    rng = np.random.default_rng(2)
    middle = np.log10(np.sqrt(np.maximum(AGE_EDGES_MYR[:-1], 3) * AGE_EDGES_MYR[1:]))
    mean = np.linspace(2.7, 3.9, N)[:, None]
    mass = np.diff(AGE_EDGES_MYR) * np.exp(-((middle - mean) ** 2) / 0.5)
    values = {
        "mass_fraction": mass / mass.sum(axis=1, keepdims=True),
        "mh": -0.3 + 0.2 * rng.standard_normal((N, 1)) + np.zeros((N, len(middle))),
        **{
            name: np.full(N, value)
            for name, value in zip(DUST_AND_LINES, (0.5, 0.3, -0.9, -0.7, 0.5, -0.1, 0.0), strict=True)
        },
    }
    vectors = forward.vectors(values)
    size = np.concatenate([np.full(16, 0.8), np.full(16, 0.3), [0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]])
    # the posterior's centre is off by as much as it is wide
    centre = vectors + torch.as_tensor(size * rng.standard_normal(vectors.shape))
    draws = centre[:, None] + torch.as_tensor(size * rng.standard_normal((N, N_DRAW, len(size))))
    samples = {name: value.numpy() for name, value in forward.unpack(forward.clamp(draws)).items()}
    return vectors, samples


def batch_of(forward, vectors, seed=4, change=None, snr=SNR):
    rng = np.random.default_rng(seed)
    model = forward(vectors, torch.full((len(vectors),), 0.002))
    flux, band = model.flux.numpy().astype(float), model.band_flux.numpy().astype(float)
    if change is not None:
        flux = change(flux)
    sigma = flux / snr
    good = rng.random(flux.shape) > 0.02
    noisy = flux + sigma * rng.standard_normal(flux.shape)
    observed_band = band * (1 + 0.03 * rng.standard_normal(band.shape))
    return Batch.from_arrays(
        WAVE_AA,
        noisy,
        sigma,
        mask=good,
        band_flux=observed_band,
        band_sigma=0.03 * band,
        band_mask=np.ones(band.shape, bool),
    )


def test_parameters_are_packed_and_unpacked(forward, truth):
    vectors, samples = truth
    again = forward.vectors({name: value.numpy() for name, value in forward.unpack(vectors).items()})
    np.testing.assert_allclose(again, vectors, atol=1e-8)
    assert forward.vectors(samples).shape == (N, N_DRAW, forward.n_parameter)
    del samples["bump"]
    with pytest.raises(ValueError, match="the draws lack bump; only joint samples"):
        forward.vectors(samples)
    samples["bump"] = np.full((N, N_DRAW), 0.5)


def test_forward_model_is_the_synthesizer(forward, truth):
    vectors, _ = truth
    p = forward.unpack(vectors)
    synthesizer = forward.synthesizer
    mass = p["mass_fraction"].numpy() @ rebin_matrix(AGE_EDGES_MYR * 1e6, synthesizer.library.age_edges_yr)
    z = np.repeat(Z_SUN * 10 ** p["mh"].numpy()[:, :1], mass.shape[1], axis=1)
    direct = synthesizer(
        mass,
        z,
        **{name: p[name] for name in ("tau_birth", "tau_screen", "pow_birth", "pow_screen", "bump")},
        line_scale=10.0 ** p["log_line_scale"],
        log_u=-3.0,
        redshift=0.002,
    )
    found = forward(vectors, torch.full((N,), 0.002))
    np.testing.assert_allclose(found.flux, direct.flux, rtol=1e-6)
    np.testing.assert_allclose(found.band_flux, direct.band_flux, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("calibration", lambda f: f * (1 + 0.02 * np.linspace(-1, 1, f.shape[1]) ** 2)),
        ("calibration", lambda f: f * (1 + 0.008 * np.sin(2 * np.pi * WAVE_AA / 1500))),
        ("kinematics", lambda f: np.stack([np.interp(WAVE_AA, WAVE_AA * (1 + 10 / 3e5), row) for row in f])),
    ],
)
def test_nuisances_are_allowed_for(forward, truth, name, change):
    vectors, _ = truth
    model = forward(vectors, torch.full((N,), 0.002))
    clean = join(model)
    bad = torch.from_numpy(change(model.flux.numpy().astype(float))).float()
    data = torch.cat([bad, model.band_flux], dim=1)
    root = 200.0 / clean
    before = (((data - clean) * root) ** 2).sum(dim=1)
    solver = NuisanceSolver(NuisanceColumns(NOISE, WAVE_AA, forward.synthesizer.line_profiles)(model), root)
    coefficients, explained = solver.explain(data - clean)
    after = (((data - clean - explained) * root) ** 2).sum(dim=1)
    assert (after < 0.06 * before).all()
    np.testing.assert_allclose(
        solver.cost(((data - clean) * root)[:, None])[:, 0],
        after + (coefficients**2).sum(dim=1),
        rtol=0.02,
        atol=0.5,
    )
    off = NuisanceSolver(NuisanceColumns(QUIET, WAVE_AA, forward.synthesizer.line_profiles)(model), root)
    assert off.columns.shape[1] == 1
    assert off.cost(((data - clean) * root)[:, None]).sum() > 0.4 * before.sum(), name


def test_scatter_of_a_line_is_allowed_for(forward, truth):
    vectors, _ = truth
    model = forward(vectors, torch.full((N,), 0.002))
    profile = torch.from_numpy(forward.synthesizer.line_profiles).float()
    more = 0.2 * model.line_flux[:, 3:4] * profile[3]
    data = torch.cat([model.flux + more, model.band_flux], dim=1)
    root = 100.0 / join(model)
    nuisances = NuisanceColumns(NOISE, WAVE_AA, forward.synthesizer.line_profiles)
    residual = ((data - join(model)) * root)[:, None]
    assert (NuisanceSolver(nuisances(model), root).cost(residual)[:, 0] < 1.1).all()


def test_refined_model_reaches_the_noise(forward, truth):
    # nothing but the level is allowed for, so that the parameters themselves must fit
    vectors, samples = truth
    batch = batch_of(forward, vectors)
    found = check(forward, QUIET, batch, samples=samples, redshift=np.full(N, 0.002), examples=[1, 4])
    best, refined = found.chi2["best"][:, 0], found.chi2["refined"][:, 0]
    assert (refined <= best + 2e-3).all()  # the penalties fall, chi-square alone need not
    np.testing.assert_allclose(refined, 1.0, atol=0.06)
    assert np.median(best) > 1.02
    # No further from the draws than the truth is, and the mass comes out.
    assert (found.shift < 1.5).all()
    assert np.abs(found.refined["log_ml"] + batch.log_scale.numpy()).max() < 0.15
    np.testing.assert_allclose(found.refined["mass_fraction"].sum(axis=1), 1.0, rtol=1e-6)
    assert found.n_data[0, 0] == int(batch.mask[0].sum()) + 5
    np.testing.assert_array_equal(found.examples["index"], [1, 4])
    good = found.examples["mask"]
    pull = ((found.examples["data"] - found.examples["refined"]) / found.examples["sigma"])[good]
    assert pull.std() == pytest.approx(1.0, abs=0.06)


def test_a_foreign_feature_shows_in_its_block(forward, truth):
    vectors, samples = truth
    absorbed = 1 - 0.2 * np.exp(-0.5 * ((WAVE_AA - 7060) / 8.0) ** 2)
    foreign = check(
        forward,
        NOISE,
        batch_of(forward, vectors, change=lambda f: f * absorbed),
        samples=samples,
        redshift=np.full(N, 0.002),
    )
    plain = check(forward, NOISE, batch_of(forward, vectors), samples=samples, redshift=np.full(N, 0.002))
    block = BLOCK_NAMES.index("6900_8000")
    assert (foreign.chi2["refined"][:, block] > 1.5).all()
    others = [k for k in range(1, len(BLOCKS_AA) + 1) if k != block]
    np.testing.assert_allclose(
        foreign.chi2["refined"][:, others], plain.chi2["refined"][:, others], atol=0.08
    )
    limits = Limits.fit(plain, np.full(N, SNR), np.array([]), quantile=0.9)
    flags = limits.flags(foreign, np.full(N, SNR))
    assert (flags & int(Flag.NOT_REPRODUCED)).all()


def test_what_cannot_be_checked_stays_empty(forward, truth, tmp_path):
    vectors, samples = truth
    batch = batch_of(forward, vectors)
    holed = {name: value.copy() for name, value in samples.items()}
    holed["mh"][2] = np.nan
    found = check(forward, NOISE, batch, samples=holed, redshift=np.full(N, 0.002), examples=[2, 3])
    assert np.isnan(found.chi2["refined"][2]).all()
    assert np.isfinite(found.chi2["refined"][[0, 1, 3, 4, 5], 0]).all()
    assert list(found.examples["index"]) == [3]
    path = tmp_path / "predictive.h5"
    found.write(path, {"git_commit": "abc"})
    again = Predictive.read(path)
    np.testing.assert_allclose(again.relative("mean"), found.relative("mean"), rtol=1e-6)
    np.testing.assert_allclose(again.examples["refined"], found.examples["refined"])
    none = unchecked(4, 16, WAVE_AA, band_names=("F555W",), why="no joint posterior")
    none.write(path)
    assert Predictive.read(path).meta["unchecked"] == "no joint posterior"


def test_no_bands_and_no_pixels(forward, truth):
    vectors, samples = truth
    batch = batch_of(forward, vectors).without_bands()
    empty = dataclasses.replace(batch, mask=batch.mask & (torch.arange(N) != 1)[:, None])
    found = check(forward, NOISE, empty, samples=samples, redshift=np.full(N, 0.002), iterations=1)
    assert np.isnan(found.chi2["refined"][:, BLOCK_NAMES.index("bands")]).all()
    assert np.isfinite(found.chi2["refined"][0, 0])


def test_smoothing_hides_noise(rng):
    white = rng.standard_normal((40, 2000))
    for sigma_aa in (1.0, 2.8):
        reach = np.arange(-12, 13) * 1.25
        kernel = np.exp(-0.5 * (reach / sigma_aa) ** 2)
        kernel /= kernel.sum()
        smooth = np.array([np.convolve(row, kernel, mode="valid") for row in white])
        assert noise_shrinkage(np.array([sigma_aa]), 1.25)[0] == pytest.approx(smooth.var(), rel=0.03)
    assert noise_shrinkage(np.array([0.0]), 1.25)[0] == pytest.approx(1.0)


def test_chi2_is_set_against_smoothed_noise(forward, truth):
    vectors, samples = truth
    batch = batch_of(forward, vectors)
    data, _ = observed(batch, QUIET)
    assert data.shape == (N, len(WAVE_AA) + 5)
    found = check(
        forward,
        NOISE,
        batch,
        samples=samples,
        redshift=np.full(N, 0.002),
        expected=np.full(N, 0.25),
        iterations=1,
    )
    np.testing.assert_allclose(found.relative("best")[:, 1], 4 * found.chi2["best"][:, 1])
    bands = BLOCK_NAMES.index("bands")
    np.testing.assert_allclose(found.relative("best")[:, bands], found.chi2["best"][:, bands])


def test_limits_by_signal_to_noise(tmp_path, rng):
    n = 400
    snr = np.where(np.arange(n) < 200, 20.0, 80.0)
    spread = np.where(snr < 50, 0.05, 0.3)
    chi2 = 1 + spread[:, None] * np.abs(rng.standard_normal((n, len(BLOCK_NAMES))))
    found = dataclasses.replace(
        unchecked(n, 16, WAVE_AA, band_names=(), why=""),
        chi2={"best": chi2, "mean": chi2, "refined": chi2},
        n_data=np.ones((n, len(BLOCK_NAMES)), dtype=int),
        shift=np.abs(rng.standard_normal(n)),
    )
    limits = Limits.fit(found, snr, np.array([50.0]), quantile=0.98)
    assert (limits.chi2[1] > 2 * limits.chi2[0] - 1).all()
    flagged = (limits.flags(found, snr) & int(Flag.NOT_REPRODUCED)) > 0
    assert 0 < flagged.mean() < 0.1
    path = tmp_path / "predictive.json"
    path.write_text(json.dumps({"schema_version": PREDICTIVE_SCHEMA, "limits": limits.to_json()}))
    np.testing.assert_allclose(Limits.read(path).chi2, limits.chi2)
    path.write_text(json.dumps({"schema_version": PREDICTIVE_SCHEMA, "limits": None}))
    assert Limits.read(path) is None
    path.write_text(json.dumps({"schema_version": "other/1", "limits": None}))
    with pytest.raises(ValueError, match="learn the limits again"):
        Limits.read(path)


def test_limits_of_blocks_that_no_mock_has_are_read_again(tmp_path):
    one = Limits(np.array([30.0]), np.array([[2.0, np.inf], [3.0, 4.0]]), np.array([5.0, np.inf]))
    kept = one.to_json()
    path = tmp_path / "predictive.json"
    path.write_text(json.dumps({"schema_version": PREDICTIVE_SCHEMA, "limits": kept}, allow_nan=False))
    again = Limits.read(path)
    for name in ("snr_edges", "chi2", "shift"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
