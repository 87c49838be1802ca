"""Measure a model on galaxies that no training knew: foreign mocks and real spectra, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sfhnet.config import NoiseConfig, ValidationConfig
from sfhnet.core.flags import quality
from sfhnet.core.posterior import Posterior
from sfhnet.foreign.real_spectra import FLAGGED_FROM, RealSpectrum, answer_real
from sfhnet.foreign.warning_signs import (
    AGES,
    SIGNS,
    Signs,
    far_answers,
    markdown_signs,
    signs_of,
    signs_table,
    wrong_answers,
)
from sfhnet.inference.judge import judge
from sfhnet.inference.model import Model
from sfhnet.mocks.dataset import Mocks
from sfhnet.tools.progress import Progress
from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS, benchmark_cases
from sfhnet.validation.metrics import point_metrics

__all__ = ["foreign_scores", "markdown", "measure_foreign"]

# Mocks like the training's, and what they are called here.
_OWN = "own"

# A benchmark that hides a smaller share of the pixels than this hides nothing: it is another one over again.
_HIDES = 0.01


def foreign_scores(posterior: Posterior, truth: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Return the scores of a set of answers.

    Parameters
    ----------
    posterior : Posterior
        Answers, all usable.
    truth : mapping of str to ndarray
        From `sfhnet.validation.metrics.truth_from_labels`.

    Returns
    -------
    dict of float or None
        ``n``; ``cum_mae``, the mean error of the cumulative mass at the edges of the age bins between the youngest and the
        oldest; median bias, scatter and ``coverage68`` of `AGES`, bias of A_V and of the light-weighted [M/H]; ``wrong``,
        the share with one of `AGES` off by more than three half widths of its 68 % interval, and the shares flagged (from
        "doubtful" on) among them and among the others, None where there are none.
    """
    points = point_metrics(posterior, truth)
    scores: dict[str, float | None] = {
        "n": len(posterior),
        "cum_mae": points["cum_mae"],
        "w1_dex": points["w1_dex"],
    }
    wrong = wrong_answers(posterior, truth)
    for name in AGES:
        low, high = posterior.interval(name, 0.68)
        scores[f"{name}_bias"] = float(np.median(posterior.scalars[name] - truth[name]))
        scores[f"{name}_scatter"] = points["scalars"][name]["robust_scatter"]
        scores[f"{name}_coverage68"] = float(np.mean((truth[name] >= low) & (truth[name] <= high)))
    for name in ("a_v", "lw_mh"):
        scores[f"{name}_bias"] = points["scalars"][name]["median_bias"]
    flagged = quality(posterior.flags) >= FLAGGED_FROM
    scores["wrong"] = float(wrong.mean())
    scores["flagged_wrong"] = float(flagged[wrong].mean()) if wrong.any() else None
    scores["flagged_right"] = float(flagged[~wrong].mean()) if not wrong.all() else None
    return scores


def measure_foreign(
    model: Model,
    mocks: Mapping[str, Mocks],
    config: ValidationConfig,
    *,
    noise: NoiseConfig,
    seed: int,
    real: Mapping[str, RealSpectrum] | None = None,
) -> dict[str, Any]:
    """Answer every foreign benchmark that there are galaxies for.

    Parameters
    ----------
    model : Model
    mocks : mapping of str to Mocks
        By name, of `sfhnet.validation.benchmark_sets.FOREIGN_MOCKS`, on the model's grid.
    config, noise : ValidationConfig, NoiseConfig
        S/N of the benchmarks and the nuisances of those that have any.
    seed : int
        Of the noise.
    real : mapping of str to RealSpectrum, optional
        Real spectra with accepted ranges of the answer.

    Returns
    -------
    dict
        ``model``, ``mocks`` (case -> title, ``all``, and groups of families by the equivalent width of Halpha), ``real``
        (object -> answer and whether it is accepted), ``real_summary``, and ``signs``
        (`sfhnet.foreign.warning_signs.signs_table`) if there are mocks of both kinds.

    Raises
    ------
    ValueError
        If there is neither, or mocks are on another grid than the model.
    """
    if not mocks and not real:
        raise ValueError("no foreign mocks and no real spectra given; name at least one file")
    for name, galaxies in mocks.items():
        if galaxies.wave_aa.shape != model.wave_aa.shape or not np.allclose(galaxies.wave_aa, model.wave_aa):
            raise ValueError(
                f"the foreign mocks {name} are on another wavelength grid than {model.name}; make them anew"
            )
    result: dict[str, Any] = {"model": model.name, "snr": config.stress_snr, "mocks": {}, "real": {}}
    signs: dict[str, Signs] = {}
    n_case = sum(kind.mocks in mocks for kind in BENCHMARK_KINDS.values())
    with Progress(n_case, f"foreign benchmarks of {model.name}", "cases") as progress:
        for case in benchmark_cases(mocks, config, noise, seed=seed):
            hidden = case.benchmark.hidden
            if BENCHMARK_KINDS[case.kind].hidden_aa and (hidden is None or hidden.double().mean() < _HIDES):
                progress.update(1, f"{case.kind}: this grid has nothing to hide")
                continue
            found = judge(model, case.batch)
            usable = found.posterior.usable
            answers = found.posterior.take(usable)
            truth = {name: value[usable] for name, value in case.benchmark.truth.items()}
            family = case.benchmark.family[usable]
            groups = {"all": np.ones(len(answers), dtype=bool)}
            for side, name in (("<", "weak_lines"), (">", "strong_lines")):
                rows = np.array([f", EW {side} " in kind for kind in family], dtype=bool)
                if rows.sum() >= 10:
                    groups[name] = rows
            result["mocks"][case.kind] = {
                "title": BENCHMARK_KINDS[case.kind].title,
                "unusable": int((~usable).sum()),
                **{
                    name: foreign_scores(
                        answers.take(rows), {key: value[rows] for key, value in truth.items()}
                    )
                    for name, rows in groups.items()
                },
            }
            if case.kind == BENCHMARK_KINDS[case.kind].mocks:
                signs[case.kind] = Signs(
                    signs_of(answers, {name: values[usable] for name, values in found.measured.items()}),
                    wrong_answers(answers, truth),
                    far_answers(answers, truth),
                    quality(answers.flags) >= FLAGGED_FROM,
                )
            progress.update(1, f"{case.kind}: cum {result['mocks'][case.kind]['all']['cum_mae']:.3f}")
    if real:
        result["real"] = {name: answer_real(model, spectrum) for name, spectrum in real.items()}
        result["real_summary"] = _summary(result["real"])
    foreign = [one for name, one in signs.items() if name != _OWN]
    if _OWN in signs and foreign:
        result["signs"] = signs_table(signs[_OWN], Signs.cat(foreign), _signs_of_real(result["real"]))
    return result


def _signs_of_real(real: Mapping[str, Mapping[str, Any]]) -> Signs | None:
    rows = [row for row in real.values() if row.get("age_accepted") is not None]
    if not rows:
        return None
    wrong = np.array([not row["age_accepted"] for row in rows])
    values = {name: np.array([row["signs"][name] for row in rows], dtype=float) for name in SIGNS}
    return Signs(values, wrong, wrong, np.array([row["flagged"] for row in rows]))


def _summary(real: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    answered = [row for row in real.values() if "lw_log_age" in row]
    judged = [row for row in answered if row["age_accepted"] is not None]
    old = [row for row in judged if row["grade"] != "A" and row["age_lo_gyr"] >= 5]
    shares = {
        "age_accepted": [row["age_accepted"] for row in judged],
        "mh_accepted": [row["mh_accepted"] for row in answered if row["mh_accepted"] is not None],
        "flagged": [row["flagged"] for row in answered],
        "flagged_accepted": [row["flagged"] for row in judged if row["age_accepted"]],
        "flagged_not_accepted": [row["flagged"] for row in judged if not row["age_accepted"]],
    }
    return {
        "n": len(real),
        "refused": len(real) - len(answered),
        "old_median_lw_log_age": float(np.median([row["lw_log_age"] for row in old])) if old else None,
        "old_median_a_v": float(np.median([row["a_v"] for row in old])) if old else None,
        **{name: float(np.mean(values)) if values else None for name, values in shares.items()},
    }


def markdown(result: Mapping[str, Any], *, heading: str = "##") -> list[str]:
    """Return the table as lines of Markdown.

    Parameters
    ----------
    result : mapping
        From `measure_foreign`, with ``ppxf`` (case -> scores) if pPXF was run on the same spectra.
    heading : str
        Mark of the headings.

    Returns
    -------
    list of str
    """
    lines = [
        f"{heading} Galaxies that no training knew (S/N {result['snr']:g}, no bands)",
        "",
        (
            "Cumulative error: mean over 10 Myr to 13 Gyr; bias: median, dex; coverage of 68 % intervals; wrong: light- or "
            "mass-weighted age off by more than 3 sigma; flagged from *doubtful* on."
        ),
        "",
        (
            "| mocks | n | cum. error | lw age bias | mw age bias | coverage lw, mw | A_V bias | wrong | flagged of wrong | of right |"
        ),
        "|---" * 10 + "|",
    ]
    others = result.get("ppxf", {})
    for name, case in result["mocks"].items():
        for group in ("all", "weak_lines", "strong_lines"):
            if group in case:
                label = name if group == "all" else f"{name}, {_GROUPS[group]}"
                lines.append(_row(label, case[group]))
        for program, scores in others.get(name, {}).items():
            lines.append(_row(f"{name}: {program}", scores))
    if result["real"]:
        lines += ["", *_real_table(result, heading)]
    if "signs" in result:
        lines += ["", *markdown_signs(result["signs"], heading=heading)]
    return [*lines, ""]


_GROUPS = {"weak_lines": "EW(Halpha) < 20 AA", "strong_lines": "EW(Halpha) > 20 AA"}


def _row(label: str, s: Mapping[str, Any]) -> str:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.0f} %"

    def number(name: str) -> str:
        return f"{s[name]:+.2f}" if name in s else "-"

    coverage = ", ".join(f"{s[f'{age}_coverage68']:.2f}" if f"{age}_coverage68" in s else "-" for age in AGES)
    shares = " | ".join(percent(s.get(name)) for name in ("wrong", "flagged_wrong", "flagged_right"))
    return (
        f"| {label} | {s['n']:.0f} | {s['cum_mae']:.3f} | {number('lw_log_age_bias')} | {number('mw_log_age_bias')} | "
        f"{coverage} | {number('a_v_bias')} | {shares} |"
    )


def _real_table(result: Mapping[str, Any], heading: str) -> list[str]:
    lines = [
        f"{heading} Real spectra with known answers",
        "",
        "| object (grade) | accepted age [Gyr], [M/H] | lw log age | lw [M/H] | A_V | accepted | flagged |",
        "|---" * 7 + "|",
    ]
    for name, row in result["real"].items():
        ranges = f"{row['age_lo_gyr']:g}-{row['age_hi_gyr']:g}" if row["age_lo_gyr"] is not None else "-"
        if row["mh_lo"] is not None:
            ranges += f", {row['mh_lo']:+.2f}..{row['mh_hi']:+.2f}"
        if "lw_log_age" not in row:
            lines.append(f"| {name} ({row['grade']}) | {ranges} | refused: {row['refused']} | | | | |")
            continue
        accepted = ", ".join(
            f"{what} {'yes' if row[key] else 'no'}"
            for what, key in (("age", "age_accepted"), ("[M/H]", "mh_accepted"))
            if row[key] is not None
        )
        lines.append(
            f"| {name} ({row['grade']}) | {ranges} | {row['lw_log_age']:.2f} ± {row['lw_log_age_sigma']:.2f} | "
            f"{row['lw_mh']:+.2f} ± {row['lw_mh_sigma']:.2f} | {row['a_v']:.2f} | {accepted or '-'} | "
            f"{'yes' if row['flagged'] else 'no'} |"
        )
    return lines
