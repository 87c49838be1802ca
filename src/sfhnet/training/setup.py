"""What a training run starts from: its settings, its network, its device and its processes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import distributed as dist

from sfhnet.config import Config, ModelConfig, TrainingConfig
from sfhnet.networks import Spec

__all__ = ["device_of", "distributed", "make_spec", "precision_of", "training_config"]

_log = logging.getLogger("sfhnet.training.setup")


def training_config(config: Config, name: str) -> TrainingConfig:
    """Return the training section with the overrides of one model.

    Parameters
    ----------
    config : Config
        The whole configuration.
    name : str
        Key of ``models``.

    Returns
    -------
    TrainingConfig

    Raises
    ------
    ValueError
        If the model is not in the configuration.
    """
    if name not in config.models:
        raise ValueError(f"no model {name!r} in the configuration; there are {', '.join(config.models)}")
    return TrainingConfig(**{**config.training.model_dump(), **config.models[name].training})


def make_spec(
    model: ModelConfig, n_wave: int, band_names: Sequence[str], *, age_edges_myr: Sequence[float] | np.ndarray
) -> Spec:
    """Return the spec of a network from its configuration section and the mocks' grids.

    Parameters
    ----------
    model : ModelConfig
        Section of the model.
    n_wave : int
        Pixels of the training grid.
    band_names : sequence of str
        Bands in the order of the mocks' band fluxes.
    age_edges_myr : sequence of float or ndarray (n_age+1,)
        Edges of the age bins in Myr.

    Returns
    -------
    Spec
    """
    options = model.model_dump(mode="json", exclude={"kind", "training", "start_from", "trunk_rate"})
    # As in models of before there were tokens, whose checkpoints and specs stay what they are.
    if not options.get("band_tokens"):
        options.pop("band_tokens", None)
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


def precision_of(config: TrainingConfig, device: torch.device) -> torch.dtype:
    """Choose the precision of hidden layers: bfloat16 where it is wanted and the device computes in it.

    Parameters
    ----------
    config : TrainingConfig
    device : torch.device
        That trains.

    Returns
    -------
    torch.dtype
        ``torch.bfloat16`` or ``torch.float32``.
    """
    if config.precision == "float32":
        return torch.float32
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Emulated, it takes several times as long as float32.
        known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        able = bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    if config.precision == "bfloat16" and not able:
        _log.warning(
            "training.precision is bfloat16, but the %s does not compute in it: float32", device.type
        )
    return torch.bfloat16 if able else torch.float32


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
