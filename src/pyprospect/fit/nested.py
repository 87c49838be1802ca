"""Nested sampling for evidence, by nautilus: importance nested sampling with networks that learn where the mass is.

It takes models in batches, which is what the synthesizer is fast at, and keeps its state in one HDF5 file.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pyprospect.arguments import check_counts
from pyprospect.extras import require
from pyprospect.fit.priors import EDGE
from pyprospect.fit.target import Target
from pyprospect.messages import ProSpectWarning

__all__ = ["Nested", "sample_nested"]


@dataclass(frozen=True)
class Nested:
    """Weighted draws of a posterior and its evidence.

    Attributes
    ----------
    u : ndarray, shape (n, n_free)
        In standard normal coordinates.
    log_weight : ndarray, shape (n,)
        Normalised.
    log_likelihood : ndarray, shape (n,)
    log_evidence, log_evidence_error : float
    effective_size : float
    complete : bool
        The aim was reached; else a limit ended it.
    """

    u: NDArray[np.float64]
    log_weight: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    log_evidence: float
    log_evidence_error: float
    effective_size: float
    complete: bool


def sample_nested(
    target: Target,
    galaxy: int,
    *,
    seed: int,
    n_live: int = 1000,
    n_effective: int = 2000,
    n_networks: int = 4,
    path: Path | None = None,
    seconds: float = np.inf,
    progress: bool = False,
) -> Nested:
    """Sample one galaxy's posterior.

    Parameters
    ----------
    target : Target
    galaxy : int
        Row of the data.
    seed : int
    n_live : int
        Live points.
    n_effective : int
        Effective draws to reach.
    n_networks : int
        Networks that learn the likelihood; 0: ellipsoids alone, quicker where there are few parameters.
    path : path, optional
        HDF5 file of the sampler's state; a run that was killed goes on from it.
    seconds : float
        Longest time; what there is then is returned.
    progress : bool
        Show nautilus' table.

    Returns
    -------
    Nested
    """
    check_counts("nested", n_live=n_live, least=2)
    check_counts("nested", n_effective=n_effective)
    check_counts("nested", n_networks=n_networks, least=0)
    nautilus = require("nautilus", "nested sampling")

    def log_likelihood(u: NDArray[np.float64]) -> NDArray[np.float64]:
        points = torch.as_tensor(np.atleast_2d(u))
        with torch.no_grad():
            parts = [target.log_likelihood(a, torch.full((len(a),), galaxy)) for a in points.split(512)]
        # Nautilus wants numbers: what is impossible is as improbable as it takes.
        return np.nan_to_num(torch.cat(parts).numpy(), nan=-1e300, neginf=-1e300)

    def from_cube(cube: NDArray[np.float64]) -> NDArray[np.float64]:
        return torch.special.ndtri(torch.as_tensor(cube)).clamp(-EDGE, EDGE).numpy()

    def sampler_from(resume: bool) -> Any:
        return nautilus.Sampler(
            from_cube,
            log_likelihood,
            n_dim=target.n_free,
            n_live=n_live,
            n_networks=n_networks,
            vectorized=True,
            pass_dict=False,
            seed=seed,
            filepath=None if path is None else str(path),
            resume=resume,
        )

    try:
        sampler = sampler_from(path is not None)
    except (OSError, KeyError, ValueError) as error:
        if path is None or not path.is_file():
            raise
        # Killed while it wrote.
        warnings.warn(
            f"{path} is damaged ({error}); nested sampling starts again", ProSpectWarning, stacklevel=2
        )
        path.unlink()
        sampler = sampler_from(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its networks stop before they have converged, by design
        complete = sampler.run(verbose=progress, n_eff=n_effective, timeout=seconds, discard_exploration=True)
        u, log_weight, found = sampler.posterior()
    size = float(sampler.n_eff)
    return Nested(
        np.asarray(u),
        np.asarray(log_weight),
        np.asarray(found),
        float(sampler.log_z),
        1.0 / np.sqrt(size),
        size,
        bool(complete),
    )
