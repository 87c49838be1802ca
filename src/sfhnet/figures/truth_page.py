"""The page of a simulated galaxy: true, recovered and difference maps, and recovered against true values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import QTable
from matplotlib.figure import Figure

from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import OF_BINS
from sfhnet.core.spectra import Spectra
from sfhnet.figures.galaxy_maps import draw_map
from sfhnet.figures.style import COLOURS, GREY, drawn

__all__ = ["truth_page"]

# Column of the table -> colour map.
_TRUTH: dict[str, str] = {
    "mw_log_age": "RdYlBu_r",
    "lw_log_age": "RdYlBu_r",
    "mw_mh": "viridis",
    "a_v": "cividis",
    "log_mass_formed": "inferno",
}


def truth_page(
    spectra: Spectra, posterior: Posterior, table: QTable, *, summary: Mapping[str, Any]
) -> Figure:
    """Draw true, recovered and difference maps, and recovered against true values, of a simulated galaxy.

    Parameters
    ----------
    spectra, posterior, table, summary
        As for `sfhnet.figures.galaxy_page.summary_page`.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the galaxy is not a simulated one.
    """
    if not spectra.truth:
        raise ValueError(f"{spectra.galaxy} has no known truth; only simulated galaxies have this page")
    truth = dict(spectra.truth)
    truth["log_mass_formed"] = np.log10(truth["mass_formed"])
    figure, cells = plt.subplots(len(_TRUTH), 4, figsize=(12, 2.75 * len(_TRUTH)))
    for row, (name, colours) in zip(cells, _TRUTH.items(), strict=True):
        title = drawn(OF_BINS[name].heading)
        found, true = np.asarray(table[name], dtype=float), truth[name]
        both = np.concatenate([found[np.isfinite(found)], true[np.isfinite(true)]])
        limits = tuple(np.percentile(both, [1, 99]))
        draw_map(row[0], spectra, true, title=f"true {title}", colours=colours, limits=limits)
        draw_map(row[1], spectra, found, title=f"recovered {title}", colours=colours, limits=limits)
        draw_map(row[2], spectra, found - true, title="recovered - true", colours="RdBu_r", symmetric=True)
        low, high = (np.asarray(table[f"{name}_{end}"], dtype=float) for end in ("p16", "p84"))
        row[3].errorbar(
            true,
            found,
            np.clip(np.stack([found - low, high - found]), 0, None),
            fmt=".",
            color=COLOURS[0],
            ecolor="#9ECAE1",
            elinewidth=0.5,
            markersize=3,
        )
        row[3].plot(limits, limits, color="black", linewidth=0.8)
        entry = summary.get("truth", {}).get(name, {})
        if entry.get("prior_mean") is not None:
            row[3].axhline(entry["prior_mean"], color=GREY, linestyle=":", linewidth=1)
        words = f"RMS {entry.get('rms', np.nan):.3f}"
        if entry.get("rms_prior_mean") is not None:
            words += f" (prior mean {entry['rms_prior_mean']:.3f})"
        if entry.get("coverage_68") is not None:
            words += f"\n68 % interval holds {100 * entry['coverage_68']:.0f} %"
        row[3].set_title(words, fontsize=8)
        row[3].set_xlabel("true")
        row[3].set_ylabel("recovered")
    figure.suptitle(f"{spectra.galaxy}: truth and recovery in {spectra.n} bins (dotted: prior mean)")
    return figure
