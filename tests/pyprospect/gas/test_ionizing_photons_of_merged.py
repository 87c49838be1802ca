"""Ionising photons that a young library states survive its joining to one without light below the Lyman limit."""

import numpy as np
import pytest

from pyprospect.gas.ionizing_light import library_ionizing_photons, with_ionizing_photons
from pyprospect.stars.library import SSPLibrary
from pyprospect.stars.merge import merge
from pyprospect.stars.toy import toy_library

SEAM_YR = 10**8.0


@pytest.fixture(scope="module")
def libraries():
    young = with_ionizing_photons(toy_library())
    return young, young.trim(1700.0, 11000.0)


def test_photons_of_constant_star_formation_are_kept(libraries):
    young, old = libraries
    merged = merge(young, old, SEAM_YR)
    photons = library_ionizing_photons(merged)
    assert photons.shape == (merged.z.size, merged.age_yr.size)
    # the same stars on both sides of the seam: factors of one
    factor = np.array(list(merged.meta["merge"]["factor_per_z"].values()))
    np.testing.assert_allclose(factor, 1.0, rtol=1e-3)
    made = photons @ np.diff(merged.age_edges_yr)
    # integrated over the young library's own ages, in time
    fine = np.linspace(0.0, SEAM_YR, 200_001)
    own = library_ionizing_photons(young)
    expected = [np.trapezoid(np.interp(fine, young.age_yr, row), fine) for row in own]
    np.testing.assert_allclose(made, expected, rtol=1e-3)
    assert np.all(photons[:, merged.age_edges_yr[:-1] >= SEAM_YR] == 0)


def test_they_outlive_a_file_and_fewer_ages(libraries, tmp_path):
    merged = merge(*libraries, SEAM_YR)
    read = SSPLibrary.read(merged.write(tmp_path / "x.h5"))
    np.testing.assert_allclose(library_ionizing_photons(read), library_ionizing_photons(merged))
    short = read.select_ages(5e9)
    np.testing.assert_allclose(
        library_ionizing_photons(short), library_ionizing_photons(merged)[:, : short.age_yr.size]
    )


def test_a_library_that_never_had_any_says_so(libraries):
    bare = toy_library().trim(1700.0, 11000.0)
    with pytest.raises(ValueError, match="above the Lyman limit"):
        library_ionizing_photons(bare)
    wrong = SSPLibrary(
        **{f: getattr(bare, f) for f in bare.__dataclass_fields__ if f != "meta"},
        meta={"ionizing_photons": [[1.0]]},
    )
    with pytest.raises(ValueError, match=r"notes ionising photons of shape \(1, 1\)"):
        library_ionizing_photons(wrong)
