"""Nuclei: the tabulated template, and interpolation in torus grids."""

import numpy as np
import pandas as pd
import pytest

from pyprospect.prospect import agn

WAVE = np.geomspace(1e3, 1e7, 30)
AXES = {"ct": np.array([20.0, 40.0]), "an": np.array([0.0, 30.0, 90.0])}


def grid(kind="Fritz"):
    ct, an = np.meshgrid(AXES["ct"], AXES["an"], indexing="ij")
    return agn.AGNGrid(kind, AXES, WAVE, (ct + 2 * an)[..., None] * WAVE)


def test_template_is_prospects(reference, parity, prospect_tables):
    ours, stored = agn.agn_template(), reference["sed/AGN_UnOb_Sparse"]
    parity.check("sed/AGN_UnOb_Sparse", ours.Wave, stored["Wave"][()], 1e-14)
    parity.check("sed/AGN_UnOb_Sparse", ours.Aspec, stored["Aspec"][()], 1e-14)


@pytest.mark.parametrize(
    "given",
    [
        (WAVE, WAVE**2),
        np.stack([WAVE, WAVE**2], axis=1),
        {"Wave": WAVE, "Aspec": WAVE**2},
        pd.DataFrame({"Wave": WAVE, "Aspec": WAVE**2}),
        agn.AGNTemplate(WAVE, WAVE**2),
    ],
)
def test_forms(given):
    out = agn.as_agn(given)
    np.testing.assert_array_equal(out.Wave, WAVE)
    np.testing.assert_array_equal(out.Aspec, WAVE**2)


def test_no_nucleus():
    assert agn.as_agn(None) is None and agn.as_agn(False) is None


def test_grid_is_linear_between_nodes_and_clamped_beyond():
    at = agn.agn_grid_interp(grid(), lum=2.0, ct=25.0, an=60.0)
    np.testing.assert_allclose(at.Aspec, 2.0 * (25.0 + 120.0) * WAVE)
    beyond = agn.agn_grid_interp(grid(), lum=1.0, ct=0.0, an=120.0)
    np.testing.assert_allclose(beyond.Aspec, (20.0 + 180.0) * WAVE)


def test_skirtor_scale():
    out = agn.agn_grid_interp(grid("SKIRTOR"), lum=3.839e44, ct=40.0, an=30.0)
    np.testing.assert_allclose(out.Aspec, 100.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: agn.as_agn("Seyfert"), "unknown"),
        (lambda: agn.as_agn(np.ones((3, 3))), "not a template"),
        (lambda: agn.as_agn({"Wave": WAVE}), "needs Wave and Aspec"),
        (lambda: agn.as_agn((WAVE[::-1], WAVE)), "ascending"),
        (lambda: agn.AGNGrid("Fritz", AXES, WAVE, np.ones((2, 2, 30))), "ask for"),
        (lambda: agn.AGNGrid("Clumpy", AXES, WAVE, np.ones((2, 3, 30))), "unknown"),
        (lambda: agn.agn_grid_interp(grid(), 1.0, ct=30.0), "'an'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
