"""The page of a galaxy: everything in one HTML file, without a server and without a network."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from sfhnet.core.bands import find_band
from sfhnet.core.flags import MEANING, QUALITY
from sfhnet.core.geometry import arcsec_kpc
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import OF_BINS
from sfhnet.core.spectra import Spectra
from sfhnet.explorer.advice import ADVICE
from sfhnet.explorer.bins import BLOCK, LEVELS_SHOWN, BinBlocks, scalar_titles
from sfhnet.explorer.lines import MARKS_AA
from sfhnet.explorer.packing import text
from sfhnet.predictive_check.result import Predictive
from sfhnet.tools.hdf5 import atomic_write

__all__ = ["write_explorer"]

# Size that the page of a large galaxy is brought to by averaging pixels of its spectra.
_MAX_BYTES = 58_000_000
_SCRIPTS = ("unpack.js", "colours.js", "sky_map.js", "plot.js", "bin_panel.js", "region.js", "main.js")
# Colour maps that readers with any colour vision can follow; the last one for differences.
_COLOUR_MAPS = ("viridis", "cividis", "magma", "gray", "RdBu_r")
_NO_QUANTITY = ("bin", "flags", "flag_words")


def write_explorer(
    path: str | os.PathLike,
    spectra: Spectra,
    posterior: Posterior,
    *,
    table: QTable,
    predictive: Predictive,
    ppxf: Posterior | None = None,
    provenance: Mapping[str, Any] | None = None,
    max_bytes: int = _MAX_BYTES,
) -> Path:
    """Write the page of a galaxy.

    Parameters
    ----------
    path : path
        HTML file.
    spectra, posterior : Spectra, Posterior
        Prepared spectra and their answers.
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    predictive : Predictive
        Check; its ``models`` are drawn beside the spectra.
    ppxf : Posterior, optional
        Answers of pPXF for the same bins, drawn beside those of the network.
    provenance : mapping, optional
        Shown at the foot of the page.
    max_bytes : int
        Spectra are averaged over more pixels until the page is expected to be smaller.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If spectra, answers, checks and table have different numbers of bins.
    """
    numbers = {
        "spectra": spectra.n,
        "answers": len(posterior),
        "checks": len(predictive),
        "rows of the table": len(table),
    }
    if ppxf is not None:
        numbers["answers of pPXF"] = len(ppxf)
    if len(set(numbers.values())) > 1:
        found = ", ".join(f"{number} {what}" for what, number in numbers.items())
        raise ValueError(f"{spectra.galaxy}: {found}; make them again from this very spectra file")
    blocks = _small_enough(spectra, posterior, predictive, ppxf, max_bytes)
    meta = _meta(spectra, posterior, table, blocks=blocks) | {"provenance": dict(provenance or {})}
    folder = resources.files("sfhnet.explorer") / "static"
    page = (folder / "page.html").read_text(encoding="utf-8")
    script = "\n".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    page = page.replace("{{title}}", html.escape(spectra.galaxy))
    page = page.replace("{{style}}", (folder / "style.css").read_text(encoding="utf-8"))
    before, after = page.split("{{data}}")
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8") as out:
        out.write(before)
        for name, value in _elements(meta, spectra, table, blocks=blocks):
            out.write(f'<script type="text/plain" id="{name}">{value}</script>\n')
        # A name that breaks out of the script cannot get in: all data are JSON with < escaped, or base 64.
        out.write(after.replace("{{script}}", script))
    return Path(path)


def _small_enough(
    spectra: Spectra, posterior: Posterior, predictive: Predictive, ppxf: Posterior | None, max_bytes: int
) -> BinBlocks:
    for factor in (1, 2, 4, 6, 8, 12):
        blocks = BinBlocks(spectra, posterior, predictive, factor, ppxf)
        starts = np.unique(np.linspace(0, spectra.n - 1, 4).astype(int) // BLOCK * BLOCK)
        size = [len(blocks.block(int(start)).text()) / min(BLOCK, spectra.n - start) for start in starts]
        if np.mean(size) * spectra.n < 0.93 * max_bytes:
            break
    return blocks


def _elements(
    meta: dict[str, Any], spectra: Spectra, table: QTable, *, blocks: BinBlocks
) -> Iterator[tuple[str, str]]:
    first = blocks.block(0)
    meta["layout"] = first.layout
    yield "meta", json.dumps(meta, allow_nan=False).replace("<", "\\u003c")
    yield "bin_map", text(np.ascontiguousarray(spectra.bin_map, dtype="<i4"))
    columns = np.stack([_column(table, quantity["name"]) for quantity in meta["quantities"]])
    yield "columns", text(columns.astype("<f4"))
    yield "flags", text(np.asarray(table["flags"]).astype("<u4"))
    for number, start in enumerate(range(0, spectra.n, BLOCK)):
        yield f"block{number}", (first if start == 0 else blocks.block(start)).text()


def _column(table: QTable, name: str) -> np.ndarray:
    column = table[name]
    return np.asarray(getattr(column, "value", column), dtype=float)


def _meta(spectra: Spectra, posterior: Posterior, table: QTable, *, blocks: BinBlocks) -> dict[str, Any]:
    wave = blocks.wave_aa
    return {
        "galaxy": spectra.galaxy,
        "n": spectra.n,
        "shape": list(spectra.bin_map.shape),
        "block": BLOCK,
        "model": str(posterior.meta.get("model", "")),
        "distance_mpc": float(spectra.distance_mpc),
        "redshift": float(np.median(spectra.redshift)),
        "flux_unit_cgs": float(spectra.flux_unit_cgs),
        "sky": _sky(spectra),
        "wave": [float(wave[0]), float(wave[1] - wave[0]), int(wave.size)],
        "averaged": blocks.factor,
        "bands": [{"name": name, "pivot_aa": find_band(name).pivot_aa} for name in spectra.band_names],
        "lines": [{"name": name, "aa": aa} for name, aa in MARKS_AA],
        "age_edges_myr": [float(edge) for edge in posterior.age_edges_myr],
        "levels": list(LEVELS_SHOWN),
        "corner": scalar_titles(blocks.corner),
        "quantities": list(_quantities(spectra, table)),
        "flags": [
            {"bit": int(flag), "name": flag.name, "meaning": meaning, "advice": ADVICE[flag]}
            for flag, meaning in MEANING.items()
        ],
        "quality": [words for words, _ in QUALITY],
        "colour_maps": _colour_maps(),
        "compared": list(blocks.compared),
        "truth": "mass_fraction" in spectra.truth,
        "checked": bool(blocks.predictive.models),
        "unchecked": str(blocks.predictive.meta.get("unchecked", "")),
    }


def _quantities(spectra: Spectra, table: QTable) -> Iterator[dict[str, Any]]:
    order = {name: place for place, name in enumerate(OF_BINS)}
    names = sorted(table.colnames, key=lambda name: order.get(name, len(order)))  # answers first
    for name in names:
        if name in _NO_QUANTITY or name.endswith(("_p16", "_p84")):
            continue
        if not np.isfinite(_column(table, name)).any():
            continue
        column = table[name]
        known = OF_BINS.get(name)
        unit = known.plain_unit if known else str(column.unit or "")
        group = "Answers" if known else "Checks and places"
        entry = {"name": name, "unit": unit, "group": group, "end": ""}
        entry["title"] = known.title if known else name.replace("_", " ")
        entry["meaning"] = column.info.description or entry["title"]
        yield entry
        for end, words in (("p16", "16th percentile"), ("p84", "84th percentile")):
            if f"{name}_{end}" in table.colnames:
                yield entry | {
                    "name": f"{name}_{end}",
                    "title": f"{entry['title']}, {words}",
                    "end": end,
                }


def _sky(spectra: Spectra) -> dict[str, Any] | None:
    """Return where north and east are in pixels of the map, its scale, and the centre; None without a map."""
    if not spectra.wcs_header or spectra.bin_map.size == 1:
        return None
    wcs = WCS(fits.Header.fromstring(spectra.wcs_header))
    ny, nx = spectra.bin_map.shape
    pixel = float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2)))
    centre = wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2)
    directions = {}
    for name, bearing in (("north", 0), ("east", 90)):
        x, y = wcs.world_to_pixel(centre.directional_offset_by(bearing * u.deg, 5 * pixel * u.arcsec))
        away = np.array([x - (nx - 1) / 2, y - (ny - 1) / 2], dtype=float)
        directions[name] = (away / np.hypot(*away)).tolist()
    return directions | {
        "pixel_arcsec": pixel,
        "kpc_per_arcsec": float(arcsec_kpc(spectra)),
        "ra_deg": float(centre.ra.deg),
        "dec_deg": float(centre.dec.deg),
    }


def _colour_maps() -> dict[str, str]:
    from matplotlib import colormaps

    places = np.linspace(0, 1, 256)
    return {
        name: text(np.rint(255 * colormaps[name](places)[:, :3]).astype(np.uint8)) for name in _COLOUR_MAPS
    }
