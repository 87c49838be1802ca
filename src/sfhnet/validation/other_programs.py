"""Any other program on the benchmark sets: spectra to take away, and a score for the answers that come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfhnet.core.histories import history_scalars, weighted_means
from sfhnet.core.posterior import point_posterior
from sfhnet.core.quantities import QUANTITIES, SCALARS
from sfhnet.tools.hdf5 import create_h5, open_h5, put
from sfhnet.validation.benchmark_sets import Case
from sfhnet.validation.metrics import point_metrics

__all__ = ["score", "write_benchmark"]

SCHEMA, SCHEMA_VERSION = "sfhnet.benchmark", 1
SCORES = "sfhnet.scores/1"


def write_benchmark(
    case: Case,
    wave_aa: np.ndarray,
    band_names: Sequence[str],
    *,
    age_edges_myr: np.ndarray,
    out: Path,
    provenance: Mapping[str, Any],
) -> None:
    """Write a benchmark set as a file that any program can read.

    Parameters
    ----------
    case : Case
        From `sfhnet.validation.benchmark_sets.find_case`.
    wave_aa : ndarray (n_wave,)
    band_names : sequence of str
    age_edges_myr : ndarray (n_age + 1,)
        In which histories are asked for.
    out : Path
        HDF5: ``wave_aa``, ``flux``, ``sigma``, ``mask``, ``band_flux``, ``band_sigma``, ``band_mask``, ``age_edges_myr``,
        ``family``, and the true values in group ``truth``.
    provenance : mapping
        Stored in it.
    """
    batch = case.batch
    with create_h5(out, SCHEMA, SCHEMA_VERSION, provenance=provenance) as file:
        file.attrs["case"], file.attrs["benchmark_sha256"] = case.name, case.benchmark.sha256
        file.attrs["band_names"] = list(band_names)
        put(file, "wave_aa", wave_aa, unit="Angstrom", axes="wave")
        put(file, "age_edges_myr", age_edges_myr, unit="Myr", axes="age_edge")
        for name in ("flux", "sigma", "mask"):
            put(
                file,
                name,
                getattr(batch, name).numpy(),
                unit="" if name == "mask" else "scale",
                axes="galaxy, wave",
            )
            band = getattr(batch, f"band_{name}").numpy()
            put(file, f"band_{name}", band, unit="" if name == "mask" else "scale", axes="galaxy, band")
        put(file, "family", case.benchmark.family.astype("S"), unit="", axes="galaxy")
        for name in ("mass_fraction", "mh"):
            put(
                file,
                f"truth/{name}",
                case.benchmark.truth[name],
                unit=QUANTITIES[name].unit,
                axes="galaxy, age",
            )
        for name, scalar in SCALARS.items():
            put(file, f"truth/{name}", case.benchmark.truth[name], unit=scalar.unit, axes="galaxy")


def score(benchmark: Path, answers: Path) -> dict[str, Any]:
    """Measure answers with the functions that measure the networks.

    Parameters
    ----------
    benchmark : Path
        From `write_benchmark`.
    answers : Path
        HDF5 with ``mass_fraction`` and ``mh`` (n, n_age); optionally ``row`` (n,), the places of the galaxies that were
        answered, in the order of the answers, and any of `sfhnet.core.quantities.SCALARS` (n,). Scalars that are not there are
        taken from the history, but for the light-weighted ones, the attenuation and the mass-to-light ratio: these
        are not scored. Galaxies whose history is not finite count as failed.

    Returns
    -------
    dict
        ``case``, ``benchmark_sha256``, ``n``, ``failed``, and the metrics of `sfhnet.validation.metrics.point_metrics`.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, a dataset is missing or has another shape than the benchmark, rows are not in it, or
        fractions are negative or do not sum to one.
    """
    with open_h5(benchmark, SCHEMA, SCHEMA_VERSION) as file:
        edges_myr = file["age_edges_myr"][()]
        truth = {name: data[()].astype(float) for name, data in file["truth"].items()}
        case, sha256 = str(file.attrs["case"]), str(file.attrs["benchmark_sha256"])
    row, found = _read_answers(answers, *truth["mass_fraction"].shape)
    good = np.isfinite(found["mass_fraction"]).all(axis=1) & np.isfinite(found["mh"]).all(axis=1)
    if not good.any():
        raise ValueError(f"{answers} holds no finite history")
    found = {name: values[good] for name, values in found.items()}
    total = found["mass_fraction"].sum(axis=1)
    if (found["mass_fraction"] < 0).any() or not np.allclose(total, 1, atol=1e-3):
        worst = total[np.abs(total - 1).argmax()]
        raise ValueError(
            f"{answers}: mass_fraction must not be negative and sum to one over the ages of a galaxy (a sum is {worst:.4g})"
        )
    known = _from_history(found["mass_fraction"], found["mh"], edges_myr) | found
    scalars = {name: known.get(name, np.full(len(total), np.nan)) for name in SCALARS}
    posterior = point_posterior(edges_myr, found["mass_fraction"], found["mh"], scalars=scalars)
    metrics = point_metrics(posterior, {name: values[row[good]] for name, values in truth.items()})
    return {
        "schema_version": SCORES,
        "case": case,
        "benchmark_sha256": sha256,
        "failed": int((~good).sum()),
        **metrics,
    }


def _read_answers(path: Path, n_galaxy: int, n_age: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with h5py.File(path, "r") as file:
            found = {
                name: np.asarray(file[name][()])
                for name in ("row", "mass_fraction", "mh", *SCALARS)
                if name in file
            }
    except OSError as error:
        raise ValueError(f"{path} is damaged or not an HDF5 file ({error})") from error
    for name in ("mass_fraction", "mh"):
        if name not in found:
            raise ValueError(
                f"{path} has no dataset {name}; histories are (galaxy, age) in the bins of the benchmark"
            )
    row = found.pop("row", np.arange(n_galaxy))
    if row.dtype.kind not in "iu" or row.ndim != 1 or row.size == 0 or row.min() < 0 or row.max() >= n_galaxy:
        raise ValueError(
            f"{path}: row must hold places in the benchmark, whole numbers from 0 to {n_galaxy - 1}"
        )
    for name, values in found.items():
        wanted = (row.size, n_age) if name in ("mass_fraction", "mh") else (row.size,)
        if values.shape != wanted:
            raise ValueError(f"{path}: {name} has shape {values.shape}, expected {wanted}")
    return row, {name: values.astype(float) for name, values in found.items()}


def _from_history(fraction: np.ndarray, mh: np.ndarray, edges_myr: np.ndarray) -> dict[str, np.ndarray]:
    """Scalars that a history in bins holds, the star-formation rate constant in each."""
    edges_yr = 1e6 * np.asarray(edges_myr, dtype=float)
    fraction = fraction / fraction.sum(axis=1, keepdims=True)
    return history_scalars(fraction, edges_yr) | weighted_means(fraction, mh, edges_yr, by="mw")
