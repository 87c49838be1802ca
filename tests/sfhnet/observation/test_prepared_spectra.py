"""The spectra file and its guards, single spectra of real galaxies, and rows of the sample sheet."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from galaxy_answers import make_spectra
from ingredients import BANDS
from sfhnet.config import GalaxiesConfig, GridConfig, SimulatedGalaxyConfig
from sfhnet.core.flags import Flag
from sfhnet.core.spectra import Spectra
from sfhnet.observation.galaxy_files import Target, target_of
from sfhnet.observation.prepare import checked_scale, prepare
from sfhnet.sources.sample_sheet import Galaxy, SheetError, row_of


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"toy: sigma has shape \(3, 2081\), expected \(4, 2081\)"):
        make_spectra(2, sigma=np.ones((3, 2081)))
    with pytest.raises(ValueError, match="points to bin 9, there are 4 bins"):
        make_spectra(2, bin_map=np.full((2, 2), 9))
    sigma = np.ones((4, 2081))
    sigma[0, :5] = 0
    with pytest.raises(
        ValueError, match="5 good points of flux have no finite value with an error above zero; mask them"
    ):
        make_spectra(2, sigma=sigma)


def test_a_damaged_or_foreign_file(tmp_path):
    path = make_spectra(2).write(tmp_path / "s.h5")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"s\.h5 is damaged"):
        Spectra.read(path)
    with pytest.raises(FileNotFoundError):
        Spectra.read(tmp_path / "none.h5")
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["schema_version"] = "something/3"
    with pytest.raises(ValueError, match=r"has schema 'something/3', expected 'sfhnet\.spectra/2'"):
        Spectra.read(tmp_path / "other.h5")


def test_flags_add_up():
    spectra = make_spectra(2, flags=int(Flag.LOW_SNR)).with_flags([0, int(Flag.BAD_FIT), 0, 0])
    assert spectra.flags.tolist() == [int(Flag.LOW_SNR), int(Flag.LOW_SNR | Flag.BAD_FIT), 1, 1]


@pytest.mark.parametrize(
    ("galaxy", "redshift", "velocity", "sigma"),
    # Heliocentric velocities of ATLAS3D (Cappellari et al. 2011): 1173 and 1228 km/s.
    [("NGC3073", 0.0038, 1173, 45), ("NGC3522", 0.0041, 1228, 105)],
)
def test_real_sdss_spectra(upstream, ssp_library, galaxy, redshift, velocity, sigma):
    path = upstream(galaxy.lower()) / f"{galaxy}_SDSS_DR18.fits"
    target = Target(galaxy, "sdss", path, redshift, 30.0, 0.01, medium="vacuum")
    found = prepare(target, GalaxiesConfig(), GridConfig(), band_names=BANDS, ssp=ssp_library)
    assert found.meta["velocity_systemic_kms"] == pytest.approx(velocity, abs=35)
    assert found.sigma_kms[0] == pytest.approx(sigma, abs=15)
    assert 30 < found.snr[0] < 80
    assert found.flags[0] & int(Flag.NO_BANDS)
    assert not found.flags[0] & int(Flag.RESOLUTION)
    # Halpha lies where it belongs once vacuum wavelengths are air and the redshift is undone.
    if galaxy == "NGC3073":
        near = np.abs(found.wave_aa - 6562.8) < 12
        assert found.wave_aa[near][np.argmax(found.flux[0][near])] == pytest.approx(6562.8, abs=1.3)


def test_vacuum_taken_for_air_moves_the_velocity(upstream, ssp_library):
    path = upstream("ngc3522") / "NGC3522_SDSS_DR18.fits"
    right, wrong = (
        prepare(
            Target("N", "sdss", path, 0.0041, 30.0, 0.01, medium=m),
            GalaxiesConfig(),
            GridConfig(),
            band_names=BANDS,
            ssp=ssp_library,
        )
        for m in ("vacuum", "air")
    )
    # n - 1 = 2.77e-4 at 5700 Angstrom: 83 km/s.
    assert wrong.meta["velocity_systemic_kms"] - right.meta["velocity_systemic_kms"] == pytest.approx(
        83, abs=4
    )


def test_real_muse_cube(upstream, ssp_library):
    path = upstream("a478_cube") / "minicube.fits"
    target = Target("A478", "cube", path, 0.0857, 391.0, 0.446, target_snr=20.0)
    found = prepare(target, GalaxiesConfig(), GridConfig(), band_names=BANDS, ssp=ssp_library)
    assert 4 <= found.n <= 15
    assert found.meta["redshift_systemic"] == pytest.approx(0.0857, abs=3e-4)
    # STAT falls short of the scatter by 1.8 for sums of spaxels.
    assert np.median(found.noise_scale) == pytest.approx(1.8, abs=0.2)
    assert (found.flags & int(Flag.RESOLUTION) != 0).all()
    # At this redshift the red end of the training grid is not in the cube.
    assert not found.mask[:, found.wave_aa > 8620].any()
    assert found.mask[:, (found.wave_aa > 4900) & (found.wave_aa < 5100)].all()


def test_real_muse_spectrum(upstream, ssp_library):
    path = upstream("ngc1796") / "NGC1796_MUSE_spec.dat"
    found = prepare(
        Target("NGC1796", "table", path, 0.0034, 10.6, 0.02),
        GalaxiesConfig(),
        GridConfig(),
        band_names=BANDS,
        ssp=ssp_library,
    )
    # pPXF gives 1014 km/s on this spectrum.
    assert found.meta["velocity_systemic_kms"] == pytest.approx(1014, abs=5)
    notch = (found.wave_aa > 5795) & (found.wave_aa < 5930)
    assert not found.mask[0, notch].any()
    assert found.snr[0] > 50


def test_tables_that_are_none(tmp_path, toy_ssp):
    path = tmp_path / "spec.dat"
    path.write_text("wave flux var\n5000 abc 1\n")
    target = Target("G", "table", path, 0.003, 10.0, 0.0)
    with pytest.raises(ValueError, match=r"G: .*spec\.dat .*expected one header line"):
        prepare(target, GalaxiesConfig(), GridConfig(), band_names=BANDS, ssp=toy_ssp)
    path.write_text("wave flux var\n" + "\n".join(f"{w} 0 0" for w in range(5000, 5100)))
    with pytest.raises(ValueError, match=r"spec\.dat has no good pixel"):
        prepare(target, GalaxiesConfig(), GridConfig(), band_names=BANDS, ssp=toy_ssp)
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "x.fits")
    with pytest.raises(ValueError, match=r"x\.fits has no extension COADD"):
        prepare(
            Target("G", "sdss", tmp_path / "x.fits", 0.003, 10.0, 0.0),
            GalaxiesConfig(),
            GridConfig(),
            band_names=BANDS,
            ssp=toy_ssp,
        )
    with pytest.raises(ValueError, match="kind 'image' is unknown"):
        prepare(
            Target("G", "image", path, 0.003, 10.0, 0.0),
            GalaxiesConfig(),
            GridConfig(),
            band_names=BANDS,
            ssp=toy_ssp,
        )


def test_rows_and_files():
    sheet = {"NGC0628": Galaxy(galaxy="NGC0628", kind="simulated")}
    assert row_of(sheet, "NGC0628").kind == "simulated"
    with pytest.raises(SheetError, match="NGC628 is not in the sample sheet; did you mean NGC0628"):
        row_of(sheet, "NGC628")
    row = Galaxy(galaxy="G", kind="cube", path="c.fits", redshift=0.002, distance_mpc=9.0)
    from pathlib import Path

    with pytest.raises(ValueError, match="G: 2 data files given, expected one"):
        target_of(
            row, [Path("a"), Path("b")], GalaxiesConfig(), simulated=SimulatedGalaxyConfig(), bands=BANDS
        )
    with pytest.raises(ValueError, match="G: no data file given"):
        target_of(row, [], GalaxiesConfig(), simulated=SimulatedGalaxyConfig(), bands=BANDS)
    made = target_of(
        sheet["NGC0628"],
        [Path("sim/cube.fits")],
        GalaxiesConfig(ebv_scale="sfd98"),
        simulated=SimulatedGalaxyConfig(),
        bands=BANDS,
    )
    assert made.images["F438W"] == Path("sim/hst_f438w.fits")
    assert made.ebv_mw * 0.86 == pytest.approx(0.0607)


@pytest.mark.parametrize("scale", [1e-16, 1e16])
def test_a_spectrum_of_an_impossible_luminosity_is_refused(scale):
    spectra = make_spectra()
    target = Target("G", "table", Path("spec.dat"), 0.003, 10.0, 0.0)
    assert checked_scale(target, spectra) is spectra
    with pytest.raises(ValueError, match=r"G: spec\.dat would be of .* Lsun .* check the unit of its flux"):
        checked_scale(target, replace(spectra, flux_unit_cgs=scale * spectra.flux_unit_cgs))
