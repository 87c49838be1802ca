"""Line grids behind one interface: against ProSpect's own interpolation, atomic physics, and each other."""

import gzip

import numpy as np
import pytest

from pyprospect import ClampWarning, sfh_func
from pyprospect.constants import LSOL_ERG_S
from pyprospect.gas.line_grids import C_CM_S, LineGrid, constant_sfr_weights
from pyprospect.gas.lines import line_luminosities, lkl10


@pytest.fixture(scope="module")
def grids(prospect_tables, upstream):
    return {
        "lkl10": LineGrid.lkl10(),
        "mappings": LineGrid.mappings51(upstream("mappings51")),
        "cloudy": LineGrid.cloudy(upstream("cloudy_nebular")),
    }


def ratio_of(grid, wave_aa, over_aa, z, log_u):
    ratios = grid.ratios(z, C_CM_S * 10**log_u)
    line, over = (ratios[np.argmin(np.abs(grid.wave_aa - wave))] for wave in (wave_aa, over_aa))
    return line / over


def test_lkl10_grid_is_prospects_table(grids):
    grid = grids["lkl10"]
    assert grid.ratio.shape == (5, 7, 47)
    for z, q in ((0.001, 1e7), (0.0031, 3.3e7), (0.02, 1e8), (0.04, 4e8)):
        wave_aa, lum = line_luminosities(Ha_lum=1.0, Z=z, q=q)
        order = np.argsort(wave_aa, kind="stable")
        np.testing.assert_allclose(grid.ratios(z, q), lum[order], rtol=1e-14)
    assert np.sum(grid.hydrogen) == np.sum(lkl10().element == "H")


@pytest.mark.parametrize("norm", ["All", "Hbeta", "Hlines", "Halpha"])
def test_norms_agree_with_prospects(grids, norm):
    theirs, ours = lkl10(norm), grids["lkl10"](norm)
    order = np.argsort(theirs.wave_aa, kind="stable")
    assert ours.norm == norm
    # the stored tables carry seven digits
    np.testing.assert_allclose(ours.linelum, theirs.linelum[:, order], rtol=2e-6)
    assert ours.element.tolist() == theirs.element[order].tolist()


@pytest.mark.parametrize("name", ["mappings", "cloudy"])
def test_photoionisation_grids_follow_atomic_physics(grids, name):
    """Case B at 5,000 to 15,000 K (Storey & Hummer 1995), and ratios that the atoms fix."""
    grid = grids[name]
    for z in (0.004, 0.01, 0.02):
        for log_u in (-3.3, -2.7):
            assert 2.74 < ratio_of(grid, 6562.8, 4861.3, z, log_u) < 3.05
            assert 0.455 < ratio_of(grid, 4340.5, 4861.3, z, log_u) < 0.478
            assert 0.15 < ratio_of(grid, 3970.07, 4861.3, z, log_u) < 0.168
            assert 0.016 < ratio_of(grid, 9014.91, 4861.3, z, log_u) < 0.021
            assert ratio_of(grid, 5006.8, 4958.9, z, log_u) == pytest.approx(2.98, rel=0.04)
            assert ratio_of(grid, 6583.45, 6548.05, z, log_u) == pytest.approx(3.05, rel=0.04)
    # [NII]/Ha rises with metallicity, [OIII]/Hb with ionisation
    assert ratio_of(grid, 6583.45, 6562.8, 0.02, -3) > 2 * ratio_of(grid, 6583.45, 6562.8, 0.004, -3)
    assert ratio_of(grid, 5006.8, 4861.3, 0.01, -2.5) > 2 * ratio_of(grid, 5006.8, 4861.3, 0.01, -3.3)


def test_lkl10_balmer_decrement_is_not_case_b(grids):
    """ProSpect's LKL10 tables have Halpha/Hbeta near 2.2 where case B has 2.86: as stored, and worth knowing."""
    assert 2.1 < ratio_of(grids["lkl10"], 6562.8, 4861.3, 0.02, -3) < 2.3


def test_axes(grids):
    mappings = grids["mappings"]
    np.testing.assert_allclose(mappings.log_u[[0, -1]], [-4, -2], atol=1e-6)
    assert mappings.z[5] == pytest.approx(0.01425, rel=1e-4)
    assert grids["cloudy"].z.tolist() == pytest.approx([1e-4, 4e-4, 0.004, 0.008, 0.02, 0.05, 0.1])
    window = mappings.select(4750, 9350)
    assert "OIII5007" in window.names
    assert window.wave_aa.min() > 4750
    with pytest.raises(ValueError, match="no line between"):
        mappings.select(1, 2)


def test_pressure_must_be_a_node(upstream):
    folder = upstream("mappings51")
    dense = LineGrid.mappings51(folder, log_pressure=7.4)
    thin = LineGrid.mappings51(folder, log_pressure=5.0)
    # [SII] 6716/6731 falls with density from its low-density limit of about 1.44
    assert (
        ratio_of(dense, 6716.4, 6730.8, 0.01, -3)
        < 0.8
        < 1.3
        < ratio_of(thin, 6716.4, 6730.8, 0.01, -3)
        < 1.46
    )
    with pytest.raises(ValueError, match=r"is no node.*choose one of"):
        LineGrid.mappings51(folder, log_pressure=6.0)


def test_bad_input(grids, upstream, tmp_path):
    grid = grids["mappings"]
    with pytest.warns(ClampWarning, match=r"Z=0.5 is outside"):
        clamped = grid.ratios(0.5, 3e7)
    np.testing.assert_array_equal(clamped, grid.ratios(grid.z[-1], 3e7))
    with pytest.raises(ValueError, match="give a positive number"):
        grid.ratios(-0.01, 3e7)
    with pytest.raises(ValueError, match="n_line"):
        LineGrid("x", ("a",), np.array([1.0, 2.0]), grid.z, grid.q, grid.ratio, "")
    with pytest.raises(ValueError, match="norm='Hgamma'"):
        grid("Hgamma")
    whole = gzip.decompress((upstream("mappings51") / "NB_HII_grid.fits.gz").read_bytes())
    (tmp_path / "NB_HII_grid.fits").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"NB_HII_grid\.fits is not whole"):
        LineGrid.mappings51(tmp_path / "NB_HII_grid.fits")
    with pytest.raises(ValueError, match="covers 0 to"):
        LineGrid.cloudy(upstream("cloudy_nebular"), age_max_yr=1e9)


def test_constant_sfr_weights():
    age_yr = np.array([1e6, 1e7, 1e8])
    weights = constant_sfr_weights(age_yr, 2e7)
    np.testing.assert_allclose(weights, [10**6.5, 2e7 - 10**6.5, 0])
    assert weights.sum() == pytest.approx(2e7)


@pytest.mark.parametrize("name", ["mappings", "cloudy"])
def test_sfh_func_takes_any_grid(grids, libraries, name):
    """The same galaxy with another grid: the same Halpha light, other ratios."""
    result = sfh_func(
        massfunc="const",
        mSFR=2.0,
        Z=0.02,
        speclib=libraries("toy"),
        z=0.0,
        filters=None,
        emission=True,
        emission_scale="SFR",
        LKL10=grids[name],
        tau_birth=0,
        tau_screen=0,
        sparse=1,
    )

    def power(at_aa, half_aa=6.0):
        inside = np.abs(result.wave_lum - at_aa) < half_aa
        lines = (result.lum_atten - result.lum_unatten)[inside]
        return np.trapezoid(lines, result.wave_lum[inside])

    halpha = power(6562.8)
    assert halpha == pytest.approx(2.0 * 21612724.0, rel=0.01)
    assert halpha * LSOL_ERG_S > 1e41
    q = 2.8e7 * (0.02 / 0.012) ** -1.3
    expected = ratio_of(grids[name], 5006.8, 6562.8, 0.02, np.log10(q / C_CM_S))
    assert power(5006.8) / halpha == pytest.approx(expected, rel=0.02)
