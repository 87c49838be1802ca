"""Gas that no posterior holds stands at its median in the forward model, as the mocks have it."""

import numpy as np
import pytest
import torch

from ingredients import AGE_EDGES_MYR, WAVE_AA, gas_lines, toy_stars
from pyprospect.fast.synthesizer import Synthesizer
from sfhnet.predictive_check.forward_model import Forward


def test_an_old_galaxy_has_the_lines_of_diffuse_gas():
    synthesizer = Synthesizer(toy_stars(), WAVE_AA[::4], veldisp_kms=(150.0,), lines=gas_lines())
    fraction = np.zeros((1, len(AGE_EDGES_MYR) - 1))
    fraction[0, -1] = 1.0
    samples = {"mass_fraction": fraction, "mh": np.zeros_like(fraction)}
    samples |= {
        name: np.zeros(1) for name in ("tau_birth", "tau_screen", "bump", "log_line_scale", "log_u_offset")
    }
    samples |= {name: np.full(1, -0.7) for name in ("pow_birth", "pow_screen")}
    lines = {}
    for ew in (0.0, 0.5, 2.0):
        forward = Forward(synthesizer, AGE_EDGES_MYR, 150.0, gas={"line_mix": 0.5, "diffuse_ew_aa": ew})
        lines[ew] = forward(forward.vectors(samples), torch.zeros(1)).line_flux[0]
    # what the floor of the mass fractions leaves of young stars is the same in all
    wide, narrow = lines[2.0] - lines[0.0], lines[0.5] - lines[0.0]
    assert float(wide.min()) > 0
    assert float((wide / narrow).mean()) == pytest.approx(4.0, rel=1e-3)
