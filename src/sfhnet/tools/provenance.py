"""Where a product comes from: hashes of config, code and inputs, git commit, seed and versions.

The fingerprint of code is that of its meaning: comments, docstrings and layout do not change it, so that a
better sentence in the forward model does not resynthesise a million galaxies.
"""

from __future__ import annotations

import ast
import datetime as dt
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "code_modules",
    "config_hash",
    "fingerprint",
    "git_commit",
    "provenance",
    "sha256_file",
    "versions",
]

SRC = Path(__file__).resolve().parents[2]

SHIPPED = SRC / "sfhnet" / "shipped"
"""What an installed package has of a checkout's data/; a checkout has no such folder."""

CHECKOUT = None if SHIPPED.is_dir() else SRC.parent
"""Folder of the checkout that this code runs from, or None where it is an installed package."""

# The version of a checkout is its commit.
_PACKAGES = (
    *(("phangs-sfh", "pyprospect") if CHECKOUT is None else ()),
    *("numpy", "scipy", "astropy", "h5py", "torch", "safetensors", "pydantic"),
)

# Beside an installed package lie all others, which are told by their versions.
_OWN = ("pyprospect", "sfhnet")


def fingerprint(modules: Iterable[str], src: Path = SRC, without: Iterable[str] = ()) -> str:
    """Hash the code of modules and of everything under `src` that they import, directly or not.

    A name imported from a package (``from pyprospect import SSPLibrary``) is followed to the module that
    defines it; the rest of that package does not count.

    Parameters
    ----------
    modules : iterable of str
        Dotted names, ``"pyprospect.fast.synthesizer"``, or paths of scripts, ``"scripts/train.py"``.
    src : Path
        Folder that holds the packages.
    without : iterable of str
        Dotted names of modules to leave out, with what only they import.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    ValueError
        If a module is not under `src` or does not parse.
    """
    digest = hashlib.sha256()
    for name, path in sorted(code_modules(modules, src, without).items()):
        digest.update(f"{name}\n{_meaning(path, path.stat().st_mtime_ns)}\n".encode())
    return digest.hexdigest()


def code_modules(modules: Iterable[str], src: Path = SRC, without: Iterable[str] = ()) -> dict[str, Path]:
    """List the modules that `fingerprint` covers.

    Parameters
    ----------
    modules, src, without
        As of `fingerprint`, which says what is refused.

    Returns
    -------
    dict of str to Path
        Dotted name -> file.
    """
    left_out = frozenset(without)
    found: dict[str, Path] = {}
    waiting: list[tuple[str, Path]] = []
    for name in modules:
        script = Path(name)
        path = script if script.suffix == ".py" else _find(name, src)
        if path is None or not path.is_file():
            raise ValueError(f"no module {name!r} under {src}; give dotted names or paths of scripts")
        waiting.append((script.name if script.suffix == ".py" else name, path))
    while waiting:
        name, path = waiting.pop()
        if name in found or name in left_out:
            continue
        found[name] = path
        waiting.extend(_imports(name, path, src))
    return found


def config_hash(section: Any) -> str:
    """Hash a configuration section (a pydantic model or plain data) independently of the order of its keys."""
    data = section.model_dump(mode="json") if hasattr(section, "model_dump") else section
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()


def sha256_file(path: str | os.PathLike) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def git_commit(root: Path | None = CHECKOUT) -> str:
    """Return the commit of the checkout, ``-dirty`` appended if tracked files differ; ``unknown`` outside git.

    An installed package has no commit: the repository that its environment may lie in is another's.
    """
    if root is None:
        return "unknown"
    try:
        commit = _git(root, "rev-parse", "HEAD")
        dirty = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit + ("-dirty" if dirty else "")


def versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of those of `packages` that are installed."""
    result = {"python": platform.python_version()}
    for name in packages:
        try:
            result[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return result


def provenance(
    config: Any = None,
    modules: Iterable[str] = (),
    inputs: Mapping[str, str | os.PathLike] | Iterable[str | os.PathLike] = (),
    *,
    seed: int | Iterable[int] | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Collect what made a product, as plain data to store in it.

    Parameters
    ----------
    config
        The configuration section(s) used: pydantic model or plain data; stored with its hash.
    modules : iterable of str
        For `fingerprint`.
    inputs : mapping of str to path, or iterable of paths
        Files read; stored by name with their SHA-256.
    seed : int or iterable of int, optional
        Seed of the random numbers.
    **extra
        Anything else worth knowing, JSON data.

    Returns
    -------
    dict
        Plain data: when and with what program, commit, versions, hashes of inputs, configuration and code, seed.
    """
    data = config.model_dump(mode="json") if hasattr(config, "model_dump") else config
    named = inputs if isinstance(inputs, Mapping) else {Path(path).name: path for path in inputs}
    modules = list(modules)
    result: dict[str, Any] = {
        "made_utc": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "program": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git_commit": git_commit(),
        "interpreter": sys.prefix,
        "versions": versions(),
        "inputs": {name: sha256_file(path) for name, path in named.items()},
    }
    if data is not None:
        result["config"] = data
        result["config_sha256"] = config_hash(data)
    if modules:
        # A script by its name: where the project lies says nothing about what was run.
        result["code"] = [Path(name).name if name.endswith(".py") else name for name in modules]
        result["code_sha256"] = fingerprint(modules)
    if seed is not None:
        result["seed"] = seed if isinstance(seed, int) else list(seed)
    return result | extra


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", os.fspath(root), *arguments], check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout.strip()


def _find(name: str, src: Path) -> Path | None:
    home = src if src != SRC else _home(name.partition(".")[0])
    if home is None:
        return None
    base = home.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@functools.cache
def _home(package: str) -> Path | None:
    """Folder that holds one of this project's packages: each may be installed elsewhere."""
    found = importlib.util.find_spec(package) if package in _OWN else None
    return Path(found.origin).resolve().parents[1] if found and found.origin else None


def _is_package(path: Path) -> bool:
    return path.name == "__init__.py"


@functools.lru_cache(maxsize=512)
def _tree(path: Path, mtime_ns: int) -> ast.Module:
    # mtime_ns is only there to forget the tree of a file that has changed.
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise ValueError(f"{path} does not parse: {error}") from error


def _parse(path: Path) -> ast.Module:
    return _tree(path, path.stat().st_mtime_ns)


def _imports(name: str, path: Path, src: Path) -> list[tuple[str, Path]]:
    """Modules under `src` that this one imports, at any depth of its code, type-checking blocks left out."""
    package = name.split(".") if _is_package(path) else name.split(".")[:-1]
    result: list[tuple[str, Path]] = []
    tree = _parse(path)
    for node in _runtime_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                result.extend(_imported_module(alias, tree, src))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                result.extend(_imported_name(target, alias.name, src))
    return result


def _runtime_nodes(tree: ast.AST) -> Iterable[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _runtime_nodes(node)


def _imported_module(alias: ast.alias, tree: ast.Module, src: Path) -> list[tuple[str, Path]]:
    path = _find(alias.name, src)
    if path is None:
        return []
    if not _is_package(path):
        return [(alias.name, path)]
    # "import pyprospect as pp; pp.sfh_func(...)": follow the attributes that are used.
    handle = alias.asname or alias.name
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == handle
    }
    result = []
    for attribute in sorted(used):
        result.extend(_imported_name(alias.name, attribute, src))
    return result or [(alias.name, path)]


def _imported_name(target: str, attribute: str, src: Path) -> list[tuple[str, Path]]:
    path = _find(target, src) if target else None
    if path is None:
        # A namespace folder has no __init__.py of its own.
        inner = _find(f"{target}.{attribute}", src) if target else None
        return [(f"{target}.{attribute}", inner)] if inner else []
    if not _is_package(path):
        return [(target, path)]
    submodule = _find(f"{target}.{attribute}", src)
    if submodule is not None:
        return [(f"{target}.{attribute}", submodule)]
    # A package that loads its names on first use tells type checkers where they come from.
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == attribute for a in node.names):
            base = target.split(".")
            base = base[: len(base) - node.level + 1] if node.level else []
            source = ".".join([*base, *(node.module.split(".") if node.module else [])])
            original = next(a.name for a in node.names if (a.asname or a.name) == attribute)
            if source != target:
                return _imported_name(source, original, src)
            inner = _find(f"{target}.{original}", src)
            return [(f"{target}.{original}", inner)] if inner else [(target, path)]
    return [(target, path)]


@functools.lru_cache(maxsize=512)
def _meaning(path: Path, mtime_ns: int) -> str:
    return hashlib.sha256(repr(_serial(_tree(path, mtime_ns))).encode()).hexdigest()


def _serial(node: Any) -> Any:
    """Nested tuples of a syntax tree without positions, docstrings and empty fields (the same on every Python)."""
    if isinstance(node, list):
        return [_serial(item) for item in node]
    if not isinstance(node, ast.AST):
        return (type(node).__name__, repr(node))
    fields = []
    for key, value in ast.iter_fields(node):
        if key in ("type_comment", "kind") or value is None or value == []:
            continue
        if key == "body" and isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            value = [
                item
                for item in value
                if not (isinstance(item, ast.Expr) and isinstance(getattr(item.value, "value", None), str))
            ]
        fields.append((key, _serial(value)))
    return (type(node).__name__, fields)
