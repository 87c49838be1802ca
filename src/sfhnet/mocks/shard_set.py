"""Many shards read as one set of galaxies, in any order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfhnet.core.training_grid import TrainingGrid
from sfhnet.mocks.shard_check import check_shard_once
from sfhnet.mocks.shard_identity import same_identity

__all__ = ["ShardSet"]


class ShardSet:
    """Many shards read as one set of galaxies.

    Parameters
    ----------
    paths : sequence of path
        Shards of one configuration, in the order in which galaxies are numbered.

    Attributes
    ----------
    identity : dict
        What tells this set from another: ``made_for``, the identity that all shards share but for their number, and
        ``shards``, the checksum of the content of each.

    Raises
    ------
    ShardError
        If a shard is truncated, damaged or not of the same kind as the first; names it.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        if not paths:
            raise ValueError("no shards were given; make some with scripts/synthesize.py")
        self.paths = [Path(path) for path in paths]
        for path in self.paths:
            check_shard_once(path)
        with h5py.File(self.paths[0], "r") as file:
            first = _made_for(file)
            self.wave_aa: NDArray[np.float64] = file["wave_aa"][()]
            self.grid = TrainingGrid(
                self.wave_aa, file["training_sigma_aa"][()], json.loads(file.attrs["resolution"])
            )
            self.age_edges_myr: NDArray[np.float64] = file["age_bins_myr"][()]
            self.cum_age_yr: NDArray[np.float64] = file["cum_age_yr"][()]
            self.line_profile: NDArray[np.float32] = file["line_profile"][()]
            self.band_names = _names(file, "band_names")
            self.line_names = _names(file, "line_names")
            self.family_names = _names(file, "family_names")
            self.metallicity_names = _names(file, "metallicity_names")
            self.label_names = tuple(file["labels"])
            self.parameter_names = tuple(file["parameters"])
        counts, content = [], []
        for path in self.paths:
            with h5py.File(path, "r") as file:
                same_identity(path, _made_for(file), first)
                counts.append(int(file.attrs["n_galaxy"]))
                content.append(str(file.attrs["sha256"]))
        self.identity = {"made_for": first, "shards": content}
        self._start = np.concatenate([[0], np.cumsum(counts)])

    @property
    def n(self) -> int:
        """Number of galaxies."""
        return int(self._start[-1])

    def __len__(self) -> int:
        return self.n

    def batch(self, indices: ArrayLike) -> dict[str, Any]:
        """Read galaxies by number, in the order asked for.

        Parameters
        ----------
        indices : (n,) int
            Reading is fastest when many of them share chunks; any order works.

        Returns
        -------
        dict
            ``flux``, ``band_flux``, ``line_flux`` (n, ...) float32, ``line_profile`` (n_line, n_wave), ``labels``
            and ``parameters`` (dicts), ``family``, ``metallicity``, ``log_prior``.

        Raises
        ------
        IndexError
            If an index is out of range.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= self.n):
            raise IndexError(f"indices run {indices.min()} .. {indices.max()}, there are {self.n} galaxies")
        order = np.argsort(indices, kind="stable")
        wanted = indices[order]
        parts: dict[str, list[np.ndarray]] = {}
        shard_of = np.searchsorted(self._start, wanted, side="right") - 1
        for shard in np.unique(shard_of):
            rows = wanted[shard_of == shard] - self._start[shard]
            for name, values in self._read(self.paths[shard], rows).items():
                parts.setdefault(name, []).append(values)
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        flat = {name: np.concatenate(values)[back] for name, values in parts.items()}
        result: dict[str, Any] = {"labels": {}, "parameters": {}, "line_profile": self.line_profile}
        for name, values in flat.items():
            group, _, key = name.rpartition("/")
            (result[group] if group else result)[key] = values
        return result

    def _read(self, path: Path, rows: NDArray[np.int64]) -> dict[str, np.ndarray]:
        unique, inverse = np.unique(rows, return_inverse=True)
        names = ["band_flux", "line_flux", "family", "metallicity", "log_prior"]
        names += [f"labels/{name}" for name in self.label_names]
        names += [f"parameters/{name}" for name in self.parameter_names]
        with h5py.File(path, "r") as file:
            # a contiguous span read and cut is far faster than HDF5's own selection of scattered rows
            spans = _spans(unique)
            read = {
                name: _gather(file[name], spans, unique)[inverse] for name in names if file[name].shape[0] > 0
            }
            flux = _gather(file["flux"], spans, unique)
            if "flux_scale" in file:
                flux = flux.astype(np.float32)
                flux *= _gather(file["flux_scale"], spans, unique)[:, None]
        identity = inverse.size == unique.size and np.array_equal(inverse, np.arange(unique.size))
        read["flux"] = flux if identity else flux[inverse]
        return read


def _made_for(file: h5py.File) -> dict[str, Any]:
    """Return the identity that all shards of a set share: all but the number."""
    return {key: value for key, value in json.loads(file.attrs["identity"]).items() if key != "shard"}


def _names(file: h5py.File, name: str) -> tuple[str, ...]:
    return tuple(str(text) for text in file.attrs[name])


def _spans(rows: NDArray[np.int64], gap: int = 16) -> list[tuple[int, int]]:
    if rows.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(rows) > gap)
    first = np.concatenate([[0], breaks + 1])
    last = np.concatenate([breaks, [rows.size - 1]])
    return [(int(rows[a]), int(rows[b]) + 1) for a, b in zip(first, last, strict=True)]


def _gather(dataset: h5py.Dataset, spans: list[tuple[int, int]], rows: NDArray[np.int64]) -> np.ndarray:
    parts = []
    for low, high in spans:
        inside = rows[(rows >= low) & (rows < high)]
        values = dataset[low:high]
        parts.append(values if inside.size == high - low else values[inside - low])
    if not parts:
        return dataset[0:0]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
