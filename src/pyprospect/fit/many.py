"""A thousand galaxies at once: mode and normal approximation of each, in blocks that share every matrix product."""

from __future__ import annotations

import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from pyprospect.arguments import check_counts
from pyprospect.fit.answers import FitFileError
from pyprospect.fit.data import Data
from pyprospect.fit.fitting import ConvergenceWarning, FewDataWarning
from pyprospect.fit.laplace import laplace
from pyprospect.fit.likelihood import Calibration, Likelihood
from pyprospect.fit.map import modes
from pyprospect.fit.model import GalaxyModel
from pyprospect.fit.target import Target

__all__ = ["Many", "fit_many"]

Array = NDArray[np.float64]
LEVELS = (0.16, 0.5, 0.84)


@dataclass(frozen=True)
class Many:
    """Fits of n galaxies.

    Attributes
    ----------
    labels : tuple of str
        Free parameters, then what is derived from them.
    mode : ndarray, shape (n, n_free)
        In standard normal coordinates.
    quantiles : ndarray, shape (n, 3, n_label)
        16, 50 and 84 % of the normal approximation, in the parameters; NaN where no start had a finite likelihood.
    chi2 : ndarray, shape (n,)
        At the mode, with the calibration marginalised out.
    n_values : ndarray, shape (n,)
    log_evidence : ndarray, shape (n,)
    converged : ndarray of bool, shape (n,)
    """

    labels: tuple[str, ...]
    mode: Array
    quantiles: Array
    chi2: Array
    n_values: NDArray[np.int_]
    log_evidence: Array
    converged: NDArray[np.bool_]

    def column(self, name: str) -> Array:
        """Return 16, 50 and 84 % of a parameter or derived quantity, (n, 3)."""
        if name not in self.labels:
            raise ValueError(f"{name!r} is not in these fits; they have {list(self.labels)}")
        return self.quantiles[:, :, self.labels.index(name)]


def fit_many(
    data: Data,
    model: GalaxyModel,
    *,
    calibration: Calibration | None = None,
    n_start: int = 4,
    starts: Array | None = None,
    n_draw: int = 32,
    block: int = 32,
    path: str | os.PathLike | None = None,
    seed: int = 1,
    progress: bool = False,
) -> Many:
    """Fit galaxies one by one in their physics, together in their arithmetic.

    Parameters
    ----------
    data : Data
        n galaxies.
    model : GalaxyModel
        Of these data.
    calibration : Calibration, optional
        Marginalised, for each galaxy by itself.
    n_start : int
        Starts of each galaxy, draws of the prior.
    starts : ndarray, shape (n, k, n_free), optional
        More starts, in standard normal coordinates (`Parameters.to_normal`).
    n_draw : int
        Draws of the normal approximation that quantiles are made of.
    block : int
        Galaxies at a time.
    path : path, optional
        HDF5 file that each block is written to; a run that was killed goes on from it.
    seed : int
    progress : bool
        A line every few seconds on standard error.

    Returns
    -------
    Many

    Raises
    ------
    ValueError
        If a galaxy has no usable value, or a number of draws makes no sense.
    FitFileError
        If the file at `path` is of other data.
    """
    check_counts("fit_many", n_draw=n_draw, block=block)
    check_counts("fit_many", n_start=n_start, least=1 if starts is None else 0)
    empty = np.flatnonzero(data.n_values == 0)
    if empty.size:
        raise ValueError(f"galaxy {empty[0]} has no usable value ({empty.size} have none); leave it out")
    target = Target(model, Likelihood(data, calibration=calibration))
    n, p = data.n, model.parameters.n_free
    parts: list[dict[str, Array]] = []
    store = None if path is None else _Store(Path(path), n, p, target)
    began = last = time.monotonic()
    for start in range(0, n, block):
        rows = np.arange(start, min(start + block, n))
        found = None if store is None else store.read(start)
        if found is None:
            found = _block(target, rows, n_start, None if starts is None else starts[rows], n_draw, seed=seed)
            if store is not None:
                store.write(start, found)
        parts.append(found)
        if progress and time.monotonic() > last + 5:
            last = time.monotonic()
            each = (last - began) / (rows[-1] + 1)
            print(f"  {rows[-1] + 1} of {n} galaxies, {each:.2f} s each", file=sys.stderr)  # noqa: T201
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    labels = (*model.parameters.labels, *_derived_names(model))
    _warn(joined["converged"] > 0, np.asarray(data.n_values), p)
    return Many(
        labels,
        joined["mode"],
        joined["quantiles"],
        joined["chi2"],
        np.asarray(data.n_values),
        joined["log_evidence"],
        joined["converged"].astype(bool),
    )


def _warn(converged: NDArray[np.bool_], n_values: NDArray[np.int_], n_free: int) -> None:
    """Name the galaxies whose answer is not what one may take it for."""
    lost, few = np.flatnonzero(~converged), np.flatnonzero(n_values < n_free)
    if lost.size:
        warnings.warn(
            f"{lost.size} of {converged.size} galaxies did not converge, such as {lost[:5].tolist()}; give these more "
            "starts, or fit them one by one",
            ConvergenceWarning,
            stacklevel=3,
        )
    if few.size:
        warnings.warn(
            f"{few.size} of {converged.size} galaxies have fewer values than the {n_free} free parameters, such as "
            f"{few[:5].tolist()}: the priors decide the rest",
            FewDataWarning,
            stacklevel=3,
        )


def _derived_names(model: GalaxyModel) -> tuple[str, ...]:
    u = torch.zeros(1, model.parameters.n_free, dtype=torch.float64)
    return tuple(model.derived(model.parameters.values(u)))


def _block(
    target: Target, rows: NDArray[np.int_], n_start: int, starts: Array | None, n_draw: int, *, seed: int
) -> dict[str, Array]:
    galaxies = torch.as_tensor(rows)
    # A stream of its own for each galaxy: the answer does not depend on the blocks.
    own = [target.start(n_start, np.random.default_rng([seed, int(i)])) for i in rows]
    at = torch.stack(own)
    if starts is not None:
        at = torch.cat([torch.as_tensor(starts), at], dim=1)
    found = modes(target, at, galaxies)
    normal = laplace(target, found.u, galaxies, found.log_prob)
    u = torch.cat(
        [normal.take(k).draws(n_draw, np.random.default_rng([seed, int(i), 1])) for k, i in enumerate(rows)]
    )
    values = target.values(u.flatten(0, 1), galaxies.repeat_interleave(n_draw))
    columns = [target.parameters.flat(values).numpy()]
    columns += [v[:, None] for v in target.model.derived(values).values()]
    every = np.concatenate(columns, axis=1).reshape(len(rows), n_draw, -1)
    with torch.no_grad():
        at_mode, prediction, _ = target.point(found.u, galaxies)
        like = target.likelihood(prediction, at_mode, galaxies)
        n_values = target.likelihood.good[galaxies].sum(dim=1).double()
    # Where no start had a finite likelihood there is no answer.
    known = np.isfinite(found.log_prob.numpy())
    quantiles = np.moveaxis(np.quantile(every, LEVELS, axis=1), 0, 1)
    return {
        "mode": found.u.numpy(),
        "quantiles": np.where(known[:, None, None], quantiles, np.nan),
        "chi2": (-2 * like - n_values * np.log(2 * np.pi)).numpy(),
        "log_evidence": np.where(known, normal.log_evidence.numpy(), np.nan),
        "converged": found.converged.numpy().astype(float),
    }


class _Store:
    """Blocks in an HDF5 file."""

    def __init__(self, path: Path, n: int, p: int, target: Target) -> None:
        self.path = path
        like = target.likelihood
        sums = [n, p, float(like.flux.sum()), float(like.sigma.sum()), float(like.good.sum())]
        said = repr((sums, target.parameters.priors, like.calibration))
        if path.is_file():
            with h5py.File(path) as file:
                if file.attrs.get("of") != said:
                    raise FitFileError(
                        f"{path} holds fits of other data or another model; move it away, or give another path"
                    )
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.attrs["of"] = said

    def read(self, start: int) -> dict[str, Array] | None:
        with h5py.File(self.path) as file:
            group = file.get(f"block_{start}")
            if group is None or not group.attrs.get("whole", False):
                return None
            return {name: value[()] for name, value in group.items()}

    def write(self, start: int, found: dict[str, Array]) -> None:
        with h5py.File(self.path, "a") as file:
            file.pop(f"block_{start}", None)
            group = file.create_group(f"block_{start}")
            for name, value in found.items():
                group[name] = value
            group.attrs["whole"] = True
