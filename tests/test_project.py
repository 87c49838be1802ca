"""The project as a whole: declared requirements, safe code, and pages that lead somewhere."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("scripts/**/*.py"), *ROOT.glob("speed/*.py")])
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "data" / "README.md"])
# imported as -> named on the package index
DISTRIBUTION = {"yaml": "pyyaml", "pypi_simple": "pypi-simple", "dust_extinction": "dust-extinction"}
# used only where the user has installed them; the code says so when they are missing
OPTIONAL = {"ppxf", "astroquery", "pyvo"}
SPEED = {path.stem for path in ROOT.glob("speed/*.py")}


def requirements(name):
    lines = (ROOT / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_every_import_is_required():
    known = {canonicalize_name(requirement.name) for requirement in requirements("requirements.txt")}
    missing = {}
    for path in CODE:
        for name in imported(path):
            own = name in (
                "pyprospect",
                "sfhnet",
                *SPEED,
                *sys.stdlib_module_names,
                *OPTIONAL,
            ) or name.startswith("_")
            if not own and canonicalize_name(DISTRIBUTION.get(name, name)) not in known:
                missing.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    assert not missing, f"add to requirements.txt and constraints.txt: {missing}"


def test_every_requirement_is_bounded_and_pinned():
    pins = {canonicalize_name(pin.name): pin for pin in requirements("constraints.txt")}
    for name in ("requirements.txt", "requirements-test.txt"):
        for requirement in requirements(name):
            operators = {spec.operator for spec in requirement.specifier}
            assert ">=" in operators and "<" in operators, f"{requirement} needs both bounds"
            pin = pins[canonicalize_name(requirement.name)]
            version = next(iter(pin.specifier)).version
            assert requirement.specifier.contains(version), f"{pin} is outside {requirement}"


def test_no_requirement_is_unused():
    used = {canonicalize_name(DISTRIBUTION.get(name, name)) for path in CODE for name in imported(path)}
    # the workflow system is run, and rdata is imported by the name that pyprospect.extras is given
    asked_for = used | {"snakemake", "rdata"}
    unused = {canonicalize_name(r.name) for r in requirements("requirements.txt")} - asked_for
    assert not unused, f"drop from requirements.txt: {unused}"


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
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()
    version = re.search(r'__version__ = "(.+)"', (ROOT / "src" / "sfhnet" / "__init__.py").read_text())
    assert version.group(1) == project["version"]
