"""Signs of wrong answers: ranks, limits from right answers, and what the table says where nothing tells."""

import numpy as np
import pytest

from galaxy_answers import make_answer, make_spectra
from sfhnet.foreign.warning_signs import (
    SIGNS,
    Signs,
    far_answers,
    markdown_signs,
    signs_of,
    signs_table,
    wrong_answers,
)


def signs(rng, n, told, share=0.2):
    wrong = np.arange(n) < share * n
    values = {name: rng.standard_normal(n) for name in SIGNS}
    values["by_halves"] = values["by_halves"] + told * wrong
    return Signs(values, wrong, wrong, values["by_halves"] > 2)


def test_a_sign_that_tells_is_found_and_one_that_does_not_is_named(rng):
    own, foreign = signs(rng, 2000, 3.0), signs(rng, 1000, 3.0)
    table = signs_table(own, foreign)
    good, idle = table["signs"]["by_halves"], table["signs"]["width"]
    # Normal deviates three apart: Phi(3 / sqrt 2); the limit that 5 % of the right ones exceed lies at 1.645.
    assert good["foreign"]["auc_wrong"] == pytest.approx(0.983, abs=0.01)
    assert good["limit"] == pytest.approx(1.645, abs=0.1)
    assert good["foreign"]["beyond_right"] == pytest.approx(0.05, abs=0.02)
    assert good["foreign"]["beyond_wrong"] == pytest.approx(0.91, abs=0.05)
    assert idle["own"]["auc_wrong"] == pytest.approx(0.5, abs=0.04)
    assert table["flags"]["foreign"]["beyond_wrong"] == pytest.approx(0.84, abs=0.06)
    text = markdown_signs(table)
    assert len({line.count("|") for line in text if line.startswith("| ")}) == 1
    assert "tells best" in text[-2]
    silent = markdown_signs(signs_table(signs(rng, 1000, 0.0), signs(rng, 1000, 0.0)))
    assert silent[-2].startswith("Nothing tells wrong answers")


def test_few_wrong_answers_say_nothing(rng):
    table = signs_table(signs(rng, 100, 1.0), signs(rng, 100, 1.0, share=0.02), signs(rng, 9, 0.0, share=0.1))
    assert table["signs"]["chi2"]["foreign"]["auc_wrong"] is None
    assert "Too few answers" in markdown_signs(table)[-2]
    assert "real: 9 answers, 1 wrong" in markdown_signs(table)[2]


def test_wrong_and_far_are_told_apart():
    answer = make_answer(make_spectra(side=2), width=0.05)
    truth = {name: values.copy() for name, values in answer.scalars.items()}
    truth["mw_log_age"][0] += 0.2
    truth["lw_log_age"][1] -= 0.35
    assert wrong_answers(answer, truth).tolist() == [True, True, False, False]
    assert far_answers(answer, truth).tolist() == [False, True, False, False]
    measured = {name: np.arange(4.0) for name in ("chi2_stars", "without_lines", "by_halves", "stability")}
    found = signs_of(answer, measured)
    assert found.keys() == SIGNS.keys()
    assert found["width"] == pytest.approx(np.full(4, found["width"][0]))
