"""Kinematics: velocities and dispersions come back within their errors, whatever else is in the spectrum."""

import numpy as np
import pytest

from ingredients import MUSE_WAVE_AA
from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.config import GalaxiesConfig
from sfhnet.observation.galaxy_kinematics import fit_kinematics
from sfhnet.observation.kinematics import KinematicFitter, Kinematics
from sfhnet.observation.observed import Observed
from sfhnet.observation.resample import kernel, pixel_edges

Z = 0.0022
GOOD = np.ones(MUSE_WAVE_AA.size, dtype=bool)


@pytest.fixture(scope="module")
def library(toy_ssp):
    return toy_ssp


@pytest.fixture(scope="module")
def fitter(library):
    return KinematicFitter(library, MUSE_WAVE_AA, Z, fwhm_aa=muse_udf10_fwhm_aa(MUSE_WAVE_AA))


def observe(library, velocity, sigma, fwhm=None):
    """What an instrument sees: shifted, broadened by stars and instrument, averaged over pixels."""
    fwhm = muse_udf10_fwhm_aa(MUSE_WAVE_AA) if fwhm is None else fwhm
    mix = (
        0.6 * library.spectra[2, 12] / library.spectra[2, 12].mean()
        + 0.4 * library.spectra[2, 10] / library.spectra[2, 10].mean()
    )
    observed = library.wave_aa * (1 + Z) * np.exp(velocity / C_KMS)
    instrument = np.clip(fwhm**2 - 2.51**2, 0, None) / FWHM_PER_SIGMA**2
    # The width of an instrument holds its pixel; the kernel adds it once more.
    width = np.sqrt(np.clip(instrument + (MUSE_WAVE_AA * sigma / C_KMS) ** 2 - 1.25**2 / 12, 0, None))
    return kernel(pixel_edges(observed), pixel_edges(MUSE_WAVE_AA), width) @ mix


@pytest.mark.parametrize(("velocity", "sigma"), [(0.0, 60.0), (137.0, 40.0), (-250.0, 120.0), (310.0, 250.0)])
def test_without_noise(library, fitter, velocity, sigma):
    flux = observe(library, velocity, sigma)
    found = fitter.fit(flux, np.full(MUSE_WAVE_AA.size, 1e-4), GOOD)
    assert found.fitted
    assert found.velocity_kms == pytest.approx(velocity, abs=1.5)
    # At 40 km/s, below the instrument's 66, rebinning alone adds 4 km/s, whichever lines are masked.
    assert found.sigma_kms == pytest.approx(sigma, abs=4.5)


def test_scatter_matches_the_errors(library, fitter, rng):
    truth = observe(library, 80.0, 70.0)
    noise = np.median(truth) / 30
    pulls, errors = [], []
    for _ in range(25):
        found = fitter.fit(
            truth + noise * rng.standard_normal(MUSE_WAVE_AA.size), np.full(MUSE_WAVE_AA.size, noise**2), GOOD
        )
        pulls.append(
            [(found.velocity_kms - 80) / found.velocity_err_kms, (found.sigma_kms - 70) / found.sigma_err_kms]
        )
        errors.append(found.velocity_err_kms)
    assert np.abs(np.mean(pulls, axis=0)).max() < 1.0
    assert np.all(np.std(pulls, axis=0) < 1.9)
    assert np.all(np.std(pulls, axis=0) > 0.5)
    assert 0.3 < np.median(errors) < 10


def test_the_scatter_of_residuals_is_measured(library, fitter, rng):
    truth = observe(library, 0.0, 60.0)
    noise = np.median(truth) / 20
    flux = truth + 1.8 * noise * rng.standard_normal(MUSE_WAVE_AA.size)
    found = fitter.fit(flux, np.full(MUSE_WAVE_AA.size, noise**2), GOOD)
    assert found.noise_scale == pytest.approx(1.8, rel=0.06)


def test_lines_notch_and_continuum_do_not_matter(library, fitter, rng):
    flux = observe(library, 120.0, 60.0)
    flux = flux * (MUSE_WAVE_AA / 6000) ** -1.5
    level = np.median(flux)
    for line in (4861.3, 5006.8, 6562.8, 6583.5, 6716.4, 5411.0, 5577.3):  # the last two are in no list
        flux = flux + 5 * level * np.exp(
            -0.5 * ((MUSE_WAVE_AA - line * (1 + Z) * np.exp(120 / C_KMS)) / 1.3) ** 2
        )
    good = GOOD.copy()
    notch = (MUSE_WAVE_AA > 5800) & (MUSE_WAVE_AA < 5970)
    flux[notch], good[notch] = 0, False
    variance = np.full(MUSE_WAVE_AA.size, (level / 50) ** 2)
    flux = flux + rng.standard_normal(MUSE_WAVE_AA.size) * np.sqrt(variance)
    found = fitter.fit(flux, variance, good)
    assert found.velocity_kms == pytest.approx(120, abs=4 * found.velocity_err_kms + 2)
    assert found.sigma_kms == pytest.approx(60, abs=4 * found.sigma_err_kms + 4)


def test_other_instrument(library):
    fwhm = np.full(MUSE_WAVE_AA.size, 3.6)
    found = KinematicFitter(library, MUSE_WAVE_AA, Z, fwhm_aa=fwhm).fit(
        observe(library, 40.0, 80.0, fwhm), np.full(MUSE_WAVE_AA.size, 1e-4), GOOD
    )
    assert found.sigma_kms == pytest.approx(80, abs=5)


@pytest.mark.parametrize("slope", [-1.5, 0.0, 2.0])
def test_light_without_lines_is_not_fitted(fitter, slope):
    start = Kinematics(12.0, 1.0, 77.0, 1.0, 1.0, 1.0, True)
    found = fitter.fit((MUSE_WAVE_AA / 6000) ** slope, np.full(MUSE_WAVE_AA.size, 9.0), GOOD, start=start)
    assert not found.fitted
    assert (found.velocity_kms, found.sigma_kms) == (12.0, 77.0)
    assert np.isnan(found.velocity_err_kms)


def test_too_few_pixels(fitter):
    good = GOOD.copy()
    good[100:] = False
    assert not fitter.fit(np.ones(MUSE_WAVE_AA.size), np.ones(MUSE_WAVE_AA.size), good).fitted


def test_refusals(library):
    with pytest.raises(
        ValueError, match=r"only \d+ pixels between 4800 and 7000 Angstrom in the rest frame \(z = 0\.9\)"
    ):
        KinematicFitter(library, MUSE_WAVE_AA, 0.9, fwhm_aa=muse_udf10_fwhm_aa(MUSE_WAVE_AA))
    import dataclasses

    vacuum = dataclasses.replace(library, meta={**library.meta, "medium": "vacuum"})
    with pytest.raises(ValueError, match="have vacuum wavelengths"):
        KinematicFitter(vacuum, MUSE_WAVE_AA, Z, fwhm_aa=muse_udf10_fwhm_aa(MUSE_WAVE_AA))


def test_a_resolution_that_is_not_known_is_refused(library):
    flux = np.ones((1, MUSE_WAVE_AA.size))
    observed = Observed(wave_aa=MUSE_WAVE_AA, fwhm_aa=None, flux=flux, variance=flux, good=flux > 0)
    with pytest.raises(ValueError, match=r"G: the resolution .* set galaxies\.kinematics to fixed"):
        fit_kinematics(observed, Z, library, config=GalaxiesConfig(), galaxy="G")
    _, kinematics = fit_kinematics(
        observed, Z, library, config=GalaxiesConfig(kinematics="fixed"), galaxy="G"
    )
    assert not kinematics[0].fitted
