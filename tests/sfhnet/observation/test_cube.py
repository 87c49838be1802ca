"""Cubes: what is read is right whatever the memory, and what is wrong is said with galaxy, file and extension."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from galaxy_files import MUSE_WAVE_AA, UNIT, cube_header, write_cube
from sfhnet.observation.bin_spectra import sum_bins, survey
from sfhnet.observation.cube import _read_rows, open_cube
from sfhnet.observation.fits_files import open_fits
from sfhnet.observation.wavelengths_and_units import parse_flux_unit, vacuum_to_air
from sparse_cube import write_sparse_cube

N = 8


@pytest.fixture
def data(rng):
    return (100 + rng.standard_normal((MUSE_WAVE_AA.size, N, N))).astype(np.float32)


def read_all(cube, memory):
    blocks = list(cube.blocks(memory))
    return [
        np.concatenate([getattr(b, name) for b in blocks], axis=1) for name in ("flux", "variance", "good")
    ], len(blocks)


@pytest.mark.parametrize(("start", "n_wave"), [(4700.0, 3761), (4749.890625, 3681)])
def test_wavelengths_come_from_the_header(tmp_path, start, n_wave):
    wave = start + 1.25 * np.arange(n_wave)
    path = write_cube(tmp_path / "c.fits", np.ones((n_wave, 3, 3)), header=cube_header(3, wave))
    cube = open_cube(path, "G")
    assert cube.shape == (n_wave, 3, 3)
    np.testing.assert_allclose(cube.wave_aa, wave, atol=1e-6)
    assert cube.pixel_arcsec2 == pytest.approx(0.04, rel=1e-4)
    assert cube.flux_unit_cgs == pytest.approx(1e-20)


def test_metres_and_vacuum_are_understood(tmp_path):
    header = cube_header(3, MUSE_WAVE_AA)
    header["CUNIT3"], header["CRVAL3"], header["CD3_3"], header["CTYPE3"] = "m", 4.7e-7, 1.25e-10, "WAVE"
    cube = open_cube(write_cube(tmp_path / "c.fits", np.ones((MUSE_WAVE_AA.size, 3, 3)), header=header), "G")
    np.testing.assert_allclose(cube.wave_aa, vacuum_to_air(MUSE_WAVE_AA), rtol=1e-9)


def test_air_wavelengths_of_known_lines():
    # Vacuum and air wavelengths of [O III] and Halpha (NIST).
    np.testing.assert_allclose(vacuum_to_air(np.array([5008.240, 6564.61])), [5006.843, 6562.80], atol=0.01)


def test_blocks_do_not_depend_on_memory(tmp_path, data):
    variance = np.full_like(data, 4.0)
    data[10:20, 2, 3] = np.nan
    data[100, 0, 0], variance[100, 0, 0] = 0, 0
    variance[200, 1, 1] = 0
    dq = np.zeros(data.shape)
    dq[300, 4, 4] = 1
    cube = open_cube(write_cube(tmp_path / "c.fits", data, variance, dq), "G")
    whole, one = read_all(cube, 1e9)
    small, many = read_all(cube, 1.5e6)
    assert (one, many) == (1, 3)
    for a, b in zip(whole, small, strict=True):
        np.testing.assert_array_equal(a, b)
    flux, var, good = whole
    assert not good[10:20, 2, 3].any()
    assert not good[100, 0, 0]
    assert not good[300, 4, 4]
    assert good.sum() == good.size - 12
    # A zero in STAT beside good flux is mended with the median variance of its channel.
    assert good[200, 1, 1]
    assert var[200, 1, 1] == 4.0
    assert np.isfinite(flux).all()


def test_sums_of_bins_and_their_variance(tmp_path, data):
    labels = np.full((N, N), -1, dtype=np.int32)
    labels[:4], labels[4:6] = 0, 1
    cube = open_cube(write_cube(tmp_path / "c.fits", data, np.full_like(data, 4.0)), "G")
    flux, variance, good = sum_bins(cube, labels, 2, weight=np.ones((N, N)), memory_gb=0.001)
    np.testing.assert_allclose(flux[0], data[:, :4].sum(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(flux[1], data[:, 4:6].sum(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(
        variance, np.array([[4.0 * 32], [4.0 * 16]]) * np.ones((2, MUSE_WAVE_AA.size)), rtol=1e-6
    )
    assert good.all()


def test_a_bad_spaxel_makes_no_step_in_a_sum(tmp_path):
    data = np.full((MUSE_WAVE_AA.size, N, N), 50.0)
    data[1000:1500, 0, 0] = np.nan
    data[2000:2100, :4, :] = np.nan
    labels = np.where(np.arange(N)[:, None] < 4, 0, 1) * np.ones((1, N), dtype=np.int32)
    cube = open_cube(write_cube(tmp_path / "c.fits", data), "G")
    flux, _, good = sum_bins(cube, labels.astype(np.int32), 2, weight=np.ones((N, N)), memory_gb=1.0)
    np.testing.assert_allclose(flux[0][good[0]], 50.0 * 32, rtol=1e-5)
    assert not good[0, 2000:2100].any()
    assert good[0].sum() == MUSE_WAVE_AA.size - 100
    assert good[1].all()


def test_survey_measures_signal_and_noise(tmp_path, rng):
    noise = rng.standard_normal((MUSE_WAVE_AA.size, N, N)) * 3
    data = 40 + noise
    data[:, 0, 0] = np.nan
    cube = open_cube(write_cube(tmp_path / "c.fits", data, np.full(data.shape, 9.0)), "G")
    found = survey(cube, (5300, 5500), 1.0)
    assert np.isnan(found.signal[0, 0])
    assert found.good_fraction[0, 0] == 0
    np.testing.assert_allclose(found.noise[1:], 3.0, rtol=1e-5)
    np.testing.assert_allclose(found.signal[1:], 40, atol=1.2)


@pytest.mark.parametrize(
    "text",
    [UNIT, "1e-20 erg / (s cm2 Angstrom)", "10^-20 erg/s/cm^2/A", "1E-20 erg/cm^2/s/Ang", "1e-13 W m-3"],
)
def test_units_of_flux(text):
    assert parse_flux_unit(text, "here") == pytest.approx(1e-20)


def test_truncated_file(tmp_path, data):
    path = write_cube(tmp_path / "cut.fits", data)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(
        ValueError, match=r"G: .*cut\.fits is truncated: extension 2 \[STAT\] .*fetch it again"
    ):
        open_cube(path, "G")


def test_missing_file_and_no_fits(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"G: .*none\.fits does not exist"):
        open_cube(tmp_path / "none.fits", "G")
    (tmp_path / "text.fits").write_text("no FITS at all")
    with pytest.raises(ValueError, match=r"G: .*text\.fits cannot be read as FITS"):
        open_cube(tmp_path / "text.fits", "G")


def test_missing_extension(tmp_path, data):
    path = write_cube(tmp_path / "c.fits", data, names=("DATA", "SECOND"), header=cube_header(N))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["INSTRUME"] = "MUSE"
    with pytest.raises(ValueError, match=r"G: .*c\.fits has no extension STAT \(found .*'DATA'"):
        open_cube(path, "G")


@pytest.mark.parametrize("unit", ["adu", "erg/s", "K", ""])
def test_wrong_units(tmp_path, data, unit):
    path = write_cube(tmp_path / "c.fits", data, header=cube_header(N, unit=unit))
    with pytest.raises(ValueError, match=r"G: .*c\.fits \[DATA\] has (BUNIT .*no flux density|no BUNIT)"):
        open_cube(path, "G")


def test_variance_in_another_unit(tmp_path, data):
    path = write_cube(tmp_path / "c.fits", data)
    with fits.open(path, mode="update") as hdus:
        hdus["STAT"].header["BUNIT"] = "(10**(-18)*erg/s/cm**2/Angstrom)**2"
    with pytest.raises(ValueError, match=r"\[STAT\] has BUNIT .*but the flux .*scales differ"):
        open_cube(path, "G")


def test_shapes_that_differ(tmp_path, data):
    path = write_cube(tmp_path / "c.fits", data, np.ones((5, N, N)))
    with pytest.raises(ValueError, match=r"\[STAT\] has shape \(5, 8, 8\), DATA has"):
        open_cube(path, "G")


def test_no_wavelengths_or_sky(tmp_path, data):
    header = cube_header(N)
    del header["CRVAL3"]
    with pytest.raises(ValueError, match="lacks CRVAL3"):
        open_cube(write_cube(tmp_path / "a.fits", data, header=header), "G")
    header = cube_header(N, CTYPE1="LINEAR", CTYPE2="LINEAR")
    with pytest.raises(ValueError, match="no celestial WCS"):
        open_cube(write_cube(tmp_path / "b.fits", data, header=header), "G")
    header = cube_header(N, CTYPE3="VELO")
    with pytest.raises(ValueError, match="CTYPE3 'VELO'"):
        open_cube(write_cube(tmp_path / "c.fits", data, header=header), "G")


def test_a_cube_of_nothing(tmp_path):
    cube = open_cube(write_cube(tmp_path / "nan.fits", np.full((MUSE_WAVE_AA.size, 3, 3), np.nan)), "G")
    with pytest.raises(ValueError, match=r"G: .*nan\.fits \[DATA\] has no good pixel \(all NaN"):
        survey(cube, (5300, 5500), 1.0)


def test_window_outside(tmp_path):
    wave = 7000 + 1.25 * np.arange(300)
    cube = open_cube(write_cube(tmp_path / "c.fits", np.ones((300, 3, 3)), header=cube_header(3, wave)), "G")
    with pytest.raises(ValueError, match=r"S/N window is 5300 \.\. 5500"):
        survey(cube, (5300, 5500), 1.0)


def test_real_muse_cube(upstream):
    path = upstream("a478_cube") / "minicube.fits"
    cube = open_cube(path, "A478")
    assert cube.shape == (3681, 40, 40)
    np.testing.assert_allclose(cube.wave_aa[[0, -1]], [4749.890625, 9349.890625])
    found = survey(cube, (5754, 5971), 0.3)
    # The centre of the galaxy, as `numpy` finds it in the whole cube; S/N per spaxel 0.6 to 5.6.
    assert np.unravel_index(np.nanargmax(found.white), found.white.shape) == (14, 23)
    assert 4 < np.nanmax(found.signal / found.noise) < 8


def test_rows_read_directly_are_what_astropy_reads(tmp_path, rng):
    """The fast way for plain images and astropy's own for the others give the same numbers."""
    values = rng.standard_normal((50, 6, 7)).astype(np.float32)
    values[3, 2, 1] = np.nan
    scaled = np.arange(50 * 6 * 7, dtype=np.int16).reshape(50, 6, 7)
    bits = (scaled % 3).astype(np.uint8)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(values, name="F"), fits.ImageHDU(bits, name="B")]
    hdus += [fits.ImageHDU(values.astype(np.float64), name="D"), fits.ImageHDU(scaled, name="I")]
    hdus[-1].header["BSCALE"] = 0.5
    path = tmp_path / "rows.fits"
    fits.HDUList(hdus).writeto(path)
    for name in (path, tmp_path / "rows.fits.gz"):
        if name.suffix == ".gz":
            name.write_bytes(gzip.compress(path.read_bytes()))
        with open_fits(name, "G") as opened:
            for rows in (slice(0, 6), slice(2, 5)):
                np.testing.assert_array_equal(_read_rows(opened["F"], rows), values[:, rows])
                np.testing.assert_array_equal(_read_rows(opened["B"], rows), bits[:, rows])
                np.testing.assert_array_equal(_read_rows(opened["D"], rows), values[:, rows])
                assert _read_rows(opened["D"], rows).dtype == np.float64
                np.testing.assert_allclose(_read_rows(opened["I"], rows), 0.5 * scaled[:, rows])


def test_a_cube_like_the_largest_is_read_and_summed_in_the_memory_given(tmp_path, toy_ssp):
    """A narrow slice of the cube of the benchmark: what is not exposed is in no bin, what is has its S/N."""
    path, maps = write_sparse_cube(tmp_path, toy_ssp, (3761, 40, 30), exposed_rows=8, spaxels_a_bin=4)
    cube = open_cube(path, "bench")
    found = survey(cube, (5311, 5512), 0.3)
    assert (found.good_fraction[:16] == 0).all() and (found.good_fraction[24:] == 0).all()
    assert (found.good_fraction[16:24] == 1).all()
    snr = found.signal[16:24] / found.noise[16:24]
    # 12 where the spectrum is at its median, more in this window; the spectrum is that of the stars near 1 Gyr
    stars = toy_ssp.spectra[2, np.argmin(np.abs(toy_ssp.age_yr - 1e9))]
    in_cube, in_window = (
        np.median(stars[(toy_ssp.wave_aa > low) & (toy_ssp.wave_aa < high)])
        for low, high in ((4690, 9380), (5300, 5500))
    )
    assert snr.max() == pytest.approx(12 * in_window / in_cube, rel=0.1)
    with fits.open(maps) as hdus:
        labels = hdus["BINID"].data.astype(np.int32)
    flux, variance, good = sum_bins(
        cube, labels, int(labels.max()) + 1, weight=np.ones(labels.shape), memory_gb=0.3
    )
    used = np.unique(labels[labels >= 0])
    assert good[used].all()
    with fits.open(path) as hdus:
        members = labels == used[0]
        np.testing.assert_allclose(flux[used[0]], hdus["DATA"].data[:, members].sum(axis=1), rtol=1e-4)
        np.testing.assert_allclose(variance[used[0]], hdus["STAT"].data[:, members].sum(axis=1), rtol=1e-5)


def test_variances_in_cgs_do_not_vanish(tmp_path):
    """1e-47 is nothing in single precision; a file that holds it in double precision is read so."""
    data = np.full((40, 2, 2), 2e-22)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, cube_header(2, MUSE_WAVE_AA[:40]), name="DATA")]
    hdus.append(fits.ImageHDU(np.full(data.shape, 6e-47), name="STAT"))
    fits.HDUList(hdus).writeto(tmp_path / "c.fits")
    (block,) = open_cube(tmp_path / "c.fits", "a").blocks(1e6)
    assert block.good.all()
    assert block.variance[0, 0, 0] == pytest.approx(6e-47)


@pytest.mark.parametrize("unit", ["ANGSTROM", "ANGSTROMS", "Angstroms", "A"])
def test_spellings_of_the_wavelength_unit_do_not_spoil_the_sky(tmp_path, unit):
    header = cube_header(2, MUSE_WAVE_AA[:40], CUNIT3=unit)
    cube = open_cube(write_cube(tmp_path / "c.fits", np.ones((40, 2, 2)), header=header), "a")
    np.testing.assert_allclose(cube.wave_aa, MUSE_WAVE_AA[:40])
    assert cube.wcs.has_celestial
