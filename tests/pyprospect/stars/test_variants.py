"""Packed libraries are read or refused, and brought to the pixels, ages and metallicities of another library."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from pyprospect import toy_library
from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.stars.library import SSPLibrary
from pyprospect.stars.packed import read_packed
from pyprospect.stars.variants import add_variants, extend_metallicities, offset_kms, with_alpha, with_variant

AGES_GYR = np.array([0.05, 0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0])
MH = np.array([-1.0, 0.0, 0.2])


@pytest.fixture(scope="module")
def reference():
    return toy_library(
        np.arange(3000.0, 10500.0, 1.0),
        age_edges_yr=(0.0, *np.geomspace(1e6, 1.4e10, 30)),
        z=(0.002, 0.008, 0.02, 0.03),
    )


def other_stars(shift_kms=0.0, ages_gyr=AGES_GYR, star_mh=MH, fwhm_aa=1.0):
    """The toy's stars on other axes, sharper, with 5 % more light in the red."""
    age_yr = ages_gyr * 1e9
    edges = np.concatenate([[0.0], 2 * age_yr])
    wave_aa = np.arange(3500.0, 10300.0, 0.5)
    spectra = np.stack(
        [
            toy_library(wave_aa, fwhm_aa=fwhm_aa, z=0.019 * 10.0**star_mh, age_edges_yr=(0.0, 2 * t)).spectra[
                :, 0
            ]
            for t in age_yr
        ],
        axis=1,
    )
    red = 1 + 0.05 * np.tanh((wave_aa - 7000.0) / 500.0)
    return edges, wave_aa * (1 + shift_kms / C_KMS), spectra * red


def write_packed(path, scale=1.0, **changes):
    """Write a packed library of these stars; datasets and the attribute ``medium`` as named."""
    axes = {
        key: changes.pop(key) for key in ("shift_kms", "ages_gyr", "star_mh", "fwhm_aa") if key in changes
    }
    edges, wave_aa, spectra = other_stars(**axes)
    n_z, n_age = spectra.shape[:2]
    values = {
        "wave": wave_aa,
        "age_gyr": np.tile(edges[1:] / 2e9, n_z),
        "mh": np.repeat(axes.get("star_mh", MH), n_age),
        "flux": spectra.reshape(n_z * n_age, -1) * scale,
    }
    with h5py.File(path, "w") as file:
        for key, data in (values | changes).items():
            if key == "medium":
                file.attrs[key] = data
            elif data is not None:
                file[key] = data
    return path


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return write_packed(tmp_path_factory.mktemp("packed") / "bpass_toy.h5")


def test_a_packed_library_comes_back(packed):
    library = SSPLibrary.read(packed)
    _, wave_aa, spectra = other_stars()
    np.testing.assert_allclose(library.spectra, spectra)
    np.testing.assert_allclose(library.age_yr, AGES_GYR * 1e9)
    np.testing.assert_allclose(np.log10(library.z / 0.019), MH, atol=1e-12)
    assert library.fwhm_aa(wave_aa[[100]]) == pytest.approx(1.0)
    assert library.meta["medium"] == "air"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mh": np.zeros(3), "flux": np.ones((3, 5)), "age_gyr": np.ones(3)}, "flux has shape"),
        ({"flux": None}, r"lacks \['flux'\]"),
        ({"scale": 1e6}, "the unit is another one"),
        ({"medium": "vacuum"}, "wavelengths are in vacuum; convert them to air"),
        ({"wave": np.linspace(350.0, 1030.0, 13600)}, "Angstrom are expected"),
        ({"wave": np.linspace(10300.0, 3500.0, 13600)}, "ascending"),
    ],
)
def test_what_is_no_packed_library_is_refused(tmp_path, change, message):
    path = write_packed(tmp_path / "bpass_bad.h5", **dict(change))
    with pytest.raises(ValueError, match=message):
        read_packed(path)


def test_a_missing_age_a_hole_and_an_unknown_resolution_are_said(tmp_path, packed):
    with h5py.File(packed) as file:
        whole = {key: file[key][()] for key in ("age_gyr", "mh", "flux")}
    part = {key: values[1:] for key, values in whole.items()}
    with pytest.raises(
        ValueError, match=r"1 of 27 spectra are missing, the first at age 0.05 Gyr, \[M/H\] -1.00"
    ):
        read_packed(write_packed(tmp_path / "bpass_a.h5", **part))
    twice = {key: np.concatenate([values, values[:1]]) for key, values in whole.items()}
    with pytest.raises(ValueError, match="twice"):
        read_packed(write_packed(tmp_path / "bpass_b.h5", **twice))
    flux = whole["flux"].copy()
    flux[3, 50] = np.nan
    with pytest.raises(ValueError, match=r"flux is nan at age 1 Gyr, \[M/H\] -1.00, 3525.0 Angstrom"):
        read_packed(write_packed(tmp_path / "bpass_c.h5", flux=flux))
    flux[3, 50] = -1e-9
    bridged = read_packed(write_packed(tmp_path / "bpass_d.h5", flux=flux))
    assert bridged.meta["negative_pixels_bridged"] == 1
    assert bridged.spectra[0, 3, 50] == pytest.approx(whole["flux"][3, [49, 51]].mean())
    flux[3, 50:150] = -1e-9
    with pytest.raises(ValueError, match="100 such pixels"):
        read_packed(write_packed(tmp_path / "bpass_e.h5", flux=flux))
    cut = tmp_path / "bpass_f.h5"
    cut.write_bytes(packed.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"the resolution of mine\.h5 is not known"):
        read_packed(write_packed(tmp_path / "mine.h5"))
    with pytest.raises(ValueError, match="probably truncated"):
        read_packed(cut)


def test_a_variant_has_the_others_stars(reference, tmp_path):
    path = write_packed(tmp_path / "mine.h5", fwhm_aa=2.51)
    other = SSPLibrary.read(path, resolution=([3000.0, 11000.0], [2.51, 2.51]))
    # Another initial mass function: every population brighter by one number.
    joined = with_variant(reference, replace(other, spectra=other.spectra * 1.7), "toy")
    wave_aa, ratio = joined.wave_aa, joined.variants["toy"] / joined.spectra
    old = (joined.age_yr > 3e8) & (joined.age_yr < 1.2e10)
    inside = (wave_aa > 4800) & (wave_aa < 8900)
    expected = 1 + 0.05 * np.tanh((wave_aa - 7000.0) / 500.0)
    level = expected[(wave_aa > 5450) & (wave_aa < 5550)].mean()
    # The same stars, so that only the 5 % in the red differ: lines agree to what interpolation in age and Z leaves.
    found = ratio[2][old][:, inside] / (expected / level)[inside]
    assert np.abs(np.log(found)).mean() < 0.02
    assert np.abs(np.log(found / np.median(found, axis=1, keepdims=True))).mean() < 0.004
    # Younger than it has, the reference's; beyond its wavelengths, its last ratio.
    np.testing.assert_allclose(ratio[:, joined.age_yr < 1.4e7], 1.0, rtol=1e-6)
    assert np.ptp(ratio[2, -3, wave_aa < 3400]) < 1e-5


def test_lines_are_brought_to_the_references_resolution(reference, packed):
    def with_line(library, fwhm_aa):
        x = (library.wave_aa - 5175.0) / (fwhm_aa / FWHM_PER_SIGMA)
        profile = np.exp(-0.5 * x**2) / (np.sqrt(2 * np.pi) * fwhm_aa / FWHM_PER_SIGMA)
        return replace(library, spectra=np.ones_like(library.spectra) * (1 - 0.5 * profile))

    joined = with_variant(with_line(reference, 2.51), with_line(SSPLibrary.read(packed), 1.0), "toy")
    near = np.abs(joined.wave_aa - 5175) < 15
    np.testing.assert_allclose(joined.variants["toy"][2, -3, near], joined.spectra[2, -3, near], atol=0.01)


def test_young_variants_leave_old_stars_alone(reference, tmp_path):
    ages = np.array([0.001, 0.003, 0.01, 0.02, 0.03, 0.04, 0.06])
    young = SSPLibrary.read(write_packed(tmp_path / "bpass_y.h5", ages_gyr=ages))
    joined = with_variant(reference, young, "toy", young=True)
    ratio = joined.variants["toy"] / joined.spectra
    np.testing.assert_allclose(ratio[:, joined.age_yr > 1e8], 1.0, rtol=1e-6)
    assert np.ptp(ratio[2, joined.age_yr < 3e7].mean(axis=0)[1000:]) > 0.05


def test_libraries_that_do_not_fit_are_refused(reference, tmp_path, packed):
    other = SSPLibrary.read(packed)
    with pytest.raises(ValueError, match=r"\+8\d km/s .* look like those in vacuum"):
        with_variant(reference, SSPLibrary.read(write_packed(tmp_path / "bpass_v.h5", shift_kms=83.0)), "toy")
    with pytest.raises(ValueError, match="bring both to one medium"):
        with_variant(reference, replace(other, meta={**other.meta, "medium": "vacuum"}), "toy")
    with pytest.raises(ValueError, match=r"4750 \.\. 9400 are needed"):
        with_variant(reference, other.trim(5000.0, 12000.0), "toy")
    with pytest.raises(ValueError, match="2 ages between 1 and 12 Gyr"):
        with_variant(reference, other.select_ages(2.5e9), "toy")
    broad = {"wave_aa": [3000.0, 11000.0], "fwhm_aa": [8.0, 8.0]}
    with pytest.raises(ValueError, match="broader than the reference"):
        with_variant(reference, replace(other, meta={**other.meta, "resolution": broad}), "toy")
    spectra = other.spectra.copy()
    spectra[1, 4, 5000:5100] = 0.0
    with pytest.raises(ValueError, match="holes that do not run to the red end"):
        with_variant(reference, replace(other, spectra=spectra), "toy")
    with pytest.raises(ValueError, match="no variants sun; there are emiles_basti"):
        add_variants(reference, {"sun": packed})


def test_red_holes_are_filled_from_the_reference(reference, packed):
    other = SSPLibrary.read(packed)
    spectra = other.spectra.copy()
    spectra[2, 1, other.wave_aa > 9000] = 0.0
    whole, mended = (
        with_variant(reference, library, "toy").variants["toy"]
        for library in (other, replace(other, spectra=spectra))
    )
    assert mended.min() > 0
    np.testing.assert_allclose(mended[2], whole[2], rtol=0.05)


def test_alpha_changes_the_lines_not_the_light(reference, packed):
    base = SSPLibrary.read(packed)
    line = 1 - 0.2 * np.exp(-0.5 * ((base.wave_aa - 5175.0) / 20.0) ** 2)
    joined = with_alpha(reference, replace(base, spectra=base.spectra * line * 1.3), base)
    ratio = joined.variants["alpha"] / joined.spectra
    wave_aa = joined.wave_aa
    assert ratio[2, -3, np.abs(wave_aa - 5175).argmin()] == pytest.approx(0.8, abs=0.005)
    np.testing.assert_allclose(ratio[:, :, (wave_aa > 5450) & (wave_aa < 5550)].mean(axis=2), 1.0, rtol=1e-3)
    with pytest.raises(ValueError, match="do not have the same ages"):
        with_alpha(reference, base, base.select_ages(5e9))


def test_metallicities_are_added_at_both_ends(reference, tmp_path):
    mh = np.array([-2.0, -1.0, 0.0, 0.4])
    path = write_packed(tmp_path / "bpass_z.h5", star_mh=mh)
    meta = {**reference.meta, "ionizing_photons": [[4.0], [3.0], [2.0], [1.0]]}
    longer = extend_metallicities(replace(reference, meta=meta), SSPLibrary.read(path))
    np.testing.assert_allclose(longer.z, [0.00019, *reference.z, 0.019 * 10**0.4])
    np.testing.assert_array_equal(longer.spectra[1:-1], reference.spectra)
    assert longer.meta["ionizing_photons"] == [[4.0], [4.0], [3.0], [2.0], [1.0], [1.0]]
    # Lines weaken and deepen on, as the other library's do.
    at = np.abs(longer.wave_aa - 5172.7).argmin()
    near = longer.spectra[:, -4, at] / longer.spectra[:, -4, at + 12]
    assert near[0] > near[1] and near[-1] < near[-2]
    np.testing.assert_array_equal(extend_metallicities(longer, SSPLibrary.read(path)).z, longer.z)


def test_offsets_are_measured(reference):
    wave_aa = reference.wave_aa
    there = np.log(reference.spectra[2:3, -4:-2])
    moved = np.log(
        np.stack([np.interp(wave_aa, wave_aa * (1 + 42 / C_KMS), np.exp(row)) for row in there[0]])[None]
    )
    assert offset_kms(wave_aa, moved, there) == pytest.approx(42, abs=3)


def test_variants_survive_writing_cutting_and_checking(reference, packed, tmp_path):
    joined = with_variant(reference, SSPLibrary.read(packed), "toy")
    read = SSPLibrary.read(joined.write(tmp_path / "joined.h5", dtype="float32"))
    np.testing.assert_allclose(read.variants["toy"], joined.variants["toy"], rtol=1e-6)
    assert read.trim(4000, 5000).variants["toy"].shape == read.trim(4000, 5000).spectra.shape
    assert read.select_ages(1e9).variants["toy"].shape == read.select_ages(1e9).spectra.shape
    with pytest.raises(ValueError, match="variant 'toy' has shape"):
        replace(read, variants={"toy": read.spectra[:1]})
