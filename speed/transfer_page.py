"""The tables and the figure of what speed/transfer.py measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sfhnet.config import FiguresConfig
from sfhnet.figures.style import COLOURS, GREY, save, style
from sfhnet.tools.atomic_files import write_text
from sfhnet.validation.band_value import MEASURED

__all__ = ["draw_figure", "write_page"]

BEGIN, END = "<!-- transfer: written by speed/transfer.py -->", "<!-- end of transfer -->"
# What learning a new band may take, and what it has to reach.
LIMIT_CPU_S, LIMIT_SHARE = 2 * 180.0, 98.0
SNR = "50"


class Found:
    """What was measured, by case and kind of training; each number of a list is that of a seed."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.result, self.rows = result, result["rows"]
        self.cases = list(dict.fromkeys(row["case"] for row in self.rows if row["case"]))
        count = Counter(row["seed"] for row in self.rows)
        # A seed that is still at work is left out.
        self.seeds = sorted(seed for seed, n in count.items() if n == max(count.values()))

    def of(
        self, case: str, how: str, pick: Callable[[Mapping[str, Any]], float], draws: int | None = None
    ) -> np.ndarray:
        """Return a number of each seed."""
        found = {
            row["seed"]: pick(row)
            for row in self.rows
            if (row["case"], row["how"]) == (case, how) and draws in (None, row["draws"])
        }
        return np.array([found[seed] for seed in self.seeds])

    def draws(self) -> list[int]:
        """Return how many draws networks went on with."""
        return sorted({row["draws"] for row in self.rows if row["how"] == "start_from"})

    def share(self, case: str, pick: Callable[[Mapping[str, Any]], float], draws: int) -> np.ndarray:
        """Return the share of what training from scratch gains that going on gains, in per cent."""
        before, scratch = self.of(case, "before", pick), self.of(case, "scratch", pick)
        return 100 * (before - self.of(case, "start_from", pick, draws)) / (before.mean() - scratch.mean())

    def cpu_s(self, case: str, how: str, draws: int | None = None) -> np.ndarray:
        """Return the CPU seconds of making the draws and of training."""

        def total(row: Mapping[str, Any]) -> float:
            return float(row["train_s"] + 1e-6 * self.result["us_made"] * row["draws"])

        return self.of(case, how, total, draws)


def _loss(row: Mapping[str, Any]) -> float:
    return float(row["loss"])


def _error(quantity: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda row: float(row[SNR][quantity])


def _with_spread(values: np.ndarray, form: str) -> str:
    half = (values.max() - values.min()) / 2
    return f"{values.mean():{form}}" + (f" ± {half:{form}}" if len(values) > 1 else "")


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cells) + " |"


def tables(result: Mapping[str, Any]) -> str:
    """Return the tables as Markdown: the way there, and the errors at its end."""
    found = Found(result)
    lines = [""]
    way = []
    for n in found.draws():
        cells = [f"{n:,}", f"{n // result['realisations']:,}"]
        cells.append(f"{np.mean([found.cpu_s(case, 'start_from', n).mean() for case in found.cases]):.0f}")
        way.append(cells + [_with_spread(found.share(case, _loss, n), ".0f") + " %" for case in found.cases])
    scratch = np.mean([found.cpu_s(case, "scratch").mean() for case in found.cases])
    n = result["draws"]
    way.append(
        ["from scratch", f"{n // result['realisations']:,}", f"{scratch:.0f}", *["100 %"] * len(found.cases)]
    )
    lines += _table(["draws", "mocks", "CPU s, draws included", *found.cases], way)
    lines.append("")
    rows = [["five bands of PHANGS-HST", *_errors(found, "", "base", None)]]
    most = found.draws()[-1]
    for case in found.cases:
        rows.append([f"{case}: before", *_errors(found, case, "before", None)])
        rows.append([f"{case}: learnt later", *_errors(found, case, "start_from", most)])
        rows.append([f"{case}: from scratch", *_errors(found, case, "scratch", None)])
    lines += _table([f"mean error, S/N {SNR}", *MEASURED.values()], rows)
    return "\n".join([*lines, ""])


def _errors(found: Found, case: str, how: str, draws: int | None) -> list[str]:
    base = {name: found.of("", "base", _error(name)).mean() for name in MEASURED}
    cells = []
    for name in MEASURED:
        mean = found.of(case, how, _error(name), draws).mean()
        change = "" if how == "base" else f" ({100 * (mean / base[name] - 1):+.1f} %)"
        cells.append(f"{mean:.4f}{change}")
    return cells


def write_page(path: Path, result: Mapping[str, Any]) -> None:
    """Put the tables into a page, between its two marks."""
    page = path.read_text(encoding="utf-8")
    if BEGIN not in page or END not in page:
        raise ValueError(f"{path} lacks the marks {BEGIN!r} and {END!r}; put them where the tables belong")
    before, rest = page.split(BEGIN, 1)
    write_text(path, f"{before}{BEGIN}\n{tables(result)}\n{END}{rest.split(END, 1)[1]}")


def draw_figure(stem: Path, result: Mapping[str, Any], config: FiguresConfig) -> None:
    """Draw the share of the gain against CPU seconds, as a PNG and a PDF."""
    found = Found(result)
    with style(config):
        figure, axis = plt.subplots(figsize=(0.75 * config.width_inch, 0.45 * config.width_inch))
        for case, colour in zip(found.cases, COLOURS, strict=False):
            seconds = np.array([found.cpu_s(case, "start_from", n).mean() for n in found.draws()])
            shares = [found.share(case, _loss, n) for n in found.draws()]
            middle = np.array([share.mean() for share in shares])
            off = np.array([[share.mean() - share.min(), share.max() - share.mean()] for share in shares])
            axis.errorbar(seconds, middle, yerr=off.T, fmt="o-", ms=4, color=colour, label=case)
        axis.axhline(LIMIT_SHARE, color=GREY, ls=":", lw=0.9)
        axis.axvline(LIMIT_CPU_S, color=GREY, ls=":", lw=0.9)
        axis.annotate(
            "3 minutes of two cores",
            (LIMIT_CPU_S, 0.05),
            xycoords=("data", "axes fraction"),
            xytext=(-4, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            color=GREY,
            fontsize=0.8 * config.font_size,
        )
        axis.set(
            xscale="log",
            xlabel="CPU seconds, draws included",
            ylabel="share of the gain in the held-out loss (%)",
            title="A trained network learns a new band; 100 %: trained from scratch with it",
        )
        figure.legend(loc="outside lower center", ncols=len(found.cases))
        save(figure, stem)
