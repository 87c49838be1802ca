"""Where a training run stands, in one file from which it goes on bit for bit."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from sfhnet.mocks.shard_identity import first_difference
from sfhnet.networks.storage import load_tensors, save_tensors

__all__ = ["CHECKPOINT", "Progression", "RunState", "load_checkpoint", "save_checkpoint"]

_log = logging.getLogger("sfhnet.training.checkpoint")

CHECKPOINT = "checkpoint.safetensors"


@dataclass
class Progression:
    """Where a run stands: steps done, epochs done, best held-out loss and its epoch, seconds spent.

    The best is that of the ``stage``, which began at ``stage_epoch``.
    """

    step: int = 0
    epoch: int = 0
    best: float = math.inf
    best_epoch: int = -1
    seconds: float = 0.0
    stage: int = 0
    stage_epoch: int = 0


@dataclass
class RunState:
    """All that a run changes while it trains.

    Attributes
    ----------
    network, averaged : Module
        The network and its running average.
    optimizer : Optimizer
        Of the network.
    best : dict of Tensor
        Averaged weights of the best epoch.
    progression : Progression
        Steps, epochs, seconds.
    history : list of dict
        One row an epoch.
    loss_sum, left_out : Tensor ()
        Of the epoch that has begun: loss summed over its steps; steps whose gradient was not finite. On the device.
    """

    network: nn.Module
    averaged: nn.Module
    optimizer: Optimizer
    best: dict[str, Tensor]
    loss_sum: Tensor
    left_out: Tensor
    progression: Progression = field(default_factory=Progression)
    history: list[dict[str, float]] = field(default_factory=list)


def save_checkpoint(path: Path, run: RunState, fingerprint: Mapping[str, Any]) -> None:
    """Write a checkpoint, atomically.

    Parameters
    ----------
    path : Path
        File to write.
    run : RunState
        What the run goes on from.
    fingerprint : mapping
        Plain data that tells this run from others.
    """
    groups = {"network": run.network.state_dict(), "averaged": run.averaged.state_dict(), "best": run.best}
    tensors = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    for index, moments in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    tensors |= {"epoch.loss_sum": run.loss_sum, "epoch.left_out": run.left_out}
    meta = {
        "progression": asdict(run.progression),
        "history": run.history,
        "fingerprint": dict(fingerprint),
    }
    save_tensors(path, tensors, meta)
    _log.info("checkpoint written at step %d", run.progression.step)


def load_checkpoint(path: Path, run: RunState, fingerprint: Mapping[str, Any]) -> bool:
    """Bring a run to where a checkpoint left it.

    Parameters
    ----------
    path : Path
        File of `save_checkpoint`.
    run : RunState
        A fresh run, changed in place.
    fingerprint : mapping
        Of this run; a checkpoint of another one is left alone, and the log says what differs.

    Returns
    -------
    bool
        Whether the run goes on from it.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    tensors, meta = load_tensors(path)
    different = first_difference(meta["fingerprint"], fingerprint)
    if different:
        _log.warning("%s is of another run: its %s is %s, here it is %s; starting anew", path, *different)
        return False

    def part(prefix: str) -> dict[str, Tensor]:
        return {
            name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(prefix + ".")
        }

    run.network.load_state_dict(part("network"))
    run.averaged.load_state_dict(part("averaged"))
    run.best = {name: value.to(run.best[name].device) for name, value in part("best").items()}
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimizer").items():
        index, key = name.split(".", 1)
        moments.setdefault(int(index), {})[key] = value
    run.optimizer.load_state_dict(
        {"state": moments, "param_groups": run.optimizer.state_dict()["param_groups"]}
    )
    run.progression = Progression(**meta["progression"])
    run.history = meta["history"]
    for name, value in part("epoch").items():
        getattr(run, name).copy_(value)
    _log.info("resumed from step %d", run.progression.step)
    return True
