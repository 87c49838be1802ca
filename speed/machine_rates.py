"""Speed of the synthesis against what the machine can do, measured in the same run."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pyprospect.fast.synthesizer import Synthesizer

R_PROSPECT_PER_S = 7.5
"""Galaxies/s/core of R ProSpect 1.11.0 for the same task (E-MILES at full resolution, lines, dispersion, LSF, five
bands, MUSE grid: 133 ms), measured elsewhere while the reference vectors were made."""


@dataclass(frozen=True)
class Machine:
    """Rates of the machine with a number of threads.

    matmul_flops: float32 multiplications and additions a second in a 2048 x 2048 product; copy_bytes: bytes read and
    written a second by copying 256 MB; exp_per_s: float32 exponentials a second in the cache.
    """

    matmul_flops: float
    copy_bytes: float
    exp_per_s: float


def best_time(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest time of some repetitions in s; other users of the machine only make it longer."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_machine(threads: int, device: str = "cpu") -> Machine:
    """Measure matrix, copy and exponential rates.

    Parameters
    ----------
    threads : int
    device : str

    Returns
    -------
    Machine
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        size = 2048 if device == "cpu" else 8192
        a = torch.randn(size, size, device=device)
        big = torch.zeros(64 * 2**20, device=device)
        other = torch.empty_like(big)
        small = torch.rand(2**16 * threads, device=device)

        def product() -> None:
            torch.mm(a, a)
            synchronise(device)

        def copy() -> None:
            other.copy_(big)
            synchronise(device)

        def exponentials() -> None:
            for _ in range(100):
                torch.exp(small, out=small.clone())
            synchronise(device)

        product(), copy(), exponentials()
        return Machine(
            2 * size**3 / best_time(product, 5),
            2 * 4 * big.numel() / best_time(copy, 5),
            100 * small.numel() / best_time(exponentials),
        )
    finally:
        torch.set_num_threads(before)


def synchronise(device: str) -> None:
    """Wait for the device."""
    if device != "cpu":
        torch.cuda.synchronize()


def exponentials_per_galaxy(synthesizer: Synthesizer) -> int:
    """Exponentials of the dust curves of one galaxy."""
    return 4 * synthesizer.n_dust_node


def roofline_per_s(synthesizer: Synthesizer, machine: Machine) -> float:
    """Galaxies/s if nothing but products, exponentials and one write of every spectrum took time.

    The larger of compute time (products at the measured matrix rate, exponentials at theirs) and memory time (each
    spectrum written once to memory at the measured copy rate).
    """
    compute = synthesizer.flops_per_galaxy / machine.matmul_flops
    compute += exponentials_per_galaxy(synthesizer) / machine.exp_per_s
    memory = 4 * synthesizer.wave_aa.size / machine.copy_bytes
    return 1.0 / max(compute, memory)


def kernel_per_s(
    synthesizer: Synthesizer, inputs: dict[str, torch.Tensor], n: int, threads: int, device: str = "cpu"
) -> float:
    """Galaxies/s of the kernel for batches of n galaxies.

    Parameters
    ----------
    synthesizer : Synthesizer
    inputs : dict of Tensor
        Keyword arguments of the call, at least n galaxies.
    n : int
    threads : int
    device : str
    """
    part = {name: values[:n] for name, values in inputs.items()}
    out = torch.empty(n, synthesizer.wave_aa.size, dtype=synthesizer.dtype, device=device)
    calls = max(1, 4096 // n)

    def work() -> None:
        with torch.no_grad():
            for _ in range(calls):
                synthesizer(**part, threads=threads, out=out)
        synchronise(device)

    work()
    return calls * n / best_time(work)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def template_sum_per_s(synthesizer: Synthesizer, mass: NDArray, z: NDArray) -> float:
    """Galaxies/s of the plain sum of templates on the native grid, one galaxy at a time: no dust, lines or bands.

    What a fit by BAGPIPES or pPXF does at its innermost, without all the rest.
    """
    library = synthesizer.library
    spectra = np.ascontiguousarray(library.spectra.reshape(-1, library.wave_aa.size), dtype=np.float64)
    with torch.no_grad():
        weights = synthesizer.weights(
            torch.as_tensor(mass, dtype=synthesizer.dtype), torch.as_tensor(z, dtype=synthesizer.dtype)
        )
    weights = weights.reshape(len(mass), -1).numpy().astype(np.float64)

    def work() -> None:
        for row in weights:
            row @ spectra

    return len(mass) / best_time(work)
