"""The benchmark table of the synthesis."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

import machine_rates as bench
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.numerics.lsf import effective_lsf
from pyprospect.prospect.sfh import sfh_func
from pyprospect.stars.library import SSPLibrary
from sfhnet.config.prior_names import NUISANCE_PARAMETERS
from sfhnet.mocks.labels import Labeller
from sfhnet.mocks.shards import write_shard
from sfhnet.mocks.synthesize import synthesize, synthesizer_inputs
from sfhnet.priors.sample import PriorSample, sample

if TYPE_CHECKING:
    from sfhnet.config import Config

BATCHES = (128, 512, 4096, 16384)


def run(
    make: Callable[..., Synthesizer], config: Config, threads: Sequence[int], n_galaxy: int = 10000
) -> str:
    """Measure and tabulate.

    Parameters
    ----------
    make : callable
        ``make(**options)`` builds the synthesizer, options as for `Synthesizer`.
    config : Config
    threads : sequence of int
    n_galaxy : int
        Galaxies of the end-to-end measurement.

    Returns
    -------
    str
        Markdown.
    """
    synthesizer = make()
    drawn = _draw(config, max(BATCHES))
    rows = [
        _title(synthesizer),
        "## Kernel\n",
        "| device | threads | batch | galaxies/s | roofline/s | reached | matrix GFLOP/s | copy GB/s | peak MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for count in threads:
        rows += _kernel_rows(synthesizer, drawn, config, count, "cpu")
    if torch.cuda.is_available():
        on_device = make(device="cuda")
        rows += _kernel_rows(on_device, drawn, config, threads[-1], "cuda")
    rows += ["", "## Through to shards\n", "| step | threads | galaxies/s |", "|---|---|---|"]
    for count in threads:
        rows += _pipeline_rows(synthesizer, config, count, n_galaxy)
    rows.append(f"\nPeak memory of the whole run: {bench.peak_memory_mb():.0f} MB.\n")
    rows += _side_by_side(synthesizer, drawn, config)
    return "\n".join(rows) + "\n"


def _title(synthesizer: Synthesizer) -> str:
    return (
        f"# Speed of synthesis: {synthesizer.wave_aa.size} pixels + {len(synthesizer.band_names)} bands + "
        f"{synthesizer.n_line} lines, float32\n\n"
        f"{synthesizer.flops_per_galaxy / 1e6:.2f} MFLOP in products, {bench.exponentials_per_galaxy(synthesizer)} "
        f"exponentials, {4 * synthesizer.wave_aa.size / 1e3:.1f} kB written a galaxy; basis of "
        f"{synthesizer.rank[0]} + {synthesizer.rank[1]} rows, bound on its error {synthesizer.compression_error:.1e}.\n"
    )


def _draw(config: Config, n: int) -> PriorSample:
    return sample(config.prior, n, config.seed, shard=0, age_bins_yr=np.asarray(config.age_bins_myr) * 1e6)


def _inputs(synthesizer: Synthesizer, drawn: PriorSample, config: Config) -> dict[str, torch.Tensor]:
    labeller = Labeller(synthesizer, drawn.edges_yr, np.asarray(config.age_bins_myr) * 1e6)
    mass, z = labeller.ssp(torch.from_numpy(drawn.mass), torch.from_numpy(drawn.z))
    parameters = {name: torch.from_numpy(drawn.parameters[name]) for name in NUISANCE_PARAMETERS}
    birth_age_yr = 1e6 * config.synthesis.birth_age_myr
    values = synthesizer_inputs(parameters, z[:, 0], config.grid.veldisp_kms, birth_age_yr=birth_age_yr)
    values |= {"mass_msun": mass, "z": z}
    return {name: v.to(synthesizer.dtype).to(synthesizer.device) for name, v in values.items()}


def _kernel_rows(
    synthesizer: Synthesizer, drawn: PriorSample, config: Config, threads: int, device: str
) -> list[str]:
    inputs = _inputs(synthesizer, drawn, config)
    rows = []
    for n in BATCHES:
        # the machine is measured before and after each row, because others may be using it
        first = bench.measure_machine(threads, device)
        rate = bench.kernel_per_s(synthesizer, inputs, n, threads, device)
        second = bench.measure_machine(threads, device)
        machine = bench.Machine(
            max(first.matmul_flops, second.matmul_flops),
            max(first.copy_bytes, second.copy_bytes),
            max(first.exp_per_s, second.exp_per_s),
        )
        roof = bench.roofline_per_s(synthesizer, machine)
        rows.append(
            f"| {device} | {threads} | {n} | {rate:,.0f} | {roof:,.0f} | {100 * rate / roof:.0f} % | "
            f"{machine.matmul_flops / 1e9:.0f} | {machine.copy_bytes / 1e9:.1f} | {bench.peak_memory_mb():.0f} |"
        )
    return rows


def _pipeline_rows(synthesizer: Synthesizer, config: Config, threads: int, n: int) -> list[str]:
    def timed(work: Callable[[], object]) -> tuple[float, object]:
        best, result = np.inf, None
        for _ in range(2):
            start = time.perf_counter()
            result = work()
            best = min(best, time.perf_counter() - start)
        return best, result

    prior, drawn = timed(lambda: _draw(config, n))
    kernel, _ = timed(
        lambda: synthesize(
            synthesizer, drawn, config, shard=0, threads=threads, with_labels=False, progress=False
        )
    )
    labels, galaxies = timed(
        lambda: synthesize(synthesizer, drawn, config, shard=0, threads=threads, progress=False)
    )
    rows = [
        ("prior", prior),
        ("kernel from histories, new memory", kernel),
        ("prior + kernel + labels", prior + labels),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for storage, compression in (("float32", "none"), ("float16", "none"), ("float32", "lzf")):
            path = Path(folder) / f"{storage}.h5"
            write, _ = timed(
                lambda path=path, storage=storage, compression=compression: write_shard(
                    path, galaxies, {}, storage=storage, compression=compression
                )
            )
            size = path.stat().st_size / n / 1e3
            name = f"{storage}, {compression}" if compression != "none" else storage
            rows.append((f"writing alone ({name}, {size:.1f} kB a galaxy)", write))
            rows.append((f"prior to finished shards ({name})", prior + labels + write))
    return [f"| {name} | {threads} | {n / seconds:,.0f} |" for name, seconds in rows]


def _side_by_side(synthesizer: Synthesizer, drawn: PriorSample, config: Config) -> list[str]:
    inputs = _inputs(synthesizer, drawn, config)
    mass, z = inputs["mass_msun"][:64].numpy().astype(float), inputs["z"][:64].numpy().astype(float)
    library = synthesizer.library
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fast = bench.kernel_per_s(synthesizer, inputs, 4096, 1)
        templates = bench.template_sum_per_s(synthesizer, mass, z)
        exact = 8 / bench.best_time(lambda: [_exact(library, mass[i], z[i]) for i in range(8)], 2)
    finally:
        torch.set_num_threads(before)
    r = bench.R_PROSPECT_PER_S
    return [
        "## What a user would take instead, per core\n",
        "| | galaxies/s | times R ProSpect |",
        "|---|---|---|",
        f"| R ProSpect 1.11.0, same task (measured elsewhere) | {r} | 1 |",
        f"| pyprospect.sfh_func, exact: native grid, float64, dispersion, no bands | {exact:,.1f} | {exact / r:,.1f} |",
        f"| bare sum of templates, native grid (inside BAGPIPES, pPXF) | {templates:,.0f} | {templates / r:,.0f} |",
        f"| this synthesizer, everything | {fast:,.0f} | {fast / r:,.0f} |",
    ]


def _exact(library: SSPLibrary, mass: np.ndarray, z: np.ndarray) -> object:
    edges = library.age_edges_yr
    rate = mass / np.diff(edges)
    return sfh_func(
        lambda age: rate[np.clip(np.searchsorted(edges, age, side="right") - 1, 0, rate.size - 1)],
        speclib=library,
        Z=np.clip(z, library.z[0], library.z[-1]),
        disp_stars=True,
        veldisp=150.0,
        LSF=effective_lsf("muse", library.fwhm_aa),
        z=0,
        unimax=False,
        sparse=1,
        filters=None,
    )
