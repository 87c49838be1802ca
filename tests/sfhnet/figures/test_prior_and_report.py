"""Figures of the prior from shards, and the parts of the report that follow from what was drawn."""

import numpy as np
import pytest
from PIL import Image

from sfhnet.config import FiguresConfig, PriorConfig
from sfhnet.core.bands import find_band
from sfhnet.figures import report_page
from sfhnet.figures.prior import FIGURES, draw_prior
from sfhnet.figures.prior_colours import break_colour
from sfhnet.figures.report_page import Captions, page_of_galaxy
from sfhnet.mocks.shard_set import ShardSet
from sfhnet.priors.cluster_colours import PLANES, Clusters
from sfhnet.priors.sample import sample


def test_the_prior_is_drawn_beside_clusters(shard_paths, tmp_path):
    shards = ShardSet(shard_paths)
    ordinate, abscissa = PLANES[0]
    far = np.full(30, 40.0)
    clusters = Clusters("nowhere", {ordinate: far, abscissa: np.append(far[1:], np.nan)})
    histories = sample(PriorConfig(), 100, 1, shard=0, age_bins_yr=np.array([0.0, 1e7, 1e8, 1e9, 1.3e10]))
    drawn = draw_prior(
        FiguresConfig(dpi=60), shards, histories, catalogues=[clusters], out_dir=tmp_path / "figures"
    )
    assert drawn["galaxies"] == shards.n
    assert [(row["catalogue"], row["n"]) for row in drawn["coverage"]] == [("nowhere", 29)]
    assert drawn["coverage"][0]["share_inside_99_percent_region"] == 0
    for name in FIGURES:
        with Image.open(tmp_path / "figures" / f"{name}.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5


def test_the_break_colour_is_an_ab_colour():
    """A source of constant f_nu has no AB colour: f_lambda falls with the square of the pivot."""
    for names in (("F275W", "F336W", "F435W", "F555W"), ("SDSS_u", "SDSS_g"), ("F336W", "F814W")):
        flat = np.array([[find_band(name).pivot_aa ** -2.0 for name in names]])
        found = break_colour(flat, names)
        if names[-1] == "F814W":
            assert found is None, "no band just redward of the break"
        else:
            assert found[0].split()[::2] == (
                ["F336W", "F435W", "mag)"] if "F336W" in names else ["SDSS_u", "SDSS_g", "mag)"]
            )
            assert found[1][0] == pytest.approx(0, abs=1e-6)


def test_a_page_shows_what_was_drawn_of_a_galaxy(root, tmp_path):
    folder = tmp_path / "NGC1796"
    folder.mkdir()
    for name in ("summary", "examples"):
        (folder / f"{name}.png").write_bytes(b"")
    caption = Captions(root / "report")
    page = page_of_galaxy(folder, caption)
    assert page.summary == folder / "summary.json"
    assert [figure.name for figure in page.figures] == ["summary", "examples"]
    assert all("NGC1796" in figure.caption for figure in page.figures)
    assert caption.kind_of(tmp_path / "prior_labels.png") == "prior_labels"
    assert caption.kind_of(tmp_path / "loss_flow.png") == "validation"


def test_the_report_tells_time_and_memory_of_steps_and_leads_to_explorers(tmp_path):
    for step, jobs in {
        "train_model": {"flow": "60.5\t1200.0"},
        "map": {"a": "1.5\t90", "b": "2.0\t-"},
    }.items():
        (tmp_path / "benchmarks" / step).mkdir(parents=True)
        for name, row in jobs.items():
            (tmp_path / "benchmarks" / step / f"{name}.tsv").write_text(f"s\tmax_rss\n{row}\n")
    first, second = report_page._steps(tmp_path / "benchmarks")
    assert first == {"name": "train_model", "jobs": 1, "seconds": 60.5, "longest": 60.5, "memory_mb": 1200.0}
    assert (second["jobs"], second["seconds"], second["longest"], second["memory_mb"]) == (2, 3.5, 2.0, 90.0)
    page = report_page.GalaxyPage(tmp_path / "results/galaxies/toy/summary.json")
    page.summary.parent.mkdir(parents=True)
    assert report_page._explorer(page, tmp_path / "results/report.html") is None
    (page.summary.parent / "explorer.html").touch()
    assert report_page._explorer(page, tmp_path / "results/report.html") == "galaxies/toy/explorer.html"
