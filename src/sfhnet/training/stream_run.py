"""A training run on galaxies drawn on the fly, from the forward model to the weights."""

from __future__ import annotations

import copy
import gc
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from sfhnet.config import Config, TrainingConfig
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.forward_file import ForwardModel, read_forward, write_forward
from sfhnet.mocks.galaxy_stream import FIT_BLOCK, HELD_OUT_BLOCK, Galaxies, GalaxyStream
from sfhnet.networks import Network
from sfhnet.training.feature_bank import FeatureBank
from sfhnet.training.setup import device_of, training_config
from sfhnet.training.source import Source
from sfhnet.training.streamed import DrawnMocks, Makers, StreamedFeatures, StreamedGalaxies, block_of
from sfhnet.training.trainer import Trainer
from sfhnet.training.transfer import spec_and_start

__all__ = ["train_on_stream"]

_log = logging.getLogger("sfhnet.training.stream_run")

# Processes that draw histories for a GPU; eight keep up with half a million draws a second.
_MOST_PROCESSES = 8
# A batch below this is not worth a GPU.
_LEAST_BATCH = 64


def train_on_stream(
    config: Config,
    name: str,
    forward: Path,
    *,
    folder: Path,
    held_out: Mocks | None = None,
    bank: Path | None = None,
    fresh: bool = False,
    **options: Any,
) -> Network:
    """Train a network on galaxies that are drawn meanwhile; a device that is too small gets half the batch.

    Parameters
    ----------
    config : Config
    name : str
        Key of ``models``.
    forward : Path
        Forward model of the same prior, grid and synthesis (`sfhnet.mocks.forward_file`).
    folder : Path
        Where weights, history and checkpoint go.
    held_out : Mocks, optional
        Mocks for the held-out loss; drawn from a part of the stream that no training reaches if not given.
    bank : Path, optional
        Keeps draws as features on disk, up to ``training.bank_gb``, for this run and others of the same galaxies.
    fresh : bool
        Ignore a checkpoint that is there.
    **options
        For `Trainer`: provenance, on_epoch.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If configuration, bank and forward model do not fit together; says what differs.
    RuntimeError
        If the smallest batch does not fit into the memory of the device.
    """
    training = training_config(config, name)
    model = read_forward(forward, config, device=device_of(training))
    while True:
        try:
            with _makers(model, training) as (make, makers):
                run = _Run(model, name, training, make, makers, bank)
                trainer = run.trainer(Path(folder), held_out, **options)
                return trainer.run(resume=not fresh)
        except torch.OutOfMemoryError as error:
            if training.batch < 2 * _LEAST_BATCH:
                raise RuntimeError(
                    f"a batch of {training.batch} does not fit into the memory of {model.synthesizer.device}; lower width "
                    "or depth of the network, training.pool or training.fit_galaxies, or train on the CPU"
                ) from error
            half = training.batch // 2
            _log.warning("a batch of %d does not fit into the device; going on with %d", training.batch, half)
            training = training.model_copy(update={"batch": half})
        # Outside of the handler: the error holds on to what did not fit.
        gc.collect()
        torch.cuda.empty_cache()


@dataclass(frozen=True)
class _Run:
    """What a trainer on a stream is made of."""

    model: ForwardModel
    name: str
    training: TrainingConfig
    make: Callable[[int], Galaxies]
    makers: Makers
    bank: Path | None

    def trainer(self, folder: Path, held_out: Mocks | None, **options: Any) -> Trainer:
        """Return the trainer; see `train_on_stream`."""
        c, config, galaxies = self.training, self.model.config, _stream(self.model, self.training)
        spec, start = spec_and_start(config.models[self.name], galaxies)
        return Trainer(
            spec,
            c,
            config.noise,
            mocks=DrawnMocks(galaxies, FIT_BLOCK, c.fit_galaxies),
            held_out=held_out or DrawnMocks(galaxies, HELD_OUT_BLOCK, c.validation_galaxies),
            folder=folder,
            seed=config.seed,
            source=lambda trainer: self._source(trainer, galaxies),
            start=start,
            **options,
        )

    def _source(self, trainer: Trainer, galaxies: GalaxyStream) -> Source:
        c, config, network = self.training, self.model.config, trainer.network
        about = {"forward": self.model.identity, "noise": config.noise.model_dump(mode="json")}
        share: dict[str, Any] = {"seed": config.seed, "rank": trainer.rank, "n_rank": trainer.n_rank}
        if trainer.device.type != "cpu" or type(network).prepared is Network.prepared:
            return StreamedGalaxies(
                galaxies,
                self.make,
                c,
                noise=trainer.noise_model,
                network=network,
                about=about,
                makers=self.makers,
                **share,
            )
        bank = FeatureBank(
            galaxies,
            trainer.noise_model,
            # Its scales stay as they are while the other one trains.
            copy.deepcopy(network).eval(),
            about=about,
            realisations=c.realisations,
            folder=self.bank,
            limit_gb=c.bank_gb,
        )
        return StreamedFeatures(bank, c, makers=self.makers, **share)


def _stream(model: ForwardModel, training: TrainingConfig) -> GalaxyStream:
    return GalaxyStream(model.config, model.synthesizer, model.grid, block=block_of(training))


@contextmanager
def _makers(
    model: ForwardModel, training: TrainingConfig
) -> Iterator[tuple[Callable[[int], Galaxies], Makers]]:
    """Give what makes blocks of galaxies, and who does it beside the training: threads, or for a GPU processes."""
    galaxies = _stream(model, training)
    if model.synthesizer.device.type != "cpu":
        n = max(1, min(_MOST_PROCESSES, (os.cpu_count() or 1) - 1))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "forward.safetensors")
            write_forward(path, model)
            # A process that has used a GPU cannot be forked.
            pool = ProcessPoolExecutor(
                n, get_context("spawn"), _begin, (path, model.config, galaxies.block_size)
            )
            with _closing_at_once(pool):
                yield _of_worker, Makers(pool, n)
        return
    n = torch.get_num_threads() - 1
    if n == 0:
        yield galaxies.block, Makers()
        return
    # One thread trains, the others draw: small products gain little from a second one.
    torch.set_num_threads(1)
    threads = ThreadPoolExecutor(n, "draws", torch.set_num_threads, (1,))
    try:
        with _closing_at_once(threads):
            yield galaxies.block, Makers(threads, n)
    finally:
        torch.set_num_threads(n + 1)


@contextmanager
def _closing_at_once(executor: Executor) -> Iterator[None]:
    """Leave out, at the end, what the executor has not begun."""
    try:
        yield
    finally:
        executor.shutdown(cancel_futures=True)


_of_this_process: list[GalaxyStream] = []


def _begin(path: Path, config: Config, block: int) -> None:
    torch.set_num_threads(1)
    model = read_forward(path, config)
    _of_this_process[:] = [GalaxyStream(model.config, model.synthesizer, model.grid, block=block)]


def _of_worker(number: int) -> Galaxies:
    return _of_this_process[0].block(number)
