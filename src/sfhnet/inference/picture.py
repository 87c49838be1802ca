"""One spectrum with its answer on a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sfhnet.core.quantities import INTERVALS
from sfhnet.inference.answers import Answers
from sfhnet.tools.atomic_files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_answer", "draw_pages"]

_DATA, _MODEL, _BAND = "0.35", "#c0392b", "#2c6fbb"
_LOW_HIGH = INTERVALS[0.68]
# Residuals are drawn to so many errors, at least and at most.
_LEAST_RESIDUAL, _MOST_RESIDUAL = 3.0, 6.0


def draw_answer(answers: Answers, row: int) -> Figure:
    """Draw spectrum, model, residuals, cumulative history, metallicities and what is to be said.

    Parameters
    ----------
    answers : Answers
        With what the network saw.
    row : int
        Which spectrum.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the spectra were not kept, or there is no such row.
    """
    from matplotlib.figure import Figure

    if not 0 <= row < len(answers):
        raise ValueError(f"there is no spectrum {row}; there are {len(answers)}, the first is 0")
    if answers.seen is None:
        raise ValueError("the spectra were not kept; infer with keep_spectra=True")
    figure = Figure(figsize=(11, 8), layout="constrained")
    grid = figure.add_gridspec(3, 3, height_ratios=(2.2, 0.9, 2.2), width_ratios=(1, 1, 1.35))
    spectrum = figure.add_subplot(grid[0, :])
    residual = figure.add_subplot(grid[1, :], sharex=spectrum)
    _draw_spectrum(answers, row, spectrum, residual)
    _draw_history(answers, row, figure.add_subplot(grid[2, 0]), figure.add_subplot(grid[2, 1]))
    words = figure.add_subplot(grid[2, 2])
    words.axis("off")
    words.text(
        0,
        1,
        _wrapped(answers.summary(row)),
        va="top",
        family="monospace",
        fontsize=8,
        transform=words.transAxes,
    )
    return figure


def draw_pages(answers: Answers, path: Path) -> list[Path]:
    """Draw every spectrum: a page each of a PDF, else a file each, numbered where there are several.

    Parameters
    ----------
    answers : Answers
        With what the network saw.
    path : Path
        ``.pdf``, or another suffix that matplotlib knows.

    Returns
    -------
    list of Path
        What was written.
    """
    if path.suffix.lower() == ".pdf":
        from matplotlib.backends.backend_pdf import PdfPages

        with atomic_write(path) as partial, PdfPages(partial) as pages:
            for row in range(len(answers)):
                pages.savefig(draw_answer(answers, row))
        return [path]
    written = []
    for row in range(len(answers)):
        one = path if len(answers) == 1 else path.with_name(f"{path.stem}_{row}{path.suffix}")
        with atomic_write(one) as partial:
            draw_answer(answers, row).savefig(partial, dpi=130)
        written.append(one)
    return written


def _draw_spectrum(answers: Answers, row: int, spectrum: Axes, residual: Axes) -> None:
    seen = answers.seen
    assert seen is not None  # noqa: S101
    good = seen.mask[row]
    flux = np.where(good, seen.flux[row], np.nan)
    model = np.where(np.isfinite(seen.model[row]), seen.model[row], np.nan)
    spectrum.plot(seen.wave_aa, flux, color=_DATA, lw=0.6, label="spectrum")
    if np.isfinite(model).any():
        spectrum.plot(seen.wave_aa, model, color=_MODEL, lw=0.8, label="best linear model")
        off = np.where(good, (seen.flux[row] - model) / seen.sigma[row], np.nan)
        residual.plot(seen.wave_aa, off, color=_DATA, lw=0.5)
        residual.axhline(0, color=_MODEL, lw=0.8)
        most = float(np.nanquantile(np.abs(off), 0.995)) if np.isfinite(off).any() else _LEAST_RESIDUAL
        end = min(max(1.5 * most, _LEAST_RESIDUAL), _MOST_RESIDUAL)
        residual.set_ylim(-end, end)
    if np.isfinite(flux).any():
        low, high = np.nanquantile(flux, [0.003, 0.995])
        spectrum.set_ylim(min(0.0, low), 1.15 * high)
    spectrum.set_ylabel(r"$f_\lambda$ / normalising flux")
    spectrum.legend(loc="upper right", frameon=False, fontsize=8)
    residual.set_ylabel("residual / error")
    residual.set_xlabel("rest-frame wavelength, air [Å]")


def _draw_history(answers: Answers, row: int, history: Axes, metals: Axes) -> None:
    edges_myr = answers.age_edges_myr
    ages = np.maximum(edges_myr[1:], 1.0)
    low, high = (answers.cum_mass_q[row, k] for k in _LOW_HIGH)
    history.fill_between(ages, low, high, color=_BAND, alpha=0.3, lw=0)
    history.plot(ages, answers.cum_mass[row], color=_BAND)
    history.set(xscale="log", ylim=(0, 1), xlabel="age [Myr]", ylabel="share of the mass younger")
    middle = np.sqrt(np.maximum(edges_myr[:-1], 3.0) * edges_myr[1:])
    low, high = (answers.mh_q[row, k] for k in _LOW_HIGH)
    metals.fill_between(middle, low, high, color=_BAND, alpha=0.3, lw=0)
    metals.plot(middle, answers.mh[row], color=_BAND)
    metals.set(xscale="log", xlabel="age [Myr]", ylabel="[M/H]")


def _wrapped(text: str, width: int = 60) -> str:
    import textwrap

    return "\n".join(textwrap.fill(line, width, subsequent_indent="    ") for line in text.splitlines())
