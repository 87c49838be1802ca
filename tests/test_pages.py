"""Pages for people send nobody astray: files and tests that they name are there, errors that they quote are raised."""

import ast
import importlib
import re
import tomllib
import warnings
from pathlib import Path

import pytest

from pyprospect.old_names import MovedModuleWarning

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
# The changelog speaks of what was.
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), ROOT / "data/README.md"]
)


def leads_to_something(dotted):
    """Whether a dotted name is a module, or a name in one."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except (ModuleNotFoundError, MovedModuleWarning):
            continue
        for name in parts[n:]:
            if not hasattr(found, name):
                return name in getattr(found, "__annotations__", {})
            found = getattr(found, name)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_modules_and_scripts_that_pages_name_exist(page):
    text = page.read_text()
    names = set(re.findall(r"`((?:sfhnet|pyprospect)(?:\.\w+)+)[`(]", text))
    files = set(re.findall(r"[` ]((?:scripts|speed|envs|configs|rules|tests)/[\w/]+\.\w+)", text))
    with warnings.catch_warnings():
        warnings.simplefilter("error", MovedModuleWarning)
        lost = [name for name in names if not leads_to_something(name)]
    lost += [name for name in files if not re.search(r"/[A-Z]+\.", name) and not (ROOT / name).exists()]
    assert not lost, f"{page.name} names {sorted(lost)}"


def anchors(page):
    """The places of a page that a link can lead to, as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_into_pages_meet_a_heading(page):
    lost = [
        f"{target}#{place}"
        for target, place in re.findall(r"\]\(([^)\s#:]*)#([^)\s]+)\)", page.read_text())
        if place not in anchors(page.parent / target if target else page)
    ]
    assert not lost, f"{page.name} links to {lost}"


def test_the_site_leads_to_every_page():
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text().split("\nnav:")[1]))
    there = {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")}
    assert len(there) > 20
    assert there <= listed, f"put into the nav of mkdocs.yml: {sorted(there - listed)}"


def test_the_picture_of_the_rules_shows_those_that_there_are():
    picture = (ROOT / "docs/images/rules.svg").read_text()
    drawn = set(re.findall(r"<title>(\w+)</title>", picture)) - {"rules"}
    steps = {
        path.stem: set(re.findall(r'step\(\s*"(\w+)"', path.read_text())) for path in ROOT.glob("rules/*.smk")
    }
    gone = sorted(drawn - set().union(*steps.values()))
    assert not gone, f"docs/images/rules.svg shows {gone}; make rule-graph"
    assert steps["galaxies"] <= drawn, f"make rule-graph: {sorted(steps['galaxies'] - drawn)} are not drawn"


def test_the_badges_say_what_the_project_does():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    readme = (ROOT / "README.md").read_text()
    for name, said in (
        ("python", project["requires-python"].removeprefix(">=")),
        ("licence", project["license"]),
    ):
        assert f">{said}" in (ROOT / f"docs/images/{name}.svg").read_text(), "make pictures"
        assert said in re.search(rf"!\[([^\]]*)\]\(docs/images/{name}\.svg\)", readme)[1]


def test_the_recipes_name_files_that_are_there():
    named = set(re.findall(r"`((?:src|tests|scripts|rules|data|configs|\.github)/[\w./]+)`", PAGE))
    assert len(named) > 30
    real = {name for name in named if not re.search(r"[/_][A-Z]+\.", name)}  # not scripts/NAME.py
    missing = sorted(name for name in real if not (ROOT / name).exists())
    assert not missing, f"CONTRIBUTING.md names {missing}"


def test_what_the_recipes_change_is_in_the_files_they_name():
    recipes = PAGE.split("\n## How to add")[1].split("\n## ")[0]
    items = re.split(r"\n(?=\d\. |\n|###)", recipes)
    lost, seen = [], 0
    for item in items:
        files = [
            ROOT / name
            for name in re.findall(r"`(src/[\w./]+\.py)`", item)
            if not re.search(r"[/_][A-Z]+\.", name)
        ]
        tables = set(re.findall(r"`(class \w+|_?[A-Z]+[a-zA-Z_]{2,})(?=[`.])", item)) - {
            "NAME",
            "VERB",
            "FILE",
            "OUTPUT",
        }
        if files:
            seen += len(tables)
            text = "".join(path.read_text() for path in files)
            lost += [f"{table} in {item[:60]!r}" for table in sorted(tables) if table not in text]
    assert seen > 8
    assert not lost, f"CONTRIBUTING.md names {lost}"


def test_the_tests_it_names_exist():
    functions = set(re.findall(r"`(test_\w+)`", PAGE))
    text = "".join(path.read_text() for path in ROOT.glob("tests/sfhnet/**/test_*.py"))
    assert len(functions) >= 4
    missing = [name for name in functions if f"def {name}(" not in text]
    assert not missing, f"CONTRIBUTING.md names the tests {missing}"


def messages():
    """Every text of the code in one line each, what is filled in as an ellipsis."""
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("scripts/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    for path in ROOT.glob("rules/**/*.smk"):
        yield re.sub(r'"\s*\n\s*f?"', "", path.read_text())


def test_the_errors_that_are_explained_are_those_of_the_code():
    page = (ROOT / "docs/troubleshooting.md").read_text()
    cells = re.findall(r"^\| (`.+?) \|", page, flags=re.MULTILINE)
    quoted = [
        part.strip()
        for cell in cells
        for text in re.findall(r"`([^`]+)`", cell)
        for part in text.split("...")
    ]
    fragments = {part for part in quoted if len(part) > 8}
    assert len(fragments) > 50
    known = "\n".join(messages())
    strange = sorted(part for part in fragments if part not in known)
    assert not strange, f"docs/troubleshooting.md quotes what nothing says: {strange}"
