"""The rooms of both packages: imports run one way, from the top to the bottom, and every file has a room."""

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from coverage_by_room import by_room, room_of, table
from pyprospect.old_names import MovedModuleWarning

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
# Bottom to top: a room imports from itself and from those before it.
ROOMS = {
    "pyprospect": (
        "constants",
        "messages",
        "extras",
        "arguments",
        "content",
        "tables",
        "table_files",
        "fits_files",
        "inventory",
        "numerics",
        "line_of_sight",
        "stars",
        "bands",
        "histories",
        "dust",
        "gas",
        "fast",
        "prospect",
        "fit",
    ),
    "sfhnet": (
        "tools",
        "core",
        "config",
        "sources",
        "priors",
        "observation",
        "networks",
        "mocks",
        "inference",
        "simulated_galaxy",
        "predictive_check",
        "training",
        "validation",
        "foreign",
        "products",
        "figures",
        "ppxf",
        "explorer",
        "commands",
    ),
}
# The front of a package, which may import any room, and what it needs for that.
FRONT = ("__init__", "__main__", "old_names")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def project_modules(nodes: Iterable[ast.AST], path: Path) -> set[str]:
    """Modules of this project that import statements among some nodes of a file name."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports of the project in full"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                file = SRC.joinpath(*full.split("."))
                is_module = file.with_suffix(".py").is_file() or file.is_dir()
                found.add(full if is_module else node.module)
    return {name for name in found if name.split(".")[0] in ROOMS}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported_modules(path: Path) -> set[str]:
    """Modules of this project that a file imports at any depth, blocks for type checkers included."""
    return project_modules(ast.walk(parsed(path)), path)


@cache
def arrows(package: str) -> list[tuple[str, str, str]]:
    """Every import from one room of a package into another: importing module, its room, the other room."""
    result = []
    for path in sorted((SRC / package).rglob("*.py")):
        name = module_name(path)
        if path.stem in FRONT and path.parent == SRC / package:
            continue
        room = name.split(".")[1]
        for other in sorted(imported_modules(path)):
            parts = other.split(".")
            if parts[0] == package and len(parts) > 1 and parts[1] != room:
                result.append((name, room, parts[1]))
    return result


@pytest.mark.parametrize("package", ROOMS)
def test_every_file_has_a_room(package):
    found = {
        entry.stem for entry in (SRC / package).iterdir() if entry.suffix == ".py" or any(entry.rglob("*.py"))
    }
    assert found - set(FRONT) == set(ROOMS[package])


@pytest.mark.parametrize("package", ROOMS)
def test_imports_run_one_way(package):
    order = ROOMS[package]
    upwards = [
        f"{name} imports {other}"
        for name, room, other in arrows(package)
        if order.index(other) > order.index(room)
    ]
    assert not upwards, f"imports from a lower room into a higher one: {upwards}"


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Circles of a graph, each once."""
    done: set[str] = set()
    found = []

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            found.append([*path[path.index(name) :], name])
            return
        if name in done:
            return
        for other in sorted(graph.get(name, ())):
            walk(other, [*path, name])
        done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return found


def loading(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that loading a file comes to: not those within functions, nor those for type checkers."""
    for child in ast.iter_child_nodes(node):
        for_checkers = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not for_checkers and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from loading(child)


def loaded_modules(path: Path) -> set[str]:
    """Modules of this project that loading a file imports."""
    return project_modules(loading(parsed(path)), path)


@pytest.mark.parametrize("package", ROOMS)
def test_no_circle_of_modules(package):
    graph = {
        module_name(path): {name for name in loaded_modules(path) if name != module_name(path)}
        for path in (SRC / package).rglob("*.py")
    }
    assert not circles(graph)


def test_layers_are_seen():
    """The checks find what they look for."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c", "a"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}}) == []
    assert any(room == "priors" and other == "config" for _, room, other in arrows("sfhnet"))


@pytest.mark.parametrize("package", ROOMS)
def test_old_names_lead_to_modules_of_today(package):
    """Every module of version 0.1 imports under its old name, says so, and has what the new one has."""
    moved = importlib.import_module(f"{package}.old_names").MOVED
    for old, new in moved.items():
        with pytest.warns(MovedModuleWarning, match=f"is now {package}.{new};"):
            module = importlib.import_module(f"{package}.{old}")
        today = importlib.import_module(f"{package}.{new}")
        public = [name for name in vars(today) if not name.startswith("_")]
        assert public, f"{package}.{new} is empty"
        assert all(getattr(module, name) is getattr(today, name) for name in public)


# Rooms that the code map calls the ground: its last column leaves them out.
GROUND = {
    "pyprospect": {
        *(
            "constants",
            "messages",
            "extras",
            "arguments",
            "content",
            "tables",
            "table_files",
            "fits_files",
            "numerics",
        ),
    },
    "sfhnet": {"tools", "core", "config"},
}


def code_map(package: str) -> dict[str, list[str]]:
    """Rooms and what they are built on, as the table in CONTRIBUTING.md has them."""
    table = (ROOT / "CONTRIBUTING.md").read_text().split(f"### {package}:")[1].split("\n### ")[0]
    found = re.findall(r"^\| `(\w+)` \| .+? \|(.*)\|$", table, flags=re.MULTILINE)
    return {room: re.findall(r"`(\w+)`", below) for room, below in found}


@pytest.mark.parametrize("package", ROOMS)
def test_the_code_map_has_every_room_in_its_order(package):
    assert list(code_map(package)) == list(ROOMS[package])


@pytest.mark.parametrize("package", ROOMS)
def test_the_arrows_of_the_code_map_are_the_imports(package):
    stated = code_map(package)
    for room in ROOMS[package]:
        used = {other for _, importer, other in arrows(package) if importer == room} - GROUND[package]
        expected = [other for other in ROOMS[package] if other in used]
        assert stated[room] == expected, f"in the code map of CONTRIBUTING.md {room} is built on {expected}"


def test_coverage_is_added_up_by_room():
    files = {str(path): (10, 7) for path in (SRC / "sfhnet").rglob("*.py") if path.parent != SRC / "sfhnet"}
    rooms = by_room({**files, "/a/pyprospect/constants.py": (4, 4), "/a/numpy/core.py": (9, 0)})
    assert set(rooms) == {"pyprospect.constants", *(f"sfhnet.{room}" for room in ROOMS["sfhnet"])}
    assert sum(lines for lines, _ in rooms.values()) == 10 * len(files) + 4
    assert room_of("/sfhnet/x/src/sfhnet/priors/sample.py") == "sfhnet.priors"
    lines = table({"sfhnet.priors": (8, 6)}).splitlines()
    assert [line.split() for line in lines] == [
        [name, "8", "lines", "75.0%"] for name in ("sfhnet.priors", "all")
    ]
