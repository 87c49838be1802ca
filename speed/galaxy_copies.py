"""Measure inference, check and maps on a galaxy of any size, made of copies of a small one's bins."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.config import Config
from sfhnet.core.spectra import Spectra
from sfhnet.inference.model import Model
from sfhnet.predictive_check.check import check_spectra
from sfhnet.predictive_check.forward_model import Forward
from sfhnet.products.bin_table import bin_columns
from sfhnet.products.galaxy_summary import summarise
from sfhnet.products.maps import write_maps, write_table
from sfhnet.products.summed_spectrum import summed_spectrum

__all__ = ["replicate", "run"]


def replicate(spectra: Spectra, n: int) -> Spectra:
    """Give a galaxy of `n` bins, one spaxel each, that are copies of the bins of a small one in turn.

    Parameters
    ----------
    spectra : Spectra
        A mapped galaxy.
    n : int
        Bins.
    """
    index = np.arange(n) % spectra.n
    side = int(np.ceil(np.sqrt(n)))
    bin_map = np.full(side * side, -1, dtype=np.int32)
    bin_map[:n] = np.arange(n)
    rows = {
        item.name: getattr(spectra, item.name)[index]
        for item in fields(spectra)
        if isinstance(getattr(spectra, item.name), np.ndarray)
        and item.name not in ("wave_aa", "bin_map", "white", "unbinned")
    }
    return replace(
        spectra,
        **rows,
        bin_map=bin_map.reshape(side, side),
        white=np.where(bin_map >= 0, 1.0, np.nan).reshape(side, side).astype(np.float32),
        unbinned=(bin_map < 0).astype(spectra.unbinned.dtype).reshape(side, side),
        truth={},
    )


def run(
    spectra: Spectra, model: Model, forward: Forward, config: Config, prior: Mapping[str, Any], out_dir: Path
) -> str:
    """Time each step.

    Parameters
    ----------
    spectra : Spectra
        From `replicate`.
    model, forward : Model, Forward
    config : Config
    prior : mapping
        ``prior`` of the model's ``model.json``.
    out_dir : Path
        Where ``maps.fits`` and ``bins.ecsv`` are written.

    Returns
    -------
    str
        A table in Markdown: step, wall-clock seconds, processor seconds; and the peak memory.
    """
    rows = []

    def timed(name: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        rows.append((name, time.perf_counter() - wall, time.process_time() - cpu))
        return result

    samples = config.galaxies.samples if model.draws_samples else 0
    posterior = timed(
        f"infer, {samples} joint samples a bin",
        lambda: model.infer_spectra(spectra, n_samples=samples, seed=config.seed),
    )
    timed("write posterior.h5", lambda: posterior.write(out_dir / "posterior.h5"))
    total = summed_spectrum(spectra)
    whole = model.infer_spectra(total, n_samples=samples, seed=config.seed)
    galaxies = config.galaxies
    predictive = timed(
        f"posterior-predictive check, {galaxies.predictive_draws} draws",
        lambda: check_spectra(
            forward,
            config.noise,
            spectra,
            posterior=posterior,
            limits=None,
            n_draws=galaxies.predictive_draws,
            n_examples=galaxies.n_examples,
        ),
    )
    table = timed("table", lambda: bin_columns(spectra, posterior, prior, predictive=predictive))
    timed(
        "summary",
        lambda: summarise(
            spectra, posterior, table, prior=None, summed=(total, whole, bin_columns(total, whole))
        ),
    )
    timed(
        "write maps.fits",
        lambda: write_maps(
            out_dir / "maps.fits", spectra, posterior, table=table, provenance=None, prior=prior
        ),
    )
    timed("write bins.ecsv", lambda: write_table(out_dir / "bins.ecsv", table, {}))
    rows.append(("all", *(sum(row[k] for row in rows) for k in (1, 2))))
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    lines = [f"{spectra.n} bins, {os.cpu_count()} cores, peak memory {peak_gb:.1f} GB", ""]
    lines += ["| step | wall [s] | processor [s] |", "|---|---|---|"]
    lines += [f"| {name} | {wall:.1f} | {cpu:.1f} |" for name, wall, cpu in rows]
    return "\n".join(lines) + "\n"
