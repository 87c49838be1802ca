"""A folded synthesizer as plain arrays: a few MB that give spectra where neither library nor filter curves are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.gas.ratios import LineRatios
from pyprospect.stars.library import SSPLibrary

__all__ = ["pack", "unpack"]

# Not needed once the library is folded.
_LEFT_OUT = frozenset({"library", "lines", "dtype", "device", "_continuum_native"})
_OF_LIBRARY = ("z", "age_yr", "age_edges_yr", "evolution")
_OF_LINES = ("wave_aa", "z", "log_u", "ratio", "other", "diffuse")


def pack(synthesizer: Synthesizer) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return all that a synthesizer needs to be called.

    Parameters
    ----------
    synthesizer : Synthesizer

    Returns
    -------
    arrays : dict of ndarray
    plain : dict
        Fit for JSON.

    Raises
    ------
    TypeError
        If the synthesizer holds something of another kind.
    """
    arrays: dict[str, NDArray[Any]] = {}
    plain: dict[str, Any] = {}
    for name, value in vars(synthesizer).items():
        if name in _LEFT_OUT:
            continue
        if isinstance(value, Tensor):
            arrays[f"tensor.{name}"] = value.detach().cpu().numpy()
        elif isinstance(value, np.ndarray):
            arrays[f"array.{name}"] = value
        elif isinstance(value, slice):
            plain[name] = {"slice": [value.start, value.stop]}
        elif value is None or isinstance(value, bool | int | float | str):
            plain[name] = value
        elif isinstance(value, tuple) and all(isinstance(part, int | float | str) for part in value):
            plain[name] = {"tuple": list(value)}
        else:
            raise TypeError(f"the synthesizer's {name} is a {type(value).__name__}, which cannot be packed")
    library, lines = synthesizer.library, synthesizer.lines
    arrays |= {f"library.{name}": getattr(library, name) for name in _OF_LIBRARY}
    about: dict[str, Any] = {
        "name": library.name,
        "span_aa": [float(library.wave_aa[0]), float(library.wave_aa[-1])],
    }
    about["meta"] = {key: library.meta[key] for key in ("medium", "resolution") if key in library.meta}
    packed: dict[str, Any] = {"values": plain, "library": about, "lines": None}
    if lines is not None:
        given = {name: getattr(lines, name) for name in _OF_LINES}
        arrays |= {f"lines.{name}": values for name, values in given.items() if values is not None}
        packed["lines"] = list(lines.names)
    return arrays, packed


def unpack(
    arrays: dict[str, NDArray[Any]], plain: dict[str, Any], *, device: str | torch.device = "cpu"
) -> Synthesizer:
    """Return the synthesizer that was packed; its library holds no spectra.

    Parameters
    ----------
    arrays, plain : dict
        From `pack`.
    device : torch.device or str
        Where it works.

    Returns
    -------
    Synthesizer
    """
    synthesizer = Synthesizer.__new__(Synthesizer)
    synthesizer.device = torch.device(device)
    for key, values in arrays.items():
        kind, _, name = key.partition(".")
        if kind == "tensor":
            setattr(synthesizer, name, torch.tensor(values, device=synthesizer.device))
        elif kind == "array":
            setattr(synthesizer, name, values)
    for name, value in plain["values"].items():
        if isinstance(value, dict) and "slice" in value:
            value = slice(*value["slice"])
        elif isinstance(value, dict):
            value = tuple(value["tuple"])
        setattr(synthesizer, name, value)
    synthesizer.dtype = synthesizer.young_share.dtype
    about = plain["library"]
    of_library: dict[str, Any] = {name: arrays[f"library.{name}"] for name in _OF_LIBRARY}
    shape = (len(of_library["z"]), len(of_library["age_yr"]), 2)
    synthesizer.library = SSPLibrary(
        **of_library,
        wave_aa=np.array(about["span_aa"]),
        spectra=np.zeros(shape, dtype=np.float32),
        name=about["name"],
        meta=about["meta"],
    )
    synthesizer.lines = None
    if plain["lines"] is not None:
        of_lines: dict[str, Any] = {name: arrays.get(f"lines.{name}") for name in _OF_LINES}
        synthesizer.lines = LineRatios(names=tuple(plain["lines"]), **of_lines)
    return synthesizer
