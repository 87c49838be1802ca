"""Mocks unlike those of the training."""

from itertools import pairwise

import numpy as np
import pytest

from sfhnet.config import Config
from sfhnet.config.prior_names import FAMILY_NAMES
from sfhnet.priors.stress import draw_stress


def small(**prior):
    config = Config()
    return config.model_copy(
        update={
            "validation": config.validation.model_copy(update={"stress_galaxies": 200}),
            "prior": config.prior.model_copy(update=prior),
        }
    )


def test_spiky_histories_are_spiky_and_their_own():
    config = small()
    drawn = draw_stress("spiky", config)
    assert drawn.n == 200
    assert drawn.mass.sum(axis=1) == pytest.approx(1.0)
    edges = np.asarray(config.age_bins_myr) * 1e6
    bins = np.stack(
        [
            drawn.mass[:, (drawn.edges_yr[:-1] >= a) & (drawn.edges_yr[1:] <= b)].sum(1)
            for a, b in pairwise(edges)
        ],
        axis=1,
    )
    # Dirichlet(0.2) over 16 bins: E[sum w^2] = (alpha + 1) / (n alpha + 1).
    assert (bins**2).sum(axis=1).mean() == pytest.approx(1.2 / 4.2, abs=0.05)
    assert {FAMILY_NAMES[k] for k in drawn.family} == {"spiky"}
    assert (drawn.z > 0).all() and (drawn.z < 0.1).all()
    again = draw_stress("spiky", config)
    assert np.array_equal(drawn.mass, again.mass)
    assert np.array_equal(drawn.z, again.z)


def test_held_out_draws_only_the_families_that_training_lacks():
    drawn = draw_stress("held_out", small(held_out_families=["rejuvenated"]))
    assert {FAMILY_NAMES[k] for k in drawn.family} == {"rejuvenated"}
    with pytest.raises(ValueError, match="no family is held out"):
        draw_stress("held_out", small())
    with pytest.raises(ValueError, match="no stress mocks"):
        draw_stress("odd", small())
