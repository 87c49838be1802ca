"""Read configuration files: strict YAML, overlays, and errors that say where and what instead."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from sfhnet.config.root import Config

__all__ = ["ConfigError", "config_from_dict", "load_config", "merge", "read_yaml", "validate"]

M = TypeVar("M", bound=BaseModel)
Path_ = tuple[Any, ...]


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
    return validate(Config, merged, where)


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
        raise FileNotFoundError(f"there is no configuration file {path}")
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
        faults = [_fault(fault, model, data, where) for fault in error.errors(include_url=False)]
    raise ConfigError("\n".join(dict.fromkeys(faults)))


def _mark(node: yaml.Node, path: Path_, lines: dict[Path_, int], file: Path) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key = (*path, key_node.value)
            line = key_node.start_mark.line + 1
            if key in lines:
                raise ConfigError(
                    f"{file}, line {line}: {_dotted(key)} is given twice (first in line {lines[key]}); keep one"
                )
            lines[key] = line
            _mark(value_node, key, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _mark(item, (*path, index), lines, file)


def _fault(fault: Mapping[str, Any], model: type[BaseModel], data: Any, where: Mapping[Path_, str]) -> str:
    key, value = _follow(fault["loc"], data)
    place = next((where[key[:n]] for n in range(len(key), -1, -1) if key[:n] in where), "")
    start = f"{place}: " if place else ""
    name = _dotted(key) or "the configuration"
    if fault["type"] == "extra_forbidden":
        return f"{start}{name} = {_show(value)}: unknown key{_suggest(key, model)}"
    if fault["type"] == "missing":
        return f"{start}{_dotted(fault['loc'])} is missing; add it"
    reason = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if fault["type"] in ("value_error", "assertion_error"):
        return f"{start}{name}: {reason}"
    reason = reason[0].lower() + reason[1:]
    return f"{start}{name} = {_show(value)}: {reason}{_allowed(key, model)}"


def _follow(loc: Path_, data: Any) -> tuple[Path_, Any]:
    """Follow pydantic's location as far as the data go; tags of unions and the like are no keys."""
    key: list[Any] = []
    for part in loc:
        in_list = isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, Mapping) and part in data):
            data = data[part]
            key.append(part)
    return tuple(key), data


def _dotted(key: Path_) -> str:
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _show(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def _suggest(key: Path_, model: type[BaseModel]) -> str:
    last, parent = str(key[-1]), key[:-1]
    siblings = _fields_at(parent, model)
    close = difflib.get_close_matches(last, siblings, 1, 0.6)
    if close:
        return f"; did you mean {_dotted((*parent, close[0]))}?"
    known = [".".join(path) for path in _known_keys(model)]
    exact = [name for name in known if name.rpartition(".")[2] == last]
    close = exact or difflib.get_close_matches(_dotted(key), known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; keys known here: {', '.join(siblings)}" if siblings else "; see docs/config.md"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models(inner)]


def _fields_at(key: Path_, model: type[BaseModel]) -> list[str]:
    """Names of the fields that may stand at a place; free keys and indices lead to what the container holds."""
    models = [model]
    for part in key:
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        models = [found for field in fields for found in _models(field.annotation)] or models
    return list(dict.fromkeys(name for m in models for name in m.model_fields)) if models else []


def _known_keys(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known_keys(field.annotation, (*prefix, name))


def _allowed(key: Path_, model: type[BaseModel]) -> str:
    """Name the description of the field, which says the unit and the meaning."""
    current: Any = model
    description = ""
    for part in key:
        if (
            not (isinstance(current, type) and issubclass(current, BaseModel))
            or part not in current.model_fields
        ):
            break
        field = current.model_fields[part]
        description, current = field.description or "", field.annotation
    first = " ".join(description.split())
    return f" ({first})" if first else ""
