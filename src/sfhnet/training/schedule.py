"""The learning rate of a step, and how many epochs each stage of a network has."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sfhnet.config import TrainingConfig
from sfhnet.training.checkpoint import Progression

__all__ = ["epochs_of", "learning_rate"]


def learning_rate(
    step: int, state: Progression, training: TrainingConfig, epochs: Sequence[int], *, steps: int
) -> float:
    """Return the learning rate of a step: in each stage linear warm-up, then a cosine to a hundredth.

    With ``training.seconds`` the time that has gone by counts instead of steps.

    Parameters
    ----------
    step : int
        Number of the step.
    state : Progression
        Where the run stands.
    training : TrainingConfig
        Configuration section.
    epochs : sequence of int
        Of each stage.
    steps : int
        Of an epoch.

    Returns
    -------
    float
    """
    c = training
    if c.seconds is None:
        epoch, now, least = float(steps), float(step), 1.0
    else:
        epoch, now, least = c.seconds / c.epochs, state.seconds, 1e-9
    done, total = now - state.stage_epoch * epoch, epochs[state.stage] * epoch
    warm = max(least, round(c.warmup_share * total) if c.seconds is None else c.warmup_share * total)
    if done < warm:
        return c.learning_rate * min(1.0, (max(done, 0.0) + 1) / warm)
    progress = min(1.0, (done - warm) / max(least, total - warm))
    return c.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def epochs_of(n_stage: int, training: TrainingConfig) -> list[int]:
    """Return the epochs of each stage; ValueError if there are too few for two."""
    if n_stage == 1:
        return [training.epochs]
    last = max(1, round(training.posterior_share * training.epochs))
    if last >= training.epochs:
        raise ValueError(
            f"training.epochs is {training.epochs}; a network with a joint posterior of its own stage needs more than {last}, "
            "or a smaller training.posterior_share"
        )
    return [training.epochs - last, last]
