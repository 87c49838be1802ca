"""Intergalactic absorption: R's numbers and the limits of the model."""

import numpy as np
import pytest

from pyprospect.line_of_sight import igm

TERMS = {
    "tau_IGM_LSLAF": igm.tau_igm_lslaf,
    "tau_IGM_LSDLA": igm.tau_igm_lsdla,
    "tau_IGM_LCLAF": igm.tau_igm_lclaf,
    "tau_IGM_LCDLA": igm.tau_igm_lcdla,
}


def test_inoue14(reference, parity, prospect_tables):
    group = reference["unit/IGM"]
    wave = group["wave_obs"][()]
    for i, z in enumerate(group["z"][()]):
        for name, tau in TERMS.items():
            parity.check("unit/IGM", tau(wave, z), group[name][i], 1e-12, label=f"{name} z={z}")
        parity.check("unit/IGM", igm.inoue14_igm(wave, z), group["transmission"][i], 1e-12, label=f"z={z}")


def test_coefficients_can_be_given(reference, prospect_tables):
    group = reference["unit/IGM"]
    tables = {}
    for name in ("LAFcoef", "DLAcoef"):
        columns = [str(c) for c in group[name].attrs["columns"]]
        tables[f"Inoue14_{name}"] = dict(zip(columns, group[name][()].T, strict=True))
    wave = group["wave_obs"][()]
    np.testing.assert_allclose(igm.inoue14_igm(wave, 3.0, **tables), igm.inoue14_igm(wave, 3.0), rtol=1e-13)


def test_transmission_is_a_fraction_and_ends_at_lyman_alpha(prospect_tables):
    wave = np.linspace(1000.0, 12000.0, 5001)
    previous = np.ones_like(wave)
    for z in (0.5, 2.0, 4.0, 6.0):
        t = igm.inoue14_igm(wave, z)
        assert np.all((t >= 0) & (t <= 1))
        assert np.all(t[wave > 1215.67 * (1 + z)] == 1.0)
        # a source further away is behind at least as much gas
        shared = wave > 1215.67
        assert np.all(t[shared] <= previous[shared] + 1e-12)
        previous = t


def test_flat():
    wave_obs = np.array([900.0, 1000.0, 1300.0]) * 1.5
    np.testing.assert_array_equal(igm.flat_igm(wave_obs, 0.5, 0.4), [0.0, 0.6, 1.0])
    np.testing.assert_array_equal(igm.flat_igm(wave_obs, 0.5, 0.0), 1.0)


@pytest.mark.parametrize("absorb", [-0.1, 1.5, np.nan])
def test_bad_fraction(absorb):
    with pytest.raises(ValueError, match="between 0 and 1"):
        igm.flat_igm([1000.0], 0.5, absorb)
