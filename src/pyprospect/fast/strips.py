"""The wavelength axis of many spectra, in strips whose buffers stay in the cache, and one thread inside each product."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["STRIP", "put_together", "single_threaded_torch"]

STRIP = 128
"""Galaxies whose spectra are put together at a time: three strips of 3681 pixels fill 5.6 MB of cache."""

_scratch = threading.local()
"""Buffers of each thread, kept between calls."""


def put_together(
    flux: Tensor,
    *,
    old: Tensor,
    young: Tensor,
    screen: Tensor,
    birth: Tensor,
    old_basis: Tensor,
    young_basis: Tensor,
    spread: Tensor,
) -> None:
    """Write spectra of galaxies: screen * (old stars + birth clouds * young stars and gas).

    Parameters
    ----------
    flux : Tensor, shape (n, n_wave)
        Where they go.
    old, young : Tensor, shape (n, n_row)
        How much of each row of the bases there is.
    screen, birth : Tensor, shape (n, n_node)
        What the dust lets pass at its nodes.
    old_basis, young_basis : Tensor, shape (n_row, n_wave)
        Spectra.
    spread : Tensor, shape (n_node, n_wave)
        From the nodes to the pixels.
    """
    n_wave = flux.shape[1]
    buffers = getattr(_scratch, "buffers", None)
    if buffers is None or buffers.shape[2] != n_wave or buffers.dtype != old.dtype:
        buffers = _scratch.buffers = torch.empty(2, STRIP, n_wave, dtype=old.dtype)
    for start in range(0, flux.shape[0], STRIP):
        rows = slice(start, min(start + STRIP, flux.shape[0]))
        target = flux[rows]
        second, dust = buffers[:, : target.shape[0]]
        torch.mm(old[rows], old_basis, out=target)
        torch.mm(young[rows], young_basis, out=second)
        torch.mm(birth[rows], spread, out=dust)
        target.addcmul_(second, dust)
        torch.mm(screen[rows], spread, out=dust)
        target.mul_(dust)


@contextmanager
def single_threaded_torch() -> Iterator[None]:
    """Let torch use one thread inside the block."""
    before = torch.get_num_threads()
    if before == 1:  # a worker of somebody's pool: leave the process-wide setting of the BLAS alone
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
