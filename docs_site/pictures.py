"""Draw the pictures of docs/images: ``python docs_site/pictures.py [--results DIR]``, or ``make pictures``.

Each is what a reader gets who does what its page says: the code of the page or notebook is run here, and the explorer of
the simulated galaxy is opened in Chromium. Ship another network, run the workflow with it, and draw them anew.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from astropy.table import QTable
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
# Page -> picture that its Python draws -> name in docs/images.
PAGES = {
    "quick-start.md": {"ngc3073.png": "quick-start.png"},
    "concepts.md": {"draws.png": "draws.png"},
}
GALAXY = "simulated"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Colours of a picture: line drawings need no more, and the files are a third of the size.
N_COLOUR = 128


# A badge: what it says, in two boxes; 6.6 pixels a letter.
BADGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{left}: {right}">
<title>{left}: {right}</title>
<rect width="{width}" height="20" rx="3" fill="#0072b2"/><rect width="{split}" height="20" rx="3" fill="#444"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{x_left}" y="14">{left}</text><text x="{x_right}" y="14">{right}</text></g></svg>
"""


def badges() -> dict[str, str]:
    """Return name in docs/images and content of the badges of README: what pyproject.toml says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    words = {
        "python.svg": ("Python", project["requires-python"].removeprefix(">=") + " or newer"),
        "licence.svg": ("licence", project["license"]),
    }
    drawn = {}
    for name, (left, right) in words.items():
        split, width = (round(6.6 * n + 12) for n in (len(left), len(left) + len(right) + 2))
        places = {"x_left": split / 2, "x_right": (split + width) / 2}
        drawn[name] = BADGE.format(left=left, right=right, split=split, width=width, **places)
    return drawn


def code_of_pages() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield name, code, and picture -> name in docs/images, of pages and notebooks that draw something."""
    for name, pictures in PAGES.items():
        blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / name).read_text(), re.S | re.M)
        yield name, "\n".join(blocks), pictures
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.py")):
        code = path.read_text()
        drawn = [f"{name}.png" for name in re.findall(r"savefig\(\"([\w-]+)\.png\"\)", code)]
        yield path.name, code, dict(zip(drawn, drawn, strict=True))


def draw_pages(folder: Path) -> None:
    """Run the code of pages and notebooks in a folder and keep what it draws."""
    for name, code, pictures in code_of_pages():
        names: dict[str, Any] = {}
        exec(compile(code, name, "exec"), names)  # noqa: S102
        plt.close("all")
        for drawn, kept in pictures.items():
            keep(folder / drawn, kept)


def draw_explorer(folder: Path, results: Path) -> None:
    """Open the explorer of the simulated galaxy at the best spectrum of a bin without a flag, and keep the picture."""
    from playwright.sync_api import sync_playwright

    galaxy = results / "galaxies" / GALAXY
    bins = QTable.read(galaxy / "bins.ecsv")
    best = int(np.argmax(np.where(bins["quality"] == bins["quality"].min(), bins["snr"], 0.0)))
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("no Chromium here to draw the explorer with; make browser-packages installs it")
    with sync_playwright() as tools:
        running = tools.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = running.new_page(viewport={"width": 1240, "height": 900})
        page.goto(f"{(galaxy / 'explorer.html').resolve().as_uri()}#bin={best}&map1=lw_mh,cividis")
        page.wait_for_selector("html[data-ready=yes]")
        page.wait_for_selector("#panel pre")
        page.screenshot(path=folder / "explorer.png")
        running.close()
    keep(folder / "explorer.png", "explorer.png")


def keep(drawn: Path, name: str) -> None:
    """Put a picture into docs/images, in few colours and without what tells the machine or the day."""
    with Image.open(drawn) as picture:
        few = picture.convert("RGB").quantize(N_COLOUR, dither=Image.Dither.NONE)
    few.save(IMAGES / name, optimize=True)
    sys.stderr.write(f"docs/images/{name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--results", type=Path, default=ROOT / "results", metavar="DIR", help="results of a finished run"
    )
    results = parser.parse_args().results.resolve()
    if not (results / "galaxies" / GALAXY / "explorer.html").is_file():
        sys.exit(f"{results} holds no explorer of the galaxy {GALAXY}; give --results of a finished run")
    mpl.use("Agg")
    for name, badge in badges().items():
        (IMAGES / name).write_text(badge)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        # Pages and notebooks are run from the top of a checkout.
        (folder / "data").symlink_to(ROOT / "data")
        (folder / "results").symlink_to(results)
        os.chdir(folder)
        draw_pages(folder)
        draw_explorer(folder, results)
        os.chdir(ROOT)
