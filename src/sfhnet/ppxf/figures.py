"""Figures of the comparison with pPXF, from stored numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sfhnet.config import FiguresConfig
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import SCALARS
from sfhnet.core.spectra import Spectra
from sfhnet.figures.galaxy_maps import draw_map
from sfhnet.figures.style import COLOURS, GREY, drawn, save, scatter_panel, style
from sfhnet.validation.metrics import AGE_RANGES_MYR

__all__ = ["galaxy_page", "plot_comparison"]

_NAMES = {
    "ppxf_best": "pPXF, best fixed",
    "ppxf_recommended": "pPXF, recommended",
    "prior_mean": "prior mean",
    "pca_mlp": "MLP on components",
    "linear": "MLP on linear estimates",
    "linear_flow": "linear estimates, flow",
    "four_branch": "four branches (v1)",
}
# Scalar -> colour map.
_MAPS = {"mw_log_age": "RdYlBu_r", "lw_log_age": "RdYlBu_r", "mw_mh": "viridis", "a_v": "cividis"}


def _case_title(case: str) -> str:
    kind, snr, *bare = (
        case.rsplit("_snr", 1)[0],
        case.rsplit("_snr", 1)[1].split("_")[0],
        *case.split("_nobands")[1:],
    )
    return f"{kind.replace('_', ' ')}, S/N {int(snr)}{', no bands' if bare else ''}"


def _colours(names: Sequence[str]) -> dict[str, str]:
    fixed = {"ppxf_best": COLOURS[1], "ppxf_recommended": COLOURS[4], "prior_mean": "#cccccc"}
    rest = [colour for colour in COLOURS if colour not in fixed.values()]
    others = [name for name in names if name not in fixed]
    return fixed | {name: rest[k % len(rest)] for k, name in enumerate(others)}


def plot_comparison(comparison: Mapping[str, Any], stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the errors and the time of pPXF and of every network, case by case and per range of age.

    Parameters
    ----------
    comparison : mapping
        From `sfhnet.ppxf.comparison_table.compare`.
    stem : Path
        Path without suffix.
    config : FiguresConfig
        Size and look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    cases = comparison["cases"]
    names = list(dict.fromkeys(name for case in cases.values() for name in case["models"]))
    names.sort(key=lambda name: (name != "prior_mean", name.startswith("ppxf"), name))
    colours = _colours(names)
    panels = [
        ("cumulative history:\nmean |error|", lambda m: m["cum_mae"]),
        scatter_panel("mw_log_age"),
        scatter_panel("lw_log_age"),
        scatter_panel("mw_mh"),
    ]
    with style(config):
        figure, axes = plt.subplots(3, 2, figsize=(config.width_inch, 1.12 * config.width_inch))
        labels = [_case_title(case).replace(", ", "\n") for case in cases]
        for axis, (title, key) in zip(axes.flat, panels, strict=False):
            _bars(
                axis,
                labels,
                {
                    n: [key(c["models"][n]) if n in c["models"] else np.nan for c in cases.values()]
                    for n in names
                },
                colours,
            )
            axis.set_title(title)
        _age_bars(axes[2, 0], cases, names, colours)
        _times(axes[2, 1], cases, names, colours)
        handles = [plt.Rectangle((0, 0), 1, 1, color=colours[n], label=_name(n)) for n in names]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(names), 4))
        return save(figure, stem)


def _name(model: str) -> str:
    return _NAMES.get(model, model.replace("_", " "))


def _bars(
    axis: Axes, labels: Sequence[str], values: Mapping[str, list[float]], colours: Mapping[str, str]
) -> None:
    width = 0.84 / len(values)
    place = np.arange(len(labels))
    for k, (name, heights) in enumerate(values.items()):
        axis.bar(place - 0.42 + (k + 0.5) * width, heights, width, color=colours[name])
    axis.set_xticks(place, labels)
    axis.tick_params(axis="x", length=0)


def _age_bars(axis: Axes, cases: Mapping[str, Any], names: Sequence[str], colours: Mapping[str, str]) -> None:
    case = "real_snr050" if "real_snr050" in cases else next(iter(cases))
    models = cases[case]["models"]
    labels = [
        f"{low:g}-{high:g} Myr" if high < 1e5 else f"> {low:g} Myr" for low, high in AGE_RANGES_MYR.values()
    ]
    values = {
        name: [models[name]["age_ranges"][age]["w1_dex"] for age in AGE_RANGES_MYR]
        for name in names
        if name in models
    }
    _bars(axis, labels, values, colours)
    axis.set_title(f"history, by age ({_case_title(case)}):\nWasserstein-1 [dex]")


def _times(axis: Axes, cases: Mapping[str, Any], names: Sequence[str], colours: Mapping[str, str]) -> None:
    place = np.arange(len(names))[::-1]
    for y, name in zip(place, names, strict=True):
        spent = [
            case["models"][name]["cpu_s_per_spectrum"] for case in cases.values() if name in case["models"]
        ]
        value = float(np.mean(spent))
        axis.barh(y, value, 0.7, color=colours[name], left=0)
        shown = f"{value:.2g} s" if value >= 0.1 else f"{1e3 * value:.2g} ms"
        axis.text(value * 1.25, y, shown, va="center", fontsize="small", color=GREY)
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(low, high * 6)
    axis.set_yticks(place, [_name(name) for name in names])
    axis.set_title("one spectrum on one core:\nCPU time [s]")


def galaxy_page(
    spectra: Spectra,
    posterior: Posterior,
    other: Posterior,
    *,
    fit: Mapping[str, np.ndarray],
    comparison: Mapping[str, Any],
) -> Figure:
    """Draw network and pPXF side by side: maps of a cube, or histories and spectrum of a single one.

    Parameters
    ----------
    spectra, posterior : Spectra, Posterior
        Prepared spectra and the network's answers.
    other : Posterior
        pPXF's answers.
    fit : mapping of str to ndarray
        ``bestfit`` (n, n_wave) in units of the normalising flux.
    comparison : mapping
        One scheme of `sfhnet.ppxf.galaxy_fits.compare_galaxy`.

    Returns
    -------
    Figure
    """
    if spectra.bin_map.size > 1:
        return _map_page(spectra, posterior, other, comparison)
    return _single_page(spectra, posterior, other, fit, comparison)


def _map_page(
    spectra: Spectra, posterior: Posterior, other: Posterior, comparison: Mapping[str, Any]
) -> Figure:
    figure, axes = plt.subplots(len(_MAPS), 3, figsize=(9.6, 2.9 * len(_MAPS)), squeeze=False)
    for row, (name, colours) in zip(axes, _MAPS.items(), strict=True):
        title = drawn(SCALARS[name].heading)
        mine, theirs = posterior.scalars[name], other.scalars[name]
        both = np.concatenate([mine[np.isfinite(mine)], theirs[np.isfinite(theirs)]])
        limits = tuple(np.percentile(both, [2, 98])) if both.size else (0.0, 1.0)
        draw_map(row[0], spectra, mine, title=f"network: {title}", colours=colours, limits=limits)
        draw_map(row[1], spectra, theirs, title=f"pPXF: {title}", colours=colours, limits=limits)
        numbers = comparison["quantities"].get(name)
        said = f"\nmedian {numbers['difference']:+.2f} ± {numbers['scatter']:.2f}" if numbers else ""
        draw_map(
            row[2], spectra, mine - theirs, title=f"network - pPXF{said}", colours="RdBu_r", symmetric=True
        )
    figure.suptitle(f"{spectra.galaxy}: {comparison['n']} bins, {_chi2(comparison)}")
    return figure


def _single_page(
    spectra: Spectra,
    posterior: Posterior,
    other: Posterior,
    fit: Mapping[str, np.ndarray],
    comparison: Mapping[str, Any],
) -> Figure:
    figure = plt.figure(figsize=(9.6, 6.4))
    rows = figure.add_gridspec(2, 1, height_ratios=(1, 1.1))
    spectrum = figure.add_subplot(rows[0])
    below = rows[1].subgridspec(1, 2)
    history, metals = figure.add_subplot(below[0]), figure.add_subplot(below[1])
    good = spectra.mask[0]
    scale = 10.0 ** posterior.log_scale[0]
    spectrum.plot(
        spectra.wave_aa,
        np.where(good, spectra.flux[0] / scale, np.nan),
        color="#333333",
        lw=0.5,
        label="spectrum",
    )
    spectrum.plot(spectra.wave_aa, fit["bestfit"][0], color=COLOURS[1], lw=0.7, label="pPXF")
    spectrum.set(
        xlabel="rest wavelength [$\\mathrm{\\AA}$]", ylabel="flux / median", xlim=spectra.wave_aa[[0, -1]]
    )
    shown = spectra.flux[0][good] / scale
    low, high = np.percentile(shown, [0.2, 99.8])
    spectrum.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    spectrum.legend(loc="upper right", ncols=2)
    edges = np.maximum(np.asarray(posterior.age_edges_myr), 3.0)
    middle = np.sqrt(edges[:-1] * edges[1:])
    for answers, name, colour in ((posterior, "network", COLOURS[0]), (other, "pPXF", COLOURS[1])):
        history.plot(edges, np.append(0, answers.cum_mass[0]), color=colour, label=name)
        formed = answers.mass_fraction[0] > 1e-3
        metals.plot(middle[formed], answers.mh[0][formed], "o-", ms=3, color=colour, label=name)
    low, high = posterior.cum_mass_q[0, 2], posterior.cum_mass_q[0, 6]
    history.fill_between(edges[1:], low, high, color=COLOURS[0], alpha=0.25, lw=0, label="network, 68 %")
    history.set(xscale="log", xlabel="look-back time [Myr]", ylabel="mass formed since [fraction]")
    metals.set(xscale="log", xlabel="look-back time [Myr]", ylabel="[M/H] [dex]")
    history.legend(loc="upper left")
    numbers = comparison["quantities"]
    said = ", ".join(
        f"{label} {numbers[name]['difference']:+.2f}"
        for name, label in (("mw_log_age", "log age"), ("mw_mh", "[M/H]"))
    )
    figure.suptitle(f"{spectra.galaxy}: {_chi2(comparison)}\nnetwork - pPXF: {said} (mass-weighted)")
    return figure


def _chi2(comparison: Mapping[str, Any]) -> str:
    mine, theirs = comparison["network_chi2_median"], comparison["chi2_median"]
    return f"chi2 per pixel: pPXF {theirs:.3g}, forward model at the network's answer, refined, {mine:.3g}"
