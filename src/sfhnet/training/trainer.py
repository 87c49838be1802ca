"""The training loop: noise on the fly, AdamW, warm-up and cosine, averaged weights, checkpoints that resume exactly.

All randomness of a step comes from (seed, step, rank), the order of mocks from (seed, epoch): a run that was stopped
anywhere and resumed from its checkpoint gives the same weights bit for bit as one that was not (same machine, same
number of threads).
"""

from __future__ import annotations

import copy
import csv
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from sfhnet.config import Config, ModelConfig, NoiseConfig, TrainingConfig
from sfhnet.core.batch import Batch
from sfhnet.core.quantities import SCALARS
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.noise import Nuisance
from sfhnet.mocks.shard_identity import first_difference
from sfhnet.networks import Network, Spec, build
from sfhnet.networks.storage import load_tensors, save_network, save_tensors
from sfhnet.tools.hdf5 import atomic_write
from sfhnet.tools.progress import Progress
from sfhnet.tools.random_streams import seed_torch, stream, torch_stream

__all__ = [
    "Preempted",
    "Trainer",
    "device_of",
    "distributed",
    "make_spec",
    "training_config",
]

_log = logging.getLogger("sfhnet.training.trainer")

CHECKPOINT = "checkpoint.safetensors"


class Preempted(RuntimeError):
    """Training was asked to stop (SIGTERM) and has written its checkpoint."""


def training_config(config: Config, name: str) -> TrainingConfig:
    """Return the training section with the overrides of one model.

    Raises
    ------
    ValueError
        If the model is not in the configuration.
    """
    if name not in config.models:
        raise ValueError(f"no model {name!r} in the configuration; there are {', '.join(config.models)}")
    return TrainingConfig(**{**config.training.model_dump(), **config.models[name].training})


def make_spec(
    model: ModelConfig, n_wave: int, band_names: Sequence[str], age_edges_myr: Sequence[float]
) -> Spec:
    """Return the spec of a network from its configuration section and the mocks' grids."""
    options = model.model_dump(mode="json", exclude={"kind", "training"})
    return Spec(model.kind, n_wave, tuple(band_names), tuple(float(edge) for edge in age_edges_myr), options)


def device_of(config: TrainingConfig) -> torch.device:
    """Choose the device: as configured, ``auto`` = this process's GPU if there is one.

    Raises
    ------
    ValueError
        If a GPU is demanded and absent.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("training.device is cuda, but torch sees no GPU; use auto or cpu")
    if config.device != "cpu" and torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


@contextmanager
def distributed(config: TrainingConfig) -> Iterator[None]:
    """Join the processes that torchrun started, if it did; each takes its own GPU, or they share the CPU."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    on_gpu = config.device != "cpu" and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


@dataclass
class Progression:
    """Where a run stands: steps done, epochs done, best held-out loss and its epoch, seconds spent."""

    step: int = 0
    epoch: int = 0
    best: float = math.inf
    best_epoch: int = -1
    seconds: float = 0.0


class Trainer:
    """Train one network on mocks.

    Parameters
    ----------
    spec : Spec
        The network.
    training, noise : TrainingConfig, NoiseConfig
        Configuration sections.
    mocks, held_out : Mocks
        Training and held-out mocks.
    folder : Path
        Where weights, history and checkpoint go.
    seed : int
        Seed of everything random.
    provenance : dict, optional
        Stored in ``model.json``.
    on_epoch : callable, optional
        Called on the first rank with the history after each epoch, e.g. to draw the loss curve.
    """

    def __init__(
        self,
        spec: Spec,
        training: TrainingConfig,
        noise: NoiseConfig,
        mocks: Mocks,
        held_out: Mocks,
        folder: Path,
        seed: int,
        provenance: dict[str, Any] | None = None,
        on_epoch: Callable[[list[dict[str, float]]], None] | None = None,
    ) -> None:
        self.spec, self.training, self.noise = spec, training, noise
        self.mocks, self.held_out, self.folder, self.seed = mocks, held_out, Path(folder), seed
        self.provenance = dict(provenance or {})
        self.rank, self.n_rank = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.device = device_of(training)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.nuisance = Nuisance(noise, mocks.wave_aa, mocks.band_names, self.device)
        self.network = build(spec, seed)
        self._fit()
        self.network.to(self.device)
        self.averaged = copy.deepcopy(self.network).eval()
        self.best_state = {name: value.clone() for name, value in self.averaged.state_dict().items()}
        self.state = Progression()
        self.history: list[dict[str, float]] = []
        self.steps_per_epoch = mocks.batches_per_epoch(training.batch, self.n_rank)
        self.total_steps = self.steps_per_epoch * training.epochs
        parameters = list(self.network.parameters())
        # Weight decay on matrices only: biases, norms and codes have no reason to be small.
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": training.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        # Fused: one pass over the weights, a tenth of a small network's step saved.
        self.optimizer = (
            torch.optim.AdamW([g for g in groups if g["params"]], lr=1.0, fused=True)
            if self._trains
            else None
        )
        self._on_epoch = on_epoch
        self._held_out_batches = self._draw_held_out()
        self._stop = self._all_stop = False

    @property
    def _trains(self) -> bool:
        return self.network.trains

    def _fit(self) -> None:
        """Set scales and components from mocks; the same on every rank, on the CPU."""
        n = min(self.training.fit_galaxies, len(self.mocks))
        rng = stream("train.fit_choice", self.seed)
        index = np.sort(rng.choice(len(self.mocks), n, replace=False))
        picked = self.mocks.get(index)
        cpu = torch.device("cpu")
        # Without anything missing and practically without white noise: what is left is what the basis must describe.
        off = {"pixel_dropout", "edges", "band_dropout", "sky_residuals", "error_scatter", "correlation"}
        clean = Nuisance(self.noise, self.mocks.wave_aa, self.mocks.band_names, cpu, off=sorted(off))
        noisy = Nuisance(self.noise, self.mocks.wave_aa, self.mocks.band_names, cpu)
        noisy_batch = _drawn(noisy, picked, torch_stream("train.fit_noisy", self.seed))
        with torch.no_grad():
            self.network.fit(
                _drawn(clean, picked, torch_stream("train.fit_clean", self.seed), snr=1e5), noisy_batch
            )
        self.prior = prior_summary(self.spec, noisy_batch)
        self.label_ranges = label_ranges(picked.labels)

    def _draw_held_out(self) -> list[Batch]:
        n = min(self.training.validation_galaxies, len(self.held_out))
        generator = torch_stream("train.held_out", self.seed, device=self.device)
        size = 512
        return [
            _drawn(
                self.nuisance,
                self.held_out.get(np.arange(start, min(start + size, n))).to(self.device),
                generator,
            )
            for start in range(0, n, size)
        ]

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step: linear warm-up, then a cosine to a hundredth."""
        c = self.training
        warm = max(1, round(c.warmup_share * self.total_steps))
        if step < warm:
            return c.learning_rate * (step + 1) / warm
        progress = (step - warm) / max(1, self.total_steps - warm)
        return c.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def run(self, resume: bool = True, stop_after_steps: int | None = None) -> Network:
        """Train to the end, or until asked to stop; write the best averaged weights.

        Parameters
        ----------
        resume : bool
            Continue from the folder's checkpoint if there is one.
        stop_after_steps : int, optional
            Stop as on SIGTERM after this many steps of this call.

        Returns
        -------
        Network
            With the best averaged weights, in evaluation mode.

        Raises
        ------
        Preempted
            After SIGTERM or `stop_after_steps`, once the checkpoint is written.
        """
        if resume and (self.folder / CHECKPOINT).is_file():
            self._load_checkpoint()
        previous = None
        try:
            previous = signal.signal(signal.SIGTERM, self._on_sigterm)
        except ValueError:
            _log.info("not in the main thread: SIGTERM will not write a checkpoint")
        try:
            if self._trains:
                self._loop(stop_after_steps)
            else:
                self._close_epoch({"total": float("nan")})
                self.state.epoch = 1
        finally:
            if previous is not None:
                signal.signal(signal.SIGTERM, previous)
        return self._finish()

    def _on_sigterm(self, *_: object) -> None:
        self._stop = True

    def _loop(self, stop_after_steps: int | None) -> None:
        c, state = self.training, self.state
        started, last_saved, seconds_before = time.monotonic(), time.monotonic(), state.seconds
        done_here = 0
        with Progress(self.total_steps, f"training {self.spec.kind}", "steps") as progress:
            progress.update(state.step)
            while state.epoch < c.epochs and not self._patience_over():
                sums: dict[str, float] = dict(getattr(self, "_sums", {}))
                skip = state.step - state.epoch * self.steps_per_epoch
                for picked in self.mocks.epoch(state.epoch, self.seed, c.batch, skip, self.rank, self.n_rank):
                    terms = self._step(picked)
                    for name, value in terms.items():
                        sums[name] = sums.get(name, 0.0) + value
                    state.step += 1
                    done_here += 1
                    progress.update(1, f"loss {terms['total']:.4f}, held out {state.best:.4f}")
                    self._sums = sums
                    now = time.monotonic()
                    state.seconds = seconds_before + now - started
                    stop = self._stop if self.n_rank == 1 else self._all_stop
                    if stop or done_here == stop_after_steps:
                        self._save_checkpoint()
                        raise Preempted(
                            f"stopped at step {state.step} of {self.total_steps}; run again to go on"
                        )
                    if now - last_saved > 60 * c.checkpoint_minutes:
                        self._save_checkpoint()
                        last_saved = now
                self._sums = {}
                state.epoch += 1
                self._close_epoch({name: value / self.steps_per_epoch for name, value in sums.items()})

    def _patience_over(self) -> bool:
        return (
            self.state.best_epoch >= 0 and self.state.epoch - self.state.best_epoch > self.training.patience
        )

    def _step(self, picked: Any) -> dict[str, float]:
        key = (self.seed, self.state.step, self.rank)
        generator = torch_stream("train.noise", *key, device=self.device)
        # Dropout uses torch's own generator; seeding it by the step makes that resumable too.
        seed_torch("train.dropout", *key)
        self.network.train()
        batch = _drawn(self.nuisance, picked.to(self.device), generator)
        mixed = self.training.precision == "bfloat16" and self.device.type == "cuda"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=mixed):
            terms = self.network.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        terms["total"].backward()
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        if self.n_rank > 1:
            self._share(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.training.clip_norm)
        if not bool(torch.isfinite(norm)):
            _log.warning("step %d: gradient not finite, step left out", self.state.step)
        else:
            rate = self.learning_rate(self.state.step)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
            self._average()
        return {name: float(value.detach()) for name, value in terms.items()}

    @torch.no_grad()
    def _share(self, parameters: list[Tensor]) -> None:
        """Average the gradients over the processes, in one message; with them goes who was asked to stop."""
        stop = torch.tensor([float(self._stop)], device=self.device)
        flat = torch.cat([p.grad.flatten() for p in parameters] + [stop])
        dist.all_reduce(flat)
        # Processes that stopped at different steps would wait for each other.
        self._all_stop = bool(flat[-1] > 0)
        parts = (flat[:-1] / self.n_rank).split([p.numel() for p in parameters])
        for p, part in zip(parameters, parts, strict=True):
            p.grad.copy_(part.view_as(p))

    @torch.no_grad()
    def _average(self) -> None:
        # The decay grows from zero, so that the random start is forgotten within some steps.
        decay = min(self.training.ema_decay, (1 + self.state.step) / (10 + self.state.step))
        for mean, value in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for mean, value in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
            mean.copy_(value)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return the loss terms of the averaged weights on the held-out mocks, noise fixed."""
        self.averaged.eval()
        total: dict[str, float] = {}
        count = 0
        for batch in self._held_out_batches:
            for name, value in self.averaged.loss(batch).items():
                total[name] = total.get(name, 0.0) + float(value) * len(batch)
            count += len(batch)
        return {name: value / count for name, value in total.items()}

    def _close_epoch(self, train_terms: dict[str, float]) -> None:
        held = self.evaluate()
        state = self.state
        if held["total"] < state.best or state.best_epoch < 0:
            state.best, state.best_epoch = held["total"], state.epoch
            self.best_state = {name: value.clone() for name, value in self.averaged.state_dict().items()}
        row = {"epoch": state.epoch, "step": state.step, "seconds": round(state.seconds, 2)}
        row |= {"learning_rate": self.learning_rate(max(0, state.step - 1)), "train": train_terms["total"]}
        self.history.append({**row, **{f"held_out_{name}": value for name, value in held.items()}})
        _log.info(
            "epoch %d: train %.4f, held out %.4f (best %.4f at %d), %.0f s",
            *(state.epoch, train_terms["total"], held["total"], state.best, state.best_epoch, state.seconds),
        )
        if self.rank == 0:
            write_history(self.folder / "history.csv", self.history)
            if self._on_epoch is not None and self._trains:
                self._on_epoch(self.history)

    def _finish(self) -> Network:
        network = build(self.spec, self.seed)
        network.load_state_dict({name: value.cpu() for name, value in self.best_state.items()})
        network.eval()
        if self.rank == 0:
            n_parameter = sum(p.numel() for p in network.parameters())
            extra = {
                **self.mocks.grid.to_json(),
                "scalars": list(SCALARS),
                "snr_range": list(self.noise.snr_range),
                "label_ranges": self.label_ranges,
                "prior": self.prior,
                "training": {
                    **asdict(self.state),
                    "best": self.state.best if math.isfinite(self.state.best) else None,
                    "n_mocks": len(self.mocks),
                    "n_parameters": n_parameter,
                    "device": str(self.device),
                    "seed": self.seed,
                },
                "provenance": self.provenance,
            }
            save_network(self.folder, network, extra)
        return network

    def _save_checkpoint(self) -> None:
        if self.rank != 0:
            return
        tensors: dict[str, Tensor] = {}
        for group, source in (
            ("network", self.network.state_dict()),
            ("averaged", self.averaged.state_dict()),
            ("best", self.best_state),
        ):
            tensors |= {f"{group}.{name}": value for name, value in source.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        meta = {
            "progression": asdict(self.state),
            "history": self.history,
            "sums": getattr(self, "_sums", {}),
            "fingerprint": self._fingerprint(),
        }
        save_tensors(self.folder / CHECKPOINT, tensors, meta)
        _log.info("checkpoint written at step %d", self.state.step)

    def _fingerprint(self) -> dict[str, Any]:
        # Device, precision and timers may change between the two halves of a run; these may not.
        keys = ("epochs", "batch", "learning_rate", "warmup_share", "weight_decay", "clip_norm", "ema_decay")
        keys += ("fit_galaxies", "validation_galaxies")
        return {
            "spec": self.spec.to_json(),
            "seed": self.seed,
            "mocks": self.mocks.shards.identity,
            "held_out": self.held_out.shards.identity,
            "n_rank": self.n_rank,
            "training": {key: getattr(self.training, key) for key in keys},
            "noise": self.noise.model_dump(mode="json"),
        }

    def _load_checkpoint(self) -> None:
        path = self.folder / CHECKPOINT
        tensors, meta = load_tensors(path)
        different = first_difference(meta["fingerprint"], self._fingerprint())
        if different:
            _log.warning("%s is of another run: its %s is %s, here it is %s; starting anew", path, *different)
            return

        def part(prefix: str) -> dict[str, Tensor]:
            return {
                name[len(prefix) + 1 :]: v for name, v in tensors.items() if name.startswith(prefix + ".")
            }

        self.network.load_state_dict(part("network"))
        self.averaged.load_state_dict(part("averaged"))
        self.best_state = {name: value.to(self.device) for name, value in part("best").items()}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimizer").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict(
            {"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]}
        )
        self.state = Progression(**meta["progression"])
        self.history, self._sums = meta["history"], meta["sums"]
        _log.info("resumed from step %d", self.state.step)


def _drawn(nuisance: Nuisance, picked: Any, generator: torch.Generator, snr: float | None = None) -> Batch:
    return nuisance(picked.flux, picked.band_flux, generator, picked.labels, picked.lines, snr)


def prior_summary(spec: Spec, batch: Batch) -> dict[str, Any]:
    """Return what always answering the prior would say, as plain lists: the baseline shown beside every model."""
    network = build(replace(spec, kind="prior_mean"))
    network.fit(batch, batch)
    answer = network.answer(batch[:1])
    return {
        name: {key: array[0].tolist() for key, array in value.items()}
        if isinstance(value, dict)
        else value[0].tolist()
        for name, value in answer.items()
    }


def label_ranges(labels: dict[str, Tensor]) -> dict[str, list[float]]:
    """Return the 0.5 and 99.5 % quantiles of the scalar labels: beyond them lies the edge of the prior."""
    ranges = {}
    for name, value in labels.items():
        if value.ndim == 1:
            low, high = np.quantile(value.numpy().astype(float), [0.005, 0.995])
            ranges[name] = [float(low), float(high)]
    return ranges


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Write one row an epoch to CSV, atomically."""
    with atomic_write(path) as partial, partial.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
