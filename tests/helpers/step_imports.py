"""What a step's script imports from outside the project, read from the source, and what its environment promises."""

import ast
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from rule_facts import ROOT, rule_facts

SRC = ROOT / "src"
# import name -> conda-forge name, where they differ
CONDA_NAMES = {
    "yaml": "pyyaml",
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "pypi_simple": "pypi-simple",
}
# one library, one build for CPU and one for GPU
VARIANTS = {"pytorch-cpu": "pytorch", "pytorch-gpu": "pytorch"}


@dataclass(frozen=True)
class Step:
    """A rule, its script and its environment, as the rule says."""

    rule: str
    script: Path
    env: str


@cache
def steps() -> tuple[Step, ...]:
    """Every script with the environment of the rule that runs it; two rules of one script count once."""
    found: dict[tuple[str, str], Step] = {}
    for name, facts in rule_facts().items():
        script, env = facts["script"], facts["env"]
        assert script and env, f"rule {name} runs script {script} in environment {env}"
        found.setdefault((script, env), Step(name, ROOT / "scripts" / f"{script}.py", env))
    return tuple(found.values())


def packages(env: Path) -> dict[str, str]:
    """Version bounds by package of an environment file, those that pip installs in it included."""
    text = yaml.safe_load(env.read_text())
    specs = [spec for spec in text["dependencies"] if isinstance(spec, str)]
    specs = [spec for spec in specs if spec != "pip"] + from_index(env)
    pairs = (re.fullmatch(r"([\w.-]+?)\s*([<>=!].*)?", spec).groups() for spec in specs)
    return {name: bounds or "" for name, bounds in pairs}


def from_index(env: Path) -> list[str]:
    """What pip installs in an environment."""
    text = yaml.safe_load(env.read_text())
    sections = [spec["pip"] for spec in text["dependencies"] if not isinstance(spec, str)]
    return [spec for section in sections for spec in section]


def libraries(env: Path) -> set[str]:
    """The packages of an environment file, without Python and whatever the variant."""
    return {VARIANTS.get(name, name) for name in packages(env)} - {"python"}


@cache
def imported(script: Path, lazily: bool) -> set[str]:
    """conda-forge names of what running a script imports.

    All that the script itself imports counts, and what the modules it runs import when they are loaded; with
    `lazily` also what their functions import when they are called, which not every step comes to.
    """
    outside: set[str] = set()
    seen: set[Path] = set()
    queue = [script]
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            for name in names_imported(path, in_functions=lazily or path == script):
                files = project_files(name)
                queue.extend(files)
                if not files and name.split(".")[0] not in sys.stdlib_module_names:
                    outside.add(name.split(".")[0])
    return {CONDA_NAMES.get(name, name) for name in outside}


@cache
def project_files(name: str) -> list[Path]:
    """The project's files that importing `name` runs: the module, and the __init__ of each package on the way."""
    parts = name.split(".")
    found = []
    for i in range(1, len(parts) + 1):
        base = SRC.joinpath(*parts[:i])
        found += [path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()]
    return found


@cache
def names_imported(path: Path, in_functions: bool) -> set[str]:
    """Absolute dotted names that a file imports; `from a import b` gives a.b, which may be a module or not."""
    names: set[str] = set()
    for node in runtime_nodes(ast.parse(path.read_text()), in_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package: list[str] = []
            if node.level:
                inside = path.relative_to(SRC).parts
                package = list(inside[: len(inside) - node.level])
            base = ".".join([*package, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require":
            # pyprospect.extras imports what it is given the name of
            names |= {word.value for word in node.args[:1] if isinstance(word, ast.Constant)}
    return names - {"__future__.annotations"}


def runtime_nodes(tree: ast.AST, in_functions: bool) -> list[ast.AST]:
    """All nodes but those of blocks that only type checkers read and, if so asked, of functions."""
    nodes = []
    for node in ast.iter_child_nodes(tree):
        for_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not for_checkers and (in_functions or not function):
            nodes += [node, *runtime_nodes(node, in_functions)]
    return nodes
