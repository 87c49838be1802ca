"""One HTML page of a run: metrics, figures, galaxies and where they come from; it needs no other file."""

from __future__ import annotations

import base64
import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml

from sfhnet.config import Config
from sfhnet.core.quantities import OF_BINS
from sfhnet.tools.hdf5 import read_json, write_text
from sfhnet.tools.provenance import provenance
from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS
from sfhnet.validation.learning_curve import curves_of

__all__ = ["Captions", "Figure", "GalaxyPage", "page_of_galaxy", "write_report"]

_SCALARS = ("mw_log_age", "mw_mh", "a_v")


@dataclass(frozen=True)
class Figure:
    """A PNG file and its caption."""

    path: Path
    caption: str

    @property
    def name(self) -> str:
        """Name of the file without suffix."""
        return self.path.stem

    @property
    def data(self) -> str:
        """The picture as a data address."""
        return f"data:image/png;base64,{base64.b64encode(self.path.read_bytes()).decode()}"


@dataclass(frozen=True)
class GalaxyPage:
    """What map_galaxy and plot_galaxy made of one galaxy."""

    summary: Path
    figures: Sequence[Figure] = field(default_factory=tuple)


class Captions:
    """Captions from the templates that the workflow system uses as well: ``{{ snakemake.wildcards.NAME }}``.

    Parameters
    ----------
    folder : Path
        Holds NAME.rst, one a kind of figure.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder),
            undefined=jinja2.StrictUndefined,
            autoescape=jinja2.select_autoescape(),
        )

    def __call__(self, kind: str, **wildcards: str) -> str:
        """Return the caption of one figure as plain text."""
        template = self._templates.get_template(f"{kind}.rst")
        return " ".join(template.render(snakemake={"wildcards": wildcards}).split())

    def kind_of(self, path: Path) -> str:
        """Return the kind of a figure: its name where that has a caption of its own, else ``validation``."""
        return path.stem if (self._folder / f"{path.stem}.rst").is_file() else "validation"


# Picture in the folder of a galaxy -> kind of its caption.
_PAGES = {"summary": "galaxy", "truth": "truth", "quality": "quality", "examples": "examples"}


def page_of_galaxy(folder: Path, caption: Captions) -> GalaxyPage:
    """Return what there is of one galaxy.

    Parameters
    ----------
    folder : Path
        Named by the galaxy; holds ``summary.json`` and whichever pictures were drawn.
    caption : Captions
        Captions by kind.

    Returns
    -------
    GalaxyPage
    """
    files = [(folder / f"{name}.png", kind) for name, kind in _PAGES.items()]
    figures = [Figure(file, caption(kind, galaxy=folder.name)) for file, kind in files if file.exists()]
    return GalaxyPage(folder / "summary.json", figures)


def write_report(
    out: Path,
    templates: Path,
    config: Config,
    *,
    metrics: Sequence[Path],
    figures: Sequence[Path],
    galaxies: Sequence[Path],
    learning: Sequence[Path] = (),
    comparison: Path | None = None,
    foreign: Sequence[Path] = (),
    benchmarks: Path | None = None,
) -> None:
    """Write the page.

    Parameters
    ----------
    out : Path
        HTML file.
    templates : Path
        Folder of the Jinja template of the page, ``page.html.j2``, and of the captions.
    config : Config
        The configuration of the run.
    metrics : sequence of Path
        ``metrics.json`` of each model.
    figures : sequence of Path
        PNG files of prior and validation.
    galaxies : sequence of Path
        Folders of the galaxies, in the order of the page: ``summary.json`` and PNG files.
    learning : sequence of Path
        Points of the learning curve, if it was made.
    comparison : Path, optional
        ``comparison.json`` of the models and pPXF on the same mocks.
    foreign : sequence of Path, optional
        Of `sfhnet.foreign.measure.measure_foreign`, one a model.
    benchmarks : Path, optional
        Folder with a folder a step, in which the workflow noted time and memory of its jobs.

    Raises
    ------
    ValueError
        If the models were not measured on the same galaxies.
    """
    caption = Captions(templates)
    pages = [page_of_galaxy(folder, caption) for folder in galaxies]
    models = [read_json(path) for path in metrics]
    summaries = [
        read_json(page.summary) | {"figures": page.figures, "explorer": _explorer(page, out)}
        for page in pages
    ]
    made = provenance(config, inputs={})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates), undefined=jinja2.StrictUndefined, autoescape=True
    )
    environment.filters |= {"number": _number, "percent": _percent}
    products = {f"metrics of {m['model']}": m["provenance"] for m in models}
    products |= {f"maps of {s['galaxy']}": s["provenance"] for s in summaries}
    rivals = None if comparison is None else read_json(comparison)
    if rivals is not None:
        products["pPXF beside the models"] = rivals["provenance"]
    page = environment.get_template("page.html.j2").render(
        made_utc=made["made_utc"],
        commit=made["git_commit"],
        seed=config.seed,
        galaxies=summaries,
        models=models,
        cases=_cases(models),
        learning=curves_of([read_json(path) for path in learning]) if learning else [],
        scalars=_SCALARS,
        quantities={name: quantity.heading for name, quantity in OF_BINS.items()},
        figures=[Figure(path, caption(caption.kind_of(path), figure=path.stem)) for path in figures],
        rivals=rivals,
        foreign=[read_json(path) for path in foreign],
        steps=_steps(benchmarks) if benchmarks else [],
        versions=made["versions"] | {"configuration (SHA-256)": made["config_sha256"]},
        inputs=[
            (product, name, digest)
            for product, source in products.items()
            for name, digest in source["inputs"].items()
        ],
        config=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, width=120),
    )
    write_text(out, page)


def _explorer(page: GalaxyPage, out: Path) -> str | None:
    """Address of the page of a galaxy to click on, as seen from the report; None where there is none."""
    path = page.summary.parent / "explorer.html"
    return Path(os.path.relpath(path, out.parent)).as_posix() if path.is_file() else None


def _steps(benchmarks: Path) -> list[dict[str, Any]]:
    """Return jobs, seconds, the longest job and the most memory [MB] of each step, the longest step first."""
    found = []
    for folder in sorted(path for path in benchmarks.glob("*") if path.is_dir()):
        rows = []
        for file in folder.rglob("*.tsv"):
            with file.open() as lines:
                rows += list(csv.DictReader(lines, delimiter="\t"))
        seconds = [float(row["s"]) for row in rows]
        memory = [float(row["max_rss"]) for row in rows if row["max_rss"] not in ("-", "NA")]
        if rows:
            found.append(
                {
                    "name": folder.name,
                    "jobs": len(rows),
                    "seconds": sum(seconds),
                    "longest": max(seconds),
                    "memory_mb": max(memory, default=math.nan),
                }
            )
    return sorted(found, key=lambda step: -step["seconds"])


def _cases(models: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of each benchmark: the prior mean once, then the models; the smallest distance is marked."""
    sums = {m["model"]: m["benchmarks_sha256"] for m in models}
    if len({tuple(sorted(s.items())) for s in sums.values()}) > 1:
        raise ValueError(
            f"the models {', '.join(sums)} were measured on different galaxies; validate them again"
        )
    cases = []
    for name, first in models[0]["cases"].items() if models else ():
        rows = [{"name": "prior mean"} | first["prior_mean"]]
        rows += [
            {"name": m["model"]} | m["cases"][name]["model"] for m in models if m["kind"] != "prior_mean"
        ]
        best = min(row["w1_dex"] for row in rows)
        noise = BENCHMARK_KINDS[first["benchmark"]].title
        bands = "spectrum and bands" if first["bands"] else "spectrum alone"
        cases.append(
            {
                "title": f"S/N {first['snr']:g} per pixel, {bands}, {noise}",
                "rows": [row | {"best": row["w1_dex"] == best} for row in rows],
            }
        )
    return cases


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{100 * value:.0f} %"
