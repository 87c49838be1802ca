"""Initial mass functions: R's numbers, mass conservation, bins."""

from itertools import pairwise

import pytest
from scipy.integrate import quad

from pyprospect.stars import imf

IMFS = {"Chabrier": imf.imf_chabrier, "Kroupa": imf.imf_kroupa, "Salpeter": imf.imf_salpeter}
BINS = {"lo": [0.1, 1.0, 8.0], "hi": [1.0, 8.0, 100.0]}


@pytest.mark.parametrize("name", IMFS)
def test_reference(name, reference, parity):
    group, function = reference["unit/IMF"], IMFS[name]
    mass = group["mass"][()]
    parity.check("unit/IMF", function(mass, compat=True), group[name][()], 1e-12, label=name)
    by_mass = function(mass, massmult=True, compat=True)
    parity.check("unit/IMF", by_mass, group[f"{name}_massmult"][()], 1e-12, label=name)
    binned = function(BINS, massmult=True, compat=True)
    parity.check("unit/IMF", binned, group[f"{name}_binned_lo0.1_1_8_hi1_8_100"][()], 1e-12, label=name)


@pytest.mark.parametrize("name", IMFS)
def test_default_mode_integrates_to_the_mass_formed(name):
    edges = [0.01, 0.08, 0.1, 0.5, 1.0, 150.0]
    options = {"epsabs": 0, "epsrel": 1e-11, "limit": 200}

    def density(m):
        return float(IMFS[name](m, massform=7.0, massmult=True))

    total = sum(quad(density, a * (1 + 1e-15), b * (1 - 1e-15), **options)[0] for a, b in pairwise(edges))
    assert total == pytest.approx(7.0, rel=1e-9)
    whole = IMFS[name]({"lo": [0.001], "hi": [1000.0]}, massform=7.0, massmult=True)
    assert whole[0] == pytest.approx(7.0, rel=1e-11)


def test_r_tolerance_is_what_compat_adds():
    exact, r = (imf.imf_chabrier(1.5, compat=c) for c in (False, True))
    assert 1e-7 < abs(r / exact - 1) < 1e-5


@pytest.mark.parametrize(
    ("mass", "options", "message"),
    [
        ([-1.0], {}, "must be positive"),
        ([1.0], {"masslow": 10.0, "massmax": 1.0}, "ascending"),
        ({"lo": [1.0]}, {}, "'lo' and 'hi'"),
        ({"lo": [1.0], "hi": [0.5]}, {}, "lo <= hi"),
    ],
)
def test_bad_input(mass, options, message):
    with pytest.raises(ValueError, match=message):
        imf.imf_kroupa(mass, **options)
