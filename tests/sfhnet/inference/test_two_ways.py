"""One spectrum, given to the workflow and to `sfhnet infer`: one answer."""

import numpy as np
import pytest

import sfhnet
from ingredients import BANDS
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.__main__ import main
from sfhnet.config import GalaxiesConfig, GridConfig
from sfhnet.core.flags import Flag
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.core.training_grid import training_grid
from sfhnet.observation.galaxy_files import Target
from sfhnet.observation.prepare import prepare
from sfhnet.observation.rest_frame import Observed, match_training
from sfhnet.observation.spectrum_files import read_spectra

# What only who fitted the kinematics can know.
KINEMATIC = int(Flag.KINEMATICS_FIXED | Flag.NOISE_RESCALED)


@pytest.fixture(scope="module")
def shipped(root):
    return root / "data" / "models" / "flow"


def assert_same(found, expected):
    for name in ("mass_fraction", "mh", "mass_fraction_q", "cum_mass_q", "mh_q", "snr", "log_scale", "chi2"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(found.ood_score, expected.ood_score)
    for group in ("scalars", "scalars_q", "samples"):
        assert getattr(found, group).keys() == getattr(expected, group).keys()
        for name, values in getattr(expected, group).items():
            np.testing.assert_array_equal(getattr(found, group)[name], values, err_msg=name)
    np.testing.assert_array_equal(found.flags & ~np.uint32(KINEMATIC), expected.flags & ~np.uint32(KINEMATIC))


@pytest.mark.parametrize(
    ("source", "name", "kind", "redshift", "medium"),
    [
        ("ngc3073", "NGC3073_SDSS_DR18.fits", "sdss", 0.0038, "vacuum"),
        ("ngc1796", "NGC1796_MUSE_spec.dat", "table", 0.0034, "air"),
    ],
)
@pytest.mark.parametrize("kinematics", ["fit", "fixed"])
def test_workflow_and_command_give_one_answer(
    upstream, ssp_library, shipped, tmp_path, source, name, kind, redshift, medium, kinematics
):
    path = upstream(source) / name
    config = GalaxiesConfig(kinematics=kinematics, rescale_errors=False)
    target = Target("G", kind, path, redshift, 30.0, 0.0, medium=medium)
    prepare(target, config, GridConfig(), band_names=BANDS, ssp=ssp_library).write(tmp_path / "spectra.h5")
    spectra = Spectra.read(tmp_path / "spectra.h5")
    model = sfhnet.load(shipped)
    expected = model.infer_spectra(spectra, n_samples=20)

    found = read_spectra(path, kind)
    given = {"redshift": spectra.redshift, "dispersion_kms": spectra.sigma_kms, "medium": medium}
    answer = model.infer(
        found.wave_aa, found.flux, found.sigma, mask=found.good, fwhm_aa=found.fwhm_aa, n_samples=20, **given
    )
    assert_same(answer, expected)

    out = tmp_path / "posterior.h5"
    arguments = ["infer", str(path), "--model", str(shipped), "-o", str(out), "--samples", "20"]
    arguments += ["--redshift", repr(float(spectra.redshift[0]))]
    arguments += ["--dispersion", repr(float(spectra.sigma_kms[0]))]
    # An SDSS file says itself what it is, in which medium and how sharp; a table looks like any text.
    arguments += ["--kind", "table"] if kind == "table" else []
    assert main(arguments) == 0
    expected.write(tmp_path / "expected.h5")
    assert_same(Posterior.read(out), Posterior.read(tmp_path / "expected.h5"))


def test_a_spectrum_comes_out_alike_alone_and_among_others(toy_ssp, rng):
    grid = training_grid(GridConfig(), toy_ssp)
    wave_aa = np.arange(4700.0, 9600.0, 1.25)
    n = 9
    flux = 1 + 0.1 * rng.standard_normal((n, wave_aa.size))
    good = rng.random(flux.shape) > 0.02
    redshift, dispersion = rng.choice([0.002, 0.01, 0.02], n), rng.choice([50.0, 120.0], n)
    observed = Observed(wave_aa, muse_udf10_fwhm_aa(wave_aa), flux, np.full(flux.shape, 0.01), good)
    together = match_training(observed, redshift, dispersion, grid=grid)
    for i in range(n):
        part = slice(i, i + 1)
        one = Observed(wave_aa, observed.fwhm_aa, flux[part], observed.variance[part], good[part])
        alone = match_training(one, redshift[part], dispersion[part], grid=grid)
        for name in ("flux", "sigma", "mask", "smoothing_aa", "flags"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together, name)[part])


def test_widths_add_up_to_the_training_resolution(toy_ssp):
    grid = training_grid(GridConfig(), toy_ssp)
    wave_aa, redshift, dispersion = np.arange(4700.0, 9600.0, 1.0), 0.01, 80.0
    fwhm_aa = np.full(wave_aa.size, 3.0)
    centre = 6000.0 * (1 + redshift)
    width = np.hypot(3.0 / np.sqrt(8 * np.log(2)), centre * dispersion / 299792.458)
    # The width of an instrument is measured on its pixels, which are in it.
    line = 1 + np.exp(-0.5 * ((wave_aa - centre) / width) ** 2)[None]
    observed = Observed(wave_aa, fwhm_aa, line, np.full(line.shape, 1e-4), np.ones(line.shape, dtype=bool))
    found = match_training(observed, np.array([redshift]), np.array([dispersion]), grid=grid)
    near = np.abs(grid.wave_aa - 6000.0) < 40
    light = (found.flux[0] / (1 + redshift) - 1)[near]
    x = grid.wave_aa[near]
    mean = (light * x).sum() / light.sum()
    # The pixels of the training grid are averages too.
    sigma = np.sqrt((light * (x - mean) ** 2).sum() / light.sum() - 1.25**2 / 12)
    assert sigma == pytest.approx(np.interp(6000.0, grid.wave_aa, grid.sigma_aa), rel=2e-3)
    assert not found.flags[0]
    # Broader than the training spectra from the start: left as it is, and said so.
    broad = match_training(observed, np.array([redshift]), np.array([400.0]), grid=grid)
    assert broad.smoothing_aa[0] == 0
    assert Flag(int(broad.flags[0])) == Flag.RESOLUTION
