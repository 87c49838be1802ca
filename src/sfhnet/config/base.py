"""What every section of the configuration has in common."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AgeMyr",
    "AlphaFe",
    "LogAgeYr",
    "LogWidth",
    "NotNegative",
    "Section",
    "Snr",
    "SomeCount",
    "WaveAa",
    "WidthAa",
    "check_ascending",
    "check_range",
    "kind_of",
    "models_in",
]

# Items of lists, with the range that is physically possible; single numbers have theirs beside them.
WaveAa = Annotated[float, Field(ge=912, le=25000)]
"""Optical wavelength [AA]."""
WidthAa = Annotated[float, Field(gt=0, le=10000)]
"""Stretch of a spectrum [AA]."""
AgeMyr = Annotated[float, Field(ge=0, le=13800)]
"""Look-back age, not before the Universe [Myr]."""
LogAgeYr = Annotated[float, Field(ge=5, le=10.15)]
"""log10 of an age in yr."""
Snr = Annotated[float, Field(ge=0.1, le=10000)]
"""Signal-to-noise ratio per pixel."""
NotNegative = Annotated[float, Field(ge=0, le=1e6)]
"""Ratio, or strength."""
AlphaFe = Annotated[float, Field(ge=-1, le=1)]
"""[alpha/Fe] in dex."""
LogWidth = Annotated[float, Field(ge=-5, le=5)]
"""log10 of an equivalent width in AA."""
SomeCount = Annotated[int, Field(ge=1, le=100000)]
"""A number of things."""


class Section(BaseModel):
    """One section: closed (an unknown key is an error), immutable, fields described by their docstrings."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


def check_range(values: tuple[float, float], name: str) -> tuple[float, float]:
    """Check that a (low, high) pair is not reversed.

    Raises
    ------
    ValueError
        If low is above high.
    """
    if values[0] > values[1]:
        raise ValueError(f"{name} is [{values[0]:g}, {values[1]:g}], low above high; swap them")
    return values


def check_ascending(values: Sequence[float], name: str) -> Sequence[float]:
    """Check that values strictly ascend.

    Raises
    ------
    ValueError
        If they do not; names the first pair that is out of order.
    """
    for low, high in pairwise(values):
        if not low < high:
            raise ValueError(f"{name} must ascend, but {low:g} is followed by {high:g}")
    return values


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models of an annotation: itself, the members of a union, the items of a container."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    models = [model for inner in typing.get_args(annotation) for model in models_in(inner)]
    return list(dict.fromkeys(models))


def kind_of(model: type[BaseModel]) -> str:
    """Return the kind of a member of a union that is told apart by its key `kind`, "" for any other model."""
    field = model.model_fields.get("kind")
    kinds = typing.get_args(field.annotation) if field is not None else ()
    return str(kinds[0]) if len(kinds) == 1 else ""
