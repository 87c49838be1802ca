"""Noisy draws kept as what a network sees of them: made once, used a few times, on disk for a run that goes on."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sfhnet.mocks.galaxy_stream import Galaxies, GalaxyStream
from sfhnet.mocks.noise import NoiseModel
from sfhnet.mocks.shard_identity import first_difference, sha256_arrays
from sfhnet.networks import Network
from sfhnet.networks.linear_features import FeatureBatch
from sfhnet.tools.hdf5 import read_json, write_json
from sfhnet.tools.random_streams import torch_stream
from sfhnet.tools.tensor_files import load_tensors, save_tensors
from sfhnet.training.reservoir import Draws

__all__ = ["FeatureBank", "FeatureFolder", "batch_of"]

_log = logging.getLogger("sfhnet.training.feature_bank")

# Spectra that are made and seen in one go.
_CHUNK = 512
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class FeatureBank:
    """Blocks of draws as a network sees them, each a pure function of (configuration, seed, number).

    Parameters
    ----------
    galaxies : GalaxyStream
        What is drawn.
    noise : NoiseModel
        Makes it noisy.
    network : Network
        With its scales set; `Network.prepared` gives features.
    about : mapping
        Plain data that tells these galaxies and this noise from others.
    realisations : int
        How often a galaxy is made noisy.
    folder : Path, optional
        Keeps blocks on disk.
    limit_gb : float
        No more is kept than this.
    """

    def __init__(
        self,
        galaxies: GalaxyStream,
        noise: NoiseModel,
        network: Network,
        *,
        about: Mapping[str, Any],
        realisations: int = 1,
        folder: Path | None = None,
        limit_gb: float = 0.0,
    ) -> None:
        self.galaxies, self.noise, self.network, self.realisations = galaxies, noise, network, realisations
        # What training does not change: the scales that features are made with.
        scales = {name: value.cpu().numpy() for name, value in network.named_buffers() if "features" in name}
        self.identity = {**about, "realisations": realisations, "features": sha256_arrays(scales)}
        block = {"block": self.block_size}
        self.folder = (
            None if folder is None else FeatureFolder(folder, self.identity | block, limit_gb=limit_gb)
        )

    @property
    def block_size(self) -> int:
        """Draws of a block."""
        return self.realisations * self.galaxies.block_size

    def block(self, number: int) -> Draws:
        """Return a block: ``features`` (n, width) and labels as ``label.NAME``, on the host."""
        kept = None if self.folder is None else self.folder.read(number)
        if kept is not None:
            return kept
        made = self._made(number)
        if self.folder is not None:
            self.folder.keep(number, made)
        return made

    @torch.no_grad()
    def _made(self, number: int) -> Draws:
        drawn, seed = self.galaxies.block(number), self.galaxies.config.seed
        of_lines = self.galaxies.line_generator(number)
        of_noise = [torch_stream("stream.noise", seed, number, k) for k in range(self.realisations)]
        parts: list[Draws] = []
        for start in range(0, self.galaxies.block_size, _CHUNK):
            some: Galaxies = {name: values[start : start + _CHUNK] for name, values in drawn.items()}
            clean = self.galaxies.spectra(some, of_lines)
            for generator in of_noise:
                seen: FeatureBatch = self.network.prepared(clean.noisy(self.noise, generator))
                labels = {f"label.{name}": value for name, value in seen.labels.items()}
                parts.append({"features": seen.features} | labels)
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def batch_of(draws: Draws) -> FeatureBatch:
    """Return draws of a bank as a batch."""
    labels = {name.removeprefix("label."): v for name, v in draws.items() if name.startswith("label.")}
    return FeatureBatch(draws["features"], labels)


class FeatureFolder:
    """Blocks of a bank on disk, up to a size; each is whole or absent.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    identity : mapping
        What the blocks are a function of, plain data.
    limit_gb : float
        No more is kept than this.

    Raises
    ------
    ValueError
        If the folder holds draws of something else; says what differs.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], *, limit_gb: float) -> None:
        self.folder, self.limit = Path(folder), limit_gb * 1e9
        self.full = False
        self._lock = threading.Lock()
        about = self.folder / "bank.json"
        if about.is_file():
            different = first_difference(read_json(about), identity)
            if different:
                key, found, wanted = different
                raise ValueError(
                    f"{self.folder} holds draws of another run: its {key} is {found}, here it is {wanted}; delete it or "
                    "give another folder"
                )
        else:
            write_json(about, dict(identity))
        self.size = sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.safetensors"

    def read(self, number: int) -> Draws | None:
        """Return a block that was kept; None if there is none or it is damaged."""
        path = self._path(number)
        if not path.is_file():
            return None
        try:
            return load_tensors(path)[0]
        except ValueError as error:
            _log.warning("%s; it is drawn again", error)
            path.unlink(missing_ok=True)
            return None

    def keep(self, number: int, draws: Draws) -> None:
        """Write a block if there is room for it; a full disk ends the keeping, not the run."""
        size = sum(values.nbytes for values in draws.values())
        with self._lock:
            if self.full or self.size + size > self.limit:
                return
            self.size += size
        try:
            save_tensors(self._path(number), draws, {})
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self.full = True
            _log.warning(
                "%s: the disk is full (%s); draws are no longer kept there, a run that goes on will make them again; free "
                "space or lower training.bank_gb",
                *(self.folder, error),
            )
