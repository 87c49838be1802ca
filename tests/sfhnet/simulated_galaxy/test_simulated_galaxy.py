"""The simulated galaxy through the whole preparation: what comes out is what was put in."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import gaussian_filter

from ingredients import AGE_EDGES_MYR, BANDS, MUSE_WAVE_AA, WAVE_AA, gas_lines, top_hats
from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.config import GalaxiesConfig, GridConfig, NoiseConfig, SimulatedGalaxyConfig
from sfhnet.core.bands import find_band
from sfhnet.core.flags import Flag
from sfhnet.core.spectra import Spectra
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.calibration_errors import tilt_rms
from sfhnet.observation.galaxy_files import target_of
from sfhnet.observation.prepare import prepare
from sfhnet.observation.true_maps import truth_in_bins
from sfhnet.simulated_galaxy.disc import disc_history, places_in_disc
from sfhnet.simulated_galaxy.instrument_errors import draw_errors
from sfhnet.simulated_galaxy.observe import map_wcs, simulate_galaxy, sky_offsets
from sfhnet.sources.sheet_row import Galaxy

EDGES_YR = 1e6 * AGE_EDGES_MYR
SMALL = SimulatedGalaxyConfig(
    n_spaxels=14,
    spaxel_arcsec=14.0,
    psf_fwhm_arcsec=21.0,
    hst_pixel_arcsec=3.5,
    hst_fwhm_arcsec=7.0,
    n_clusters=0,
)
GALAXIES = GalaxiesConfig(target_snr=30.0)


@pytest.fixture(scope="module")
def library(toy_ssp):
    return toy_ssp


@pytest.fixture(scope="module")
def files(tmp_path_factory, library):
    return simulate_galaxy(
        SMALL,
        library,
        top_hats(),
        age_edges_yr=EDGES_YR,
        out_dir=tmp_path_factory.mktemp("sim"),
        seed=1,
        lines=gas_lines(),
    )


@pytest.fixture(scope="module")
def target(files):
    row = Galaxy(galaxy="mock", kind="simulated")
    return target_of(row, [files.cube], GALAXIES, simulated=SMALL, bands=BANDS)


@pytest.fixture(scope="module")
def spectra(target, library):
    return prepare(target, GALAXIES, GridConfig(), band_names=BANDS, ssp=library)


@pytest.fixture(scope="module")
def ideal(library):
    """Noiseless spectra and band fluxes of the spaxels as the training set has them, seen through the PSF."""
    n = SMALL.n_spaxels
    wcs = map_wcs(n, SMALL.spaxel_arcsec)
    disc = disc_history(places_in_disc(*sky_offsets(wcs, n), SMALL), library.age_edges_yr, SMALL)
    wave = WAVE_AA
    synthesizer = Synthesizer(
        library,
        wave,
        lsf_fwhm_aa=muse_udf10_fwhm_aa,
        veldisp_kms=(150.0,),
        bands=top_hats(),
        lines=gas_lines(),
    )
    result = synthesizer(disc.mass_fraction, disc.z, tau_screen=disc.tau_screen, tau_birth=disc.tau_birth)
    factor = (
        disc.surface_density
        * SMALL.spaxel_arcsec**2
        * 3.828e33
        / (4 * np.pi * (9.84 * 3.08568e24) ** 2)
        / 1e-20
    )
    width = SMALL.psf_fwhm_arcsec / FWHM_PER_SIGMA / SMALL.spaxel_arcsec

    def seen(values):
        cube = (values.numpy() * factor[:, None]).reshape(n, n, -1)
        return gaussian_filter(cube, sigma=(width, width, 0), mode="nearest")

    return seen(result.flux), seen(result.band_flux), disc


def test_the_files_look_like_muse_and_hst(files):
    with fits.open(files.cube) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DATA", "STAT", "DQ"]
        assert hdus["DATA"].shape == (3761, 14, 14)
        assert hdus["DATA"].header["CTYPE3"] == "AWAV"
        assert np.isnan(hdus["DATA"].data[:, 0, 0]).all()
        assert (hdus["STAT"].data == 0).any()
        data, variance = hdus["DATA"].data[900], hdus["STAT"].data[900]
        assert np.nanmax(data / np.sqrt(np.where(variance > 0, variance, np.nan))) < 60
    with fits.open(files.images["F438W"]) as hdus:
        assert hdus[0].header["BUNIT"] == "ELECTRONS/S"
        header, band = hdus[0].header, find_band("F438W")
        assert (header["PHOTFLAM"], header["PHOTPLAM"]) == (band.photflam, band.pivot_aa)
        assert f"{header['INSTRUME']}/{header['DETECTOR']}" == band.detector
        assert hdus["WHT"].shape == hdus[0].shape


def sums(path):
    """The sums of all extensions; the files hold the time of writing beside them."""
    with fits.open(path) as hdus:
        return [(hdu.name, hdu.header["DATASUM"]) for hdu in hdus]


def test_the_same_seed_gives_the_same_galaxy(tmp_path, library, files):
    again = simulate_galaxy(
        SMALL, library, top_hats(), age_edges_yr=EDGES_YR, out_dir=tmp_path, seed=1, lines=gas_lines()
    )
    assert sums(again.cube) == sums(files.cube)
    other = simulate_galaxy(
        SMALL, library, top_hats(), age_edges_yr=EDGES_YR, out_dir=tmp_path / "b", seed=2, lines=gas_lines()
    )
    assert sums(other.cube) != sums(files.cube)
    assert sums(other.truth) == sums(files.truth)


def test_prepared_spectra_are_those_of_the_training_set(spectra, ideal):
    flux, _, _ = ideal
    # Lines of gas and stars move alike in this galaxy; only edges and noise are left.
    chi2 = []
    for b in range(spectra.n):
        expected = flux[spectra.bin_map == b].sum(axis=0)
        good = spectra.mask[b]
        assert np.median(spectra.flux[b][good] / expected[good]) == pytest.approx(1, abs=0.005)
        blocks = (spectra.flux[b] - expected)[good] / spectra.sigma[b][good]
        blocks = blocks[: blocks.size // 60 * 60].reshape(-1, 60).mean(axis=1) * np.sqrt(60)
        chi2.append((blocks**2).mean())
    # sigma says what averages over many pixels do.
    assert 0.6 < np.mean(chi2) < 1.8


def test_hst_fluxes_in_bins(spectra, ideal):
    _, band_flux, _ = ideal
    expected = np.array([band_flux[spectra.bin_map == b].sum(axis=0) for b in range(spectra.n)])
    assert spectra.band_mask.all()
    ratio = spectra.band_flux / expected
    # 14 arcsec spaxels sample the steep centre coarsely.
    np.testing.assert_allclose(np.median(ratio, axis=0), 1, atol=0.03)
    assert ratio.std(axis=0).max() < 0.06
    np.testing.assert_allclose(spectra.band_sigma / spectra.band_flux, 0.03, atol=0.01)


def test_muse_and_hst_agree(target, library):
    found = prepare(target, GALAXIES, GridConfig(), band_names=BANDS, ssp=library, curves=top_hats())
    ratio = found.band_synthetic / found.band_flux
    # F275W, F336W and F438W lie beyond the cube; the other two are the same sky seen twice, F814W beyond the training grid too.
    assert np.isnan(ratio[:, :3]).all()
    assert found.wave_aa[-1] < 7360
    np.testing.assert_allclose(np.median(ratio[:, 3:], axis=0), 1, atol=0.03)
    assert not (found.flags & int(Flag.MUSE_HST_DISAGREE)).any()


def test_a_wrong_calibration_of_hst_is_seen(tmp_path, target, library):
    with fits.open(target.images["F555W"]) as hdus:
        hdus[0].data *= 1.3
        hdus.writeto(tmp_path / "f555w.fits", checksum=True)
    images = {**target.images, "F555W": tmp_path / "f555w.fits"}
    found = prepare(
        dataclasses.replace(target, images=images),
        GALAXIES,
        GridConfig(),
        band_names=BANDS,
        ssp=library,
        curves=top_hats(),
    )
    assert (found.flags & int(Flag.MUSE_HST_DISAGREE) != 0).mean() > 0.9


def test_an_image_of_elsewhere_is_seen_before_the_cube_is_read(tmp_path, target, library):
    with fits.open(target.images["F814W"]) as hdus:
        hdus[0].header["CRVAL2"] += 1.0
        hdus.writeto(tmp_path / "far.fits", checksum=True)
    with fits.open(target.data) as hdus:
        hdus["DATA"].data[:] = np.nan
        hdus.writeto(tmp_path / "nan.fits", checksum=True)
    images = {**target.images, "F814W": tmp_path / "far.fits"}
    wrong = dataclasses.replace(target, images=images, data=tmp_path / "nan.fits")
    with pytest.raises(
        ValueError, match=r"mock: .*far\.fits \[PRIMARY\] \(F814W\) does not overlap the cube"
    ):
        prepare(wrong, GALAXIES, GridConfig(), band_names=BANDS, ssp=library)
    with pytest.raises(ValueError, match=r"mock: .*nan\.fits \[DATA\] has no good pixel"):
        prepare(
            dataclasses.replace(target, data=tmp_path / "nan.fits"),
            GALAXIES,
            GridConfig(),
            band_names=BANDS,
            ssp=library,
        )


def test_kinematics_of_the_disc(spectra):
    difference = spectra.velocity_kms - spectra.truth["velocity_kms"]
    assert np.median(difference) == pytest.approx(0, abs=4)
    assert (difference - np.median(difference)).std() < 6
    assert np.corrcoef(spectra.velocity_kms, spectra.truth["velocity_kms"])[0, 1] > 0.9
    assert np.median(spectra.sigma_kms) == pytest.approx(50, abs=6)
    assert spectra.meta["redshift_systemic"] == pytest.approx(0.00219, abs=4 / C_KMS)
    np.testing.assert_allclose(
        spectra.redshift, (1 + spectra.meta["redshift_systemic"]) * np.exp(spectra.velocity_kms / C_KMS) - 1
    )


def test_shared_noise_is_found(spectra):
    # Neighbours share noise that STAT does not know, so sums of spaxels scatter more than it says.
    assert 1.02 < np.median(spectra.noise_scale) < 2.0
    assert (spectra.noise_scale >= 1).all()


def test_truth_of_bins(files, spectra, ideal, library):
    _, _, disc = ideal
    truth = spectra.truth
    np.testing.assert_allclose(truth["mass_fraction"].sum(axis=1), 1, rtol=1e-4)
    whole = truth_in_bins(files.truth, np.zeros((14, 14), dtype=np.int32), 1, galaxy="mock")
    mass = disc.surface_density * SMALL.spaxel_arcsec**2
    assert whole["mass_formed"][0] == pytest.approx(mass.sum(), rel=0.02)
    formed = np.concatenate([[0.0], np.cumsum((disc.mass_fraction * mass[:, None]).sum(axis=0))])
    young = np.interp(1e9, library.age_edges_yr, formed) / mass.sum()
    assert whole["mass_fraction"][0, EDGES_YR[1:] <= 1e9].sum() == pytest.approx(young, rel=0.02)
    # Inside out: the centre is older and richer in metals than the outskirts.
    radius = np.hypot(spectra.x_arcsec, spectra.y_arcsec)
    assert np.corrcoef(radius, truth["mw_log_age"])[0, 1] < -0.7
    assert np.corrcoef(radius, truth["mw_mh"])[0, 1] < -0.7
    with pytest.raises(
        ValueError, match=r"mock: .*truth\.fits has maps of \(14, 14\), the cube has \(9, 9\)"
    ):
        truth_in_bins(files.truth, np.zeros((9, 9), dtype=np.int32), 1, galaxy="mock")


def test_total_mass_of_the_disc():
    # A wide map holds the whole disc.
    n, pixel = 400, 4.0
    wcs = map_wcs(n, pixel)
    disc = disc_history(places_in_disc(*sky_offsets(wcs, n), SMALL), EDGES_YR, SMALL)
    assert np.log10((disc.surface_density * pixel**2).sum()) == pytest.approx(SMALL.log_mass_msun, abs=0.01)


def test_places_on_the_sky(spectra):
    # East is where right ascension grows: the bins' offsets follow the WCS.
    sky = map_wcs(14, 14.0).pixel_to_world(0, 13)
    assert sky.ra.deg > 24.1739
    left_top = spectra.bin_map[13, 0]
    assert spectra.x_arcsec[left_top] > 0
    assert spectra.y_arcsec[left_top] > 0
    assert spectra.area_arcsec2.sum() == pytest.approx((spectra.bin_map >= 0).sum() * 196, rel=1e-6)


def test_round_trip(tmp_path, spectra):
    path = spectra.write(tmp_path / "s.h5", {"made": "here"})
    again = Spectra.read(path)
    for name in ("flux", "sigma", "mask", "band_flux", "velocity_kms", "flags", "bin_map"):
        np.testing.assert_array_equal(getattr(again, name), getattr(spectra, name))
    assert again.meta == spectra.meta
    np.testing.assert_array_equal(again.truth["mh"], spectra.truth["mh"])


def test_memory_does_not_change_the_result(target, library, spectra):
    config = GALAXIES.model_copy(update={"memory_gb": 0.5, "kinematics": "fixed"})
    fixed = prepare(target, config, GridConfig(), band_names=BANDS, ssp=library)
    np.testing.assert_array_equal(fixed.bin_map, spectra.bin_map)
    assert (fixed.flags & int(Flag.KINEMATICS_FIXED) != 0).all()
    assert (fixed.velocity_kms == 0).all()


def test_bands_that_are_missing(target, library):
    some = dataclasses.replace(target, images={"F555W": target.images["F555W"]})
    found = prepare(some, GALAXIES, GridConfig(), band_names=BANDS, ssp=library)
    np.testing.assert_array_equal(found.band_mask.any(axis=0), [False, False, False, True, False])
    assert (found.flags & int(Flag.MISSING_BANDS) != 0).all()


def test_bins_of_the_user_and_masks(tmp_path, target, library):
    labels = np.full((14, 14), -1)
    labels[4:7, 4:10], labels[7:10, 4:10] = 10, 20
    fits.PrimaryHDU(labels.astype(np.int32)).writeto(tmp_path / "bins.fits")
    star = np.zeros((14, 14), dtype=np.int16)
    star[4:6, 4:6] = 1
    fits.PrimaryHDU(star).writeto(tmp_path / "star.fits")
    own = dataclasses.replace(target, bins=str(tmp_path / "bins.fits"), mask=tmp_path / "star.fits")
    found = prepare(own, GALAXIES, GridConfig(), band_names=BANDS, ssp=library)
    assert found.n == 2
    assert (found.bin_map >= 0).sum() == 32
    assert (found.bin_map[4:6, 4:6] == -1).all()
    np.testing.assert_array_equal(found.flags & int(Flag.FOREGROUND) != 0, [True, False])
    wrong = dataclasses.replace(own, mask=tmp_path / "bins.fits")
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "small.fits")
    with pytest.raises(
        ValueError, match=r"mock: mask .*small\.fits has shape \(3, 3\), the cube has \(14, 14\)"
    ):
        prepare(
            dataclasses.replace(wrong, mask=tmp_path / "small.fits"),
            GALAXIES,
            GridConfig(),
            band_names=BANDS,
            ssp=library,
        )
    with pytest.raises(
        ValueError, match=r"bins in .*small\.fits .* have 3 x 3 spaxels, the cube has 14 x 14"
    ):
        prepare(
            dataclasses.replace(target, bins=str(tmp_path / "small.fits")),
            GALAXIES,
            GridConfig(),
            band_names=BANDS,
            ssp=library,
        )


def test_a_bin_without_good_pixels_is_flagged(tmp_path, files, target, library):
    """It stays on the map with its flag, and spaxels in no bin say why: no silent holes."""
    labels = np.zeros((14, 14), dtype=np.int32)
    labels[10:12, 10:12], labels[:, 13] = 1, -1
    fits.PrimaryHDU(labels).writeto(tmp_path / "bins.fits")
    with fits.open(files.cube) as hdus:
        hdus["DATA"].data[:, 10:12, 10:12] = np.nan
        hdus["DATA"].data[1000:, 6, 6] = np.nan
        hdus.writeto(tmp_path / "cube.fits", checksum=True)
    holed = dataclasses.replace(target, data=tmp_path / "cube.fits", bins=str(tmp_path / "bins.fits"))
    found = prepare(holed, GALAXIES, GridConfig(), band_names=BANDS, ssp=library)
    assert found.n == 2
    assert (found.bin_map[10:12, 10:12] == 1).all()
    assert found.flags[1] & int(Flag.NO_VALID_PIXELS)
    assert not found.mask[1].any()
    assert not found.flags[0] & int(Flag.NO_VALID_PIXELS)
    expected = np.zeros((14, 14))
    expected[:, 13], expected[6, 6], expected[0, 0] = 5, 2, 1
    np.testing.assert_array_equal(found.unbinned, expected)
    np.testing.assert_array_equal(found.unbinned == 0, found.bin_map >= 0)


def stellar_maps(folder, target, bin_map, hole):
    """MAPS whose velocities are those of the disc and whose dispersion is 45 km/s, with a hole."""
    with fits.open(target.truth) as hdus:
        velocity = hdus["VELOCITY"].data.astype(float)
    velocity[hole] = np.nan
    layers = {"BINID": bin_map, "V_STARS": velocity, "SIGMA_STARS": velocity * 0 + 45}
    primary = fits.PrimaryHDU()
    primary.header["REDSHIFT"] = C_KMS * target.redshift
    path = folder / "MAPS.fits"
    fits.HDUList([primary, *(fits.ImageHDU(a, name=n) for n, a in layers.items())]).writeto(path)
    return path


def test_kinematics_and_bins_of_the_maps(tmp_path, target, library, spectra):
    """Given where the MAPS have them, fitted where not; errors are measured on the residuals all the same."""
    hole = spectra.bin_map == 0
    maps = stellar_maps(tmp_path, target, spectra.bin_map.astype(float), hole)
    found = prepare(
        dataclasses.replace(target, maps=maps, bins="maps"),
        GALAXIES,
        GridConfig(),
        band_names=BANDS,
        ssp=library,
    )
    np.testing.assert_array_equal(found.bin_map, spectra.bin_map)
    assert found.meta["redshift_systemic"] == pytest.approx(target.redshift, rel=1e-9)
    assert not (found.flags & int(Flag.KINEMATICS_FIXED)).any()
    with fits.open(target.truth) as hdus:
        truth = hdus["VELOCITY"].data
    for index in range(1, found.n):
        inside = found.bin_map == index
        assert truth[inside].min() - 1e-3 <= found.velocity_kms[index] <= truth[inside].max() + 1e-3
        assert found.sigma_kms[index] >= 45 - 1e-6
    assert np.isfinite(found.velocity_err_kms[0])
    assert found.velocity_kms[0] == pytest.approx(truth[hole].mean(), abs=5 * found.velocity_err_kms[0] + 5)
    np.testing.assert_allclose(found.noise_scale, spectra.noise_scale, rtol=0.15)
    fitted = prepare(
        dataclasses.replace(target, maps=maps, bins="all"),
        GALAXIES.model_copy(update={"kinematics": "fit"}), GridConfig(), band_names=BANDS, ssp=library,
    )  # fmt: skip
    assert fitted.meta["kinematics"] == "fit"
    assert fitted.n == 1


def test_more_bins_than_memory_holds(target, library):
    config = GALAXIES.model_copy(update={"memory_gb": 0.305})
    with pytest.raises(ValueError, match=r"mock: the spectra of \d+ bins with 3761 channels need 0\.3 GB"):
        prepare(
            dataclasses.replace(target, bins="spaxel"), config, GridConfig(), band_names=BANDS, ssp=library
        )


def test_a_wrong_redshift_is_an_error(target, library):
    with pytest.raises(ValueError, match=r"mock: .*S/N window is|mock: only \d+ pixels"):
        prepare(
            dataclasses.replace(target, redshift=0.95), GALAXIES, GridConfig(), band_names=BANDS, ssp=library
        )


def test_an_image_in_a_band_nobody_knows(target, library):
    images = {"F435W": target.images["F438W"]}
    with pytest.raises(ValueError, match=r"mock: images in \['F435W'\], the network knows"):
        prepare(
            dataclasses.replace(target, images=images), GALAXIES, GridConfig(), band_names=BANDS, ssp=library
        )


def test_shared_errors_have_the_sizes_of_the_benchmark_noise():
    wave = MUSE_WAVE_AA
    noise = BENCHMARK_NOISE
    rng = np.random.default_rng(3)
    many = draw_errors(noise, wave, side_arcsec=1280.0, pointing_arcsec=64.0, bands=BANDS, n_line=3, rng=rng)
    assert many.calibration.shape == (20, 20, 3761)
    rms = np.log(many.calibration).std(axis=2)
    # tilt and ripple in quadrature
    assert np.sqrt((rms**2).mean()) == pytest.approx(np.hypot(tilt_rms(noise), noise.ripple_rms), rel=0.1)
    places = rng.uniform(-3000, 3000, (2, 3000))
    dex = np.log10(many.line_factors(*places))
    assert dex.std() == pytest.approx(
        np.hypot(noise.line_scatter_dex, noise.line_scatter_common_dex), rel=0.2
    )
    assert np.corrcoef(dex.T)[0, 1] == pytest.approx(0.15**2 / (0.15**2 + 0.1**2), abs=0.15)
    zero = [
        list(
            draw_errors(
                noise, wave, side_arcsec=64.0, pointing_arcsec=64.0, bands=BANDS, n_line=0, rng=rng
            ).zero_point.values()
        )
        for _ in range(300)
    ]
    magnitude = -2.5 * np.log10(zero)
    assert magnitude.std() == pytest.approx(np.hypot(0.03, 0.03), rel=0.15)
    off = draw_errors(
        NoiseConfig(off=("calibration", "zero_points", "line_scatter")),
        wave,
        side_arcsec=64.0,
        pointing_arcsec=64.0,
        bands=BANDS,
        n_line=3,
        rng=rng,
    )
    assert (off.calibration == 1).all()
    assert set(off.zero_point.values()) == {1.0}
    np.testing.assert_allclose(off.line_factors(*places), 1.0)


def test_shared_errors_are_in_the_observation(tmp_path, files, library):
    noisy = simulate_galaxy(
        SMALL,
        library,
        top_hats(),
        age_edges_yr=EDGES_YR,
        out_dir=tmp_path,
        seed=1,
        lines=gas_lines(),
        noise=BENCHMARK_NOISE,
    )
    with fits.open(noisy.cube) as a, fits.open(files.cube) as b:
        ratio = np.nanmedian((a["DATA"].data / b["DATA"].data)[:400, 2:12, 2:12], axis=0)
    assert 0.005 < np.std(ratio) < 0.1
    with fits.open(noisy.images["F555W"]) as a, fits.open(files.images["F555W"]) as b:
        bright = b[0].data > 0.3 * b[0].data.max()
        assert abs(np.median(a[0].data[bright] / b[0].data[bright]) - 1) > 1e-3
