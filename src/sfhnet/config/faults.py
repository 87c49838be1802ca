"""Words for what is wrong with a configuration: where, what, and what to write instead."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from sfhnet.config.base import kind_of, models_in

__all__ = ["Path_", "describe_fault", "dotted"]

Path_ = tuple[Any, ...]
"""Keys and indices that lead to a value."""


def describe_fault(
    fault: Mapping[str, Any], model: type[BaseModel], data: Any, where: Mapping[Path_, str]
) -> str:
    """Return one line on a fault: where it is, the key, its value, the reason and what to write instead.

    Parameters
    ----------
    fault : mapping
        One of the errors of pydantic's ``ValidationError.errors()``.
    model : type
        The model that refused.
    data : mapping
        The data that were refused.
    where : mapping
        Place (file and line) of keys, by their path; ``()`` for the whole.
    """
    key, value = _follow(fault["loc"], data)
    place = next((where[key[:n]] for n in range(len(key), -1, -1) if key[:n] in where), "")
    start = f"{place}: " if place else ""
    name = dotted(key) or "the configuration"
    if fault["type"] == "extra_forbidden":
        return f"{start}{name} = {_show(value)}: {_unknown(key, model, data)}"
    if fault["type"] == "missing":
        return f"{start}{dotted((*key, fault['loc'][-1]))} is missing; add it"
    if fault["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return f"{start}{name}.kind {_no_kind(key, model, data, value)}"
    reason = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if fault["type"] in ("value_error", "assertion_error"):
        return f"{start}{name}: {reason}"
    reason = reason[0].lower() + reason[1:]
    return f"{start}{name} = {_show(value)}: {reason}{_allowed(key, model, data)}"


def dotted(key: Path_) -> str:
    """Return a path as it is written: ``models.flow.filters[0]``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _follow(loc: Path_, data: Any) -> tuple[Path_, Any]:
    """Follow pydantic's location as far as the data go; tags of unions and the like are no keys."""
    key: list[Any] = []
    for part in loc:
        in_list = isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, Mapping) and part in data):
            data = data[part]
            key.append(part)
    return tuple(key), data


def _show(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def _no_kind(key: Path_, model: type[BaseModel], data: Any, value: Any) -> str:
    kinds = [place.kind for place in _places(key, model, data)]
    given = value.get("kind") if isinstance(value, Mapping) else None
    if given is None:
        return f"is missing; add one of {', '.join(kinds)}"
    close = difflib.get_close_matches(str(given), kinds, 1, 0.6)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"= {_show(given)}: there are {', '.join(map(repr, kinds))}{hint}"


def _unknown(key: Path_, model: type[BaseModel], data: Any) -> str:
    """Say whose key an unknown one is, or which one was meant."""
    last, parent = str(key[-1]), key[:-1]
    places = _places(parent, model, data)
    others = [place.kind for place in places if not place.of_data and last in place.model.model_fields]
    own = [place for place in places if place.of_data]
    siblings = list(dict.fromkeys(name for place in own for name in place.model.model_fields))
    if others:
        kind, takes = own[0].kind, [name for name in siblings if name != "kind"]
        return f"{last} is an option of {_and(others)}, not of {kind}; {kind} takes {', '.join(takes)}"
    close = difflib.get_close_matches(last, siblings, 1, 0.6)
    if close:
        return f"unknown key; did you mean {dotted((*parent, close[0]))}?"
    known = [".".join(path) for path in _known_keys(model)]
    exact = [name for name in known if name.rpartition(".")[2] == last]
    close = exact or difflib.get_close_matches(dotted(key), known, 1, 0.6)
    if close:
        return f"unknown key; did you mean {close[0]}?"
    return f"unknown key; keys known here: {', '.join(siblings)}"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


@dataclass(frozen=True)
class _Place:
    """A model that the schema has at a place, the kind that leads to it ("" if none), and whether the data are of it."""

    model: type[BaseModel]
    kind: str = ""
    of_data: bool = True

    def seen(self, data: Any) -> _Place:
        """Return the place with its kind compared with that of the data."""
        kind = kind_of(self.model)
        given = data.get("kind") if kind and isinstance(data, Mapping) else None
        return replace(self, of_data=self.of_data and given == kind) if isinstance(given, str) else self

    def below(self, part: Any) -> list[_Place]:
        """Return the places under a key."""
        if part not in self.model.model_fields:
            return []
        models = models_in(self.model.model_fields[part].annotation)
        return [replace(self, model=model, kind=kind_of(model) or self.kind) for model in models]


def _places(key: Path_, model: type[BaseModel], data: Any) -> list[_Place]:
    """Return the models at a place; free keys and indices lead to what the container holds."""
    places = [_Place(model).seen(data)]
    for part in key:
        data = data[part]
        below = [inner for place in places for inner in place.below(part)]
        places = [place.seen(data) for place in below or places]
    return places


def _known_keys(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known_keys(field.annotation, (*prefix, name))


def _allowed(key: Path_, model: type[BaseModel], data: Any) -> str:
    """Name the description of the innermost field, which says the unit and the meaning."""
    for n in range(len(key) - 1, -1, -1):
        for place in _places(key[:n], model, data):
            field = place.model.model_fields.get(key[n]) if place.of_data else None
            if field is not None:
                text = " ".join((field.description or "").split())
                return f" ({text})" if text else ""
    return ""
