"""The training loop: noise on the fly, Muon, warm-up and cosine, averaged weights, checkpoints that resume exactly.

Within a step the host never waits for the device. All randomness of a step comes from (seed, step, rank), the order of mocks from (seed, epoch): a run that was stopped
anywhere and resumed from its checkpoint gives the same weights bit for bit as one that was not (same machine, same
number of threads).
"""

from __future__ import annotations

import copy
import logging
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist

from sfhnet.config import NoiseConfig, TrainingConfig
from sfhnet.core.bands import own_bands
from sfhnet.core.quantities import SCALARS
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.noise import NoiseModel
from sfhnet.networks import Network, Spec, build
from sfhnet.networks.storage import save_network
from sfhnet.tools.folder_lock import alone_in
from sfhnet.tools.progress import Progress
from sfhnet.tools.random_streams import seed_torch, torch_stream
from sfhnet.training.checkpoint import CHECKPOINT, Progression, RunState, load_checkpoint, save_checkpoint
from sfhnet.training.muon import optimizer_for
from sfhnet.training.scales import set_scales
from sfhnet.training.schedule import epochs_of, learning_rate
from sfhnet.training.setup import device_of, distributed, make_spec, precision_of, training_config
from sfhnet.training.source import FixedMocks, Source, StoredMocks
from sfhnet.training.summaries import trained_on, write_history
from sfhnet.training.transfer import Start

# The settings can be imported from here too, as in version 0.1.
__all__ = [
    "Preempted",
    "Trainer",
    "device_of",
    "distributed",
    "make_spec",
    "training_config",
]

_log = logging.getLogger("sfhnet.training.trainer")

# Held-out mocks in one pass.
_HELD_OUT_CHUNK = 512

# Seconds between two looks at the loss within an epoch: the host waits for the device to see it.
_LOOK_S = 5.0

# Checkpoints of another optimiser hold other moments.
_OPTIMIZER = "Muon, AdamW"

# Device, precision and timers may change between the two halves of a run; these settings may not.
_SAME_WHEN_RESUMED = (
    "source",
    "epochs",
    "posterior_share",
    "draws",
    "seconds",
    "reuse",
    "pool",
    "realisations",
    "batch",
    "learning_rate",
    "warmup_share",
    "weight_decay",
    "beta2",
    "clip_norm",
    "ema_decay",
    "fit_galaxies",
    "validation_galaxies",
)


class Preempted(RuntimeError):
    """Training was asked to stop (SIGTERM) and has written its checkpoint."""


class Trainer:
    """Train one network on mocks.

    Parameters
    ----------
    spec : Spec
        The network.
    training, noise : TrainingConfig, NoiseConfig
        Configuration sections.
    mocks, held_out : FixedMocks
        Training and held-out mocks.
    folder : Path
        Where weights, history and checkpoint go.
    seed : int
        Seed of everything random.
    provenance : dict, optional
        Stored in ``model.json``.
    source : callable, optional
        Makes what the batches come from for this trainer, whose network has its scales by then; `mocks`, with noise drawn
        on the fly, if not given. Scales and components are set from `mocks` in any case.
    start : Start, optional
        Trained network that `spec` goes on from.
    on_epoch : callable, optional
        Called on the first rank with the history after each epoch, e.g. to draw the loss curve.
    """

    def __init__(
        self,
        spec: Spec,
        training: TrainingConfig,
        noise: NoiseConfig,
        *,
        mocks: FixedMocks,
        held_out: FixedMocks,
        folder: Path,
        seed: int,
        provenance: Mapping[str, Any] | None = None,
        source: Callable[[Trainer], Source] | None = None,
        start: Start | None = None,
        on_epoch: Callable[[list[dict[str, float]]], object] | None = None,
    ) -> None:
        self.spec, self.training, self.noise = spec, training, noise
        self.mocks, self.held_out, self.folder, self.seed = mocks, held_out, Path(folder), seed
        self.provenance = dict(provenance or {})
        self.rank, self.n_rank = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        if training.seconds is not None and self.n_rank > 1:
            raise ValueError(
                f"training.seconds is {training.seconds:g} with {self.n_rank} processes, whose clocks would part; give "
                "training.draws instead, or train with one process"
            )
        self.device = device_of(training)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.noise_model = NoiseModel(noise, mocks.wave_aa, mocks.band_names, device=self.device)
        self.network = build(spec, seed)
        if start is not None:
            start.begin(self.network)
        self._before = [] if start is None else start.parts()
        self.prior, self.label_ranges = set_scales(
            self.network, spec, mocks, noise, n=training.fit_galaxies, seed=seed
        )
        self.network.to(self.device)
        self.averaged = copy.deepcopy(self.network).eval()
        self.precision = precision_of(training, self.device) if self.network.mixed else torch.float32
        self.optimizer = optimizer_for(
            self.network, training.learning_rate, training.weight_decay, betas=(0.9, training.beta2)
        )
        self.run_state = RunState(
            self.network,
            self.averaged,
            self.optimizer,
            best=_copied(self.averaged),
            loss_sum=torch.zeros((), dtype=torch.float64, device=self.device),
            left_out=torch.zeros((), dtype=torch.int64, device=self.device),
        )
        self.source: Source = self._stored() if source is None else source(self)
        self.steps_per_epoch = self.source.steps_per_epoch
        self.total_steps = self.steps_per_epoch * training.epochs
        self._epochs_of = epochs_of(self.network.n_stage, training)
        self._on_epoch = on_epoch
        self._held_out_batches = self._draw_held_out()
        # Buffers are set once, by `fit`, but for those of batch norms.
        self._running = [
            pair
            for kept, module in zip(self.averaged.modules(), self.network.modules(), strict=True)
            if getattr(module, "track_running_stats", False)
            for pair in zip(kept.buffers(), module.buffers(), strict=True)
        ]
        self._stop = self._all_stop = False

    def _stored(self) -> Source:
        if not isinstance(self.mocks, Mocks):
            raise ValueError("mocks that are no shards set scales only; give a source of batches")
        share = {"rank": self.rank, "n_rank": self.n_rank}
        return StoredMocks(self.mocks, self.noise_model, batch=self.training.batch, seed=self.seed, **share)

    @property
    def state(self) -> Progression:
        """Where the run stands."""
        return self.run_state.progression

    @property
    def history(self) -> list[dict[str, float]]:
        """One row an epoch: losses, learning rate, seconds."""
        return self.run_state.history

    def _draw_held_out(self) -> list[Any]:
        """Return held-out mocks as the network sees them: what no weight changes is computed once."""
        n = min(self.training.validation_galaxies, len(self.held_out))
        generator = torch_stream("train.held_out", self.seed, device=self.device)
        chunks = [np.arange(k, min(k + _HELD_OUT_CHUNK, n)) for k in range(0, n, _HELD_OUT_CHUNK)]
        drawn = (
            self.held_out.get(index).to(self.device).noisy(self.noise_model, generator) for index in chunks
        )
        return [self.network.prepared(batch) for batch in drawn]

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, see `sfhnet.training.schedule.learning_rate`."""
        return learning_rate(step, self.state, self.training, self._epochs_of, steps=self.steps_per_epoch)

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
        RuntimeError
            If another training is at work in the folder.
        """
        # Two trainings would write each other's checkpoint.
        with alone_in(self.folder, "a training") if self.rank == 0 else nullcontext():
            return self._run(resume, stop_after_steps)

    def _run(self, resume: bool, stop_after_steps: int | None) -> Network:
        checkpoint = self.folder / CHECKPOINT
        if resume and checkpoint.is_file():
            load_checkpoint(checkpoint, self.run_state, self._fingerprint())
        self._begin_stage()
        previous = None
        try:
            previous = signal.signal(signal.SIGTERM, self._on_sigterm)
        except ValueError:
            _log.info("not in the main thread: SIGTERM will not write a checkpoint")
        try:
            if self.network.trains:
                self._loop(stop_after_steps)
            else:
                self._close_epoch(float("nan"))
                self.state.epoch = 1
        finally:
            if previous is not None:
                signal.signal(signal.SIGTERM, previous)
        return self._finish()

    def _on_sigterm(self, *_: object) -> None:
        self._stop = True

    def _loop(self, stop_after_steps: int | None) -> None:
        c, run = self.training, self.run_state
        started, last_saved, looked = time.monotonic(), time.monotonic(), time.monotonic()
        seconds_before, done_here = self.state.seconds, 0
        batches = self.source.batches(self.state.step)
        length, unit = (self.total_steps, "steps") if c.seconds is None else (round(c.seconds), "s")
        with Progress(length, f"training {self.spec.kind}", unit) as progress:
            shown = self._done()
            progress.update(shown)
            while not self._over():
                while not self._epoch_over():
                    loss = self._step(next(batches))
                    run.loss_sum += loss
                    self.state.step += 1
                    done_here += 1
                    now, note = time.monotonic(), ""
                    if now - looked > _LOOK_S:
                        looked, note = now, f"loss {float(loss):.4f}, held out {self.state.best:.4f}"
                    self.state.seconds = seconds_before + now - started
                    progress.update(self._done() - shown, note)
                    shown = self._done()
                    stop = self._stop if self.n_rank == 1 else self._all_stop
                    if stop or done_here == stop_after_steps:
                        self._save_checkpoint()
                        raise Preempted(
                            f"stopped at {unit.rstrip('s') or 'second'} {shown} of {length}; run again to go on"
                        )
                    if now - last_saved > 60 * c.checkpoint_minutes:
                        self._save_checkpoint()
                        last_saved = now
                steps = self.state.step - self._began(self.state.epoch)
                self.state.epoch += 1
                self._close_epoch(float(run.loss_sum) / steps)
                if int(run.left_out):
                    _log.warning("%d steps left out: their gradient was not finite", int(run.left_out))
                run.loss_sum.zero_()
                run.left_out.zero_()

    def _done(self) -> int:
        """Return the steps done, or seconds if these are what counts."""
        return self.state.step if self.training.seconds is None else int(self.state.seconds)

    def _began(self, epoch: int) -> int:
        """Return the step that an epoch began with."""
        return int(self.history[epoch - 1]["step"]) if epoch else 0

    def _epoch_over(self) -> bool:
        c, state = self.training, self.state
        if c.seconds is None:
            return state.step >= (state.epoch + 1) * self.steps_per_epoch
        # However slow the machine is, no epoch is empty.
        return (
            state.step > self._began(self.state.epoch)
            and state.seconds >= (state.epoch + 1) * c.seconds / c.epochs
        )

    def _over(self) -> bool:
        """Return whether all stages are done; go on to the next one where one is."""
        state = self.state
        tired = state.best_epoch >= 0 and state.epoch - state.best_epoch > self.training.patience
        if state.epoch - state.stage_epoch < self._epochs_of[state.stage] and not tired:
            return False
        if state.stage + 1 == len(self._epochs_of):
            return True
        # What stays is the best that this stage gave.
        for network in (self.network, self.averaged):
            network.load_state_dict(self.run_state.best)
        state.stage, state.stage_epoch, state.best, state.best_epoch = (
            state.stage + 1,
            state.epoch,
            math.inf,
            -1,
        )
        self._begin_stage()
        return False

    def _begin_stage(self) -> None:
        for network in (self.network, self.averaged):
            network.begin_stage(self.state.stage)

    def _step(self, batch: Any) -> Tensor:
        """Do one step and return its loss, on the device."""
        # Dropout uses torch's own generator; seeding it by the step makes that resumable too.
        seed_torch("train.dropout", self.seed, self.state.step, self.rank)
        self.network.train()
        mixed = self.precision is torch.bfloat16
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=mixed):
            loss = self.network.loss(batch)["total"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        if self.n_rank > 1:
            self._share(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.training.clip_norm)
        wrong = ~torch.isfinite(norm)
        self.run_state.left_out += wrong
        self.optimizer.found_inf = wrong.float()
        rate = self.learning_rate(self.state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        self.optimizer.step()
        self._average()
        return loss.detach()

    @torch.no_grad()
    def _share(self, parameters: Sequence[Tensor]) -> None:
        """Average the gradients over the processes, in one message; with them goes who was asked to stop."""
        stop = torch.tensor([float(self._stop)], device=self.device)
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([*(grad.flatten() for grad in grads), stop])
        dist.all_reduce(flat)
        # Processes that stopped at different steps would wait for each other.
        self._all_stop = bool(flat[-1] > 0)
        parts = (flat[:-1] / self.n_rank).split([grad.numel() for grad in grads])
        for grad, part in zip(grads, parts, strict=True):
            grad.copy_(part.view_as(grad))

    @torch.no_grad()
    def _average(self) -> None:
        # The decay grows from zero, so that the random start is forgotten within some steps.
        step = self.state.step - self._began(self.state.stage_epoch)
        decay = min(self.training.ema_decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.averaged.parameters()), list(self.network.parameters()), 1 - decay)
        for kept, buffer in self._running:
            kept.copy_(buffer)

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

    def _close_epoch(self, train_loss: float) -> None:
        held = self.evaluate()
        state = self.state
        if held["total"] < state.best or state.best_epoch < 0:
            state.best, state.best_epoch = held["total"], state.epoch
            self.run_state.best = _copied(self.averaged)
        row = {
            "epoch": state.epoch,
            "stage": state.stage,
            "step": state.step,
            "seconds": round(state.seconds, 2),
        }
        row |= {"learning_rate": self.learning_rate(max(0, state.step - 1)), "train": train_loss}
        self.history.append({**row, **{f"held_out_{name}": value for name, value in held.items()}})
        _log.info(
            "epoch %d: train %.4f, held out %.4f (best %.4f at %d), %.0f s",
            *(state.epoch, train_loss, held["total"], state.best, state.best_epoch, state.seconds),
        )
        if self.rank == 0:
            write_history(self.folder / "history.csv", self.history)
            if self._on_epoch is not None and self.network.trains:
                self._on_epoch(self.history)

    def _finish(self) -> Network:
        network = build(self.spec, self.seed)
        network.load_state_dict({name: value.cpu() for name, value in self.run_state.best.items()})
        network.eval()
        if self.rank == 0:
            n_parameter = sum(p.numel() for p in network.parameters())
            part = {
                "spectra": self.state.step * self.training.batch * self.n_rank,
                "seconds": self.state.seconds,
                **{name: getattr(self.training, name) for name in ("source", "learning_rate", "batch")},
            }
            parts = [*self._before, part]
            extra = {
                **self.mocks.grid.to_json(),
                "scalars": list(SCALARS),
                "own_bands": own_bands(self.spec.band_names),
                "snr_range": list(self.noise.snr_range),
                **trained_on(self.noise),
                "label_ranges": self.label_ranges,
                "prior": self.prior,
                "training": {
                    **asdict(self.state),
                    "best": self.state.best if math.isfinite(self.state.best) else None,
                    "n_mocks": len(self.mocks),
                    "n_spectra": sum(one["spectra"] for one in parts),
                    "seconds": sum(one["seconds"] for one in parts),
                    "parts": parts,
                    "source": self.training.source,
                    "n_parameters": n_parameter,
                    "device": str(self.device),
                    "seed": self.seed,
                },
                "provenance": self.provenance,
            }
            save_network(self.folder, network, extra)
        return network

    def _save_checkpoint(self) -> None:
        if self.rank == 0:
            save_checkpoint(self.folder / CHECKPOINT, self.run_state, self._fingerprint())

    def _fingerprint(self) -> dict[str, Any]:
        return {
            "spec": self.spec.to_json(),
            "seed": self.seed,
            "mocks": self.source.identity,
            "optimizer": _OPTIMIZER,
            "held_out": self.held_out.identity,
            "n_rank": self.n_rank,
            "training": {key: getattr(self.training, key) for key in _SAME_WHEN_RESUMED},
            "noise": self.noise.model_dump(mode="json"),
        }


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
