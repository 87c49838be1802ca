"""The list of emission lines: what is hidden lies on lines, and nothing else is."""

import numpy as np
import pytest

from ingredients import WAVE_AA
from sfhnet.core.batch import WINDOWS_AA
from sfhnet.core.emission_lines import LINE_GROUPS, LINES_AA, line_pixels


def test_pixels_are_those_near_lines():
    hidden = line_pixels(WAVE_AA, 10.0, ["balmer"])
    assert set(np.flatnonzero(hidden)) == set(
        np.flatnonzero((np.abs(WAVE_AA - 4861.33) <= 10) | (np.abs(WAVE_AA - 6562.8) <= 10))
    )
    every = line_pixels(WAVE_AA, 10.0)
    assert (every == np.any([line_pixels(WAVE_AA, 10.0, [group]) for group in LINE_GROUPS], axis=0)).all()
    assert 0.1 < every.mean() < 0.3
    assert not line_pixels(WAVE_AA, 10.0, []).any()


def test_windows_of_the_normalisation_hold_no_strong_line():
    strong = line_pixels(WAVE_AA, 5.0, ["balmer", "forbidden"])
    for low, high in WINDOWS_AA:
        assert not strong[(low <= WAVE_AA) & (high >= WAVE_AA)].any()


def test_lines_stand_once():
    every = [line for group in LINES_AA.values() for line in group]
    assert len(set(every)) == len(every)


def test_an_unknown_group_is_an_error():
    with pytest.raises(ValueError, match=r"no group of lines lyman; there are balmer"):
        line_pixels(WAVE_AA, 10.0, ["lyman"])
