"""Read configuration files: strict YAML, overlays, and errors that say where and what instead."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from sfhnet.config.faults import Path_, describe_fault, dotted
from sfhnet.config.root import Config
from sfhnet.tools.verification import use_verification

__all__ = ["ConfigError", "config_from_dict", "load_config", "merge", "read_yaml", "validate"]

M = TypeVar("M", bound=BaseModel)
_MOST_VALUES, _MOST_LEVELS = 20_000, 40


class ConfigError(ValueError):
    """A configuration is not valid; the message lists every fault with file, key, value and remedy."""


class _StrictLoader(yaml.SafeLoader):
    """Plain scalars as in YAML 1.2 (so 1e-3 is a number, and no, on and 12:30 are words)."""

    yaml_implicit_resolvers: dict[str, list] = {}


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9][0-9_]*$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
        list("-+.0123456789"),
    ),
):
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    # PyYAML would read 010 as eight.
    return int(loader.construct_scalar(node).replace("_", ""))


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _decimal)


def load_config(paths: Iterable[str | os.PathLike]) -> Config:
    """Read configuration files, the later ones laid over the earlier ones, and check the whole.

    Mappings are merged key by key; anything else is replaced. A key of a free mapping such as ``models``
    is removed by giving it the value null.

    Parameters
    ----------
    paths : iterable of path
        YAML files.

    Returns
    -------
    Config
        Validated; keys that no file gives have the defaults of the schema.

    Raises
    ------
    ConfigError
        If a file does not parse or a value is refused; lists all faults.
    FileNotFoundError
        If there is no such file.
    """
    merged: dict[str, Any] = {}
    where: dict[Path_, str] = {}
    for path in paths:
        data, lines = read_yaml(path)
        if not isinstance(data, Mapping | None):
            raise ConfigError(f"{path} holds a {type(data).__name__}, expected keys with values")
        merged = merge(merged, data or {})
        where |= {key: f"{path}, line {line}" for key, line in lines.items()}
    config = validate(Config, merged, where)
    use_verification(config.verify_checksums)
    return config


def config_from_dict(data: Mapping[str, Any], origin: str = "configuration") -> Config:
    """Check a configuration that is already in memory (as a workflow system hands it over).

    Parameters
    ----------
    data : mapping
        Plain data.
    origin : str
        Where it comes from, for the messages.

    Raises
    ------
    ConfigError
        If a value is refused; lists all faults.
    """
    return validate(Config, data, {(): origin})


def read_yaml(path: str | os.PathLike) -> tuple[Any, dict[Path_, int]]:
    """Read one YAML file with nothing but plain data; give the data and the line of every key.

    Raises
    ------
    ConfigError
        If it is not YAML, or a key is given twice.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no configuration file {path}; correct the path, or go to the folder that has it"
        )
    lines: dict[Path_, int] = {}
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
        if node is None:
            return None, lines
        _mark(node, (), lines, path)
        loader = _StrictLoader("")
        try:
            return loader.construct_document(node), lines
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from error
    except ConfigError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise ConfigError(f"{path} holds a value that is none: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply for a configuration") from error


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested mapping over another; null removes a mapping. Neither argument is changed."""
    result = dict(base)
    for key, value in overlay.items():
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            result[key] = merge(old, value)
        elif value is None and isinstance(old, Mapping):
            del result[key]
        else:
            result[key] = value
    return result


def validate(model: type[M], data: Mapping[str, Any], where: Mapping[Path_, str] | None = None) -> M:
    """Check plain data against a model, without conversions (``"3"`` and ``true`` are no numbers).

    Parameters
    ----------
    model : type
        A pydantic model.
    data : mapping
        Plain data as YAML or JSON give it.
    where : mapping, optional
        Place (file and line) of keys, by their path; ``()`` for the whole.

    Raises
    ------
    ConfigError
        If a value is refused.
    """
    where = where or {}
    try:
        text = json.dumps(data, allow_nan=True, default=os.fspath)
    except TypeError as error:
        raise ConfigError(f"the configuration holds something that is no plain data: {error}") from error
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        faults = [describe_fault(fault, model, data, where) for fault in error.errors(include_url=False)]
    raise ConfigError("\n".join(dict.fromkeys(faults)))


def _mark(node: yaml.Node, path: Path_, lines: dict[Path_, int], file: Path) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    # Aliases of aliases multiply: a few lines can stand for more values than there is memory.
    if len(lines) > _MOST_VALUES or len(path) > _MOST_LEVELS:
        raise ConfigError(
            f"{file}, line {node.start_mark.line + 1}: more values or levels than a configuration has; aliases?"
        )
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key = (*path, key_node.value)
            line = key_node.start_mark.line + 1
            if key in lines:
                raise ConfigError(
                    f"{file}, line {line}: {dotted(key)} is given twice (first in line {lines[key]}); keep one"
                )
            lines[key] = line
            _mark(value_node, key, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _mark(item, (*path, index), lines, file)
