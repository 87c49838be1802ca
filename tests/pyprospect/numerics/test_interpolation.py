"""Splines and table interpolation beyond the comparison with R."""

import numpy as np
import pytest

from pyprospect.numerics.interpolation import FmmSpline, MonotoneSpline, interp_param, interp_quick


def test_monotone_spline_is_monotone_and_straight_outside():
    x = np.array([0.0, 1.0, 2.0, 5.0, 6.0])
    spline = MonotoneSpline(x, [0.0, 0.1, 3.0, 3.1, 9.0])
    fine = spline(np.linspace(0, 6, 1001))
    assert np.all(np.diff(fine) >= 0)
    np.testing.assert_allclose(spline(x), [0.0, 0.1, 3.0, 3.1, 9.0])
    np.testing.assert_allclose(np.diff(spline(np.array([7.0, 8.0, 9.0])), 2), 0, atol=1e-12)


def test_fmm_spline_reproduces_cubics_everywhere():
    def cubic(x):
        return 1 - 2 * x + 0.5 * x**2 + 0.3 * x**3

    x = np.array([0.0, 0.7, 1.9, 2.0, 4.0, 5.5])
    np.testing.assert_allclose(FmmSpline(x, cubic(x))(np.linspace(-2, 8, 50)), cubic(np.linspace(-2, 8, 50)))


def test_table_weights():
    found = interp_param([0.5, 1.0, 10**0.25, 100.0, 1e3], [1.0, 10.0, 100.0], log=True)
    np.testing.assert_array_equal(found.flag, [1, 0, 2, 0, 3])
    np.testing.assert_array_equal(found.id_lo, [0, 0, 0, 2, 2])
    np.testing.assert_allclose(found.wt_hi, [0, 0, 0.25, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found.wt_lo + found.wt_hi, 1)
    assert interp_quick(0.1, [1.0, 2.0]) == (0, 0, 1.0, 0.0)
    assert interp_quick(9.0, [1.0, 2.0]) == (1, 1, 0.0, 1.0)


def test_bad_input():
    with pytest.raises(ValueError, match="ascend"):
        interp_param(1.0, [2.0, 1.0])
    with pytest.raises(ValueError, match="are NaN"):
        interp_param(np.nan, [1.0, 2.0])
    with pytest.raises(ValueError, match="positive nodes"):
        interp_param(1.0, [0.0, 2.0], log=True)
    with pytest.raises(ValueError, match="vector"):
        interp_param(1.0, [[1.0, 2.0]])
    for spline in (MonotoneSpline, FmmSpline):
        with pytest.raises(ValueError, match="ascend"):
            spline([0, 2, 1, 3], [0, 0, 0, 0])
        with pytest.raises(ValueError, match="equal vectors"):
            spline([0, 1, 2, 3], [0, 0, 0])
