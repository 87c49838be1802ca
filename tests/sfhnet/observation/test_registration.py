"""Registration: a shift, a turn, a width and a zero point come back within their errors; what is not there is not found."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits

from ingredients import AGE_EDGES_MYR, BANDS, gas_lines, top_hats
from registered_scene import make_scene
from sfhnet.config import GalaxiesConfig, GridConfig, RegistrationConfig, SimulatedGalaxyConfig
from sfhnet.core.flags import Flag
from sfhnet.observation.galaxy_files import target_of
from sfhnet.observation.prepare import prepare
from sfhnet.observation.registration import moved_wcs, register
from sfhnet.simulated_galaxy.observe import map_wcs, simulate_galaxy
from sfhnet.sources.sheet_row import Galaxy

MUSE = {"fwhm_arcsec": 0.8, "image_fwhm_arcsec": 0.09}


@pytest.mark.parametrize(
    "wrong",
    [
        {"shift": (1.3, -0.6)},
        {"shift": (0.31, 0.17), "rotation_deg": 0.8, "zero_point": 1.07},
        {"shift": (-4.0, 4.0), "fwhm": 0.95},
        {"shift": (0.5, 0.5), "snr": 4.0},
    ],
)
def test_what_was_put_in_comes_back(rng, wrong):
    shown, image, claimed, true = make_scene(rng, **wrong)
    found = register(shown, image, claimed, **MUSE, config=RegistrationConfig(max_shift_fwhm=8.0))
    assert found.measured
    assert found.shift_pixel == pytest.approx(wrong["shift"], abs=0.1)
    assert max(found.shift_err_pixel) < 0.05
    assert found.rotation_deg == pytest.approx(wrong.get("rotation_deg", 0.0), abs=0.15)
    assert found.fwhm_arcsec == pytest.approx(wrong.get("fwhm", 0.8), rel=0.03)
    assert found.zero_point == pytest.approx(wrong.get("zero_point", 1.0), abs=0.02)
    assert "shift" in found.applied
    assert ("rotation" in found.applied) == ("rotation_deg" in wrong)
    # The corrected WCS puts spaxels where they are: to a tenth of one, at the corners too.
    mended = moved_wcs(claimed, shown.flux.shape, found)
    for x, y in ((0, 0), (59, 0), (30, 30), (0, 59)):
        at = mended.world_to_pixel_values(*true.pixel_to_world_values(x, y))
        assert np.hypot(at[0] - x, at[1] - y) < 0.1 * (2 if "snr" in wrong else 1)


def test_errors_are_the_scatter(rng):
    pulls, shifts = [], []
    for seed in range(12):
        shown, image, claimed, _ = make_scene(np.random.default_rng(seed), shift=(0.4, -0.3), snr=8.0, n=40)
        found = register(shown, image, claimed, **MUSE, config=RegistrationConfig())
        pulls += list((np.array(found.shift_pixel) - [0.4, -0.3]) / found.shift_err_pixel)
        shifts.append(found.shift_pixel)
    assert np.abs(np.mean(shifts, axis=0) - [0.4, -0.3]).max() < 0.03
    assert 0.5 < np.std(pulls) < 1.8


def test_noise_of_the_image_is_not_taken_for_a_broader_cube():
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        shown, image, claimed, _ = make_scene(rng)
        flux = image.flux + 1.2 * rng.standard_normal(image.flux.shape)
        for variance in (image.variance + 1.2**2, np.full(flux.shape, 1e-9)):
            noisy = dataclasses.replace(image, flux=flux, variance=variance)
            found.append(register(shown, noisy, claimed, **MUSE, config=RegistrationConfig()).fwhm_arcsec)
    known, unknown = np.mean(np.reshape(found, (4, 2)), axis=0)
    assert known == pytest.approx(0.8, abs=0.03)
    assert unknown > known + 0.03


def test_nothing_is_applied_where_nothing_is_wrong_or_known(rng):
    shown, image, claimed, _ = make_scene(rng)
    right = register(shown, image, claimed, **MUSE, config=RegistrationConfig())
    assert right.measured and right.applied == ()
    # A smooth disc tells its centre, but neither a turn nor a width.
    shown, image, claimed, _ = make_scene(rng, n_star=0)
    smooth = register(
        shown, image, claimed, **MUSE, config=RegistrationConfig(apply=["shift", "rotation", "fwhm"])
    )
    assert smooth.applied == ()
    # Another galaxy: no structure in common.
    other = make_scene(np.random.default_rng(99), n_star=120)[1]
    wrong = register(
        shown,
        dataclasses.replace(other, flux=other.flux[::-1, ::-1].copy()),
        claimed,
        **MUSE,
        config=RegistrationConfig(),
    )
    assert not wrong.applied
    noise = dataclasses.replace(shown, flux=rng.standard_normal(shown.flux.shape))
    nothing = register(noise, image, claimed, **MUSE, config=RegistrationConfig())
    assert not nothing.measured and nothing.applied == ()
    assert "does not agree" in nothing.why or "is known to" in nothing.why
    record = nothing.record()
    assert record["measured"] is False and "band" not in record


def test_a_shift_is_refused_by_the_configuration(rng):
    shown, image, claimed, _ = make_scene(rng, shift=(2.0, 0.0), zero_point=1.1)
    found = register(shown, image, claimed, **MUSE, config=RegistrationConfig(apply=[]))
    assert found.measured and found.applied == ()
    assert found.why == "not in galaxies.registration.apply: shift, zero_point"
    np.testing.assert_array_equal(moved_wcs(claimed, (60, 60), found).wcs.crpix, claimed.wcs.crpix)
    beyond = register(shown, image, claimed, **MUSE, config=RegistrationConfig(max_shift_fwhm=0.1))
    assert not beyond.measured


GALAXY = SimulatedGalaxyConfig(n_spaxels=24, n_clusters=40, effective_radius_arcsec=40.0, log_mass_msun=10.0)


@pytest.fixture(scope="module")
def target(tmp_path_factory, toy_ssp):
    files = simulate_galaxy(
        GALAXY,
        toy_ssp,
        top_hats(),
        age_edges_yr=1e6 * AGE_EDGES_MYR,
        out_dir=tmp_path_factory.mktemp("clusters"),
        seed=1,
        lines=gas_lines(),
    )
    row = Galaxy(galaxy="mock", kind="simulated", bins="rectangles")
    return target_of(row, [files.cube], GalaxiesConfig(), simulated=GALAXY, bands=BANDS)


def prepared(target, toy_ssp, **registration):
    config = GalaxiesConfig(
        target_snr=40.0, kinematics="fixed", registration=RegistrationConfig(**registration)
    )
    return prepare(target, config, GridConfig(), band_names=BANDS, ssp=toy_ssp, curves=top_hats())


def disagreeing(spectra):
    return (spectra.flags & int(Flag.MUSE_HST_DISAGREE) != 0).sum()


def test_a_shift_of_one_fwhm_is_found_and_mended(tmp_path, target, toy_ssp):
    right = prepared(target, toy_ssp)
    for band in BANDS:
        found = right.meta["registration"][band]
        assert found["measured"], (band, found["why"])
        assert np.hypot(*found["shift_pixel"]) < 0.1, band
        assert found["applied"] == []
        # Beyond the cube only the place can be compared.
        assert (found["zero_point"] is None) == (band not in ("F555W", "F814W"))
    images = dict(target.images)
    east = GALAXY.psf_fwhm_arcsec / np.cos(np.deg2rad(15.7836)) / 3600
    for band in ("F555W", "F275W"):
        with fits.open(target.images[band]) as hdus:
            for hdu in hdus:
                hdu.header["CRVAL1"] += east
            hdus.writeto(tmp_path / f"{band}.fits", checksum=True)
        images[band] = tmp_path / f"{band}.fits"
    shifted = dataclasses.replace(target, images=images)
    left = prepared(shifted, toy_ssp, apply=[])
    mended = prepared(shifted, toy_ssp)
    for band in ("F555W", "F275W"):
        found = mended.meta["registration"][band]
        assert found["applied"] == ["shift"], (band, found)
        # The image lies too far east by one FWHM, 1.5 spaxels: what a spaxel shows is found there, towards lower x.
        assert found["shift_pixel"] == pytest.approx([-1.5, 0.0], abs=0.1)
        assert found["shift_arcsec"] == pytest.approx([GALAXY.psf_fwhm_arcsec, 0.0], abs=0.4)
        assert left.meta["registration"][band]["applied"] == []
    assert disagreeing(left) > 0.1 * left.n
    assert disagreeing(mended) <= disagreeing(right) + 1
    worst = np.abs(left.band_flux[:, 3] / right.band_flux[:, 3] - 1).max()
    assert worst > 0.15
    np.testing.assert_allclose(mended.band_flux[:, 3], right.band_flux[:, 3], rtol=0.03)


def test_clusters_are_in_cube_images_and_truth(tmp_path, toy_ssp, target):
    none = simulate_galaxy(
        GALAXY.model_copy(update={"n_clusters": 0}),
        toy_ssp,
        top_hats(),
        age_edges_yr=1e6 * AGE_EDGES_MYR,
        out_dir=tmp_path,
        seed=1,
        lines=gas_lines(),
    )
    with fits.open(target.truth) as some, fits.open(none.truth) as without:
        more = some["MASS_FORMED"].data.sum(axis=(1, 2)) - without["MASS_FORMED"].data.sum(axis=(1, 2))
        light = some["V_CLEAR"].data - without["V_CLEAR"].data
    # Nothing older than 300 Myr was added, and 40 clusters of 3e4 to 1e6 Msun at most.
    assert more[1e6 * AGE_EDGES_MYR[:-1] > 3.2e8] == pytest.approx(0, abs=1e3)
    assert 40 * 3e4 * 0.3 < more.sum() < 40 * 1e6
    with fits.open(target.data) as some, fits.open(none.cube) as without:
        white = (some["DATA"].data - without["DATA"].data).mean(axis=0)
    with fits.open(target.images["F555W"]) as some, fits.open(none.images["F555W"]) as without:
        image = some[0].data - without[0].data
    seen = np.isfinite(white)
    assert np.corrcoef(white[seen], light[seen])[0, 1] > 0.8
    # Points are sharper in the image than in the cube, and as bright.
    assert image.max() / np.percentile(image, 90) > np.nanmax(white) / np.nanpercentile(white, 90)
    assert map_wcs(4, 1.0).wcs.crpix[0] == 2.5
