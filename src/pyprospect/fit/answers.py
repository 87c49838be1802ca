"""What a fit found, as draws with weights, and the file that holds it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pyprospect.fit.convergence import effective_size, r_hat

__all__ = ["Answer", "FitFileError", "Row", "read_answers", "write_answers"]

Array = NDArray[np.float64]
SCHEMA, VERSION = "pyprospect.fit", 1


class FitFileError(ValueError):
    """A file is not a fit, or not of this fit."""


@dataclass(frozen=True)
class Row:
    """One line of a summary."""

    name: str
    mean: float
    sigma: float
    q16: float
    median: float
    q84: float
    effective: float
    r_hat: float


@dataclass(frozen=True)
class Answer:
    """Draws of one posterior by one way of sampling.

    Attributes
    ----------
    kind : str
        ``laplace``, ``nuts``, ``nested`` or ``weighed``.
    u : ndarray, shape (n_chain, n_draw, n_free)
        In standard normal coordinates; one chain where there are none.
    log_weight : ndarray, shape (n_chain, n_draw)
        Normalised over all; equal for chains.
    log_prob : ndarray, shape (n_chain, n_draw)
        Log of the posterior, not normalised.
    labels : tuple of str
        Names of the columns of `values`.
    values : ndarray, shape (n_chain, n_draw, n_label)
        The free parameters.
    derived : dict of ndarray (n_chain, n_draw)
    about : dict
        Numbers of the run: ``log_evidence``, ``acceptance``, ``divergences`` ...
    """

    kind: str
    u: Array
    log_weight: Array
    log_prob: Array
    labels: tuple[str, ...]
    values: Array
    derived: dict[str, Array] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def weights(self) -> Array:
        """Weights that sum to one, (n_chain, n_draw)."""
        w = np.exp(self.log_weight - self.log_weight.max())
        return w / w.sum()

    @property
    def weight_size(self) -> float:
        """Effective number of draws by their weights alone (Kish)."""
        return float(1.0 / (self.weights**2).sum())

    def column(self, name: str) -> Array:
        """Return a parameter or derived quantity, (n_chain, n_draw)."""
        if name in self.labels:
            return self.values[..., self.labels.index(name)]
        if name in self.derived:
            return self.derived[name]
        raise ValueError(f"{name!r} is not in this fit; it has {[*self.labels, *self.derived]}")

    def quantiles(self, values: Array, levels: Array) -> Array:
        """Return weighted quantiles of values (n_chain, n_draw, ...) along the draws, (n_level, ...)."""
        flat = np.reshape(values, (self.log_weight.size, -1))
        weight = self.weights.ravel()
        out = np.empty((len(levels), flat.shape[1]))
        for j in range(flat.shape[1]):
            order = np.argsort(flat[:, j])
            at = np.cumsum(weight[order]) - 0.5 * weight[order]
            out[:, j] = np.interp(levels, at, flat[order, j])
        return out.reshape(len(levels), *np.shape(values)[2:])

    def rows(self) -> list[Row]:
        """Return the summary, a row each parameter and derived quantity."""
        weight, out = self.weights, []
        for name in (*self.labels, *self.derived):
            x = self.column(name)
            mean = float((weight * x).sum())
            sigma = float(np.sqrt((weight * (x - mean) ** 2).sum()))
            low, middle, high = self.quantiles(x, np.array([0.16, 0.5, 0.84]))
            chains = self.kind == "nuts"
            size = effective_size(x) if chains else self.weight_size
            spread = r_hat(x) if chains and len(x) > 1 else float("nan")
            out.append(Row(name, mean, sigma, float(low), float(middle), float(high), size, spread))
        return out

    def equal(self, n: int, rng: np.random.Generator) -> Array:
        """Return n draws of equal weight, (n, n_free), in standard normal coordinates."""
        flat = self.u.reshape(-1, self.u.shape[-1])
        return flat[rng.choice(len(flat), n, p=self.weights.ravel())]


def write_answers(
    path: str | os.PathLike, answers: dict[str, Answer], about: dict[str, Any], arrays: dict[str, Array]
) -> None:
    """Write answers to HDF5; the file appears under its name only when it is whole.

    Parameters
    ----------
    path : path
    answers : dict
        By kind.
    about : dict
        Stored as JSON.
    arrays : dict of ndarray
        Whatever else a figure needs.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with h5py.File(part, "w") as file:
        file.attrs["schema"], file.attrs["version"] = SCHEMA, VERSION
        file.attrs["about"] = json.dumps(about)
        for name, array in arrays.items():
            file[f"arrays/{name}"] = array
        # Names come back in their order, not the alphabet's.
        kinds = file.create_group("answers", track_order=True)
        for kind, answer in answers.items():
            group = kinds.create_group(kind)
            group.attrs["labels"], group.attrs["about"] = json.dumps(answer.labels), json.dumps(answer.about)
            for name in ("u", "log_weight", "log_prob", "values"):
                group.create_dataset(name, data=getattr(answer, name), compression="gzip")
            derived = group.create_group("derived", track_order=True)
            for name, array in answer.derived.items():
                derived[name] = array
    part.replace(path)


def read_answers(
    path: str | os.PathLike,
) -> tuple[dict[str, Answer], dict[str, Any], dict[str, Array]]:
    """Read what `write_answers` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FitFileError
        If it is no fit.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no fit at {path}")
    try:
        file = h5py.File(path)
    except OSError as error:
        raise FitFileError(f"{path} is not HDF5: {error}") from error
    with file:
        if file.attrs.get("schema") != SCHEMA or file.attrs.get("version") != VERSION:
            raise FitFileError(f"{path} is not a fit of this version (schema {SCHEMA}, version {VERSION})")
        answers = {}
        for kind, group in file.get("answers", {}).items():
            answers[kind] = Answer(
                kind=kind,
                u=group["u"][()],
                log_weight=group["log_weight"][()],
                log_prob=group["log_prob"][()],
                labels=tuple(json.loads(group.attrs["labels"])),
                values=group["values"][()],
                derived={name: value[()] for name, value in group.get("derived", {}).items()},
                about=json.loads(group.attrs["about"]),
            )
        arrays = {name: value[()] for name, value in file.get("arrays", {}).items()}
        return answers, json.loads(file.attrs["about"]), arrays
