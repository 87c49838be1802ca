"""Signs that tell wrong answers from right ones: each that is watched, on the model's own mocks, on foreign ones, on real spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from sfhnet.core.posterior import Posterior

__all__ = [
    "AGES",
    "SIGNS",
    "Signs",
    "far_answers",
    "markdown_signs",
    "signs_of",
    "signs_table",
    "wrong_answers",
]

# The answers that decide whether one is right.
AGES = ("lw_log_age", "mw_log_age")
# An interval below this is not believed: the age bins are 0.15 to 0.3 dex wide.
SMALLEST_SIGMA_DEX = 0.03
WRONG_SIGMA, FAR_DEX = 3.0, 0.3

SIGNS: dict[str, str] = {
    "chi2": "chi-square of the basis",
    "chi2_stars": "the same beside the lines",
    "ood_score": "distance from the mocks",
    "without_lines": "change without the lines, in half widths of the interval",
    "by_halves": "change with half of the range, alike",
    "stability": "the larger of both, over its limit",
    "width": "width of the interval of the ages",
}
"""What is watched -> its meaning; the larger, the worse."""

# Share of the right answers to the model's own mocks that a limit may cost.
_COST = 0.05
# A share of fewer spectra says nothing.
_FEWEST = 5
# From this AUC on a sign tells something.
_TELLS = 0.8


@dataclass(frozen=True)
class Signs:
    """Signs of n answers and what became of them.

    Parameters
    ----------
    values : dict of ndarray (n,)
        `SIGNS`; NaN where one could not be had.
    wrong, far : ndarray of bool (n,)
        Off by more than three standard deviations, and by more than 0.3 dex, in one of `AGES`.
    flagged : ndarray of bool (n,)
        From "doubtful" on.
    """

    values: dict[str, np.ndarray]
    wrong: np.ndarray
    far: np.ndarray
    flagged: np.ndarray

    @classmethod
    def cat(cls, parts: Sequence[Signs]) -> Signs:
        """Join parts."""
        return cls(
            {name: np.concatenate([part.values[name] for part in parts]) for name in SIGNS},
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("wrong", "far", "flagged")
            ),
        )


def signs_of(posterior: Posterior, measured: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the signs of n answers, (n,) each.

    Parameters
    ----------
    posterior : Posterior
    measured : mapping of str to ndarray (n,)
        What was measured beside (`sfhnet.inference.answers.MEASURED`).
    """
    widths = [np.subtract(*posterior.interval(name, 0.68)[::-1]) for name in AGES]
    own = {"chi2": posterior.chi2, "ood_score": posterior.ood_score, "width": np.max(widths, axis=0)}
    return {name: np.asarray(own[name] if name in own else measured[name], dtype=float) for name in SIGNS}


def wrong_answers(posterior: Posterior, truth: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return where one of `AGES` is off by more than three half widths of its 68 % interval, (n,) bool."""
    wrong = np.zeros(len(posterior), dtype=bool)
    for name in AGES:
        low, high = posterior.interval(name, 0.68)
        sigma = np.maximum(0.5 * (high - low), SMALLEST_SIGMA_DEX)
        wrong |= np.abs(posterior.scalars[name] - truth[name]) > WRONG_SIGMA * sigma
    return wrong


def far_answers(posterior: Posterior, truth: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return where one of `AGES` is off by more than 0.3 dex, (n,) bool."""
    return np.any([np.abs(posterior.scalars[name] - truth[name]) > FAR_DEX for name in AGES], axis=0)


def signs_table(own: Signs, foreign: Signs, real: Signs | None = None) -> dict[str, Any]:
    """Return how well each sign tells wrong from right.

    Parameters
    ----------
    own : Signs
        Of answers to mocks like the training's: the limit of each sign is the one that 5 % of the right ones among them exceed.
    foreign : Signs
        Of answers to mocks of other codes, libraries and histories.
    real : Signs, optional
        Of answers to real spectra; wrong where the accepted range of ages is missed.

    Returns
    -------
    dict
        ``n``, ``n_wrong``, ``n_far`` of each set; ``signs``: name -> ``auc_wrong``, ``auc_far``, ``beyond_right``,
        ``beyond_wrong``, ``beyond_far`` by set: the probability that a wrong answer has the larger sign than a right one,
        and the shares beyond the limit among right, wrong and far ones; ``flags``: the same shares of those flagged today.
        None where too few are there.
    """
    sets = {"own": own, "foreign": foreign} | ({} if real is None else {"real": real})
    result: dict[str, Any] = {
        "n": {name: len(one.wrong) for name, one in sets.items()},
        "n_wrong": {name: int(one.wrong.sum()) for name, one in sets.items()},
        "n_far": {name: int(one.far.sum()) for name, one in sets.items()},
        "signs": {},
        "flags": {name: _shares(one.flagged, one) for name, one in sets.items()},
    }
    for sign in SIGNS:
        right = own.values[sign][~own.wrong & np.isfinite(own.values[sign])]
        if not right.size:
            continue
        limit = float(np.quantile(right, 1 - _COST))
        result["signs"][sign] = {
            "limit": limit,
            **{
                name: {
                    "auc_wrong": _auc(one.values[sign], one.wrong),
                    "auc_far": _auc(one.values[sign], one.far),
                    **_shares(np.nan_to_num(one.values[sign], nan=-np.inf) > limit, one),
                }
                for name, one in sets.items()
            },
        }
    return result


def _shares(beyond: np.ndarray, of: Signs) -> dict[str, float | None]:
    groups = {"right": ~of.wrong & ~of.far, "wrong": of.wrong, "far": of.far}
    return {
        f"beyond_{name}": float(beyond[rows].mean()) if rows.sum() >= _FEWEST else None
        for name, rows in groups.items()
    }


def _auc(values: np.ndarray, wrong: np.ndarray) -> float | None:
    known = np.isfinite(values)
    n_wrong, n_right = int((known & wrong).sum()), int((known & ~wrong).sum())
    if n_wrong < _FEWEST or n_right < _FEWEST:
        return None
    ranks = rankdata(values[known])[wrong[known]]
    return float((ranks.sum() - 0.5 * n_wrong * (n_wrong + 1)) / (n_wrong * n_right))


def markdown_signs(table: Mapping[str, Any], *, heading: str = "##") -> list[str]:
    """Return `signs_table` as lines of Markdown."""

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.0f}"

    def auc(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    sets = list(table["n"])
    counted = "; ".join(
        f"{name}: {table['n'][name]} answers, {table['n_wrong'][name]} wrong, {table['n_far'][name]} far off"
        for name in sets
    )
    lines = [
        f"{heading} What tells wrong answers from right ones",
        "",
        (
            "Wrong: light- or mass-weighted age off by more than 3 sigma; far: by more than 0.3 dex, whatever the interval says "
            "(a real spectrum: its accepted range is missed). AUC: probability that a wrong (far) answer has the larger sign than "
            f"another; 0.5 tells nothing. Beyond: share in % of right / wrong / far answers beyond the limit that {100 * _COST:.0f} % of the "
            f"right answers to own mocks exceed. {counted[0].upper()}{counted[1:]}."
        ),
        "",
        "| sign | " + " | ".join(f"{name}: AUC wrong (far) | beyond" for name in sets) + " |",
        "|---" * (1 + 2 * len(sets)) + "|",
    ]

    def row(label: str, cells: Mapping[str, Mapping[str, float | None]], *, with_auc: bool) -> str:
        parts = []
        for name in sets:
            one = cells[name]
            parts.append(f"{auc(one['auc_wrong'])} ({auc(one['auc_far'])})" if with_auc else "")
            parts.append(" / ".join(percent(one[f"beyond_{kind}"]) for kind in ("right", "wrong", "far")))
        return f"| {label} | " + " | ".join(parts) + " |"

    lines += [row(SIGNS[sign], found, with_auc=True) for sign, found in table["signs"].items()]
    lines.append(row("flags in force, from *doubtful* on", table["flags"], with_auc=False))
    return [*lines, "", _verdict(table), ""]


def _verdict(table: Mapping[str, Any]) -> str:
    """Say in a sentence what the table shows of foreign galaxies."""
    aucs = {sign: found["foreign"]["auc_wrong"] for sign, found in table["signs"].items()}
    known = {sign: value for sign, value in aucs.items() if value is not None}
    if not known:
        return "Too few answers to foreign galaxies are wrong to tell what would have warned of them."
    best = max(known, key=lambda sign: known[sign])
    caught = table["signs"][best]["foreign"]["beyond_wrong"]
    share = "too few to say" if caught is None else f"{100 * caught:.0f} %"
    word = "Nothing" if known[best] < _TELLS else f"The {SIGNS[best]}"
    how = (
        "tells wrong answers to foreign galaxies from right ones reliably"
        if known[best] < _TELLS
        else "tells best"
    )
    return (
        f"{word} {how}: the best sign, {SIGNS[best]}, has an AUC of {known[best]:.2f} and catches {share} of the wrong answers "
        "at that cost. An answer without a flag is not therefore right."
    )
