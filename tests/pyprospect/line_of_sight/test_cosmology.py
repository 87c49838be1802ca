"""Distances and ages: celestial's numbers, and limits that need no oracle."""

import numpy as np
import pytest

from pyprospect.line_of_sight import cosmology as cos

FUNCTIONS = {
    "cosdistCoDist": cos.co_dist_mpc,
    "cosdistLumDist": cos.lum_dist_mpc,
    "cosdistAngDist": cos.ang_dist_mpc,
    "cosdistDistMod": cos.dist_mod,
    "cosdistTravelTime": lambda z, **k: cos.travel_time_yr(z, **k) / 1e9,
    "cosdistUniAgeAtz": lambda z, **k: cos.universe_age_yr(z, **k) / 1e9,
}


def test_celestial(reference, parity):
    group = reference["unit/cosmology"]
    z = group["z"][()]
    for name in group:
        if name == "z":
            continue
        args = dict(group[name]["args"].attrs)
        for quantity, function in FUNCTIONS.items():
            parity.check("unit/cosmology", function(z, **args), group[name][quantity][()], 1e-12, label=name)
        # R's volume in a curved universe cancels as curvature * distance^2, all of it near z = 0
        k = cos.cosmology(**args).OmegaK
        far = np.abs(k) * z**2 > 1e-5 if k else z > 0
        ours = cos.co_vol_gpc3(z, area_deg2=1.0, **args)
        theirs = group[name]["cosvol_1deg2_Gpc3"][()]
        parity.check("unit/cosmology volume", ours[far], theirs[far], 1e-9, label=name)


def test_einstein_de_sitter_has_closed_forms():
    z = np.array([0.1, 1.0, 9.0])
    args = {"H0": 70.0, "OmegaM": 1.0, "OmegaL": 0.0}
    hubble = 299792.458 / 70.0
    np.testing.assert_allclose(cos.co_dist_mpc(z, **args), 2 * hubble * (1 - (1 + z) ** -0.5), rtol=1e-12)
    age = 2 / 3 * cos.cosmology(**args).hubble_time_yr
    np.testing.assert_allclose(cos.universe_age_yr(z, **args), age * (1 + z) ** -1.5, rtol=1e-12)


def test_empty_universe_is_hyperbolic():
    # Milne: transverse comoving distance = D_H sinh(ln(1+z))
    z = 2.0
    distance = cos.lum_dist_mpc(z, H0=70.0, OmegaM=0.0, OmegaL=0.0)
    assert distance == pytest.approx(3 * 299792.458 / 70 * np.sinh(np.log(3.0)), rel=1e-12)


def test_small_curvature_joins_flat_smoothly():
    flat = cos.co_vol_gpc3(0.5, OmegaM=0.3, OmegaL=0.7)
    for k in (1e-4, 1e-6, 1e-9, -1e-9, -1e-6, -1e-4):
        assert cos.co_vol_gpc3(0.5, OmegaM=0.3, OmegaL=0.7 - k) == pytest.approx(flat, rel=2 * abs(k) + 1e-11)


def test_age_and_travel_time_add_up():
    total = cos.universe_age_yr(0.0, ref="Planck15")
    for z in (0.01, 1.0, 8.0):
        parts = cos.travel_time_yr(z, ref="planck15") + cos.universe_age_yr(z, ref="PLANCK15")
        assert parts == pytest.approx(total, rel=1e-11)


def test_shapes_and_scalars():
    assert isinstance(cos.lum_dist_mpc(0.1), float)
    assert cos.lum_dist_mpc([[0.1, 0.2]]).shape == (1, 2)
    assert cos.lum_dist_mpc(0.0) == 0.0
    assert np.isneginf(cos.dist_mod(0.0)) and np.isnan(cos.dist_mod(-0.01))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cos.lum_dist_mpc(-1.0), "must be between -0.999"),
        (lambda: cos.lum_dist_mpc([0.1, np.nan]), "finite"),
        (lambda: cos.lum_dist_mpc(0.1, ref="Planck99"), "planck15"),
        (lambda: cos.lum_dist_mpc(0.1, H0=0.0), "H0=0.0 must be between 0.001 "),
        (lambda: cos.lum_dist_mpc(0.1, OmegaM=-0.1), "negative"),
        (lambda: cos.lum_dist_mpc(0.1, OmegaM=np.nan), "finite"),
        (lambda: cos.lum_dist_mpc(3.0, OmegaM=0.1, OmegaL=4.0), "no big bang"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
