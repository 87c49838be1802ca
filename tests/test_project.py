"""The project as a whole: declared requirements, safe code, and pages that lead somewhere."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pyprospect
import sfhnet
from distributions import FOLDERS, declared, project, requirements
from pyprospect.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("scripts/**/*.py"), *ROOT.glob("speed/*.py")])
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *(ROOT / "data").glob("*.md"), *ROOT.glob("src/*/*.md")]
)
# imported as -> named on the package index
DISTRIBUTION = {
    "yaml": "pyyaml",
    "pypi_simple": "pypi-simple",
    "dust_extinction": "dust-extinction",
    "nautilus": "nautilus-sampler",
}
# used only where the user has installed them; the code says so when they are missing
OPTIONAL = {"ppxf", "astroquery", "bagpipes", "pyvo"}
SPEED = {path.stem for path in ROOT.glob("speed/*.py")}


@cache
def imported(path):
    """Packages that a file imports, anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return frozenset(names)


def missing(paths, known):
    """Packages that files import, anywhere, and `known` lacks, with the files."""
    found = {}
    for path in paths:
        for name in imported(path):
            own = name in (
                *FOLDERS,
                "sfhnet",
                *SPEED,
                *sys.stdlib_module_names,
                *OPTIONAL,
            ) or name.startswith("_")
            if not own and canonicalize_name(DISTRIBUTION.get(name, name)) not in known:
                found.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    return found


def test_every_import_is_required():
    absent = missing(CODE, requirements("phangs-sfh", ["workflow"]))
    assert not absent, f"add to pyproject.toml and constraints.txt: {absent}"


def test_pyprospect_requires_what_it_imports():
    absent = missing(
        ROOT.glob("src/pyprospect/**/*.py"), requirements("pyprospect", ["fast", "rda", "fit", "figures"])
    )
    assert not absent, f"add to src/pyprospect/pyproject.toml: {absent}"


def test_every_requirement_is_bounded_and_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {canonicalize_name(pin.name): pin for pin in (Requirement(x) for x in lines if x and x[0] != "#")}
    for name, requirement in requirements("phangs-sfh", ["workflow", "dev"]).items():
        operators = {spec.operator for spec in requirement.specifier}
        assert ">=" in operators and "<" in operators, f"{requirement} needs both bounds"
        version = next(iter(pins[name].specifier)).version
        assert requirement.specifier.contains(version), f"{pins[name]} is outside {requirement}"


def test_every_extra_has_both_bounds():
    for requirement in declared("phangs-sfh"):
        operators = {spec.operator for spec in requirement.specifier}
        assert operators >= {">=", "<"} or requirement.name in FOLDERS, f"{requirement} needs both bounds"


def test_both_packages_ask_for_the_same_versions():
    theirs = {canonicalize_name(r.name): r.specifier for r in declared("pyprospect")}
    for requirement in declared("phangs-sfh"):
        name = canonicalize_name(requirement.name)
        if name == "pyprospect":
            assert str(requirement.specifier) == f"=={pyprospect.__version__}"
        elif name in theirs:
            assert requirement.specifier == theirs[name], (
                f"{requirement} here, {name}{theirs[name]} in src/pyprospect"
            )


def test_no_requirement_is_unused():
    used = {canonicalize_name(DISTRIBUTION.get(name, name)) for path in CODE for name in imported(path)}
    # the workflow system is run, and rdata is imported by the name that pyprospect.extras is given
    unused = set(requirements("phangs-sfh", ["workflow"])) - used - {"snakemake", "rdata"}
    assert not unused, f"drop from pyproject.toml: {unused}"


def test_extras_are_those_that_the_code_speaks_of():
    extras = project("pyprospect")["optional-dependencies"]
    first = {Requirement(lines[0]).name: extra for extra, lines in extras.items()}
    assert first == {DISTRIBUTION.get(name, name): extra for name, extra in EXTRAS.items()}


def test_inferring_needs_no_workflow():
    heavy = {"snakemake", "psutil", "photutils", "regions", "reproject", "matplotlib", "jinja2", "rdata"}
    assert not heavy & set(requirements("phangs-sfh"))
    assert set(requirements("pyprospect")) == {"numpy", "scipy", "h5py", "astropy"}


def test_packages_know_only_what_they_may():
    for path in CODE:
        names = set(imported(path))
        assert "snakemake" not in names, f"{path} imports snakemake"
        if "pyprospect" in path.parts:
            assert "sfhnet" not in names, f"{path}: pyprospect knows nothing of sfhnet"


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_unsafe_or_unfinished(path):
    text = path.read_text()
    unsafe = ("import pickle", "pickle.load", "allow_pickle=True", "torch.load", "yaml.load(", "shell=True")
    for bad in (*unsafe, "TODO", "FIXME", "XXX"):
        assert bad not in text, f"{path.name} contains {bad}"


def test_project_names_no_machine():
    """No absolute path of a home or a scratch folder, and no host of a package registry."""
    # character classes, so that this file names none either
    pattern = r"""["' =(]/(?:home|root|tmp|work)/\w|pyp[i]\.org|pythonhoste[d]|download\.pytorc[h]"""
    tracked = [
        p
        for p in [*CODE, *PAGES, *ROOT.glob("*.*"), *ROOT.glob("data/*.yaml"), ROOT / "Makefile"]
        if p.is_file() and p.name != ".git"  # where a second working tree keeps the way to the first
    ]
    for path in tracked:
        text = path.read_text(errors="replace")
        found = re.search(pattern, text)
        assert found is None, f"{path.relative_to(ROOT)} names {found.group()}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://|mailto:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), (
                f"{page.name} links to {target}, which is not there"
            )


def test_make_targets_of_the_pages_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE):
            assert target in targets, f"{page.name} speaks of make {target}"


def test_metadata_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == sfhnet.__version__ == pyprospect.__version__
    assert f"## {sfhnet.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    for name, folder in FOLDERS.items():
        table = project(name)
        assert table["license"] == citation["license"]
        assert [author["name"] for author in table["authors"]] == [a["name"] for a in citation["authors"]]
        # one text, in each of the two, since a package can only hold what lies in its folder
        assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
