"""Constants: ProSpect's to the digit, astropy's within their rounding."""

import astropy.constants as ac
import astropy.units as u
import pytest

from pyprospect import constants

PROSPECT = {
    "c_to_mps": "C_MPS",
    "cgs_to_jansky": "CGS_TO_JANSKY",
    "cm_to_mpc": "CM_TO_MPC",
    "erg_to_lsol": "ERG_S_TO_LSOL",
    "jansky_to_cgs": "JANSKY_CGS",
    "jansky_to_si": "JANSKY_SI",
    "kg_to_msol": "KG_TO_MSOL",
    "lsol_to_absolute": "LSOL_TO_ABSOLUTE",
    "lsol_to_erg": "LSOL_ERG_S",
    "lsol_to_w": "LSOL_W",
    "m_to_pc": "M_TO_PC",
    "mpc_to_cm": "MPC_CM",
    "mpc_to_m": "MPC_M",
    "mps_to_c": "MPS_TO_C",
    "msol_to_kg": "MSOL_KG",
    "pc_to_m": "PC_M",
    "si_to_jansky": "SI_TO_JANSKY",
    "w_to_lsol": "W_TO_LSOL",
}


def test_all_constants_are_prospects(reference, parity):
    theirs = reference["unit/constants"].attrs
    assert set(theirs) == set(PROSPECT)
    for name, ours in PROSPECT.items():
        parity.check("unit/constants", getattr(constants, ours), theirs[name], 1e-15, label=name)


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance"),
    [
        (constants.C_MPS, ac.c.si.value, 0),
        (constants.LSOL_W, ac.L_sun.si.value, 0),
        (constants.LSOL_ERG_S, ac.L_sun.cgs.value, 1e-15),
        (constants.PC_M, ac.pc.si.value, 1e-6),
        (constants.MPC_CM, (1 * u.Mpc).cgs.value, 1e-6),
        (constants.MSOL_KG, ac.M_sun.si.value, 1e-3),
        (constants.JANSKY_SI, u.Jy.to(u.W / u.m**2 / u.Hz), 1e-15),
        (1 / constants.ERG_S_TO_LSOL, constants.LSOL_ERG_S, 1e-5),
        (1 / constants.CM_TO_MPC, constants.MPC_CM, 1e-5),
    ],
)
def test_constants_agree_with_astropy(ours, theirs, tolerance):
    assert ours == pytest.approx(theirs, rel=tolerance or 1e-16)
