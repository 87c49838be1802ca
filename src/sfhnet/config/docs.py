"""The documentation of the configuration, written from its schema."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sfhnet.config.base import kind_of, models_in
from sfhnet.config.root import Config

__all__ = ["config_page", "json_schema", "model_table"]

_HEAD = """<!-- Written by `make docs` from src/sfhnet/config; edit the schema, not this page. -->
# Configuration

`config.yaml` holds every key with its default. Overlays change parts of it, the later ones winning:

```
sfhnet run --config configs/tiny.yaml                     # or: make run CONFIG=configs/tiny.yaml
sfhnet config check configs/tiny.yaml                     # config.yaml with the overlay, without running anything
```

Mappings are merged key by key; lists and values are replaced; `null` removes an entry of `models`. The schema is
closed: an unknown key, a value of another type or out of its range stops the run before any job, and names the file,
the line, the value, the reason and the nearest valid key. `docs/config.schema.json` is the same as JSON schema, for
editors that complete and check YAML.

The sample sheet, `galaxies.tsv`, is checked in the same way: see [galaxies](galaxies.md).
"""

_CONSTRAINTS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def config_page() -> str:
    """Write the page docs/config.md."""
    parts = [_HEAD]
    scalars = [name for name, field in Config.model_fields.items() if not models_in(field.annotation)]
    parts.append("## Top level\n\n" + model_table(Config, only=scalars))
    shown: dict[tuple[type[BaseModel], ...], str] = {}
    for name, field in Config.model_fields.items():
        parts.extend(_section(name, field, shown))
    return "\n".join(parts)


def json_schema() -> str:
    """Write the configuration's JSON schema."""
    return json.dumps(Config.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def model_table(model: type[BaseModel], only: list[str] | None = None) -> str:
    """Write a Markdown table of the fields of a model: key, default, values and meaning."""
    lines = ["| key | default | values | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if only is not None and name not in only:
            continue
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {_default(field)} | {_values(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _section(name: str, field: FieldInfo, shown: dict[tuple[type[BaseModel], ...], str]) -> Iterator[str]:
    """Write the sections of a field that holds models; those `shown` under another name are only named."""
    models = tuple(models_in(field.annotation))
    if not models:
        return
    of_many = typing.get_origin(field.annotation) in (dict, list, tuple)
    start = f"## {name}\n\n" + (_paragraph(field.description) if of_many else "")
    if models in shown:
        anchor = re.sub(r"[^\w -]", "", shown[models]).replace(" ", "-")
        yield f"{start}As [{shown[models]}](#{anchor}).\n"
        return
    shown[models] = name
    if len(models) == 1:
        yield start + _one_model(models[0])
    else:
        kinds = ", ".join(f"`{kind_of(model)}`" for model in models)
        yield f"{start}{_paragraph(_about_union(field.annotation))}`kind` is one of {kinds}.\n"
        for model in models:
            yield f"### {name}: {kind_of(model)}\n\n{_one_model(model)}"
    inner: dict[str, dict[tuple[type[BaseModel], ...], tuple[FieldInfo, list[str]]]] = {}
    for model in models:
        for key, value in model.model_fields.items():
            of_key = inner.setdefault(key, {}).setdefault(tuple(models_in(value.annotation)), (value, []))
            of_key[1].append(kind_of(model))
    for key, variants in inner.items():
        for value, of_kinds in variants.values():
            title = f"{name}.{key}" if len(variants) == 1 else f"{name}.{key} ({', '.join(of_kinds)})"
            yield from _section(title, value, shown)


def _one_model(model: type[BaseModel]) -> str:
    own = [
        key
        for key, field in model.model_fields.items()
        if not models_in(field.annotation) and not (key == "kind" and kind_of(model))
    ]
    text = "\n".join(line.strip() for line in (model.__doc__ or "").strip().splitlines())
    return f"{text}\n\n" + (model_table(model, own) if own else "")


def _about_union(annotation: Any) -> str | None:
    """Return the description that a union carries in its annotation."""
    for part in typing.get_args(annotation):
        about = part.description if isinstance(part, FieldInfo) else _about_union(part)
        if about:
            return about
    return None


def _paragraph(text: str | None) -> str:
    return f"{' '.join(text.split())}\n\n" if text else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    text = json.dumps(_data(value), ensure_ascii=False)
    return f"`{text}`".replace("|", "\\|")


def _data(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: _data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_data(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _values(field: FieldInfo) -> str:
    limits = []
    for item in field.metadata:
        for key, sign in _CONSTRAINTS.items():
            bound = getattr(item, key, None)
            if bound is not None:
                limits.append(f"{sign} {bound:g}")
    text = _type(field.annotation)
    return f"{text}, {', '.join(limits)}" if limits else text


def _type(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " \\| ".join(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " \\| ".join("null" if part is type(None) else _type(part) for part in inner)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin is tuple and Ellipsis not in inner:
        same = len(set(inner)) == 1
        return f"{len(inner)} × {_type(inner[0])}" if same else ", ".join(_type(part) for part in inner)
    if origin in (list, tuple):
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return f"{_type(inner[0])} → {_type(inner[1])}"
    names = {"str": "text", "int": "integer", "float": "number", "bool": "true \\| false", "Path": "path"}
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name)
